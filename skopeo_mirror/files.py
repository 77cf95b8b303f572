"""Files that are whole or not there, files of others that may be anything, directories that are gone with the run."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import SkopeoMirrorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

LARGEST_DOCUMENT: Final = 128 << 20
"""Bytes of the largest index.json or report that is read: some hundred thousand images."""

_PREFIX: Final = ".skopeo-mirror-"
_CHUNK: Final = 1 << 20


class IrregularFile(OSError):  # noqa: N818 - reads better where it is caught
    """A FIFO, a device, a socket or a directory where a file was looked for."""


class TooLarge(OSError):  # noqa: N818
    """A file that is larger than anything of its kind."""


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading that may be anything, and never wait for it.

    Raises OSError, of which `strerror` is for people; IrregularFile where it is no file.
    """
    _refuse_irregular(path.stat().st_mode, path)  # some devices act when they are opened
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse_irregular(os.fstat(handle).st_mode, path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, *, at_most: int) -> bytes:
    """The content of a regular file. Raises OSError; TooLarge where it has more than `at_most` bytes."""
    with open_regular(path) as file:
        content = file.read(at_most + 1) if os.fstat(file.fileno()).st_size <= at_most else None
    if content is None or len(content) > at_most:
        raise TooLarge(errno.EFBIG, f"Is larger than {at_most >> 20} MiB, the most that is read", str(path))
    return content


def hash_regular(path: Path, algorithm: str, *, stopped: Callable[[], bool] = lambda: False) -> str:
    """The hex digits of a regular file's digest, whatever its size, in little memory.

    Raises OSError; InterruptedError once `stopped` says so.
    """
    hashing = hashlib.new(algorithm)
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK):
            hashing.update(chunk)
            if stopped():
                raise InterruptedError(errno.EINTR, "Was not read to its end", str(path))
    return hashing.hexdigest()


def size_of_regular(path: Path) -> int | None:
    """The bytes of a regular file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


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


def _refuse_irregular(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise IrregularFile(errno.EINVAL, "Is a directory" if stat.S_ISDIR(mode) else "Is no regular file", str(path))


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
