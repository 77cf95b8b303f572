"""`--attached` on the command line: what is refused, before anything is asked or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import asked, configure, entry, files_below

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

KINDS = "write some of sig,att,sbom,referrers, or all"
SIGNED = "--sign-by beside --attached: skopeo would sign what is attached, too"


@pytest.mark.parametrize(
    ("options", "env", "words"),
    [
        pytest.param(["--attached=sig,x"], {}, f"--attached: 'x' is no kind; {KINDS}", id="unknown"),
        pytest.param(["--attached=sig,"], {}, f"--attached: '' is no kind; {KINDS}", id="empty-part"),
        pytest.param(["--attached="], {}, f"--attached: '' is no kind; {KINDS}", id="empty"),
        pytest.param([], {"SKOPEO_MIRROR_ATTACHED": "none"}, f"--attached: 'none' is no kind; {KINDS}", id="variable"),
        pytest.param(["--attached=all", "--skopeo-option=--sign-by=me"], {}, SIGNED, id="signed"),
        pytest.param(["--attached=sig", "--skopeo-option=--sign-by-sigstore=x"], {}, SIGNED, id="signed-by-sigstore"),
    ],
)
def test_is_refused_before_anything_is_copied(
    skopeo_mirror: Program, mirror: Registry, image: Image, options: list[str], env: dict[str, str], words: str
) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/ns"))
    mirror.forget()
    before = files_below(skopeo_mirror.directory)
    run = skopeo_mirror(
        "copy", "-r", "registries.conf", *options, f"prod.invalid/ns/app@{image.digest}", "oci:images", env=env
    )
    assert (run.status, run.stdout) == (2, "")
    assert f"error: {words}" in run.stderr
    assert asked(mirror) == []
    assert files_below(skopeo_mirror.directory) == before
