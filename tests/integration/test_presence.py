"""What a destination registry is asked about images that it has already, and a layout that has lost some."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import asked, configure, copy, entry, only, pin_tag, statuses
from tests.rig.images import make_image, make_index, make_multi_architecture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

AMD64 = ("--platform", "linux/amd64")


def manifests_asked(registry: Registry) -> Counter[str]:
    return Counter(path.rpartition("/")[2] for path in asked(registry, "manifests"))


def test_once_names_are_indexes_each_is_asked_for_once(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    """Only the first is asked of a skopeo that cannot tell, and that finds one of its images instead."""
    images = [make_multi_architecture(f"{number}") for number in range(3)]
    for image in images:
        destination.push("app", image, pin_tag(image))
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    names = [f"prod.invalid/app@{image.digest}" for image in images]
    found = statuses(copy(skopeo_mirror, "-j1", *names, f"docker://{destination.host}"))
    assert set(found.values()) == {"present"}
    assert asked(mirror) == []
    requests = manifests_asked(destination)
    assert [requests[pin_tag(image)] for image in images] == [2, 1, 1]
    assert [sum(requests[child.digest] for child in image.children) for image in images] == [2, 2, 2]


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_many_images_of_an_index_are_each_asked_for_once(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, docker: bool
) -> None:
    made = make_index([make_image(f"{number}", docker=docker) for number in range(40)], docker=docker)
    destination.push("app", made, pin_tag(made))
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    wanted = f"prod.invalid/app@{made.digest}"
    assert only(copy(skopeo_mirror, wanted, f"docker://{destination.host}"))["status"] == "present"
    requests = manifests_asked(destination)
    assert {requests[child.digest] for child in made.children} == {1}
    destination.delete("app", made.children[-1].digest)
    run = copy(skopeo_mirror, "--dry-run", wanted, f"docker://{destination.host}", status=1)
    assert only(run)["status"] == "failed"  # nobody else has it
    assert asked(mirror) != []


class TestLayouts:
    """What is gone, or is not what it was, is mended by the next run that asks for it, and by no other."""

    @pytest.fixture
    def made(self, skopeo_mirror: Program, mirror: Registry) -> Image:
        made = make_multi_architecture("app")
        mirror.push("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        copy(skopeo_mirror, f"prod.invalid/ns/app@{made.digest}", "oci:images")
        mirror.forget()
        return made

    @pytest.mark.parametrize("what", ["manifest", "layer"])
    def test_mend_an_image_that_was_lost(
        self, skopeo_mirror: Program, mirror: Registry, made: Image, what: str
    ) -> None:
        kept, lost = made.children
        file = blob_of(skopeo_mirror, lost.digest if what == "manifest" else layer_of(lost))
        content = file.read_bytes()
        file.unlink()
        wanted = f"prod.invalid/ns/app@{made.digest}"
        assert only(copy(skopeo_mirror, *AMD64, wanted, "oci:images"))["status"] == "present"
        assert asked(mirror) == []
        image = only(copy(skopeo_mirror, wanted, "oci:images"))
        assert {part["digest"]: part["status"] for part in image["parts"]} == {
            kept.digest: "present",
            lost.digest: "copied",
        }
        assert {path.rpartition("/")[2] for path in asked(mirror, "blobs")} <= set(lost.blobs)
        assert file.read_bytes() == content
        assert only(copy(skopeo_mirror, wanted, "oci:images"))["status"] == "present"

    def test_mend_what_is_spoilt_before_they_name_it_again(self, skopeo_mirror: Program, made: Image) -> None:
        """A blob of the right length is found out when the index is to be written, for another image's sake."""
        spoilt, lost = made.children
        file = blob_of(skopeo_mirror, layer_of(spoilt))
        content = file.read_bytes()
        file.write_bytes(b"x" * len(content))
        blob_of(skopeo_mirror, lost.digest).unlink()
        image = only(copy(skopeo_mirror, f"prod.invalid/ns/app@{made.digest}", "oci:images"))
        assert image["status"] == "copied"
        assert {part["status"] for part in image["parts"]} == {"copied"}
        assert file.read_bytes() == content


def blob_of(program: Program, digest: str) -> Path:
    return program.directory / "images/blobs/sha256" / digest.partition(":")[2]


def layer_of(image: Image) -> str:
    return next(digest for digest in image.blobs if digest != image.config_digest)
