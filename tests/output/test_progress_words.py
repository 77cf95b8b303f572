"""How far a run is, in words: what fits on a terminal, and the line for who does not watch."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from skopeo_mirror.output.progress import Progress
from skopeo_mirror.output.progress_words import frame, heartbeat
from skopeo_mirror.skopeo.supervision import Wait
from skopeo_mirror.transfer.news import Copying, Retrying, Settled
from skopeo_mirror.transfer.results import Status
from tests.output.results import COPIED, FAILED, PRESENT
from tests.output.test_progress import MB, Dial, copying, job, settled, weighed


def halfway() -> Progress:
    """Return a run of four images after 10 s: one copied, one present, one under way, one not looked at yet."""
    progress = Progress(images=4, began=0.0)
    progress.hear(Settled(job=job(0), result=PRESENT), 0.0)
    progress.hear(weighed(job(1), own=10 * MB), 0.0)
    progress.hear(weighed(job(2), own=22 * MB), 0.0)
    copying(progress, job(1), Dial())
    copying(progress, job(2), Dial(shows=2 * MB))
    progress.observe(5.0)
    progress.hear(settled(job(1), 8 * MB), 10.0)
    progress.observe(10.0)
    return progress


def test_says_how_far_it_is() -> None:
    assert frame(halfway(), [], 10.0, width=200, height=24) == [
        f"{'━' * 10}{'╌' * 30} 2/4 images, 0:30 left, 10.0 MB of ~40.0 MB, 1.0 MB/s, 0:10 elapsed",
        "  reading ahead: 3 of 4 images",
        "  ns/app@11111111 from a.test/x, 2.0 MB of 22.0 MB, 400.0 kB/s",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("height", [4, 24])
def test_fits_into_any_terminal(width: int, height: int) -> None:
    progress = halfway()
    for number in range(3, 23):
        progress.hear(Copying(job=job(number), source="registry.mirror.example.com/a/very/deep/name/space"), 0.0)
    waits = [Wait(host=f"registry.mirror{number}.example.com", since=0.0) for number in range(9)]
    lines = frame(progress, waits, 10.0, width=width, height=height)
    assert len(lines) < height
    assert max(map(len, lines)) < width - len("^C")
    assert "2/4 images" in lines[0]
    assert lines[-1].startswith("  … and ")


def test_where_it_is_narrow_the_last_words_go_first() -> None:
    first = frame(halfway(), [], 10.0, width=40, height=24)[0]
    assert "left" in first
    assert "MB" not in first


def test_figures_stay_where_names_are_long() -> None:
    progress = Progress(images=1, began=0.0)
    long = job(0, "prod.test/a/very/long/way/to/the/end/of/a/name/app:v1.2.3-ubi8")
    progress.hear(weighed(long, own=10 * MB), 0.0)
    progress.hear(Copying(job=long, source="registry.mirror.example.com:5000/with/a/path/of/its/own/app:v1"), 0.0)
    [_, line] = frame(progress, [], 0.0, width=80, height=24)
    assert re.fullmatch(r"  ….*app:v1\.2\.3-ubi8 from registry\.mirror.*…, 0 B of 10\.0 MB", line)
    assert len(line) < 80


def test_a_failure_is_counted_and_brings_nothing() -> None:
    progress = halfway()
    progress.hear(Settled(job=job(2), result=FAILED), 10.0)
    assert "3/4 images, 1 failed, " in frame(progress, [], 10.0, width=200, height=24)[0]
    assert "8.0 MB of ~10.7 MB" in frame(progress, [], 10.0, width=200, height=24)[0]


def test_before_the_first_copy_it_says_what_it_does() -> None:
    assert frame(Progress(images=3, began=0.0), [], 0.0, width=80, height=24)[1:] == ["  reading ahead: 0 of 3 images"]


def test_an_image_that_waits_says_why_until_it_is_tried_again() -> None:
    progress = halfway()
    progress.hear(Retrying(job=job(2), pause=2.0, why="every candidate failed", hosts=("a.test",)), 11.0)
    assert frame(progress, [], 11.0, width=99, height=24)[2:] == [
        "  ns/app@11111111 waits: every candidate failed; next try at a.test in 2 s"
    ]
    progress.hear(Copying(job=job(2), source="b.test/ns/app@sha256:1"), 13.0)
    assert frame(progress, [], 13.0, width=80, height=24)[2:] == ["  ns/app@11111111 from b.test, 0 B of 22.0 MB"]


def test_at_the_end_nothing_is_left() -> None:
    progress = Progress(images=1, began=0.0)
    progress.hear(Settled(job=job(0, "prod.test/app:v1"), result=replace(PRESENT, status=Status.PRESENT)), 0.0)
    assert frame(progress, [], 1.0, width=80, height=24) == [f"{'━' * 40} 1/1 images, 0:01 elapsed"]


@pytest.mark.parametrize(
    ("waits", "told"),
    [
        pytest.param([], [], id="nobody"),
        pytest.param([Wait(host="a.test", since=9.0)], [], id="not-for-long"),
        pytest.param([Wait(host="a.test", since=2.0)], ["waiting for a.test: silent for 8 s"], id="one"),
        pytest.param(
            [Wait(host="a.test", since=2.0), Wait(host="b.test", since=1.0), Wait(host="a.test", since=4.0)],
            ["waiting for b.test: silent for 9 s", "waiting for a.test: silent for 8 s (2 at once)"],
            id="each-host-once-the-longest-first",
        ),
        pytest.param(
            [Wait(host="a.test", since=10.0, until=310.0)],
            ["waiting for a.test: too many requests (429), for 300 s more"],
            id="who-has-told-to-wait",
        ),
        pytest.param(
            [Wait(host=f"{name}.test", since=1.0) for name in "abcde"],
            [*(f"waiting for {name}.test: silent for 9 s" for name in "abc"), "waiting for 2 more hosts"],
            id="many",
        ),
    ],
)
def test_says_whom_it_waits_for(waits: list[Wait], told: list[str]) -> None:
    assert frame(halfway(), waits, 10.0, width=200, height=24)[2:-1] == [f"  {line}" for line in told]
    assert heartbeat(halfway(), waits, 10.0) == "; ".join(
        ["after 0:10: 2/4 images, 0:30 left, 10.0 MB of ~40.0 MB, 1.0 MB/s", "reading ahead: 3 of 4 images", *told]
    )


def test_a_heartbeat_says_what_waits_to_be_tried_again() -> None:
    progress = Progress(images=3, began=0.0)
    for number in (0, 1):
        progress.hear(weighed(job(number)), 0.0)
        progress.hear(Retrying(job=job(number), pause=60.0 + number, why="it was down", hosts=("a.test",)), 0.0)
    progress.hear(Settled(job=job(2), result=replace(COPIED, bytes=0)), 1.0)
    assert heartbeat(progress, [], 30.0) == (
        "after 0:30: 1/3 images, 1:00 left; 2 images wait: it was down; next try at a.test in 30 s"
    )


def test_before_it_is_known_how_many_images_there_are_it_says_so() -> None:
    catalogs, waits = Progress(images=0, began=0.0), [Wait(host="a.test", since=1.0)]
    assert heartbeat(catalogs, waits, 10.0) == "after 0:10: reading catalogs; waiting for a.test: silent for 9 s"
    assert frame(catalogs, [], 10.0, width=80, height=24) == [f"{'╌' * 40} reading catalogs, 0:10 elapsed"]


def test_nothing_that_a_registry_names_reaches_a_terminal() -> None:
    [_, _, line, *_] = frame(halfway(), [Wait(host="a\x1b[2J.test", since=0.0)], 10.0, width=200, height=24)
    assert line == "  waiting for a\\x1b[2J.test: silent for 10 s"
