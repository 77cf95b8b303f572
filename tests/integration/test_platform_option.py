"""`--platform` on the command line: what is refused, before anything is asked or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import asked, configure, entry, files_below

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry


@pytest.mark.parametrize(
    ("options", "target", "words"),
    [
        pytest.param(["amd64"], "oci:images", "--platform: 'amd64' is no platform: write OS/ARCH", id="no-platform"),
        pytest.param(["linux/amd64"], "dir:images", "--platform beside dir:images: ", id="image-directory"),
    ],
)
def test_is_refused_before_anything_is_copied(
    skopeo_mirror: Program, mirror: Registry, image: Image, options: list[str], target: str, words: str
) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/ns"))
    mirror.forget()
    before = files_below(skopeo_mirror.directory)
    given = [part for option in options for part in ("--platform", option)]
    run = skopeo_mirror("copy", "-r", "registries.conf", *given, f"prod.invalid/ns/app@{image.digest}", target)
    assert (run.status, run.stdout) == (2, "")
    assert f"error: {words}" in run.stderr
    assert asked(mirror) == []
    assert files_below(skopeo_mirror.directory) == before


def test_has_no_variable_for_it_can_be_repeated(skopeo_mirror: Program, mirror: Registry, image: Image) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/ns"))
    arguments = ["copy", "-r", "registries.conf", f"prod.invalid/ns/app@{image.digest}", "oci:images"]
    assert skopeo_mirror(*arguments, env={"SKOPEO_MIRROR_PLATFORM": "none"}).status == 0
