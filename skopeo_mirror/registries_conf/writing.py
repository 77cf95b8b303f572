"""Entries as TOML: the one writer of scoped files, of what `normalize` prints, and of redirects (pure)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from skopeo_mirror.registries_conf.model import PullFromMirror

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skopeo_mirror.registries_conf.model import Mirror, Registry

_FOUR_DIGITS = 0xFFFF  # the last code point that four hex digits can name
_NO_PRINTABLE_ASCII = re.compile(r"[^\x00-\x7e]")


def document(sections: Iterable[str]) -> str:
    """Return a file of the sections that are not empty, with a blank line between them."""
    text = "\n\n".join(filter(None, sections))
    return f"{text}\n" if text else ""


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
