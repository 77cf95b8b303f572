"""What can be wrong with a registries.conf, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


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
