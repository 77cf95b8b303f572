"""Files of others, read within bounds; our own, written whole or not at all; private directories, gone with the run."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import sys
import tempfile
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import SkopeoMirrorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import BinaryIO

LARGEST_DOCUMENT: Final = 128 << 20
"""Bytes of the largest index.json or report that is read: some hundred thousand images."""

STANDARD_INPUT: Final = "-"
"""What is written for a file's name where standard input is meant."""

_PREFIX: Final = ".skopeo-mirror-"
_CHUNK: Final = 1 << 20
_MOST_LINKS: Final = 40
_LONGEST_PART: Final = 60
"""Characters of a file's name that go into that of the unfinished one; file systems take 255 bytes."""


def called(file: Path | str) -> str:
    """What a file that is read is called in messages."""
    return "standard input" if str(file) == STANDARD_INPUT else str(file)


def open_named(file: Path | str) -> AbstractContextManager[BinaryIO]:
    """Open, for reading, what a person has named: any file, also a FIFO, or standard input. Raises OSError."""
    return nullcontext(sys.stdin.buffer) if str(file) == STANDARD_INPUT else Path(file).open("rb")


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


def home_directory(environment: Mapping[str, str]) -> Path:
    """The home directory as containers/image finds it; the working directory where there is none (observed)."""
    if environment.get("HOME"):
        return Path(environment["HOME"])
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path()


def can_be_entered(directory: Path) -> bool:
    """Whether there is such a directory, and it is for this user: others' are as if they were not there."""
    return os.access(directory, os.R_OK | os.X_OK) and os.path.isdir(directory)  # noqa: PTH112 - it never raises


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError of the block name this file: writing to an open one tells only what is wrong (ENOSPC)."""
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from error


@contextmanager
def private_directory(parent: Path) -> Iterator[Path]:
    """A directory below `parent` that only we can read (0700), removed afterwards.

    A killed run leaves one behind; the next run with the same `parent` clears it. Raises OSError.
    """
    _clear_abandoned(parent.glob(f"{_PREFIX}run-*"))
    while True:
        directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}run-", dir=parent))
        with suppress(FileNotFoundError):
            held = os.open(directory, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)  # so that nobody takes it for abandoned
            if directory.exists():
                break
            os.close(held)  # another run has cleared it before it was locked
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(held)


def write_atomically(path: Path, content: bytes | Iterable[bytes], *, via: Path | None = None) -> None:
    """Write a file so that readers see the old one or the new one, whole, also after a crash.

    `content` can come in pieces. What is no regular file (/dev/stdout, a FIFO) is written to directly; of a link the
    target is replaced, but of none that a stranger may have planted. `via` is a directory on the same file system for
    the unfinished file (default: beside it); one that a killed run has left is cleared by the next. Raises OSError,
    which names the file.
    """
    pieces = (content,) if isinstance(content, bytes) else content
    with naming(path):
        check_link(path)
        if path.exists() and not path.is_file():
            with path.open("ab") as stream:
                stream.writelines(pieces)
            return
        path = path.resolve()
        handle, name = _unfinished(via or path.parent, path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                _keep_mode(path, file.fileno())
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
                name.replace(path)
        except BaseException:
            name.unlink(missing_ok=True)
            raise


def _refuse_irregular(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise IrregularFile(errno.EINVAL, "Is a directory" if stat.S_ISDIR(mode) else "Is no regular file", str(path))


def check_link(path: Path) -> None:
    """Refuse a path that leads through what a stranger may have planted in a shared directory (/tmp).

    The rule is the kernel's for /proc/sys/fs/protected_symlinks and its siblings, which not every host has switched
    on: in a sticky directory that everybody may write to, only links (FIFOs …) of our own and of the directory's owner
    are followed. Raises PermissionError.
    """
    reached, left, links = Path("/"), list(reversed(path.absolute().parts[1:])), 0
    while left:
        reached /= left.pop()
        try:
            found = reached.lstat()
        except OSError:  # nothing there, so nothing to follow; what else is wrong is told by who opens it
            return
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            reached = reached.resolve() if reached.name == ".." else reached
            continue
        above = reached.parent.stat()
        shared = above.st_mode & stat.S_ISVTX and above.st_mode & stat.S_IWOTH
        if shared and found.st_uid not in {os.geteuid(), above.st_uid}:
            raise PermissionError(
                errno.EACCES, "it may have been planted by another user of a shared directory; name another", str(path)
            )
        links += 1
        if not stat.S_ISLNK(found.st_mode) or links > _MOST_LINKS:
            return
        target = reached.readlink()
        left += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        reached = Path("/") if target.is_absolute() else reached.parent


def _unfinished(directory: Path, name: str) -> tuple[int, Path]:
    """A file that is to become `name`, open and locked, so that nobody takes it for abandoned."""
    prefix = f"{_PREFIX}file-{name[:_LONGEST_PART]}-"
    with suppress(PermissionError):  # one may write into a directory that one may not list
        _clear_abandoned([path for path in directory.iterdir() if path.name.startswith(prefix)])
    while True:
        unfinished = directory / f"{prefix}{os.urandom(8).hex()}"
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, unfinished
        os.close(handle)  # another run has cleared it before it was locked


def _clear_abandoned(paths: Iterable[Path]) -> None:
    """Remove what is ours and whose run is gone: the lock on each went with its process."""
    for path in paths:
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found = os.fstat(handle)
                if found.st_uid != os.getuid():
                    continue
                if stat.S_ISDIR(found.st_mode):
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
            finally:
                os.close(handle)


def _keep_mode(path: Path, handle: int) -> None:
    """Give a file the permissions of the one that it replaces, if any; a stranger's in /tmp count not."""
    with suppress(FileNotFoundError):
        found, above = path.stat(), path.parent.stat()
        if not above.st_mode & stat.S_ISVTX or found.st_uid == os.geteuid():
            os.fchmod(handle, found.st_mode & 0o7777)
