"""From the list of images to jobs: each with its route and its place; what must not start is refused here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from skopeo_mirror.errors import DestinationRefused, InvalidInput, Unroutable
from skopeo_mirror.registries_conf.routing import Candidate, Kind
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.layout import LayoutCandidate
from skopeo_mirror.skopeo.provenance import Attempt, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.registries_conf.routing import Router
    from skopeo_mirror.transfer.destination.place import Destination, Place
    from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
    from skopeo_mirror.transfer.results import WantedBy


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
class Sources:
    """The candidates of one image that may be tried, in order, and those that were left out beforehand."""

    reference: Reference
    candidates: tuple[Candidate, ...]
    skipped: tuple[Attempt, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One image and its place at the destination; `number` is its position in the list."""

    number: int
    wanted: Wanted
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Sourcing:
    """Finds an image's sources in registries.conf.

    `captured` are repositories that a drop-in of this host redirects to the destination, each with that drop-in: no
    other pull of them is possible, because no scoped file can outrank it. `layouts` are OCI layouts by the repository
    name of what is taken from them: catalogs from `oci://PATH`.
    """

    router: Router
    mirrors_only: bool = False
    captured: Mapping[str, str] = field(default_factory=dict)
    layouts: Mapping[str, Path] = field(default_factory=dict)

    def without(self, captured: Mapping[str, str]) -> Sourcing:
        """The same, once it is known what this host's drop-ins have captured."""
        return replace(self, captured=captured)

    def sources(self, image: Reference, place: Place | None = None) -> Sources:
        """The candidates of `image`, without what is blocked, and without the place that it would be written to.

        Raises Unroutable.
        """
        if image.name in self.layouts:
            return _from_layout(image, self.layouts[image.name])
        if image.name in self.captured:
            raise Unroutable(
                f"{self.captured[image.name]} redirects {image.name} to the destination itself, and skopeo would take "
                "that entry instead of the configuration in force (take it out while this image is copied)"
            )
        route = self.router.route(image)
        usable: list[Candidate] = []
        skipped: list[Attempt] = []
        for candidate in route.candidates:
            if self.mirrors_only and candidate.kind is Kind.ORIGIN:
                continue
            if candidate.blocked:
                skipped.append(_skipped(candidate, Reason.BLOCKED, "it is blocked in registries.conf"))
            elif place is not None and place.repository is not None and _is_same(candidate, place.repository):
                skipped.append(_skipped(candidate, Reason.DESTINATION, "it is the destination"))
            else:
                usable.append(candidate)
        return Sources(reference=route.reference, candidates=tuple(usable), skipped=tuple(skipped))


def _from_layout(image: Reference, directory: Path) -> Sources:
    candidate = LayoutCandidate(reference=image.without_tag(), location=f"oci:{directory}", directory=directory)
    return Sources(reference=image, candidates=(candidate,))


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


def _is_same(candidate: Candidate, repository: Reference) -> bool:
    return candidate.reference.name == repository.name


def _skipped(candidate: Candidate, reason: Reason, why: str) -> Attempt:
    return Attempt(candidate=candidate, outcome=Outcome.SKIPPED, reason=reason, detail=why)
