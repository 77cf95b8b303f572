"""Manifests of single images, asked of skopeos that stay, for all sources of a run."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from skopeo_mirror.manifest import DOCKER, DOCKER_MANIFEST, OCI_MANIFEST, InvalidManifest, digest_of, parse_manifest
from skopeo_mirror.registries_conf.scoping import Together
from skopeo_mirror.skopeo.converted import as_docker
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.proxy_pool import ProxyPool
from skopeo_mirror.skopeo.scoped import Probe, checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from skopeo_mirror.reference import PinnedReference, Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.transfer.sourcing import Sources

LONGEST_WAIT: Final = 0.5
"""Seconds that the others wait for the first manifest: a few round trips, and no stall on top of the first one's."""


@dataclass(kw_only=True, slots=True)
class SourceProxies:
    """Reads manifests by skopeos that stay. Close it at the end of the run."""

    scoped: ScopedSkopeo
    sources: Iterator[Sources]
    """Those of all images of the run; they are gone once they are routed."""
    mirrors_only: bool = False
    _together: Together = field(default_factory=Together)
    _written: bool = False
    _proxies: ProxyPool = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Have skopeos that read all routes from one file."""
        self._proxies = ProxyPool(self.scoped, self.scoped.settings.source, self._rendered)

    def take(self, media_type: str) -> bool:
        """Whether an image of an index that gives it this type is read by them.

        To convert a Docker manifest its config is read, from wherever it says that that is: where mirrors alone may be
        asked, it must be known beforehand.
        """
        return media_type == OCI_MANIFEST or (media_type == DOCKER_MANIFEST and not self.mirrors_only)

    def know(self, image: Reference, candidates: Sequence[PullSource]) -> bool:
        """Whether they can be asked for `image`, from exactly `candidates`."""
        with self._lock:
            if not self._written:
                self._written = True
                self._proxies.configure()
        return self._together.has(image, candidates)

    def read(
        self, image: PinnedReference, candidates: Sequence[PullSource], *, yields: bool, docker: bool = False
    ) -> Probe | None:
        """Read the manifest of `image`, which they know; None where a skopeo of its own must.

        Only by digest: the tag of an index would seem to have the digest of one of its images.
        With `docker`, a manifest of Docker's is taken, too, though only as it can be `rendered`.
        """
        reading = self._proxies.read(image, candidates, yields=yields, with_config=docker)
        if reading is None:
            return None
        found = reading.provenance
        if found.proven and digest_of(reading.content, image.digest.algorithm) == image.digest:
            return checked(reading.content, image, found)
        if found.proven and reading.config is not None:
            return Probe(manifest=as_docker(reading.content, reading.config), provenance=found, rendered=True)
        if reading.opened and not reading.ended:
            return None
        # What it says of a manifest that it has got, one that only reads it may not say.
        failed = found.attempts and found.fault is None and found.attempts[-1].reason is not Reason.OTHER
        return Probe(manifest=b"", provenance=found) if failed else None

    def close(self) -> None:
        """Let the skopeos go."""
        self._proxies.close()

    def _rendered(self) -> Iterator[str]:
        return self._together.rendered((one.reference, one.registries) for one in self.sources)


@dataclass(kw_only=True, slots=True)
class Majority:
    """What most images of a run have been so far: single ones of OCI's, or anything else; for all threads.

    To ask a skopeo that stays for an index costs its source up to four requests in vain, to start one for a single
    image 16 ms of CPU. So the first one settles it for all that begin with it, and a wrong guess is soon outvoted.
    """

    _plain: int = 0
    _others: int = 0
    _begun: bool = False
    _settled: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_plain(self) -> bool:
        """Whether the next one is likely to be plain. The first to ask is told no, the others wait for what it is."""
        with self._lock:
            first, self._begun = not self._begun, True
        if not first:
            self._settled.wait(LONGEST_WAIT)
        return self._plain > self._others

    def learn(self, manifest: bytes) -> None:
        """Count one more; of one that nobody gave (no bytes) nothing is known, and nobody waits for it any more."""
        try:
            found = parse_manifest(manifest)
        except InvalidManifest:
            pass
        else:
            plain = not found.children and not found.media_type.startswith(DOCKER)
            with self._lock:
                self._plain += plain
                self._others += not plain
        self._settled.set()
