"""Ignore files of a catalog, `.indexignore`: gitignore patterns, as opm reads them.

The rules are those of go-git's gitignore package, through which `opm` walks a catalog: every pattern of every file
counts from that file's directory on, a pattern that matches a directory matches all in it, the last match decides.
pathspec does not follow these, and takes exponential time for some patterns, which a hostile catalog could have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FILENAME = ".indexignore"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """One line of a `.indexignore`."""

    globs: tuple[str, ...]
    """For the components of a path from the catalog's root, `**` for any number of them."""
    negated: bool

    def matches(self, path: Sequence[str]) -> bool:
        """Whether the file at `path` (components from the catalog's root) or a directory above it matches."""
        # The positions in the path that the globs so far can have reached: linear, where backtracking would not be.
        reached = {0}
        for glob in self.globs:
            if not reached:
                return False
            if glob == "**":
                reached = set(range(min(reached), len(path) + 1))
            else:
                reached = {at + 1 for at in reached if at < len(path) and fnmatchcase(path[at], glob)}
        return bool(reached)


def parse_patterns(text: str, directory: Iterable[str]) -> tuple[Pattern, ...]:
    """Read one `.indexignore` that lies in `directory` (components from the catalog's root)."""
    above = tuple(map(escape, directory))
    lines = (line.strip() for line in text.splitlines())
    return tuple(_pattern(line, above) for line in lines if line.strip("!/") and not line.startswith("#"))


def is_ignored(path: Sequence[str], patterns: Iterable[Pattern]) -> bool:
    """Whether the last of `patterns` that matches `path` leaves it out."""
    ignored = False
    for pattern in patterns:
        if pattern.negated == ignored and pattern.matches(path):
            ignored = not pattern.negated
    return ignored


def _pattern(line: str, above: tuple[str, ...]) -> Pattern:
    negated, line = line.startswith("!"), line.removeprefix("!")
    name = line.rstrip("/")
    globs = [_glob(component) for component in name.split("/") if component]
    if "/" not in name:
        globs.insert(0, "**")
    elif globs[-1:] == ["**"]:
        globs.append("*")  # `a/**` is what lies in a, not a itself
    if line.endswith("/"):
        globs.append("*")  # a directory alone: something lies in it
    return Pattern(globs=(*above, *globs), negated=negated)


def _glob(component: str) -> str:
    """Gitignore's glob as fnmatch's: `[^a]` is `[!a]`, and a backslash makes the next character plain."""
    return re.sub(
        r"\\(.)", lambda match: f"[{match[1]}]" if match[1] in "*?[" else match[1], component.replace("[^", "[!")
    )
