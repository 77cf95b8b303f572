"""The host's own registries.conf files: those that its tools read when they are not told any."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from skopeo_mirror.files import home_directory
from skopeo_mirror.registries_conf.reading import dropin_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNIFIED = (1, 23)
"""From this skopeo on, the files are found by go.podman.io/storage/pkg/configfile; 1.22.2 still looks as 1.18 does."""

_SYSTEM = "etc/containers"
_USER = ".config/containers"
_MAIN = "registries.conf"
_DROPINS = "registries.conf.d"


def host_files(
    *, version: tuple[int, ...], environment: Mapping[str, str], uid: int | None = None, root: Path = Path("/")
) -> tuple[Path, ...]:
    """Return the existing main file and drop-ins in the order in which skopeo of `version` merges them.

    `uid` (the process's own where it is None) and XDG_CONFIG_HOME matter from skopeo 1.23 on. `root` stands for `/`,
    for tests. Raises OSError where a drop-in directory cannot be listed.

    Before 1.23 a user's own registries.conf hides everything below /etc. Since then it hides the main file only,
    vendors have /usr/share/containers, root and other users have directories of their own, and of drop-ins with one
    name only the last is read (containers-registries.conf.d(5); `newConfigWrapper`, `configfile.Read`).
    """
    system, user = root / _SYSTEM, home_directory(environment) / _USER
    if version < _UNIFIED:
        folders = [user] if (user / _MAIN).exists() else [system, user]
        return (*_first_main(folders), *(file for folder in folders for file in _files_in(folder / _DROPINS)))
    if "XDG_CONFIG_HOME" in environment:  # an empty one is the current directory there (observed)
        user = Path(environment["XDG_CONFIG_HOME"]) / "containers"
    vendor = root / "usr/share/containers"
    uid = os.geteuid() if uid is None else uid
    rootless = "registries.rootless.conf.d"
    names = [_DROPINS, *(["registries.rootful.conf.d"] if uid == 0 else [rootless, f"{rootless}/{uid}"])]
    by_name: dict[str, Path] = {}
    for directory in [*(folder / name for folder in (vendor, system) for name in names), user / _DROPINS]:
        by_name |= {file.name: file for file in _files_in(directory) if not file.is_symlink()}
    dropins = sorted(by_name, key=os.fsencode)
    return (*_first_main([user, system, vendor]), *(by_name[name] for name in dropins))


def possible_dropins(
    *, environment: Mapping[str, str], uid: int | None = None, root: Path = Path("/")
) -> tuple[Path, ...]:
    """Return all drop-ins that skopeo of any version may merge over the file given with `--registries-conf`.

    The parameters are those of `host_files`. Raises OSError where a drop-in directory cannot be listed.
    """
    unified = host_files(version=_UNIFIED, environment=environment, uid=uid, root=root)
    files = (
        *_files_in(root / _SYSTEM / _DROPINS),
        *_files_in(home_directory(environment) / _USER / _DROPINS),
        *(file for file in unified if file.parent.name != "containers"),  # but for the main file
    )
    return tuple(dict.fromkeys(files))


def _files_in(directory: Path) -> tuple[Path, ...]:
    return dropin_files(directory) if directory.is_dir() else ()


def _first_main(folders: Iterable[Path]) -> list[Path]:
    return [folder / _MAIN for folder in folders if (folder / _MAIN).exists()][:1]
