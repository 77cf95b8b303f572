"""The one door to skopeo: starting it, watching it, ending it. Nothing else imports `sh`."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import selectors
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol

from skopeo_mirror.errors import SkopeoUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GRACE: Final = 1.0
"""Seconds between TERM and KILL; twice that is what an interrupted run may take to end its children."""

BRIEF: Final = {"GOGC": "400"}
"""Go's collector, told to wait for five times the live heap: a fifth less CPU where a process soon ends (measured)."""


class Ended(StrEnum):
    """Why a run was ended from here, before skopeo itself was done."""

    STALLED = "stalled"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate-limited"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What is left of a finished skopeo.

    `status` is the exit status, negative for the signal that ended it; `seconds` the wall time.
    """

    status: int
    output: bytes
    seconds: float
    ended: Ended | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long a run may take: `timeout` seconds in all, `stall` seconds without any sign of life (None: for ever)."""

    timeout: float | None = None
    stall: float | None = 60.0


class Watcher(Protocol):
    """Reads the log of a run while it is written."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of standard error."""

    def waits_until(self) -> float:
        """Until when (time.monotonic) skopeo has said that it will wait."""

    def gives_up(self) -> bool:
        """Whether the run is to be ended because a rate limit would make it wait."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Skopeo:
    """A skopeo that was found and answers; `runs` are those under way, so that they can be ended together."""

    path: str
    version: str
    environment: Mapping[str, str]
    runs: Runs

    @property
    def version_info(self) -> tuple[int, ...]:
        """The version as numbers: 1.22-dev is (1, 22)."""
        return numbers_of(self.version)

    def run(self, arguments: Sequence[str], *, watcher: Watcher, patience: Patience, brief: bool = False) -> Run:
        """Run skopeo to its end, or end it when it stalls, takes too long, or is to stop.

        Standard output is returned whole (a manifest: at most a few megabytes); standard error goes to `watcher` as it
        comes and is not kept. The whole process group is ended, TERM first, KILL a second later. `brief`: it will not
        live long, nor handle much.
        """
        started = time.monotonic()
        output_read, output_write = os.pipe()
        log_read, log_write = os.pipe()
        try:
            process = self.runs.start([self.path, *arguments], output_write, log_write, BRIEF if brief else {})
        except OSError as error:
            os.close(output_read)
            os.close(log_read)
            raise SkopeoUnusable(f"{self.path}: cannot be started: {error.strerror}") from error
        finally:
            os.close(output_write)
            os.close(log_write)
        output, ended = _attend(
            process, output_read, log_read, watcher=watcher, patience=patience, stopping=self.runs.stopping
        )
        return Run(status=process.wait(), output=output, seconds=time.monotonic() - started, ended=ended)


class Process:
    """A skopeo that was started; it leads a process group of its own."""

    def __init__(self, pid: int, send_signal: Callable[[int], None]) -> None:
        self.pid = pid
        self.send_signal = send_signal
        self._ended = threading.Event()
        self._status = 0

    def wait(self) -> int:
        """The exit status, negative for the signal that ended it."""
        self._ended.wait()
        return self._status

    def has_ended(self, status: int) -> None:
        """Take the exit status."""
        self._status = status
        self._ended.set()


class Runs:
    """The skopeo processes under way, and the launcher that starts them (`launcher.py` says why there is one)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.stopping = threading.Event()
        self._environment = environment
        self._processes: dict[int, Process] = {}
        self._answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._starting = threading.Lock()
        self._sending = threading.Lock()
        self._control: socket.socket | None = None

    def start(
        self, argv: Sequence[str], output: int, log: int, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program whose standard output and error are the descriptors given. Raises OSError.

        `environment` is what it gets where the user's says nothing.
        """
        with self._starting:
            if self._control is None:
                self._control = self._launch()
            words = json.dumps({"argv": list(argv), "environment": dict(environment or {})}).encode() + b"\n"
            with self._sending:
                sent = socket.send_fds(self._control, [words], [output, log])
                self._control.sendall(words[sent:])
            answer = self._answers.get()
        if "process" not in answer:
            raise OSError(0, str(answer["error"]))
        process: Process = answer["process"]
        if self.stopping.is_set():
            process.send_signal(signal.SIGTERM)
        return process

    def stop(self) -> None:
        """End every process group: TERM now, KILL by the thread that attends it, `GRACE` seconds later."""
        self.stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End every process group at once."""
        self.stopping.set()
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        for process in tuple(self._processes.values()):
            process.send_signal(number)

    def _launch(self) -> socket.socket:
        """Start the launcher, and a thread that hears what becomes of its processes."""
        import sh  # noqa: PLC0415 - it brings asyncio along: 25 ms that offline commands need not pay

        ours, theirs = socket.socketpair()
        with theirs, theirs.makefile("rb") as channel, Path(os.devnull).open("r+b") as nothing:
            launcher = sh.Command(sys.executable)(
                *("-I", "-S", str(Path(__file__).with_name("launcher.py"))),
                _bg=True,
                _bg_exc=False,
                _in=channel,
                _out=nothing,
                _err=nothing,
                _env=dict(self._environment),
                _new_group=True,  # an interrupt from the terminal is ours to pass on
            )
        hearing = threading.Thread(target=self._hear, args=[ours], daemon=True)
        hearing.start()

        def end() -> None:
            with contextlib.suppress(OSError, sh.ErrorReturnCode):  # it can have been killed before
                ours.shutdown(socket.SHUT_RDWR)
                hearing.join()
                launcher.wait()
            ours.close()

        atexit.register(end)
        return ours

    def _hear(self, control: socket.socket) -> None:
        """Hand on what the launcher says; when it is gone, so is everything that it had started."""
        with control.makefile("rb") as lines:
            for line in lines:
                said = json.loads(line)
                if "started" in said:
                    pid = said["started"]
                    process = self._processes[pid] = Process(pid, partial(self._send_signal, control, pid))
                    self._answers.put({"process": process})
                elif "ended" in said:
                    self._processes.pop(said["ended"]).has_ended(said["status"])
                else:
                    self._answers.put(said)
        for process in self._processes.values():
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.has_ended(-signal.SIGKILL)
        self._answers.put({"error": "the launcher of skopeo processes has ended"})

    def _send_signal(self, control: socket.socket, group: int, number: int) -> None:
        with self._sending, contextlib.suppress(OSError):
            control.sendall(json.dumps({"signal": number, "group": group}).encode() + b"\n")


def _attend(  # noqa: C901 - one loop over one process; its branches are the ways it can end
    process: Process,
    output_fd: int,
    log_fd: int,
    *,
    watcher: Watcher,
    patience: Patience,
    stopping: threading.Event,
) -> tuple[bytes, Ended | None]:
    """Read both pipes until they close; end the process when its time is up."""
    output = bytearray()
    ended: Ended | None = None
    kill_at: float | None = None
    started = alive_at = time.monotonic()
    moved = -1
    limits = [limit for limit in (patience.stall, patience.timeout) if limit is not None]
    tick = min([1.0, *(limit / 4 for limit in limits)])
    with selectors.DefaultSelector() as selector:
        selector.register(output_fd, selectors.EVENT_READ)
        selector.register(log_fd, selectors.EVENT_READ)
        try:
            while selector.get_map():
                ready = selector.select(tick if kill_at is None else 0.05)
                now = time.monotonic()
                for key, _ in ready:
                    chunk = os.read(key.fd, 65536)
                    if not chunk:
                        selector.unregister(key.fd)
                    elif key.fd == log_fd:
                        watcher.feed(chunk)
                        alive_at = now
                    else:
                        output += chunk
                        alive_at = now
                if kill_at is not None:
                    if now >= kill_at:
                        process.send_signal(signal.SIGKILL)
                        if now >= kill_at + GRACE:
                            break  # a stranger holds the pipe; the group is dead
                    continue
                if not ready:
                    counted = _bytes_moved(process.pid)
                    if counted != moved:
                        moved, alive_at = counted, now
                ended = _verdict(now, started, max(alive_at, watcher.waits_until()), patience, watcher, stopping)
                if ended is not None:
                    process.send_signal(signal.SIGTERM)
                    kill_at = now + GRACE
        finally:
            os.close(output_fd)
            os.close(log_fd)
    return bytes(output), ended


def _verdict(
    now: float, started: float, alive_at: float, patience: Patience, watcher: Watcher, stopping: threading.Event
) -> Ended | None:
    if stopping.is_set():
        return Ended.STOPPED
    if watcher.gives_up():
        return Ended.RATE_LIMITED
    if patience.timeout is not None and now - started > patience.timeout:
        return Ended.TIMEOUT
    if patience.stall is not None and CAN_SEE_BYTES and now - alive_at > patience.stall:
        return Ended.STALLED
    return None


CAN_SEE_BYTES: Final = Path("/proc/self/io").exists()
"""Whether a slow transfer can be told from a dead one; where not, only `--timeout` bounds a run."""


def _bytes_moved(pid: int) -> int:
    """All bytes that the process has read and written so far, sockets included (proc(5), /proc/PID/io)."""
    try:
        text = Path(f"/proc/{pid}/io").read_text(encoding="ascii")
    except OSError:
        return -1
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(("rchar:", "wchar:")))


def numbers_of(version: str) -> tuple[int, ...]:
    """The numbers that a version starts with: 1.22-dev is (1, 22)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(number) for number in match[0].split(".")) if match else ()
