"""The fields of YAML's mappings, and all that is wrong with them at once, each problem with its line and path."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.reference import shown
from skopeo_mirror.spelling import did_you_mean
from skopeo_mirror.yaml_text import FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skopeo_mirror.yaml_text import Field, Node

_T = TypeVar("_T")


@dataclass(kw_only=True, slots=True)
class Problems:
    """The problems of a file as they are found, each with the line that it is sorted by."""

    file: str
    skips_unsupported: bool = False
    """Whether what is not supported is passed over, with a warning."""
    errors: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def settle(self) -> tuple[str, ...]:
        """Return the warnings in the order of their lines; raise InvalidInput with the errors, if there are any."""
        if self.errors:
            raise InvalidInput(text for _, text in sorted(self.errors, key=itemgetter(0)))
        return tuple(text for _, text in sorted(self.warnings, key=itemgetter(0)))


@dataclass(kw_only=True, slots=True)
class Fields:
    """The fields of one mapping; a value of the wrong form counts as missing once its problem is noted."""

    path: str
    line: int
    fields: dict[str, Field]
    problems: Problems
    broken: bool = False
    """Whether it should be a mapping and is none: nothing more is said of it."""

    @classmethod
    def of(cls, node: Node, path: str, problems: Problems) -> Fields:
        """Read `node` as a mapping."""
        if isinstance(node.value, dict):
            return cls(path=path, line=node.line, fields=dict(node.value), problems=problems)
        broken = cls(path=path, line=node.line, fields={}, problems=problems, broken=True)
        broken.problem("", "expected a mapping")
        return broken

    def only(self, *known: str) -> None:
        """Call the fields as they are `known`, in whatever case they are written (as Go does); note all others."""
        spelled = {name.lower(): name for name in known}
        for name in list(self.fields):
            if (right := spelled.get(name.lower())) is None:
                self.problem(name, f"unknown field{did_you_mean(name, known)}")
            elif right != name and right in self.fields:
                self.problem(name, f"is {right} once more")
            elif right != name:
                self.fields[right] = self.fields.pop(name)

    def has(self, name: str) -> bool:
        """Whether the field is there and not empty."""
        return name in self.fields and self.fields[name].node.value not in (None, "", (), {})

    def problem(self, name: str, text: str) -> None:
        """Note what is wrong with the field `name`, or with this mapping where it has no such field."""
        self.problems.errors.append(self._worded(name, text))

    def warning(self, name: str, text: str) -> None:
        """Note what people should know about the field `name`."""
        self.problems.warnings.append(self._worded(name, text))

    def unsupported(self, name: str, text: str, *, is_needed: bool = True) -> None:
        """Note why the field `name` is not supported; what is not needed for the rest is passed over in any case."""
        if self.problems.skips_unsupported or not is_needed:
            self.warning(name, f"passed over: {text}")
        else:
            self.problem(name, f"not supported: {text}")

    def text(self, name: str) -> str | None:
        """Return a text; numbers are texts too (a version 1.2), an empty one is none."""
        return self._value(name, str, "a text") or None

    def required(self, name: str) -> str:
        """Return a text that must be there, empty where it is not."""
        value = self.text(name)
        if not self.has(name) and not self.broken:
            self.problem(name, "missing")
        return value or ""

    def flag(self, name: str) -> bool:
        """Return true or false, false where the field is missing."""
        value = self._value(name, str, "true or false")
        if value is not None and (value not in FLAGS or self.fields[name].node.quoted):
            self.problem(name, f"expected true or false, not {shown(value)}")
        return FLAGS.get(value or "", False)

    def mapping(self, name: str) -> Fields:
        """Return the fields of a mapping that must be there, none where it is not."""
        if self._value(name, dict, "a mapping") is not None:
            return Fields.of(self.fields[name].node, self._path(name), self.problems)
        if not self.broken and (name not in self.fields or self.fields[name].node.value is None):
            self.problem(name, "missing")
        return Fields(path=self._path(name), line=self.line, fields={}, problems=self.problems, broken=True)

    def mappings(self, name: str) -> Iterator[Fields]:
        """Yield the fields of each mapping in a list."""
        for number, item in enumerate(self._value(name, tuple, "a list") or ()):
            yield Fields.of(item, f"{self._path(name)}[{number}]", self.problems)

    def texts(self, name: str) -> Iterator[str]:
        """Yield each text in a list."""
        for number, item in enumerate(self._value(name, tuple, "a list") or ()):
            if isinstance(item.value, str):
                yield item.value
            else:
                self.problem(name, f"expected a text, as number {number + 1} of the list")

    def named_mappings(self, name: str) -> Iterator[Fields]:
        """Yield the fields of each mapping in a list; note at its end what has the same `name` as one before."""
        found: dict[str, list[Fields]] = {}
        for item in self.mappings(name):
            yield item
            if item.has("name") and isinstance(text := item.fields["name"].node.value, str):
                found.setdefault(text, []).append(item)
        for text, (_, *repeated) in found.items():
            for item in repeated:
                item.problem("name", f"{shown(text)} is there twice")

    def _path(self, name: str) -> str:
        return ".".join(part for part in (self.path, name) if part)

    def _worded(self, name: str, text: str) -> tuple[int, str]:
        line = self.fields[name].line if name in self.fields else self.line
        path = self._path(name)
        return line, f"{self.problems.file}:{line}: {path}{': ' if path else ''}{text}"

    def _value(self, name: str, form: type[_T], expected: str) -> _T | None:
        value = self.fields[name].node.value if name in self.fields else None
        if value is None or isinstance(value, form):
            return value
        self.problem(name, f"expected {expected}")
        return None
