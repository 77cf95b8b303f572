"""The console: results to standard output, everything else to standard error, nothing raw to a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from skopeo_mirror import streams
from skopeo_mirror.errors import OutputLost
from skopeo_mirror.output.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from skopeo_mirror.output.progress import Display


class Console:
    """Standard output and standard error of one run. A reader that has gone away (`| head`) is no error.

    Nothing here fails where a stream does (see `streams`): what could not be written is told at the end.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._display: Display | None = None

    @contextlib.contextmanager
    def above(self, display: Display) -> Iterator[None]:
        """Print above a live display while the block runs."""
        self._display = display
        try:
            yield
        finally:
            self._display = None

    def result(self, line: str) -> None:
        """Print a result."""
        self._print(sys.stdout, "\n".join(printable(part) for part in line.split("\n")))

    def told(self, line: str) -> None:
        """Say on standard output what the report tells too: where it cannot be written, a warning is enough."""
        self.result(line)
        if (error := streams.forgive(sys.stdout)) is not None:
            self.warning(str(OutputLost(error)))

    def note(self, line: str) -> None:
        """Say something that is no result; not with `--quiet`."""
        if not self._quiet:
            self._print(sys.stderr, printable(line))

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
        self._print(sys.stderr, f"error: {printable(line)}")

    def _print(self, stream: TextIO, line: str) -> None:
        if self._display is not None and stream.isatty():
            self._display.show(line)
            return
        stream.write(f"{line}\n")
        stream.flush()
