"""The keys of registries.conf, and how a reader matches them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Type(StrEnum):
    """What a key's value must be, in words for people."""

    STRING = "a string in quotes"
    BOOLEAN = "true or false, without quotes"
    STRINGS = "an array of strings"
    TABLES = "an array of tables"
    TABLE = "a table"


TOP = {
    "registry": Type.TABLES,
    "unqualified-search-registries": Type.STRINGS,
    "credential-helpers": Type.STRINGS,
    "short-name-mode": Type.STRING,
    "additional-layer-store-auth-helper": Type.STRING,
    "aliases": Type.TABLE,
    "registries": Type.TABLE,
}
REGISTRY = {
    "prefix": Type.STRING,
    "location": Type.STRING,
    "insecure": Type.BOOLEAN,
    "blocked": Type.BOOLEAN,
    "mirror-by-digest-only": Type.BOOLEAN,
    "pull-from-mirror": Type.STRING,
    "mirror": Type.TABLES,
}
MIRROR = {
    "location": Type.STRING,
    "insecure": Type.BOOLEAN,
    "pull-from-mirror": Type.STRING,
}
VERSION_1 = {"search": Type.TABLE, "insecure": Type.TABLE, "block": Type.TABLE}
VERSION_1_LIST = {"registries": Type.STRINGS}

_DESCRIBED = (
    (bool, "a boolean"),  # before the numbers, of which it is one
    (str, "a string"),
    (int | float, "a number"),
    (dict, "a single table"),
    (list, "an array"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sorted:
    """A table's keys, sorted."""

    known: dict[str, Any]
    """The values of those that are known, by the proper names of the keys."""
    unknown: tuple[str, ...]
    """As they are written."""
    clashing: tuple[tuple[str, str], ...]
    """Pairs that differ in case only, as they are written: containers/image takes one of them, at random."""


def sort_keys(table: Mapping[str, Any], names: Mapping[str, Type]) -> Sorted:
    """Match a table's keys against the known `names`, without regard to case."""
    written: dict[str, str] = {}
    unknown: list[str] = []
    clashing: list[tuple[str, str]] = []
    for key in table:
        name = fold(key)
        if name not in names:
            unknown.append(key)
        elif name in written:
            clashing.append((written[name], key))
        else:
            written[name] = key
    known = {name: table[key] for name, key in written.items()}
    return Sorted(known=known, unknown=tuple(unknown), clashing=tuple(clashing))


def fold(key: str) -> str:
    """Return a key as containers/image compares it: by Go's simple Unicode folding (`strings.EqualFold`).

    Two characters outside ASCII fold into it: the Kelvin sign, which `lower` turns into k, and the long s.
    """
    return key.lower().replace("\u017f", "s")


def nearest_key(key: str, names: Mapping[str, Type]) -> str | None:
    """Return the known key that `key` was probably meant to be."""
    matches = get_close_matches(fold(key).replace("_", "-"), names, n=1)
    return matches[0] if matches else None


def has_type(value: object, wanted: Type) -> bool:
    """Whether a TOML value is of the wanted type (elements of an array of tables are looked at by their reader)."""
    match wanted:
        case Type.STRING:
            return isinstance(value, str)
        case Type.BOOLEAN:
            return isinstance(value, bool)
        case Type.STRINGS:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case Type.TABLES:
            return isinstance(value, list) and all(isinstance(item, dict) for item in value)
        case Type.TABLE:
            return isinstance(value, dict)


def described(value: object) -> str:
    """Say what kind of value this is, for messages."""
    return next((words for kind, words in _DESCRIBED if isinstance(value, kind)), "a date or time")


def registry_name(table: Mapping[str, Any]) -> str:
    """Return what a `[[registry]]` table is called in messages: its prefix, else its location, else nothing."""
    known = sort_keys(table, REGISTRY).known
    name = known.get("prefix") or known.get("location")
    return name if isinstance(name, str) else ""
