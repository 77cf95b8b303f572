"""From the list of images to jobs: each with its route and its place; what must not start is refused here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from skopeo_mirror.errors import DestinationRefused, InvalidInput, Unroutable
from skopeo_mirror.skopeo.faults import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.request import WantedBy
    from skopeo_mirror.transfer.destination.place import Destination, Place
    from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
    from skopeo_mirror.transfer.sourcing import Sourcing


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """An image that is asked for; `destination` is one of its own, if it names one.

    `digest` is what its tag was found to be, where that is known beforehand; `catalog` says that it is that operator
    catalog, as the image set writes it.
    """

    image: Reference
    destination: str | None = None
    digest: Digest | None = None
    wanted_by: tuple[WantedBy, ...] = ()
    catalog: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One image and its place at the destination; `number` is its position in the list."""

    number: int
    wanted: Wanted
    place: Place


def prepare(wanted: Iterable[Wanted], sourcing: Sourcing | LayoutSourcing, destination: Destination) -> tuple[Job, ...]:
    """Give every image its place. Raises InvalidInput with everything that must be put right before any copy."""
    jobs: list[Job] = []
    problems: list[str] = []
    seen: set[tuple[Reference, str | None]] = set()
    for one in wanted:
        if (one.image, one.destination) in seen:
            continue
        seen.add((one.image, one.destination))
        try:
            if not one.image.domain:
                raise DestinationRefused(f"{one.image}: its first part is no registry host")  # noqa: TRY301
            place = destination.place(one.image, one.destination)
            destination.check(place)
            _check_sources(one.image, sourcing, place)
        except DestinationRefused as error:
            problems.append(str(error))
        else:
            jobs.append(Job(number=len(jobs), wanted=one, place=place))
    problems += _collisions(jobs)
    if problems:
        raise InvalidInput(problems)
    return tuple(jobs)


def _check_sources(image: Reference, sourcing: Sourcing | LayoutSourcing, place: Place) -> None:
    """Refuse an image that could only be copied onto itself; one that cannot be routed fails in its turn."""
    try:
        sources = sourcing.sources(image, place)
    except Unroutable:
        return
    if not sources.candidates and any(attempt.reason is Reason.DESTINATION for attempt in sources.skipped):
        raise DestinationRefused(f"{image}: its only candidate is its own destination, {place.name}")


def _collisions(jobs: Sequence[Job]) -> list[str]:
    """Images that would land on one name, or in directories inside each other."""
    problems = []
    by_name: dict[str, Job] = {}
    for job in jobs:
        other = by_name.setdefault(job.place.name, job)
        if other is not job:
            problems.append(
                f"{other.wanted.image} and {job.wanted.image} would both become {job.place.name} "
                "(--scoped keeps the source host in the path)"
            )
    by_path = {job.place.path: job for job in jobs if job.place.path is not None}
    for path, job in by_path.items():
        for parent in PurePath(path).parents:
            other_job = by_path.get(type(path)(parent))
            if other_job is not None:
                problems.append(
                    f"{job.wanted.image} would lie inside {other_job.wanted.image}: {job.place.name} is below "
                    f"{other_job.place.name}"
                )
    return problems
