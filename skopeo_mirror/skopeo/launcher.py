"""The program that starts skopeo for us: small, so that starting is cheap, and gone with us.

`sh` forks, and a fork copies the page tables of the program that forks: 4 ms of CPU from the whole tool, where
posix_spawn(3) takes 1 ms (measured). So `sh` starts this file once, and it starts each skopeo. It is run by its path,
imports nothing of the package, and speaks over the socket that is its standard input: a JSON object a line.

    {"argv": [PROGRAM, …], "input": BOOLEAN, "defaults": {NAME: VALUE, …}}, with descriptors for output and log, and for
    standard input if so said; and variables, where none of that name is set
                                                                  -> {"started": PID} or {"error": WORDS}
    {"signal": NUMBER, "group": PID}                              (no answer)
    (when a process has exited)                                   -> {"exited": PID, "status": NUMBER}

A process group is a skopeo's own. When the socket closes, because the tool has ended or was killed, every group is.
"""

from __future__ import annotations

import array
import json
import os
import selectors
import signal
import socket


def serve(control: socket.socket) -> None:
    """Start, signal and reap until the other side is gone."""
    control.set_inheritable(False)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, bool] = {}  # by process id: whether it was told to end
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    text, descriptors = b"", array.array("i")
    while True:
        for key, _ in selector.select():
            if key.fd == wake_read:
                os.read(wake_read, 4096)
                reap(control, running)
                continue
            try:
                received, more, _, _ = socket.recv_fds(control, 65536, 3)
            except ConnectionError:
                received, more = b"", []
            if not received:
                for group in running:
                    os.killpg(group, signal.SIGKILL)
                return
            text += received
            descriptors.extend(more)
            *lines, text = text.split(b"\n")
            for line in lines:
                obey(json.loads(line), descriptors, control, running)


def obey(
    request: dict[str, object], descriptors: array.array[int], control: socket.socket, running: dict[int, bool]
) -> None:
    """Carry out one request."""
    if "signal" in request:
        group = int(str(request["group"]))
        if group in running:  # not reaped yet, so the number is still its own
            running[group] = True
            os.killpg(group, int(str(request["signal"])))
        return
    argv, defaults = request["argv"], request["defaults"]
    output, log = descriptors.pop(0), descriptors.pop(0)
    given = descriptors.pop(0) if request["input"] else os.open(os.devnull, os.O_RDONLY)
    try:
        assert isinstance(argv, list)  # noqa: S101 - the protocol's
        assert isinstance(defaults, dict)  # noqa: S101 - as above
        pid = start(argv, defaults | os.environ, (given, output, log))
    except OSError as error:
        answer(control, {"error": error.strerror or str(error)})
    else:
        running[pid] = False
        answer(control, {"started": pid})
    finally:
        for descriptor in (given, output, log):
            os.close(descriptor)


def start(argv: list[str], environment: dict[str, str], descriptors: tuple[int, int, int]) -> int:
    """Start a program in a process group of its own; its process id. Raises OSError.

    `descriptors` are standard input, output and error.
    """
    return os.posix_spawn(
        argv[0],
        argv,
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, one, number) for number, one in enumerate(descriptors)],
        setpgroup=0,
        setsigdef=[signal.SIGPIPE, signal.SIGCHLD],
    )


def reap(control: socket.socket, running: dict[int, bool]) -> None:
    """Tell of every process that has exited; what it leaves of its group, when it was told to end, is ended too."""
    while running:
        exited = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if exited is None:
            return
        pid = exited.si_pid
        if running.pop(pid):
            os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        answer(control, {"exited": pid, "status": os.waitstatus_to_exitcode(status)})


def answer(control: socket.socket, words: dict[str, object]) -> None:
    """Send one line."""
    try:
        control.sendall(json.dumps(words).encode() + b"\n")
    except OSError:  # the other side is gone; the next receive says so
        return


if __name__ == "__main__":
    serve(socket.socket(fileno=os.dup(0)))
