"""Misreadings, why a file is no TOML: what stands there instead, and the cure (pure)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from skopeo_mirror.reference import shown
from skopeo_mirror.registries_conf import keys
from skopeo_mirror.registries_conf.foreign import foreign
from skopeo_mirror.registries_conf.locations import PLACEHOLDER
from skopeo_mirror.registries_conf.problem import Lines, Position, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.registries_conf.toml import TomlError

LOST_HEADERS = "the [[registry]] headers got lost"
MEND_HEADERS = (
    "put the line [[registry]] before each registry's keys, and [[registry.mirror]] before each mirror's; "
    "some programs take the double brackets away"
)

_TABLES = 'write TOML: [[registry]] and location = "…", below it [[registry.mirror]] and location = "…" for each mirror'
_WORD = re.compile(r"\s*([\w-]+)\s*=\s*(\w+)\s*(?:#.*)?")
_BARE = re.compile(r"\s*([\w-]+)\s*=\s*([^\s\"'\[{#][^\"'#]*?)\s*(?:#.*)?")
_COLON = re.compile(r"\s*(?:-\s+)?([A-Za-z][\w.-]*)\s*:(?:\s+(.*))?")
_BOOLEANS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wrong:
    """A text that is no TOML."""

    file: str
    text: str
    error: TomlError
    """What the reader says to it."""
    line: str
    """The line of which the reader says that."""

    @property
    def first(self) -> str:
        """The first line that says something."""
        lines = (line for line in self.text.split("\n") if line.strip() and not line.lstrip().startswith("#"))
        return next(lines, "")

    def number(self, pattern: str) -> int | None:
        """The line number of the first line that `pattern` matches at its beginning."""
        numbers = (number for number, line in enumerate(self.text.split("\n"), 1) if re.match(pattern, line))
        return next(numbers, None)

    def problem(self, text: str, advice: str = "", line: int | None = None, instead: str = "") -> Problem:
        """Say what is wrong at `line`, else where the reader stumbled."""
        problem = Position(file=self.file).error("", text, advice, instead)
        if line is None or line == self.error.line:
            return replace(problem, line=self.error.line, column=self.error.column)
        return replace(problem, line=line, column=1)


def syntax_problem(file: str, text: str, error: TomlError) -> Problem:
    """Return the problem of a file that is no TOML: its likeliest cause, else what the reader says."""
    line = text.split("\n")[error.line - 1] if error.line and text else ""  # there is no text where it is no UTF-8
    wrong = _Wrong(file=file, text=text, error=error, line=line.rstrip("\r"))
    found = (problem for rule in _RULES if (problem := rule(wrong)) is not None)
    return next(found, wrong.problem(f"no TOML: {error.text}"))


def _template(wrong: _Wrong) -> Problem | None:
    found = PLACEHOLDER.search(wrong.line)
    if found is None or wrong.line.lstrip().startswith("<"):
        return None
    return wrong.problem(
        f"no TOML: {shown(found[0])} is of a template that nobody filled in",
        "let the program that the template is for write the file, and give its result",
    )


def _json(wrong: _Wrong) -> Problem | None:
    if not wrong.first.lstrip().startswith(("{", "[")):
        return None
    try:
        document: Any = json.loads(wrong.text)
    except (ValueError, RecursionError):
        if not wrong.first.lstrip().startswith("{"):
            return None
        document = None
    found = foreign(document) if isinstance(document, dict) else None
    line = wrong.number(r"\s*[{\[]")
    if found is None:
        return wrong.problem("this is JSON; registries.conf is TOML", _TABLES, line)
    return wrong.problem(f"this is {found.what}, in JSON; registries.conf is TOML", found.advice, line, found.instead)


def _yaml(wrong: _Wrong) -> Problem | None:
    first = wrong.first
    if first.rstrip() != "---" and not _COLON.fullmatch(first.rstrip()) and not first.startswith("- "):
        return None
    advice = f"{_TABLES}; of YAML, OpenShift's objects are read: begin with kind: ImageDigestMirrorSet"
    return wrong.problem("this is YAML; registries.conf is TOML", advice, wrong.text.split("\n").index(first) + 1)


def _plain(pattern: str, text: str, advice: str) -> Callable[[_Wrong], Problem | None]:
    """Return the rule of a line that needs no closer look."""

    def rule(wrong: _Wrong) -> Problem | None:
        found = re.match(pattern, wrong.line)
        return None if found is None else wrong.problem(text.format(shown(found[0].strip())), advice)

    return rule


def _web_page(wrong: _Wrong) -> Problem | None:
    if not re.match(r"\s*<[!?A-Za-z]", wrong.first):
        return None
    return wrong.problem("this is a web page (HTML or XML), no TOML", "fetch the file itself", line=1)


def _colon(wrong: _Wrong) -> Problem | None:
    found = _COLON.fullmatch(wrong.line)
    if found is None or "=" in wrong.line.partition(":")[0]:
        return None
    return wrong.problem(f"no TOML: after {found[1]} stands a colon", f"write {found[1]} = …")


def _boolean(wrong: _Wrong) -> Problem | None:
    found = _WORD.fullmatch(wrong.line)
    if found is None or found[2].lower() not in _BOOLEANS:
        return None
    meant = _BOOLEANS[found[2].lower()]
    return wrong.problem(f"no TOML: a boolean is true or false, not {found[2]}", f"write {found[1]} = {meant}")


def _bare(wrong: _Wrong) -> Problem | None:
    found = _BARE.fullmatch(wrong.line)
    known = keys.REGISTRY | keys.MIRROR | keys.TOP
    if found is None or known.get(keys.fold(found[1])) is not keys.Type.STRING:
        return None
    advice = f'write {found[1]} = "{found[2]}"' if "@" not in found[2] else f'write {found[1]} = "…"'
    return wrong.problem(f"no TOML: the value of {found[1]} has no quotes", advice)


def _twice(wrong: _Wrong) -> Problem | None:
    said = wrong.error.text
    if "already exists" not in said:
        return None
    before = wrong.text.split("\n")[: wrong.error.line]
    twice = next((key for key in keys.REGISTRY if f'"{key}"' in said), None)
    if '"registry"' in said:
        return _registry_twice(wrong)
    if twice is not None and not any(line.lstrip().startswith("[") for line in before):
        return wrong.problem(f"no TOML: {said} outside any table: {LOST_HEADERS}", MEND_HEADERS)
    if twice == "mirror":
        return wrong.problem(f"no TOML: {said}", "write every mirror as a [[registry.mirror]] table, and no key mirror")
    if twice is not None:
        return wrong.problem(
            f"no TOML: {said} in this table",
            "keep one of the two, or put [[registry]] (of a mirror: [[registry.mirror]]) before the second",
        )
    return wrong.problem(f"no TOML: {said}", "keep one of the two")


def _registry_twice(wrong: _Wrong) -> Problem:
    """A table [registry], or [[registry.mirror]], which makes one, and then [[registry]] tables."""
    headers = Lines(wrong.text).headers
    line, path = next(((line, path) for line, path in headers if path[:1] == ("registry",)), (None, ()))
    if path[:2] == ("registry", "mirror"):
        return wrong.problem(
            "no TOML: this mirror stands before any [[registry]] that it could belong to",
            "move it below the [[registry]] whose images it has",
            line,
        )
    return wrong.problem(
        'no TOML: "registry" stands as a single table and as an array of tables',
        "write [[registry]] before each registry's keys, never [registry]",
        line,
    )


_RULES: tuple[Callable[[_Wrong], Problem | None], ...] = (
    _template,
    _web_page,
    _plain(
        r"<{7}|={7}|>{7}",
        "no TOML: this is the mark of a merge conflict",
        "keep one of the two sides, and remove the marks",
    ),
    _plain(
        r".*<<-?\s*[\"']?\w+",
        "no TOML: this is the shell command that was to write the file",
        "remove this line, and the one at the end that closes it (EOF)",
    ),
    _plain(r"\s*[A-Z_]{3,}\s*$", "no TOML: {} ends a file that a shell command writes", "remove this line"),
    _json,
    _yaml,
    _plain(
        ".*[\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb]",
        "no TOML: these quotes are a word processor's",
        'write plain ones: "',
    ),
    _plain(r"\s*(//|;|/\*|--)", "no TOML: a comment begins with #", "put a # before this line, or remove it"),
    _colon,
    _boolean,
    _bare,
    _twice,
)
