"""The parsing of one registries.conf: TOML values in, entries and every problem out (pure).

The rules are `loadConfigFile` and `postProcessRegistries` of containers/image (pkg/sysregistriesv2); only the order of
the findings is our own, for containers/image stops at the first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.reference import Reference, is_domain, shown, split_repository
from skopeo_mirror.registries_conf import keys
from skopeo_mirror.registries_conf.foreign import foreign, listed, mirror_advice
from skopeo_mirror.registries_conf.keys import Type
from skopeo_mirror.registries_conf.locations import cleaned
from skopeo_mirror.registries_conf.model import Configuration, Mirror, PullFromMirror, Registry, contradictions
from skopeo_mirror.registries_conf.problem import Position, Problem, errors
from skopeo_mirror.registries_conf.writing import normalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from skopeo_mirror.registries_conf.foreign import Foreign

_SCHEMES = ("http://", "https://")
_SHORT_NAME_MODES = ("disabled", "enforcing", "permissive")


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What one file says, as far as it is valid."""

    registries: tuple[Registry, ...] = ()
    """The entries in their order, duplicates included."""
    others: dict[str, Any] = field(default_factory=dict)
    """The other settings at the top."""
    foreign: Foreign | None = None
    """The other program's configuration that it is, if it is one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _CheckedTable:
    """A table of the file, its keys looked at."""

    position: Position
    values: dict[str, Any]
    """The known keys, by their proper names, whose values have the right type."""
    problems: list[Problem]
    """What is wrong with the table, and with those below it that have been looked at."""

    @classmethod
    def of(cls, table: Mapping[str, Any], names: Mapping[str, Type], position: Position) -> Self:
        """Look at the keys of a table that may have the keys `names`."""
        found = keys.sort_keys(table, names)
        checked = cls(position=position, values={}, problems=[])
        for one, other in found.clashing:
            checked.error(other, f"{one!r} and {other!r} are the same key, and readers pick one at random", "keep one")
        for name, value in found.known.items():
            if keys.has_type(value, names[name]):
                checked.values[name] = value
            elif name != "aliases":  # containers/image ignores aliases that are no table
                checked.error(name, *_type_complaint(name, value, names[name]))
        return checked

    def error(self, key: str, text: str, advice: str = "", instead: str = "") -> None:
        """Note what is wrong with a key, or with the table where `key` is empty."""
        self.problems.append(self.position.error(key, text, advice, instead))

    def location(self, key: str) -> str:
        """Return a location or prefix; an empty one where it is missing or has a scheme."""
        text = self.values.get(key, "")
        trimmed = _trimmed(text)
        if trimmed is not None:
            return trimmed
        meant = cleaned(text)
        advice = f'write {key} = "{meant}", and insecure = true for a plain HTTP registry'
        said = f"{shown(text)} has a scheme; registries.conf names hosts, not URLs"
        self.error(key, said, advice if meant else "write host[:port]/path")
        return ""


def parse_document(document: Mapping[str, Any], position: Position) -> tuple[Contents, list[Problem]]:
    """Return what the file at `position` says, and every reason for which containers/image would refuse it."""
    other = foreign(document)
    is_refused = other is not None and other.key == "registry"
    top = _CheckedTable.of(
        {key: value for key, value in document.items() if not (is_refused and key == "registry")}, keys.TOP, position
    )
    if other is not None and is_refused:
        text = f"this is {other.what}, which is not read here"
        top.problems.insert(0, position.error("registry", text, other.advice, other.instead))
    registries = [_registry(table, index, top) for index, table in enumerate(top.values.pop("registry", []))]
    contents = Contents(
        registries=tuple(registry for registry in registries if registry is not None),
        others=top.values,
        foreign=other,
    )
    _check_agreement(contents.registries, top)
    version_1 = top.values.pop("registries", {})
    _check_others(top)
    _check_version_1(version_1, contents, top)
    return contents, top.problems


def _trimmed(location: str) -> str | None:
    """Return a location or prefix without slashes at its end, or None where it has a scheme."""
    trimmed = location.rstrip("/")
    return None if trimmed.startswith(_SCHEMES) else trimmed


def _type_complaint(name: str, value: object, wanted: Type) -> tuple[str, str]:
    text = f"must be {wanted}, not {keys.described(value)}"
    if name == "mirror" and isinstance(value, list | str):
        return text, mirror_advice(value)
    if name == "registries" and isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return "is no key of its own", f"write unqualified-search-{name} = {json.dumps(listed(value))}"
        return (
            "is no table of registries.conf: it is called registry",
            "write [[registry]] instead of [[registries]], and [[registry.mirror]] instead of [[registries.mirror]]",
        )
    if name == "registry" and isinstance(value, dict) and list(value) == ["mirror"]:
        return text, "put the line [[registry]] before the first [[registry.mirror]]"
    if wanted is Type.TABLES and isinstance(value, dict):
        header = "registry.mirror" if name == "mirror" else name
        return text, f"write [[{header}]] instead of [{header}]"
    if wanted is Type.BOOLEAN and str(value).lower() in {"true", "false"}:
        return text, f"write {name} = {str(value).lower()}"
    if isinstance(value, list):
        return f"must be {wanted}, not an array with other values in it", f"make every item of {name} fit"
    return text, f"write {name} as {wanted}"


def _registry(table: Mapping[str, Any], index: int, top: _CheckedTable) -> Registry | None:
    """Return one `[[registry]]`, or None where it is invalid."""
    entry = _CheckedTable.of(table, keys.REGISTRY, top.position.registry(index, keys.registry_name(table)))
    values = entry.values
    location = entry.location("location")
    prefix_key = "prefix" if values.get("prefix") else "location"
    prefix = entry.location("prefix") if prefix_key == "prefix" else location  # "/" is an empty one
    if not values.get("prefix") and not values.get("location") and not entry.problems:
        entry.error("", "has neither location nor prefix", "set location to the registry's host[:port]/path")
    elif not location and not prefix.startswith("*.") and not entry.problems:
        entry.error(
            "location",
            "is missing, and only a prefix of the form *.example.com goes without one",
            f'add location = "{prefix}"',
        )
    if prefix.startswith("*.") and any(character in prefix for character in "/@:"):
        entry.error(
            prefix_key,
            f"the wildcard {shown(prefix)} may name hosts only",
            "write it as *.example.com, without port and path",
        )
    if values.get("pull-from-mirror"):
        entry.error(
            "pull-from-mirror",
            "is for mirrors, not for the registry itself",
            "move it into the [[registry.mirror]] tables",
        )
    mirrors = [_mirror(mirror, number, entry) for number, mirror in enumerate(values.get("mirror", []))]
    top.problems.extend(entry.problems)
    if errors(entry.problems):
        return None
    return Registry(
        prefix=prefix,
        location=location,
        insecure=values.get("insecure", False),
        blocked=values.get("blocked", False),
        mirror_by_digest_only=values.get("mirror-by-digest-only", False),
        mirrors=tuple(mirror for mirror in mirrors if mirror is not None),
        position=top.position.registry(index, prefix),
        prefix_key=prefix_key,
    )


def _mirror(table: Mapping[str, Any], index: int, entry: _CheckedTable) -> Mirror | None:
    """Return one `[[registry.mirror]]` of `entry`, or None where it is invalid."""
    mirror = _CheckedTable.of(table, keys.MIRROR, entry.position.mirror(index))
    location = mirror.location("location")
    if not location and not mirror.problems:
        mirror.error("location", "is missing", "say where the mirror is: host[:port]/path")
    pull = mirror.values.get("pull-from-mirror", "")
    if pull and entry.values.get("mirror-by-digest-only"):
        mirror.error(
            "pull-from-mirror",
            "cannot stand beside mirror-by-digest-only of the registry",
            "drop mirror-by-digest-only and set pull-from-mirror on every mirror",
        )
    elif pull and pull not in list(PullFromMirror):
        mirror.error("pull-from-mirror", f"{shown(pull)} is no such choice", f"choose {_choice(PullFromMirror)}")
    entry.problems.extend(mirror.problems)
    if mirror.problems:
        return None
    if mirror.values["location"] != location:
        text = "ends in a slash, with which skopeo 1.9.3 and 1.18 abort every pull that comes here"
        entry.problems.append(mirror.position.warning("location", text, f'write location = "{location}"'))
    return Mirror(
        location=location,
        insecure=mirror.values.get("insecure", False),
        pull_from_mirror=PullFromMirror(pull or PullFromMirror.ALL),
    )


def _check_agreement(registries: Iterable[Registry], top: _CheckedTable) -> None:
    for registry, other, key in contradictions(registries):
        assert registry.position is not None  # noqa: S101 - `_registry` gives one
        assert other.position is not None  # noqa: S101
        location = shown(registry.location or registry.prefix)
        text = f"differs from registry[{other.position.index}], which has the same location {location}"
        top.problems.append(registry.position.error(key, text, f"give both the same {key}"))


def _check_others(top: _CheckedTable) -> None:
    """Check, and trim in place, the settings that this project keeps but does not use."""
    hosts = []
    for index, text in enumerate(top.values.get("unqualified-search-registries", [])):
        where = f"unqualified-search-registries[{index}]"
        host = _trimmed(text)
        if host is None:
            top.error(where, f"{shown(text)} has a scheme", "write host or host:port")
        elif not is_domain(host):
            top.error(where, f"{shown(text)} is no host", "write host or host:port")
        else:
            hosts.append(host)
    if hosts:
        top.values["unqualified-search-registries"] = hosts
    mode = top.values.get("short-name-mode", "")
    if mode and mode not in _SHORT_NAME_MODES:
        top.error("short-name-mode", f"{shown(mode)} is no such mode", f"choose {_choice(_SHORT_NAME_MODES)}")
    for name, target in top.values.get("aliases", {}).items():
        if not isinstance(target, str):
            top.error(f"aliases.{name}", f"must be {Type.STRING}, not {keys.described(target)}")
            continue
        try:
            _check_alias(name, target)
        except InvalidReference as error:
            top.error(f"aliases.{name}", str(error), 'write name = "host/path", without tag and digest')


def _check_alias(name: str, target: str) -> None:
    """Raise InvalidReference as containers/image does (shortnames.go); aliases are not used here."""
    if _has_registry(name):
        raise InvalidReference(f"the short name {shown(name)} must not contain a registry")
    if not target:  # takes back the alias of an earlier file
        return
    if not _has_registry(target):
        raise InvalidReference(f"the alias {shown(target)} must contain registry and repository")
    Reference.parse(target)


def _has_registry(text: str) -> bool:
    host, _ = split_repository(text)
    return "." in host or ":" in host or host == "localhost"


def _check_version_1(table: Mapping[str, Any], contents: Contents, top: _CheckedTable) -> None:
    """Refuse version 1, and say in version 2 what it says (containers/image's `ConvertToV2`)."""
    hosts: dict[str, list[str]] = {}
    version_1 = _CheckedTable.of(table, keys.VERSION_1, top.position.below("registries"))
    top.problems.extend(version_1.problems)
    for name, value in version_1.values.items():
        lists = _CheckedTable.of(value, keys.VERSION_1_LIST, top.position.below(f"registries.{name}"))
        top.problems.extend(lists.problems)
        if "registries" in lists.values:
            hosts[name] = listed(lists.values["registries"])
    if not hosts:
        return
    text = "this is version 1 of the format: skopeo 1.9 and 1.18 still read it, newer ones refuse it"
    if contents.registries:
        text = "this is version 1 of the format, and no skopeo reads it in one file with [[registry]]"
    instead = "" if errors(top.problems) else _in_version_2(hosts, contents)
    advice = "write version 2 instead: `skopeo-mirror validate` prints a file that means the same"
    if not instead:
        empty = not any(hosts.values())
        advice = "remove these tables, which are empty" if empty else "write a [[registry]] table for each registry"
    key = "registries" if len(hosts) > 1 else f"registries.{next(iter(hosts))}"
    top.error(key, text, advice, instead)


def _in_version_2(hosts: Mapping[str, list[str]], contents: Contents) -> str:
    """Return a file that says the same in version 2; nothing where one file cannot."""
    registries = {registry.prefix: registry for registry in reversed(contents.registries)}
    for name, flag in (("insecure", "insecure"), ("block", "blocked")):
        for host in hosts.get(name, ()):
            registry = registries.get(host, Registry(prefix=host, location=host))
            registries[host] = replace(registry, **{flag: True})  # type: ignore[arg-type]
    if any(contradictions(registries.values())):
        return ""
    searched = list(dict.fromkeys(host.partition("/")[0] for host in hosts.get("search", ())))
    others = contents.others | ({"unqualified-search-registries": searched} if searched else {})
    return normalized(Configuration(registries=tuple(registries.values()), others=others))


def _choice(values: Iterable[str]) -> str:
    *most, last = (f'"{value}"' for value in values)
    return f"{', '.join(most)} or {last}"
