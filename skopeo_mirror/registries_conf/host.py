"""Which registries.conf files the host's own tools read when they are not told any."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from skopeo_mirror.registries_conf.reading import dropin_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNIFIED = (1, 23)
"""From this skopeo on, the files are found by go.podman.io/storage/pkg/configfile; 1.22.2 still looks as 1.18 does."""


def host_files(
    *,
    home: Path,
    version: tuple[int, ...],
    uid: int | None = None,
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> tuple[Path, ...]:
    """Return the existing main file and drop-ins in the order in which skopeo of `version` merges them.

    `uid` and `environment` (XDG_CONFIG_HOME) matter from skopeo 1.23 on; they default to the process's own. `root`
    stands for `/`, for tests. Raises OSError where a drop-in directory cannot be listed.

    Before 1.23 a user's own registries.conf hides everything below /etc. Since then it hides the main file only,
    vendors have /usr/share/containers, root and other users have directories of their own, and of drop-ins with one
    name only the last is read (containers-registries.conf.d(5); `newConfigWrapper`, `configfile.Read`).
    """
    if version >= _UNIFIED:
        return _unified(
            home=home,
            uid=os.geteuid() if uid is None else uid,
            environment=os.environ if environment is None else environment,
            root=root,
        )
    system = root / "etc/containers/registries.conf"
    user = home / ".config/containers/registries.conf"
    if user.exists():
        return (user, *_dropins(user))
    return (*_first_existing([system]), *_dropins(system), *_dropins(user))


def _unified(*, home: Path, uid: int, environment: Mapping[str, str], root: Path) -> tuple[Path, ...]:
    configured = environment.get("XDG_CONFIG_HOME")  # an empty one is the current directory there (observed)
    user = (home / ".config" if configured is None else Path(configured)) / "containers/registries.conf"
    system = root / "etc/containers/registries.conf"
    vendor = root / "usr/share/containers/registries.conf"
    by_name: dict[str, Path] = {}
    for directory in [*_shared_directories(vendor, uid), *_shared_directories(system, uid), _directory(user)]:
        by_name |= {file.name: file for file in _files_in(directory) if not file.is_symlink()}
    dropins = sorted(by_name, key=os.fsencode)
    return (*_first_existing([user, system, vendor]), *(by_name[name] for name in dropins))


def _shared_directories(main: Path, uid: int) -> list[Path]:
    if uid == 0:
        return [_directory(main), main.with_name("registries.rootful.conf.d")]
    rootless = main.with_name("registries.rootless.conf.d")
    return [_directory(main), rootless, rootless / str(uid)]


def _dropins(main: Path) -> tuple[Path, ...]:
    return _files_in(_directory(main))


def _files_in(directory: Path) -> tuple[Path, ...]:
    return dropin_files(directory) if directory.is_dir() else ()


def _directory(main: Path) -> Path:
    return main.with_name(f"{main.name}.d")


def _first_existing(files: Iterable[Path]) -> tuple[Path, ...]:
    return next(((file,) for file in files if file.exists()), ())


def possible_dropins(
    *, home: Path, uid: int | None = None, environment: Mapping[str, str] | None = None, root: Path = Path("/")
) -> tuple[Path, ...]:
    """Return all drop-ins that skopeo of any version may merge over the file given with `--registries-conf`.

    The parameters are those of `host_files`. Raises OSError where a drop-in directory cannot be listed.
    """
    unified = host_files(home=home, version=_UNIFIED, uid=uid, environment=environment, root=root)
    files = (
        *_dropins(root / "etc/containers/registries.conf"),
        *_dropins(home / ".config/containers/registries.conf"),
        *(file for file in unified if file.suffix == ".conf" and file.parent.suffix == ".d"),
    )
    return tuple(dict.fromkeys(files))
