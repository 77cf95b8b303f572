"""The formats of a redirect: what makes others pull from the destination, from the reports of `copy` (pure).

What a run could not confirm is never covered by a wider entry either.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from skopeo_mirror.output.mirrored import GENERIC, OPERATOR, attached, confirmed_images
from skopeo_mirror.registries_conf.model import Mirror, Registry
from skopeo_mirror.registries_conf.writing import document, registry_text, value_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from skopeo_mirror.output.mirrored import Mirrored
    from skopeo_mirror.reference import Reference

_HEAD: Final = "# Pulls of what has been mirrored come from the mirror. Written by `skopeo-mirror redirect`."
_SOME_PLATFORMS: Final = """\
# Some images were copied for a few platforms alone (`copy --platform`). A pull for another platform finds an index at
# the mirror and not its image, and fails; no other location is asked.
"""
_NAMED_BY: Final = 12  # characters of the tag, or of the digest that the tag was made of, that go into a name
_LONGEST_LABEL: Final = 63  # characters, as DNS has it


class Format(StrEnum):
    """What reads the redirect: containers/image, OpenShift (by digest, by tag, its catalogs), or oc-mirror and `-f`."""

    REGISTRIES_CONF = "registries-conf"
    IDMS = "idms"
    ITMS = "itms"
    CATALOGSOURCE = "catalogsource"
    MAPPING = "mapping"


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
            lines = [f"{image.image.name}@{image.digest}={image.destination}\n" for image in images]
            return "".join([*lines, *(f"{source}={there.without_digest()}\n" for source, there in attached(reports))])


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


def _comments(images: Iterable[Mirrored]) -> str:
    lines = (f"#   {image.image.name}: {', '.join(map(str, image.platforms))}\n" for image in images)
    told = "".join(dict.fromkeys(lines))
    return _SOME_PLATFORMS + told if told else ""


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
    wanted = {GENERIC: set[str](), OPERATOR: set[str]()}
    for image in images:
        if image.catalog is None:
            covering = (entry.prefix for entry in entries if f"{image.image.name}/".startswith(f"{entry.prefix}/"))
            wanted[image.category].add(max(covering, key=len))  # the longest prefix counts
    chosen = {name: [entry for entry in entries if entry.prefix in prefixes] for name, prefixes in wanted.items()}
    sets = {name: found for name, found in chosen.items() if found} or {GENERIC: []}
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
