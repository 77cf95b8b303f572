"""The one door to skopeo: finding it, starting it, watching it, ending it. Nothing else imports `sh`."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import sys
import threading
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import SkopeoUnusable
from skopeo_mirror.skopeo.supervision import Process, Timeouts, Transcript, supervise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from skopeo_mirror.skopeo.supervision import Ended, Wait, Watcher

OLDEST: Final = (1, 9)
HOW_TO_GET: Final = (
    "install it (Debian, Ubuntu: apt install skopeo; Fedora, RHEL: dnf install skopeo; Alpine: apk add skopeo; "
    "macOS: brew install skopeo), or name one with --skopeo PATH"
)

# containers/image would merge these over the scoped file, or take one instead of it.
FOREIGN_CONFIGURATION: Final = ("CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE")

COLLECTOR: Final = {"GOGC": "400"}
"""Go's collector, told to wait for five times the live heap: a tenth less CPU, 1 MB more memory (measured).

For one that stays that is much: with 2,000 images in its configuration it grows to 51 MB, without to 36 MB (measured).
"""

ENOUGH_DESCRIPTORS: Final = 65_536
"""The soft limit of open files is raised as far as this, where the hard one lets us."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A skopeo that has run to its end."""

    status: int
    """The exit status, negative for the signal that ended it."""
    output: bytes
    ended: Ended | None
    """Why it was ended from here, if it was."""


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
        match = re.match(r"\d+(\.\d+)*", self.version)
        return tuple(int(number) for number in match[0].split(".")) if match else ()

    def run(self, arguments: Sequence[str], *, watcher: Watcher, timeouts: Timeouts) -> Run:
        """Run skopeo to its end, or end it when it stalls, takes too long, or is to stop.

        Standard output is returned whole (a manifest: at most a few megabytes); standard error goes to `watcher` as it
        comes and is not kept. The whole process group is ended, TERM first, KILL a second later.
        """
        output_read, output_write = os.pipe()
        log_read, log_write = os.pipe()
        try:
            process = self.runs.start([self.path, *arguments], output_write, log_write)
        except OSError as error:
            os.close(output_read)
            os.close(log_read)
            raise SkopeoUnusable(f"{self.path}: cannot be started: {error.strerror}") from error
        finally:
            os.close(output_write)
            os.close(log_write)
        watcher.begun(process.pid)
        with self.runs.watched_by(watcher):
            output, ended = supervise(
                process, output_read, log_read, watcher=watcher, timeouts=timeouts, stopping=self.runs.stopping
            )
        return Run(status=process.wait(), output=output, ended=ended)


class Runs:
    """The skopeo processes under way, and the launcher that starts them (`launcher.py` says why there is one)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.stopping = threading.Event()
        self._environment = environment
        self._processes: dict[int, Process] = {}
        self._watchers: set[Watcher] = set()
        self._answers: SimpleQueue[Process | str] = SimpleQueue()
        self._starting = threading.Lock()
        self._sending = threading.Lock()
        self._control: socket.socket | None = None

    def start(
        self,
        argv: Sequence[str],
        output: int,
        log: int,
        given: int | None = None,
        *,
        defaults: Mapping[str, str] = COLLECTOR,
    ) -> Process:
        """Start a program whose standard output and error are the descriptors given. Raises OSError.

        `given` is its standard input (None: nothing), `defaults` are variables, where the environment has none such.
        """
        with self._starting:
            if self._control is None:
                self._control = self._launch()
            request = json.dumps({"argv": list(argv), "input": given is not None, "defaults": dict(defaults)})
            line = request.encode() + b"\n"
            with self._sending:
                descriptors = [output, log] if given is None else [output, log, given]
                sent = socket.send_fds(self._control, [line], descriptors)
                self._control.sendall(line[sent:])
            answer = self._answers.get()
        if isinstance(answer, str):
            raise OSError(0, answer)
        if self.stopping.is_set():
            answer.send_signal(signal.SIGTERM)
        return answer

    @contextlib.contextmanager
    def watched_by(self, watcher: Watcher) -> Iterator[None]:
        """Have what a watcher waits for among the `waits` while the block runs."""
        self._watchers.add(watcher)
        try:
            yield
        finally:
            self._watchers.discard(watcher)

    def waits(self) -> list[Wait]:
        """What all those under way wait for."""
        return [wait for watcher in tuple(self._watchers) if (wait := watcher.waiting()) is not None]

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End every process group: TERM now, KILL by the thread that attends it, `GRACE` seconds later."""
        self.stopping.set()
        for process in tuple(self._processes.values()):
            process.send_signal(number)

    def kill(self) -> None:
        """End every process group at once."""
        self.stop(signal.SIGKILL)

    def _launch(self) -> socket.socket:
        """Start the launcher, and a thread that hears what becomes of its processes."""
        import sh  # noqa: PLC0415 - it brings asyncio along: 25 ms that offline commands need not pay

        _raise_descriptor_limit()
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
            with contextlib.suppress(OSError):  # it can have been killed before, and reaped by sh
                ours.shutdown(socket.SHUT_RDWR)
                hearing.join()
                # not launcher.wait(): it starts a timer, and CPython 3.12.0 to 3.12.2 let no thread start by now
                os.waitpid(launcher.pid, 0)
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
                    self._answers.put(process)
                elif "exited" in said:
                    self._processes.pop(said["exited"]).has_exited(said["status"])
                else:
                    self._answers.put(str(said["error"]))
        for process in self._processes.values():
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.has_exited(-signal.SIGKILL)
        self._answers.put("the launcher of skopeo processes has ended")

    def _send_signal(self, control: socket.socket, group: int, number: int) -> None:
        with self._sending, contextlib.suppress(OSError):
            control.sendall(json.dumps({"signal": number, "group": group}).encode() + b"\n")


def find(named: str | None, environment: Mapping[str, str]) -> Skopeo:
    """The skopeo at a path, or the first on PATH that has that name, after asking for its version.

    Raises SkopeoUnusable when there is none, when it does not start, or when it is older than 1.9.
    """
    name = named or "skopeo"
    path = environment.get("PATH", os.defpath) or os.pathsep  # an empty one is this directory
    found = name if os.sep in name else shutil.which(name, os.F_OK, path)  # what is no program is told below
    if found is None:
        here = f" (the file in this directory is ./{name})" if Path(name).exists() else ""
        raise SkopeoUnusable(f"{name}: not found on PATH{here}; {HOW_TO_GET}")
    if not Path(found).exists():
        raise SkopeoUnusable(f"{found}: no such file; {HOW_TO_GET}")
    if not os.access(found, os.X_OK) or Path(found).is_dir():
        raise SkopeoUnusable(f"{found}: is not an executable program; {HOW_TO_GET}")
    inherited = {name: value for name, value in environment.items() if name not in FOREIGN_CONFIGURATION}
    skopeo = Skopeo(path=found, version="", environment=inherited, runs=Runs(inherited))
    tail = Transcript(limit=2000)
    run = skopeo.run(["--version"], watcher=tail, timeouts=Timeouts(stall=30.0))
    said = run.output.decode(errors="replace").strip()
    match = re.fullmatch(r"skopeo version (\d+\.\d+\S*)( .*)?", said)
    if run.status != 0 or match is None:
        words = (tail.text or said or "no output").splitlines()[0][:200]
        raise SkopeoUnusable(f"{found}: does not answer `--version` as skopeo does: {words}; {HOW_TO_GET}")
    skopeo = replace(skopeo, version=match[1])
    if skopeo.version_info < OLDEST:
        raise SkopeoUnusable(f"{found}: is skopeo {skopeo.version}; 1.9 or newer is needed; {HOW_TO_GET}")
    return skopeo


def version_line(named: str | None) -> str:
    """The version and the path of the skopeo that is found. Raises as `find`."""
    found = find(named, os.environ)
    return f"skopeo {found.version} ({found.path})"


def _raise_descriptor_limit() -> None:
    """Let us, and what we start, have as many files open as may be: each skopeo under way takes some of ours."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
