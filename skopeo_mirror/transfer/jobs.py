"""Jobs: each image that is asked for, with its sources and its place; what must not start is refused here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skopeo_mirror.errors import DestinationRefused, InvalidInput
from skopeo_mirror.request import once
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.transfer.sourcing import find_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skopeo_mirror.manifest import Descriptor
    from skopeo_mirror.reference import Reference
    from skopeo_mirror.request import ImageRequest
    from skopeo_mirror.transfer.attachments import Attachment
    from skopeo_mirror.transfer.destination.place import Destination, Place
    from skopeo_mirror.transfer.sourcing import SourceFinder, Sources


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One image to be copied: from where it may come, and its place at the destination."""

    number: int
    """Its position in the list."""
    request: ImageRequest
    sources: Sources
    place: Place
    part: Descriptor | None = None
    """What the index that it belongs to says of it, where it is one unit of an image."""
    attached: Attachment | None = None
    """What it is to the image that it is attached to, where it is that."""
    of: Job | None = None
    """That index, or that image."""

    @property
    def whole(self) -> Job:
        """The image as it was asked for: itself, but for one of an index."""
        return self if self.of is None else self.of.whole

    @property
    def is_attached(self) -> bool:
        """Whether it is attached to an image, or belongs to what is."""
        return self.attached is not None or (self.of is not None and self.of.is_attached)

    @property
    def image(self) -> Reference:
        """The image as it is asked for."""
        return self.request.reference

    @property
    def pull(self) -> tuple[Sources, Reference | None]:
        """Its sources, and the repository that it is written to, if that is a registry's."""
        return self.sources, self.place.repository


def prepare(requests: Iterable[ImageRequest], sourcing: SourceFinder, destination: Destination) -> tuple[Job, ...]:
    """Make a job of every image. Raises InvalidInput with everything that must be put right before any copy."""
    jobs: list[Job] = []
    problems: list[str] = []
    for request in once(requests):
        try:
            jobs.append(_job(len(jobs), request, sourcing, destination))
        except DestinationRefused as error:
            problems.append(str(error))
    problems += _collisions(jobs)
    if problems:
        raise InvalidInput(problems)
    return tuple(jobs)


def _job(number: int, request: ImageRequest, sourcing: SourceFinder, destination: Destination) -> Job:
    """Raises DestinationRefused, also for an image that could only be copied onto itself."""
    image = request.reference
    if not image.domain:
        raise DestinationRefused(f"{image}: its first part is no registry host")
    place = destination.place(image, request.destination)
    destination.check(place)
    sources = find_sources(request, sourcing, place)
    if not sources.candidates and any(attempt.reason is Reason.DESTINATION for attempt in sources.skipped):
        raise DestinationRefused(f"{image}: its only candidate is its own destination, {place.name}")
    return Job(number=number, request=request, sources=sources, place=place)


def _collisions(jobs: Sequence[Job]) -> list[str]:
    """Images that would land on one name, or in directories inside each other."""
    problems = []
    by_name: dict[str, Job] = {}
    for job in jobs:
        other = by_name.setdefault(job.place.name, job)
        if other is not job:
            problems.append(
                f"{other.image} and {job.image} would both become {job.place.name} "
                "(--scoped keeps the source host in the path)"
            )
    by_path = {job.place.path: job for job in jobs if job.place.path is not None}
    problems += [
        f"{job.image} would lie inside {outer.image}: {job.place.name} is below {outer.place.name}"
        for path, job in by_path.items()
        for outer in map(by_path.get, path.parents)
        if outer is not None
    ]
    return problems
