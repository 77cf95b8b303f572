"""Warnings about keys: what a reader of registries.conf passes over without a word (pure)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from skopeo_mirror.reference import shown
from skopeo_mirror.registries_conf import keys
from skopeo_mirror.registries_conf.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from skopeo_mirror.registries_conf.keys import Type
    from skopeo_mirror.registries_conf.place import Lines
    from skopeo_mirror.registries_conf.problem import Problem

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
_LISTED = 20  # unknown keys a table that are named one by one
LOST_HEADERS = "the [[registry]] headers got lost"
MEND_HEADERS = (
    "put the line [[registry]] before each registry's keys, and [[registry.mirror]] before each mirror's; "
    "some programs take the double brackets away"
)


def key_warnings(document: Mapping[str, Any], *, file: str, lines: Lines) -> Iterator[Problem]:
    """Yield a warning for each key of one file that has no effect where it stands."""
    top = Place(file=file, lines=lines)
    sorted_keys = keys.sort_keys(document, keys.TOP)
    stray = [key for key in sorted_keys.unknown if keys.fold(key) in keys.REGISTRY]
    for key in stray:
        yield top.warning(
            key,
            f"stands outside any table, so it has no effect: {LOST_HEADERS}, if it is meant for a registry",
            MEND_HEADERS,
        )
    yield from _unknown(top, [key for key in sorted_keys.unknown if key not in stray], keys.TOP)
    if "aliases" in sorted_keys.known and not isinstance(sorted_keys.known["aliases"], dict):
        yield top.warning("aliases", "is no table, so it is ignored", "write [aliases] and a line for each")
    for index, registry in enumerate(_tables(sorted_keys.known.get("registry"))):
        yield from _in_registry(registry, index, top)


def _in_registry(table: Mapping[str, Any], index: int, top: Place) -> Iterator[Problem]:
    place = top.registry(index, keys.registry_name(table))
    sorted_keys = keys.sort_keys(table, keys.REGISTRY)
    yield from _unknown(place, sorted_keys.unknown, keys.REGISTRY)
    for number, mirror in enumerate(_tables(sorted_keys.known.get("mirror"))):
        yield from _unknown(place.mirror(index, number), keys.sort_keys(mirror, keys.MIRROR).unknown, keys.MIRROR)


def _unknown(place: Place, unknown: list[str] | tuple[str, ...], names: Mapping[str, Type]) -> Iterator[Problem]:
    for key in unknown[:_LISTED]:
        yield place.warning(_shown_key(key), *_why_unknown(key, names))
    if len(unknown) > _LISTED:
        yield place.warning("", f"has {len(unknown) - _LISTED} more unknown keys, all of them ignored")


def _why_unknown(key: str, names: Mapping[str, Type]) -> tuple[str, str]:
    name = keys.fold(key)
    if names is keys.MIRROR and name in keys.REGISTRY:
        return "has no effect on a mirror", "move it up, before the [[registry.mirror]] tables of its registry"
    if names is not keys.TOP and name in keys.TOP:
        return "has no effect in this table", "move it to the top of the file, before the first [[registry]]"
    meant = keys.nearest(key, names)
    return "is no key of registries.conf, so it is ignored", f"did you mean {meant}?" if meant else ""


def _shown_key(key: str) -> str:
    """Return a key for a message: as it is where it is plain and short, else quoted."""
    return key if _PLAIN_KEY.fullmatch(key) else shown(key)


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [table for table in value if isinstance(table, dict)] if isinstance(value, list) else []
