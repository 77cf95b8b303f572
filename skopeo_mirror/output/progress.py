"""The progress of a run, computed from its news and from what the skopeos under way have read (no clock of its own).

Bytes have one meaning: those that have to move, each blob once; what is at the destination already is none of them.
What a copy has read counts until it fails, and never for more than it is to bring; at its end its result counts.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from skopeo_mirror.transfer.news import Copying, Ended, Noted, Retrying, Running, Settled, Warned, Weighed
from skopeo_mirror.transfer.plan import Weight
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skopeo_mirror.skopeo.supervision import Meter
    from skopeo_mirror.transfer.jobs import Job
    from skopeo_mirror.transfer.news import News
    from skopeo_mirror.transfer.results import ImageResult

_WINDOW: Final = 30.0
"""Seconds over which the rate is taken."""
_LEAST: Final = 100
"""Bytes a second below which nothing comes: skopeo reads a little all the time."""
_OFTEN: Final = 0.5
"""Seconds between the samples that it is taken from."""


@dataclass(kw_only=True, slots=True)
class _Unit:
    """A unit that is not at its end."""

    job: Job
    weight: Weight = field(default_factory=Weight)
    source: str = ""
    """The reference that skopeo is at; empty while it is not being copied."""
    meter: Meter | None = None
    read: int = 0
    """Bytes of this attempt."""
    since: float | None = None
    """When it was seen to read its first."""
    again: Retrying | None = None
    again_at: float = 0.0


class Copy(NamedTuple):
    """An image under way, with all that comes for it."""

    job: Job
    source: str
    """The reference that is read from; of several, the latest."""
    done: int
    total: int
    """0: not known."""
    rate: float | None
    """Bytes a second; None where none were seen."""


class Pause(NamedTuple):
    """An image that will be tried again at `at`."""

    job: Job
    why: str
    hosts: tuple[str, ...]
    at: float


@dataclass(kw_only=True, slots=True)
class Progress:
    """What is known of a run so far; times are seconds of one clock, sizes bytes.

    `images` is how many there are; 0: that is being found out.
    """

    images: int
    began: float
    finished: int = 0
    failed: int = 0
    _weighed: set[int] = field(default_factory=set)
    """The images, by number, of which is known what they weigh, and that are not at their end."""
    _units: dict[int, _Unit] = field(default_factory=dict)
    _wanted: Counter[str] = field(default_factory=Counter)
    """The blobs that units under way are to bring, each with their number."""
    _sizes: dict[str, int] = field(default_factory=dict)
    """Of these."""
    _there: set[str] = field(default_factory=set)
    """The blobs that are at the destination."""
    _to_bring: int = 0
    _moved: int = 0
    _parts: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)
    """By the number of an image: what has come for it, by the number of its unit, with whom that unit was for."""
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def hear(self, news: News, now: float) -> None:
        """Take one piece of news that arrived at `now`."""
        match news:
            case Weighed(job=job, weight=weight):
                self._weighed.add(job.whole.number)
                self._weigh(self._unit(job), weight)
            case Running(job=job, meter=meter):
                unit = self._unit(job)
                if unit.meter is not None:  # of the candidate before
                    unit.source = ""
                self._begin_anew(unit, meter)
            case Copying(job=job, source=source):
                if not self._samples:
                    self._samples.append((now, self.done))
                unit = self._unit(job)
                self._begin_anew(unit, unit.meter)
                unit.source, unit.again = source, None
            case Retrying(job=job, pause=pause):
                unit = self._unit(job)
                self._begin_anew(unit, None)
                unit.source, unit.again, unit.again_at = "", news, now + pause
            case Ended(job=job, result=result):
                self._end(job, result)
            case Settled(job=job, result=result):
                self._settle(job, result)
            case Warned() | Noted():
                pass

    def observe(self, now: float) -> None:
        """Look what the skopeos under way have read by `now`."""
        for unit in self._units.values():
            if unit.meter is None or not unit.source:  # until then skopeo reads nothing but its own files
                continue
            unit.read = unit.meter.read()
            if unit.read and unit.since is None:
                unit.since = now
            for blob in unit.meter.present(now):
                if blob in unit.weight.shared:
                    self._arrive(blob)
        if not self._samples:
            return
        if self.done < self._samples[-1][1]:  # an attempt has failed
            self._samples.clear()
        if not self._samples or now - self._samples[-1][0] >= _OFTEN:
            self._samples.append((now, self.done))
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW:
            self._samples.popleft()

    @property
    def looked_at(self) -> int:
        """Images of which is known what they weigh, or that are at their end."""
        return self.finished + len(self._weighed)

    @property
    def done(self) -> int:
        """Bytes that have moved."""
        reading = sum(min(unit.read, self._brings(unit)) for unit in self._units.values() if unit.read)
        return self._arrived + min(reading, self._to_bring)

    @property
    def total(self) -> int:
        """Bytes that have moved or have to, of all images that were looked at."""
        return self._arrived + self._to_bring

    @property
    def estimate(self) -> int:
        """The total of all images: those that were not looked at yet weigh as much as the others on average."""
        unseen = max(self.images - self.looked_at, 0)
        return self.total + (round(self.total * unseen / self.looked_at) if self.looked_at else 0)

    def rate(self, now: float) -> float | None:
        """Bytes a second, lately; None where none came."""
        if not self._samples:
            return None
        at, then = self._samples[0]
        return _rate(self.done - then, now - at)

    def seconds_left(self, now: float) -> float | None:
        """How long the rest takes if it goes on like this: by bytes where they are known, else by images."""
        left = self.estimate - self.done
        if left > 0:
            rate = self.rate(now)
            return left / rate if rate else None
        if not self.finished or self.began >= now:
            return None
        return (now - self.began) * (self.images - self.finished) / self.finished

    def copies(self, now: float) -> Iterator[Copy]:
        """The images that are being copied."""
        for units in self._by_image():
            under_way = [unit for unit in units if unit.source]
            if under_way:
                job = units[0].job.whole
                came = self._came_for(job)
                yield Copy(
                    job=job,
                    source=under_way[-1].source,
                    done=came + sum(self._reads(unit) for unit in under_way),
                    total=came + sum(map(self._brings, units)),
                    rate=sum(_rate(one.read, now - one.since) or 0 for one in under_way if one.since) or None,
                )

    def pauses(self) -> Iterator[Pause]:
        """The images that wait to be tried again, and of which nothing else is under way."""
        for units in self._by_image():
            waiting = [unit for unit in units if unit.again is not None]
            if waiting and not any(unit.source for unit in units):
                first = min(waiting, key=lambda unit: unit.again_at)
                assert first.again is not None  # noqa: S101 - as it was chosen
                yield Pause(units[0].job.whole, first.again.why, first.again.hosts, first.again_at)

    @property
    def _arrived(self) -> int:
        """The bytes of what is at its end."""
        return self._moved + sum(count for parts in self._parts.values() for _, count in parts.values())

    def _came_for(self, job: Job) -> int:
        return sum(count for _, count in self._parts.get(job.number, {}).values())

    def _brings(self, unit: _Unit) -> int:
        """The bytes that a unit is to bring."""
        shared = unit.weight.shared
        return unit.weight.own + sum(size for blob, size in shared.items() if blob not in self._there)

    def _reads(self, unit: _Unit) -> int:
        """What a unit has read, as far as that can be what it brings; all of it, where nobody knows what it brings."""
        known = unit.weight.own or unit.weight.shared
        return min(unit.read, self._brings(unit)) if known else unit.read

    def _by_image(self) -> Iterable[list[_Unit]]:
        by_image: dict[int, list[_Unit]] = {}
        for unit in self._units.values():
            by_image.setdefault(unit.job.whole.number, []).append(unit)
        return by_image.values()

    def _unit(self, job: Job) -> _Unit:
        return self._units.setdefault(job.number, _Unit(job=job))

    def _end(self, job: Job, result: ImageResult) -> None:
        """What comes for an image is at its end."""
        self._release(job.number, arrived=result.status is Status.COPIED)
        parts = self._parts.setdefault(job.whole.number, {})
        for number in [number for number, (of, _) in parts.items() if of == job.number]:
            del parts[number]  # its result has them
        parts[job.number] = (-1 if job.of is None else job.of.number, result.bytes)

    def _settle(self, job: Job, result: ImageResult) -> None:
        """An image is at its end."""
        self._weighed.discard(job.number)
        for number in [number for number, unit in self._units.items() if unit.job.whole.number == job.number]:
            self._release(number, arrived=result.status is Status.COPIED)
        self._parts.pop(job.number, None)
        self.finished += 1
        self.failed += result.status is Status.FAILED
        if result.status is not Status.WOULD_COPY:
            self._moved += result.bytes

    def _begin_anew(self, unit: _Unit, meter: Meter | None) -> None:
        unit.meter, unit.read, unit.since = meter, 0, None

    def _weigh(self, unit: _Unit, weight: Weight) -> None:
        self._unweigh(unit)
        unit.weight = weight
        self._to_bring += weight.own
        for blob, size in weight.shared.items():
            if not self._wanted[blob]:
                self._sizes[blob] = size
                self._to_bring += 0 if blob in self._there else size
            self._wanted[blob] += 1

    def _unweigh(self, unit: _Unit) -> None:
        self._to_bring -= unit.weight.own
        for blob in unit.weight.shared:
            self._wanted[blob] -= 1
            if not self._wanted[blob]:
                del self._wanted[blob]
                size = self._sizes.pop(blob)
                self._to_bring -= 0 if blob in self._there else size

    def _release(self, number: int, *, arrived: bool) -> None:
        """A unit is at its end; where it `arrived`, nobody has to bring its blobs any more."""
        unit = self._units.pop(number, None)
        if unit is not None:
            for blob in unit.weight.shared if arrived else ():
                self._arrive(blob)
            self._unweigh(unit)

    def _arrive(self, blob: str) -> None:
        if blob not in self._there:
            self._there.add(blob)
            self._to_bring -= self._sizes[blob]


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if seconds > 0 and count >= _LEAST * seconds else None
