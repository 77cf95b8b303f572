"""Warnings about entries: what is legal in a registries.conf and surely not meant (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.reference import Reference, is_domain, shown
from skopeo_mirror.registries_conf.model import Configuration, PullFromMirror
from skopeo_mirror.registries_conf.official_images import OFFICIAL_IMAGES
from skopeo_mirror.registries_conf.routing import Router

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from skopeo_mirror.registries_conf.model import Registry
    from skopeo_mirror.registries_conf.place import Place
    from skopeo_mirror.registries_conf.problem import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """One entry in force, where it stands, and all the others."""

    registry: Registry
    place: Place
    router: Router

    def mirror(self, index: int) -> Place:
        origin = self.registry.origin
        return self.place.mirror(origin.index if origin is not None else 0, index)

    @property
    def prefix_key(self) -> str:
        """Which key the prefix was written under."""
        return "prefix" if self.registry.prefix != self.registry.location else "location"

    @property
    def locations(self) -> list[tuple[Place, str]]:
        """Every location of the entry, with its place."""
        mirrors = [(self.mirror(index), mirror.location) for index, mirror in enumerate(self.registry.mirrors)]
        own = [(self.place, self.registry.location)] if self.registry.location else []
        return mirrors + own


def entry_warnings(registries: Iterable[Registry], place_of: Callable[[Registry], Place]) -> Iterator[Problem]:
    """Yield the warnings for the entries in force, merged over all files; `place_of` says where each stands."""
    registries = tuple(registries)
    router = Router(Configuration(registries=registries))
    elsewhere = _Elsewhere.of(registries)
    for registry in registries:
        entry = _Entry(registry=registry, place=place_of(registry), router=router)
        for rule in _RULES:
            yield from rule(entry)
        yield from elsewhere.port_quirk(entry)


def duplicate_warnings(registries: Iterable[Registry], place_of: Callable[[Registry], Place]) -> Iterator[Problem]:
    """Yield a warning for each entry of one file whose prefix an earlier one has."""
    first: dict[str, Registry] = {}
    for registry in registries:
        other = first.setdefault(registry.prefix, registry)
        if other is not registry:
            index = other.origin.index if other.origin is not None else 0
            yield place_of(registry).warning(
                "", f"is ignored: registry[{index}] has the same prefix, and the first in a file wins", "merge the two"
            )


def _cannot_match(entry: _Entry) -> Iterator[Problem]:
    prefix = entry.registry.prefix
    wildcard = prefix.startswith("*.")
    sample = f"a{prefix[1:]}/a/a" if wildcard else f"{prefix}/a/a"
    if _is_reference(sample):
        return
    advice = "write host[:port], optionally with a path, without tag and digest"
    if wildcard:
        advice = "write it as *.example.com"
    elif "*" in prefix:
        advice = "a wildcard stands at the beginning only: *.example.com"
    elif prefix.partition("/")[0] == "index.docker.io":
        advice = "write docker.io"
    yield entry.place.warning(entry.prefix_key, f"{shown(prefix)} can match no image", advice)


def _upper_case_host(entry: _Entry) -> Iterator[Problem]:
    host = entry.registry.prefix.partition("/")[0]
    if host != host.lower():
        yield entry.place.warning(
            entry.prefix_key,
            f"matches only images whose host is written with the same capitals: {shown(host)}",
            "write the host in lower case",
        )


def _official_image(entry: _Entry) -> Iterator[Problem]:
    host, _, path = entry.registry.prefix.partition("/")
    if host == "docker.io" and path in OFFICIAL_IMAGES:
        yield entry.place.warning(
            entry.prefix_key,
            f"does not match the image {path}, whose full name is docker.io/library/{path}",
            f"write docker.io/library/{path}",
        )


def _impossible_location(entry: _Entry) -> Iterator[Problem]:
    for place, location in entry.locations:
        if not _is_reference(f"{location}/a/a"):
            yield place.warning(
                "location",
                f"{shown(location)} makes no valid reference of any image, which aborts every pull here",
                "write host[:port]/path; a host has a dot, a port, or is localhost",
            )
        elif location == "docker.io" and not entry.registry.prefix.startswith("docker.io"):
            yield place.warning(
                "location",
                "makes docker.io/name of an image name, which is not canonical and aborts the pull",
                "write docker.io/library, or the organization",
            )


def _host_only_location(entry: _Entry) -> Iterator[Problem]:
    prefix = entry.registry.prefix
    if "/" not in prefix or prefix == "docker.io/library":
        return
    for place, location in entry.locations:
        if is_domain(location):
            name = prefix.rpartition("/")[2]
            yield place.warning(
                "location",
                f"has no path, so the image {prefix} itself would become {location}, which aborts the pull",
                f'write location = "{location}/{name}", unless {prefix} is a namespace and no image',
            )


def _itself(entry: _Entry) -> Iterator[Problem]:
    seen: set[tuple[str, PullFromMirror]] = set()
    for index, mirror in enumerate(entry.registry.mirrors):
        key = (mirror.location, mirror.pull_from_mirror)
        if mirror.location in {entry.registry.location, entry.registry.prefix}:
            yield entry.mirror(index).warning(
                "location", f"is the registry itself: {shown(mirror.location)} is tried twice", "remove this mirror"
            )
        elif key in seen:
            yield entry.mirror(index).warning("location", "stands here twice", "remove one of them")
        seen.add(key)


def _filtered(entry: _Entry) -> Iterator[Problem]:
    registry = entry.registry
    uses = {mirror.pull_from_mirror for mirror in registry.mirrors}
    if uses == {PullFromMirror.TAG_ONLY}:
        yield entry.place.warning(
            "", "has no mirror for pulls by digest: all are tag-only", 'set pull-from-mirror = "all" on one of them'
        )
    elif uses == {PullFromMirror.DIGEST_ONLY}:
        yield entry.place.warning(
            "", "has no mirror for pulls by tag: all are digest-only", "say so once: mirror-by-digest-only = true"
        )
    elif registry.mirror_by_digest_only and not registry.mirrors:
        yield entry.place.warning(
            "mirror-by-digest-only", "has no effect: there is no mirror", "add a [[registry.mirror]]"
        )


def _ineffective_block(entry: _Entry) -> Iterator[Problem]:
    registry = entry.registry
    if not registry.blocked or not registry.location or registry.location == registry.prefix:
        return
    physical = entry.router.lookup(f"{registry.location}/a/a")
    if physical is None or not physical.blocked:
        yield entry.place.warning(
            "blocked",
            f"does not block pulls from {shown(registry.location)}: it is looked up for the name pulled from",
            f'block that: a [[registry]] with location = "{registry.location}" and blocked = true',
        )


def _shadowed(entry: _Entry) -> Iterator[Problem]:
    prefix = entry.registry.prefix
    if prefix.startswith("*."):
        return
    winner = entry.router.lookup(f"{prefix}/a")
    if winner is not None and winner.prefix != prefix:
        yield entry.place.warning(
            entry.prefix_key, f"is never used: {winner.prefix} is as long, and the wildcard wins", "drop one of the two"
        )


_RULES: tuple[Callable[[_Entry], Iterator[Problem]], ...] = (
    _cannot_match,
    _upper_case_host,
    _official_image,
    _impossible_location,
    _host_only_location,
    _itself,
    _filtered,
    _ineffective_block,
    _shadowed,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Elsewhere:
    """The ports at which each host is named as a location, over all entries."""

    ports: dict[str, frozenset[str]]

    @classmethod
    def of(cls, registries: Iterable[Registry]) -> _Elsewhere:
        ports: dict[str, set[str]] = {}
        for registry in registries:
            for location in (registry.location, *(mirror.location for mirror in registry.mirrors)):
                host, colon, port = location.partition("/")[0].partition(":")
                if colon:
                    ports.setdefault(host, set()).add(port)
        return cls(ports={host: frozenset(numbers) for host, numbers in ports.items()})

    def port_quirk(self, entry: _Entry) -> Iterator[Problem]:
        """`example.com` matches `example.com:5000/…` too, which containers/image calls unintended."""
        prefix = entry.registry.prefix
        for port in sorted(self.ports.get(prefix, ())):
            physical = f"{prefix}:{port}"
            winner = entry.router.lookup(f"{physical}/a")
            if winner is None or winner.prefix != prefix:
                continue
            effect = "blocks that too" if entry.registry.blocked else "a rewrite of such an image aborts the pull"
            if entry.registry.blocked or entry.registry.location != prefix or entry.registry.mirrors:
                yield entry.place.warning(
                    entry.prefix_key,
                    f"matches {physical}/… as well, and {effect}",
                    f'add a [[registry]] with location = "{physical}"',
                )


def _is_reference(text: str) -> bool:
    try:
        Reference.parse_canonical(text)
    except InvalidReference:
        return False
    return True
