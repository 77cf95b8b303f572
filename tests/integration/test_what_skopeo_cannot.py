"""What the skopeo at hand cannot copy as it is: said in words, blamed on nobody, tried once."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.rig.copying import configure, copy, entry, holds, only, pin_tag
from tests.rig.faults import Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import Image, make_image, make_index, make_multi_architecture
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.rig.program import Program

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
INDEX = make_multi_architecture("index")


@pytest.fixture
def two(skopeo_mirror: Program) -> Iterator[tuple[FaultyRegistry, FaultyRegistry]]:
    """Return two mirrors of prod.invalid."""
    with FaultyRegistry() as first, FaultyRegistry() as second:
        configure(skopeo_mirror, entry("prod.invalid", first.host, second.host))
        yield first, second


@pytest.fixture(scope="module")
def schema1(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Return a signed schema 1 manifest as skopeo makes it."""
    directory = tmp_path_factory.mktemp("schema1")
    with FaultyRegistry() as registry:
        registry.serve("app", make_image("old", docker=True), "v1")
        copying = ["skopeo", "--insecure-policy", "copy", "--format", "v2s1", "--src-tls-verify=false"]
        name = f"docker://{registry.host}/app"
        subprocess.run([*copying, "--dest-tls-verify=false", f"{name}:v1", f"{name}:old"], check=True)
        manifest = registry.manifest("app", "old")
        blobs = {digest: blob for (_, digest), blob in registry.store.blobs.items()}
    assert manifest is not None
    assert json.loads(manifest)["schemaVersion"] == 1
    (directory / "manifest").write_bytes(manifest)
    return Image(manifest=manifest, media_type=SCHEMA1, blobs=blobs)


def digest_as_skopeo_says(image: Image, directory: Path) -> str:
    """Return the digest of a schema 1 manifest: of its payload."""
    (directory / "manifest").write_bytes(image.manifest)
    said = subprocess.run(
        ["skopeo", "manifest-digest", directory / "manifest"], capture_output=True, encoding="ascii", check=True
    )
    return said.stdout.strip()


class TestSchema1:
    @pytest.mark.parametrize("plans", [True, False], ids=["planned", "no-plan"])
    @pytest.mark.parametrize("to", ["docker", "dir"])
    @pytest.mark.parametrize("by", ["tag", "digest"])
    def test_is_not_copied_and_nobody_is_blamed(
        self,
        skopeo_mirror: Program,
        tmp_path: Path,
        two: tuple[FaultyRegistry, FaultyRegistry],
        destination: Registry,
        schema1: Image,
        plans: bool,
        to: str,
        by: str,
    ) -> None:
        digest = digest_as_skopeo_says(schema1, tmp_path)
        assert digest != schema1.digest
        for mirror in two:
            mirror.serve("app", schema1, "v1")
            mirror.store.put_manifest("app", digest, SCHEMA1, schema1.manifest)
        image = "prod.invalid/app:v1" if by == "tag" else f"prod.invalid/app@{digest}"
        target = f"docker://{destination.host}/x" if to == "docker" else "dir:copied"
        options = ["--mirrors-only", *([] if plans else ["--no-plan"])]
        failed = only(copy(skopeo_mirror, *options, image, target, status=1))
        assert "Docker's schema 1, which is not copied" in failed["error"]
        assert "convert it at its source" in failed["error"]
        assert failed["attempts"] == []
        assert two[1].requests() == []

    def test_of_another_digest_is_the_mirrors_fault(
        self, skopeo_mirror: Program, two: tuple[FaultyRegistry, FaultyRegistry], schema1: Image
    ) -> None:
        """Else any mirror could keep an image from being taken from the others."""
        wanted = make_image("wanted")
        two[0].store.put_manifest("app", wanted.digest, SCHEMA1, schema1.manifest)
        two[1].serve("app", wanted)
        copied = only(copy(skopeo_mirror, "--mirrors-only", f"prod.invalid/app@{wanted.digest}", "dir:copied"))
        assert copied["served_by"]["location"] == two[1].host
        assert copied["attempts"][0]["reason"] == "corrupt"


def with_field(index: Image, **fields: Any) -> Image:
    document = json.loads(index.manifest)
    document["manifests"][0].update(fields)
    return replace(index, manifest=json.dumps(document).encode())


TARGETS: dict[str, Callable[[Registry], str]] = {
    "docker": lambda registry: f"docker://{registry.host}",
    "oci": lambda _: "oci:copied",
    "dir": lambda _: "dir:copied",
}


class TestIndexes:
    @pytest.mark.parametrize("plans", [True, False], ids=["planned", "no-plan"])
    @pytest.mark.parametrize("to", TARGETS)
    @pytest.mark.parametrize("field", ["artifactType", "data"])
    def test_with_newer_fields_are_copied_or_the_skopeo_is_named(
        self,
        skopeo_mirror: Program,
        two: tuple[FaultyRegistry, FaultyRegistry],
        destination: Registry,
        field: str,
        to: str,
        plans: bool,
    ) -> None:
        index = with_field(INDEX, **{field: "e30="})
        for mirror in two:
            mirror.serve("app", index)
        target = TARGETS[to](destination)
        run = skopeo_mirror(
            *("copy", "-r", "registries.conf", "--json", "--dest-tls-verify=false", "--mirrors-only"),
            *(*([] if plans else ["--no-plan"]), f"prod.invalid/app@{index.digest}", target),
        )
        image = only(run.report)
        if run.status == 0:
            assert to != "docker" or holds(destination, "app", pin_tag(index), index)
            assert run.report["skopeo"]["version"] != "1.9.3"
        else:
            version = run.report["skopeo"]["version"]
            assert image["error"].startswith(f"this skopeo ({version}) cannot keep this index as it is")
            assert "skopeo 1.18 can" in image["error"]
            assert image["attempts"] == []
            assert two[1].requests() == []

    @pytest.mark.parametrize("plans", [True, False], ids=["planned", "no-plan"])
    @pytest.mark.parametrize("to", TARGETS)
    def test_that_give_an_image_another_size_are_corrupt(
        self,
        skopeo_mirror: Program,
        two: tuple[FaultyRegistry, FaultyRegistry],
        destination: Registry,
        to: str,
        plans: bool,
    ) -> None:
        first = INDEX.children[0]
        size = len(first.manifest)
        index = with_field(INDEX, size=size + 1)
        for mirror in two:
            mirror.serve("app", index)
        run = skopeo_mirror(
            *("copy", "-r", "registries.conf", "--json", "--dest-tls-verify=false", "--mirrors-only"),
            *(*([] if plans else ["--no-plan"]), f"prod.invalid/app@{index.digest}", TARGETS[to](destination)),
        )
        image = only(run.report)
        if run.status == 0:
            assert run.report["skopeo"]["version"] != "1.9.3"
        else:
            assert [(attempt["location"], attempt["reason"]) for attempt in image["attempts"]] == [
                (mirror.host, "corrupt") for mirror in two
            ]
            assert f"its index gives {first.digest} {size + 1} bytes; it has {size}" in image["error"]
            assert "must be converted" not in image["error"]

    @pytest.mark.parametrize("plans", [True, False], ids=["planned", "no-plan"])
    @pytest.mark.parametrize("to", TARGETS)
    def test_within_an_index_are_copied_or_said_not_to_be(
        self,
        skopeo_mirror: Program,
        two: tuple[FaultyRegistry, FaultyRegistry],
        destination: Registry,
        to: str,
        plans: bool,
    ) -> None:
        outer = make_index([INDEX])
        for mirror in two:
            mirror.serve("app", outer)
            for child in INDEX.children:
                mirror.store.put_manifest("app", child.digest, child.media_type, child.manifest)
        run = skopeo_mirror(
            *("copy", "-r", "registries.conf", "--json", "--dest-tls-verify=false", "--mirrors-only"),
            *(*([] if plans else ["--no-plan"]), f"prod.invalid/app@{outer.digest}", TARGETS[to](destination)),
        )
        image = only(run.report)
        if run.status != 0:
            assert image["error"].startswith("this index holds another index")
            assert image["attempts"] == []
            assert two[1].requests() == []

    def test_that_only_one_mirror_spoils_come_from_the_other(
        self, skopeo_mirror: Program, two: tuple[FaultyRegistry, FaultyRegistry]
    ) -> None:
        """A mirror that calls an index a list makes skopeo say that it would have to convert it."""
        for mirror in two:
            mirror.serve("app", INDEX)
        docker_list = "application/vnd.docker.distribution.manifest.list.v2+json"
        two[0].store.put_manifest("app", INDEX.digest, docker_list, INDEX.manifest)
        copied = only(copy(skopeo_mirror, "--mirrors-only", f"prod.invalid/app@{INDEX.digest}", "dir:copied"))
        assert copied["served_by"]["location"] in {mirror.host for mirror in two}

    def test_that_the_destination_refuses_are_told_in_its_words(
        self, skopeo_mirror: Program, two: tuple[FaultyRegistry, FaultyRegistry]
    ) -> None:
        for mirror in two:
            mirror.serve("app", INDEX)
        with FaultyRegistry() as destination:
            destination.store.refuses = "index"
            failed = only(
                copy(
                    skopeo_mirror,
                    *("--mirrors-only", "--retries=0", f"prod.invalid/app@{INDEX.digest}"),
                    f"docker://{destination.host}",
                    status=1,
                )
            )
        assert [attempt["reason"] for attempt in failed["attempts"]] == ["destination"]
        assert "no indexes here" in failed["error"]
        assert "must be converted" not in failed["error"]
        assert two[1].requests() == []


def test_a_tag_whose_digest_is_not_served_is_called_that(
    skopeo_mirror: Program, two: tuple[FaultyRegistry, FaultyRegistry]
) -> None:
    image = make_image("by tag only")
    for mirror in two:
        mirror.serve("app", image, "v1")
        del mirror.store.manifests["app", image.digest]
    failed = only(copy(skopeo_mirror, "--mirrors-only", "prod.invalid/app:v1", "dir:copied", status=1))
    assert f"the tag of prod.invalid/app:v1 is served, as {image.digest}, but not that digest" in failed["error"]


@pytest.mark.parametrize("lost", ["layer", "config", "image of the index"])
def test_a_tag_that_lacks_something_else_is_not_called_that(
    skopeo_mirror: Program, two: tuple[FaultyRegistry, FaultyRegistry], lost: str
) -> None:
    image = INDEX.children[0]
    for mirror in two:
        mirror.serve("app", INDEX, "v1")
        if lost == "image of the index":
            del mirror.store.manifests["app", image.digest]
        else:
            config = image.config_digest
            for digest in image.blobs:
                if (digest == config) is (lost == "config"):
                    del mirror.store.blobs["app", digest]
    failed = only(copy(skopeo_mirror, "--mirrors-only", "prod.invalid/app:v1", "dir:copied", status=1))
    assert {attempt["reason"] for attempt in failed["attempts"]} == {"not-found"}
    assert "but not that digest" not in failed["error"]


@pytest.mark.parametrize("path", ["app", "one/two/three"])
def test_a_destination_that_refuses_a_deep_path_leads_to_the_option(
    skopeo_mirror: Program, two: tuple[FaultyRegistry, FaultyRegistry], path: str
) -> None:
    image = make_image("deep")
    two[0].serve(path, image)
    with FaultyRegistry(Fault(place=Place.UPLOAD, kind="403")) as destination:
        target = f"docker://{destination.host}"
        failed = only(copy(skopeo_mirror, "--mirrors-only", f"prod.invalid/{path}@{image.digest}", target, status=1))
    assert ("--max-nested-paths" in failed["error"]) is (path != "app")


def test_a_destination_that_refuses_the_credentials_does_not_lead_to_that_option(
    skopeo_mirror: Program, two: tuple[FaultyRegistry, FaultyRegistry], tmp_path: Path
) -> None:
    image = make_image("deep")
    two[0].serve("one/two/three", image)
    with Registry(tmp_path / "closed", htpasswd=("somebody", "right")) as destination:
        target = f"docker://{destination.host}"
        failed = only(
            copy(skopeo_mirror, "--mirrors-only", f"prod.invalid/one/two/three@{image.digest}", target, status=1)
        )
    assert "there are no credentials" in failed["error"]
    assert "--max-nested-paths" not in failed["error"]
