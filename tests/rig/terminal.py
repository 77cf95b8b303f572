"""A terminal for the tool to run on: a pseudo-terminal, what was written to it, and what its screen shows."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_WITHIN = 60.0  # seconds that a test waits for what must come, on a busy machine
_PIECE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Terminal:
    """Runs a command on a terminal of its own, as a shell would; use it as a context manager."""

    def __init__(self, command: Sequence[str], *, columns: int, environment: Mapping[str, str], cwd: Path) -> None:
        """Start the command, with standard input, output and error on the terminal."""
        self._controller, terminal = pty.openpty()
        self.screen = Screen(columns=columns)
        self.resize(columns)
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=cwd,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - a child without threads yet
        )
        os.close(terminal)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._controller)

    def resize(self, columns: int) -> None:
        """Give the terminal another width; the kernel tells the program."""
        fcntl.ioctl(self._controller, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        self.screen.columns = columns

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._controller, b"\x03")

    def wait_for(self, pattern: str) -> str:
        """Wait until the screen shows the pattern; return the whole screen."""
        deadline = time.monotonic() + _WITHIN
        while re.search(pattern, shown := self.screen.text(), re.MULTILINE) is None:
            assert time.monotonic() < deadline, f"{pattern!r} does not appear on\n{shown}"
            assert self._reader.is_alive(), f"ended without {pattern!r}:\n{shown}"
            time.sleep(0.02)
        return shown

    def wait(self) -> int:
        """Wait until the command has ended and all that it wrote was read; return its exit status."""
        status = self._process.wait(_WITHIN)
        self._reader.join(_WITHIN)
        return status

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._controller, 65536)
            except OSError as error:
                assert error.errno == errno.EIO  # noqa: PT017 - how Linux says that nobody holds the terminal any more
                return
            self.screen.feed(data)


@dataclass(kw_only=True)
class Screen:
    """What a terminal shows, with all that has scrolled away: as much of ECMA-48 as programs use that draw in place."""

    columns: int
    raw: str = ""
    cursor_shown: bool = True
    _lines: list[str] = field(default_factory=lambda: [""])
    _row: int = 0
    _column: int = 0
    _undecoded: bytes = b""

    def feed(self, data: bytes) -> None:
        """Take what was written."""
        data = self._undecoded + data
        # a character, or a sequence, may be cut in two
        end = max(data.rfind(b"\x1b"), len(data) - 3) if b"\x1b" in data[-16:] else len(data) - 3
        whole = data if _is_whole(data) else data[: max(end, 0)]
        self._undecoded = data[len(whole) :]
        text = whole.decode(errors="replace")
        self.raw += text
        for match in _PIECE.finditer(text):
            parameters, command, control, words = match.groups()
            if command:
                self._obey(command, parameters)
            elif control:
                self._column = 0
                if control == "\n":
                    self._down()
            else:
                self._write(words)

    def text(self) -> str:
        """Return the lines, from the first that was ever written."""
        return "\n".join(line.rstrip() for line in list(self._lines))

    def _obey(self, command: str, parameters: str) -> None:
        if command == "A":
            self._row = max(self._row - int(parameters or 1), 0)
        elif command == "K":
            self._lines[self._row] = "" if parameters == "2" else self._lines[self._row][: self._column]
        elif parameters == "?25":
            self.cursor_shown = command == "h"
        else:
            assert command == "m", f"what does {parameters}{command} do?"

    def _write(self, words: str) -> None:
        for character in words:
            if self._column == self.columns:
                self._column = 0
                self._down()
            line = self._lines[self._row].ljust(self._column)
            self._lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._lines.append("")


def _is_whole(data: bytes) -> bool:
    last = data.rfind(b"\x1b")
    if last >= 0 and re.match(rb"\x1b\[[?\d;]*[A-Za-z]", data[last:]) is None:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
