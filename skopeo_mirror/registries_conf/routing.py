"""Routes, from an image reference to its ordered pull sources, as containers/image routes it (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from skopeo_mirror.errors import InvalidReference, Unroutable
from skopeo_mirror.reference import NAME_LIMIT, Reference, shown
from skopeo_mirror.registries_conf.model import PullFromMirror

if TYPE_CHECKING:
    from skopeo_mirror.reference import Digest
    from skopeo_mirror.registries_conf.model import Configuration, Mirror, Registry
    from skopeo_mirror.registries_conf.problem import Position


class Kind(StrEnum):
    """What registries.conf has a pull source for: a `[[registry.mirror]]`, or the `[[registry]]` location itself."""

    MIRROR = "mirror"
    ORIGIN = "origin"


@dataclass(frozen=True, kw_only=True, slots=True)
class PullSource:
    """One place to pull from: a registry's, unless a kind of its own says otherwise."""

    reference: Reference
    location: str
    """As configured (empty: a wildcard entry without rewrite)."""
    insecure: bool
    blocked: bool
    kind: str
    """A `Kind`, or a word of its own for what registries.conf does not know."""
    position: Position | None = field(default=None, compare=False)
    """Where the mirror stands, if it was read from an object."""
    insecure_at: Position | None = field(default=None, compare=False)
    """What makes it insecure, if it was read from objects."""
    blocked_at: Position | None = field(default=None, compare=False)
    """What blocks it, if it was read from objects."""

    @property
    def host(self) -> str | None:
        """The registry that is asked; None where none is."""
        return self.reference.domain

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self.reference.name

    def at(self, digest: Digest) -> Self:
        """The same place, asked for a digest: a scoped configuration has no mirrors for tags or digests only."""
        there = self.reference
        return replace(self, reference=Reference(domain=there.domain, path=there.path, digest=digest))

    def under(self, tag: str) -> Self:
        """The same place, asked for a tag."""
        return replace(self, reference=self.reference.under(tag))


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """A mirror that this pull does not use."""

    location: str
    why: str
    position: Position | None = field(default=None, compare=False)
    """Where the mirror stands, if it was read from an object."""

    def __str__(self) -> str:
        where = f"; {self.position}" if self.position else ""
        return f"{self.location}: {self.why} (--all-mirrors uses it all the same{where})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Where an image comes from: the candidates in the order in which they are tried, the origin last.

    `reference` is the logical one as routed: without its tag where it has a digest, `:latest` where it has neither.
    """

    reference: Reference
    registry: Registry | None
    candidates: tuple[PullSource, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def prefix(self) -> str | None:
        """The prefix of the entry that matched, if any did."""
        return None if self.registry is None else self.registry.prefix


class Router:
    """Routes references through one configuration; a look-up costs the same for ten entries and for a million."""

    def __init__(self, configuration: Configuration) -> None:
        self._registries = {registry.prefix: registry for registry in configuration.registries}

    def lookup(self, name: str) -> Registry | None:
        """Return the entry with the longest prefix of a repository name (`host[:port]/path`, no tag, no digest).

        containers/image's `FindRegistry`: at equal length the wildcard wins (it sorts first).
        """
        if len(name) > NAME_LIMIT:
            return None
        return next((self._registries[prefix] for prefix in _prefixes(name) if prefix in self._registries), None)

    def route(self, reference: Reference) -> Route:
        """Return the pull candidates of `reference` (containers/image's `PullSourcesFromReference`).

        Raises Unroutable where one candidate is no valid reference: that aborts the whole pull, so it is not left out.
        """
        reference = as_pulled(reference)
        registry = self.lookup(reference.name)
        if registry is None:
            location = reference.name.partition("/")[0]
            own = PullSource(reference=reference, location=location, insecure=False, blocked=False, kind=Kind.ORIGIN)
            return Route(reference=reference, registry=None, candidates=(own,))
        used: list[PullSource] = []
        skipped: list[Skipped] = []
        for index, mirror in enumerate(registry.mirrors):
            why = _why_skipped(registry, mirror, digested=reference.digest is not None)
            if why is None:
                used.append(self._source(reference, registry, mirror, f"mirror[{index}].location", Kind.MIRROR))
            else:
                skipped.append(Skipped(location=mirror.location, why=why, position=mirror.position))
        used.append(self._source(reference, registry, registry, "location", Kind.ORIGIN))
        return Route(reference=reference, registry=registry, candidates=tuple(used), skipped=tuple(skipped))

    def _source(
        self, reference: Reference, registry: Registry, there: Mirror | Registry, key: str, kind: Kind
    ) -> PullSource:
        physical = _rewrite(reference, registry, there.location, key) if there.location else reference
        found = self.lookup(physical.name)
        return PullSource(
            reference=physical,
            location=there.location,
            insecure=there.insecure,
            blocked=found is not None and found.blocked,
            kind=kind,
            position=there.position if kind is Kind.MIRROR else None,
            insecure_at=there.insecure_at,
            blocked_at=None if found is None else found.blocked_at,
        )


def as_pulled(reference: Reference) -> Reference:
    """Return what a pull of `reference` asks for: its digest where it has one, `:latest` where it has no tag either."""
    if reference.digest is not None:
        return reference.without_tag()
    if reference.tag is None:
        return replace(reference, tag="latest")
    return reference


def _prefixes(name: str) -> list[str]:
    """Every prefix that matches `name`, longest first, the wildcard first among equals.

    A plain prefix ends at `/`, `:`, `@` or the end. `*.example.com` ends where the host does, and only the first
    occurrence of `.example.com` in the host is looked at (containers/image's `refMatchingSubdomainPrefix`).
    """
    ends = [index for index, character in enumerate(name) if character in "/:"]
    plain = [name, *(name[:end] for end in reversed(ends))]
    host = _host(name)
    suffixes = [host[index:] for index, character in enumerate(host) if character == "."]
    wildcards = [f"*{suffix}" for suffix in suffixes if host.find(suffix) == len(host) - len(suffix)]
    return sorted([*wildcards, *plain], key=len, reverse=True)


def _host(name: str) -> str:
    """Return the host without its port, also where it passes for a component of the path (`my_host.test/img`)."""
    return name.partition("/")[0].partition(":")[0]


def _why_skipped(registry: Registry, mirror: Mirror, *, digested: bool) -> str | None:
    if registry.mirror_by_digest_only and not digested:
        return "mirror-by-digest-only: used for digests only, and this is a tag"
    if mirror.pull_from_mirror is PullFromMirror.DIGEST_ONLY and not digested:
        return "pull-from-mirror is digest-only, and this is a tag"
    if mirror.pull_from_mirror is PullFromMirror.TAG_ONLY and digested:
        return "pull-from-mirror is tag-only, and this is a digest"
    return None


def _rewrite(reference: Reference, registry: Registry, location: str, key: str) -> Reference:
    """`location` in place of the matched prefix; raises Unroutable where that is no reference."""
    prefix = registry.prefix
    matched = len(_host(reference.name)) if prefix.startswith("*.") else len(prefix)
    text = f"{location}{str(reference)[matched:]}"
    try:
        found = Reference.parse_canonical(text)
    except InvalidReference as error:
        table = f"registry ({prefix})"
        if registry.position is not None:
            place = registry.position
            table = f"{place.file}: {place.table if place.object else f'registry[{place.index}] ({prefix})'}"
        raise Unroutable(
            f"{reference} cannot be pulled: {table}.{key} {shown(location)} makes it {shown(text)}, "
            f"and one such candidate aborts the whole pull: {error}"
        ) from error
    return reference if found == reference else replace(found, digest=reference.digest)  # shared: there may be many
