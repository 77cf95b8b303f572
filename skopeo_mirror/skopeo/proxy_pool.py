"""A pool of skopeos that stay: asked for manifests one by one, where a process for each would cost ten times as much.

They answer for the manifests of single OCI images. Of an index they tell one of its images, and a Docker manifest they
convert, so what has another digest than the one that is wanted must be asked of a skopeo of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skopeo_mirror.skopeo.debuglog import LONGEST_TEXT, Died
from skopeo_mirror.skopeo.image_proxy import ImageProxy, ProxyBroken
from skopeo_mirror.skopeo.log_watcher import LogWatcher
from skopeo_mirror.skopeo.provenance import trace
from skopeo_mirror.skopeo.secrets import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.image_proxy import Answer
    from skopeo_mirror.skopeo.provenance import Provenance
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.skopeo.settings import Access


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


class ProxyPool:
    """The skopeos of one configuration, as many as are asked at once; for all threads of a run."""

    def __init__(self, scoped: ScopedSkopeo, access: Access, configuration: Callable[[], str]) -> None:
        """`configuration` gives a registries.conf for all that they may be asked for; it is called once, if at all."""
        self._scoped = scoped
        self._timeouts = scoped.settings.timeouts
        self._access = access
        self._configuration = configuration
        self._idle: deque[ImageProxy] = deque()
        self._refused = False
        self._files = ExitStack()
        self._file: Path | None = None
        self._writing = threading.Lock()

    def read(
        self, image: Reference, candidates: Sequence[PullSource], *, yields: bool = False
    ) -> ManifestReading | None:
        """Read the manifest of `image` from the first of `candidates` that has it, which the configuration must name.

        With `yields` the question is given up at the first rate limit. None where no skopeo stays to be asked.
        """
        if self._refused:
            return None
        try:
            proxy = self._take()
        except ProxyBroken:
            self._refused = True
            return None
        try:
            reading = self._read(proxy, image, candidates, yields=yields)
        except ProxyBroken:
            proxy.close()
            return None
        if reading.ended:
            proxy.close()
        else:
            self._idle.append(proxy)
        return reading

    def close(self) -> None:
        """Let them all go."""
        while self._idle:
            self._idle.pop().close()
        self._files.close()

    def _take(self) -> ImageProxy:
        """One that is idle, else a new one. Raises ProxyBroken.

        A signature policy does not matter to what is only looked at; `skopeo inspect --raw` does not read it either.
        """
        with suppress(IndexError):
            return self._idle.pop()
        proxy = ImageProxy(
            self._scoped.skopeo,
            [
                *("--debug", "--insecure-policy", "--registries-conf", self._configured()),
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

    def _configured(self) -> str:
        """The file that all of them read, each when it is asked for its first image, and never again."""
        with self._writing:
            if self._file is None:
                self._file = self._files.enter_context(self._scoped.registries_conf(self._configuration()))
            return str(self._file)

    def _read(
        self, proxy: ImageProxy, image: Reference, candidates: Sequence[PullSource], *, yields: bool
    ) -> ManifestReading:
        watcher = LogWatcher(yields=yields)

        def ask(method: str, *arguments: object) -> Answer:
            return proxy.ask(method, *arguments, watcher=watcher, timeouts=self._timeouts)

        answer = opened = ask("OpenImage", f"docker://{image}")
        content = b""
        if opened.value is not None:
            answer = ask("GetManifest", opened.value)
            if answer.value is not None:
                content = proxy.fetch(answer, watcher=watcher, timeouts=self._timeouts)
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
            digest=answer.value,
            content=content,
        )
