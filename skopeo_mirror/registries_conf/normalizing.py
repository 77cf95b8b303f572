"""A configuration in one canonical form: plain TOML 1.0 that every skopeo from 1.9 on reads the same way (pure)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidConfiguration
from skopeo_mirror.registries_conf.model import PullFromMirror

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skopeo_mirror.registries_conf.model import Configuration, Mirror, Registry

_DELETE = 0x7F


def normalize(configuration: Configuration) -> str:
    """Return the configuration as TOML: prefix and location explicit, sorted by prefix, defaults left out.

    Reading the result gives the same routes for every reference, and normalizing it again the same text. Raises
    InvalidConfiguration where entries of different files contradict each other: containers/image lets that pass across
    files, and refuses it in one.
    """
    _check_agreement(configuration.registries)
    others = configuration.others
    settings = [f"{key} = {_value(value)}" for key, value in sorted(others.items()) if value and key != "aliases"]
    sections = ["\n".join(settings)] if settings else []
    sections += [_registry(registry) for registry in sorted(configuration.registries, key=lambda one: one.prefix)]
    aliases = others.get("aliases")
    if isinstance(aliases, dict) and aliases:
        sections.append(
            "\n".join(["[aliases]", *(f"{_value(name)} = {_value(aliases[name])}" for name in sorted(aliases))])
        )
    return "\n\n".join(sections) + "\n" if sections else ""


def _registry(registry: Registry) -> str:
    lines = ["[[registry]]", f"prefix = {_value(registry.prefix)}"]
    if registry.location:
        lines.append(f"location = {_value(registry.location)}")
    flags = {
        "insecure": registry.insecure,
        "blocked": registry.blocked,
        "mirror-by-digest-only": registry.mirror_by_digest_only,
    }
    lines += [f"{key} = true" for key, flag in flags.items() if flag]
    return "\n\n".join(["\n".join(lines), *map(_mirror, registry.mirrors)])


def _mirror(mirror: Mirror) -> str:
    lines = ["[[registry.mirror]]", f"location = {_value(mirror.location)}"]
    if mirror.insecure:
        lines.append("insecure = true")
    if mirror.pull_from_mirror is not PullFromMirror.ALL:
        lines.append(f"pull-from-mirror = {_value(str(mirror.pull_from_mirror))}")
    return "\n".join(lines)


def _value(value: object) -> str:
    """Return a string, or an array of them, in TOML; ASCII only, for old readers stumble over some characters."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return f'"{"".join(map(_escaped, str(value)))}"'


def _escaped(character: str) -> str:
    code = ord(character)
    if code > 0xFFFF:  # noqa: PLR2004 - the last code point that four hex digits can name
        return f"\\U{code:08X}"
    if code >= _DELETE:
        return f"\\u{code:04X}"
    return json.dumps(character)[1:-1]


def _check_agreement(registries: Iterable[Registry]) -> None:
    first: dict[str, Registry] = {}
    problems: list[str] = []
    for registry in registries:
        where = registry.location or registry.prefix
        other = first.setdefault(where, registry)
        problems += [
            f"{_file(registry)}: registry ({registry.prefix}).{key}: differs from the entry {other.prefix} of "
            f"{_file(other)}, which has the same location {where!r}; one file cannot say both (give both one {key})"
            for key in ("insecure", "blocked")
            if getattr(registry, key) != getattr(other, key)
        ]
    if problems:
        raise InvalidConfiguration(problems)


def _file(registry: Registry) -> str:
    return "the configuration" if registry.origin is None else registry.origin.file
