"""The presence of images at the destination, of which it alone is asked, and no mirror of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skopeo_mirror.manifest import parse_manifest
from skopeo_mirror.registries_conf.routing import Kind, PullSource
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import last_trouble

if TYPE_CHECKING:
    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.skopeo.proxy_pool import ProxyPool
    from skopeo_mirror.skopeo.scoped import Probe, ScopedSkopeo
    from skopeo_mirror.transfer.destination.place import Destination, Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """Whether an image is there at its digest; `trouble` says, in skopeo's words, why that cannot be told."""

    there: bool
    trouble: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """Asks the destination: one of `proxies`, and a skopeo of its own for what that cannot tell."""

    scoped: ScopedSkopeo
    proxies: ProxyPool
    destination: Destination

    def look(self, place: Place, digest: Digest) -> Sighting:
        """Whether an image is at its place, whole; a registry is asked, whatever else is a matter of files."""
        there = self.destination.holds(place, digest)
        if there is not None:
            return Sighting(there=there)
        assert place.repository is not None  # noqa: S101 - only what a registry holds is not known
        return self._sighting(place.repository, digest, seen=set())

    def _sighting(self, repository: Reference, digest: Digest, seen: set[Digest]) -> Sighting:
        """Whether a name in a registry has that digest, and the images of an index are there too.

        Registries collect images that have no tag of their own, whatever index names them (observed). `seen` are those
        that were found.
        """
        reading = self.proxies.read(repository, [self.candidate(repository)])
        if reading is not None:
            if reading.provenance.proven and reading.digest == str(digest):
                return Sighting(there=True)
            if reading.ended:
                return Sighting(there=False, trouble=last_trouble(reading.provenance))
            attempts = reading.provenance.attempts
            if not reading.opened and attempts and attempts[-1].reason is Reason.NOT_FOUND:
                return Sighting(there=False)
        probe, trouble = self.read(repository)
        if probe is None or probe.digest != digest:
            return Sighting(there=False, trouble=trouble)
        for child in parse_manifest(probe.manifest).children:
            if child.digest not in seen:
                found = self._sighting(repository.without_tag().pin(child.digest), child.digest, seen)
                if not found.there:
                    return found
                seen.add(child.digest)
        return Sighting(there=True)

    def read(self, repository: Reference) -> tuple[Probe | None, str | None]:
        """The manifest that a name has at the destination, or skopeo's words on why that cannot be told.

        A scoped file of its own, without mirrors: with one configured for the destination, skopeo would read that.
        """
        access = self.scoped.settings.destination
        probe = self.scoped.probe(repository, [self.candidate(repository)], access=access, keeps_log=False)
        if probe.manifest:
            return probe, None
        attempts = probe.provenance.attempts
        if attempts and attempts[-1].reason in {Reason.NOT_FOUND, Reason.CORRUPT}:
            return None, None
        return None, last_trouble(probe.provenance)

    def candidate(self, repository: Reference) -> PullSource:
        """An image there, as what it may be read from."""
        return PullSource(
            reference=repository,
            location=repository.domain,
            insecure=not self.destination.verifies(repository.name),
            blocked=False,
            kind=Kind.ORIGIN,
        )
