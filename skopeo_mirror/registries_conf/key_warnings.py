"""Warnings about keys: what a reader of registries.conf passes over without a word (pure)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from skopeo_mirror.reference import shown
from skopeo_mirror.registries_conf import keys
from skopeo_mirror.registries_conf.foreign import mirror_advice
from skopeo_mirror.registries_conf.locations import cleaned
from skopeo_mirror.registries_conf.misreading import LOST_HEADERS, MEND_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from skopeo_mirror.registries_conf.foreign import Foreign
    from skopeo_mirror.registries_conf.keys import Type
    from skopeo_mirror.registries_conf.problem import Position, Problem

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
_LISTED = 20  # unknown keys a table that are named one by one
_IGNORED = "is no key of registries.conf, so it is ignored"
_VERIFYING = frozenset({"tls-verify", "ssl-verify", "verify", "verify-tls"})
_NOT_VERIFYING = frozenset({"skip-verify", "insecure-skip-verify", "skip-tls-verify", "http", "plain-http"})
_CREDENTIALS = frozenset({"username", "user", "password", "auth", "token", "identitytoken", "identity-token", "email"})
_LOCATIONS = frozenset({"url", "uri", "endpoint", "endpoints", "host", "hostname", "server", "address", "registry"})


def key_warnings(document: Mapping[str, Any], top: Position, other: Foreign | None) -> Iterator[Problem]:
    """Yield a warning for each key of the file `top` that has no effect where it stands.

    `other` is what the file is where it is another program's.
    """
    sorted_keys = keys.sort_keys(document, keys.TOP)
    if other is None:
        registries = _tables(sorted_keys.known.get("registry"))
        stray = [key for key in sorted_keys.unknown if keys.fold(key) in keys.REGISTRY]
        for key in stray:
            yield top.warning(key, *_why_stray(document[key], registries=bool(registries)))
        yield from _unknown(top, document, [key for key in sorted_keys.unknown if key not in stray], keys.TOP)
    elif other.key != "registry":  # which is an error
        text = f"this is {other.what}, which is not read here: nothing is redirected by it"
        yield top.warning(other.key, text, other.advice, other.instead)
    if "aliases" in sorted_keys.known and not isinstance(sorted_keys.known["aliases"], dict):
        yield top.warning("aliases", "is no table, so it is ignored", "write [aliases] and a line for each")
    for index, registry in enumerate(_tables(sorted_keys.known.get("registry"))):
        yield from _in_registry(registry, index, top)


def _in_registry(table: Mapping[str, Any], index: int, top: Position) -> Iterator[Problem]:
    position = top.registry(index, keys.registry_name(table))
    sorted_keys = keys.sort_keys(table, keys.REGISTRY)
    yield from _unknown(position, table, sorted_keys.unknown, keys.REGISTRY)
    for number, mirror in enumerate(_tables(sorted_keys.known.get("mirror"))):
        unknown = keys.sort_keys(mirror, keys.MIRROR).unknown
        yield from _unknown(position.mirror(number), mirror, unknown, keys.MIRROR, registry=sorted_keys.known)


def _unknown(
    position: Position,
    table: Mapping[str, Any],
    unknown: Sequence[str],
    names: Mapping[str, Type],
    registry: Mapping[str, Any] | None = None,
) -> Iterator[Problem]:
    for key in unknown[:_LISTED]:
        why = _why_of_mirror(key, table, registry or {}) if names is keys.MIRROR else None
        yield position.warning(_shown_key(key), *(why or _why_unknown(key, table, names)))
    if len(unknown) > _LISTED:
        more = len(unknown) - _LISTED
        yield position.warning(
            _shown_key(unknown[_LISTED]), f"is the first of {more} more unknown keys, all of them ignored"
        )


def _why_stray(value: object, *, registries: bool) -> tuple[str, str]:
    """A key of a `[[registry]]` that stands outside any table."""
    text = "stands outside any table, so it has no effect"
    if isinstance(value, list) and _tables(value):
        return text, "write [[registry.mirror]], below the [[registry]] whose images it has"
    if registries:
        return text, "move it below the [[registry]] or [[registry.mirror]] that it is meant for"
    return f"{text}: {LOST_HEADERS}, if it is meant for a registry", MEND_HEADERS


def _why_of_mirror(key: str, mirror: Mapping[str, Any], registry: Mapping[str, Any]) -> tuple[str, str] | None:
    """A key of a `[[registry]]` that stands in one of its mirrors: to move it up would mean something else."""
    name = keys.fold(key).replace("_", "-")
    if name not in keys.REGISTRY or name in keys.MIRROR:
        return None
    text = "has no effect on a mirror"
    value = mirror[key]
    where = mirror.get("location")
    if name == "mirror":
        return text, "put each mirror below its registry, as [[registry.mirror]]"
    if name == "prefix":
        advice = "remove it"
        other = cleaned(value) if isinstance(value, str) else ""
        if other and other not in (registry.get("prefix"), registry.get("location")):
            advice = (
                f'for images of {other} write another [[registry]] with location = "{other}", and this mirror there'
            )
        return f"{text}, which has the images of its registry", advice
    if value is not True:
        return text, "remove it"
    if name == "blocked":
        advice = "remove this mirror"
        if isinstance(where, str) and cleaned(where):
            advice += f', or block its host: a [[registry]] with location = "{cleaned(where)}" and blocked = true'
        return text, advice
    if registry.get("mirror-by-digest-only"):
        return f"{text}, and its registry says it already", "remove it"
    return text, 'write pull-from-mirror = "digest-only" instead'


def _why_unknown(key: str, table: Mapping[str, Any], names: Mapping[str, Type]) -> tuple[str, str]:
    name = keys.fold(key).replace("_", "-")
    value = table[key]
    if names is not keys.TOP and name in keys.TOP and name not in {"registry", "registries"}:
        return "has no effect in this table", "move it to the top of the file, before the first [[registry]]"
    if names is keys.REGISTRY and name in {"mirrors", "mirror"}:
        advice = "write [[registry.mirror]]" if _tables(value) else mirror_advice(value)
        return _IGNORED, f"did you mean mirror? {advice}"
    if names is keys.TOP and name in {"registrys", "registry"} and _tables(value):
        return _IGNORED, "did you mean registry? write [[registry]]"
    if names is keys.TOP:
        meant = keys.nearest_key(key, {known: names[known] for known in names if known != "registries"})
        return _IGNORED, f"did you mean {meant}?" if meant else ""
    if name in _CREDENTIALS:
        return f"{_IGNORED}, and credentials have no place here", "remove it; `skopeo login` keeps them in an auth file"
    if name in _VERIFYING | _NOT_VERIFYING:
        insecure = value is (name in _NOT_VERIFYING)
        return _IGNORED, "write insecure = true" if insecure else "remove it: it is what holds without it"
    if name in _LOCATIONS and "location" not in table and isinstance(value, str) and cleaned(value):
        return _IGNORED, f'write location = "{cleaned(value)}"'
    meant = keys.nearest_key(key, names)
    if meant == "mirror-by-digest-only" and _filter_themselves(table.get("mirror")):
        return _IGNORED, "remove it: the mirrors say themselves, by pull-from-mirror, which pulls they are for"
    return _IGNORED, f"did you mean {meant}?" if meant else ""


def _filter_themselves(mirrors: object) -> bool:
    return any(
        keys.nearest_key(key, keys.MIRROR) == "pull-from-mirror" for mirror in _tables(mirrors) for key in mirror
    )


def _shown_key(key: str) -> str:
    """Return a key for a message: as it is where it is plain and short, else quoted."""
    return key if _PLAIN_KEY.fullmatch(key) else shown(key)


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [table for table in value if isinstance(table, dict)] if isinstance(value, list) else []
