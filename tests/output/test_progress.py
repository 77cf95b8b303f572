"""How far a run is, from its news and from what skopeo has read: each byte counts once, and none that need not move."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest

from skopeo_mirror.output.progress import Progress
from skopeo_mirror.transfer.news import Copying, Ended, Retrying, Running, Settled, Weighed
from skopeo_mirror.transfer.plan import Weight
from skopeo_mirror.transfer.results import Status
from tests import values
from tests.output.results import COPIED, FAILED, PRESENT
from tests.values import D1

if TYPE_CHECKING:
    from skopeo_mirror.skopeo.supervision import Meter
    from skopeo_mirror.transfer.jobs import Job

MB = 1_000_000


@dataclass(kw_only=True)
class Dial:
    """A meter that shows what it is told."""

    shows: int = 0
    there: list[str] = field(default_factory=list)

    def read(self) -> int:
        return self.shows

    def present(self, _: float) -> list[str]:
        return self.there


def job(number: int, image: str = f"prod.test/ns/app@{D1}", of: Job | None = None) -> Job:
    return replace(values.job(image, number), of=of)


def weighed(unit: Job, own: int = 0, **shared: int) -> Weighed:
    return Weighed(job=unit, weight=Weight(own=own, shared=shared))


def settled(unit: Job, moved: int = 0, status: Status = Status.COPIED) -> Settled:
    return Settled(job=unit, result=replace(COPIED, status=status, bytes=moved))


def copying(progress: Progress, unit: Job, dial: Dial, now: float = 0.0) -> None:
    """Let a skopeo copy a unit, metered by `dial`."""
    progress.hear(Running(job=unit, meter=cast("Meter", dial)), now)
    progress.hear(Copying(job=unit, source=f"a.test/x/app@{D1}"), now)


def of(*weights: Weighed, images: int | None = None) -> Progress:
    """A run of images that weigh so much."""
    progress = Progress(images=len(weights) if images is None else images, began=0.0)
    for news in weights:
        progress.hear(news, 0.0)
    return progress


def test_a_large_image_is_seen_to_come() -> None:
    progress, dial = of(weighed(job(0), 1000, layer=36 * MB)), Dial()
    copying(progress, job(0), dial)
    seen = []
    for second in range(1, 7):
        dial.shows = 5 * MB * second
        progress.observe(float(second))
        seen.append((progress.done, progress.seconds_left(float(second))))
    assert [done for done, _ in seen] == [5 * MB * second for second in range(1, 7)]
    assert all((after or 0) < (before or 0) for (_, before), (_, after) in pairwise(seen))
    assert progress.rate(6.0) == pytest.approx(5 * MB)
    progress.hear(settled(job(0), 36 * MB + 1000), 7.0)
    assert progress.done == progress.total == progress.estimate == 36 * MB + 1000


def test_what_skopeo_reads_beside_content_makes_no_more_than_all_of_it() -> None:
    progress, dial = of(weighed(job(0), 10, layer=100), weighed(job(1), layer=100, other=50)), Dial(shows=500)
    copying(progress, job(0), dial)
    copying(progress, job(1), dial)
    progress.observe(1.0)
    assert (progress.done, progress.total) == (160, 160)


def test_a_blob_that_several_bring_counts_once() -> None:
    progress = of(weighed(job(0), 1, base=100), weighed(job(1), 1, base=100, top=10))
    assert progress.total == 112
    progress.hear(settled(job(0), 101), 1.0)
    assert (progress.done, progress.total) == (101, 112)
    progress.hear(weighed(job(2), 1, base=100), 1.0)  # it is there by now
    assert progress.total == 113
    progress.hear(settled(job(1), 11), 1.0)
    assert (progress.done, progress.total) == (112, 113)


def test_what_a_failed_image_was_to_bring_is_left_to_the_others() -> None:
    progress = of(weighed(job(0), 1, base=100), weighed(job(1), 1, base=100))
    progress.hear(settled(job(0), 0, Status.FAILED), 1.0)
    assert (progress.failed, progress.done, progress.total) == (1, 0, 101)
    progress.hear(settled(job(1), 0, Status.FAILED), 1.0)
    assert progress.total == 0


def test_what_was_mounted_has_not_moved() -> None:
    progress = of(weighed(job(0), 1, base=100))
    progress.hear(settled(job(0), 1), 1.0)
    assert (progress.done, progress.total) == (1, 1)


def test_what_the_destination_has_is_left_out_while_the_rest_comes() -> None:
    progress, dial = of(weighed(job(0), base=100, top=10)), Dial(shows=5, there=["base"])
    copying(progress, job(0), dial)
    progress.observe(1.0)
    assert (progress.done, progress.total) == (5, 10)


@pytest.mark.parametrize("other", [True, False], ids=["another-skopeo", "the-same"])
def test_the_bytes_of_a_failed_attempt_vanish(other: bool) -> None:
    progress, dial = of(weighed(job(0), layer=100)), Dial(shows=60)
    copying(progress, job(0), dial)
    progress.observe(1.0)
    assert progress.done == 60
    dial.shows = 0
    if other:
        copying(progress, job(0), Dial())
    else:
        progress.hear(Copying(job=job(0), source="b.test/y"), 2.0)
    progress.observe(2.0)
    assert (progress.done, progress.total) == (0, 100)
    assert progress.rate(2.0) is None


def test_an_image_that_waits_has_read_nothing() -> None:
    progress = of(weighed(job(0), layer=100))
    copying(progress, job(0), Dial(shows=60))
    progress.observe(1.0)
    progress.hear(Retrying(job=job(0), pause=5.0, why="it was down", hosts=("a.test",)), 2.0)
    assert progress.done == 0
    assert not list(progress.copies(2.0))
    [pause] = progress.pauses()
    assert (pause.why, pause.hosts, pause.at) == ("it was down", ("a.test",), 7.0)
    copying(progress, job(0), Dial(), 7.0)
    assert not list(progress.pauses())


def test_an_image_that_is_looked_at_again_weighs_what_was_found_last() -> None:
    progress = of(weighed(job(0), 1, layer=100))
    progress.hear(weighed(job(0), 2, other=10), 1.0)
    assert (progress.total, progress.looked_at) == (12, 1)


def test_an_index_comes_image_by_image_and_is_told_as_one() -> None:
    index = job(0)
    parts = [job(number, of=index) for number in (1, 2)]
    progress = of(weighed(index, 5), weighed(parts[0], 1, amd64=100_000), weighed(parts[1], 1, arm64=50_000), images=1)
    assert (progress.total, progress.looked_at) == (150_007, 1)
    copying(progress, parts[0], Dial(shows=60_000))
    copying(progress, parts[1], Dial(shows=10_000))
    progress.observe(1.0)
    [copy] = progress.copies(2.0)
    assert (copy.job, copy.done, copy.total, copy.rate) == (index, 70_000, 150_007, 70_000)
    progress.hear(Ended(job=parts[0], result=replace(COPIED, bytes=100_001)), 2.0)
    [copy] = progress.copies(2.0)
    assert (copy.done, copy.total) == (110_001, 150_007)
    assert (progress.done, progress.total, progress.finished) == (110_001, 150_007, 0)
    progress.hear(Ended(job=parts[1], result=replace(COPIED, bytes=50_001)), 3.0)
    progress.hear(settled(index, 150_007), 3.0)
    assert (progress.done, progress.total, progress.finished) == (150_007, 150_007, 1)


def test_an_index_within_an_index_counts_what_came_for_it_once() -> None:
    outer = job(0)
    inner = job(1, of=outer)
    part = job(2, of=inner)
    progress = of(weighed(outer, 5), weighed(inner, 5), weighed(part, layer=100), images=1)
    progress.hear(Ended(job=part, result=replace(COPIED, bytes=100)), 1.0)
    progress.hear(Ended(job=inner, result=replace(COPIED, bytes=105)), 2.0)
    assert (progress.done, progress.total) == (105, 110)


def test_images_that_were_not_looked_at_weigh_what_the_others_do() -> None:
    progress = of(weighed(job(0), 10 * MB), weighed(job(1), 20 * MB), images=4)
    progress.hear(Settled(job=job(2), result=PRESENT), 1.0)
    assert (progress.looked_at, progress.total, progress.estimate) == (3, 30 * MB, 40 * MB)


def test_a_dry_run_moves_nothing() -> None:
    progress = Progress(images=1, began=0.0)
    progress.hear(settled(job(0), 100, Status.WOULD_COPY), 1.0)
    assert (progress.finished, progress.done, progress.estimate) == (1, 0, 0)


def test_the_time_left_is_told_by_images_where_no_bytes_are_known() -> None:
    progress = Progress(images=3, began=0.0)
    progress.hear(settled(job(0)), 60.0)
    assert progress.seconds_left(60.0) == 120.0


def test_no_time_is_told_where_nothing_comes() -> None:
    progress = of(weighed(job(0), layer=100))
    copying(progress, job(0), Dial())
    progress.observe(10.0)
    assert (progress.rate(10.0), progress.seconds_left(10.0)) == (None, None)


def test_the_rate_is_that_of_late() -> None:
    progress, dial = of(weighed(job(0), layer=1000 * MB)), Dial()
    copying(progress, job(0), dial)
    for second in range(1, 101):
        dial.shows += MB if second <= 60 else 3 * MB
        progress.observe(float(second))
    assert progress.rate(100.0) == pytest.approx(3 * MB)


def test_of_what_nobody_weighed_the_bytes_are_told_as_they_come() -> None:
    progress = Progress(images=1, began=0.0)
    copying(progress, job(0), Dial(shows=70))
    progress.observe(1.0)
    [copy] = progress.copies(2.0)
    assert (copy.done, copy.total, progress.total) == (70, 0, 0)


def test_what_is_left_of_a_run_that_was_stopped_is_gone() -> None:
    progress = of(weighed(job(0), layer=100), weighed(job(1), layer=100))
    copying(progress, job(0), Dial(shows=60))
    for number in (0, 1):
        progress.hear(Settled(job=job(number), result=FAILED), 1.0)
    assert (progress.finished, progress.done, progress.total) == (2, 0, 0)
    assert not list(progress.copies(1.0))


def test_what_a_skopeo_reads_before_it_turns_to_a_candidate_is_its_own() -> None:
    """The dial goes back to nothing when it does, and what is shown never does."""
    unit = job(0)
    progress = of(weighed(unit, 100))
    progress.hear(Running(job=unit, meter=cast("Meter", Dial(shows=11))), 0.0)
    progress.observe(0.1)
    assert progress.done == 0
    copying(progress, unit, Dial(shows=10))
    progress.hear(Running(job=unit, meter=cast("Meter", Dial(shows=11))), 1.0)  # the next candidate's
    progress.observe(1.1)
    assert progress.done == 0
