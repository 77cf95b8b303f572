"""The presence of images at the destination, of which it alone is asked, and no mirror of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from skopeo_mirror.manifest import chosen, digest_of, parse_manifest
from skopeo_mirror.reference import Digest
from skopeo_mirror.registries_conf.routing import Kind, PullSource
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import last_trouble
from skopeo_mirror.transfer.majority import Majority

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable
    from concurrent.futures import Executor

    from skopeo_mirror.manifest import Descriptor
    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.reference import Reference
    from skopeo_mirror.skopeo.proxy_pool import ProxyPool
    from skopeo_mirror.skopeo.scoped import Probe, ScopedSkopeo
    from skopeo_mirror.transfer.destination.place import Destination, Place


HELPERS: Final = 8
_WORTH_A_HELPER: Final = 2
"""Questions that cost more time than it takes to start another skopeo that stays."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """Whether an image is there at its digest; `trouble` says, in skopeo's words, why that cannot be told."""

    there: bool
    trouble: str | None = None
    children: tuple[Descriptor, ...] = ()
    """The images of an index of which only the manifest was looked for."""
    images: tuple[Digest, ...] = ()
    """What was found in a registry: the image, and the images of its index."""


@dataclass(kw_only=True, slots=True)
class _Search:
    """The search for the images of an index, which several threads may share, until one of them is missing."""

    find: Callable[..., Sighting]
    repository: Reference
    platforms: tuple[Platform, ...]
    todo: deque[Descriptor] = field(default_factory=deque)
    images: int = 0
    """Those that were found."""
    missing: Sighting | None = None
    seen: dict[Digest, None] = field(default_factory=dict)
    """All that were looked for."""

    def take_on(self, children: Iterable[Descriptor], there: Container[Digest] = ()) -> None:
        """Look for these, too, but for images that are known to be `there`."""
        for child in chosen(children, self.platforms):
            if child.digest in self.seen:
                continue
            self.seen[child.digest] = None
            if child.digest in there and not child.is_index:
                self.images += 1
            else:
                self.todo.append(child)

    def go_on(self) -> None:
        """Look for one after the other, until all are taken."""
        while self.todo and self.missing is None:
            try:
                child = self.todo.popleft()
            except IndexError:  # another has taken it
                return
            found = self.find(self.repository.pin(child.digest), child.digest, exactly=child.is_index)
            if not found.there:
                self.missing = found
            elif found.children:
                self.take_on(found.children)
            else:
                self.images += 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """Asks the destination: one of `proxies`, and a skopeo of its own for what that cannot tell."""

    scoped: ScopedSkopeo
    proxies: ProxyPool
    destination: Destination
    platforms: tuple[Platform, ...] = ()
    """Of an index only the images for these are asked for (none: all)."""
    helpers: Executor | None = None
    """Threads that help with indexes of many images, `HELPERS` of them."""
    indexes: Majority = field(default_factory=Majority)
    """Whether most of what was found under names are indexes."""

    def look(self, place: Place, digest: Digest) -> Sighting:
        """Whether all that is asked for of an image, or of a part, is at its place.

        A registry is asked, whatever else is a matter of files. Raises InterruptedError where the run is stopped.
        """
        there = self.destination.holds(place, digest, self.platforms, self.scoped.skopeo.runs.stopping.is_set)
        if there is not None:
            return Sighting(there=there)
        assert place.repository is not None  # noqa: S101 - only what a registry holds is not known
        return self._look_at_registry(place.repository, digest)

    def _look_at_registry(self, repository: Reference, digest: Digest) -> Sighting:
        """Whether a name in a registry has that digest, and the images of an index are there too.

        Registries collect images that have no tag of their own, whatever index names them (observed).
        """
        named = repository.tag is not None
        found = self._find(repository, digest, exactly=named and self.indexes.is_likely())
        if named and found.there:
            self.indexes.learn(of_it=bool(found.children))
        if not found.children:
            return replace(found, images=(digest,))
        search = _Search(find=self._find, repository=repository.without_tag(), platforms=self.platforms)
        search.take_on(found.children, there=found.images)
        return replace(self._look_at_children(search), images=(digest, *search.seen))

    def _look_at_children(self, search: _Search) -> Sighting:
        """Whether the images of an index are there; who looks has helpers where there are many, and some are idle."""
        some = min(HELPERS, len(search.todo) // _WORTH_A_HELPER)
        helping = [] if self.helpers is None else [self.helpers.submit(search.go_on) for _ in range(some)]
        search.go_on()
        for future in helping:
            if not future.cancel():
                future.result()
        # An index that has none of those that are asked for is no image for them.
        return search.missing or Sighting(there=search.images > 0)

    def _find(self, repository: Reference, digest: Digest, *, exactly: bool) -> Sighting:
        """Whether a name has that digest. A skopeo that stays cannot tell it of an index: `exactly` asks none.

        But it has found one of its images then.
        """
        images: tuple[Digest, ...] = ()
        reading = None if exactly else self.proxies.read(repository, [self.candidate(repository)])
        if reading is not None:
            if reading.provenance.proven and reading.digest == str(digest):
                return Sighting(there=True)
            if reading.ended:
                return Sighting(there=False, trouble=last_trouble(reading.provenance))
            attempts = reading.provenance.attempts
            if not reading.opened and attempts and attempts[-1].reason is Reason.NOT_FOUND:
                return Sighting(there=False)
            if reading.provenance.proven and reading.chosen and reading.digest is not None:
                images = (Digest.parse(reading.digest),)
        probe, trouble = self.read(repository)
        if probe is None or digest_of(probe.manifest, digest.algorithm) != digest:
            return Sighting(there=False, trouble=trouble)
        return Sighting(there=True, children=parse_manifest(probe.manifest).children, images=images)

    def images(self, found: Sighting, place: Place, digest: Digest) -> tuple[Digest, ...]:
        """The image that was found at its place, and the images of its index that are asked for."""
        return found.images or self.destination.images(place, digest, self.platforms)

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
