"""The engine that brings many images at once: who looks, who copies, who waits, and when to stop.

The main thread decides, two pools of threads work: one looks ahead (presence, plans), one copies. Looking overlaps
with copying, so that it costs no time where a network is slower than this machine.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from skopeo_mirror.skopeo.debuglog import Event, Tried
from skopeo_mirror.transfer.pipeline import Abandoned, Finished, Journey, Pipeline, Planned, Retry, Step
from skopeo_mirror.transfer.results import ImageResult, Status
from skopeo_mirror.transfer.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skopeo_mirror.skopeo.command import Runs
    from skopeo_mirror.transfer.jobs import Job

AHEAD: Final = 64
"""Images that are looked at ahead of the copies: enough to find one whose layers nobody brings, flat in memory."""


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
class Weighed:
    """News: an image is not there yet; what it weighs, in bytes, if that is known."""

    job: Job
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Copying:
    """News: skopeo has turned to a candidate for an image; `source` is its reference."""

    job: Job
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrying:
    """News: an image will be tried again in `pause` seconds."""

    job: Job
    pause: float
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted:
    """News: something good to know, once a run."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Warned:
    """News: something that people should know."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """News: an image is at its end."""

    job: Job
    result: ImageResult


@dataclass(frozen=True, kw_only=True, slots=True)
class _Landed:
    """Layers of an image are at the destination, while it is still being copied."""

    number: int
    layers: frozenset[str]


News = Weighed | Copying | Retrying | Warned | Noted | Settled
_Message = Step | Copying | _Landed | BaseException | None


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
    _copying: set[int] = field(default_factory=set)
    _later: list[tuple[float, int, Retry]] = field(default_factory=list)
    _journeys: dict[int, Journey] = field(default_factory=dict)
    """Those that have begun and are not at their end, by the numbers of their images."""
    _results: dict[int, ImageResult] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job]) -> list[ImageResult]:
        """Bring every image to its end; the results in the order of `jobs`, also when the run was stopped.

        Raises what a worker raised and did not expect, after the others have ended.
        """
        self._waiting.extend(jobs)
        self.stop.wake = lambda: self._inbox.put(None)
        with ThreadPoolExecutor(self.jobs) as lookers, ThreadPoolExecutor(self.jobs) as copiers:
            while self._has_work():
                if self.stop.why is None:
                    self._start_what_can(lookers, copiers)
                self._take(self._next_message())
        self._abandon_the_rest(jobs)
        return [self._results[job.number] for job in jobs]

    def _has_work(self) -> bool:
        if self._looking or self._copying:
            return True
        return self.stop.why is None and bool(self._waiting or self._schedule or self._later)

    def _start_what_can(self, lookers: ThreadPoolExecutor, copiers: ThreadPoolExecutor) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            _, number, again = heapq.heappop(self._later)
            if again.copying:
                self._schedule.add(number, ())
            else:
                self._looking.add(number)
                self._submit(lookers, self.pipeline.look, again.journey)
        while self._waiting and len(self._looking) < self.jobs and len(self._schedule) < AHEAD:
            job = self._waiting.popleft()
            self._looking.add(job.number)
            self._journeys[job.number] = self.pipeline.begin(job)
            self._submit(lookers, self.pipeline.look, self._journeys[job.number])
        while len(self._copying) < self.jobs and (chosen := self._schedule.take()) is not None:
            self._copying.add(chosen)
            self._submit(copiers, self._copy, self._journeys[chosen])

    def _submit(self, pool: ThreadPoolExecutor, step: Callable[[Journey], Step], journey: Journey) -> None:
        def hand_over(future: Future[Step]) -> None:
            error = future.exception()
            self._inbox.put(error if error is not None else future.result())

        pool.submit(step, journey).add_done_callback(hand_over)

    def _copy(self, journey: Journey) -> Step:
        def tell(event: Event) -> None:
            if isinstance(event, Tried):
                self._inbox.put(Copying(job=journey.job, source=event.reference))
            elif layers := self.pipeline.landed(journey, event):
                self._inbox.put(_Landed(number=journey.job.number, layers=layers))

        return self.pipeline.copy(journey, tell)

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
            case Copying():
                self.tell(message)
            case _Landed(number=number, layers=layers):
                self._schedule.landed(number, layers)
            case Planned(journey=journey, layers=layers):
                self._looking.discard(journey.job.number)
                self.tell(Weighed(job=journey.job, bytes=journey.plan.bytes if journey.plan is not None else 0))
                self._schedule.add(journey.job.number, layers)
            case Retry(journey=journey):
                self._put_down(journey, arrived=False)
                heapq.heappush(self._later, (time.monotonic() + message.pause, journey.job.number, message))
                self.tell(Retrying(job=journey.job, pause=message.pause, why=message.why))
            case Abandoned(journey=journey):
                self._put_down(journey, arrived=False)
            case Finished():
                self._finish(message)

    def _finish(self, done: Finished) -> None:
        result = done.result
        self._put_down(done.journey, arrived=result.status is Status.COPIED)
        self._end(done.journey.job, result)
        if done.destination_lost:
            self.stop.now(f"the destination cannot be reached: {result.error}")
        elif self.fail_fast and result.status is Status.FAILED:
            self.stop.finish(f"--fail-fast: {result.request.reference} failed")

    def _put_down(self, journey: Journey, *, arrived: bool) -> None:
        """An image is in no worker's hands any more."""
        number = journey.job.number
        self._looking.discard(number)
        if number in self._copying:
            self._copying.remove(number)
            self._schedule.finished(number, arrived=arrived)

    def _abandon_the_rest(self, jobs: Sequence[Job]) -> None:
        """Give every image that the stop has left on its way, or at the start, its result."""
        why = self.stop.why or "the run was stopped"
        for job in jobs:
            if job.number not in self._results:
                journey = self._journeys.get(job.number)
                self._end(job, self.pipeline.abandon(journey or self.pipeline.begin(job), why))

    def _end(self, job: Job, result: ImageResult) -> None:
        self._results[job.number] = result
        self._journeys.pop(job.number, None)
        self.tell(Settled(job=job, result=result))
