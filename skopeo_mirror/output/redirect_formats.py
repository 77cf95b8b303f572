"""The formats of a redirect: what makes others pull from the destination, from the reports of `copy` (pure).

Only confirmed images count: copied with a proof of who served, or present with their digest compared. What a run could
not confirm is never covered by a wider entry either.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.json_text import InvalidJson, parse_json
from skopeo_mirror.output.report import SCHEMA
from skopeo_mirror.platforms import Platform
from skopeo_mirror.reference import Digest, Reference
from skopeo_mirror.registries_conf.model import Mirror, Registry
from skopeo_mirror.registries_conf.writing import document, registry_text, value_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_T = TypeVar("_T")
_OPERATOR: Final = "operator"
_GENERIC: Final = "generic"
_HEAD: Final = "# Pulls of what has been mirrored come from the mirror. Written by `skopeo-mirror redirect`."
_SOME_PLATFORMS: Final = """\
# Some images were copied for a few platforms alone (`copy --platform`). A pull for another platform finds an index at
# the mirror and not its image, and fails; no other location is asked.
"""
_COPIED: Final = "copied"
_THERE: Final = frozenset({_COPIED, "present"})
_DOCKER: Final = "docker://"
_KINDS: Final[dict[type, str]] = {str: "text", bool: "boolean", list: "list"}
_NAMED_BY: Final = 12  # characters of the tag, or of the digest that the tag was made of, that go into a name
_LONGEST_LABEL: Final = 63  # characters, as DNS has it


class Format(StrEnum):
    """What reads the redirect: containers/image, OpenShift (by digest, by tag, its catalogs), or oc-mirror and `-f`."""

    REGISTRIES_CONF = "registries-conf"
    IDMS = "idms"
    ITMS = "itms"
    CATALOGSOURCE = "catalogsource"
    MAPPING = "mapping"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirrored:
    """One image of a report."""

    image: Reference
    digest: str
    destination: Reference | None
    """Its reference there; None where it is in no registry."""
    insecure: bool
    """Whether certificates were not verified there."""
    confirmed: bool
    """Whether it is surely there, at its digest."""
    started: str
    """When the run began (UTC, sorts by time)."""
    catalog: str | None = None
    """The operator catalog that it is, if it is one."""
    category: str = _GENERIC
    """oc-mirror's word for what it is."""
    platforms: tuple[Platform, ...] = ()
    """Those that it was copied for alone, if it is an index (none: for all)."""

    @property
    def has_origin(self) -> bool:
        """Whether it has a name of its own that others pull it by; a catalog from `oci://PATH` has not."""
        return self.catalog is None or not self.catalog.startswith("oci:")

    @property
    def is_redirected_by_tag(self) -> bool:
        """Whether it was asked for by its tag, and has that at the destination too."""
        there = None if self.destination is None else self.destination.tag
        return self.image.digest is None and there == (self.image.tag or "latest")


def parse_report(text: str, name: str) -> tuple[Mirrored, ...]:
    """Read a report (schema `skopeo-mirror/report/v1`); `name` is for messages. Raises InvalidInput."""
    try:
        document = parse_json(text)
    except InvalidJson as error:
        raise InvalidInput([f"{name}: is no report: it is not JSON: {error}"]) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise InvalidInput([f"{name}: is no report of a kind that is known here: its schema is not {SCHEMA}"])
    try:
        insecure, started = not _field(document, "destination_tls_verify", bool), _field(document, "started", str)
        platforms = _platforms(document)
        return tuple(
            _mirrored(image, f"images[{number}]", insecure=insecure, started=started, platforms=platforms)
            for number, image in enumerate(_field(document, "images", list))
        )
    except InvalidReference as error:
        raise InvalidInput([f"{name}: is a damaged report: {error}"]) from error


def check_registries(images: Iterable[Mirrored], name: str) -> None:
    """Refuse a report of a run into a directory: nobody pulls from there. Raises InvalidInput."""
    if any(image.confirmed and image.destination is None for image in images):
        raise InvalidInput([f"{name}: its images went into a directory; only a registry can be pulled from"])


def confirmed_images(reports: Iterable[Iterable[Mirrored]]) -> tuple[Mirrored, ...]:
    """The confirmed images of several reports, sorted; of one that is in several, what the latest run has found.

    Its platforms are those of all runs: what one has brought to a repository is there when the next has come.
    """
    found: dict[tuple[Reference, Reference | None], Mirrored] = {}
    brought: dict[tuple[str | None, str], list[tuple[Platform, ...]]] = {}
    for image in sorted((one for report in reports for one in report if one.confirmed), key=lambda one: one.started):
        found[image.image, image.destination] = image
        brought.setdefault(_stored(image), []).append(image.platforms)
    images = (replace(image, platforms=_together(brought[_stored(image)])) for image in found.values())
    return tuple(sorted(images, key=lambda one: (str(one.image), str(one.destination))))


def in_part(reports: Iterable[Iterable[Mirrored]], format_: Format) -> tuple[Mirrored, ...]:
    """The images that a redirect makes others pull and that were copied for some platforms alone."""
    return tuple(image for image in confirmed_images(reports) if image.platforms and _is_for(format_, image))


def redirect_text(reports: Sequence[Sequence[Mirrored]], format_: Format) -> str:
    """The redirect as the text of a file, the same for the same images in whatever order, with a newline at the end."""
    confirmed = confirmed_images(reports)
    images = [image for image in confirmed if image.has_origin]
    comments = _comments(in_part(reports, format_))
    match format_:
        case Format.REGISTRIES_CONF:
            return document([f"{_HEAD}\n{comments}".rstrip("\n"), *map(registry_text, _entries(images, reports))])
        case Format.IDMS:
            return comments + _mirror_sets("ImageDigestMirrorSet", "imageDigestMirrors", "idms", reports, images)
        case Format.ITMS:
            tagged = [image for image in images if image.is_redirected_by_tag]
            return comments + _mirror_sets("ImageTagMirrorSet", "imageTagMirrors", "itms", reports, tagged)
        case Format.CATALOGSOURCE:
            return comments + catalog_sources(
                image.destination for image in confirmed if image.catalog is not None and image.destination is not None
            )
        case Format.MAPPING:
            return "".join(f"{image.image.name}@{image.digest}={image.destination}\n" for image in images)


def catalog_sources(catalogs: Iterable[Reference]) -> str:
    """A CatalogSource of OpenShift for each catalog, given by its place; empty where there is none.

    They make a cluster offer the catalogs' operators. Form and names are oc-mirror v2's (openshift/oc-mirror,
    internal/pkg/clusterresources).
    """
    names: Counter[str] = Counter()
    documents = []
    for place in sorted(set(catalogs), key=str):
        name = _source_name(place)
        names[name] += 1
        documents.append(_catalog_source(name if names[name] == 1 else f"{name}-{names[name]}", place))
    return "---\n".join(documents)


def _is_for(format_: Format, image: Mirrored) -> bool:
    match format_:
        case Format.REGISTRIES_CONF | Format.MAPPING:
            return image.has_origin
        case Format.IDMS:
            return image.catalog is None
        case Format.ITMS:
            return image.catalog is None and image.is_redirected_by_tag
        case Format.CATALOGSOURCE:
            return image.catalog is not None


def _stored(image: Mirrored) -> tuple[str | None, str]:
    return None if image.destination is None else image.destination.name, image.digest


def _together(runs: Sequence[tuple[Platform, ...]]) -> tuple[Platform, ...]:
    """What runs have brought for these platforms, each; one without any has brought all."""
    return () if () in runs else tuple(sorted({platform for run in runs for platform in run}, key=str))


def _comments(images: Iterable[Mirrored]) -> str:
    lines = (f"#   {image.image.name}: {', '.join(map(str, image.platforms))}\n" for image in images)
    told = "".join(dict.fromkeys(lines))
    return _SOME_PLATFORMS + told if told else ""


def _platforms(report: dict[str, Any]) -> tuple[Platform, ...]:
    """The platforms that a run was asked for. Raises InvalidReference, with the place."""
    if report.get("platforms") is None:
        return ()
    texts = {f"platforms[{number}]": text for number, text in enumerate(_field(report, "platforms", list))}
    return tuple(_parsed(Platform.parse, texts, place) for place in texts)


def _mirrored(image: object, where: str, *, insecure: bool, started: str, platforms: tuple[Platform, ...]) -> Mirrored:
    """Read an image; all that may be printed of it has a form of its own. Raises InvalidReference, with the place."""
    if not isinstance(image, dict):
        raise InvalidReference(f"{where} is no object")
    reference = _parsed(Reference.parse, image, "image", where)
    destination = _field(image, "destination", str, where)
    digest = None if image.get("digest") is None else _parsed(Digest.parse, image, "digest", where)
    status = _field(image, "status", str, where)
    confirmed = _field(image, "confirmed", bool, where) and status in _THERE
    if confirmed and digest is None:
        raise InvalidReference(f"{where}: {reference} is confirmed, and has no digest")
    catalog = None if image.get("catalog") is None else _field(image, "catalog", str, where)
    parts = [] if image.get("parts") is None else _field(image, "parts", list, where)
    wanted_by = [] if image.get("wanted_by") is None else _field(image, "wanted_by", list, where)
    return Mirrored(
        image=reference,
        digest="" if digest is None else str(digest),
        destination=_parsed(Reference.parse, image, "destination", where) if destination.startswith(_DOCKER) else None,
        insecure=insecure,
        confirmed=confirmed,
        started=started,
        catalog=catalog,
        category=_OPERATOR if catalog or wanted_by else _GENERIC,
        platforms=platforms if parts or status != _COPIED else (),  # what came in one piece is all there
    )


def _parsed(parse: Callable[[str], _T], table: dict[str, Any], key: str, where: str = "") -> _T:
    text = _field(table, key, str, where)
    try:
        return parse(text)
    except InvalidReference as error:
        raise InvalidReference(f"{_place(key, where)}: {error}") from error


def _field(table: dict[str, Any], key: str, kind: type[_T], where: str = "") -> _T:
    """What a table has under `key`. Raises InvalidReference where that is missing or of another kind."""
    value = table.get(key)
    if not isinstance(value, kind):
        raise InvalidReference(f"{_place(key, where)}: {'is missing' if value is None else f'is no {_KINDS[kind]}'}")
    return value


def _place(key: str, where: str) -> str:
    return f"{where}.{key}".removeprefix(".")


def _entries(images: Sequence[Mirrored], reports: Iterable[Iterable[Mirrored]]) -> list[Registry]:
    """One entry a namespace where that says the same as one a repository, else one a repository.

    Mirrors are for digests alone, unless something was copied by a tag.
    """
    confirmed = {image.image for image in images}
    unconfirmed = {image.image.name for report in reports for image in report if image.image not in confirmed}
    repositories: dict[str, dict[Mirror, None]] = {}
    verified = {image.destination.domain for image in images if image.destination is not None and not image.insecure}
    for image in images:
        if image.destination is not None:
            # containers/image refuses a location that is insecure here and secure there; verified once is verified
            insecure = image.insecure and image.destination.domain not in verified
            mirror = Mirror(location=image.destination.name, insecure=insecure)
            repositories.setdefault(image.image.name, {})[mirror] = None
    tagged = {image.image.name for image in images if image.image.tag is not None}
    entries: dict[str, Registry] = {}
    for name, mirrors in sorted(repositories.items()):
        prefix = _exact_namespace(name, repositories, unconfirmed) or name
        entries[prefix] = Registry(
            prefix=prefix,
            location=prefix,
            mirror_by_digest_only=name not in tagged
            and (prefix not in entries or entries[prefix].mirror_by_digest_only),
            mirrors=_moved_up(name, prefix, mirrors),
        )
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


def _mirror_sets(
    kind: str, field: str, short: str, reports: Iterable[Iterable[Mirrored]], images: Sequence[Mirrored]
) -> str:
    """ImageDigestMirrorSets or ImageTagMirrorSets of OpenShift (config.openshift.io/v1), one for each category.

    Named as oc-mirror v2 names them. As there, catalogs are in none: CatalogSources name them where they are now.
    """
    entries = _entries(images, reports)
    wanted = {_GENERIC: set[str](), _OPERATOR: set[str]()}
    for image in images:
        if image.catalog is None:
            covering = (entry.prefix for entry in entries if f"{image.image.name}/".startswith(f"{entry.prefix}/"))
            wanted[image.category].add(max(covering, key=len))  # the longest prefix counts
    chosen = {name: [entry for entry in entries if entry.prefix in prefixes] for name, prefixes in wanted.items()}
    sets = {name: found for name, found in chosen.items() if found} or {_GENERIC: []}
    return "---\n".join(_mirror_set(kind, field, f"{short}-{name}-0", found) for name, found in sets.items())


def _mirror_set(kind: str, field: str, name: str, entries: Sequence[Registry]) -> str:
    lines = ["apiVersion: config.openshift.io/v1", f"kind: {kind}", "metadata:", f"  name: {name}", "spec:"]
    lines.append(f"  {field}:" if entries else f"  {field}: []")
    for entry in entries:
        lines += [f"  - source: {value_text(entry.prefix)}", "    mirrors:"]
        lines += [f"    - {value_text(location)}" for location in dict.fromkeys(one.location for one in entry.mirrors)]
    return "\n".join([*lines, ""])


def _source_name(place: Reference) -> str:
    """`cs-REPOSITORY-TAG`, made a DNS label; of a tag that was made of a digest, the digest."""
    tag = re.sub(r"^pin-[a-z0-9]+-", "", place.tag or "0")[:_NAMED_BY]
    name = f"cs-{place.path.rpartition('/')[2]}-{tag}".lower()
    return re.sub(r"[^a-z0-9-]", "-", name)[:_LONGEST_LABEL].rstrip("-")


def _catalog_source(name: str, place: Reference) -> str:
    lines = [
        *("apiVersion: operators.coreos.com/v1alpha1", "kind: CatalogSource"),
        *("metadata:", f"  name: {name}", "  namespace: openshift-marketplace"),
        *("spec:", "  sourceType: grpc", f"  image: {value_text(place)}"),
    ]
    return "\n".join([*lines, ""])
