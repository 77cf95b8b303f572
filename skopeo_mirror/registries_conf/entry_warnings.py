"""Warnings about entries: what is legal in a registries.conf and surely not meant (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skopeo_mirror.reference import is_domain, shown
from skopeo_mirror.registries_conf.locations import HUB, HUB_HOSTS, fault, is_location
from skopeo_mirror.registries_conf.model import Configuration, PullFromMirror
from skopeo_mirror.registries_conf.official_images import OFFICIAL_IMAGES
from skopeo_mirror.registries_conf.routing import Router

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from skopeo_mirror.registries_conf.model import Registry
    from skopeo_mirror.registries_conf.problem import Position, Problem


_WEB_PATH = re.compile(r"^(r|_)/")  # hub.docker.com/r/prom/prometheus, hub.docker.com/_/alpine


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """One entry in force, where it stands, and all the others."""

    registry: Registry
    position: Position
    router: Router

    @property
    def prefix_key(self) -> str:
        return self.registry.prefix_key

    @property
    def matches(self) -> bool:
        """Whether there can be an image that it is for."""
        prefix = self.registry.prefix
        return is_location(f"a{prefix[1:]}" if prefix.startswith("*.") else prefix)

    @property
    def locations(self) -> list[tuple[Position, str]]:
        """Every location of the entry, with its position."""
        mirrors = [
            (mirror.position or self.position.mirror(index), mirror.location)
            for index, mirror in enumerate(self.registry.mirrors)
        ]
        own = [(self.position, self.registry.location)] if self.registry.location else []
        return mirrors + own

    def advice(self, location: str) -> str:
        """Say that this is to be written for a location."""
        return f"write {location}" if self.position.object else f'write location = "{location}"'


def object_warnings(registries: Collection[Registry]) -> Iterator[Problem]:
    """Yield the same for entries that were made of OpenShift's objects, as far as their authors can have meant it."""
    router = Router(Configuration(registries=tuple(registries)))
    for registry in registries:
        entry = _Entry(registry=registry, position=_position(registry), router=router)
        for rule in _RULES_OF_OBJECTS if entry.matches else _RULES_WITHOUT_MATCH:
            yield from rule(entry)


def entry_warnings(registries: Collection[Registry]) -> Iterator[Problem]:
    """Yield the warnings for the entries in force, merged over all files."""
    router = Router(Configuration(registries=tuple(registries)))
    elsewhere = _Elsewhere.of(registries, router)
    for registry in registries:
        entry = _Entry(registry=registry, position=_position(registry), router=router)
        for rule in _RULES if entry.matches else _RULES_WITHOUT_MATCH:
            yield from rule(entry)
        yield from elsewhere.port_quirk(entry)
        yield from elsewhere.insecure_there(entry)


def duplicate_warnings(registries: Iterable[Registry]) -> Iterator[Problem]:
    """Yield a warning for each entry of one file whose prefix an earlier one has."""
    first: dict[str, Registry] = {}
    for registry in registries:
        other = first.setdefault(registry.prefix, registry)
        if other is not registry:
            text = f"is ignored: registry[{_position(other).index}] has the same prefix, and the first in a file wins"
            yield _position(registry).warning("", text, "merge the two")


def _position(registry: Registry) -> Position:
    assert registry.position is not None  # noqa: S101 - every registry that was read has one
    return registry.position


def _cannot_match(entry: _Entry) -> Iterator[Problem]:
    prefix = entry.registry.prefix
    cause, advice = "", "write host[:port], optionally with a path, without tag and digest"
    host, slash, path = prefix.partition("/")
    if prefix == "*":
        advice = "a wildcard stands for subdomains only, as *.example.com; write a [[registry]] for each host"
    elif prefix.endswith("/*") and is_location(meant := prefix.rstrip("/*")):
        advice = f'write {entry.prefix_key} = "{meant}": a prefix matches everything below it'
    elif prefix.startswith("*."):
        advice = "write it as *.example.com"
    elif "*" in prefix:
        advice = "a wildcard stands at the beginning only: *.example.com"
    elif host == "index.docker.io":
        advice = f"write docker.io{slash}{path}"
    elif found := fault(prefix, entry.prefix_key):
        cause, advice = f": {found[0]}", found[1]
    elif is_location(f"docker.io/{prefix}"):
        cause = ": the name of an image begins with its host, which has a dot, a port, or is localhost"
        advice = f"for Docker Hub write docker.io/{'library/' if prefix in OFFICIAL_IMAGES else ''}{prefix}"
    yield entry.position.warning(entry.prefix_key, f"{shown(prefix)} can match no image{cause}", advice)


def _upper_case_host(entry: _Entry) -> Iterator[Problem]:
    host = entry.registry.prefix.partition("/")[0]
    if host != host.lower():
        yield entry.position.warning(
            entry.prefix_key,
            f"matches only images whose host is written with the same capitals: {shown(host)}",
            "write the host in lower case",
        )


def _official_image(entry: _Entry) -> Iterator[Problem]:
    host, _, path = entry.registry.prefix.partition("/")
    if host == "docker.io" and path in OFFICIAL_IMAGES:
        yield entry.position.warning(
            entry.prefix_key,
            f"does not match the image {path}, whose full name is docker.io/library/{path}",
            f"write docker.io/library/{path}",
        )


def _impossible_location(entry: _Entry) -> Iterator[Problem]:
    prefix = entry.registry.prefix
    for position, location in entry.locations:
        if position is entry.position and location == prefix and entry.prefix_key == "location":
            continue  # said of the prefix
        if location.partition("/")[0] in HUB_HOSTS:
            continue
        if not is_location(location):
            cause, advice = "", "write host[:port]/path; a host has a dot, a port, or is localhost"
            if location == prefix and prefix.startswith("*."):
                advice = "drop location: without one, images that match a wildcard keep their names"
            elif found := fault(location, "location"):
                cause, advice = f": {found[0]}", found[1]
            text = f"{shown(location)} makes no valid reference of any image, which aborts every pull here{cause}"
            yield position.warning("location", text, advice)
        elif location == HUB and not prefix.startswith(HUB):
            yield position.warning(
                "location",
                "makes docker.io/name of an image name, which is not canonical and aborts the pull",
                "write docker.io/library, or the organization",
            )


def _docker_hub(entry: _Entry) -> Iterator[Problem]:
    """The names that Docker Hub has besides docker.io, where something is pulled from them."""
    registry = entry.registry
    is_hub = registry.prefix.partition("/")[0] in {HUB, *HUB_HOSTS}
    for position, location in entry.locations:
        host, slash, path = location.partition("/")
        if host not in HUB_HOSTS:
            continue
        text = f"{shown(location)} {HUB_HOSTS[host]}"
        path = _WEB_PATH.sub(lambda page: "library/" if page[0] == "_/" else "", path)
        meant = f"{HUB}{slash}{path}"
        if position is entry.position and entry.prefix_key == "location":
            hidden = registry.blocked or entry.router.lookup(f"{HUB}/a/a") is not None
            if hidden or not entry.matches:  # so that nobody goes around the entry of docker.io
                continue
            text += ", and this matches no image that is called docker.io/…"
        elif meant == HUB and not is_hub:
            meant = f"{HUB}/library"
        in_use = {registry.location, *(mirror.location for mirror in registry.mirrors)}
        advice = "remove this mirror" if position is not entry.position and meant in in_use else entry.advice(meant)
        yield position.warning("location", text, advice)


def _host_only_location(entry: _Entry) -> Iterator[Problem]:
    prefix = entry.registry.prefix
    if "/" not in prefix or prefix == "docker.io/library":
        return
    for position, location in entry.locations:
        if is_domain(location):
            name = prefix.rpartition("/")[2]
            yield position.warning(
                "location",
                f"has no path, so the image {prefix} itself would become {location}, which aborts the pull",
                f'write location = "{location}/{name}", unless {prefix} is a namespace and no image',
            )


def _itself(entry: _Entry) -> Iterator[Problem]:
    seen: set[tuple[str, PullFromMirror]] = set()
    for index, mirror in enumerate(entry.registry.mirrors):
        key = (mirror.location, mirror.pull_from_mirror)
        if mirror.location == entry.registry.location:
            yield entry.position.mirror(index).warning(
                "location", f"is the registry itself: {shown(mirror.location)} is tried twice", "remove this mirror"
            )
        elif mirror.location == entry.registry.prefix:
            yield entry.position.mirror(index).warning(
                "location",
                f"is what the images are called: {shown(mirror.location)} is asked before {entry.registry.location}",
                f"exchange the two where {entry.registry.location} is the mirror",
            )
        elif key in seen:
            yield entry.position.mirror(index).warning("location", "stands here twice", "remove one of them")
        seen.add(key)


def _filtered(entry: _Entry) -> Iterator[Problem]:
    registry = entry.registry
    uses = {mirror.pull_from_mirror for mirror in registry.mirrors}
    if uses == {PullFromMirror.TAG_ONLY}:
        yield entry.position.warning(
            "", "has no mirror for pulls by digest: all are tag-only", 'set pull-from-mirror = "all" on one of them'
        )
    elif registry.mirror_by_digest_only and not registry.mirrors:
        yield entry.position.warning(
            "mirror-by-digest-only", "has no effect: there is no mirror", "add a [[registry.mirror]]"
        )


def _ineffective_block(entry: _Entry) -> Iterator[Problem]:
    registry = entry.registry
    if not registry.blocked or not registry.location or registry.location == registry.prefix:
        return
    physical = entry.router.lookup(f"{registry.location}/a/a")
    if physical is None or not physical.blocked:
        yield entry.position.warning(
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
        yield entry.position.warning(
            entry.prefix_key, f"is never used: {winner.prefix} is as long, and the wildcard wins", "drop one of the two"
        )


_RULES_WITHOUT_MATCH: tuple[Callable[[_Entry], Iterator[Problem]], ...] = (
    _cannot_match,
    _impossible_location,
    _docker_hub,
)
_RULES: tuple[Callable[[_Entry], Iterator[Problem]], ...] = (
    _upper_case_host,
    _official_image,
    _impossible_location,
    _docker_hub,
    _host_only_location,
    _itself,
    _filtered,
    _ineffective_block,
    _shadowed,
)
_RULES_OF_OBJECTS = (_upper_case_host, _official_image, _impossible_location, _docker_hub, _shadowed)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Elsewhere:
    """What other entries say of a host."""

    ports: dict[str, set[str]]
    """The ports at which each host is named as a location."""
    secure: dict[str, dict[str, list[str]]]
    """The mirrors that are not insecure: by the prefix that matches them and by their own location, then by the prefix
    that they are for.
    """

    @classmethod
    def of(cls, registries: Iterable[Registry], router: Router) -> _Elsewhere:
        ports: dict[str, set[str]] = {}
        secure: dict[str, dict[str, list[str]]] = {}
        for registry in registries:
            for location in (registry.location, *(mirror.location for mirror in registry.mirrors)):
                host, colon, port = location.partition("/")[0].partition(":")
                if colon:
                    ports.setdefault(host, set()).add(port)
            for mirror in registry.mirrors:
                if not mirror.insecure:
                    winner = router.lookup(mirror.location)
                    for key in {mirror.location, "" if winner is None else winner.prefix}:
                        secure.setdefault(key, {}).setdefault(registry.prefix, []).append(mirror.location)
        return cls(ports=ports, secure=secure)

    def insecure_there(self, entry: _Entry) -> Iterator[Problem]:
        """`insecure` in the table of a host does not reach the mirrors of other tables that lie there."""
        prefix = entry.registry.prefix
        if not entry.registry.insecure:
            return
        ends = [end for end, character in enumerate(prefix) if character == "/"]
        found: dict[str, list[str]] = {}
        for key in (prefix, *(prefix[:end] for end in ends)):
            found |= self.secure.get(key, {})
        found.pop(prefix, None)
        if not found:
            return
        first, *others = found
        more = f" and {len(others)} more" if others else ""
        yield entry.position.warning(
            "insecure",
            f"has no effect where {found[first][0]} is a mirror, of {first}{more}: a mirror's own insecure counts",
            "write insecure = true into each such [[registry.mirror]], too",
        )

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
                yield entry.position.warning(
                    entry.prefix_key,
                    f"matches {physical}/… as well, and {effect}",
                    f'add a [[registry]] with location = "{physical}"',
                )
