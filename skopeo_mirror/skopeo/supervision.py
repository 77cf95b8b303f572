"""Supervision of a process: reading what it says, seeing whether it is alive, ending it when its time is up."""

from __future__ import annotations

import os
import selectors
import signal
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE: Final = 1.0
"""Seconds between TERM and KILL; twice that is what an interrupted run may take to end its children."""

READ_AT_ONCE: Final = 4096
"""Bytes that are read of a pipe at once. Python sets so much memory aside for each read, and gives most of it back; by
64 kB at a time, an allocator that has a heap for each thread keeps megabytes of holes (observed, glibc)."""

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


class Process:
    """A skopeo that was started; it leads a process group of its own."""

    def __init__(self, pid: int, send_signal: Callable[[int], None]) -> None:
        self.pid = pid
        self.send_signal = send_signal
        self._exited = threading.Event()
        self._status = 0

    def wait(self) -> int:
        """The exit status, negative for the signal that ended it."""
        self._exited.wait()
        return self._status

    def has_exited(self, status: int) -> None:
        """Take the exit status."""
        self._status = status
        self._exited.set()


class Supervision:
    """The watch over a process: whether it still moves, and when its time is up."""

    def __init__(self, process: Process, watcher: Watcher, timeouts: Timeouts, stopping: threading.Event) -> None:
        self._process = process
        self._watcher = watcher
        self._timeouts = timeouts
        self._stopping = stopping
        self._started = self._alive_at = time.monotonic()
        self._moved = -1
        limits = [limit for limit in (timeouts.stall, timeouts.timeout) if limit is not None]
        self.tick = min([1.0, *(limit / 4 for limit in limits)])
        """Seconds after which it is worth looking again."""

    def verdict(self, now: float, *, heard: bool = False) -> Ended | None:
        """Why it is to be ended now, if it is; who was not `heard` is alive all the same if it has moved bytes."""
        moved = self._moved if heard else _bytes_moved(self._process.pid)
        if heard or moved != self._moved:
            self._moved, self._alive_at = moved, now
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
    process: Process, output_fd: int, log_fd: int, *, watcher: Watcher, timeouts: Timeouts, stopping: threading.Event
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
                heard = False
                for key, _ in ready:
                    chunk = os.read(key.fd, READ_AT_ONCE)
                    if not chunk:
                        selector.unregister(key.fd)
                        continue
                    heard = True
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
                ended = supervision.verdict(now, heard=heard)
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
