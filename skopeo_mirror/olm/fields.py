"""Read a mapping's fields from YAML and collect what is wrong with them, each problem with its line and path."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from skopeo_mirror.olm.nearest import nearest
from skopeo_mirror.reference import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skopeo_mirror.olm.yaml_reader import Field, Node

_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(kw_only=True, slots=True)
class Problems:
    """What is wrong with a file, as it is found: a line number and a text each."""

    file: str
    errors: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def worded(self, line: int, path: str, text: str) -> tuple[int, str]:
        """Say what is wrong with the field at `path`, which stands on `line`."""
        return line, f"{self.file}:{line}: {path}{': ' if path else ''}{text}"


def in_order(problems: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """Return the texts of problems in the order of their lines."""
    return tuple(text for _, text in sorted(problems, key=itemgetter(0)))


@dataclass(kw_only=True, slots=True)
class Fields:
    """The fields of one mapping; a value of the wrong form counts as missing once its problem is noted.

    `broken` is what should be a mapping and is none: nothing more is said of it.
    """

    path: str
    line: int
    fields: dict[str, Field]
    problems: Problems
    broken: bool = False

    @classmethod
    def of(cls, node: Node, path: str, problems: Problems) -> Fields:
        """Read `node` as a mapping."""
        if isinstance(node.value, dict):
            return cls(path=path, line=node.line, fields=node.value, problems=problems)
        problems.errors.append(problems.worded(node.line, path, "expected a mapping"))
        return cls(path=path, line=node.line, fields={}, problems=problems, broken=True)

    def only(self, *known: str) -> None:
        """Note every field that is not `known`."""
        for name in self.fields:
            if name not in known:
                self.problem(name, f"unknown field{nearest(name, known)}")

    def has(self, name: str) -> bool:
        """Whether the field is there and not empty."""
        return name in self.fields and self.fields[name].node.value not in (None, "", (), {})

    def at(self, name: str) -> str:
        """Return the path of a field of this mapping."""
        return f"{self.path}.{name}" if self.path else name

    def problem(self, name: str, text: str) -> None:
        """Note what is wrong with the field `name`, or with this mapping where it has no such field."""
        self.problems.errors.append(self._worded(name, text))

    def warning(self, name: str, text: str) -> None:
        """Note what people should know about the field `name`."""
        self.problems.warnings.append(self._worded(name, text))

    def text(self, name: str) -> str | None:
        """Return a text; numbers are texts too (a version 1.2), an empty one is none."""
        value = self._value(name, str, "a text")
        return value if isinstance(value, str) and value else None

    def required(self, name: str) -> str:
        """Return a text that must be there, empty where it is not."""
        value = self.text(name)
        if not self.has(name) and not self.broken:
            self.problem(name, "missing")
        return value or ""

    def flag(self, name: str) -> bool:
        """Return true or false, false where the field is missing."""
        value = self._value(name, str, "true or false")
        if not isinstance(value, str):
            return False
        if value not in _FLAGS or self.fields[name].node.quoted:
            self.problem(name, f"expected true or false, not {shown(value)}")
        return _FLAGS.get(value, False)

    def mapping(self, name: str, *, required: bool = False) -> Fields:
        """Return the fields of a mapping, none where it is missing."""
        if required and not self.broken and (name not in self.fields or self.fields[name].node.value is None):
            self.problem(name, "missing")
        if self._value(name, dict, "a mapping") is None:
            return Fields(
                path=self.at(name), line=self.line, fields={}, problems=self.problems, broken=name in self.fields
            )
        return Fields.of(self.fields[name].node, self.at(name), self.problems)

    def mappings(self, name: str) -> Iterator[Fields]:
        """Yield the fields of each mapping in a list."""
        items = self._value(name, tuple, "a list")
        for number, item in enumerate(items if isinstance(items, tuple) else ()):
            yield Fields.of(item, f"{self.at(name)}[{number}]", self.problems)

    def _worded(self, name: str, text: str) -> tuple[int, str]:
        line = self.fields[name].line if name in self.fields else self.line
        return self.problems.worded(line, self.at(name), text)

    def _value(self, name: str, form: type, expected: str) -> object:
        value = self.fields[name].node.value if name in self.fields else None
        if value is None or isinstance(value, form):
            return value
        self.problem(name, f"expected {expected}")
        return None


def note_repeated(items: Iterable[tuple[Fields, str]]) -> None:
    """Note every item of a list that has the same name as one before."""
    seen = set()
    for fields, name in items:
        if name and name in seen:
            fields.problem("name", f"{shown(name)} is there twice")
        seen.add(name)
