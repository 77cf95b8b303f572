"""The images of an image set: those that it names, those that were selected from its catalogs, and the catalogs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.olm.selection import select
from skopeo_mirror.reference import Reference, shown
from skopeo_mirror.request import ImageRequest, once, tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from skopeo_mirror.olm.file_based_catalog import Catalog
    from skopeo_mirror.olm.imageset import ImageSet, OperatorCatalog
    from skopeo_mirror.olm.selection import Selection
    from skopeo_mirror.reference import Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectedFrom:
    """A catalog that was read, and what was selected from it."""

    operator: OperatorCatalog
    reference: Reference
    """What it is called."""
    digest: Digest
    """What it had when it was read."""
    selection: Selection


def select_images(
    image_set: ImageSet,
    catalogs: Iterable[tuple[OperatorCatalog, Digest, Catalog]],
    *,
    warn: Callable[[str], None],
) -> tuple[ImageRequest, ...]:
    """List every image of an image set, whose catalogs are read one after the other. Raises InvalidInput."""
    selected = []
    for operator, digest, catalog in catalogs:
        reference = catalog_reference(operator)
        selection = select(catalog, operator)
        for warning in selection.warnings:
            warn(warning)
        selected.append(SelectedFrom(operator=operator, reference=reference, digest=digest, selection=selection))
    check_names(selected)
    return images_of_set(image_set, selected)


def images_of_set(image_set: ImageSet, selected: Sequence[SelectedFrom]) -> tuple[ImageRequest, ...]:
    """List every image once, with all that asked for it; without those that are blocked by their own name."""
    named = [
        ImageRequest(
            text=str(image.reference),
            reference=tagged(image.reference),
            named=_named(tagged(image.reference), image.target_repo, image.target_tag),
        )
        for image in image_set.additional_images
    ]
    related = [
        replace(image, reference=tagged(image.reference), text=str(image.reference))
        for one in selected
        for image in one.selection.images
    ]
    catalogs = [
        ImageRequest(
            text=one.operator.catalog,
            reference=one.reference,
            named=_named(one.reference, one.operator.target_catalog, one.operator.target_tag),
            catalog=one.operator.catalog,
            digest=one.digest,
            layout=one.operator.layout,
        )
        for one in selected
    ]
    images = once([*named, *_tags_apart(related), *catalogs])
    return tuple(image for image in images if not image_set.blocks(str(image.reference)))


def catalog_reference(operator: OperatorCatalog) -> Reference:
    """What a catalog is called: its reference; from `oci://PATH`, `localhost/NAME:latest`.

    `localhost` as podman calls what is from no registry; NAME is `targetCatalog`, else the last part of the path (as
    in oc-mirror). Raises InvalidInput where that is no name for a repository.
    """
    if operator.reference is not None:
        return tagged(operator.reference)
    assert operator.layout is not None  # noqa: S101 - one of both is set
    name = operator.target_catalog or operator.layout.resolve().name
    try:
        return Reference.parse(f"localhost/{name}:latest")
    except InvalidReference as error:
        problem = f"{operator.catalog}: {shown(name)} is no name for a repository; set `targetCatalog`"
        raise InvalidInput([problem]) from error


def check_names(selected: Iterable[SelectedFrom]) -> None:
    """Refuse different catalogs under one name: only those from `oci://PATH` can be. Raises InvalidInput."""
    found: dict[Reference, SelectedFrom] = {}
    for one in selected:
        other = found.setdefault(one.reference, one)
        if other.digest != one.digest:
            problem = f"{other.operator.catalog} and {one.operator.catalog} would have one name; set `targetCatalog`"
            raise InvalidInput([problem])


def _named(reference: Reference, path: str | None, tag: str | None) -> Reference | None:
    if path is None and tag is None:
        return None
    return replace(reference, path=path or reference.path, tag=tag or reference.tag)


def _tags_apart(images: Sequence[ImageRequest]) -> list[ImageRequest]:
    """Bundles that give one tag to different digests would overwrite each other: those images go by their digests."""
    digests: dict[Reference, set[Digest | None]] = {}
    for image in images:
        digests.setdefault(image.reference.without_digest(), set()).add(image.reference.digest)
    return [
        replace(image, reference=image.reference.without_tag())
        if image.reference.digest is not None and len(digests[image.reference.without_digest()]) > 1
        else image
        for image in images
    ]
