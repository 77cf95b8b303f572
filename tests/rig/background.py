"""The tool started in the background, to be signalled in the middle; what is left of it, found by a mark."""

from __future__ import annotations

import subprocess
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .program import Run

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Mapping

    from .program import Program

LAST_RESORT = 120.0  # seconds; nothing here takes as long


@dataclass(frozen=True, kw_only=True, slots=True)
class Background:
    """A run under way. Every process that comes of it has `mark` in its environment."""

    process: subprocess.Popen[str]
    mark: str

    def signal(self, number: signal.Signals) -> None:
        """Signal the tool alone, as `kill PID` does: its children are not of its process group."""
        self.process.send_signal(number)

    def wait(self) -> Run:
        """Wait for the end."""
        stdout, stderr = self.process.communicate(timeout=LAST_RESORT)
        return Run(status=self.process.returncode, stdout=stdout, stderr=stderr)

    def left(self) -> list[str]:
        """Return the command lines of the run's processes that are alive."""
        return alive(self.mark)

    def wait_until_gone(self) -> None:
        """Wait until no process of the run is left; fail when one stays."""
        until(lambda: not self.left())


@contextmanager
def started(program: Program, *arguments: object, env: Mapping[str, str] | None = None) -> Iterator[Background]:
    """Start the tool, and kill what is left of it afterwards."""
    mark = str(uuid.uuid4())
    process = subprocess.Popen(
        # what runs in the background of a shell ignores SIGINT, and its children with it
        ["env", "--default-signal=INT", *program.command(*arguments)],
        env=program.environment({**(env or {}), "BENCH_MARK": mark}),
        cwd=program.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            yield Background(process=process, mark=mark)
        finally:
            process.kill()


def alive(mark: str) -> list[str]:
    """Return the command lines of the processes that have the mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it is gone, or not ours
            continue
    return found


def until(holds: Callable[[], object], within: float = LAST_RESORT) -> None:
    """Wait until something holds; fail when it does not within that many seconds."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came to that")
        time.sleep(0.02)
