"""Manifests of single images, asked of skopeos that stay, for all sources of a run."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skopeo_mirror.manifest import DOCKER_MANIFEST, OCI_MANIFEST, digest_of
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
