"""The images of an image set: those that it names, those that were selected from its catalogs, and the catalogs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.olm.selection import select
from skopeo_mirror.request import ImageRequest, once, tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from skopeo_mirror.olm.file_based_catalog import Catalog
    from skopeo_mirror.olm.imageset import ImageSet, OperatorCatalog
    from skopeo_mirror.reference import Digest, Reference


def select_images(
    image_set: ImageSet,
    catalogs: Iterable[tuple[OperatorCatalog, Digest, Catalog]],
    *,
    warn: Callable[[str], None],
) -> tuple[ImageRequest, ...]:
    """List every image of an image set, whose catalogs are read one after the other. Raises InvalidInput."""
    selected: list[ImageRequest] = []
    read: list[ImageRequest] = []
    for operator, digest, catalog in catalogs:
        read.append(catalog_image(operator, digest))
        selection = select(catalog, operator)
        for warning in selection.warnings:
            warn(warning)
        selected += selection.images
    check_names(read)
    return images_of_set(image_set, selected, read)


def images_of_set(
    image_set: ImageSet, selected: Sequence[ImageRequest], catalogs: Iterable[ImageRequest]
) -> tuple[ImageRequest, ...]:
    """List every image once, with all that asked for it; without those that are blocked by their own name."""
    named = [
        ImageRequest(
            text=str(image.reference),
            reference=tagged(image.reference),
            named=_named(tagged(image.reference), image.target_repo, image.target_tag),
        )
        for image in image_set.additional_images
    ]
    images = once([*named, *_tags_apart(selected), *catalogs])
    return tuple(image for image in images if not image_set.blocks(str(image.reference)))


def catalog_image(operator: OperatorCatalog, digest: Digest) -> ImageRequest:
    """A catalog as an image, with the digest that it had when it was read. Raises InvalidInput as `called` does."""
    reference = operator.called()
    return ImageRequest(
        text=operator.catalog,
        reference=reference,
        named=_named(reference, operator.target_catalog, operator.target_tag),
        catalog=operator.catalog,
        digest=digest,
        layout=operator.layout,
    )


def check_names(catalogs: Iterable[ImageRequest]) -> None:
    """Refuse different catalogs under one name: only those from `oci://PATH` can be. Raises InvalidInput."""
    found: dict[Reference, ImageRequest] = {}
    for one in catalogs:
        other = found.setdefault(one.reference, one)
        if other.digest != one.digest:
            raise InvalidInput([f"{other.catalog} and {one.catalog} would have one name; set `targetCatalog`"])


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
