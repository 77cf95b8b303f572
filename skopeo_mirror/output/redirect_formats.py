"""The formats of a redirect: what makes others pull from the destination, from the reports of `copy` (pure).

What a run could not confirm is never covered by a wider entry either.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from skopeo_mirror.output.deletion import delete_list
from skopeo_mirror.output.mirrored import GENERIC, OPERATOR, RELEASE, attached, confirmed_images
from skopeo_mirror.registries_conf.model import Configuration, Mirror, Registry
from skopeo_mirror.registries_conf.routing import Router
from skopeo_mirror.registries_conf.writing import document, registry_text, value_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from skopeo_mirror.output.mirrored import Mirrored
    from skopeo_mirror.reference import Reference

_HEAD: Final = "# Pulls of what has been mirrored come from the mirror. Written by `skopeo-mirror redirect`."
_SOME_PLATFORMS: Final = """\
# Some images were copied for a few platforms alone (`copy --platform`). A pull for another platform finds an index at
# the mirror and not its image, and fails; no other location is asked.
"""
_INSECURE: Final = """\
# Certificates were not verified at these hosts. Mirror sets cannot say so: nodes pull from there only if the cluster's
# Image config has them too (`oc edit image.config.openshift.io/cluster`; keep what is listed there already).
#   apiVersion: config.openshift.io/v1
#   kind: Image
#   metadata:
#     name: cluster
#   spec:
#     registrySources:
#       insecureRegistries:
"""
LARGEST_OBJECT: Final = 250_000
"""Bytes of a mirror set. `oc apply` keeps it in an annotation too, of at most 262,144 (the limit is that of oc)."""
_OBJECT_HEAD: Final = 200  # bytes, more than what stands before the entries
_NAMED_BY: Final = 12  # characters of the tag, or of the digest that the tag was made of, that go into a name
_LONGEST_LABEL: Final = 63  # characters, as DNS has it


_NO_ASCII: Final = re.compile(r"[^ -~]")
Templates: TypeAlias = "Mapping[Reference, Mapping[str, Mapping[str, Any]]]"


class Format(StrEnum):
    """What reads the redirect: containers/image, OpenShift (by digest, by tag, its catalogs), or oc-mirror and `-f`.

    Catalogs are CatalogSources for OLM's first version, ClusterCatalogs for its second. And the one that redirects
    nothing: what oc-mirror is to delete.
    """

    REGISTRIES_CONF = "registries-conf"
    IDMS = "idms"
    ITMS = "itms"
    CATALOGSOURCE = "catalogsource"
    CLUSTERCATALOG = "clustercatalog"
    MAPPING = "mapping"
    DELETE = "delete"


def in_part(confirmed: Iterable[Mirrored], format_: Format) -> tuple[Mirrored, ...]:
    """The images that a redirect makes others pull and that were copied for some platforms alone."""
    return tuple(image for image in confirmed if image.platforms and _is_for(format_, image))


def redirect_text(
    reports: Sequence[Sequence[Mirrored]], format_: Format, kept: Sequence[Sequence[Mirrored]] = ()
) -> str:
    """The redirect as the text of a file, the same for the same images in whatever order, with a newline at the end.

    Of what is to be deleted nothing is in `kept`. Raises InvalidInput as `delete_list` does.
    """
    confirmed = confirmed_images(reports)
    images = [image for image in confirmed if image.has_origin]
    comments = _comments(in_part(confirmed, format_))
    match format_:
        case Format.REGISTRIES_CONF:
            return document([f"{_HEAD}\n{comments}".rstrip("\n"), *map(registry_text, _entries(images, reports))])
        case Format.IDMS | Format.ITMS:
            return _mirror_sets(format_, images, _entries(images, reports), comments)
        case Format.CATALOGSOURCE | Format.CLUSTERCATALOG:
            catalogs = {
                one.destination: one.catalog_source
                for one in confirmed
                if one.catalog is not None and one.destination is not None
            }
            return comments + (
                catalog_sources(catalogs, catalogs) if format_ is Format.CATALOGSOURCE else cluster_catalogs(catalogs)
            )
        case Format.DELETE:
            return delete_list(reports, kept)
        case Format.MAPPING:
            sources = [image for image in images if not image.rebuilt]
            lines = [f"{image.image.name}@{image.digest}={image.destination}\n" for image in sources]
            return "".join([*lines, *(f"{source}={there.without_digest()}\n" for source, there in attached(reports))])


def catalog_sources(catalogs: Iterable[Reference], templates: Templates = MappingProxyType({})) -> str:
    """A CatalogSource of OpenShift for each catalog, given by its place; empty where there is none.

    What `templates` have for a place, `metadata` and `spec`, is part of it.

    They make a cluster offer the catalogs' operators. Form and names are oc-mirror v2's (openshift/oc-mirror,
    internal/pkg/clusterresources).
    """
    return "---\n".join(
        _catalog_source(name, place, templates.get(place, {})) for name, place in _named("cs", catalogs)
    )


def cluster_catalogs(catalogs: Iterable[Reference]) -> str:
    """A ClusterCatalog of OLM v1 for each catalog, as `catalog_sources`."""
    return "---\n".join(_cluster_catalog(name, place) for name, place in _named("cc", catalogs))


def _named(prefix: str, catalogs: Iterable[Reference]) -> Iterator[tuple[str, Reference]]:
    """Each catalog once, with a name of its own."""
    names: Counter[str] = Counter()
    for place in sorted(set(catalogs), key=str):
        name = _resource_name(prefix, place)
        names[name] += 1
        yield name if names[name] == 1 else f"{name}-{names[name]}", place


def _is_for(format_: Format, image: Mirrored) -> bool:
    match format_:
        case Format.REGISTRIES_CONF | Format.MAPPING | Format.IDMS:
            return image.has_origin
        case Format.ITMS:
            return image.has_origin and image.is_redirected_by_tag
        case Format.CATALOGSOURCE | Format.CLUSTERCATALOG:
            return image.catalog is not None
        case Format.DELETE:
            return False


def _comments(images: Iterable[Mirrored]) -> str:
    lines = (f"#   {image.image.name}: {', '.join(map(str, image.platforms))}\n" for image in images)
    told = "".join(dict.fromkeys(lines))
    return _SOME_PLATFORMS + told if told else ""


def _entries(images: Sequence[Mirrored], reports: Iterable[Iterable[Mirrored]]) -> list[Registry]:
    """One entry a namespace where that says the same as one a repository, else one a repository.

    Mirrors are for digests alone, unless something was copied by a tag and has it at the destination too.
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
    tagged = {image.image.name for image in images if image.is_redirected_by_tag}
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


def _mirror_sets(format_: Format, images: Sequence[Mirrored], entries: Sequence[Registry], comments: str) -> str:
    """ImageDigestMirrorSets or ImageTagMirrorSets of OpenShift (config.openshift.io/v1), apart for each category.

    Those for digests have every entry, those for tags the entries that tags use: the longest source counts over both,
    so together they say what the entries say. Named as oc-mirror v2 names them. Empty where there is no entry.
    """
    categories: dict[str, set[str]] = {RELEASE: set(), GENERIC: set(), OPERATOR: set()}
    router = Router(Configuration(registries=tuple(entries)))
    for image in images:
        if (entry := router.lookup(image.image.name)) is not None:
            categories[image.category].add(entry.prefix)
    shown = [entry for entry in entries if format_ is Format.IDMS or not entry.mirror_by_digest_only]
    sets = [
        _mirror_set(format_, f"{format_}-{category}-0" + (f"-{number}" if number > 1 else ""), part)
        for category, prefixes in categories.items()
        for number, part in enumerate(_in_objects([entry for entry in shown if entry.prefix in prefixes]), 1)
    ]
    return comments + _insecure(shown) + "---\n".join(sets) if sets else ""


def _in_objects(entries: Iterable[Registry]) -> Iterator[list[str]]:
    """The entries as text, each list of them short enough for one object."""
    part: list[str] = []
    size = _OBJECT_HEAD
    for text in map(_mirror_set_entry, entries):
        if part and size + len(text) > LARGEST_OBJECT:
            yield part
            part, size = [], _OBJECT_HEAD
        part.append(text)
        size += len(text)  # ASCII
    if part:
        yield part


def _mirror_set(format_: Format, name: str, entries: Iterable[str]) -> str:
    kind = "Digest" if format_ is Format.IDMS else "Tag"
    lines = [
        *("apiVersion: config.openshift.io/v1", f"kind: Image{kind}MirrorSet"),
        *("metadata:", f"  name: {name}", "spec:", f"  image{kind}Mirrors:"),
    ]
    return "\n".join([*lines, "".join(entries)])


def _mirror_set_entry(entry: Registry) -> str:
    locations = dict.fromkeys(mirror.location for mirror in entry.mirrors)
    lines = [f"  - source: {value_text(entry.prefix)}", "    mirrors:"]
    return "\n".join([*lines, *(f"    - {value_text(location)}" for location in locations), ""])


def _insecure(entries: Iterable[Registry]) -> str:
    """What the cluster must be told beside the mirror sets, as a comment; empty where certificates were verified."""
    hosts = {one.location.partition("/")[0] for entry in entries for one in entry.mirrors if one.insecure}
    listed = "".join(f"#       - {value_text(host)}\n" for host in sorted(hosts))
    return _INSECURE + listed if listed else ""


def _resource_name(prefix: str, place: Reference) -> str:
    """`PREFIX-REPOSITORY-TAG`, made a DNS label; of a tag that was made of a digest, the digest."""
    tag = re.sub(r"^pin-[a-z0-9]+-", "", place.tag or "0")[:_NAMED_BY]
    name = f"{prefix}-{place.path.rpartition('/')[2]}-{tag}".lower()
    return re.sub(r"[^a-z0-9-]", "-", name)[:_LONGEST_LABEL].rstrip("-")


def _catalog_source(name: str, place: Reference, template: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        *("apiVersion: operators.coreos.com/v1alpha1", "kind: CatalogSource"),
        *("metadata:", f"  name: {name}", "  namespace: openshift-marketplace"),
        *_fields(template.get("metadata", {}), "name", "namespace"),
        *("spec:", "  sourceType: grpc", f"  image: {value_text(place)}"),
        *_fields(template.get("spec", {}), "sourceType", "image"),
    ]
    return "\n".join([*lines, ""])


def _fields(table: Mapping[str, Any], *filled_in: str) -> Iterator[str]:
    """Fields with values in JSON, which YAML takes; none that are there already."""
    for key, value in table.items():
        if key not in filled_in:
            yield f"  {value_text(key)}: {_NO_ASCII.sub(_yaml_escape, json.dumps(value, ensure_ascii=False))}"


def _yaml_escape(character: re.Match[str]) -> str:
    return f"\\U{ord(character[0]):08x}"


def _cluster_catalog(name: str, place: Reference) -> str:
    lines = [
        *("apiVersion: olm.operatorframework.io/v1", "kind: ClusterCatalog"),
        *("metadata:", f"  name: {name}"),
        *("spec:", "  source:", "    type: Image", "    image:", f"      ref: {value_text(place)}"),
    ]
    return "\n".join([*lines, ""])
