"""A pool of skopeos that stay (`skopeo experimental-image-proxy`) and are asked for manifests, one after the other.

A process for each question costs 16 ms of CPU, a question to one that stays 1.4 ms, of a Docker image with its config
3.6 ms (measured). They answer for the manifests of single images, but a Docker manifest they convert. Of an index they
tell one of its images, so what has another digest than the one that is wanted must be asked of a skopeo of its own.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.manifest import digest_of
from skopeo_mirror.skopeo.debuglog import LONGEST_TEXT, Died, Requested
from skopeo_mirror.skopeo.log_watcher import LogWatcher
from skopeo_mirror.skopeo.provenance import trace
from skopeo_mirror.skopeo.purposes import content_of
from skopeo_mirror.skopeo.secrets import redacted
from skopeo_mirror.skopeo.supervision import READ_AT_ONCE, Ended, Supervision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.command import Skopeo
    from skopeo_mirror.skopeo.provenance import Provenance
    from skopeo_mirror.skopeo.purposes import Content
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.skopeo.settings import Access
    from skopeo_mirror.skopeo.supervision import Timeouts, Watcher

LARGEST_ANSWER: Final = 16 * 1024
"""Bytes of one answer (who gives a longer one is broken); contents do not come in answers, but through pipes."""


WORTH_WAITING: Final = 0.02
"""Seconds that those that are busy are waited for before another is started: that costs 10 ms of CPU, and memory."""


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
    """A skopeo that stays. It belongs to one thread at a time.

    The protocol is that of skopeo 1.9.3 (0.2.3) and 1.18.0 (0.2.6): JSON, a message a packet, over the socket that is
    its standard input. Nothing here depends on it: who gets ProxyBroken asks with `skopeo inspect`.
    """

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
                self._process = skopeo.runs.start(
                    [skopeo.path, *arguments],
                    nothing.fileno(),
                    log,
                    theirs.fileno(),
                    defaults={},  # not COLLECTOR: it stays, and would grow
                )
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
                if self._log in ready:
                    self._read_log(watcher)
                if self._socket.fileno() in ready:
                    answer = self._receive()
                    self._read_log(watcher)  # what led to the answer was logged before it was sent
                    return answer
                ended = supervision.verdict(time.monotonic(), heard=self._log in ready)
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
        with suppress(BlockingIOError):
            while chunk := os.read(self._log, READ_AT_ONCE):
                watcher.feed(chunk)


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestReading:
    """The answer to a question for a manifest, and what it proves."""

    provenance: Provenance
    opened: bool = False
    """Whether a registry gave a manifest, whatever became of it."""
    ended: bool = False
    """Whether the skopeo was ended over the question."""
    digest: str | None = None
    content: bytes = b""
    """The manifest that was given, as `digest` is its digest in skopeo's words."""
    chosen: bool = False
    """Whether it is one of the images of an index that was asked for."""
    config: bytes | None = None
    """The config of a Docker image, whose manifest is given in OCI's form; where it was asked for."""


class ProxyPool:
    """The skopeos of one configuration, as many as are asked at once; for all threads of a run."""

    def __init__(self, scoped: ScopedSkopeo, access: Access, configuration: Callable[[], Iterable[str]]) -> None:
        """`configuration` gives a registries.conf, in pieces, for all that they may be asked for; once, if at all."""
        self._scoped = scoped
        self._timeouts = scoped.settings.timeouts
        self._access = access
        self._configuration: Callable[[], Iterable[str]] | None = configuration
        self._idle: deque[ImageProxy] = deque()
        self._changed = threading.Condition()
        self._count = 0
        self._starting = False
        self._refused = False
        self._files = ExitStack()
        self._file: Path | None = None

    def read(
        self, image: Reference, candidates: Sequence[PullSource], *, yields: bool = False, with_config: bool = False
    ) -> ManifestReading | None:
        """Read the manifest of `image` from the first of `candidates` that has it, which the configuration must name.

        With `yields` the question is given up at the first rate limit; `with_config`: of a Docker image its config is
        read, too. None where no skopeo stays to be asked.
        """
        proxy = self._take()
        if proxy is None:
            return None
        try:
            watcher = LogWatcher(yields=yields)
            with self._scoped.skopeo.runs.watched_by(watcher):
                reading = self._read(proxy, image, candidates, watcher, with_config=with_config)
        except ProxyBroken:
            self._drop(proxy)
            return None
        if reading.ended:
            self._drop(proxy)
        else:
            with self._changed:
                self._idle.append(proxy)
                self._changed.notify()
        return reading

    def close(self) -> None:
        """Let them all go."""
        while self._idle:
            self._idle.pop().close()
        self._files.close()

    def _take(self) -> ImageProxy | None:
        """One that is idle, or becomes so right away, else a new one, once no other is being started.

        None where none stays.
        """
        with self._changed:
            if self._count:
                self._changed.wait_for(lambda: self._idle, WORTH_WAITING)
            self._changed.wait_for(lambda: self._idle or not self._starting)
            if self._idle:
                return self._idle.pop()
            if self._refused:
                return None
            self._starting = True
        proxy = None
        try:
            proxy = self._start()
        except ProxyBroken:
            self._refused = True
        finally:
            with self._changed:
                self._starting = False
                self._count += proxy is not None
                self._changed.notify_all()
        return proxy

    def _start(self) -> ImageProxy:
        """A new one. Raises ProxyBroken.

        A signature policy does not matter to what is only looked at; `skopeo inspect --raw` does not read it either.
        """
        proxy = ImageProxy(
            self._scoped.skopeo,
            [
                *("--debug", "--insecure-policy", "--registries-conf", self.configure()),
                *("experimental-image-proxy", *self._access.options()),
            ],
        )
        with ExitStack() as stack:
            stack.callback(proxy.close)
            begun = proxy.ask("Initialize", watcher=LogWatcher(), timeouts=self._timeouts)
            if begun.value is None:
                raise ProxyBroken(begun.error or "it did not begin")
            stack.pop_all()
        return proxy

    def _drop(self, proxy: ImageProxy) -> None:
        """Let one go that can be asked nothing more."""
        proxy.close()
        with self._changed:
            self._count -= 1

    def configure(self) -> str:
        """The file that all of them read, each when it is asked for its first image, and never again: written once.

        Raises OSError where it cannot be written, and ProxyBroken from then on.
        """
        if self._file is None:
            configuration, self._configuration = self._configuration, None  # it may hold on to all images
            if configuration is None:
                raise ProxyBroken("its registries.conf could not be written")
            self._file = self._files.enter_context(self._scoped.registries_conf(configuration()))
        return str(self._file)

    def _read(
        self,
        proxy: ImageProxy,
        image: Reference,
        candidates: Sequence[PullSource],
        watcher: LogWatcher,
        *,
        with_config: bool,
    ) -> ManifestReading:
        def ask(method: str, *arguments: object) -> Answer:
            return proxy.ask(method, *arguments, watcher=watcher, timeouts=self._timeouts)

        answer = opened = manifest = ask("OpenImage", f"docker://{image}")
        content, config = b"", None
        if opened.value is not None:
            answer = manifest = ask("GetManifest", opened.value)
            if manifest.value is not None:
                content = proxy.fetch(manifest, watcher=watcher, timeouts=self._timeouts)
            if with_config and manifest.value == str(image.digest) != str(digest_of(content)):
                name = _last_blob(watcher)
                answer = ask("GetBlob", opened.value, name, 0)  # its size is what is to be known
                config = proxy.fetch(answer, watcher=watcher, timeouts=self._timeouts)
                config = config if str(digest_of(config)) == name else None
            if answer.ended is None:
                ask("CloseImage", opened.value)
        watcher.close()
        ending = watcher.ending(0 if answer.error is None else 1, answer.ended, self._timeouts)
        words = [] if answer.error is None else [Died(at=ending.at, error=redacted(answer.error, LONGEST_TEXT))]
        return ManifestReading(
            provenance=trace(
                [*watcher.reader.events, *words], (), candidates=candidates, ending=ending, digest=image.digest
            ),
            opened=opened.value is not None,
            ended=answer.ended is not None,
            digest=manifest.value,
            content=content,
            chosen=len({one.name for one in _asked(watcher) if one.kind == "manifests"}) > 1,
            config=config,
        )


def _last_blob(watcher: LogWatcher) -> str:
    """The digest of the blob that was asked for last: to convert a Docker manifest, its config is read."""
    return next((content.name for content in reversed([*_asked(watcher)]) if content.kind == "blobs"), "")


def _asked(watcher: LogWatcher) -> Iterator[Content]:
    """What registries were asked for, in order."""
    for event in watcher.reader.events:
        if isinstance(event, Requested) and (content := content_of(event.url)) is not None:
            yield content
