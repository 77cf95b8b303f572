"""Catalogs that offer only what was selected, each in a layout below a directory that lasts as long as the copy."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import problems_of
from skopeo_mirror.olm.file_based_catalog import stream_documents
from skopeo_mirror.olm.filtering import kept_packages, write_layers
from skopeo_mirror.olm.rebuilt_image import rebuild
from skopeo_mirror.olm.set_images import catalog_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from skopeo_mirror.olm.file_based_catalog import Catalog
    from skopeo_mirror.olm.imageset import OperatorCatalog
    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.request import ImageRequest, WantedBy


@dataclass(frozen=True, kw_only=True, slots=True)
class FilteredCatalogs:
    """Makes them below `directory`, which nobody else looks at, and which stays until they are copied."""

    directory: Path
    _pulled: dict[Reference, Path] = field(default_factory=dict)
    """The layouts of what was pulled, so that it is pulled once."""

    @contextmanager
    def keeping(
        self, pulled: Callable[[Reference], AbstractContextManager[tuple[Digest, Path]]], catalog: Reference
    ) -> Iterator[tuple[Digest, Path]]:
        """What `pulled` gives, kept for `rebuilt`; it must lie on the same file system."""
        with pulled(catalog) as (digest, layout):
            kept = self.directory / f"pulled-{len(self._pulled)}"
            layout.rename(kept)
            self._pulled[catalog] = kept
            yield digest, kept

    def rebuilt(
        self, operator: OperatorCatalog, original: Digest, catalog: Catalog, selected: Sequence[WantedBy]
    ) -> ImageRequest:
        """The image to copy instead of `original`, which `catalog` was read from; raise InvalidInput."""
        layout = operator.layout
        if layout is None:
            assert operator.reference is not None  # noqa: S101 - it lies in no layout
            layout = self._pulled[operator.reference]
        work = self.directory / f"rebuilt-{len([*self.directory.iterdir()])}"
        work.mkdir()
        into = work / "layout"
        into.mkdir()
        with problems_of(operator.catalog):
            kept = kept_packages(catalog, operator, selected)
            layers = write_layers((document for _, document in stream_documents(layout, whole=True)), kept, work)
            digest = rebuild(layout, original, layers, into)
        return replace(catalog_image(operator, digest), layout=into, rebuilt_from=original)
