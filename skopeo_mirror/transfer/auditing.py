"""Before anything is copied: whether a drop-in of this host would reach a pull, past the scoped files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.registries_conf.dropin_conflicts import check_dropins
from skopeo_mirror.registries_conf.scoping import physical_repositories, scoped_prefixes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.transfer.jobs import Job
    from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
    from skopeo_mirror.transfer.sourcing import Sourcing


def audit(
    jobs: Sequence[Job], sourcing: Sourcing | LayoutSourcing, dropins: Sequence[Path], helpers: Sequence[str]
) -> dict[str, str]:
    """Refuse drop-ins that no scoped file of these jobs can outrank; return what `check_dropins` lets pass.

    `dropins` are this host's, `helpers` the credential helpers of the configuration in force. Raises
    InvalidConfiguration.
    """
    places: dict[str, set[str]] = {}
    for job in jobs:
        if job.place.repository is not None:
            places.setdefault(job.wanted.image.name, set()).add(job.place.repository.name)
    return check_dropins(dropins, {prefix for job in jobs for prefix in _prefixes(job, sourcing)}, places, helpers)


def audit_sources(
    images: Iterable[Reference], sourcing: Sourcing, dropins: Sequence[Path], helpers: Sequence[str]
) -> None:
    """Refuse drop-ins that would reach the reading of these images. Raises InvalidConfiguration."""
    check_dropins(dropins, {prefix for image in images for prefix in _source_prefixes(image, sourcing)}, {}, helpers)


def _prefixes(job: Job, sourcing: Sourcing | LayoutSourcing) -> Iterator[str]:
    image = job.wanted.image
    try:
        candidates = sourcing.sources(image, job.place).registries
    except Unroutable:
        candidates = ()
    yield from scoped_prefixes(image, candidates, job.place.repository)


def _source_prefixes(image: Reference, sourcing: Sourcing) -> list[str]:
    try:
        return [image.name, *physical_repositories(sourcing.sources(image).registries, None)]
    except Unroutable:
        return []
