"""Configurations as TOML: the one writer of scoped files, of what `normalize` prints, and of redirects (pure)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidConfiguration
from skopeo_mirror.registries_conf.model import PullFromMirror, contradictions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skopeo_mirror.registries_conf.model import Configuration, Mirror, Registry

_FOUR_DIGITS = 0xFFFF  # the last code point that four hex digits can name
_NO_PRINTABLE_ASCII = re.compile(r"[^\x00-\x7e]")


def normalized(configuration: Configuration) -> str:
    """Return the configuration in one canonical form: plain TOML 1.0 that every skopeo from 1.9 on reads the same way.

    Prefix and location are explicit, the entries sorted by prefix, defaults left out. Reading the result gives the same
    routes for every reference, and normalizing it again the same text. Raises InvalidConfiguration where entries of
    different files contradict each other: containers/image lets that pass across files, and refuses it in one.
    """
    problems = [
        f"{_file(registry)}: registry ({registry.prefix}).{key}: differs from the entry {other.prefix} of "
        f"{_file(other)}, which has the same location {registry.location or registry.prefix!r}; one file cannot say "
        f"both (give both one {key})"
        for registry, other, key in contradictions(configuration.registries)
    ]
    if problems:
        raise InvalidConfiguration(problems)
    others = configuration.others
    settings = [f"{key} = {value_text(value)}" for key, value in sorted(others.items()) if value and key != "aliases"]
    aliases = [f"{value_text(name)} = {value_text(value)}" for name, value in sorted(others.get("aliases", {}).items())]
    return document(
        [
            "\n".join(settings),
            *map(registry_text, sorted(configuration.registries, key=lambda registry: registry.prefix)),
            "\n".join(["[aliases]", *aliases] if aliases else []),
        ]
    )


def document(sections: Iterable[str]) -> str:
    """Return a file of the sections that are not empty, with a blank line between them."""
    return "".join(pieces(sections))


def pieces(sections: Iterable[str]) -> Iterator[str]:
    """Yield the same file in pieces: where there are many sections, no text need hold them all."""
    for number, section in enumerate(filter(None, sections)):
        yield f"\n{section}\n" if number else f"{section}\n"


def registry_text(registry: Registry) -> str:
    """Return one `[[registry]]` with its mirrors, defaults left out."""
    lines = ["[[registry]]", f"prefix = {value_text(registry.prefix)}"]
    if registry.location:
        lines.append(f"location = {value_text(registry.location)}")
    flags = {
        "insecure": registry.insecure,
        "blocked": registry.blocked,
        "mirror-by-digest-only": registry.mirror_by_digest_only,
    }
    lines += [f"{key} = true" for key, flag in flags.items() if flag]
    return "\n\n".join(["\n".join(lines), *map(_mirror_text, registry.mirrors)])


def value_text(value: object) -> str:
    """Return a string, or an array of them, in TOML; ASCII only, for old readers stumble over some characters.

    A printable string of ASCII is the same in YAML.
    """
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    return _NO_PRINTABLE_ASCII.sub(_escaped, json.dumps(str(value), ensure_ascii=False))


def _file(registry: Registry) -> str:
    return "the configuration" if registry.position is None else registry.position.file


def _mirror_text(mirror: Mirror) -> str:
    lines = ["[[registry.mirror]]", f"location = {value_text(mirror.location)}"]
    if mirror.insecure:
        lines.append("insecure = true")
    if mirror.pull_from_mirror is not PullFromMirror.ALL:
        lines.append(f"pull-from-mirror = {value_text(mirror.pull_from_mirror)}")
    return "\n".join(lines)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04X}" if code <= _FOUR_DIGITS else f"\\U{code:08X}"
