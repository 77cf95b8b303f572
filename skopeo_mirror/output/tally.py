"""The tally of a run: what report and summary say in numbers (pure)."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

from skopeo_mirror.registries_conf.routing import Kind
from skopeo_mirror.skopeo.faults import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.transfer.results import ImageResult, Status


class Location(NamedTuple):
    """A location as configured, and the kind of pull source that it was; `str()` of it is for people."""

    name: str
    kind: str

    @classmethod
    def of(cls, source: PullSource) -> Self:
        """Return the location of a pull source; a wildcard entry without one stands for the host itself."""
        return cls(source.location or source.reference.domain, str(source.kind))

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How many images ended how, and what each location had a part in."""

    statuses: Counter[Status] = field(default_factory=Counter)
    served: Counter[Location] = field(default_factory=Counter)
    """Images that each location served."""
    bytes: Counter[Location | None] = field(default_factory=Counter)
    """Bytes that came from each location; from None: of images that none is proven to have served."""
    faults: defaultdict[Location, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Images, by reason, for which each location failed or was passed over, but for the destination's faults."""

    @classmethod
    def of(cls, images: Iterable[ImageResult]) -> Self:
        """Count the images of a run."""
        tally = cls()
        for image in images:
            server = None if image.served_by is None else Location.of(image.served_by)
            tally.statuses[image.status] += 1
            tally.bytes[server] += image.bytes
            if server is not None:
                tally.served[server] += 1
            for location, reason in {
                (Location.of(attempt.candidate), str(attempt.reason))
                for attempt in image.attempts
                if attempt.reason not in {None, Reason.DESTINATION}
            }:
                tally.faults[location][reason] += 1
        return tally


def fell_back(image: ImageResult) -> bool:
    """Whether mirrors made the origin serve an image."""
    return (
        image.served_by is not None
        and image.served_by.kind is Kind.ORIGIN
        and any(attempt.candidate.kind is Kind.MIRROR and attempt.reason is not None for attempt in image.attempts)
    )
