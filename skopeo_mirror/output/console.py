"""Where words go: results to standard output, everything else to standard error, nothing raw to a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from skopeo_mirror.output.text import printable

if TYPE_CHECKING:
    from typing import TextIO


class Console:
    """Standard output and standard error of one run. A reader that has gone away (`| head`) is no error."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def result(self, line: str) -> None:
        """Print a result."""
        self._print(sys.stdout, "\n".join(printable(part) for part in line.split("\n")))

    def note(self, line: str) -> None:
        """Say something that is no result; not with `--quiet`."""
        if not self._quiet:
            self._print(sys.stderr, printable(line))

    def warning(self, line: str) -> None:
        """Warn; not with `--quiet`."""
        self.note(f"warning: {line}")

    def error(self, line: str) -> None:
        """Say what went wrong."""
        self._print(sys.stderr, f"error: {printable(line)}")

    def _print(self, stream: TextIO, line: str) -> None:
        try:
            stream.write(f"{line}\n")
            stream.flush()
        except BrokenPipeError:
            # What is still buffered would fail again when the interpreter ends.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
