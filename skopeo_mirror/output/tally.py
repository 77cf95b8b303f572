"""The tally of a run: what report and summary say in numbers (pure)."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

from skopeo_mirror.registries_conf.routing import Kind
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import Outcome
from skopeo_mirror.transfer.results import AttachedResult, ImageResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.transfer.results import Status, UnitResult

    Unit = ImageResult | UnitResult


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
    attached: Counter[Status] = field(default_factory=Counter)
    """What is attached to them, each as often as it is attached to an image."""
    served: Counter[Location] = field(default_factory=Counter)
    """Images that each location served, or something of."""
    bytes: Counter[Location | None] = field(default_factory=Counter)
    """Bytes that came from each location; from None: of what none is proven to have served."""
    faults: defaultdict[Location, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Images, by reason, for which each location failed or was passed over, but for the destination's faults."""
    asked: Counter[Location] = field(default_factory=Counter)
    """How often each location was tried."""
    failures: defaultdict[Location, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """How often, by reason, each failed or was passed over, but for the destination's faults."""

    @classmethod
    def of(cls, images: Iterable[ImageResult]) -> Self:
        """Count the images of a run."""
        tally = cls()
        for image in images:
            tally.statuses[image.status] += 1
            tally.attached.update(one.status for one in image.attached)
            units = _units(image)
            tally.served.update({*_servers(units)})
            for one in units:
                tally.bytes[_server(one)] += one.bytes - sum(part.bytes for part in _within(one))
            attempts = [attempt for one in units for attempt in one.attempts]
            tally.asked.update(Location.of(one.candidate) for one in attempts if one.outcome is not Outcome.SKIPPED)
            failures = [
                (Location.of(attempt.candidate), str(attempt.reason))
                for attempt in attempts
                if attempt.reason not in {None, Reason.DESTINATION}
            ]
            for location, reason in failures:
                tally.failures[location][reason] += 1
            for location, reason in set(failures):
                tally.faults[location][reason] += 1
        return tally


def fell_back(image: ImageResult) -> bool:
    """Whether mirrors made the origin serve an image, or something of it."""
    return any(
        one.served_by is not None
        and one.served_by.kind is Kind.ORIGIN
        and any(attempt.candidate.kind is Kind.MIRROR and attempt.reason is not None for attempt in one.attempts)
        for one in _units(image)
    )


def _units(image: ImageResult) -> tuple[Unit, ...]:
    """An image, and all else that came for it."""
    return (image, *image.parts, *image.attached, *(part for one in image.attached for part in one.parts))


def _within(one: Unit) -> tuple[Unit, ...]:
    """The units whose bytes are among its own."""
    match one:
        case ImageResult():
            return (*one.parts, *one.attached)
        case AttachedResult():
            return one.parts
    return ()


def _servers(several: Iterable[Unit]) -> Iterator[Location]:
    return (Location.of(one.served_by) for one in several if one.served_by is not None)


def _server(one: Unit) -> Location | None:
    return None if one.served_by is None else Location.of(one.served_by)
