"""The drop-ins that skopeo merges over the file that it is given: the system's and the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.registries_conf.host import ambient_dropins

if TYPE_CHECKING:
    from pathlib import Path

USER = "home/.config/containers/registries.conf"
SYSTEM = "etc/containers/registries.conf"
VENDOR = "usr/share/containers/registries.conf"
ROOTLESS = "etc/containers/registries.rootless.conf.d/x.conf"
OLD = (1, 18, 0)
NEW = (1, 23, 0)


@pytest.mark.parametrize(
    ("version", "files", "found"),
    [
        pytest.param(OLD, [USER, SYSTEM], [], id="main files are none"),
        pytest.param(OLD, [f"{SYSTEM}.d/a.conf"], [f"{SYSTEM}.d/a.conf"], id="the system's"),
        pytest.param(OLD, [f"{USER}.d/a.conf"], [f"{USER}.d/a.conf"], id="the user's"),
        pytest.param(
            OLD,
            [USER, f"{USER}.d/a.conf", f"{SYSTEM}.d/a.conf"],
            [f"{SYSTEM}.d/a.conf", f"{USER}.d/a.conf"],
            id="a user's main file hides none of the system's",
        ),
        pytest.param(NEW, [USER, SYSTEM, VENDOR], [], id="new: main files are none"),
        pytest.param(NEW, [f"{SYSTEM}.d/a.conf"], [f"{SYSTEM}.d/a.conf"], id="new: the system's"),
        pytest.param(
            NEW,
            [f"{VENDOR}.d/a.conf", f"{SYSTEM}.d/b.conf", ROOTLESS, f"{USER}.d/c.conf", USER],
            [f"{VENDOR}.d/a.conf", f"{SYSTEM}.d/b.conf", f"{USER}.d/c.conf", ROOTLESS],
            id="new: everybody's",
        ),
    ],
)
def test_the_drop_ins_of_a_host(tmp_path: Path, version: tuple[int, ...], files: list[str], found: list[str]) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    dropins = ambient_dropins(home=tmp_path / "home", version=version, uid=1000, environment={}, root=tmp_path)
    assert [str(file.relative_to(tmp_path)) for file in dropins] == found
