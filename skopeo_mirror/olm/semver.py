"""Semantic versions, and the ranges of them that image sets and catalogs write.

Without a library, so that a catalog in JSON can be listed where the extra `olm` is not installed.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBER = r"(?:0|[1-9][0-9]{0,18})"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SUFFIX = rf"(?:-(?P<pre>{_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"
_STRICT = re.compile(rf"(?P<numbers>{_NUMBER}\.{_NUMBER}\.{_NUMBER}){_SUFFIX}")
_TOLERANT = re.compile(rf"v?(?P<numbers>{_NUMBER}(?:\.{_NUMBER}){{0,2}}){_SUFFIX}")
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


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Version:
    """A semantic version, ordered by its fields as semver.org 2.0.0 says; build metadata does not count."""

    numbers: tuple[int, ...]
    """Major, minor and patch."""
    is_release: bool = True
    """Whether it is no pre-release, which comes before its release."""
    identifiers: tuple[tuple[bool, int, str], ...] = ()
    """Those of a pre-release, each as whether it is a word, the number, the word: numbers come before words."""

    places: int = field(default=3, compare=False)
    """How many of the numbers were written; the others are 0."""

    @classmethod
    def parse(cls, text: str, form: re.Pattern[str] = _STRICT) -> Self:
        """Read `MAJOR.MINOR.PATCH[-PRE][+BUILD]`, or what else `form` allows; raise ValueError for anything else."""
        match = form.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            raise ValueError(f"{text!r} is no semantic version")
        numbers = [int(number) for number in match["numbers"].split(".")]
        pre = match["pre"].split(".") if match["pre"] else []
        return cls(
            numbers=(*numbers, 0, 0)[:3],
            is_release=not pre,
            identifiers=tuple((False, int(part), "") if part.isdigit() else (True, 0, part) for part in pre),
            places=len(numbers),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionBounds:
    """The `minVersion` and `maxVersion` of an image set; either may be missing (None)."""

    minimum: Version | None = None
    maximum: Version | None = None
    text: str = ""

    @classmethod
    def parse(cls, minimum: str | None, maximum: str | None) -> Self:
        """Read both bounds, as tolerant as oc-mirror is (`v1.2` is 1.2.0); raise ValueError naming the bad one."""
        return cls(
            minimum=_bound("minVersion", minimum),
            maximum=_bound("maxVersion", maximum),
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

    def contains(self, version: Version) -> bool:
        """Whether `version` lies within the bounds, both included; `maxVersion: 1.2` includes every 1.2.x.

        Pre-releases are compared only where a bound is one, as by Masterminds/semver, which oc-mirror v2 selects with.
        """
        bounds = (bound for bound in (self.minimum, self.maximum) if bound is not None)
        return (version.is_release or not all(bound.is_release for bound in bounds)) and self.spans(version)

    def spans(self, version: Version) -> bool:
        """Whether `version` lies within the bounds when pre-releases are compared like any version."""
        if self.minimum is not None and version < self.minimum:
            return False
        if self.maximum is None:
            return True
        if (places := self.maximum.places) < len(self.maximum.numbers):
            return version.numbers[:places] <= self.maximum.numbers[:places]
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


def _bound(name: str, text: str | None) -> Version | None:
    try:
        return None if text is None else Version.parse(text, _TOLERANT)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _all_hold(conditions: str, version: Version) -> bool:
    comparisons = re.sub(r"([<>=!])\s+", r"\1", conditions).split()
    if not comparisons:
        raise ValueError("an empty range")
    held = {_holds(comparison, version) for comparison in comparisons}  # all are read: a wrong one voids the range
    return held == {True}


def _holds(comparison: str, version: Version) -> bool:
    match = _COMPARISON.fullmatch(comparison)
    if match is None or match["operator"] not in _OPERATORS:
        raise ValueError(f"{comparison!r} is no comparison")
    compare = _OPERATORS[match["operator"]]
    *given, last = match["version"].split(".")
    if last in {"x", "X", "*"}:  # 1.2.x: the numbers that are given are compared, the rest is free
        return compare(version.numbers[: len(given)], tuple(int(number) for number in given))
    return compare(version, Version.parse(match["version"]))
