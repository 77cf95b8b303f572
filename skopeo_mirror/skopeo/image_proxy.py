"""`skopeo experimental-image-proxy`: one skopeo that stays and answers questions about images, one after the other.

A process for each question costs 10 ms of CPU, a question to one that stays 1 ms (measured). The protocol is that of
skopeo 1.9.3 (0.2.3) and 1.18.0 (0.2.6): JSON, a message a packet, over the socket that is its standard input. Nothing
here depends on it: who gets ProxyBroken asks with `skopeo inspect`.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.skopeo.supervision import Ended, Supervision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.skopeo.command import Skopeo
    from skopeo_mirror.skopeo.supervision import Timeouts, Watcher

LARGEST_ANSWER: Final = 64 * 1024
"""Bytes of one answer; contents do not come in answers, but through pipes."""


class ProxyBroken(Exception):  # noqa: N818 - a state of the proxy rather than an error of the run
    """A proxy that does not start, that ended, or that does not speak the protocol."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer to a question: `value`, or `error` in skopeo's words."""

    value: Any = None
    error: str | None = None
    ended: Ended | None = None
    """Why the proxy was ended over the question, if it was."""
    pipe: int = 0
    """What the proxy calls the pipe that the answer came with."""
    content: int | None = None
    """Our end of that pipe."""


class ImageProxy:
    """A skopeo that stays. It belongs to one thread at a time."""

    def __init__(self, skopeo: Skopeo, arguments: Sequence[str]) -> None:
        """Start it with the options `arguments`. Raises ProxyBroken."""
        try:
            self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:  # macOS has no such sockets
            raise ProxyBroken(str(error)) from error
        self._log, log = os.pipe()
        os.set_blocking(self._log, False)
        with theirs, open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a descriptor is wanted
            try:
                self._process = skopeo.runs.start([skopeo.path, *arguments], nothing.fileno(), log, theirs.fileno())
            except OSError as error:
                self._socket.close()
                os.close(self._log)
                raise ProxyBroken(str(error)) from error
            finally:
                os.close(log)
        self._stopping = skopeo.runs.stopping

    def ask(self, method: str, *arguments: object, watcher: Watcher, timeouts: Timeouts) -> Answer:
        """Ask one question; what is logged until it is answered goes to `watcher`. Raises ProxyBroken."""
        try:
            self._send(method, *arguments)
            return self._answer(watcher, timeouts)
        except OSError as error:
            raise ProxyBroken(str(error)) from error

    def fetch(self, answer: Answer, *, watcher: Watcher, timeouts: Timeouts) -> bytes:
        """Read what an answer's pipe has. Raises ProxyBroken.

        The proxy closes its end when it is told to finish, and it has finished when everything was read.
        """
        if answer.content is None:
            return b""
        try:
            with open(answer.content, "rb") as pipe:  # noqa: PTH123 - it is a descriptor
                self._send("FinishPipe", answer.pipe)
                content = pipe.read()
            self._answer(watcher, timeouts)
        except OSError as error:
            raise ProxyBroken(str(error)) from error
        return content

    def close(self) -> None:
        """End it; nothing is lost with it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._socket.close()
        os.close(self._log)

    def _send(self, method: str, *arguments: object) -> None:
        self._socket.send(json.dumps({"method": method, "args": arguments}).encode())

    def _answer(self, watcher: Watcher, timeouts: Timeouts) -> Answer:
        supervision = Supervision(self._process, watcher, timeouts, self._stopping)
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._log, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select(supervision.tick)}
                now = time.monotonic()
                if self._log in ready:
                    self._read_log(watcher)
                    supervision.heard(now)
                if self._socket.fileno() in ready:
                    answer = self._receive()
                    self._read_log(watcher)  # what led to the answer was logged before it was sent
                    return answer
                if not ready:
                    supervision.silent(now)
                ended = supervision.verdict(now)
                if ended is not None:
                    self._process.send_signal(signal.SIGKILL)
                    return Answer(ended=ended)

    def _receive(self) -> Answer:
        packet, descriptors, _, _ = socket.recv_fds(self._socket, LARGEST_ANSWER, 1)
        try:
            said = json.loads(packet)
            if not said["success"]:
                return Answer(error=str(said["error"]))
            return Answer(
                value=said["value"], pipe=int(said["pipeid"]), content=descriptors[0] if descriptors else None
            )
        except (ValueError, TypeError, KeyError) as error:
            for descriptor in descriptors:
                os.close(descriptor)
            raise ProxyBroken(f"it answered {packet[:200]!r}") from error

    def _read_log(self, watcher: Watcher) -> None:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._log, 65536):
                watcher.feed(chunk)
