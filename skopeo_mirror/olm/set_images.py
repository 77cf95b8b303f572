"""The images of an image set: those that it names, those selected from its catalogs, the catalogs, and its releases."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from skopeo_mirror.errors import CatalogUnavailable, InvalidInput, problems_of
from skopeo_mirror.oci_layout import image_digest
from skopeo_mirror.olm.release_images import release_images
from skopeo_mirror.olm.selection import heads_beyond, select
from skopeo_mirror.reference import tag_of
from skopeo_mirror.request import ImageRequest, once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from skopeo_mirror.olm.file_based_catalog import Catalog
    from skopeo_mirror.olm.imageset import AdditionalImage, ImageSet, OperatorCatalog
    from skopeo_mirror.olm.release_selection import ReleaseSelection
    from skopeo_mirror.olm.releases import Release
    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.request import WantedBy


class CatalogToCopy(Protocol):
    """Tells what is copied of a catalog of which `selected` was selected."""

    def __call__(
        self, operator: OperatorCatalog, digest: Digest, catalog: Catalog, selected: Sequence[WantedBy], /
    ) -> ImageRequest:
        """The image to copy; `digest` is the catalog's. Raises InvalidInput."""


def whole_catalog(
    operator: OperatorCatalog,
    digest: Digest,
    catalog: Catalog,
    selected: Sequence[WantedBy],
    *,
    warn: Callable[[str], None],
) -> ImageRequest:
    """The catalog as it is; where it offers what was not selected, `warn` is told."""
    if beyond := heads_beyond(catalog, selected):
        heads = "a channel head" if beyond == 1 else f"{beyond} channel heads"
        warn(
            f"{operator.catalog}: is copied whole, and so offers {heads} of which the images are not copied; "
            "--filter-catalogs makes it offer what is selected alone"
        )
    return catalog_image(operator, digest)


def select_images(
    image_set: ImageSet,
    read: Callable[[OperatorCatalog], tuple[Digest, Catalog]],
    read_release: Callable[[ReleaseSelection], tuple[Digest, Release]],
    *,
    within: Path | None = None,
    warn: Callable[[str], None],
    to_copy: CatalogToCopy | None = None,
) -> tuple[ImageRequest, ...]:
    """List every image of an image set: its catalogs and releases are read one after the other.

    With `within`, they and its layouts are read from that layout. What `to_copy` makes of a catalog takes its place.
    What is wrong with one hides nothing of the others. Raises InvalidInput, CatalogUnavailable where that is all.
    """
    additional: list[ImageRequest] = []
    selected: list[ImageRequest] = []
    catalogs: list[ImageRequest] = []
    released: list[ImageRequest] = []
    faults = _Faults()
    for image in image_set.additional_images:
        with faults.noted():
            additional.append(additional_image(image, within))
    for operator in image_set.operators:
        with faults.noted():
            digest, catalog = read(operator)
            catalogs.append(catalog_image(operator, digest))
            selection = select(catalog, operator)
            selected += selection.images
            for warning in selection.warnings:
                warn(warning)
            if to_copy is not None:
                catalogs[-1] = to_copy(operator, digest, catalog, selection.bundles)
    for release in image_set.releases:
        with faults.noted():
            released += release_images(release, *read_release(release), warn=warn)
    faults.problems += name_problems([*additional, *catalogs])
    faults.settle()
    return images_of_set(image_set, additional, selected, [*catalogs, *released])


@dataclass(kw_only=True, slots=True)
class _Faults:
    """What is wrong with the images, catalogs and releases of a set, as they are read."""

    problems: list[str] = field(default_factory=list)
    unavailable: list[str] = field(default_factory=list)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note what the block raises."""
        try:
            yield
        except InvalidInput as error:
            self.problems += error.problems
        except CatalogUnavailable as error:
            self.unavailable.append(str(error))

    def settle(self) -> None:
        """Raise InvalidInput, or CatalogUnavailable, if anything was noted."""
        if self.problems:
            raise InvalidInput(dict.fromkeys([*self.problems, *self.unavailable]))
        if self.unavailable:
            raise CatalogUnavailable("; ".join(self.unavailable))


def images_of_set(
    image_set: ImageSet,
    additional: Iterable[ImageRequest],
    selected: Sequence[ImageRequest],
    read: Iterable[ImageRequest],
) -> tuple[ImageRequest, ...]:
    """List every image once, with all that asked for it; without those that are blocked by their own name.

    `read` are the catalogs, and the images of releases, whose names are their own.
    """
    images = once([*additional, *_tags_apart(selected), *read])
    return tuple(image for image in images if not image_set.blocks(str(image.reference)))


def additional_image(image: AdditionalImage, within: Path | None = None) -> ImageRequest:
    """An image as it is asked for; one from `oci://PATH` with its digest, there or in the layout `within`.

    Raises InvalidInput.
    """
    reference, digest = image.called(), None
    if image.layout is not None:
        with problems_of(image.name):
            digest = image_digest(within or image.layout, None if within is None else str(reference))
    return ImageRequest(
        text=image.name if image.reference is None else str(image.reference),
        reference=reference,
        named=_named(reference, image.target_repo, image.target_tag),
        digest=digest,
        layout=image.layout,
    )


def catalog_image(operator: OperatorCatalog, digest: Digest) -> ImageRequest:
    """A catalog as an image, with the digest that it had when it was read. Raises InvalidInput as `called` does.

    One by another digest was rebuilt: it is called as what keeps the original at a destination.
    """
    reference = operator.called()
    original = reference.digest if reference.digest != digest else None
    if original is not None:
        reference = reference.under(tag_of(reference))
    return ImageRequest(
        text=operator.catalog,
        reference=reference,
        named=_named(reference, operator.target_catalog, operator.target_tag),
        catalog=operator.catalog,
        catalog_source=operator.catalog_source,
        digest=digest,
        layout=operator.layout,
        rebuilt_from=original,
    )


def name_problems(images: Iterable[ImageRequest]) -> Iterator[str]:
    """What is wrong with different images under one name: only those from `oci://PATH` can be."""
    found: dict[Reference, ImageRequest] = {}
    for one in images:
        other = found.setdefault(one.reference, one)
        if other.digest != one.digest and (one.layout or other.layout):
            field = "targetCatalog" if one.catalog else "targetRepo"
            yield f"{other.text} and {one.text} would have one name; set `{field}`"


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
