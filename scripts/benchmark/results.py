"""What was measured, as values: samples in rows, bars to stay under, and their two views, a table and JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scripts.benchmark.measure import Cost
    from tests.rig.registry import Request

SCHEMA = "skopeo-mirror/bench/v1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One run: seconds, CPU seconds (children included), bytes at the peak; at the source blob bytes and requests."""

    seconds: float
    cpu: float
    peak: int
    pulled: int | None = None
    requests: int | None = None

    @classmethod
    def of(cls, cost: Cost, requests: Sequence[Request] | None = None) -> Sample:
        """What a run cost, and what it asked of the source, where there is one."""
        if requests is None:
            return cls(seconds=cost.seconds, cpu=cost.cpu, peak=cost.peak)
        blobs = [request for request in requests if request.method == "GET" and "/blobs/" in request.path]
        return cls(
            seconds=cost.seconds,
            cpu=cost.cpu,
            peak=cost.peak,
            pulled=sum(request.size for request in blobs),
            requests=len(requests),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The runs of one contender in one phase (`cold`, `again`; empty where there is one only)."""

    name: str
    phase: str = ""
    samples: list[Sample] = field(default_factory=list)

    def median(self, measure: str) -> float:
        """The median of one of a sample's measures."""
        return float(median(getattr(sample, measure) for sample in self.samples))

    def worst(self, measure: str) -> float:
        """The largest of one of a sample's measures."""
        return float(max(getattr(sample, measure) for sample in self.samples))


class Unit(StrEnum):
    """How a bar's numbers are written."""

    RATIO = "ratio"
    SECONDS = "s"
    MILLISECONDS = "ms"
    KILOBYTES = "kB"
    MEGABYTES = "MB"
    REQUESTS = "requests"

    def write(self, value: float) -> str:
        """The value with its unit, as a cell of a table."""
        match self:
            case Unit.RATIO:
                return f"{value:.2f}"
            case Unit.SECONDS:
                return f"{value:.2f} s"
            case Unit.REQUESTS:
                return f"{value:.0f}"
            case _:
                return f"{value:.1f} {self}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A measured value and what it may be at most."""

    what: str
    value: float
    limit: float
    unit: Unit

    @property
    def met(self) -> bool:
        """Whether the value stays under the bar."""
        return self.value <= self.limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one scenario found; `error` says why it found nothing."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def met(self) -> bool:
        """Whether the scenario ran, and met all its bars."""
        return not self.error and all(bar.met for bar in self.bars)


def ratio(what: str, ours: Row, theirs: Row, limit: float, measure: str = "seconds") -> Bar:
    """The bar of one row's median against another's."""
    value = ours.median(measure) / theirs.median(measure)
    return Bar(what=what, value=value, limit=limit, unit=Unit.RATIO)


def as_text(outcome: Outcome) -> str:
    """The outcome for people: a table of medians, a table of bars, the notes."""
    lines = [f"{outcome.name}: {outcome.title}"]
    if outcome.rows:
        lines += _table(
            [("", "", "runs", "wall", "CPU", "peak", "pulled", "requests"), *(_cells(row) for row in outcome.rows)]
        )
    if outcome.bars:
        lines += _table([("", "measured", "at most", ""), *(_bar_cells(bar) for bar in outcome.bars)])
    lines += [f"  note: {note}" for note in outcome.notes]
    if outcome.error:
        lines.append(f"  FAILED: {outcome.error}")
    return "\n".join(lines) + "\n"


def as_json(settings: dict[str, Any], machine: dict[str, Any], outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """The outcomes for comparison over time: every sample, and the bars with their verdicts."""
    return {
        "schema": SCHEMA,
        "machine": machine,
        "settings": settings,
        "scenarios": [
            dataclasses.asdict(outcome)
            | {"met": outcome.met, "bars": [dataclasses.asdict(bar) | {"met": bar.met} for bar in outcome.bars]}
            for outcome in outcomes
        ],
    }


def _cells(row: Row) -> tuple[str, ...]:
    first = row.samples[0]
    return (
        row.name,
        row.phase,
        str(len(row.samples)),
        f"{row.median('seconds'):.2f} s",
        f"{row.median('cpu'):.2f} s",
        f"{row.median('peak') / 1e6:.0f} MB",
        "" if first.pulled is None else f"{row.median('pulled') / 1e6:.1f} MB",
        "" if first.requests is None else f"{row.median('requests'):.0f}",
    )


def _bar_cells(bar: Bar) -> tuple[str, ...]:
    return bar.what, bar.unit.write(bar.value), bar.unit.write(bar.limit), "ok" if bar.met else "MISSED"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns in line: the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(f"{cell:{'>' if place else '<'}{widths[place]}}" for place, cell in enumerate(row)).rstrip()
        for row in rows
    ]
