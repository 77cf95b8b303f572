"""registries.conf as values: what containers-registries.conf(5), version 2, can say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skopeo_mirror.registries_conf.problem import Position

AUTH_FILES: Final = ("containers-auth.json",)
"""The credential helpers where none are named (containers/image's `AuthenticationFileHelper`)."""


class PullFromMirror(StrEnum):
    """Which pulls a mirror is for (`pull-from-mirror`)."""

    ALL = "all"
    DIGEST_ONLY = "digest-only"
    TAG_ONLY = "tag-only"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirror:
    """One `[[registry.mirror]]`; `location` is trimmed of trailing slashes."""

    location: str
    insecure: bool = False
    pull_from_mirror: PullFromMirror = PullFromMirror.ALL
    position: Position | None = field(default=None, compare=False)
    """Where it stands, if it was read from an object."""
    insecure_at: Position | None = field(default=None, compare=False)
    """What makes it insecure, if that is another object."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """One `[[registry]]`; `prefix` is never empty, `location` is empty only where `prefix` is a wildcard."""

    prefix: str
    location: str
    insecure: bool = False
    blocked: bool = False
    mirror_by_digest_only: bool = False
    mirrors: tuple[Mirror, ...] = ()
    position: Position | None = field(default=None, compare=False)
    """Where it stands, if it was read from a file."""
    prefix_key: str = field(default="location", compare=False)
    """The key that its prefix was written under: `prefix`, or `location`."""
    insecure_at: Position | None = field(default=None, compare=False)
    """What makes it insecure, if it was read from objects."""
    blocked_at: Position | None = field(default=None, compare=False)
    """What blocks it, if it was read from objects."""

    @property
    def passed_by_tags(self) -> tuple[str, ...]:
        """The locations of the mirrors that are there, and not for tags."""
        by_digest = PullFromMirror.DIGEST_ONLY
        for_tags = {mirror.location for mirror in self.mirrors if mirror.pull_from_mirror is not by_digest}
        locations = (mirror.location for mirror in self.mirrors)
        return tuple(one for one in locations if self.mirror_by_digest_only or one not in for_tags)


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """A whole configuration, merged over all its files."""

    registries: tuple[Registry, ...] = ()
    """The entries in force."""
    files: tuple[str, ...] = ()
    """The files that it was read from, in the order of reading."""
    sha256: str = ""
    """Over the bytes of the files, in that order."""
    others: dict[str, Any] = field(default_factory=dict)
    """The settings at the top that this project keeps but does not use (unqualified-search-registries …)."""

    @property
    def credential_helpers(self) -> tuple[str, ...]:
        """The programs that are asked for credentials, in order; `AUTH_FILES` stands for the auth files."""
        return tuple(self.others.get("credential-helpers") or AUTH_FILES)

    def with_all_mirrors(self) -> Configuration:
        """The same, with every mirror for tags and digests alike; one that stands there for each of them, once."""
        return replace(self, registries=tuple(map(_with_all_mirrors, self.registries)))


def contradictions(registries: Iterable[Registry]) -> Iterator[tuple[Registry, Registry, str]]:
    """Yield each entry that contradicts the first one of its location, that one, and the key that they differ in.

    In one file containers/image refuses them, even where no image uses them.
    """
    first: dict[str, Registry] = {}
    for registry in registries:
        other = first.setdefault(registry.location or registry.prefix, registry)
        for key in ("insecure", "blocked"):
            if getattr(registry, key) != getattr(other, key):
                yield registry, other, key


def _with_all_mirrors(registry: Registry) -> Registry:
    mirrors = dict.fromkeys(replace(mirror, pull_from_mirror=PullFromMirror.ALL) for mirror in registry.mirrors)
    return replace(registry, mirror_by_digest_only=False, mirrors=tuple(mirrors))
