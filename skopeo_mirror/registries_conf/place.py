"""Places in a registries.conf, for messages: tables, keys, and the lines that the TOML readers do not tell."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from skopeo_mirror.registries_conf.keys import fold
from skopeo_mirror.registries_conf.problem import Problem, Severity

_HEADER = re.compile(r"^[ \t]*\[(\[?)[ \t]*([^\]\n]*?)[ \t]*\]\]?[ \t]*(?:#.*)?$")

_PLAIN_NAME = re.compile(r"[\w.:/*-]{1,255}")


@dataclass(kw_only=True, slots=True)
class _Table:
    line: int
    mirrors: list[int] = field(default_factory=list)


class Lines:
    """Line numbers (from 1) of `[[registry]]` and `[[registry.mirror]]` tables and of the keys in them.

    Found by a look at the text, so only plain headers are known; where their number is not that of the tables (inline
    tables, a header within a multi-line string), no line is given rather than a wrong one.
    """

    def __init__(self, text: str, *, registries: int = 0) -> None:
        self._lines = text.split("\n")
        self._tables: list[_Table] = []
        self._keys: dict[int, dict[str, int]] = {}
        for number, line in enumerate(self._lines, 1):
            if "[" not in line:
                continue
            match = _HEADER.match(line.rstrip("\r"))
            if match is None or not match[1]:
                continue
            name = [fold(part.strip().strip("\"'")) for part in match[2].split(".")]
            if name == ["registry"]:
                self._tables.append(_Table(line=number))
            elif name == ["registry", "mirror"] and self._tables:
                self._tables[-1].mirrors.append(number)
        if len(self._tables) != registries:
            self._tables = []

    def registry(self, index: int) -> int | None:
        """Return the line of the `index`-th (from 0) `[[registry]]`."""
        return self._tables[index].line if index < len(self._tables) else None

    def mirror(self, registry: int, index: int) -> int | None:
        """Return the line of the `index`-th `[[registry.mirror]]` of a registry, else that of the registry."""
        if registry >= len(self._tables):
            return None
        table = self._tables[registry]
        return table.mirrors[index] if index < len(table.mirrors) else table.line

    def key(self, name: str, start: int | None) -> int | None:
        """Return the line of `name = …` in the table whose header is at line `start` (0: before any table)."""
        if start is None:
            return None
        if start not in self._keys:
            self._keys[start] = self._keys_after(start)
        found = self._keys[start]
        return found.get(name) or found.get(fold(name)) or start or None

    def _keys_after(self, start: int) -> dict[str, int]:
        found: dict[str, int] = {}
        for index in range(start, len(self._lines)):
            line = self._lines[index]
            if "[" in line and _HEADER.match(line.rstrip("\r")):
                break
            key, equals, _ = line.partition("=")
            if equals:
                name = key.strip().strip("\"'")
                found.setdefault(fold(name), index + 1)
                found.setdefault(name, index + 1)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A place within a file, for messages: the file, `registry[0] (quay.io)`, the line of that table."""

    file: str
    lines: Lines
    table: str = ""
    line: int | None = 0

    def registry(self, index: int, name: str) -> Place:
        """Return the place of the `index`-th `[[registry]]`, called `name` unless that is empty, long or odd."""
        called = f" ({name})" if _PLAIN_NAME.fullmatch(name) else ""
        return Place(
            file=self.file, lines=self.lines, table=f"registry[{index}]{called}", line=self.lines.registry(index)
        )

    def mirror(self, registry: int, index: int) -> Place:
        """Return the place of the `index`-th mirror of this registry, which is the `registry`-th of the file."""
        return Place(
            file=self.file,
            lines=self.lines,
            table=f"{self.table}.mirror[{index}]",
            line=self.lines.mirror(registry, index),
        )

    def problem(self, severity: Severity, key: str, text: str, advice: str = "") -> Problem:
        """Make a problem of this place; `key` may be empty."""
        where = ".".join(part for part in (self.table, key) if part)
        line = self.lines.key(key, self.line) if key else self.line or None
        return Problem(file=self.file, severity=severity, where=where, text=text, advice=advice, line=line)

    def warning(self, key: str, text: str, advice: str = "") -> Problem:
        """Make a warning of this place."""
        return self.problem(Severity.WARNING, key, text, advice)

    def error(self, key: str, text: str, advice: str = "") -> Problem:
        """Make an error of this place."""
        return self.problem(Severity.ERROR, key, text, advice)
