"""The drop-ins that skopeo merges over the scoped file whatever it is told: found, and refused where they would win."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidConfiguration
from skopeo_mirror.reference import shown
from skopeo_mirror.registries_conf.model import AUTH_FILES
from skopeo_mirror.registries_conf.reading import examine

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from skopeo_mirror.registries_conf.model import Registry


def check_dropins(
    files: Sequence[Path],
    prefixes: Collection[str],
    places: Mapping[str, Collection[str]],
    credential_helpers: Sequence[str] = AUTH_FILES,
) -> dict[str, str]:
    """Refuse drop-ins that have exactly one of `prefixes`, those of the scoped files: nothing beats them.

    `places` are the repositories that each image's repository is written to. An entry that sends the image just there,
    as `redirect` writes it, is not refused: what is there already needs no pull. Returns the prefixes of such entries,
    each with its file. `credential_helpers` are those of the scoped files: a drop-in's would be run instead of them.
    Raises InvalidConfiguration, which names file and prefix; also for an invalid drop-in, which skopeo would refuse.
    """
    problems: list[str] = []
    helpers: tuple[str, tuple[str, ...]] | None = None
    captured: dict[str, str] = {}
    for file in files:
        examination = examine([file])
        problems += [str(problem) for problem in examination.errors]
        if examination.configuration is None:
            continue
        if "credential-helpers" in examination.configuration.others:
            helpers = (str(file), examination.configuration.credential_helpers)
        for registry in examination.configuration.registries:
            if registry.prefix not in prefixes:
                continue
            if _redirects_to(registry, places.get(registry.prefix, ())):
                captured[registry.prefix] = str(file)
                continue
            problems.append(
                f"{file}: has an entry with exactly the prefix {registry.prefix}, which skopeo would take instead of "
                "the configuration in force (move the drop-in away, or give its prefix a namespace instead of the "
                "repository)"
            )
    if helpers is not None and helpers[1] != tuple(credential_helpers):
        problems.append(
            f"{helpers[0]}: credential-helpers: skopeo would run {_named(helpers[1])} for every credential, not "
            f"{_named(credential_helpers)} (move the drop-in away, or have the configuration in force say the same)"
        )
    if problems:
        raise InvalidConfiguration(problems)
    return captured


def _named(helpers: Sequence[str]) -> str:
    return ", ".join("the auth files" if (helper,) == AUTH_FILES else shown(helper) for helper in helpers)


def _redirects_to(registry: Registry, places: Collection[str]) -> bool:
    mirrors = {mirror.location for mirror in registry.mirrors}
    return bool(mirrors) and mirrors <= set(places) and registry.location == registry.prefix and not registry.blocked
