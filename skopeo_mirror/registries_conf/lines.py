"""Where the tables and keys of a registries.conf stand: line numbers, which the TOML readers do not give."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from skopeo_mirror.registries_conf.keys import fold

_HEADER = re.compile(r"^[ \t]*\[(\[?)[ \t]*([^\]\n]*?)[ \t]*\]\]?[ \t]*(?:#.*)?$")


@dataclass(kw_only=True, slots=True)
class _Table:
    line: int
    mirrors: list[int] = field(default_factory=list)


class Lines:
    """Line numbers (from 1) of `[[registry]]` and `[[registry.mirror]]` tables and of the keys in them.

    Found by a look at the text, so only plain headers are known; where their number is not that of the tables (inline
    tables, a header within a multi-line string), no line is given rather than a wrong one.
    """

    def __init__(self, text: str, *, registries: int) -> None:
        self._lines = text.split("\n")
        self._tables: list[_Table] = []
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
        for number, line in enumerate(self._lines[start:], start + 1):
            if _HEADER.match(line.rstrip("\r")):
                break
            if fold(line.partition("=")[0].strip().strip("\"'")) == fold(name):
                return number
        return start or None
