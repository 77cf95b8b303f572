"""From images as lists and image sets name them to images as a run is asked for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from skopeo_mirror.transfer.preparing import Wanted
from skopeo_mirror.transfer.results import WantedBy
from skopeo_mirror.transfer.sourcing import Sourcing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from skopeo_mirror.inputs.imageset import ImageSet
    from skopeo_mirror.inputs.lists import Listed
    from skopeo_mirror.transfer.destination.place import Destination
    from skopeo_mirror.transfer.run import Request


def asking_for(request: Request, images: Sequence[Listed], image_set: ImageSet | None) -> Request:
    """The request, for these images; what `image_set` blocks at the destination is left out.

    Raises DestinationRefused.
    """
    layouts = {listed.reference.name: listed.layout for listed in images if listed.layout is not None}
    sourcing = (
        replace(request.sourcing, layouts=layouts) if isinstance(request.sourcing, Sourcing) else request.sourcing
    )
    return replace(request, wanted=tuple(_wanted_at(request.destination, images, image_set)), sourcing=sourcing)


def _wanted_at(destination: Destination, images: Sequence[Listed], image_set: ImageSet | None) -> Iterator[Wanted]:
    for listed in images:
        own = listed.destination
        if listed.named is not None and (repository := destination.place(listed.named).repository) is not None:
            own = str(repository)
        if image_set is not None and image_set.blocks(destination.place(listed.reference, own).name):
            continue
        yield Wanted(
            image=listed.reference,
            destination=own,
            digest=listed.digest,
            wanted_by=tuple(
                WantedBy(catalog=by.catalog, package=by.package, channel=by.channel, bundle=by.bundle)
                for by in listed.wanted_by
            ),
            catalog=listed.catalog,
        )
