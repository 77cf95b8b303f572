"""From reports to the redirect that makes others pull from the destination (pure).

Only confirmed images count: copied with a proof of who served, or present with their digest compared. What a run could
not confirm is never covered by a wider entry either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.output.catalog_sources import catalog_sources
from skopeo_mirror.output.report import SCHEMA
from skopeo_mirror.reference import Reference, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_OPERATOR: Final = "operator"
_GENERIC: Final = "generic"
_THERE: Final = frozenset({"copied", "present"})
_DOCKER: Final = "docker://"


class Format(StrEnum):
    """What reads the redirect: containers/image, OpenShift (by digest, by tag, its catalogs), or oc-mirror and `-f`."""

    REGISTRIES_CONF = "registries-conf"
    IDMS = "idms"
    ITMS = "itms"
    CATALOGSOURCE = "catalogsource"
    MAPPING = "mapping"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirrored:
    """One image of a report. `destination` is its reference there, None where it is in no registry.

    `insecure`: certificates were not verified there; `confirmed`: it is surely there, at its digest; `started`: when
    the run began (UTC, sorts by time). `catalog`: it is that operator catalog; `category` is oc-mirror's word for it.
    """

    image: Reference
    digest: str
    destination: Reference | None
    insecure: bool
    confirmed: bool
    started: str
    catalog: str | None = None
    category: str = _GENERIC

    @property
    def has_origin(self) -> bool:
        """Whether it has a name of its own that others pull it by; a catalog from `oci://PATH` has not."""
        return self.catalog is None or not self.catalog.startswith("oci:")

    @property
    def is_redirected_by_tag(self) -> bool:
        """Whether it was asked for by its tag, and has that at the destination too."""
        there = None if self.destination is None else self.destination.tag
        return self.image.digest is None and there == (self.image.tag or "latest")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirror:
    """A location to pull from instead: a repository or a namespace in a registry."""

    location: str
    insecure: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What is named `prefix`, or below it, is at each of `mirrors`; `tags`: also under its tags."""

    prefix: str
    mirrors: tuple[Mirror, ...]
    tags: bool


def parse_report(text: str, name: str) -> tuple[Mirrored, ...]:
    """Read a report (schema `skopeo-mirror/report/v1`); `name` is for messages. Raises InvalidInput."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidInput([f"{name}: is no report: it is not JSON: {error}"]) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise InvalidInput([f"{name}: is no report of a kind that is known here: its schema is not {SCHEMA}"])
    try:
        insecure, started = not document["destination_tls_verify"], str(document["started"])
        return tuple(_mirrored(image, insecure=insecure, started=started) for image in document["images"])
    except (KeyError, TypeError, AttributeError, InvalidReference) as error:
        raise InvalidInput([f"{name}: is a damaged report: {type(error).__name__}: {error}"]) from error


def check_registries(images: Iterable[Mirrored], name: str) -> None:
    """Refuse a report of a run into a directory: nobody pulls from there. Raises InvalidInput."""
    if any(image.confirmed and image.destination is None for image in images):
        raise InvalidInput([f"{name}: its images went into a directory; only a registry can be pulled from"])


def confirmed_images(reports: Iterable[Iterable[Mirrored]]) -> tuple[Mirrored, ...]:
    """The confirmed images of several reports, sorted; of one that is in several, what the latest run has found."""
    found: dict[tuple[Reference, Reference | None], Mirrored] = {}
    for image in sorted((one for report in reports for one in report if one.confirmed), key=lambda one: one.started):
        found[image.image, image.destination] = image
    return tuple(sorted(found.values(), key=lambda one: (str(one.image), str(one.destination))))


def redirect(reports: Sequence[Sequence[Mirrored]], format_: Format) -> str:
    """The redirect as the text of a file, the same for the same images in whatever order, with a newline at the end."""
    confirmed = confirmed_images(reports)
    images = [image for image in confirmed if image.has_origin]
    match format_:
        case Format.REGISTRIES_CONF:
            return _registries_conf(_entries(images, _unconfirmed(reports, images)))
        case Format.IDMS:
            return _mirror_sets("ImageDigestMirrorSet", "imageDigestMirrors", "idms", reports, images)
        case Format.ITMS:
            tagged = [image for image in images if image.is_redirected_by_tag]
            return _mirror_sets("ImageTagMirrorSet", "imageTagMirrors", "itms", reports, tagged)
        case Format.CATALOGSOURCE:
            return catalog_sources(
                image.destination for image in confirmed if image.catalog is not None and image.destination is not None
            )
        case Format.MAPPING:
            return "".join(f"{image.image.name}@{image.digest}={image.destination}\n" for image in images)


def _mirrored(image: Mapping[str, Any], *, insecure: bool, started: str) -> Mirrored:
    destination = image["destination"]
    confirmed = image["confirmed"] is True and image["status"] in _THERE
    if confirmed and not image["digest"]:
        raise InvalidReference(f"{shown(str(image['image']))} is confirmed, and has no digest")
    return Mirrored(
        image=Reference.parse(image["image"]),
        digest=image["digest"] or "",
        destination=Reference.parse(destination) if destination.startswith(_DOCKER) else None,
        insecure=insecure,
        confirmed=confirmed,
        started=started,
        catalog=image.get("catalog"),
        category=_OPERATOR if image.get("catalog") or image.get("wanted_by") else _GENERIC,
    )


def _unconfirmed(reports: Iterable[Iterable[Mirrored]], confirmed: Iterable[Mirrored]) -> set[str]:
    """The repositories with an image that no report confirms."""
    there = {image.image for image in confirmed}
    return {image.image.name for report in reports for image in report if image.image not in there}


def _entries(images: Sequence[Mirrored], unconfirmed: set[str]) -> list[Entry]:
    """One entry a namespace where that says the same as one a repository, else one a repository."""
    repositories: dict[str, dict[Mirror, None]] = {}
    verified = {image.destination.domain for image in images if image.destination is not None and not image.insecure}
    for image in images:
        if image.destination is not None:
            # containers/image refuses a location that is insecure here and secure there; verified once is verified
            insecure = image.insecure and image.destination.domain not in verified
            mirror = Mirror(location=image.destination.name, insecure=insecure)
            repositories.setdefault(image.image.name, {})[mirror] = None
    tagged = {image.image.name for image in images if image.image.tag is not None}
    entries: dict[str, Entry] = {}
    for name, mirrors in sorted(repositories.items()):
        prefix = _exact_namespace(name, repositories, unconfirmed) or name
        tags = name in tagged or (prefix in entries and entries[prefix].tags)
        entries[prefix] = Entry(prefix=prefix, mirrors=_moved_up(name, prefix, mirrors), tags=tags)
    return sorted(entries.values(), key=lambda entry: entry.prefix)


def _exact_namespace(name: str, repositories: Mapping[str, Iterable[Mirror]], unconfirmed: set[str]) -> str | None:
    """The namespace of a repository, if all that is known of it is confirmed and lies alike at the destination.

    A host alone is no namespace: that entry would take in far more than anybody has copied.
    """
    namespace, _, _ = name.rpartition("/")
    if "/" not in namespace:
        return None
    below = {other: mirrors for other, mirrors in repositories.items() if other.startswith(f"{namespace}/")}
    if any(other.startswith(f"{namespace}/") and other not in below for other in unconfirmed):
        return None
    moved = {_moved_up(other, namespace, mirrors) for other, mirrors in below.items()}
    return namespace if len(moved) == 1 and all(moved) else None


def _moved_up(name: str, prefix: str, mirrors: Iterable[Mirror]) -> tuple[Mirror, ...]:
    """The mirrors of `prefix` that put the repository `name` where `mirrors` have it; none where none could."""
    rest = name.removeprefix(prefix)
    moved = tuple(Mirror(location=one.location.removesuffix(rest), insecure=one.insecure) for one in mirrors)
    exact = all(
        up.location + rest == one.location and "/" in up.location for up, one in zip(moved, mirrors, strict=True)
    )
    return moved if exact else ()


def _registries_conf(entries: Iterable[Entry]) -> str:
    """A drop-in for registries.conf.d. Mirrors are for digests alone, unless something was copied by a tag."""
    lines = ["# Pulls of what has been mirrored come from the mirror. Written by `skopeo-mirror redirect`."]
    for entry in entries:
        lines += ["", "[[registry]]", f"prefix = {_quoted(entry.prefix)}", f"location = {_quoted(entry.prefix)}"]
        if not entry.tags:
            lines.append("mirror-by-digest-only = true")
        for mirror in entry.mirrors:
            lines += ["", "[[registry.mirror]]", f"location = {_quoted(mirror.location)}"]
            if mirror.insecure:
                lines.append("insecure = true")
    return "\n".join([*lines, ""])


def _mirror_sets(
    kind: str, field: str, short: str, reports: Iterable[Iterable[Mirrored]], images: Sequence[Mirrored]
) -> str:
    """ImageDigestMirrorSets or ImageTagMirrorSets of OpenShift (config.openshift.io/v1), one for each category.

    Named as oc-mirror v2 names them. As there, catalogs are in none: CatalogSources name them where they are now.
    """
    entries = _entries(images, _unconfirmed(reports, images))
    wanted = {_GENERIC: set[str](), _OPERATOR: set[str]()}
    for image in images:
        if image.catalog is None:
            wanted[image.category].add(_covering(image.image.name, entries).prefix)
    chosen = {name: [entry for entry in entries if entry.prefix in prefixes] for name, prefixes in wanted.items()}
    sets = {name: found for name, found in chosen.items() if found} or {_GENERIC: []}
    return "---\n".join(_mirror_set(kind, field, f"{short}-{name}-0", found) for name, found in sets.items())


def _covering(name: str, entries: Iterable[Entry]) -> Entry:
    """The entry that counts for a repository: the longest prefix."""
    return max(
        (entry for entry in entries if name == entry.prefix or name.startswith(f"{entry.prefix}/")),
        key=lambda entry: len(entry.prefix),
    )


def _mirror_set(kind: str, field: str, name: str, entries: Sequence[Entry]) -> str:
    lines = ["apiVersion: config.openshift.io/v1", f"kind: {kind}", "metadata:", f"  name: {name}", "spec:"]
    lines.append(f"  {field}:" if entries else f"  {field}: []")
    for entry in entries:
        lines += [f"  - source: {_quoted(entry.prefix)}", "    mirrors:"]
        lines += [f"    - {_quoted(location)}" for location in dict.fromkeys(one.location for one in entry.mirrors)]
    return "\n".join([*lines, ""])


def _quoted(name: str) -> str:
    """A string as TOML and YAML both read it; names are ASCII without control characters, for which JSON's form is."""
    return json.dumps(name)
