"""A configuration in one canonical form: plain TOML 1.0 that every skopeo from 1.9 on reads the same way (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidConfiguration
from skopeo_mirror.registries_conf.model import contradictions
from skopeo_mirror.registries_conf.writing import document, registry_text, value_text

if TYPE_CHECKING:
    from skopeo_mirror.registries_conf.model import Configuration, Registry


def normalized(configuration: Configuration) -> str:
    """Return the configuration as TOML: prefix and location explicit, sorted by prefix, defaults left out.

    Reading the result gives the same routes for every reference, and normalizing it again the same text. Raises
    InvalidConfiguration where entries of different files contradict each other: containers/image lets that pass across
    files, and refuses it in one.
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


def _file(registry: Registry) -> str:
    return "the configuration" if registry.position is None else registry.position.file
