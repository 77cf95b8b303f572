"""Manifests, read from whichever candidate gives them: for tags, for plans, for catalogs."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.manifest import DOCKER, OCI_MANIFEST, digest_of, parse_manifest
from skopeo_mirror.registries_conf.scoping import Together, scope_together
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.proxy_pool import ProxyPool
from skopeo_mirror.skopeo.scoped import Probe, checked
from skopeo_mirror.transfer.failover import Tries
from skopeo_mirror.transfer.sourcing import layout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from skopeo_mirror.manifest import Descriptor
    from skopeo_mirror.reference import Digest, PinnedReference, Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.transfer.circuits import Circuits
    from skopeo_mirror.transfer.sourcing import Sources


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestReader:
    """Reads manifests through scoped configurations, failing over as a copy does."""

    scoped: ScopedSkopeo
    circuits: Circuits
    retries: int
    plain: PlainImages | None = None

    def tries(self, image: Reference, sources: Sources) -> Tries:
        """The candidates of an image at the start. Raises Unroutable."""
        if sources.unroutable is not None:
            raise Unroutable(sources.unroutable)
        return Tries(str(image), sources.candidates, self.circuits, self.retries, skipped=sources.skipped)

    def read_patiently(self, image: Reference, tries: Tries) -> Probe | None:
        """The same as `read`, in all the rounds that there are; None also where the run is stopped meanwhile."""
        while (probe := self.read(image, tries)) is None:
            pause = tries.begin_again(random.random)
            if pause is None or self.scoped.skopeo.runs.stopping.wait(pause):
                return None
        return probe

    def read(self, image: Reference, tries: Tries) -> Probe | None:
        """The manifest of `image` from the first candidate that gives it; None when each had its turn and none did.

        A probe without manifest has a fault that is no candidate's.
        """
        return self._read(tries, partial(self._probe, image))

    def read_part(self, image: PinnedReference, descriptor: Descriptor, tries: Tries) -> Probe | None:
        """The manifest of `descriptor`, an image of an index, as `read` gives one; exact but for what is `rendered`.

        `image` is the index, or that image of it; `tries` are that image's own: its candidates have its digest.
        """
        return self._read(tries, partial(self._probe_part, image.without_tag().pin(descriptor.digest), descriptor))

    def read_child(self, index: PinnedReference, digest: Digest, tries: Tries) -> Probe:
        """The manifest of an image of an index, from the candidates that are left; what fails here costs none."""
        candidates = tuple(candidate.at(digest) for candidate in tries.next(time.monotonic()))
        return self._ask(index.without_tag().pin(digest), candidates)

    def _read(self, tries: Tries, probe_them: Callable[[tuple[PullSource, ...], bool], Probe]) -> Probe | None:
        """What a probe of the candidates gives, of fewer and fewer; `probe_them` is told whether to yield."""
        while candidates := tries.next(time.monotonic()):
            probe = probe_them(candidates, tries.yields(candidates))
            if self.scoped.skopeo.runs.stopping.is_set():
                return None
            probe = replace(probe, provenance=probe.provenance.disbelieved())
            tries.record(probe.provenance, time.monotonic())
            if probe.manifest or probe.provenance.fault is not None:
                return probe
        return None

    def _probe(self, image: Reference, candidates: tuple[PullSource, ...], yields: bool) -> Probe:
        quick = None if self.plain is None else self.plain.read(image, candidates, yields=yields)
        if quick is not None:
            return quick
        probe = self._ask(image, candidates, yields=yields)
        if probe.manifest and self.plain is not None:
            self.plain.learn(probe.manifest)
        return probe

    def _probe_part(
        self,
        image: PinnedReference,
        descriptor: Descriptor,
        candidates: tuple[PullSource, ...],
        yields: bool,
    ) -> Probe:
        assert candidates[0].reference.digest == image.digest  # noqa: S101 - who fails at another is never dropped
        quick = None
        if self.plain is not None and descriptor.media_type == OCI_MANIFEST:
            quick = self.plain.read_single(image, candidates, yields=yields)
        return self._ask(image, candidates, yields=yields) if quick is None else quick

    def _ask(self, image: Reference, candidates: tuple[PullSource, ...], *, yields: bool = False) -> Probe:
        layout = layout_of(candidates)
        if layout is not None:
            return layout.probe(image)
        return self.scoped.probe(image, candidates, access=self.scoped.settings.source, yields=yields)


@dataclass(kw_only=True, slots=True)
class PlainImages:
    """Reads manifests by skopeos that stay, while all that the run has read are those of plain images (single, OCI).

    The first other one costs its source a request twice. `sources` are those of all images of the run; close it at its
    end.
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
        if not self._plain or image.digest is None:
            return None
        return self.read_single(image.without_tag().pin(image.digest), candidates, yields=yields)

    def read_single(self, image: PinnedReference, candidates: Sequence[PullSource], *, yields: bool) -> Probe | None:
        """The same, whatever the run has read before."""
        if not self._scoped_together().has(image, candidates):
            return None
        reading = self._proxies.read(image, candidates, yields=yields)
        if reading is None:
            return None
        found = reading.provenance
        if found.proven and digest_of(reading.content, image.digest.algorithm) == image.digest:
            return checked(reading.content, image, found)
        if reading.opened and not reading.ended:
            return None
        # What it says of a manifest that it has got, one that only reads it may not say.
        failed = found.attempts and found.fault is None and found.attempts[-1].reason is not Reason.OTHER
        return Probe(manifest=b"", provenance=found) if failed else None

    def learn(self, manifest: bytes) -> None:
        """Take note of a manifest that was read another way."""
        if self._plain is not False:
            found = parse_manifest(manifest)
            self._plain = not found.children and not found.media_type.startswith(DOCKER)

    def close(self) -> None:
        """Let the skopeos go."""
        self._proxies.close()

    def _scoped_together(self) -> Together:
        with self._lock:
            if self._together is None:
                self._together = scope_together((one.reference, one.registries) for one in self.sources)
            return self._together
