"""The host's own configuration: which files skopeo of a version reads, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.registries_conf.host import host_files

if TYPE_CHECKING:
    from pathlib import Path

USER = "home/.config/containers/registries.conf"
SYSTEM = "etc/containers/registries.conf"
VENDOR = "usr/share/containers/registries.conf"
OLD = (1, 22, 2)
NEW = (1, 23)


@pytest.mark.parametrize(
    ("version", "uid", "files", "read"),
    [
        pytest.param(OLD, 1000, [], [], id="nothing"),
        pytest.param(OLD, 0, [SYSTEM], [SYSTEM], id="the system's"),
        pytest.param(OLD, 0, [SYSTEM, USER], [USER], id="the user's hides the system's"),
        pytest.param(
            OLD, 0, [USER, f"{SYSTEM}.d/a.conf", f"{USER}.d/b.conf"], [USER, f"{USER}.d/b.conf"], id="with its drop-ins"
        ),
        pytest.param(
            OLD,
            0,
            [SYSTEM, f"{SYSTEM}.d/b.conf", f"{SYSTEM}.d/a.conf", f"{USER}.d/a.conf", f"{VENDOR}.d/a.conf"],
            [SYSTEM, f"{SYSTEM}.d/a.conf", f"{SYSTEM}.d/b.conf", f"{USER}.d/a.conf"],
            id="drop-ins of both",
        ),
        pytest.param(NEW, 1000, [VENDOR], [VENDOR], id="new: the vendor's"),
        pytest.param(NEW, 1000, [VENDOR, SYSTEM, USER], [USER], id="new: the user's first"),
        pytest.param(
            NEW,
            1000,
            [USER, f"{SYSTEM}.d/b.conf", f"{VENDOR}.d/c.conf", f"{VENDOR}.d/b.conf", f"{USER}.d/a.conf"],
            [USER, f"{USER}.d/a.conf", f"{SYSTEM}.d/b.conf", f"{VENDOR}.d/c.conf"],
            id="new: drop-ins of all by name, the last of a name",
        ),
        pytest.param(
            NEW,
            1000,
            [
                "etc/containers/registries.rootless.conf.d/1000/a.conf",
                "etc/containers/registries.rootless.conf.d/1001/b.conf",
                "etc/containers/registries.rootless.conf.d/c.conf",
                "etc/containers/registries.rootful.conf.d/d.conf",
            ],
            [
                "etc/containers/registries.rootless.conf.d/1000/a.conf",
                "etc/containers/registries.rootless.conf.d/c.conf",
            ],
            id="new: rootless",
        ),
        pytest.param(
            NEW,
            0,
            ["etc/containers/registries.rootful.conf.d/d.conf", "etc/containers/registries.rootless.conf.d/c.conf"],
            ["etc/containers/registries.rootful.conf.d/d.conf"],
            id="new: rootful",
        ),
    ],
)
def test_files_in_their_order(
    tmp_path: Path, version: tuple[int, ...], uid: int, files: list[str], read: list[str]
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    found = host_files(version=version, environment={"HOME": str(tmp_path / "home")}, uid=uid, root=tmp_path)
    assert [str(file.relative_to(tmp_path)) for file in found] == read


def test_a_new_skopeo_heeds_xdg_config_home_and_passes_over_links(tmp_path: Path) -> None:
    containers = tmp_path / "xdg/containers"
    (containers / "registries.conf.d").mkdir(parents=True)
    (containers / "registries.conf").touch()
    (containers / "registries.conf.d/a.conf").symlink_to("../registries.conf")
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    found = host_files(version=NEW, environment=environment, uid=0, root=tmp_path)
    assert found == (containers / "registries.conf",)


def test_an_empty_xdg_config_home_is_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a new skopeo takes it: not as if it were not set."""
    for directory in (tmp_path / "here/containers", tmp_path / "home/.config/containers"):
        directory.mkdir(parents=True)
        (directory / "registries.conf").touch()
    monkeypatch.chdir(tmp_path / "here")
    environment = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": ""}
    found = host_files(version=NEW, environment=environment, uid=0, root=tmp_path)
    assert [file.resolve() for file in found] == [tmp_path / "here/containers/registries.conf"]
