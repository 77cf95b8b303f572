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
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE: Final = 1.0
"""Seconds between TERM and KILL; twice that is what an interrupted run may take to end its children."""

READ_AT_ONCE: Final = 4096
"""Bytes that are read of a pipe at once. Python sets so much memory aside for each read, and gives most of it back; by
64 kB at a time, an allocator that has a heap for each thread keeps megabytes of holes (observed, glibc)."""

SURELY_FETCHED: Final = 3.0
"""Seconds after which skopeo has begun to fetch a blob that the destination does not have."""

WAKE_UPS: Final = (1, 8)
"""Bytes that Go's runtime writes to itself, and reads, to wake a thread: to a pipe or, in later releases, an eventfd.

A skopeo to which nobody answers does so every few seconds (observed): no sign of life."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Whose answer a run waits for; times are those of time.monotonic."""

    host: str
    """`A or B` where the log cannot tell: content is on its way from the one to the other."""
    since: float
    """When there was the last sign of life."""
    until: float = 0.0
    """Until when skopeo has been told to wait; past: it has not."""


class Watcher(Protocol):
    """The reader of a run's log while it is written."""

    waits_until: float = 0.0
    """Until when (time.monotonic) skopeo has said that it will wait."""
    alive_at: float = 0.0
    """When (time.monotonic) it was last seen to be alive."""
    gives_up: bool = False
    """Whether the run is to be ended because a rate limit would make it wait."""

    def begun(self, pid: int) -> None:  # noqa: ARG002 - the interface's
        """Take note that the run is this process."""
        return

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of standard error."""

    def waiting(self) -> Wait | None:
        """Whose answer it waits for, as far as the log tells; any thread may ask."""
        return None


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
        self._started = watcher.alive_at = time.monotonic()
        self._counters: _Counters | None = None
        """Those of the last sign of life."""
        limits = [limit for limit in (timeouts.stall, timeouts.timeout) if limit is not None]
        self.tick = min([1.0, *(limit / 4 for limit in limits)])
        """Seconds after which it is worth looking again."""

    def verdict(self, now: float, *, heard: bool = False) -> Ended | None:
        """Why it is to be ended now, if it is; who was not `heard` is alive all the same if it has moved bytes."""
        counters = self._counters if heard else _counters_of(self._process.pid)
        if heard or _has_moved(self._counters, counters):
            self._counters, self._watcher.alive_at = counters, now
        if self._stopping.is_set():
            return Ended.STOPPED
        if self._watcher.gives_up:
            return Ended.RATE_LIMITED
        if self._timeouts.timeout is not None and now - self._started > self._timeouts.timeout:
            return Ended.TIMEOUT
        alive_at = max(self._watcher.alive_at, self._watcher.waits_until)
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


class Meter:
    """The bytes that a process has read since the meter was set: of a skopeo that copies, content and little else.

    One thread sets it, any other may read it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._set_at: int | None = 0
        self._read = 0
        self._looked_for: dict[str, float] = {}
        self._fetched: set[str] = set()

    def clear(self) -> None:
        """Count nothing until content is fetched: skopeo has turned to another candidate."""
        self._set_at = None
        self._looked_for, self._fetched = {}, set()

    def looked_for(self, blob: str, now: float) -> None:
        """Take note that the destination was asked whether it has a blob."""
        self._looked_for.setdefault(blob, now)

    def fetches(self, blob: str) -> None:
        """Take note that a blob is being fetched from a candidate; count from the first on."""
        if self._set_at is None:
            counters = _counters_of(self._pid)
            self._set_at, self._read = 0 if counters is None else counters.read, 0
        self._fetched.add(blob)

    def read(self) -> int:
        """The bytes so far; of a process that is gone, as many as were read when this was last asked."""
        since = self._set_at
        if since is None:
            return 0
        counters = _counters_of(self._pid)
        if counters is not None:
            self._read = max(counters.read - since, self._read)
        return self._read

    def present(self, now: float) -> list[str]:
        """The blobs that the destination has, it seems: it was asked for them, and nobody else has been since."""
        if not self._fetched:
            return []
        asked = list(self._looked_for.items())
        return [blob for blob, at in asked if now - at > SURELY_FETCHED and blob not in self._fetched]


class _Counters(NamedTuple):
    """What a process has moved so far, sockets included: bytes, bytes, calls."""

    read: int
    written: int
    writes: int


def _counters_of(pid: int) -> _Counters | None:
    """Those of a process (proc(5), /proc/PID/io); None where they cannot be seen."""
    try:
        text = Path(f"/proc/{pid}/io").read_text(encoding="ascii")
    except OSError:
        return None
    found = dict(line.split(": ") for line in text.splitlines())
    return _Counters(int(found["rchar"]), int(found["wchar"]), int(found["syscw"]))


def _has_moved(before: _Counters | None, now: _Counters | None) -> bool:
    """Whether a process has moved anything that its runtime has not only written to itself."""
    if before is None or now is None:
        return before is not now
    read, written, writes = (after - earlier for earlier, after in zip(before, now, strict=True))
    return not any(written == writes * size and read in {written, written - size} for size in WAKE_UPS)
