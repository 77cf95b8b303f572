"""`copy --check`: whether a destination still has what is asked for, for a monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import PLAIN, asked, configure, entry, report_of
from tests.rig.images import make_image

if TYPE_CHECKING:
    from tests.rig.program import Program, Run
    from tests.rig.registry import Registry

LACKING = "prod.invalid/ns/lacking@sha256:" + "0" * 64


@pytest.fixture
def wanted(skopeo_mirror: Program, mirror: Registry) -> list[str]:
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    images = {f"ns/app-{number}": make_image(f"{number}") for number in range(2)}
    for name, image in images.items():
        mirror.push(name, image)
    return [f"prod.invalid/{name}@{image.digest}" for name, image in images.items()]


def test_is_told_in_one_line_and_by_the_exit_status(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, wanted: list[str]
) -> None:
    def check(*arguments: str) -> Run:
        target = f"docker://{destination.host}"
        common = ["-r", "registries.conf", PLAIN, "--mirrors-only", "--retries=0"]
        return skopeo_mirror("copy", *common, *arguments, *wanted, target)

    away = check("--check", "-q")
    assert (away.status, away.stderr) == (1, "")
    assert away.stdout.startswith("drift: 2 of 2 images would be copied (")
    assert check("--dry-run").status == 0
    assert destination.repositories() == []

    assert check().status == 0
    mirror.forget()
    there = check("--check", "-q")
    assert (there.status, there.stdout) == (0, f"no drift: 2 images at docker://{destination.host}\n")
    assert asked(mirror) == []

    told = check("--check", "--json")
    assert report_of(told)["dry_run"] is True
    assert told.stderr.splitlines()[-1] == there.stdout.rstrip("\n")

    wanted.append(LACKING)
    failed = check("--check", "-q")
    assert failed.status == 1
    assert failed.stdout.splitlines()[-1] == "drift: 1 of 3 images failed"
