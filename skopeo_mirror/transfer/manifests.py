"""Manifests, read from whichever candidate gives them: for tags, for plans, for catalogs."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.manifest import DOCKER, DOCKER_MANIFEST, InvalidManifest, parse_manifest
from skopeo_mirror.skopeo.faults import Reason, Stage
from skopeo_mirror.skopeo.scoped import Probe
from skopeo_mirror.transfer.failover import Tries
from skopeo_mirror.transfer.majority import Majority
from skopeo_mirror.transfer.sourcing import layout_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.manifest import Descriptor
    from skopeo_mirror.reference import Digest, PinnedReference, Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.transfer.circuits import Circuits
    from skopeo_mirror.transfer.source_proxies import SourceProxies
    from skopeo_mirror.transfer.sourcing import Sources


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestReader:
    """Reads manifests through scoped configurations, failing over as a copy does."""

    scoped: ScopedSkopeo
    circuits: Circuits
    retries: int
    proxies: SourceProxies | None = None
    plain: Majority = field(default_factory=Majority)
    """Whether most are single images of OCI's.

    To ask a skopeo that stays for an index costs its source up to four requests in vain, to start one for a single
    image 16 ms of CPU: a wrong guess is soon outvoted.
    """

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
        proxies, digest, probe = self.proxies, image.digest, None
        if proxies is None:
            return self._ask(image, candidates, yields=yields)
        if digest is not None and proxies.know(image, candidates) and self.plain.is_likely(waits=True):
            probe = proxies.read(image.pin(digest), candidates, yields=yields)
        try:
            probe = probe or self._ask(image, candidates, yields=yields)
        finally:
            self.plain.learn(of_it=None if probe is None else is_plain(probe.manifest))
        return probe

    def _probe_part(
        self, image: PinnedReference, descriptor: Descriptor, candidates: tuple[PullSource, ...], yields: bool
    ) -> Probe:
        assert candidates[0].reference.digest == image.digest  # noqa: S101 - who fails at another is never dropped
        proxies, probe = self.proxies, None
        if proxies is not None and proxies.take(descriptor.media_type) and proxies.know(image, candidates):
            docker = descriptor.media_type == DOCKER_MANIFEST
            probe = proxies.read(image, candidates, yields=yields, docker=docker)
        probe = probe or self._ask(image, candidates, yields=yields)
        if not probe.manifest or probe.rendered or len(probe.manifest) == descriptor.size:
            return probe
        wrong = f"its index gives {descriptor.digest} {descriptor.size} bytes; it has {len(probe.manifest)}"
        return Probe(manifest=b"", provenance=probe.provenance.disproved(Stage.MANIFEST, Reason.CORRUPT, wrong))

    def _ask(self, image: Reference, candidates: tuple[PullSource, ...], *, yields: bool = False) -> Probe:
        layout = layout_of(candidates)
        if layout is not None:
            return layout.probe(image)
        return self.scoped.probe(image, candidates, access=self.scoped.settings.source, yields=yields)


def is_plain(manifest: bytes) -> bool | None:
    """Whether it is a single image of OCI's; None where it is no manifest, as of one that nobody gave (no bytes)."""
    try:
        found = parse_manifest(manifest)
    except InvalidManifest:
        return None
    return not found.children and not found.media_type.startswith(DOCKER)
