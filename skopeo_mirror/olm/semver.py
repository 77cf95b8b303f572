"""Semantic versions, and the ranges of them that image sets and catalogs write."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from functools import total_ordering
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBER = r"(?:0|[1-9][0-9]{0,18})"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SUFFIX = rf"(?:-(?P<pre>{_IDENTIFIERS}))?(?:\+(?P<build>{_IDENTIFIERS}))?"
_STRICT = re.compile(rf"(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER}){_SUFFIX}")
_TOLERANT = re.compile(rf"v?(?P<major>{_NUMBER})(?:\.(?P<minor>{_NUMBER})(?:\.(?P<patch>{_NUMBER}))?)?{_SUFFIX}")
_LONGEST = 256  # characters; a hostile catalog may hold numbers that are slow to read
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "": operator.eq,
    "=": operator.eq,
    "==": operator.eq,
    "!": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPARISON = re.compile(r"(?P<operator>[<>=!]*)(?P<version>[^<>=!].*)")


@total_ordering
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Version:
    """A semantic version, ordered as semver.org 2.0.0 says: a pre-release before its release, no build metadata."""

    release: tuple[int, int, int]
    pre: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `MAJOR.MINOR.PATCH[-PRE][+BUILD]`; raise ValueError for anything else."""
        match = _STRICT.fullmatch(text[:_LONGEST])
        if match is None or len(text) > _LONGEST:
            raise ValueError(f"{text!r} is no semantic version (MAJOR.MINOR.PATCH)")
        return cls.from_match(match)

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        """Build the version from a match with the groups `major`, `minor`, `patch` and `pre`."""
        release = (int(match["major"]), int(match["minor"] or 0), int(match["patch"] or 0))
        return cls(release=release, pre=tuple(match["pre"].split(".")) if match["pre"] else ())

    @property
    def precedence(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[int, int, str], ...]]:
        """What versions are compared by; numeric identifiers come before words, no pre-release after all of them."""
        identifiers = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return (self.release, not self.pre, identifiers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.precedence == other.precedence

    def __lt__(self, other: Version) -> bool:
        return self.precedence < other.precedence

    def __hash__(self) -> int:
        return hash(self.precedence)

    def __str__(self) -> str:
        return ".".join(map(str, self.release)) + ("-" + ".".join(self.pre) if self.pre else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionBounds:
    """The `minVersion` and `maxVersion` of an image set; either may be missing (None)."""

    minimum: Version | None = None
    maximum: Version | None = None
    maximum_places: int = 3
    text: str = ""

    @classmethod
    def parse(cls, minimum: str | None, maximum: str | None) -> Self:
        """Read both bounds, as tolerant as oc-mirror is (`v1.2` is 1.2.0); raise ValueError naming the bad one."""
        low, high = _bound("minVersion", minimum), _bound("maxVersion", maximum)
        return cls(
            minimum=None if low is None else Version.from_match(low),
            maximum=None if high is None else Version.from_match(high),
            maximum_places=3 if high is None else sum(high[part] is not None for part in ("major", "minor", "patch")),
            text=" ".join([*([f">={minimum}"] if minimum else []), *([f"<={maximum}"] if maximum else [])]),
        )

    def __bool__(self) -> bool:
        return self.minimum is not None or self.maximum is not None

    def __str__(self) -> str:
        return self.text

    @property
    def is_empty(self) -> bool:
        """Whether no version can lie within the bounds."""
        return self.minimum is not None and not self.spans(self.minimum)

    @property
    def single(self) -> Version | None:
        """The one version that the bounds leave, where both are the same."""
        return self.minimum if self.minimum == self.maximum else None

    @property
    def admits_pre_releases(self) -> bool:
        """Whether pre-releases are compared at all: only where a bound is one itself.

        That is how Masterminds/semver, which oc-mirror v2 selects with, reads a range.
        """
        return any(bound is not None and bool(bound.pre) for bound in (self.minimum, self.maximum))

    def contains(self, version: Version) -> bool:
        """Whether `version` lies within the bounds, both included; `maxVersion: 1.2` includes every 1.2.x."""
        if version.pre and not self.admits_pre_releases:
            return False
        return self.spans(version)

    def spans(self, version: Version) -> bool:
        """Whether `version` lies within the bounds when pre-releases are compared like any version."""
        if self.minimum is not None and version < self.minimum:
            return False
        if self.maximum is None:
            return True
        if self.maximum_places < len(self.maximum.release):
            return version.release[: self.maximum_places] <= self.maximum.release[: self.maximum_places]
        return version <= self.maximum


NO_BOUNDS = VersionBounds()


def skip_range_contains(skip_range: str, version: Version) -> bool:
    """Tell whether a channel entry's `skipRange` covers `version`, read as OLM's blang/semver does: `>=1.0.0 <1.2.0`.

    Blanks mean and, `||` means or; pre-releases are compared like any version. A range that cannot be read covers
    nothing, as in OLM.
    """
    try:
        return any(_all_hold(alternative, version) for alternative in skip_range.split("||"))
    except ValueError:
        return False


def _bound(field: str, text: str | None) -> re.Match[str] | None:
    if text is None:
        return None
    match = _TOLERANT.fullmatch(text[:_LONGEST])
    if match is None or len(text) > _LONGEST:
        raise ValueError(f"{field} {text!r} is no semantic version")
    return match


def _all_hold(conditions: str, version: Version) -> bool:
    comparisons = re.sub(r"([<>=!])\s+", r"\1", conditions).split()
    if not comparisons:
        raise ValueError("an empty range")
    held = [
        _holds(comparison, version) for comparison in comparisons
    ]  # all are read: one that is wrong voids the range
    return all(held)


def _holds(comparison: str, version: Version) -> bool:
    match = _COMPARISON.fullmatch(comparison)
    if match is None or match["operator"] not in _OPERATORS:
        raise ValueError(f"{comparison!r} is no comparison")
    compare = _OPERATORS[match["operator"]]
    *given, last = match["version"].split(".")
    if last in {"x", "X", "*"}:  # 1.2.x: the numbers that are given are compared, the rest is free
        return compare(version.release[: len(given)], tuple(int(number) for number in given))
    return compare(version, Version.parse(match["version"]))
