"""The one door to skopeo: finding it, starting it, watching it, ending it. Nothing else imports `sh`."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import sys
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import sh

from skopeo_mirror.errors import SkopeoUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

OLDEST: Final = (1, 9)
HOW_TO_GET: Final = (
    "install it (Debian, Ubuntu: apt install skopeo; Fedora, RHEL: dnf install skopeo; Alpine: apk add skopeo; "
    "macOS: brew install skopeo), or name one with --skopeo PATH"
)
GRACE: Final = 1.0
"""Seconds between TERM and KILL; twice that is what an interrupted run may take to end its children."""

_ANY_STATUS: Final = tuple(range(256))

# containers/image would merge these over the scoped file, or take one instead of it.
FOREIGN_CONFIGURATION: Final = ("CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE")


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
        return _numbers(self.version)

    def run(self, arguments: Sequence[str], *, watcher: Watcher, patience: Patience) -> Run:
        """Run skopeo to its end, or end it when it stalls, takes too long, or is to stop.

        Standard output is returned whole (a manifest: at most a few megabytes); standard error goes to `watcher` as it
        comes and is not kept. The whole process group is ended, TERM first, KILL a second later.
        """
        started = time.monotonic()
        output_read, output_write = os.pipe()
        log_read, log_write = os.pipe()
        try:
            with Path(os.devnull).open("rb") as nothing:
                process = sh.Command(self.path)(
                    *arguments,
                    _bg=True,
                    _bg_exc=False,
                    _in=nothing,
                    _out=output_write,
                    _err=log_write,
                    _env=dict(self.environment),
                    _new_group=True,
                    _ok_code=_ANY_STATUS,
                    _preexec_fn=_die_with_parent(),
                )
        except (OSError, sh.CommandNotFound, sh.ForkException) as error:
            os.close(output_read)
            os.close(log_read)
            raise SkopeoUnusable(f"{self.path}: cannot be started: {str(error).strip().splitlines()[-1]}") from error
        finally:
            os.close(output_write)
            os.close(log_write)
        with self.runs.holding(process):
            output, ended = _attend(
                process, output_read, log_read, watcher=watcher, patience=patience, stopping=self.runs.stopping
            )
            status = _status(process)
        return Run(status=status, output=output, seconds=time.monotonic() - started, ended=ended)


class Runs:
    """The skopeo processes under way."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._processes: dict[int, sh.RunningCommand] = {}  # by process id; the objects have no hash
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def holding(self, process: sh.RunningCommand) -> Iterator[None]:
        """Keep `process` among those that `stop` ends."""
        with self._lock:
            self._processes[process.pid] = process
        try:
            if self.stopping.is_set():
                _signal_group(process, signal.SIGTERM)
            yield
        finally:
            with self._lock:
                del self._processes[process.pid]

    def stop(self) -> None:
        """End every process group: TERM now, KILL by the thread that attends it, `GRACE` seconds later."""
        self.stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End every process group at once."""
        self.stopping.set()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            processes = tuple(self._processes.values())
        for process in processes:
            _signal_group(process, number)


def find(path: str | None, environment: Mapping[str, str]) -> Skopeo:
    """The skopeo at `path`, or the first on PATH, after asking for its version.

    Raises SkopeoUnusable when there is none, when it does not start, or when it is older than 1.9.
    """
    found = path or _on_path(environment.get("PATH", os.defpath))
    if found is None:
        raise SkopeoUnusable(f"skopeo: not found on PATH; {HOW_TO_GET}")
    if not Path(found).exists():
        raise SkopeoUnusable(f"{found}: no such file; {HOW_TO_GET}")
    if not os.access(found, os.X_OK) or Path(found).is_dir():
        raise SkopeoUnusable(f"{found}: is not an executable program; {HOW_TO_GET}")
    inherited = {name: value for name, value in environment.items() if name not in FOREIGN_CONFIGURATION}
    skopeo = Skopeo(path=found, version="", environment=inherited, runs=Runs())
    tail = _Tail()
    run = skopeo.run(["--version"], watcher=tail, patience=Patience(stall=30.0))
    said = run.output.decode(errors="replace").strip()
    match = re.fullmatch(r"skopeo version (\d+\.\d+\S*)( .*)?", said)
    if run.status != 0 or match is None:
        words = (tail.text or said or "no output").splitlines()[0][:200]
        raise SkopeoUnusable(f"{found}: does not answer `--version` as skopeo does: {words}; {HOW_TO_GET}")
    version = match[1]
    if _numbers(version) < OLDEST:
        raise SkopeoUnusable(f"{found}: is skopeo {version}; 1.9 or newer is needed; {HOW_TO_GET}")
    return Skopeo(path=found, version=version, environment=inherited, runs=skopeo.runs)


class _Tail:
    """Keeps the last words of a run whose log is not a debug log."""

    def __init__(self) -> None:
        self.text = ""

    def feed(self, chunk: bytes) -> None:
        self.text = (self.text + chunk.decode(errors="replace"))[-2000:].lstrip()

    def waits_until(self) -> float:
        return 0.0

    def gives_up(self) -> bool:
        return False


def _on_path(path: str) -> str | None:
    for directory in path.split(os.pathsep):
        candidate = Path(directory or ".") / "skopeo"
        if candidate.is_file():
            return str(candidate)
    return None


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def _attend(  # noqa: C901 - one loop over one process; its branches are the ways it can end
    process: sh.RunningCommand,
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
                        _signal_group(process, signal.SIGKILL)
                        if now >= kill_at + GRACE:
                            break  # a stranger holds the pipe; the group is dead
                    continue
                if not ready:
                    counted = _bytes_moved(process.pid)
                    if counted != moved:
                        moved, alive_at = counted, now
                ended = _verdict(now, started, max(alive_at, watcher.waits_until()), patience, watcher, stopping)
                if ended is not None:
                    _signal_group(process, signal.SIGTERM)
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


def _status(process: sh.RunningCommand) -> int:
    try:
        process.wait()
    except sh.ErrorReturnCode as error:
        return int(error.exit_code)
    return int(process.exit_code)


def _signal_group(process: sh.RunningCommand, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        process.signal_group(number)


@cache
def _die_with_parent() -> Callable[[], None] | None:
    """A function for the child that asks the kernel to end it with us, also when we are killed (prctl(2), Linux).

    The kernel watches the *thread* that started the child; here that thread attends the child to its end.
    """
    if not sys.platform.startswith("linux"):
        return None
    import ctypes  # noqa: PLC0415 - costs 5 ms, only where a child is started

    prctl = ctypes.CDLL(None).prctl
    set_death_signal = 1

    def in_child() -> None:
        prctl(set_death_signal, int(signal.SIGKILL))

    return in_child
