"""Where an image may come from: its candidates in registries.conf, and those that are left out beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.registries_conf.routing import Kind, PullSource
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.layout_source import LayoutSource
from skopeo_mirror.skopeo.provenance import Attempt, Outcome
from skopeo_mirror.transfer.destination.naming import tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.registries_conf.routing import Router
    from skopeo_mirror.transfer.destination.place import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """The candidates of one image that may be tried, in order, and those that were left out beforehand."""

    reference: Reference
    candidates: tuple[PullSource, ...]
    skipped: tuple[Attempt, ...] = ()

    @property
    def registries(self) -> tuple[PullSource, ...]:
        """The candidates that a registry is asked for, and so a registries.conf is needed for."""
        return tuple(candidate for candidate in self.candidates if candidate.host is not None)


def layout_of(candidates: Sequence[PullSource]) -> LayoutSource | None:
    """The layout that is read and copied from, instead of asking any registry; None where there is none."""
    return next((candidate for candidate in candidates if isinstance(candidate, LayoutSource)), None)


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

    def is_layout(self, image: Reference) -> bool:
        """Whether `image` comes from a layout and not from a registry."""
        return image.name in self.layouts

    def sources(self, image: Reference, place: Place | None = None, digest: Digest | None = None) -> Sources:
        """The candidates of `image`, without what is blocked, and without the place that it would be written to.

        With `digest`, what its tag turned out to be, they are asked for that; they are still those of the tag.
        Raises Unroutable.
        """
        if self.is_layout(image):
            pinned = image if digest is None else image.pin(digest)
            return _from_layout(pinned, self.layouts[image.name])
        if image.name in self.captured:
            raise Unroutable(
                f"{self.captured[image.name]} redirects {image.name} to the destination itself, and skopeo would take "
                "that entry instead of the configuration in force (take it out while this image is copied)"
            )
        route = self.router.route(image)
        usable: list[PullSource] = []
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
        if digest is not None:
            usable = [candidate.at(digest) for candidate in usable]
        return Sources(reference=route.reference, candidates=tuple(usable), skipped=tuple(skipped))


def _from_layout(image: Reference, directory: Path) -> Sources:
    candidate = LayoutSource(reference=image.without_tag(), location=f"oci:{directory}", directory=directory)
    return Sources(reference=image, candidates=(candidate,))


def _is_same(candidate: PullSource, repository: Reference) -> bool:
    """Whether a candidate is the very name that is written, a tag or what keeps a digest: others there may serve."""
    return candidate.reference.name == repository.name and tag_of(candidate.reference) == repository.tag


def _skipped(candidate: PullSource, reason: Reason, why: str) -> Attempt:
    return Attempt(candidate=candidate, outcome=Outcome.SKIPPED, reason=reason, detail=why)
