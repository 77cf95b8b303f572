"""The engine that brings many images at once: who looks, who copies, who waits, and when to stop.

The main thread decides, two pools of threads work: one looks ahead (presence, plans), one copies. Looking overlaps
with copying, so that it costs no time where a network is slower than this machine. What is looked at and copied is a
unit: an image, one image of an index, or something that is attached; what awaits such follows when all are there.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from skopeo_mirror.skopeo.debuglog import Event, Started, Tried
from skopeo_mirror.transfer.news import Copying, Ended, Retrying, Running, Settled, Weighed
from skopeo_mirror.transfer.results import ImageResult, Status
from skopeo_mirror.transfer.schedule import Schedule
from skopeo_mirror.transfer.stages import Abandoned, Awaiting, Finished, Planned, Retry
from skopeo_mirror.transfer.trees import Trees

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.skopeo.command import Runs
    from skopeo_mirror.transfer.jobs import Job
    from skopeo_mirror.transfer.news import News
    from skopeo_mirror.transfer.pipeline import Pipeline
    from skopeo_mirror.transfer.stages import Journey, Look, Step

LOOKS: Final = 2
"""Looks at once for each copy: they wait for round trips, and load no source (of which `jobs` at once are asked)."""
AHEAD: Final = 64
"""Units that are looked at ahead of the copies: enough to find one whose layers nobody brings, flat in memory."""


@dataclass(kw_only=True, slots=True)
class Stop:
    """The stop button of a run. `why` is set once, in words; `wake` is called so that who waits takes notice.

    Safe to use from a signal handler.
    """

    runs: Runs
    why: str | None = None
    wake: Callable[[], None] = field(default=lambda: None)

    def finish(self, why: str) -> None:
        """Start nothing new; what is under way may end."""
        self.why = self.why or why
        self.wake()

    def now(self, why: str) -> None:
        """Start nothing new and end what is under way."""
        self.why = self.why or why
        self.runs.stop()
        self.wake()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Landed:
    """Layers of an image are at the destination, while it is still being copied."""

    number: int
    layers: frozenset[str]


if TYPE_CHECKING:
    _Message = Step | Copying | Running | _Landed | BaseException | None


@dataclass(kw_only=True, slots=True)
class Engine:
    """Brings images through a pipeline, `jobs` copies at a time. `tell` hears the news, on the calling thread."""

    pipeline: Pipeline
    jobs: int
    stop: Stop
    tell: Callable[[News], None]
    fail_fast: bool = False
    _inbox: SimpleQueue[_Message] = field(default_factory=SimpleQueue)
    _waiting: deque[Job] = field(default_factory=deque)
    _looking: set[int] = field(default_factory=set)
    _schedule: Schedule = field(default_factory=Schedule)
    _ready: dict[int, Planned] = field(default_factory=dict)
    """What is scheduled, by number."""
    _copying: set[int] = field(default_factory=set)
    _later: list[tuple[float, int, Retry]] = field(default_factory=list)
    _trees: Trees = field(default_factory=Trees)
    _journeys: dict[int, Journey] = field(default_factory=dict)
    """Those that have begun and are not at their end, by the numbers of their units."""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    """Those of the units that others await; they follow the images' own."""
    _results: dict[int, ImageResult] = field(default_factory=dict)

    def run(self, jobs: deque[Job]) -> list[ImageResult]:
        """Bring every image to its end; the results in the order of `jobs`, also when the run was stopped.

        `jobs` is emptied, so that of many images that are at their end no more is kept than their results.
        Raises what a worker raised and did not expect, after the others have ended.
        """
        images = len(jobs)
        self._waiting = jobs
        self._numbers = itertools.count(images)
        self.stop.wake = lambda: self._inbox.put(None)
        with ThreadPoolExecutor(self._looks) as lookers, ThreadPoolExecutor(self.jobs) as copiers:
            while self._has_work():
                if self.stop.why is None:
                    self._start_what_can(lookers, copiers)
                self._take(self._next_message())
        self._abandon_the_rest()
        return [self._results[number] for number in range(images)]

    @property
    def _looks(self) -> int:
        """How many at once: one for a single job, which takes the images in their order."""
        return LOOKS * self.jobs if self.jobs > 1 else 1

    def _has_work(self) -> bool:
        if self._looking or self._copying:
            return True
        return self.stop.why is None and bool(self._waiting or self._schedule or self._later)

    def _start_what_can(self, lookers: ThreadPoolExecutor, copiers: ThreadPoolExecutor) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            _, number, again = heapq.heappop(self._later)
            if isinstance(again.stage, Planned):
                self._ready[number] = again.stage
                self._schedule.add(number, ())
            else:
                self._look(lookers, number, again.stage)
        while self._waiting and len(self._looking) < self._looks and len(self._schedule) < AHEAD:
            job = self._waiting.popleft()
            begun = self.pipeline.begin(job)
            self._journeys[job.number] = begun.journey
            self._look(lookers, job.number, begun)
        while len(self._copying) < self.jobs and (chosen := self._schedule.take()) is not None:
            self._copying.add(chosen)
            self._hand_over(copiers.submit(self._copy, self._ready.pop(chosen)))

    def _look(self, lookers: ThreadPoolExecutor, number: int, stage: Look) -> None:
        self._looking.add(number)
        self._hand_over(lookers.submit(self.pipeline.look, stage))

    def _hand_over(self, future: Future[Step]) -> None:
        """Have what comes of it brought to the main thread."""

        def hand_over(future: Future[Step]) -> None:
            error = future.exception()
            self._inbox.put(error if error is not None else future.result())

        future.add_done_callback(hand_over)

    def _copy(self, stage: Planned) -> Step:
        job = stage.journey.job

        def tell(event: Event) -> None:
            if isinstance(event, Tried):
                self._inbox.put(Copying(job=job, source=event.reference))
            elif isinstance(event, Started):
                self._inbox.put(Running(job=job, meter=event.meter))
            elif layers := self.pipeline.landed(stage, event):
                self._inbox.put(_Landed(number=job.number, layers=layers))

        return self.pipeline.copy(stage, tell)

    def _next_message(self) -> _Message:
        """The next word from a worker; None when it is time to look at what was put off, or at the stop button."""
        timeout = max(0.0, self._later[0][0] - time.monotonic()) if self._later and self.stop.why is None else None
        try:
            return self._inbox.get(timeout=timeout)
        except Empty:
            return None

    def _take(self, message: _Message) -> None:
        match message:
            case None:
                return
            case BaseException():
                self.stop.now("an error inside the tool")
                raise message
            case Copying() | Running():
                self.tell(message)
            case _Landed(number=number, layers=layers):
                self._schedule.landed(number, layers)
            case Planned(journey=journey, weight=weight):
                self._looking.discard(journey.job.number)
                self.tell(Weighed(job=journey.job, weight=weight))
                self._ready[journey.job.number] = message
                self._schedule.add(journey.job.number, weight.shared)
            case Awaiting():
                self._await(message)
            case Retry(journey=journey):
                self._put_down(journey, arrived=False)
                heapq.heappush(self._later, (time.monotonic() + message.pause, journey.job.number, message))
                self.tell(Retrying(job=journey.job, pause=message.pause, why=message.why, hosts=message.hosts))
            case Abandoned(journey=journey):
                self._put_down(journey, arrived=False)
            case Finished():
                self._finish(message)

    def _await(self, stage: Awaiting) -> None:
        """Have what a manifest follows brought, before anything else is begun."""
        self._looking.discard(stage.journey.job.number)
        if isinstance(stage.then, Planned):
            self.tell(Weighed(job=stage.journey.job, weight=stage.then.weight))
        units = self.pipeline.units(stage, self._numbers)
        if units:
            self._waiting.extendleft(reversed(self._trees.follow(stage, units)))
        else:
            self._take(self.pipeline.assemble(stage, ()))

    def _finish(self, done: Finished) -> None:
        job, result = done.journey.job, done.result
        self._put_down(done.journey, arrived=result.status is Status.COPIED)
        if job.of is None:
            self._end(job, result)
        else:
            self._journeys.pop(job.number, None)
            self.tell(Ended(job=job, result=result))
            complete, again = self._trees.ended(done)
            self._waiting.extendleft(again)
            for index, parts in complete:
                self._take(self.pipeline.assemble(index, parts))
        if done.destination_lost:
            self.stop.now(f"the destination cannot be reached: {result.error}")
        elif self.fail_fast and result.status is Status.FAILED and not done.unread:
            self.stop.finish(f"--fail-fast: {job.whole.image} failed")

    def _put_down(self, journey: Journey, *, arrived: bool) -> None:
        """A unit is in no worker's hands any more."""
        number = journey.job.number
        self._looking.discard(number)
        if number in self._copying:
            self._copying.remove(number)
            self._schedule.finished(number, arrived=arrived)

    def _abandon_the_rest(self) -> None:
        """Give every image that the stop has left on its way, or at the start, its result."""
        why = self.stop.why or "the run was stopped"
        begun = [journey.job for journey in self._journeys.values()]
        left = [job for job in (*begun, *self._waiting) if job.of is None]
        for job in sorted(left, key=lambda job: job.number):
            self._end(job, self._abandon(job, why).result)

    def _abandon(self, job: Job, why: str) -> Finished:
        """Give an image its end, where it is, and the images of an index theirs."""
        images = self._trees.leave(job.number)
        parts = [image if isinstance(image, Finished) else self._abandon(image, why) for image in images]
        return self.pipeline.abandon(job, self._journeys.get(job.number), why, parts)

    def _end(self, job: Job, result: ImageResult) -> None:
        self._results[job.number] = result
        self._journeys.pop(job.number, None)
        self.tell(Settled(job=job, result=result))
