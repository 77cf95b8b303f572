"""Why a file is no TOML, for people: what stands there instead, and the cure (pure)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skopeo_mirror.reference import shown
from skopeo_mirror.registries_conf import keys
from skopeo_mirror.registries_conf.foreign import foreign
from skopeo_mirror.registries_conf.locations import PLACEHOLDER
from skopeo_mirror.registries_conf.positions import Lines
from skopeo_mirror.registries_conf.problem import Problem, Severity

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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cause:
    """A likely cause, as the problem tells it."""

    text: str
    advice: str
    line: int | None = None
    """Where it is another than the reader's."""
    instead: str = ""


def syntax_problem(file: str, text: str, error: TomlError) -> Problem:
    """Return the problem of a file that is no TOML: its likeliest cause, else what the reader says."""
    line = text.split("\n")[error.line - 1] if error.line and text else ""  # there is no text where it is no UTF-8
    wrong = _Wrong(text=text, error=error, line=line.rstrip("\r"))
    found = next((cause for rule in _RULES if (cause := rule(wrong)) is not None), None)
    cause = found or _Cause(text=f"no TOML: {error.text}", advice="")
    elsewhere = cause.line is not None and cause.line != error.line
    return Problem(
        file=file,
        severity=Severity.ERROR,
        text=cause.text,
        advice=cause.advice,
        instead=cause.instead,
        line=cause.line if elsewhere else error.line,
        column=1 if elsewhere else error.column,
    )


def _template(wrong: _Wrong) -> _Cause | None:
    found = PLACEHOLDER.search(wrong.line)
    if found is None or wrong.line.lstrip().startswith("<"):
        return None
    return _Cause(
        text=f"no TOML: {shown(found[0])} is of a template that nobody filled in",
        advice="let the program that the template is for write the file, and give its result",
    )


def _json(wrong: _Wrong) -> _Cause | None:
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
    if found is not None:
        return _Cause(
            text=f"this is {found.what}, in JSON; registries.conf is TOML",
            advice=found.advice,
            line=line,
            instead=found.instead,
        )
    return _Cause(text="this is JSON; registries.conf is TOML", advice=_TABLES, line=line)


def _yaml(wrong: _Wrong) -> _Cause | None:
    first = wrong.first
    if first.rstrip() != "---" and not _COLON.fullmatch(first.rstrip()) and not first.startswith("- "):
        return None
    return _Cause(
        text="this is YAML; registries.conf is TOML", advice=_TABLES, line=wrong.number(re.escape(first) + "$")
    )


def _plain(pattern: str, text: str, advice: str) -> Callable[[_Wrong], _Cause | None]:
    """Return the rule of a line that needs no closer look."""

    def rule(wrong: _Wrong) -> _Cause | None:
        found = re.match(pattern, wrong.line)
        return None if found is None else _Cause(text=text.format(shown(found[0].strip())), advice=advice)

    return rule


def _web_page(wrong: _Wrong) -> _Cause | None:
    if not re.match(r"\s*<[!?A-Za-z]", wrong.first):
        return None
    return _Cause(text="this is a web page (HTML or XML), no TOML", advice="fetch the file itself", line=1)


def _colon(wrong: _Wrong) -> _Cause | None:
    found = _COLON.fullmatch(wrong.line)
    if found is None or "=" in wrong.line.partition(":")[0]:
        return None
    return _Cause(text=f"no TOML: after {found[1]} stands a colon", advice=f"write {found[1]} = …")


def _boolean(wrong: _Wrong) -> _Cause | None:
    found = _WORD.fullmatch(wrong.line)
    meant = None if found is None else _BOOLEANS.get(found[2].lower())
    if found is None or meant is None:
        return None
    return _Cause(text=f"no TOML: a boolean is true or false, not {found[2]}", advice=f"write {found[1]} = {meant}")


def _bare(wrong: _Wrong) -> _Cause | None:
    found = _BARE.fullmatch(wrong.line)
    known = keys.REGISTRY | keys.MIRROR | keys.TOP
    if found is None or known.get(keys.fold(found[1])) is not keys.Type.STRING:
        return None
    advice = f'write {found[1]} = "{found[2]}"' if "@" not in found[2] else f'write {found[1]} = "…"'
    return _Cause(text=f"no TOML: the value of {found[1]} has no quotes", advice=advice)


def _twice(wrong: _Wrong) -> _Cause | None:
    said = wrong.error.text
    if "already exists" not in said:
        return None
    headers = Lines(wrong.text).headers
    before = wrong.text.split("\n")[: wrong.error.line]
    twice = next((key for key in keys.REGISTRY if f'"{key}"' in said), None)
    if '"registry"' in said:
        return _registry_twice(headers)
    if twice is not None and not any(line.lstrip().startswith("[") for line in before):
        return _Cause(text=f"no TOML: {said} outside any table: {LOST_HEADERS}", advice=MEND_HEADERS)
    if twice == "mirror":
        return _Cause(
            text=f"no TOML: {said}", advice="write every mirror as a [[registry.mirror]] table, and no key mirror"
        )
    if twice is not None:
        return _Cause(
            text=f"no TOML: {said} in this table",
            advice="keep one of the two, or put [[registry]] (of a mirror: [[registry.mirror]]) before the second",
        )
    return _Cause(text=f"no TOML: {said}", advice="keep one of the two")


def _registry_twice(headers: list[tuple[int, tuple[str, ...]]]) -> _Cause:
    """A table [registry], or [[registry.mirror]], which makes one, and then [[registry]] tables."""
    line, path = next(((line, path) for line, path in headers if path[:1] == ("registry",)), (None, ()))
    if path[:2] == ("registry", "mirror"):
        return _Cause(
            text="no TOML: this mirror stands before any [[registry]] that it could belong to",
            advice="move it below the [[registry]] whose images it has",
            line=line,
        )
    return _Cause(
        text='no TOML: "registry" stands as a single table and as an array of tables',
        advice="write [[registry]] before each registry's keys, never [registry]",
        line=line,
    )


_RULES: tuple[Callable[[_Wrong], _Cause | None], ...] = (
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
