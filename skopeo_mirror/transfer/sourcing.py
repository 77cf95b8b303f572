"""The sources of an image: its candidates in registries.conf, and those that are left out beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.reference import tag_of
from skopeo_mirror.registries_conf.routing import Kind, PullSource
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.layout_source import LayoutSource
from skopeo_mirror.skopeo.provenance import Attempt, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.registries_conf.routing import Route, Router
    from skopeo_mirror.request import ImageRequest
    from skopeo_mirror.transfer.destination.place import Place

REBUILT: Final = "oci:rebuilt"
"""The location of what was rebuilt: where that lies is another place in each run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """From where one image may come."""

    reference: Reference
    """What is asked for."""
    candidates: tuple[PullSource, ...] = ()
    """Those that may be tried, in order."""
    skipped: tuple[Attempt, ...] = ()
    """Those that were left out beforehand."""
    route: Route | None = None
    """What registries.conf says of it, where that has a part in it."""
    mirrors_only: bool = False
    """Whether the origin was left out, and nothing else may be asked instead."""
    unroutable: str | None = None
    """Why there is nowhere to pull it from, whoever is asked."""

    @property
    def from_layout(self) -> bool:
        """Whether it comes from a layout and not from a registry."""
        return layout_of(self.candidates) is not None

    def at(self, digest: Digest | None) -> Sources:
        """The same candidates, asked for the digest that the image's tag turned out to have, if it did."""
        if digest in {None, self.reference.digest}:
            return self
        return replace(self, candidates=tuple(candidate.at(digest) for candidate in self.candidates))

    @property
    def registries(self) -> tuple[PullSource, ...]:
        """The candidates that a registry is asked for, and so a registries.conf is needed for."""
        return tuple(candidate for candidate in self.candidates if candidate.host is not None)


def layout_of(candidates: Sequence[PullSource]) -> LayoutSource | None:
    """The layout that is read and copied from, instead of asking any registry; None where there is none."""
    return next((candidate for candidate in candidates if isinstance(candidate, LayoutSource)), None)


class SourceFinder(Protocol):
    """Finds the sources of images, wherever they come from."""

    def sources(self, request: ImageRequest, place: Place | None = None) -> Sources:
        """From where an image may come, but for the place that it would be written to. Raises Unroutable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sourcing:
    """Finds an image's sources in registries.conf."""

    router: Router
    mirrors_only: bool = False

    def sources(self, request: ImageRequest, place: Place | None = None) -> Sources:
        """The candidates of an image, without what is blocked, and without the place that it would be written to.

        Raises Unroutable.
        """
        if request.layout is not None:
            reference = request.reference.without_tag()
            location = f"oci:{request.layout}" if request.rebuilt_from is None else REBUILT
            layout = LayoutSource(reference=reference, location=location, directory=request.layout)
            return Sources(reference=request.reference, candidates=(layout,))
        route = self.router.route(request.reference)
        usable: list[PullSource] = []
        skipped: list[Attempt] = []
        for candidate in route.candidates:
            if self.mirrors_only and candidate.kind is Kind.ORIGIN:
                continue
            if candidate.blocked:
                by = candidate.blocked_at or "registries.conf"
                skipped.append(_skipped(candidate, Reason.BLOCKED, f"it is blocked in {by}"))
            elif place is not None and place.repository is not None and _is_same(candidate, place.repository):
                skipped.append(_skipped(candidate, Reason.DESTINATION, "it is the destination"))
            else:
                usable.append(candidate)
        return Sources(
            reference=route.reference,
            candidates=route.candidates if len(usable) == len(route.candidates) else tuple(usable),
            skipped=tuple(skipped),
            route=route,
            mirrors_only=self.mirrors_only,
        )


def find_sources(request: ImageRequest, sourcing: SourceFinder, place: Place | None = None) -> Sources:
    """The sources of an image, or why it has none: such a one fails in its turn."""
    try:
        return sourcing.sources(request, place)
    except Unroutable as error:
        return Sources(reference=request.reference, unroutable=str(error))


def _is_same(candidate: PullSource, repository: Reference) -> bool:
    """Whether a candidate is the very name that is written, a tag or what keeps a digest: others there may serve."""
    return candidate.reference.name == repository.name and tag_of(candidate.reference) == repository.tag


def _skipped(candidate: PullSource, reason: Reason, why: str) -> Attempt:
    return Attempt(candidate=candidate, outcome=Outcome.SKIPPED, reason=reason, detail=why)
