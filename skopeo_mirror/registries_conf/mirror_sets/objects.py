"""The objects of a YAML file as values with their places, and every problem of each (pure)."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.reference import NAME_LIMIT, shown
from skopeo_mirror.registries_conf.mirror_sets.merging import is_real
from skopeo_mirror.registries_conf.problem import Position
from skopeo_mirror.spelling import did_you_mean
from skopeo_mirror.yaml_text import read_yaml_documents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.registries_conf.problem import Problem
    from skopeo_mirror.yaml_text import Field, Node

NEVER = "NeverContactSource"
ALLOW = "AllowContactingSource"
DIGEST_SET, TAG_SET, POLICY, IMAGE = "ImageDigestMirrorSet", "ImageTagMirrorSet", "ImageContentSourcePolicy", "Image"
LISTS = {DIGEST_SET: "imageDigestMirrors", TAG_SET: "imageTagMirrors", POLICY: "repositoryDigestMirrors"}
"""Each kind with the name of its list."""

_INSTALL_CONFIG = ("imageDigestSources", "imageContentSources")
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_PLACE = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_PLAIN_NAME = re.compile(r"[\w.-]{1,253}")
_WILDCARD = re.compile(rf"\*(?:\.{_LABEL})+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry of a list of mirrors."""

    kind: str
    source: str
    mirrors: tuple[str, ...]
    never: bool
    """Whether the source is never to be asked."""
    position: Position
    mirror_positions: tuple[Position, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """One item of an Image's registrySources."""

    scope: str
    position: Position


@dataclass(kw_only=True, slots=True)
class Objects:
    """What files of objects say, and what is wrong with them."""

    entries: list[Entry] = field(default_factory=list)
    insecure: list[Scope] = field(default_factory=list)
    blocked: list[Scope] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def error(self, place: Position, text: str, advice: str = "") -> None:
        """Note what is wrong at a place."""
        self.problems.append(place.error("", text, advice))

    def warning(self, place: Position, text: str, advice: str = "") -> None:
        """Note what is surely not meant at a place."""
        self.problems.append(place.warning("", text, advice))

    def unknown(self, place: Position, name: str, known: Sequence[str], advice: str = "") -> None:
        """Note a field that nobody reads."""
        self.warning(place, f"unknown field {shown(name)}{did_you_mean(name, known)}", advice)


def read_objects(file: str, content: bytes, found: Objects) -> None:
    """Add what a file says to `found`. Raises UsageError where the library for YAML is missing."""
    place = Position(file=file)
    try:
        for document in read_yaml_documents(content, file):
            pending = deque([document] if document.value is not None else [])
            while pending:
                pending += _object(pending.popleft(), place, found)
    except InvalidInput as error:
        for told in error.problems:
            text = told.removeprefix(f"{file}:")
            spot = re.match(r"(\d+):(?:(\d+):)? ", text)
            if spot is None:
                found.error(place, text.strip())
            else:
                there = replace(place, line=int(spot[1]), column=int(spot[2]) if spot[2] else None)
                found.error(there, text[spot.end() :])


def _at(place: Position, table: str, spot: Node | Field) -> Position:
    return replace(place, table=table, line=spot.line, column=spot.column)


def _text(fields: dict[str, Field], name: str) -> str:
    value = fields[name].node.value if name in fields else None
    return value if isinstance(value, str) else ""


def _object(node: Node, place: Position, found: Objects) -> tuple[Node, ...]:
    """Add what an object says; return the objects that it lists."""
    place = _at(place, "", node)
    fields = node.value
    if not isinstance(fields, dict):
        advice = "write --- between objects, or kind: List with items" if isinstance(fields, tuple) else ""
        found.error(place, "expected an object with a kind", advice)
        return ()
    kind = _text(fields, "kind")
    if not kind and (sources := next((name for name in _INSTALL_CONFIG if name in fields), "")):
        text = f"{sources} is of an install-config.yaml, which is not read here"
        advice = f"write kind: {DIGEST_SET}, and its entries below spec.{LISTS[DIGEST_SET]}"
        found.error(_at(place, "", fields[sources]), text, advice)
    elif kind == "List" or (kind.endswith("List") and kind.removesuffix("List") in {*LISTS, IMAGE}):
        return _items(fields["items"], _at(place, "items", fields["items"]), found) if "items" in fields else ()
    elif kind in LISTS or kind == IMAGE:
        _known_object(kind, fields, place, found)
    elif not kind:
        found.error(place, "has no kind", f"write kind: {DIGEST_SET}, or another of {_kinds()}")
    else:
        text = f"the kind {shown(kind)} is not read here{did_you_mean(kind, (*LISTS, IMAGE))}"
        found.error(_at(place, "", fields["kind"]), text, f"there are {_kinds()}")
    return ()


def _known_object(kind: str, fields: dict[str, Field], place: Position, found: Objects) -> None:
    metadata = fields["metadata"].node.value if "metadata" in fields else None
    name = _text(metadata, "name") if isinstance(metadata, dict) else ""
    called = f"{kind}/{name}" if _PLAIN_NAME.fullmatch(name) else kind
    place = replace(place, table=called, object=called)
    for key, value in fields.items():
        if key not in {"apiVersion", "kind", "metadata", "spec", "status"}:
            found.unknown(_at(place, place.table, value), key, ("metadata", "spec"))
    spec = fields["spec"].node.value if "spec" in fields else None
    if not isinstance(spec, dict):
        found.error(place, "has no spec", "write the list below spec")
    elif kind == IMAGE:
        _image(spec, place, found)
    else:
        _mirror_set(kind, spec, place, found)


def _kinds() -> str:
    return ", ".join((*LISTS, IMAGE))


def _image(spec: dict[str, Field], place: Position, found: Objects) -> None:
    sources = spec["registrySources"].node.value if "registrySources" in spec else None
    if not isinstance(sources, dict):
        if sources is not None:
            there = _at(place, f"{place.table}.spec.registrySources", spec["registrySources"])
            found.error(there, "expected a mapping of lists")
        return
    for name, scopes in (("insecureRegistries", found.insecure), ("blockedRegistries", found.blocked)):
        if name not in sources:
            continue
        table = f"{place.table}.spec.registrySources.{name}"
        for index, item in enumerate(_items(sources[name], _at(place, table, sources[name]), found)):
            there = _at(place, f"{table}[{index}]", item)
            text = item.value
            if not isinstance(text, str) or not _is_scope(text):
                said = shown(text) if isinstance(text, str) else "this"
                advice = "write host[:port][/path] or *.example.com"
                found.error(there, f"{said} is no registry", advice)
            else:
                scopes.append(Scope(scope=text, position=there))
    known = ("insecureRegistries", "blockedRegistries", "allowedRegistries", "containerRuntimeSearchRegistries")
    for name, value in sources.items():
        if name not in known:
            there = _at(place, f"{place.table}.spec.registrySources", value)
            found.unknown(there, name, known)


def _is_scope(text: str) -> bool:
    if "*" in text:
        return text.startswith("*.") and len(text) > len("*.") and not any(sign in text[2:] for sign in "/@:*")
    blank = any(sign.isspace() for sign in text)
    return 0 < len(text) <= NAME_LIMIT and not blank and "://" not in text and not text.endswith("/")


def _items(field_: Field, place: Position, found: Objects) -> tuple[Node, ...]:
    value = field_.node.value
    if isinstance(value, tuple):
        return value
    if value is not None:
        found.error(place, "expected a list")
    return ()


def _mirror_set(kind: str, spec: dict[str, Field], place: Position, found: Objects) -> None:
    name = LISTS[kind]
    for key, value in spec.items():
        if key == name:
            continue
        there = _at(place, f"{place.table}.spec", value)
        if key == "mirrorSourcePolicy":
            text = "mirrorSourcePolicy beside the list has no effect: the API drops it"
            found.warning(there, text, "write it into each entry")
        elif key in LISTS.values():
            other = next(one for one, listed in LISTS.items() if listed == key)
            text = f"{key} is the list of {other} and has no effect here"
            found.warning(there, text, f"write {name}, or kind: {other}")
        else:
            found.unknown(there, key, (name,))
    if name not in spec:
        found.warning(place, f"has no spec.{name}, so it redirects nothing")
        return
    table = f"{place.table}.spec.{name}"
    for index, item in enumerate(_items(spec[name], _at(place, table, spec[name]), found)):
        _entry(kind, item, _at(place, f"{table}[{index}]", item), found)


def _entry(kind: str, node: Node, place: Position, found: Objects) -> None:
    fields = node.value
    if not isinstance(fields, dict):
        found.error(place, "expected a mapping with source and mirrors")
        return
    known = ("source", "mirrors", *(("mirrorSourcePolicy",) if kind != POLICY else ()))
    for key, value in fields.items():
        if key not in known:
            found.unknown(_at(place, place.table, value), key, known, "the API drops it")
    source = _text(fields, "source")
    there = _at(place, f"{place.table}.source", fields.get("source", node))
    _check(source, there, found, wildcard=True)
    mirrors: list[str] = []
    positions: list[Position] = []
    for index, item in enumerate(_items(fields["mirrors"], place, found) if "mirrors" in fields else ()):
        spot = _at(place, f"{place.table}.mirrors[{index}]", item)
        text = item.value if isinstance(item.value, str) else ""
        _check(text, spot, found, wildcard=False)
        mirrors.append(text)
        positions.append(spot)
    never = kind != POLICY and _never(fields, place, found)
    if never and source in mirrors:
        text = f"{NEVER}, and the source is among its own mirrors"
        found.error(place, text, "drop one of the two")
    elif source and all(mirrors) and not is_real(source, mirrors):
        text = f"has no mirror but its source, so OpenShift drops it{f' and its {NEVER}' if never else ''}"
        found.warning(place, text, "name a mirror")
    if all(0 < len(one) <= NAME_LIMIT for one in (source, *mirrors)):
        entry = Entry(
            kind=kind,
            source=source,
            mirrors=tuple(mirrors),
            never=never,
            position=replace(there, table=place.table),
            mirror_positions=tuple(positions),
        )
        found.entries.append(entry)


def _never(fields: dict[str, Field], place: Position, found: Objects) -> bool:
    said = fields.get("mirrorSourcePolicy")
    if said is None or said.node.value in {None, "", ALLOW, NEVER}:
        return said is not None and said.node.value == NEVER
    text = f"expected {ALLOW} or {NEVER}"
    if isinstance(policy := said.node.value, str):
        text = f"{shown(policy)} is no such policy{did_you_mean(policy, (ALLOW, NEVER))}"
    found.error(_at(place, f"{place.table}.mirrorSourcePolicy", said), text)
    return False


def _check(text: str, place: Position, found: Objects, *, wildcard: bool) -> None:
    what = "source" if wildcard else "mirror"
    if len(text) > NAME_LIMIT:
        told = f"{shown(text)} is longer than the name of any image, {NAME_LIMIT} characters"
        found.error(place, told)
        return
    if _PLACE.fullmatch(text) or (wildcard and _WILDCARD.fullmatch(text)):
        return
    if not text:
        found.error(place, f"the {what} is missing")
        return
    advice = "write host[:port][/path]" + (" or *.example.com" if wildcard else "")
    last = text.rpartition("/")[2]
    if "@" in text or ("/" in text and ":" in last):
        advice += ", without tag and digest"
    found.error(place, f"{shown(text)} is no {what}", advice)
