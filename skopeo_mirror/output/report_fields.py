"""Reports read back: the document, and its fields one by one (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.json_text import InvalidJson, parse_json
from skopeo_mirror.output.report import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_T = TypeVar("_T")
_KINDS: Final[dict[type, str]] = {str: "text", bool: "boolean", int: "integer", list: "list", dict: "object"}


def report_of(text: str, name: str) -> dict[str, Any]:
    """Read a report (schema `skopeo-mirror/report/v1`); `name` is for messages. Raises InvalidInput."""
    try:
        document = parse_json(text)
    except InvalidJson as error:
        raise InvalidInput([f"{name}: is no report: it is not JSON: {error}"]) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise InvalidInput([f"{name}: is no report of a kind that is known here: its schema is not {SCHEMA}"])
    found: dict[str, Any] = document
    return found


def damaged(name: str, error: InvalidReference) -> InvalidInput:
    """What is said of a report with a field that cannot be."""
    return InvalidInput([f"{name}: is a damaged report: {error}"])


def field(table: dict[str, Any], key: str, kind: type[_T], where: str = "") -> _T:
    """What a table has under `key`. Raises InvalidReference where that is missing or of another kind."""
    value = table.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InvalidReference(f"{place_of(key, where)}: {'is missing' if value is None else f'is no {_KINDS[kind]}'}")
    return value


def optional(table: dict[str, Any], key: str, kind: type[_T], where: str = "") -> _T | None:
    """As `field`; None where it is missing, or null."""
    return None if table.get(key) is None else field(table, key, kind, where)


def objects(entries: Iterable[Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of the list at `where`, each with its place. Raises InvalidReference where one is no object."""
    for number, entry in enumerate(entries):
        place = f"{where}[{number}]"
        if not isinstance(entry, dict):
            raise InvalidReference(f"{place} is no object")
        yield place, entry


def place_of(key: str, where: str) -> str:
    """Where a field is: `images[3].digest`."""
    return f"{where}.{key}".removeprefix(".")
