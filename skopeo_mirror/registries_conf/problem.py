"""Problems of a registries.conf, each with its place: the table, the key, and the line that no TOML reader tells."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from skopeo_mirror.registries_conf.keys import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HEADER = re.compile(r"^[ \t]*\[(\[?)[ \t]*([^\]\n]*?)[ \t]*\]\]?[ \t]*(?:#.*)?$")
_MARK = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|#|[\[\]{}]')
_NAME = re.compile(r'"([^"]*)"|\'([^\']*)\'|([^.\s"\']+)')

_PLAIN_NAME = re.compile(r"[\w.:/*-]{1,255}")


class Severity(StrEnum):
    """How bad a problem is."""

    ERROR = "error"
    """containers/image refuses the configuration."""
    WARNING = "warning"
    """It is legal, and surely not meant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong; `str()` of it is `FILE: WHERE: text (advice)`."""

    file: str
    severity: Severity
    text: str
    where: str = ""
    """The path within the file, as `registry[2] (quay.io/foo).mirror[0].location`, or empty."""
    advice: str = ""
    line: int | None = None
    """From 1; with a column the very line, without one that of the key or of its table."""
    column: int | None = None
    """From 1."""
    instead: str = ""
    """TOML of several lines that says what was meant, where that is more than a line of advice."""

    def __str__(self) -> str:
        place = self.file if self.column is None else f"{self.file}:{self.line}:{self.column}"
        where = f" {self.where}:" if self.where else ""
        advice = f" ({self.advice})" if self.advice else ""
        line = f" [line {self.line}]" if self.line is not None and self.column is None else ""
        return f"{place}:{where} {self.text}{advice}{line}"


def errors(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems for which containers/image refuses the configuration."""
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)


@dataclass(kw_only=True, slots=True)
class _Section:
    """What stands below one header, or before the first; of the lines of each."""

    line: int
    path: tuple[str, ...] = ()
    keys: dict[str, int] = field(default_factory=dict)
    """As they are written, and folded."""
    mirrors: list[int] = field(default_factory=list)
    """The headers of the mirrors of a `[[registry]]`."""


class Lines:
    """Line numbers (from 1) of the tables of a registries.conf and of the keys in them.

    Found by a look at the text, for the TOML readers tell none. Where the number of `[[registry]]` headers is not that
    of the tables, no line is given rather than a wrong one; of inline tables it is that of their array.
    """

    def __init__(self, text: str, *, registries: int = 0) -> None:
        self._sections = list(_sections(text))
        self._places = {table.line: place for place, table in enumerate(self._sections)}
        self._registries: list[_Section] = []
        for table in self._sections:
            if table.path == ("registry",):
                self._registries.append(table)
            elif table.path == ("registry", "mirror") and self._registries:
                self._registries[-1].mirrors.append(table.line)
        if len(self._registries) != registries:
            self._registries = []

    @property
    def headers(self) -> list[tuple[int, tuple[str, ...]]]:
        """Line and folded path of each header, in their order."""
        return [(table.line, table.path) for table in self._sections[1:]]

    def registry(self, index: int) -> int | None:
        """Return the line of the `index`-th (from 0) `[[registry]]`."""
        if index < len(self._registries):
            return self._registries[index].line
        return self._sections[0].keys.get("registry")

    def mirror(self, registry: int, index: int) -> int | None:
        """Return the line of the `index`-th `[[registry.mirror]]` of a registry, else that of `mirror`."""
        if registry >= len(self._registries):
            return self.registry(registry)
        table = self._registries[registry]
        return table.mirrors[index] if index < len(table.mirrors) else self.key("mirror", table.line)

    def key(self, name: str, start: int | None) -> int | None:
        """Return the line of `name` (a key, or a table) in the table whose header is at line `start` (0: the top).

        `name` may be dotted and end in an index. Where there is none, it is the line of the table.
        """
        if start is None:
            return None
        place = self._places.get(start)
        if place is None:
            return start or None
        return self._find(place, name) or self._find(place, re.sub(r"\[\d+\]$", "", name)) or start or None

    def _find(self, place: int, name: str) -> int | None:
        table = self._sections[place]
        found = table.keys.get(name) or table.keys.get(fold(name))
        if found is not None:
            return found
        path = table.path
        for below in map(self._sections.__getitem__, range(place + 1, len(self._sections))):
            if below.path[: len(path)] != path or below.path == path:
                break
            called = ".".join(below.path[len(path) :])
            if f"{called}.".startswith(f"{fold(name)}."):
                return below.line
            if name.startswith(f"{called}."):
                return below.keys.get(name.removeprefix(f"{called}."), below.line)
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A place in a file, for messages: the file itself or a table in it."""

    file: str
    lines: Lines = field(default_factory=lambda: Lines(""))
    table: str = ""
    """The table's path, as `registry[0] (quay.io).mirror[1]`; empty for the file itself."""
    line: int | None = 0
    """The line of the table's header; 0 for the file itself."""
    column: int | None = None
    """The column where it is known, as in YAML, from 1."""
    index: int = 0
    """Which `[[registry]]` of the file it is or lies in, from 0."""
    object: str = ""
    """The object that it lies in, as `KIND/NAME`; empty for TOML."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}, {self.object}" if self.object else place

    def below(self, path: str) -> Position:
        """Return the place of the table that has this dotted path."""
        return replace(self, table=path, line=self.lines.key(path, 0))

    def registry(self, index: int, name: str) -> Position:
        """Return the place of the `index`-th `[[registry]]`, called `name` unless that is empty, long or odd."""
        called = f" ({name})" if _PLAIN_NAME.fullmatch(name) else ""
        return replace(self, table=f"registry[{index}]{called}", line=self.lines.registry(index), index=index)

    def mirror(self, index: int) -> Position:
        """Return the place of the `index`-th mirror of this `[[registry]]`."""
        return replace(self, table=f"{self.table}.mirror[{index}]", line=self.lines.mirror(self.index, index))

    def warning(self, key: str, text: str, advice: str = "", instead: str = "") -> Problem:
        """Return a warning about a key of this table, or about the table where `key` is empty."""
        key = "" if self.object else key  # the place of an object's value is its own
        return Problem(
            file=self.file,
            severity=Severity.WARNING,
            where=".".join(part for part in (self.table, key) if part),
            text=text,
            advice=advice,
            line=self.lines.key(key, self.line) if key else self.line or None,
            column=None if key else self.column,
            instead=instead,
        )

    def error(self, key: str, text: str, advice: str = "", instead: str = "") -> Problem:
        """Return an error, as `warning` does."""
        return replace(self.warning(key, text, advice, instead), severity=Severity.ERROR)


def _sections(text: str) -> Iterator[_Section]:
    table = _Section(line=0)
    quote, depth = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not quote and not depth:
            match = _HEADER.match(line.rstrip("\r")) if "[" in line else None
            if match is not None:
                yield table
                table = _Section(line=number, path=tuple(fold("".join(part)) for part in _NAME.findall(match[2])))
                continue
            key, equals, _ = line.partition("=")
            if equals:
                name = key.strip().strip("\"'")
                for called in (name, fold(name), fold(name.partition(".")[0])):
                    table.keys.setdefault(called, number)
        if quote or depth or "[" in line or "{" in line or '"""' in line or "'''" in line:
            quote, depth = _carried_over(line, quote, depth)
    yield table


def _carried_over(line: str, quote: str, depth: int) -> tuple[str, int]:
    """The quote of a string and the number of brackets that are open at the end of a line."""
    start = 0
    while True:
        if quote:
            end = line.find(quote, start)
            if end < 0:
                return quote, depth
            start, quote = end + len(quote), ""
        mark = _MARK.search(line, start)
        if mark is None or mark[0] == "#":
            return "", depth
        start = mark.end()
        if mark[0] in {'"""', "'''"}:
            quote = mark[0]
        elif mark[0] in "[{":
            depth += 1
        elif mark[0] in "]}":
            depth = max(depth - 1, 0)
