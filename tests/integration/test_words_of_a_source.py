"""What a source writes in an answer is told, without secrets, and decides nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import configure, copy, entry, holds, only, pin_tag, statuses
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import make_image, make_multi_architecture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.program import Program
    from tests.rig.registry import Registry

WORDS = [
    "no space left on device",
    "cache: read-only file system",
    "uploading: dial tcp 10.9.9.9:443: connect: connection refused",
    "pinging container registry: dial tcp: lookup registry-1.docker.io: no such host",
    "Source image rejected: x509: certificate: toomanyrequests: too many open files",
]
INDEX = make_multi_architecture("index")
OTHERS = [make_image(f"other-{number}") for number in range(3)]


@pytest.fixture
def talkative() -> Iterator[FaultyRegistry]:
    """Return a registry that has an index but not its images."""
    with FaultyRegistry() as registry:
        registry.serve("app", INDEX)
        for child in INDEX.children:
            del registry.store.manifests["app", child.digest]
        yield registry


class TestOfAnImageOfAnIndex:
    @pytest.mark.parametrize("words", WORDS)
    @pytest.mark.parametrize("to", ["docker", "oci"])
    def test_cost_the_mirror_alone(
        self,
        skopeo_mirror: Program,
        talkative: FaultyRegistry,
        mirror: Registry,
        destination: Registry,
        words: str,
        to: str,
    ) -> None:
        talkative.store.says = words
        mirror.push("app", INDEX)
        configure(skopeo_mirror, entry("prod.invalid", talkative.host, mirror.host))
        target = f"docker://{destination.host}" if to == "docker" else "oci:copied"
        copied = only(copy(skopeo_mirror, "--mirrors-only", "--retries=0", f"prod.invalid/app@{INDEX.digest}", target))
        assert copied["served_by"]["location"] == talkative.host
        assert {part["served_by"]["location"] for part in copied["parts"]} == {mirror.host}
        for part in copied["parts"]:
            [failed] = [attempt for attempt in part["attempts"] if attempt["outcome"] == "failed"]
            assert (failed["location"], failed["stage"], failed["reason"]) == (talkative.host, "manifest", "not-found")
        assert to == "oci" or holds(destination, "app", pin_tag(INDEX), INDEX)

    @pytest.mark.parametrize("words", WORDS)
    def test_cost_the_image_alone(
        self, skopeo_mirror: Program, talkative: FaultyRegistry, mirror: Registry, destination: Registry, words: str
    ) -> None:
        talkative.store.says = words
        for number, image in enumerate(OTHERS):
            mirror.push(f"other{number}", image)
        configure(skopeo_mirror, entry("prod.invalid", talkative.host), entry("more.invalid", mirror.host))
        others = [f"more.invalid/other{number}@{image.digest}" for number, image in enumerate(OTHERS)]
        report = copy(
            skopeo_mirror,
            *("--mirrors-only", "--retries=0", "-j1", f"prod.invalid/app@{INDEX.digest}", *others),
            f"docker://{destination.host}",
            status=1,
        )
        assert list(statuses(report).values()) == ["failed", "copied", "copied", "copied"]
        failed = report["images"][0]
        [attempt] = failed["attempts"]
        assert attempt["reason"] == "not-found"
        assert words in attempt["detail"]


@pytest.mark.parametrize(
    "words",
    [
        "rejected Basic dXNlcjpIVU5URVIy",
        "no scope for Bearer HUNTER2HUNTER2",
        "who is user:HUNTER2",
        "moved to https://cdn.test/b?Policy=HUNTER2&Signature=HUNTER2&Key-Pair-Id=HUNTER2",
        "moved to https://s3.test/b?X-Amz-Credential=HUNTER2&X-Amz-Signature=HUNTER2",
    ],
)
def test_credentials_that_a_mirror_repeats_are_told_nowhere(
    skopeo_mirror: Program, tmp_path: Path, talkative: FaultyRegistry, words: str
) -> None:
    talkative.store.says = words
    configure(skopeo_mirror, entry("prod.invalid", talkative.host))
    run = skopeo_mirror(
        *("copy", "-r", "registries.conf", "--json", "-v", "--mirrors-only", "--retries=0"),
        *("--log-dir", "logs", "--report", "report.json", "prod.invalid/app:v1", "dir:copied"),
    )
    assert run.status == 1
    [log] = (tmp_path / "work/logs").iterdir()
    kept = (tmp_path / "work/report.json").read_text(encoding="utf-8")
    told = (run.stdout, run.stderr, log.read_text(encoding="utf-8"), kept)
    assert [text for text in told if "HUNTER2" in text or "dXNlcjpIVU5URVIy" in text] == []
    assert all("***" in text for text in told)
    assert "manifest unknown" in json.loads(kept)["images"][0]["error"]
