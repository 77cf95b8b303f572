"""The end of a run for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skopeo_mirror.output.summary import summary_lines
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.transfer.results import Status
from tests.output.results import (
    BY_ORIGIN,
    COPIED,
    FAILED,
    IN_PARTS,
    MIRROR,
    ORIGIN,
    PRESENT,
    SBOM,
    WITH_ATTACHED,
    run_of,
)
from tests.values import failed, served

BY_MIRROR = replace(COPIED, served_by=MIRROR, attempts=(served(MIRROR),), bytes=3000)


def test_says_how_many_of_each_and_who_served() -> None:
    assert summary_lines(run_of(BY_MIRROR, BY_MIRROR, PRESENT)) == [
        "3 images: 2 copied, 1 present in 12.3 s",
        "  a.test (mirror): 2 images, 6.0 kB",
    ]
    assert summary_lines(run_of()) == ["0 images: nothing to do in 12.3 s"]


@pytest.mark.parametrize(
    ("sizes", "bars"),
    [
        pytest.param((3000, 1000), ("━━━━━━━━━╌╌╌", "━━━╌╌╌╌╌╌╌╌╌"), id="by-bytes"),
        pytest.param((0, 0), ("━━━━━━╌╌╌╌╌╌", "━━━━━━╌╌╌╌╌╌"), id="by-images-where-bytes-are-unknown"),
    ],
)
def test_bars_show_the_shares(sizes: tuple[int, int], bars: tuple[str, str]) -> None:
    by_mirror, by_origin = replace(BY_MIRROR, bytes=sizes[0]), replace(COPIED, bytes=sizes[1], attempts=())
    lines = summary_lines(run_of(by_mirror, by_origin), bars=True)
    assert lines[1].startswith(f"  {bars[0]} a.test (mirror):    1 image, ")
    assert lines[2].startswith(f"  {bars[1]} prod.test (origin): 1 image, ")


def test_says_what_fell_back_to_the_origin_and_why() -> None:
    refused = replace(COPIED, attempts=(failed(MIRROR, Reason.CONNECTION), served(ORIGIN)))
    unmirrored = replace(COPIED, attempts=(served(ORIGIN),))
    assert summary_lines(run_of(COPIED, COPIED, refused, unmirrored))[2:] == [
        "3 images fell back to the origin",
        "failed or passed over:",
        "  a.test (mirror): served nothing; connection (1 image), not-found (2 images)",
    ]


def test_counts_what_parts_came_from_and_what_failed_for_them_once_an_image() -> None:
    assert summary_lines(run_of(replace(IN_PARTS, parts=(*IN_PARTS.parts, replace(BY_ORIGIN, bytes=0))))) == [
        "1 image: 1 copied in 12.3 s",
        "  a.test (mirror): 1 image, 350 B",
        "  prod.test (origin): 1 image, 400 B",
        "1 image fell back to the origin",
        "failed or passed over:",
        "  a.test (mirror): not-found (1 image)",
    ]


def test_counts_what_is_attached_and_what_failed_for_it() -> None:
    before = replace(PRESENT, attached=(replace(SBOM, status=Status.PRESENT, served_by=None, bytes=0),))
    assert summary_lines(run_of(WITH_ATTACHED, before)) == [
        "2 images: 1 copied, 1 present in 12.3 s",
        "3 attached: 2 copied, 1 present",
        "  a.test (mirror): 1 image, 360 B",
        "  prod.test (origin): 1 image, 20 B",
        "1 image fell back to the origin",
        "failed or passed over:",
        "  a.test (mirror): corrupt (1 image)",
    ]
    would = replace(SBOM, status=Status.WOULD_COPY)
    lines = summary_lines(run_of(replace(WITH_ATTACHED, status=Status.WOULD_COPY, attached=(would,)), dry_run=True))
    assert lines[1] == "1 attached: 1 would-copy"


def test_a_part_that_no_mirror_is_for_has_not_fallen_back() -> None:
    unmirrored = replace(BY_ORIGIN, attempts=(served(ORIGIN),))
    assert len(summary_lines(run_of(replace(IN_PARTS, parts=(unmirrored,))))) == 3


def test_names_a_location_that_failed_where_another_mirror_served() -> None:
    dead, open_ = (failed(ORIGIN, reason) for reason in (Reason.CONNECTION, Reason.CIRCUIT_OPEN))
    first = replace(BY_MIRROR, attempts=(dead, dead, served(MIRROR)))
    others = replace(BY_MIRROR, attempts=(open_, served(MIRROR)))
    assert summary_lines(run_of(first, others, others))[2:] == [
        "failed or passed over:",
        "  prod.test (origin): served nothing; circuit-open (2 images), connection (1 image)",
    ]


def test_names_the_failures_and_the_next_step() -> None:
    lines = summary_lines(run_of(BY_MIRROR, FAILED), failed_images="failed.txt")
    assert lines[4:6] == ["1 failed:", "  prod.test/other:v1"]
    assert "run again with -f failed.txt" in lines[6]
    assert "--failed-images FILE" in summary_lines(run_of(FAILED))[-1]


def test_does_not_name_a_thousand_failures() -> None:
    lines = summary_lines(run_of(*[FAILED] * 1000))
    assert "  … and 990 more" in lines
    assert len(lines) == 16


def test_says_why_a_run_ended_early() -> None:
    assert summary_lines(run_of(FAILED, stopped="interrupted"))[-2] == "stopped early: interrupted"


def test_what_a_stop_has_left_is_told_in_one_line_and_needs_nothing_put_right() -> None:
    left = replace(FAILED, left=True, error="not copied: interrupted")
    assert summary_lines(run_of(PRESENT, *[left] * 1999, stopped="interrupted"))[1:] == [
        "failed or passed over:",
        "  a.test (mirror): served nothing; circuit-open (1999 images)",
        "stopped early: interrupted; 1999 images not copied",
        "next: run again with the same images (--failed-images FILE lists these); what is there already stays",
    ]
    lines = summary_lines(run_of(FAILED, left, left, stopped="interrupted"))
    assert lines[-4:-1] == ["1 failed:", "  prod.test/other:v1", "stopped early: interrupted; 2 images not copied"]
    assert lines[-1].startswith("next: put right what the lines above say, then run again with ")
