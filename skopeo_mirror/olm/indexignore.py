"""Ignore files of a catalog, `.indexignore`: gitignore patterns, as opm reads them.

The rules are those of go-git's gitignore package, through which `opm` walks a catalog: every pattern of every file
counts from that file's directory on, a pattern that matches a directory matches all in it, the last match decides.
pathspec does not follow these, and takes exponential time for some patterns, which a hostile catalog could have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FILENAME = ".indexignore"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """One line of a `.indexignore`: globs for the components of a path below `directory`."""

    directory: tuple[str, ...]
    globs: tuple[str, ...]
    negated: bool
    directories_only: bool

    def matches(self, path: Sequence[str]) -> bool:
        """Whether the file at `path` (components from the catalog's root) or a directory above it matches."""
        if tuple(path[: len(self.directory)]) != self.directory:
            return False
        below = path[len(self.directory) :]
        # The positions in the path that the globs so far can have reached: linear, where backtracking would not be.
        reached = {0}
        for glob in self.globs:
            if glob == "**":
                reached = set(range(min(reached), len(below) + 1))
            else:
                reached = {at + 1 for at in reached if at < len(below) and fnmatchcase(below[at], glob)}
            if not reached:
                return False
        return min(reached) < len(below) if self.directories_only else True


def parse_patterns(text: str, directory: tuple[str, ...]) -> tuple[Pattern, ...]:
    """Read one `.indexignore` that lies in `directory` (components from the catalog's root)."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(_pattern(line, directory) for line in lines if line.strip("!/") and not line.startswith("#"))


def is_ignored(path: Sequence[str], patterns: Iterable[Pattern]) -> bool:
    """Whether the last of `patterns` that matches `path` leaves it out."""
    ignored = False
    for pattern in patterns:
        if pattern.negated == ignored and pattern.matches(path):
            ignored = not pattern.negated
    return ignored


def _pattern(line: str, directory: tuple[str, ...]) -> Pattern:
    negated, line = line.startswith("!"), line.removeprefix("!")
    directories_only, line = line.endswith("/"), line.rstrip("/")
    anchored = "/" in line
    globs = [_glob(component) for component in line.split("/") if component]
    if not anchored:
        globs.insert(0, "**")
    elif globs and globs[-1] == "**":
        globs.append("*")  # `a/**` is what lies in a, not a itself
    return Pattern(directory=directory, globs=tuple(globs), negated=negated, directories_only=directories_only)


def _glob(component: str) -> str:
    """Gitignore's glob as fnmatch's: `[^a]` is `[!a]`, and a backslash makes the next character plain."""
    return re.sub(
        r"\\(.)", lambda match: f"[{match[1]}]" if match[1] in "*?[" else match[1], component.replace("[^", "[!")
    )
