"""The tool without its start: a process that has loaded it forks for each run.

An interpreter that loads the tool's modules and typer's works for 0.3 s, many times as long as most runs do after that.
A run here is a process of its own all the same: its arguments, environment, directory, streams, end. What it shares
with the others is what Python sets up before the first line of the tool.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOADED = ("skopeo_mirror.cli.commands.copy", "skopeo_mirror.skopeo.command", "skopeo_mirror.skopeo.dropins", "sh")
"""What nearly every run loads; the rest each run loads when it comes to it, as ever."""

_AT_THE_START = ("PYTHON", "LANG", "LC_", "TZ")
_PIPE = 2**16  # bytes that a pipe takes before anybody reads


def can_start(overrides: Mapping[str, str], stdin: str) -> bool:
    """Tell whether such a run can be forked: no variable of Python's start is set, and a pipe holds what it reads."""
    return not any(name.startswith(_AT_THE_START) for name in overrides) and len(stdin.encode()) <= _PIPE


class Preloaded:
    """A process that has loaded the tool; use it as a context manager."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start the interpreter with the environment."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        self._process.wait()

    def run(
        self, arguments: list[str], *, env: Mapping[str, str], cwd: Path, stdin: str, timeout: float | None
    ) -> subprocess.CompletedProcess[str]:
        """Run the tool to its end. Raises TimeoutExpired, after killing it, when that takes longer (seconds)."""
        with ExitStack() as stack:
            to_run, from_us = os.pipe()
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            outputs = [os.pipe(), os.pipe()]
            for read, _ in outputs:
                stack.callback(os.close, read)
            given = [theirs.fileno(), to_run, *(write for _, write in outputs)]
            socket.send_fds(self._control, [b"run"], given)
            theirs.close()
            for descriptor in given[1:]:
                os.close(descriptor)
            os.write(from_us, stdin.encode())
            os.close(from_us)
            ours.sendall(json.dumps({"arguments": arguments, "env": dict(env), "cwd": str(cwd)}).encode())
            ours.shutdown(socket.SHUT_WR)
            answers = stack.enter_context(ours.makefile())
            pid = int(answers.readline())
            try:
                stdout, stderr = _read([read for read, _ in outputs], timeout)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(arguments, timeout or 0) from None
            return subprocess.CompletedProcess(arguments, int(answers.readline()), stdout, stderr)


def _read(descriptors: list[int], timeout: float | None) -> list[str]:
    """Read all to their ends. Raises TimeoutError after so many seconds."""
    read = {descriptor: bytearray() for descriptor in descriptors}
    deadline = None if timeout is None else time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(None if deadline is None else deadline - time.monotonic())
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError
            for key, _ in ready:
                content = os.read(key.fd, _PIPE)
                read[key.fd] += content
                if not content:
                    selector.unregister(key.fd)
    return [content.decode() for content in read.values()]


def _serve(control: socket.socket) -> dict[str, Any]:
    """Fork for each run until the tests end; return in the process of a run, with what was asked for."""
    while True:
        _, given, _, _ = socket.recv_fds(control, 10, 4)
        if not given:
            sys.exit()
        if os.fork() == 0:
            control.close()
            with socket.socket(fileno=given[0]) as asking:
                asked: dict[str, Any] = json.loads(asking.makefile().read())
                pid = os.fork()
                if pid:
                    for descriptor in given[1:]:
                        os.close(descriptor)
                    asking.sendall(f"{pid}\n".encode())
                    asking.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())
                    os._exit(0)
            for stream, descriptor in enumerate(given[1:]):
                os.dup2(descriptor, stream)
                os.close(descriptor)
            return asked
        for descriptor in given:
            os.close(descriptor)
        while _reaped():
            pass


def _reaped() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _main() -> None:
    for module in LOADED:
        import_module(module)
    gc.freeze()
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv[1:] = asked["arguments"]
    sys.path[0] = asked["cwd"]
    runpy.run_module("skopeo_mirror", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
