"""Catalogs, read one after the other from where each lies: the layout of an earlier run, one of its own, a registry."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.oci_layout import image_digest
from skopeo_mirror.olm.file_based_catalog import read_catalog
from skopeo_mirror.olm.set_images import catalog_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from skopeo_mirror.olm.file_based_catalog import Catalog
    from skopeo_mirror.olm.imageset import OperatorCatalog
    from skopeo_mirror.reference import Digest, Reference


def read_catalogs(
    operators: Iterable[OperatorCatalog],
    pulled: Callable[[Reference], AbstractContextManager[tuple[Digest, Path]]],
    within: Path | None = None,
) -> Iterator[tuple[OperatorCatalog, Digest, Catalog]]:
    """Yield each catalog with its digest: from the layout `within` if there is one, from `oci://PATH`, else pulled.

    `pulled` gives the digest of an image and a layout that holds it while the block lasts.
    Raises InvalidInput where a catalog is broken, and whatever `pulled` raises.
    """
    for operator in operators:
        name = None if within is None else str(catalog_reference(operator))
        place: AbstractContextManager[tuple[Digest | None, Path]]
        if found_in := within or operator.layout:
            place = nullcontext((None, found_in))
        else:
            assert operator.reference is not None  # noqa: S101 - it lies in no layout
            place = pulled(operator.reference)
        with place as (digest, layout):
            try:
                found = digest or image_digest(layout, name), read_catalog(layout, name)
            except InvalidInput as error:
                raise InvalidInput(f"{operator.catalog}: {problem}" for problem in error.problems) from error
        yield operator, *found
