"""Shards and their verdict, as processes: `copy --shard` on several hosts, then `merge`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from skopeo_mirror.output.report import report_pieces
from skopeo_mirror.request import WholeList
from tests.output.results import COPIED, FAILED, run_of
from tests.rig.copying import PLAIN, configure, entry, hold_to_schema
from tests.rig.images import make_image

if TYPE_CHECKING:
    from tests.rig.program import Program
    from tests.rig.registry import Registry


def test_shards_are_copied_and_judged_as_one(skopeo_mirror: Program, mirror: Registry, destination: Registry) -> None:
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    images = {f"ns/app-{number}": make_image(f"{number}") for number in range(3)}
    for name, image in images.items():
        mirror.push(name, image)
    wanted = [f"prod.invalid/{name}@{image.digest}" for name, image in images.items()]
    (skopeo_mirror.directory / "images.txt").write_text("".join(f"{one}\n" for one in wanted))

    def copy(number: int, *shard: str, env: dict[str, str] | None = None) -> None:
        run = skopeo_mirror(
            *("copy", "-r", "registries.conf", PLAIN, "-f", "images.txt", *shard),
            *("--report", f"{number}.json", f"docker://{destination.host}"),
            env=env,
        )
        assert run.status == 0, run.stderr

    copy(1, "--shard", "1/3")
    copy(3, env={"SKOPEO_MIRROR_SHARD_INDEX": "2", "SKOPEO_MIRROR_SHARD_COUNT": "3"})
    missing = skopeo_mirror("merge", "1.json", "3.json")
    assert missing.status == 1
    assert "shard 2/3 is missing" in missing.stdout

    copy(2, "--shard-index", "1", "--shard-count", "3")
    whole = skopeo_mirror("merge", "--json", "3.json", "1.json", "2.json")
    assert whole.status == 0, whole.stderr
    hold_to_schema(whole.report)
    assert sorted(image["image"] for image in whole.report["images"]) == sorted(wanted)
    assert whole.report["list"]["images"] == 3
    assert whole.stderr.startswith("3 images of 3 shards: 3 copied in ")
    assert destination.repositories() == sorted(images)

    (skopeo_mirror.directory / "merged.json").write_text(whole.stdout)
    assert mirror.host not in skopeo_mirror("redirect", "merged.json").stdout
    assert skopeo_mirror("merge", "merged.json").status == 0


def test_one_of_fifty_is_missing(skopeo_mirror: Program) -> None:
    for number in range(1, 51):
        run = run_of(COPIED, *([FAILED] if number == 7 else []))
        shard = replace(run, shard=f"{number}/50", whole_list=WholeList(images=51, sha256="a" * 64))
        (skopeo_mirror.directory / f"{number}.json").write_text("".join(report_pieces(shard)))
    files = [f"{number}.json" for number in range(1, 51) if number != 37]
    judged = skopeo_mirror("merge", *files)
    assert (judged.status, judged.stderr) == (1, "")
    lines = judged.stdout.splitlines()
    assert lines[0] == "failed prod.test/other:v1: no candidate served it"
    assert lines[1].startswith("50 images of 49 shards: 49 copied, 1 failed in ")
    assert lines[-1].startswith("shard 37/50 is missing: ")
    assert skopeo_mirror("merge", *files, "37.json").status == 1  # an image has failed still


def test_what_is_no_report_is_told_all_at_once(skopeo_mirror: Program) -> None:
    (skopeo_mirror.directory / "half.json").write_text('{"schema": "skopeo-mirror/report/v1", "ch')
    (skopeo_mirror.directory / "other.json").write_text(json.dumps({"schema": "other"}))
    run = skopeo_mirror("merge", "half.json", "other.json", "none.json")
    assert (run.status, run.stdout) == (2, "")
    assert [line.split(":")[1].strip() for line in run.stderr.splitlines()] == ["half.json", "other.json", "none.json"]
