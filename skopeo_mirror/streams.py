"""Standard input, output and error that never end a run: closed, full, broken, or of an encoding that has few letters.

A closed descriptor is taken, so that no file or socket of the program gets its number, by one that cannot be used
either (as gnulib's `stdopen` does it). What cannot be written is dropped and remembered: the run goes on, its report is
written, and `lost` tells at the end what became of standard output.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_IN_ASCII: Final = str.maketrans("━╌…—├└─│", "=-~-|`-|")
_ERRORS: Final = "skopeo-mirror"


def take_over() -> None:
    """Take the place of the three streams, before anything is opened or said."""
    encodings = [None if stream is None else stream.encoding for stream in (sys.stdin, sys.stdout, sys.stderr)]
    closed = [number for number in range(3) if _take_if_closed(number)]
    if _in_c_locale():
        encodings[1:] = ["ascii" if os.isatty(number) else encodings[number] for number in (1, 2)]
    sys.stdout, sys.stderr = enduring(1, encodings[1]), enduring(2, encodings[2])
    if 0 in closed:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_ClosedInput()), encoding="utf-8")


def enduring(descriptor: int, encoding: str | None = None) -> TextIO:
    """A stream to an open descriptor; writing to it never fails."""
    codecs.register_error(_ERRORS, _replaced)
    buffer = io.BufferedWriter(_Output(descriptor, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding=encoding or "utf-8", errors=_ERRORS, line_buffering=True)


def _in_c_locale() -> bool:
    """Whether the locale is C's, so that a terminal may know ASCII alone.

    Python takes UTF-8 all the same (PEP 540), and may have set LC_CTYPE itself (PEP 538).
    """
    ctype = os.environ.get("LC_CTYPE", "")
    named = os.environ.get("LC_ALL") or ("" if ctype in {"C.UTF-8", "C.utf8", "UTF-8"} else ctype)
    return bool(sys.flags.utf8_mode) and (named or os.environ.get("LANG", "")) in {"", "C", "POSIX"}


def settle() -> None:
    """Write what is still buffered, so that nothing is left that could fail when the interpreter ends."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def lost(stream: TextIO) -> OSError | None:
    """Why what was written to a stream has not arrived; None where it has, or where its reader has gone (`| head`)."""
    error = getattr(getattr(getattr(stream, "buffer", None), "raw", None), "error", None)
    return None if error is None or error.errno == errno.EPIPE else error


def forgive(stream: TextIO) -> OSError | None:
    """As `lost`, once: what was written to the stream up to now, or is from now on, is not asked for any more."""
    error = lost(stream)
    if error is not None:
        raw: _Output = stream.buffer.raw  # type: ignore[attr-defined]
        raw.error = BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    return error


class _Output(io.FileIO):
    """A descriptor whose writing never fails; `error` is why it did."""

    error: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of the bytes; all of them are taken once that has failed: half a line is worse than none."""
        while self.error is None:
            try:
                written = super().write(data)
            except OSError as error:
                self.error = error
            else:
                if written is not None:
                    return written
                select.select([], [self], [])  # it does not block: somebody else has set that on a shared terminal
        return len(memoryview(data))


class _ClosedInput(io.RawIOBase):
    """Standard input that is closed: empty, with a word to who reads it."""

    def readable(self) -> bool:
        return True

    def readinto(self, _: WriteableBuffer, /) -> int:
        sys.stderr.write("warning: standard input is closed: there is nothing in it\n")
        return 0


def _take_if_closed(number: int) -> bool:
    """Open something that fails as the closed descriptor does; whether it was closed."""
    try:
        os.fstat(number)
    except OSError:
        mode = os.O_WRONLY if number == 0 else os.O_RDONLY
        opened = os.open(os.devnull, mode)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        return True
    return False


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for letters that an encoding has not: signs of the same width for ours, escapes for others'."""
    if isinstance(error, UnicodeEncodeError):
        ours = error.object[error.start : error.end].translate(_IN_ASCII)
        return "".join(c if c.isascii() else c.encode("unicode_escape").decode() for c in ours), error.end
    raise error
