"""Staging, then publishing: a private directory inside the destination, renames into place, and one lock.

Kill safety, two runs at once and "never half-visible" are all here.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from skopeo_mirror.errors import DestinationRefused
from skopeo_mirror.files import private_directory
from skopeo_mirror.transfer.destination.place import Destination

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


class StagedDestination(Destination):
    """A directory of this host; the staging area of a run is in it, on the same file system as what is published."""

    transport: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._area: Path | None = None
        self._missing: list[Path] = []
        """What was not there before, innermost first."""
        self._leaving = ExitStack()

    @property
    def name(self) -> str:
        """The destination as it was given."""
        return f"{self.transport}:{self.directory}"

    def open(self) -> None:
        """Make it, and the staging area; clear what runs that were killed have left. Raises DestinationRefused."""
        try:
            self._missing = [path for path in (self.directory, *self.directory.parents) if not path.exists()]
            self.directory.mkdir(parents=True, exist_ok=True)
            self._area = self._leaving.enter_context(private_directory(self.directory))
        except OSError as error:
            raise DestinationRefused(f"{self.directory}: cannot be written to: {error.strerror}") from error

    def close(self) -> None:
        """Remove the staging area, and what `open` made if nothing was published."""
        self._leaving.close()
        for directory in self._missing:
            with suppress(OSError):  # not empty: something was published
                directory.rmdir()

    @contextmanager
    def area(self) -> Iterator[Path]:
        """A fresh directory in the staging area, gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self._area) as path:
            yield Path(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the destination against other runs, and against the other threads of this one.

        The lock is on the directory itself, so that no lock file is left in it; it goes with the process.
        """
        handle = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def publish_directory(staged: Path, place: Path) -> None:
    """Put the directory `staged` at `place` in one step; what was there is at `staged` afterwards, if anything was."""
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        staged.rename(place)
    elif not _exchanged(staged, place):
        aside = staged.with_name(f"{staged.name}.old")
        place.rename(aside)
        staged.rename(place)
        aside.rename(staged)


def _exchanged(one: Path, other: Path) -> bool:
    """Swap two paths atomically (renameat2(2), Linux); False where the kernel or the file system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.ENOSYS, errno.EINVAL}:
        return False
    raise OSError(number, os.strerror(number), str(other))
