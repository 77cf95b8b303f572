"""The console: results to standard output, everything else to standard error, nothing raw to a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

from skopeo_mirror import streams
from skopeo_mirror.errors import OutputLost
from skopeo_mirror.output.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from skopeo_mirror.output.watching import Display

_USUAL: Final = 80
"""Columns of a terminal that does not tell."""


class Console:
    """Standard output and standard error of one run. A reader that has gone away (`| head`) is no error.

    Nothing here fails where a stream does (see `streams`): what could not be written is told at the end.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._display: Display | None = None
        self._printing = threading.Lock()

    @contextlib.contextmanager
    def above(self, display: Display) -> Iterator[None]:
        """Print above a live display while the block runs."""
        self._display = display
        try:
            yield
        finally:
            self._display = None

    def result(self, line: str, *, wrapped: bool = False) -> None:
        """Print a result."""
        self._print(sys.stdout, "\n".join(printable(part) for part in line.split("\n")), wrapped=wrapped)

    def document(self, pieces: Iterable[str]) -> None:
        """Print a document of printable text piece by piece, where the whole of it would take much memory."""
        sys.stdout.writelines(pieces)
        sys.stdout.flush()

    def told(self, line: str) -> None:
        """Say on standard output what the report tells too: where it cannot be written, a warning is enough."""
        self._print(sys.stdout, printable(line), wrapped=True)
        if (error := streams.forgive(sys.stdout)) is not None:
            self.warning(str(OutputLost(error)))

    def note(self, line: str) -> None:
        """Say something that is no result; not with `--quiet`."""
        if not self._quiet:
            self._print(sys.stderr, printable(line), wrapped=True)

    def warning(self, line: str) -> None:
        """Warn; not with `--quiet`."""
        self.note(f"warning: {line}")

    def notice(self, line: str) -> None:
        """Say something from within a signal handler, which must not wait for what the program was just printing."""
        if self._display is not None:
            self._display.notice(line)
        elif not self._quiet:
            with contextlib.suppress(OSError):
                os.write(sys.stderr.fileno(), f"{printable(line)}\n".encode("ascii", "backslashreplace"))

    def leave(self) -> None:
        """Leave the terminal as it was found, where the program ends at once."""
        if self._display is not None:
            self._display.leave()

    def error(self, line: str) -> None:
        """Say what went wrong."""
        self._print(sys.stderr, f"error: {printable(line)}", wrapped=True)

    def _print(self, stream: TextIO, line: str, *, wrapped: bool = False) -> None:
        """Print a line; `wrapped`, on a terminal, at its blanks: the terminal would do it in the middle of a word."""
        columns = columns_of(stream) if wrapped else None
        if columns is not None:
            line = _wrapped(line, columns)
        if self._display is not None and stream.isatty():
            self._display.show(line)
            return
        with self._printing:
            stream.write(f"{line}\n")
            stream.flush()


def columns_of(stream: TextIO) -> int | None:
    """The width of a terminal; None of what is none."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL
    except OSError:
        return _USUAL


def _wrapped(line: str, columns: int) -> str:
    """A line broken at blanks; a word that no line has room for begins where it stands, and the terminal breaks it."""
    first, *words = line.split(" ")
    indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
    wrapped, column = first, len(first)
    for word in words:
        breaks = column + 1 + len(word) > columns and len(word) <= columns - len(indent)
        wrapped += f"\n{indent}{word}" if breaks else f" {word}"
        column = len(indent) + len(word) if breaks else column + 1 + len(word)
        if column > columns:
            column = column % columns or columns
    return wrapped
