"""Manifests of plain images, read by skopeos that stay: single OCI images, all of some lists and none of others."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skopeo_mirror.manifest import digest_of, parse_manifest
from skopeo_mirror.registries_conf.scoping import Together, scope_together
from skopeo_mirror.skopeo.proxy_pool import ProxyPool
from skopeo_mirror.skopeo.scoped import Probe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.transfer.sourcing import Sources


@dataclass(kw_only=True, slots=True)
class PlainImages:
    """Reads them, while all that was read in this run is plain: the first that is not costs its source a request twice.

    `sources` are those of all images of the run. Close it at the end.
    """

    scoped: ScopedSkopeo
    sources: Iterable[Sources]
    _plain: bool | None = None
    _together: Together | None = None
    _proxies: ProxyPool = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Have skopeos that read all routes from one file."""
        self._proxies = ProxyPool(self.scoped, self.scoped.settings.source, lambda: self._scoped_together().text)

    def read(self, image: Reference, candidates: Sequence[PullSource], *, yields: bool) -> Probe | None:
        """Read the manifest of `image`; None where a skopeo of its own must.

        Only by digest: the tag of an index would seem to have the digest of one of its images.
        """
        if not self._plain or image.digest is None or not self._scoped_together().has(image, candidates):
            return None
        reading = self._proxies.read(image, candidates, yields=yields)
        if reading is None:
            return None
        if reading.ended or not reading.opened:
            found = reading.provenance
            return Probe(manifest=b"", provenance=found) if found.attempts and found.fault is None else None
        if reading.provenance.proven and digest_of(reading.content, image.digest.algorithm) == image.digest:
            return Probe(manifest=reading.content, provenance=reading.provenance)
        return None

    def learn(self, manifest: bytes) -> None:
        """Take note of a manifest that was read another way."""
        found = parse_manifest(manifest)
        is_plain = not found.children and not found.media_type.startswith("application/vnd.docker.")
        if self._plain is None or not is_plain:
            self._plain = is_plain

    def close(self) -> None:
        """Let the skopeos go."""
        self._proxies.close()

    def _scoped_together(self) -> Together:
        with self._lock:
            if self._together is None:
                self._together = scope_together((one.reference, one.registries) for one in self.sources)
            return self._together
