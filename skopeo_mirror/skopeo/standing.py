"""A skopeo that stays and is asked, image after image, whether a registry has it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skopeo_mirror.skopeo.debuglog import Died
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.image_proxy import Answer, ImageProxy, ProxyBroken
from skopeo_mirror.skopeo.provenance import trace
from skopeo_mirror.skopeo.scoped import ending_of
from skopeo_mirror.skopeo.watching import LogWatcher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from skopeo_mirror.reference import Digest
    from skopeo_mirror.registries_conf.routing import Candidate
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """Whether an image is `there`, at its digest; None where this way of asking cannot tell.

    `trouble` says why nothing came back in time; the skopeo that was asked is gone then.
    """

    there: bool | None = None
    trouble: str | None = None


class StandingSkopeo:
    """It stays as long as it is not closed. It belongs to one thread at a time."""

    def __init__(self, scoped: ScopedSkopeo, configuration: Path) -> None:
        """Start it with a registries.conf for every name that it will be asked for. Raises ProxyBroken.

        A signature policy does not matter to what is only looked at; `skopeo inspect` does not read it either.
        """
        settings = scoped.settings
        self._patience = settings.patience
        options = ["--debug", "--insecure-policy", "--registries-conf", str(configuration)]
        self._proxy = ImageProxy(scoped.skopeo, [*options, "experimental-image-proxy", *settings.destination.options()])
        with ExitStack() as stack:
            stack.callback(self.close)
            begun = self._proxy.ask("Initialize", watcher=LogWatcher(), patience=self._patience)
            if begun.value is None:
                raise ProxyBroken(begun.error or "it did not begin")
            stack.pop_all()

    def close(self) -> None:
        """Let it go."""
        self._proxy.close()

    def looks_for(self, candidate: Candidate, digest: Digest) -> Sighting:
        """Whether the candidate's name has that digest there. Raises ProxyBroken.

        Of an index it tells the digest of one of its images, so a digest that differs proves nothing.
        """
        watcher = LogWatcher()

        def ask(method: str, *arguments: object) -> Answer:
            return self._proxy.ask(method, *arguments, watcher=watcher, patience=self._patience)

        opened = ask("OpenImage", f"docker://{candidate.reference}")
        answer = self._digest(opened.value, ask) if opened.value is not None else opened
        watcher.close()
        ending = ending_of(0 if answer.error is None else 1, answer.ended, watcher, self._patience)
        if answer.ended is not None:
            return Sighting(trouble=ending.complaint)
        words = [] if answer.error is None else [Died(at=ending.at, error=answer.error)]
        proof = trace([*watcher.reader.events, *words], (), candidates=[candidate], ending=ending, digest=None)
        if proof.server is not None and proof.doubt is None and answer.value == str(digest):
            return Sighting(there=True)
        absent = opened.value is None and bool(proof.attempts) and proof.attempts[-1].reason is Reason.NOT_FOUND
        return Sighting(there=False if absent else None)

    def _digest(self, image: object, ask: Callable[..., Answer]) -> Answer:
        """The digest of an image that was opened; its manifest would follow through a pipe, where nobody reads it."""
        answer = ask("GetManifest", image)
        if answer.ended is None:
            if answer.pipe:
                ask("FinishPipe", answer.pipe)
            ask("CloseImage", image)
        return answer
