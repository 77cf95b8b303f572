"""The images that a command is asked for: named, listed in files, or selected by an image set from its catalogs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import UsageError
from skopeo_mirror.lists import Part, part_of, read_images, read_part
from skopeo_mirror.request import ImageRequest, once
from skopeo_mirror.shards import Shard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from skopeo_mirror.cli.context import Context
    from skopeo_mirror.cli.options import Asked
    from skopeo_mirror.olm.file_based_catalog import Catalog
    from skopeo_mirror.olm.filtered_catalogs import FilteredCatalogs
    from skopeo_mirror.olm.imageset import ImageSet, OperatorCatalog
    from skopeo_mirror.olm.release_selection import ReleaseSelection
    from skopeo_mirror.olm.releases import Release
    from skopeo_mirror.output.console import Console
    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
    from skopeo_mirror.transfer.run import RunSettings

NOBODY: Final = "no image; name images, lists of them with -f FILE, or an image set with -c FILE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What is asked for before any catalog or release has been read: images, and an image set."""

    listed: Part
    """Where there is an image set the whole of the list, for a shard is one of both together."""
    image_set: ImageSet | None
    shard: Shard | None

    def part(
        self,
        context: Context,
        within: Path | None = None,
        *,
        warns_of_more: bool = False,
        filtering: FilteredCatalogs | None = None,
    ) -> Part:
        """All images, or the shard of them; catalogs are taken from the layout `within`, if there is one.

        `filtering` makes them offer what is selected alone; `warns_of_more` tells where one that stays whole does not.
        Raises InvalidInput, CatalogUnavailable.
        """
        if self.image_set is None:
            return self.listed
        from skopeo_mirror.olm.set_images import (  # noqa: PLC0415 - image sets alone need it
            select_images,
            whole_catalog,
        )

        warn = context.console.warning
        read = catalog_reader(self.image_set.operators, context, within, filtering)
        released = release_reader(self.image_set.releases, context, within)
        selected = select_images(
            self.image_set,
            read,
            released,
            within=within,
            warn=warn,
            to_copy=filtering.rebuilt if filtering else partial(whole_catalog, warn=warn) if warns_of_more else None,
        )
        return part_of(once([*self.listed.images, *selected]), self.shard)


def wishes(
    named: Sequence[str] | None,
    asked: Asked,
    console: Console,
    *,
    layout: LayoutSourcing | None = None,
    with_attached: bool = True,
    otherwise: str = NOBODY,
) -> Wishes:
    """What the command line, lists and an image set ask for; where these name nothing, all of `layout`.

    Of that, what is attached to an image only `with_attached`.
    Raises InvalidInput, UsageError (`otherwise`, where nobody asked for anything).
    """
    found = _image_set(asked, console)
    shard = Shard.asked(asked.shard, asked.shard_index, asked.shard_count)
    if not named and not asked.images_from and layout is None and found is None:
        raise UsageError(otherwise)
    if layout is not None and found is None and not named and not asked.images_from:
        held = tuple(ImageRequest(reference=image) for image in layout.images(with_attached=with_attached))
        listed = part_of(held, shard)
    elif shard is not None and found is None:
        listed = read_part(named or [], asked.images_from or [], shard, warn=console.warning)
    else:
        listed = Part(images=read_images(named or [], asked.images_from or [], warn=console.warning))
    return Wishes(listed=listed, image_set=found, shard=shard)


def images(named: Sequence[str] | None, asked: Asked, context: Context) -> tuple[ImageRequest, ...]:
    """All images. Raises InvalidInput, CatalogUnavailable, UsageError."""
    return wishes(named, asked, context.console).part(context).images


def _image_set(asked: Asked, console: Console) -> ImageSet | None:
    """The image set, its warnings told. Raises InvalidInput, UsageError."""
    if asked.config is None:
        if asked.skip_unsupported:
            raise UsageError("--skip-unsupported is for image sets: name one with -c FILE")
        return None
    from skopeo_mirror.olm.imageset import parse_imageset  # noqa: PLC0415 - as above

    found = parse_imageset(Path(asked.config), skip_unsupported=asked.skip_unsupported)
    for warning in found.warnings:
        console.warning(warning)
    return found


def catalog_reader(
    operators: Sequence[OperatorCatalog],
    context: Context,
    within: Path | None = None,
    filtering: FilteredCatalogs | None = None,
) -> Callable[[OperatorCatalog], tuple[Digest, Catalog]]:
    """What reads each catalog: from the layout `within`, from `oci://PATH`, else pulled as any image is.

    skopeo and registries.conf are needed only where one is pulled. Raises as Context does; what it returns raises
    InvalidInput where a catalog is broken, CatalogUnavailable where nobody serves it.
    """
    from skopeo_mirror.olm.file_based_catalog import read_operators  # noqa: PLC0415 - as above

    pulls = within is None and any(operator.layout is None for operator in operators)
    settings = _settings(context) if pulls else None  # what is wrong with them is told before any catalog is read
    pulled = partial(_pulled, context, settings, whole=filtering is not None)
    if filtering is not None:
        pulled = partial(filtering.keeping, pulled)
    return partial(read_operators, pulled=pulled, within=within)


def release_reader(
    selections: Sequence[ReleaseSelection], context: Context, within: Path | None = None
) -> Callable[[ReleaseSelection], tuple[Digest, Release]]:
    """What reads each release, from the layout `within`, else pulled; raises as `catalog_reader`."""
    from skopeo_mirror.olm.releases import read_selected  # noqa: PLC0415 - as above

    settings = _settings(context) if within is None and selections else None
    return partial(read_selected, pulled=partial(_pulled, context, settings, kind="release"), within=within)


def _settings(context: Context) -> RunSettings:
    from skopeo_mirror.cli import checks  # noqa: PLC0415 - only what is pulled needs it

    sourcing = context.sourcing
    checks.readable(context.pull.authfile, context.pull.src_authfile, context.pull.policy)
    return context.run_settings(sourcing)


@contextmanager
def _pulled(
    context: Context, settings: RunSettings | None, catalog: Reference, *, kind: str = "catalog", whole: bool = False
) -> Iterator[tuple[Digest, Path]]:
    from skopeo_mirror.output.printing import tell_trouble  # noqa: PLC0415 - only what is pulled needs it
    from skopeo_mirror.transfer.catalog_pull import pulled_catalog  # noqa: PLC0415 - as above

    assert settings is not None  # noqa: S101 - one is pulled
    tell = partial(tell_trouble, console=context.console)
    with context.stopped_by_signals():
        context.console.note(f"reading the {kind} {catalog}")
        with pulled_catalog(catalog, settings, stop=context.stop, tell=tell, kind=kind, whole=whole) as pulled:
            yield pulled
