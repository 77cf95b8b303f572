"""Files that are whole or not there, and directories that are gone with the run."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import SkopeoMirrorError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = ".skopeo-mirror-"


def temporary_directory() -> Path:
    """Where temporary files go (TMPDIR). Raises SkopeoMirrorError where nothing can be written there."""
    directory = Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        raise SkopeoMirrorError(f"{directory}: temporary files cannot be written there; set TMPDIR to a directory")
    return directory


@contextmanager
def private_directory(parent: Path) -> Iterator[Path]:
    """A directory below `parent` that only we can read (0700), removed afterwards.

    A killed run leaves one behind; the next run with the same `parent` clears it. Raises OSError.
    """
    _clear_abandoned(parent)
    making = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}new-", dir=parent))
    directory = making.with_name(making.name.replace("new-", "run-", 1))
    held = os.open(making, os.O_RDONLY)
    try:
        # Locked before it gets the name that others clear, so that nobody takes it for abandoned.
        fcntl.flock(held, fcntl.LOCK_EX)
        making.rename(directory)
        yield directory
    finally:
        shutil.rmtree(making, ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)
        os.close(held)


def write_atomically(path: Path, content: bytes, *, via: Path | None = None) -> None:
    """Write a file so that readers see the old one or the new one, whole, also after a crash.

    What is no regular file (/dev/stdout, a FIFO) is written to directly; of a link the target is replaced. `via` is a
    directory on the same file system for the unfinished file (default: beside it). Raises OSError.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    handle, name = tempfile.mkstemp(prefix=_PREFIX, dir=via or path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), _mode_of(path))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _clear_abandoned(parent: Path) -> None:
    """Remove our directories whose run is gone: the lock on each went with its process."""
    for path in parent.glob(f"{_PREFIX}run-*"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(handle).st_uid == os.getuid():
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)


def _mode_of(path: Path) -> int:
    """The permissions of the file that is replaced, or those that any new file gets."""
    try:
        return path.stat().st_mode & 0o7777
    except OSError:
        return 0o666 & ~_UMASK


def _umask() -> int:
    """The process's umask. It can only be read by setting it, so it is read once, before there are threads."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK: Final = _umask()
