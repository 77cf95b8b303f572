"""An image as it is asked for, and by whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from skopeo_mirror.reference import Digest, Reference


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class WantedBy:
    """Who asked for an image: a bundle, in a channel of a package of a catalog (as the image set writes it)."""

    catalog: str
    package: str
    channel: str
    bundle: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRequest:
    """One image as it is asked for; all but its reference is what a list or an image set says beyond that."""

    reference: Reference
    text: str | None = None
    """As it was written, where that is known and more than its reference says."""
    destination: str | None = None
    """A destination of its own, as mapping.txt has it."""
    named: Reference | None = None
    """A reference with the path and tag that it is to have below the destination."""
    digest: Digest | None = None
    """What its tag was found to be, where that is known beforehand."""
    wanted_by: tuple[WantedBy, ...] = ()
    catalog: str | None = None
    """The operator catalog that it is, as the image set writes it."""
    release: str | None = None
    """The release image that it is, or that it is a component of, as the image set comes to it."""
    catalog_source: str | None = None
    """What a catalog's CatalogSource is to be made of, as JSON."""
    layout: Path | None = None
    """The OCI layout that it lies in: one from `oci://PATH`, or a catalog that was rebuilt."""
    rebuilt_from: Digest | None = None
    """The digest of the catalog that it offers a part of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WholeList:
    """A list that is shared out: how many images it has, and a digest that every order of them has in common."""

    images: int
    sha256: str


def tagged(reference: Reference) -> Reference:
    """`:latest` where there is neither tag nor digest, as skopeo does: `app` and `app:latest` are one image."""
    return replace(reference, tag="latest") if reference.tag is None and reference.digest is None else reference


def once(images: Iterable[ImageRequest]) -> tuple[ImageRequest, ...]:
    """Each image once for each name that it is to have, with all that asked for it."""
    found: dict[tuple[Reference, str | None, Reference | None], ImageRequest] = {}
    for image in images:
        key = (image.reference, image.destination, image.named)
        before = found.get(key)
        found[key] = image if before is None else _both(before, image)
    return tuple(found.values())


def _both(one: ImageRequest, other: ImageRequest) -> ImageRequest:
    return replace(
        one,
        wanted_by=tuple(dict.fromkeys((*one.wanted_by, *other.wanted_by))),
        catalog=one.catalog or other.catalog,
        release=one.release or other.release,
        catalog_source=one.catalog_source or other.catalog_source,
        digest=one.digest or other.digest,
        layout=one.layout or other.layout,
        rebuilt_from=one.rebuilt_from or other.rebuilt_from,
    )
