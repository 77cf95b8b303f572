"""What the live display says, from the news alone; that it is drawn is shown on a pseudo-terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.output.progress import Progress, frame
from skopeo_mirror.transfer.news import Copying, Retrying, Settled, Weighed
from skopeo_mirror.transfer.results import Status
from tests import values
from tests.output.results import COPIED, FAILED, PRESENT
from tests.values import D1

if TYPE_CHECKING:
    from skopeo_mirror.transfer.jobs import Job


def job(number: int, image: str = f"prod.test/ns/app@{D1}") -> Job:
    return values.job(image, number)


def halfway() -> Progress:
    """Return a run of four images: one copied in ten seconds, one present, one under way, one not looked at yet."""
    progress = Progress(images=4)
    progress.hear(Settled(job=job(0), result=PRESENT), 0.0)
    progress.hear(Weighed(job=job(1), bytes=10_000_000), 0.0)
    progress.hear(Weighed(job=job(2), bytes=20_000_000), 0.0)
    progress.hear(Copying(job=job(1), source=f"a.test/x/app@{D1}"), 0.0)
    progress.hear(Copying(job=job(2), source=f"a.test/x/app@{D1}"), 0.0)
    progress.hear(Settled(job=job(1), result=replace(COPIED, bytes=8_000_000)), 10.0)
    return progress


def test_says_how_far_it_is() -> None:
    bar = "━" * 9 + "╌" * 31  # 10 of 10 + 20 + 15 for the image that was not looked at
    assert frame(halfway(), 10.0, width=200, height=24) == [
        f"{bar} 2/4 images, 0:35 left, 10.0 MB of 45.0 MB, 800.0 kB/s",
        "  ns/app@11111111 from a.test/x/app",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("height", [4, 24])
def test_fits_into_any_terminal(width: int, height: int) -> None:
    progress = halfway()
    for number in range(3, 20):
        progress.hear(Copying(job=job(number), source="registry.mirror.example.com/a/very/deep/name/space"), 0.0)
    lines = frame(progress, 10.0, width=width, height=height)
    assert len(lines) < height
    assert max(map(len, lines)) < width
    assert "2/4 images" in lines[0]
    assert lines[-1].startswith("  … and " if height < 20 else "  ns/app@1111")


def test_where_it_is_narrow_the_last_words_go_first() -> None:
    assert "left" in frame(halfway(), 10.0, width=40, height=24)[0]
    assert "MB" not in frame(halfway(), 10.0, width=40, height=24)[0]


def test_without_plans_time_left_is_told_by_images() -> None:
    progress = Progress(images=3)
    progress.hear(Copying(job=job(0), source="a.test/x"), 0.0)
    progress.hear(Settled(job=job(0), result=replace(COPIED, bytes=0)), 60.0)
    assert frame(progress, 60.0, width=200, height=24)[0].endswith(" 1/3 images, 2:00 left")


def test_a_failure_is_counted_and_brings_nothing() -> None:
    progress = halfway()
    progress.hear(Settled(job=job(2), result=FAILED), 10.0)
    assert "3/4 images, 1 failed, " in frame(progress, 10.0, width=200, height=24)[0]
    assert "10.0 MB of 25.0 MB" in frame(progress, 10.0, width=200, height=24)[0]


def test_before_the_first_copy_it_says_what_it_does() -> None:
    assert frame(Progress(images=3), 0.0, width=80, height=24)[1:] == ["  reading manifests"]


def test_an_image_that_waits_says_why_until_it_is_tried_again() -> None:
    progress = halfway()
    progress.hear(Retrying(job=job(2), pause=2.0, why="every candidate failed"), 11.0)
    assert frame(progress, 11.0, width=80, height=24)[1:] == ["  ns/app@11111111 waits: every candidate failed"]
    progress.hear(Copying(job=job(2), source=f"b.test/y@{D1}"), 13.0)
    assert frame(progress, 13.0, width=80, height=24)[1:] == ["  ns/app@11111111 from b.test/y"]


def test_an_image_that_comes_in_parts_is_one_line_however_many_are_under_way() -> None:
    progress = halfway()
    for source in ("a.test/x/app", "b.test/y", "a.test/x/app"):
        progress.hear(Copying(job=job(2), source=f"{source}@{D1}"), 11.0)
    progress.hear(Retrying(job=job(2), pause=2.0, why="every candidate failed"), 11.0)
    progress.hear(Copying(job=job(2), source=f"b.test/y@{D1}"), 12.0)
    assert frame(progress, 12.0, width=80, height=24)[1:] == ["  ns/app@11111111 from b.test/y"]
    progress.hear(Settled(job=job(2), result=replace(COPIED, bytes=1)), 13.0)
    assert progress.finished == 3
    assert not progress.under_way


def test_an_index_is_weighed_image_by_image() -> None:
    progress = Progress(images=3)
    progress.hear(Weighed(job=job(0), bytes=6_000_000), 0.0)
    for size in (1_000_000, 2_000_000, 1_000_000):
        progress.hear(Weighed(job=job(1), bytes=size), 0.0)
    assert progress.to_bring == 15_000_000  # of the image that was not looked at, the average of the two
    progress.hear(Settled(job=job(1), result=replace(COPIED, bytes=1)), 1.0)
    assert (progress.brought, progress.to_bring) == (4_000_000, 11_000_000)


def test_at_the_end_nothing_is_left() -> None:
    progress = Progress(images=1)
    progress.hear(Settled(job=job(0, "prod.test/app:v1"), result=replace(PRESENT, status=Status.PRESENT)), 0.0)
    assert frame(progress, 1.0, width=80, height=24) == [f"{'━' * 40} 1/1 images"]
