"""Supervision of a process: reading what it says, seeing whether it is alive, ending it when its time is up."""

from __future__ import annotations

import os
import selectors
import signal
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import threading

GRACE: Final = 1.0
"""Seconds between TERM and KILL; twice that is what an interrupted run may take to end its children."""

CAN_SEE_BYTES: Final = Path("/proc/self/io").exists()
"""Whether a slow transfer can be told from a dead one; where not, only `--timeout` bounds a run."""


class Ended(StrEnum):
    """The reason why a run was ended from here, before skopeo itself was done."""

    STALLED = "stalled"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate-limited"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """The time that a run may take, in seconds; None: for ever."""

    timeout: float | None = None
    """In all."""
    stall: float | None = 60.0
    """Without any sign of life."""


class Watcher(Protocol):
    """The reader of a run's log while it is written."""

    waits_until: float = 0.0
    """Until when (time.monotonic) skopeo has said that it will wait."""
    gives_up: bool = False
    """Whether the run is to be ended because a rate limit would make it wait."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of standard error."""


class Transcript(Watcher):
    """The watcher of a short run: keeps the last `limit` characters of what it says."""

    def __init__(self, *, limit: int) -> None:
        self.text = ""
        self._limit = limit

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.text = (self.text + chunk.decode(errors="replace"))[-self._limit :].lstrip()


class Supervised(Protocol):
    """A process that can be told to end."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def send_signal(self, number: int) -> None:
        """Signal it and its whole group."""


class Supervision:
    """The watch over a process: whether it still moves, and when its time is up."""

    def __init__(self, process: Supervised, watcher: Watcher, timeouts: Timeouts, stopping: threading.Event) -> None:
        self._process = process
        self._watcher = watcher
        self._timeouts = timeouts
        self._stopping = stopping
        self._started = self._alive_at = time.monotonic()
        self._moved = -1
        limits = [limit for limit in (timeouts.stall, timeouts.timeout) if limit is not None]
        self.tick = min([1.0, *(limit / 4 for limit in limits)])
        """Seconds after which it is worth looking again."""

    def heard(self, now: float) -> None:
        """It said something."""
        self._alive_at = now

    def silent(self, now: float) -> None:
        """It said nothing for a tick; it is alive all the same if it has read or written bytes."""
        moved = _bytes_moved(self._process.pid)
        if moved != self._moved:
            self._moved, self._alive_at = moved, now

    def verdict(self, now: float) -> Ended | None:
        """Why it is to be ended now, if it is."""
        if self._stopping.is_set():
            return Ended.STOPPED
        if self._watcher.gives_up:
            return Ended.RATE_LIMITED
        if self._timeouts.timeout is not None and now - self._started > self._timeouts.timeout:
            return Ended.TIMEOUT
        alive_at = max(self._alive_at, self._watcher.waits_until)
        if self._timeouts.stall is not None and CAN_SEE_BYTES and now - alive_at > self._timeouts.stall:
            return Ended.STALLED
        return None


def supervise(
    process: Supervised, output_fd: int, log_fd: int, *, watcher: Watcher, timeouts: Timeouts, stopping: threading.Event
) -> tuple[bytes, Ended | None]:
    """Read both pipes until they close, and close them; end the process when its time is up."""
    output = bytearray()
    ended: Ended | None = None
    kill_at: float | None = None
    supervision = Supervision(process, watcher, timeouts, stopping)
    with selectors.DefaultSelector() as selector:
        selector.register(output_fd, selectors.EVENT_READ)
        selector.register(log_fd, selectors.EVENT_READ)
        try:
            while selector.get_map():
                ready = selector.select(supervision.tick if kill_at is None else 0.05)
                now = time.monotonic()
                for key, _ in ready:
                    chunk = os.read(key.fd, 65536)
                    if not chunk:
                        selector.unregister(key.fd)
                        continue
                    supervision.heard(now)
                    if key.fd == log_fd:
                        watcher.feed(chunk)
                    else:
                        output += chunk
                if kill_at is not None:
                    if now >= kill_at:
                        process.send_signal(signal.SIGKILL)
                        if now >= kill_at + GRACE:
                            break  # a stranger holds the pipe; the group is dead
                    continue
                if not ready:
                    supervision.silent(now)
                ended = supervision.verdict(now)
                if ended is not None:
                    process.send_signal(signal.SIGTERM)
                    kill_at = now + GRACE
        finally:
            os.close(output_fd)
            os.close(log_fd)
    return bytes(output), ended


def _bytes_moved(pid: int) -> int:
    """All bytes that the process has read and written so far, sockets included (proc(5), /proc/PID/io)."""
    try:
        text = Path(f"/proc/{pid}/io").read_text(encoding="ascii")
    except OSError:
        return -1
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(("rchar:", "wchar:")))
