"""Many images at once: who starts when, and when nobody starts any more. A script stands in for the pipeline."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from skopeo_mirror.skopeo.command import Runs
from skopeo_mirror.skopeo.debuglog import Requested, Tried
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.engine import AHEAD, Engine, Stop
from skopeo_mirror.transfer.failover import Tries
from skopeo_mirror.transfer.jobs import Job
from skopeo_mirror.transfer.news import Copying, News, Retrying, Settled, Weighed
from skopeo_mirror.transfer.plan import Weight
from skopeo_mirror.transfer.results import ImageResult, Status
from skopeo_mirror.transfer.stages import Begun, Finished, Journey, Planned, Retry, Step
from tests.values import D1, job

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skopeo_mirror.skopeo.debuglog import Event
    from skopeo_mirror.transfer.pipeline import Pipeline
    from skopeo_mirror.transfer.stages import Look

FOR_EVER = 60.0
"""Seconds: a test that really waited so long would be noticed."""


def ready(journey: Journey) -> Planned:
    return bringing("")(journey)


def copied(journey: Journey) -> Step:
    return done(journey, Status.COPIED)


def present(journey: Journey) -> Step:
    return done(journey, Status.PRESENT)


def failed(journey: Journey) -> Step:
    return done(journey, Status.FAILED)


def destination_lost(journey: Journey) -> Step:
    return Finished(journey=journey, result=result_of(journey, Status.FAILED, "refused"), destination_lost=True)


def broken(journey: Journey) -> Step:
    raise ZeroDivisionError(str(journey.job.image))


def bringing(layers: str) -> Callable[[Journey], Planned]:
    def planned(journey: Journey) -> Planned:
        image = journey.job.image.pin(D1)
        tries = Tries(str(image), (), Circuits(), 0)
        return Planned(
            journey=journey, image=image, asked=image, tries=tries, weight=Weight(shared=dict.fromkeys(layers, 1))
        )

    return planned


def again(pause: float = 0.0, *, copying: bool = False) -> Callable[[Journey], Step]:
    def put_off(journey: Journey) -> Step:
        stage = ready(journey) if copying else Begun(journey=journey)
        return Retry(stage=stage, pause=pause, why="it was down")

    return put_off


def done(journey: Journey, status: Status) -> Step:
    return Finished(journey=journey, result=result_of(journey, status))


def result_of(journey: Journey, status: Status, error: str | None = None) -> ImageResult:
    return ImageResult(
        request=journey.job.request,
        digest=None,
        destination="d",
        status=status,
        confirmed=status is not Status.FAILED,
        error=error,
    )


@dataclass(kw_only=True)
class Script:
    """A pipeline that does as it is told: `looks` and `copies` are the steps of an image, one after the other."""

    looks: dict[int, list[Callable[[Journey], Step]]] = field(default_factory=dict)
    copies: dict[int, list[Callable[[Journey], Step]]] = field(default_factory=dict)
    lands: dict[int, frozenset[str]] = field(default_factory=dict)
    done: list[tuple[str, int]] = field(default_factory=list)
    copying: list[int] = field(default_factory=list)
    together: list[tuple[int, ...]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, job: Job) -> Begun:
        return Begun(journey=Journey(job=job, started=0.0))

    def look(self, stage: Look) -> Step:
        return self._next("look", self.looks, ready, stage.journey)

    def copy(self, stage: Planned, on_event: Callable[[Event], None]) -> Step:
        number = stage.journey.job.number
        with self.lock:
            self.copying.append(number)
            self.together.append(tuple(self.copying))
        on_event(Requested(at=0.0, method="GET", url="https://a.test/v2/"))
        on_event(Tried(at=0.0, reference=f"a.test/app:{number}"))
        try:
            return self._next("copy", self.copies, copied, stage.journey)
        finally:
            with self.lock:
                self.copying.remove(number)

    def landed(self, stage: Planned, event: Event) -> frozenset[str]:
        return self.lands.get(stage.journey.job.number, frozenset()) if isinstance(event, Requested) else frozenset()

    def abandon(self, job: Job, _journey: Journey | None, why: str, _parts: Sequence[Finished]) -> Finished:
        self.done.append(("abandon", job.number))
        journey = Journey(job=job, started=0.0)
        return Finished(journey=journey, result=result_of(journey, Status.FAILED, f"not copied: {why}"))

    def _next(
        self,
        name: str,
        script: dict[int, list[Callable[[Journey], Step]]],
        otherwise: Callable[[Journey], Step],
        journey: Journey,
    ) -> Step:
        number = journey.job.number
        with self.lock:
            self.done.append((name, number))
            steps = script.get(number)
            step = steps.pop(0) if steps else otherwise
        return step(journey)


@dataclass(kw_only=True)
class Heard:
    """A finished run."""

    results: list[ImageResult]
    news: list[News]
    stop: Stop

    @property
    def statuses(self) -> list[Status]:
        return [result.status for result in self.results]

    def kinds(self) -> dict[int, list[type]]:
        kinds = defaultdict(list)
        for one in self.news:
            if isinstance(one, Weighed | Copying | Retrying | Settled):
                kinds[one.job.number].append(type(one))
        return kinds


def jobs_for(count: int) -> deque[Job]:
    return deque(job(f"prod.test/app:{number}", number, f"docker://d.test/app:{number}") for number in range(count))


def run(script: Script, count: int, *, jobs: int = 1, fail_fast: bool = False, stop: Stop | None = None) -> Heard:
    stop = stop or Stop(runs=Runs({}))
    news: list[News] = []
    engine = Engine(pipeline=cast("Pipeline", script), jobs=jobs, stop=stop, tell=news.append, fail_fast=fail_fast)
    return Heard(results=engine.run(jobs_for(count)), news=news, stop=stop)


def test_nothing_to_do() -> None:
    assert run(Script(), 0).results == []


def test_every_image_is_looked_at_and_copied_once() -> None:
    script = Script()
    heard = run(script, 30, jobs=4)
    assert Counter(script.done) == Counter((name, number) for name in ("look", "copy") for number in range(30))
    assert heard.statuses == [Status.COPIED] * 30


def test_a_single_job_takes_the_images_in_order() -> None:
    script = Script()
    run(script, 20)
    assert [number for name, number in script.done if name == "copy"] == list(range(20))


def test_the_results_stand_in_the_order_of_the_list_and_not_of_their_ends() -> None:
    second_is_done = threading.Event()
    ends: list[int] = []

    def wait(journey: Journey) -> Step:
        assert second_is_done.wait(FOR_EVER)
        return copied(journey)

    def tell(news: News) -> None:
        if isinstance(news, Settled):
            ends.append(news.job.number)
            second_is_done.set()

    script = cast("Pipeline", Script(copies={0: [wait]}))
    results = Engine(pipeline=script, jobs=2, stop=Stop(runs=Runs({})), tell=tell).run(jobs_for(2))
    assert ends == [1, 0]
    assert [str(result.request.reference) for result in results] == ["prod.test/app:0", "prod.test/app:1"]


def test_who_waits_for_a_layer_starts_when_it_has_landed() -> None:
    """The image that brings it ends only when the other was copied."""
    other_is_copied = threading.Event()

    def wait(journey: Journey) -> Step:
        assert other_is_copied.wait(FOR_EVER)
        return copied(journey)

    def copy(journey: Journey) -> Step:
        other_is_copied.set()
        return copied(journey)

    script = Script(
        looks={0: [bringing("ab")], 1: [bringing("ac")]},
        copies={0: [wait], 1: [copy]},
        lands={0: frozenset("a")},
    )
    assert run(script, 2, jobs=2).statuses == [Status.COPIED] * 2


def test_what_is_present_is_not_copied() -> None:
    script = Script(looks={0: [present], 2: [present]})
    heard = run(script, 3)
    assert heard.statuses == [Status.PRESENT, Status.COPIED, Status.PRESENT]
    assert [number for name, number in script.done if name == "copy"] == [1]


def test_as_many_copies_at_once_as_there_are_jobs() -> None:
    meeting = threading.Barrier(3)

    def meet(journey: Journey) -> Step:
        meeting.wait(FOR_EVER)
        return copied(journey)

    script = Script(copies={number: [meet] for number in range(12)})
    run(script, 12, jobs=3)
    assert max(len(together) for together in script.together) == 3


def test_images_are_looked_at_while_others_are_copied_but_not_too_far_ahead() -> None:
    jobs, images = 2, 2 * AHEAD
    looked_ahead = threading.Event()
    looked: list[int] = []

    def look(journey: Journey) -> Step:
        looked.append(journey.job.number)
        if len(looked) == AHEAD:
            looked_ahead.set()
        return ready(journey)

    ahead: list[int] = []

    def copy(journey: Journey) -> Step:
        assert looked_ahead.wait(FOR_EVER)
        time.sleep(0.002)
        ahead.append(len(looked) - len(ahead))
        return copied(journey)

    script = Script(looks={n: [look] for n in range(images)}, copies={n: [copy] for n in range(images)})
    run(script, images, jobs=jobs)
    assert max(ahead) <= AHEAD + 3 * jobs


def test_no_layer_is_brought_by_two_at_once() -> None:
    layers = ("ab", "ac", "d", "bd", "e", "a", "")
    script = Script(looks={number: [bringing(own)] for number, own in enumerate(layers)})
    heard = run(script, len(layers), jobs=4)
    first = next(iter(script.together))
    assert first == (0,)
    assert heard.statuses == [Status.COPIED] * len(layers)
    for together in script.together:
        assert not {0, 1} <= set(together)
        assert not {2, 3} <= set(together)


def test_who_waited_for_a_layer_starts_when_its_bringer_has_failed() -> None:
    script = Script(looks={0: [bringing("a")], 1: [bringing("a")]}, copies={0: [failed]})
    heard = run(script, 2, jobs=2)
    assert heard.statuses == [Status.FAILED, Status.COPIED]
    assert all(len(together) == 1 for together in script.together)


@pytest.mark.parametrize(
    ("script", "steps"),
    [
        pytest.param(Script(looks={0: [again(), again()]}), ["look", "look", "look", "copy"], id="looking"),
        pytest.param(Script(copies={0: [again(copying=True)]}), ["look", "copy", "copy"], id="copying"),
        pytest.param(Script(copies={0: [again()]}), ["look", "copy", "look", "copy"], id="from-the-start"),
    ],
)
def test_what_was_put_off_is_taken_up_where_it_was(script: Script, steps: list[str]) -> None:
    heard = run(script, 1)
    assert [name for name, _ in script.done] == steps
    assert heard.statuses == [Status.COPIED]
    assert Retrying in heard.kinds()[0]


def test_nobody_waits_for_what_was_put_off() -> None:
    """The run is stopped when the others are done, which is long before the first would be taken up again."""
    script, stop = Script(copies={0: [again(FOR_EVER, copying=True)]}), Stop(runs=Runs({}))
    ended: list[int] = []

    def tell(news: News) -> None:
        if isinstance(news, Settled):
            ended.append(news.job.number)
            if ended == [1, 2, 3, 4]:
                stop.finish("enough was seen")

    Engine(pipeline=cast("Pipeline", script), jobs=1, stop=stop, tell=tell).run(jobs_for(5))
    assert [number for name, number in script.done if name == "copy"] == [0, 1, 2, 3, 4]


def test_the_news_of_an_image_come_in_order() -> None:
    heard = run(Script(looks={1: [present]}, copies={2: [again(copying=True)]}), 3)
    assert heard.kinds() == {
        0: [Weighed, Copying, Settled],
        1: [Settled],
        2: [Weighed, Copying, Retrying, Copying, Settled],
    }
    assert [news.source for news in heard.news if isinstance(news, Copying)].count("a.test/app:2") == 2


def test_the_news_are_told_on_the_calling_thread() -> None:
    threads = set()

    def tell(_: News) -> None:
        threads.add(threading.current_thread())

    Engine(pipeline=cast("Pipeline", Script()), jobs=4, stop=Stop(runs=Runs({})), tell=tell).run(jobs_for(8))
    assert threads == {threading.current_thread()}


def test_of_an_image_at_its_end_only_its_result_is_kept() -> None:
    """A run of many images takes no more memory for what is done than for what is told of it."""
    kept: list[int] = []

    def tell(news: News) -> None:
        if isinstance(news, Settled):
            kept.append(sum(isinstance(one, Job) for one in gc.get_objects()))

    Engine(pipeline=cast("Pipeline", Script()), jobs=1, stop=Stop(runs=Runs({})), tell=tell).run(jobs_for(40))
    assert kept[0] - kept[-1] > 35


def test_a_failure_stops_nobody() -> None:
    heard = run(Script(looks={0: [failed]}, copies={1: [failed]}), 3)
    assert heard.statuses == [Status.FAILED, Status.FAILED, Status.COPIED]
    assert heard.stop.why is None


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Script(looks={0: [failed]}), id="looking"),
        pytest.param(Script(copies={0: [failed]}), id="copying"),
    ],
)
def test_with_fail_fast_the_first_failure_starts_no_more(script: Script) -> None:
    heard = run(script, 20, fail_fast=True)
    assert [number for name, number in script.done if name == "copy" and number] in ([], [1])
    assert heard.stop.why == "--fail-fast: prod.test/app:0 failed"
    assert not heard.stop.runs.stopping.is_set()
    assert heard.statuses[2:] == [Status.FAILED] * 18
    assert heard.results[19].error == "not copied: --fail-fast: prod.test/app:0 failed"
    assert len([news for news in heard.news if isinstance(news, Settled)]) == 20


def test_with_fail_fast_what_is_under_way_may_end() -> None:
    both = threading.Barrier(2)

    def meet_and_fail(journey: Journey) -> Step:
        both.wait(FOR_EVER)
        return failed(journey)

    def meet_and_go_on(journey: Journey) -> Step:
        both.wait(FOR_EVER)
        time.sleep(0.01)
        return copied(journey)

    heard = run(Script(copies={0: [meet_and_fail], 1: [meet_and_go_on]}), 2, jobs=2, fail_fast=True)
    assert heard.statuses == [Status.FAILED, Status.COPIED]


def test_a_lost_destination_ends_the_run() -> None:
    heard = run(Script(copies={0: [destination_lost]}), 20)
    assert heard.stop.why == "the destination cannot be reached: refused"
    assert heard.stop.runs.stopping.is_set()
    assert heard.statuses == [Status.FAILED] * 20


def test_the_stop_button_ends_the_run_while_images_are_put_off() -> None:
    stop = Stop(runs=Runs({}))

    def press(journey: Journey) -> Step:
        stop.now("interrupted")
        return copied(journey)

    script = Script(looks={0: [again(FOR_EVER)], 1: [ready]}, copies={1: [press]})
    heard = run(script, 5, stop=stop)
    assert heard.statuses[:2] == [Status.FAILED, Status.COPIED]
    assert heard.results[0].error == "not copied: interrupted"
    assert [number for name, number in script.done if name == "abandon"] == [0, 2, 3, 4]


def test_the_stop_button_wakes_who_waits() -> None:
    stop = Stop(runs=Runs({}))
    waiting = threading.Event()

    def put_off(journey: Journey) -> Step:
        waiting.set()
        return again(FOR_EVER)(journey)

    def press() -> None:
        assert waiting.wait(FOR_EVER)
        stop.finish("terminated")

    finger = threading.Thread(target=press)
    finger.start()
    heard = run(Script(looks={0: [put_off]}), 1, stop=stop)
    finger.join()
    assert heard.results[0].error == "not copied: terminated"


def test_a_stop_before_the_start_starts_nothing() -> None:
    stop = Stop(runs=Runs({}))
    stop.now("interrupted")
    script = Script()
    heard = run(script, 3, stop=stop)
    assert heard.statuses == [Status.FAILED] * 3
    assert {name for name, _ in script.done} == {"abandon"}


def test_the_first_reason_to_stop_counts() -> None:
    stop = Stop(runs=Runs({}))
    stop.finish("first")
    stop.now("second")
    assert stop.why == "first"
    assert stop.runs.stopping.is_set()


@pytest.mark.parametrize(
    "script",
    [pytest.param(Script(looks={1: [broken]}), id="looking"), pytest.param(Script(copies={1: [broken]}), id="copying")],
)
def test_an_error_of_our_own_is_not_hidden(script: Script) -> None:
    stop = Stop(runs=Runs({}))
    with pytest.raises(ZeroDivisionError):
        run(script, 5, stop=stop)
    assert stop.runs.stopping.is_set()
    assert script.copying == []
