"""The drop-ins that some skopeo merges over the file that it is given: the system's and the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.registries_conf.host import possible_dropins

if TYPE_CHECKING:
    from pathlib import Path

USER = "home/.config/containers/registries.conf"
SYSTEM = "etc/containers/registries.conf"
VENDOR = "usr/share/containers/registries.conf"
ROOTLESS = "etc/containers/registries.rootless.conf.d/x.conf"
OF_ONE = "etc/containers/registries.rootless.conf.d/1000/one.conf"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        pytest.param([USER, SYSTEM, VENDOR], [], id="main files are none"),
        pytest.param([f"{SYSTEM}.d/a.conf"], [f"{SYSTEM}.d/a.conf"], id="the system's"),
        pytest.param([f"{USER}.d/a.conf"], [f"{USER}.d/a.conf"], id="the user's"),
        pytest.param(
            [USER, f"{USER}.d/a.conf", f"{SYSTEM}.d/a.conf"],
            [f"{SYSTEM}.d/a.conf", f"{USER}.d/a.conf"],
            id="a user's main file hides none of the system's, nor one of the same name",
        ),
        pytest.param(
            [f"{VENDOR}.d/a.conf", f"{SYSTEM}.d/b.conf", ROOTLESS, f"{USER}.d/c.conf", USER],
            [f"{SYSTEM}.d/b.conf", f"{USER}.d/c.conf", f"{VENDOR}.d/a.conf", ROOTLESS],
            id="everybody's",
        ),
        pytest.param([OF_ONE, OF_ONE.replace("1000", "1001")], [OF_ONE], id="one user's below the system's"),
    ],
)
def test_the_drop_ins_of_a_host(tmp_path: Path, files: list[str], found: list[str]) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    dropins = possible_dropins(environment={"HOME": str(tmp_path / "home")}, uid=1000, root=tmp_path)
    assert [str(file.relative_to(tmp_path)) for file in dropins] == found
