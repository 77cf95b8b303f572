"""What one registries.conf says: TOML values in, entries and every problem out (pure).

The rules are `loadConfigFile` and `postProcessRegistries` of containers/image (pkg/sysregistriesv2); only the order of
the findings is our own, for containers/image stops at the first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.reference import is_domain, shown
from skopeo_mirror.registries_conf import aliases, keys
from skopeo_mirror.registries_conf.foreign import foreign, listed, mirror_advice
from skopeo_mirror.registries_conf.keys import Type
from skopeo_mirror.registries_conf.locations import cleaned
from skopeo_mirror.registries_conf.model import Configuration, Mirror, Origin, PullFromMirror, Registry, contradictions
from skopeo_mirror.registries_conf.normalizing import normalize
from skopeo_mirror.registries_conf.positions import Position
from skopeo_mirror.registries_conf.problem import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from skopeo_mirror.registries_conf.positions import Lines
    from skopeo_mirror.registries_conf.problem import Problem

_SCHEMES = ("http://", "https://")
_SHORT_NAME_MODES = ("disabled", "enforcing", "permissive")


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """One file's valid entries in their order, duplicates included, and its other top-level settings.

    `is_foreign`: it is another program's configuration.
    """

    registries: tuple[Registry, ...] = ()
    others: dict[str, Any] = field(default_factory=dict)
    is_foreign: bool = False


def interpret(document: Mapping[str, Any], *, file: str, lines: Lines) -> tuple[Contents, tuple[Problem, ...]]:
    """Return what `document` says and every reason for which containers/image would refuse it."""
    problems: list[Problem] = []
    top = Position(file=file, lines=lines)
    other = foreign(document)
    if other is not None and other.key == "registry":
        problems.append(
            top.error("registry", f"this is {other.what}, which is not read here", other.advice, other.instead)
        )
        document = {key: value for key, value in document.items() if key != "registry"}
    values = _typed(document, keys.TOP, top, problems)
    registries = [
        registry
        for index, table in enumerate(values.pop("registry", []))
        if (registry := _registry(table, index, top, problems)) is not None
    ]
    problems += _conflicts(registries, top)
    version_1 = values.pop("registries", {})
    problems += _others(values, top)
    _version_1(version_1, Contents(registries=tuple(registries), others=values), top, problems)
    contents = Contents(registries=tuple(registries), others=values, is_foreign=other is not None)
    return contents, tuple(problems)


def location(text: str) -> str:
    """Return a location or prefix trimmed of slashes at its end; raise ValueError where it has a scheme."""
    trimmed = text.rstrip("/")
    if trimmed.startswith(_SCHEMES):
        raise ValueError(text)
    return trimmed


def _typed(
    table: Mapping[str, Any], names: Mapping[str, Type], place: Position, problems: list[Problem]
) -> dict[str, Any]:
    """Return the known keys that have the right type; everything else goes to `problems`."""
    found = keys.sort_keys(table, names)
    for one, other in found.clashing:
        problems.append(
            place.error(other, f"{one!r} and {other!r} are the same key, and readers pick one at random", "keep one")
        )
    typed: dict[str, Any] = {}
    for name, value in found.known.items():
        if keys.has_type(value, names[name]):
            typed[name] = value
        elif name != "aliases":  # containers/image ignores aliases that are no table
            problems.append(place.error(name, *_type_complaint(name, value, names[name])))
    return typed


def _type_complaint(name: str, value: object, wanted: Type) -> tuple[str, str]:
    found = keys.described(value)
    if name == "mirror" and isinstance(value, list | str):
        return f"must be {wanted}, not {found}", mirror_advice(value)
    if name == "registries" and isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return "is no key of its own", f"write unqualified-search-{name} = {json.dumps(listed(value))}"
        return (
            "is no table of registries.conf: it is called registry",
            "write [[registry]] instead of [[registries]], and [[registry.mirror]] instead of [[registries.mirror]]",
        )
    if name == "registry" and isinstance(value, dict) and list(value) == ["mirror"]:
        return f"must be {wanted}, not {found}", "put the line [[registry]] before the first [[registry.mirror]]"
    if wanted is Type.TABLES and isinstance(value, dict):
        header = "registry.mirror" if name == "mirror" else name
        return f"must be {wanted}, not {found}", f"write [[{header}]] instead of [{header}]"
    if wanted is Type.BOOLEAN and str(value).lower() in {"true", "false"}:
        return f"must be {wanted}, not {found}", f"write {name} = {str(value).lower()}"
    if isinstance(value, list):
        return f"must be {wanted}, not an array with other values in it", f"make every item of {name} fit"
    return f"must be {wanted}, not {found}", f"write {name} as {wanted}"


def _registry(table: Mapping[str, Any], index: int, top: Position, problems: list[Problem]) -> Registry | None:
    """Return one `[[registry]]`, or None where it is invalid."""
    place = top.registry(index, keys.registry_name(table))
    before = len(problems)
    values = _typed(table, keys.REGISTRY, place, problems)
    where = _location(values.get("location", ""), "location", place, problems)
    written = values.get("prefix", "")
    prefix = _location(written, "prefix", place, problems) if written else where  # "/" is an empty one
    if not values.get("prefix") and not values.get("location") and len(problems) == before:
        problems.append(
            place.error("", "has neither location nor prefix", "set location to the registry's host[:port]/path")
        )
    elif not where and not prefix.startswith("*.") and len(problems) == before:
        problems.append(
            place.error(
                "location",
                "is missing, and only a prefix of the form *.example.com goes without one",
                f'add location = "{prefix}"',
            )
        )
    if prefix.startswith("*.") and any(character in prefix for character in "/@:"):
        problems.append(
            place.error(
                "prefix" if values.get("prefix") else "location",
                f"the wildcard {shown(prefix)} may name hosts only",
                "write it as *.example.com, without port and path",
            )
        )
    if values.get("pull-from-mirror"):
        problems.append(
            place.error(
                "pull-from-mirror",
                "is for mirrors, not for the registry itself",
                "move it into the [[registry.mirror]] tables",
            )
        )
    by_digest_only = values.get("mirror-by-digest-only", False)
    mirrors = [
        _mirror(mirror, number, place, index, problems, by_digest_only=by_digest_only)
        for number, mirror in enumerate(values.get("mirror", []))
    ]
    if _refused(problems[before:]):
        return None
    return Registry(
        prefix=prefix,
        location=where,
        insecure=values.get("insecure", False),
        blocked=values.get("blocked", False),
        mirror_by_digest_only=by_digest_only,
        mirrors=tuple(mirror for mirror in mirrors if mirror is not None),
        origin=Origin(
            file=top.file, index=index, line=place.line, prefix_key="prefix" if values.get("prefix") else "location"
        ),
    )


def _mirror(
    table: Mapping[str, Any],
    number: int,
    registry: Position,
    index: int,
    problems: list[Problem],
    *,
    by_digest_only: bool,
) -> Mirror | None:
    """Return one `[[registry.mirror]]`, or None where it is invalid."""
    place = registry.mirror(index, number)
    before = len(problems)
    values = _typed(table, keys.MIRROR, place, problems)
    where = _location(values.get("location", ""), "location", place, problems)
    if not where and len(problems) == before:
        problems.append(place.error("location", "is missing", "say where the mirror is: host[:port]/path"))
    pull = values.get("pull-from-mirror", "")
    if pull and by_digest_only:
        problems.append(
            place.error(
                "pull-from-mirror",
                "cannot stand beside mirror-by-digest-only of the registry",
                "drop mirror-by-digest-only and set pull-from-mirror on every mirror",
            )
        )
    elif pull and pull not in list(PullFromMirror):
        problems.append(
            place.error("pull-from-mirror", f"{shown(pull)} is no such choice", f"choose {_choice(PullFromMirror)}")
        )
    if len(problems) > before:
        return None
    if values["location"] != where:
        problems.append(
            place.warning(
                "location",
                "ends in a slash, with which skopeo 1.9.3 and 1.18 abort every pull that comes here",
                f'write location = "{where}"',
            )
        )
    return Mirror(
        location=where,
        insecure=values.get("insecure", False),
        pull_from_mirror=PullFromMirror(pull or PullFromMirror.ALL),
    )


def _location(text: str, key: str, place: Position, problems: list[Problem]) -> str:
    try:
        return location(text)
    except ValueError:
        meant = cleaned(text)
        advice = f'write {key} = "{meant}", and insecure = true for a plain HTTP registry'
        said = f"{shown(text)} has a scheme; registries.conf names hosts, not URLs"
        problems.append(place.error(key, said, advice if meant else "write host[:port]/path"))
        return ""


def _conflicts(registries: list[Registry], top: Position) -> list[Problem]:
    return [
        top.registry(_index(registry), registry.prefix).error(
            key,
            f"differs from registry[{_index(other)}], which has the same location "
            f"{shown(registry.location or registry.prefix)}",
            f"give both the same {key}",
        )
        for registry, other, key in contradictions(registries)
    ]


def _index(registry: Registry) -> int:
    return -1 if registry.origin is None else registry.origin.index


def _version_1(table: Mapping[str, Any], contents: Contents, top: Position, problems: list[Problem]) -> None:
    """Refuse version 1, and say in version 2 what it says (containers/image's `ConvertToV2`)."""
    hosts: dict[str, list[str]] = {}
    inner = Position(file=top.file, lines=top.lines, table="registries", line=top.lines.key("registries", 0))
    for name, value in _typed(table, keys.VERSION_1, inner, problems).items():
        place = Position(
            file=top.file, lines=top.lines, table=f"registries.{name}", line=top.lines.key(f"registries.{name}", 0)
        )
        typed = _typed(value, keys.VERSION_1_LIST, place, problems)
        if "registries" in typed:
            hosts[name] = listed(typed["registries"])
    if not hosts:
        return
    text = "this is version 1 of the format: skopeo 1.9 and 1.18 still read it, newer ones refuse it"
    if contents.registries:
        text = "this is version 1 of the format, and no skopeo reads it in one file with [[registry]]"
    instead = "" if _refused(problems) else _in_version_2(hosts, contents)
    advice = "write version 2 instead: `skopeo-mirror validate` prints a file that means the same"
    if not instead:
        empty = not any(hosts.values())
        advice = "remove these tables, which are empty" if empty else "write a [[registry]] table for each registry"
    key = "registries" if len(hosts) > 1 else f"registries.{next(iter(hosts))}"
    problems.append(top.error(key, text, advice, instead))


def _in_version_2(hosts: Mapping[str, list[str]], contents: Contents) -> str:
    registries = {registry.prefix: registry for registry in reversed(contents.registries)}
    for name, flag in (("insecure", "insecure"), ("block", "blocked")):
        for host in hosts.get(name, ()):
            registry = registries.get(host, Registry(prefix=host, location=host))
            registries[host] = replace(registry, **{flag: True})  # type: ignore[arg-type]
    searched = list(dict.fromkeys(host.partition("/")[0] for host in hosts.get("search", ())))
    others = contents.others | ({"unqualified-search-registries": searched} if searched else {})
    return normalize(Configuration(registries=tuple(registries.values()), others=others))


def _refused(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def _others(values: dict[str, Any], top: Position) -> list[Problem]:
    """Check, and normalize in place, the settings that this project keeps but does not use."""
    problems: list[Problem] = []
    searched = values.get("unqualified-search-registries", [])
    for index, host in enumerate(searched):
        where = f"unqualified-search-registries[{index}]"
        try:
            if not is_domain(location(host)):
                problems.append(top.error(where, f"{shown(host)} is no host", "write host or host:port"))
        except ValueError:
            problems.append(top.error(where, f"{shown(host)} has a scheme", "write host or host:port"))
    if searched and not problems:
        values["unqualified-search-registries"] = [location(host) for host in searched]
    mode = values.get("short-name-mode", "")
    if mode and mode not in _SHORT_NAME_MODES:
        problems.append(
            top.error("short-name-mode", f"{shown(mode)} is no such mode", f"choose {_choice(_SHORT_NAME_MODES)}")
        )
    for name, target in values.get("aliases", {}).items():
        where = f"aliases.{name}"
        if not isinstance(target, str):
            problems.append(top.error(where, f"must be {Type.STRING}, not {keys.described(target)}"))
            continue
        try:
            aliases.check(name, target)
        except InvalidReference as error:
            problems.append(top.error(where, str(error), 'write name = "host/path", without tag and digest'))
    return problems


def _choice(values: Iterable[str]) -> str:
    *most, last = (f'"{value}"' for value in values)
    return f"{', '.join(most)} or {last}"
