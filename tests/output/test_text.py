"""What people read: nothing raw to a terminal, results on stdout, the rest on stderr."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopeo_mirror.output.console import Console
from skopeo_mirror.output.printable import printable
from skopeo_mirror.output.printing import Printer
from skopeo_mirror.output.text import attempt_lines, human_bytes, image_line, whole_note
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.streams import enduring, lost
from skopeo_mirror.transfer.news import Retrying, Settled
from skopeo_mirror.transfer.results import Status
from tests.output.results import (
    BY_MIRROR,
    BY_ORIGIN,
    COPIED,
    D3,
    D4,
    FAILED,
    IN_PARTS,
    MIRROR,
    ORIGIN,
    PRESENT,
    REFERRERS,
    SBOM,
    SIGNATURE,
    WITH_ATTACHED,
    WOULD_COPY,
    run_of,
)
from tests.values import D1, failed, job

if TYPE_CHECKING:
    from pathlib import Path

    from skopeo_mirror.transfer.results import ImageResult

HOSTILE = "\x1b[2J\x07\r\n\x9b31m\u202e\x00"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain, grün and 漢字", "plain, grün and 漢字", id="plain"),
        pytest.param("\x1b[31mred", r"\x1b[31mred", id="escape-sequence"),
        pytest.param("a\nb\tc\r", r"a\nb\tc\r", id="newline-tab-return"),
        pytest.param("\x9b31m", r"\x9b31m", id="eight-bit-escape"),
        pytest.param("\u202egpj.exe", r"\u202egpj.exe", id="right-to-left"),
        pytest.param("\u200b\u2028", r"\u200b\u2028", id="invisible"),
        pytest.param("\udcff", r"\udcff", id="no-text"),
        pytest.param("[red]x[/red]", "[red]x[/red]", id="markup"),
    ],
)
def test_escapes_what_a_terminal_would_act_upon(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_what_is_printed_is_printable(text: str) -> None:
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("image", "line"),
    [
        pytest.param(
            COPIED,
            f"copied prod.test/app@{D1} from prod.test/app (origin) to docker://d.test/m/app:pin-sha256-{D1.hex}",
            id="copied",
        ),
        pytest.param(
            WOULD_COPY,
            f"would-copy prod.test/app@{D1} from prod.test/app (origin) to docker://d.test/m/app:pin-sha256-{D1.hex}",
            id="would-copy",
        ),
        pytest.param(PRESENT, "present prod.test/app:v1 at docker://d.test/m/app:v1", id="present"),
        pytest.param(FAILED, "failed prod.test/other:v1: no candidate served it", id="failed"),
    ],
)
def test_one_line_says_what_became_of_an_image(image: ImageResult, line: str) -> None:
    assert image_line(image) == line


def test_an_error_of_many_lines_stands_on_one() -> None:
    assert image_line(replace(FAILED, error="a\n  b\r\nc")) == "failed prod.test/other:v1: a b c"


@pytest.mark.parametrize("image", [COPIED, PRESENT, FAILED], ids=["copied", "present", "failed"])
def test_nobody_can_forge_a_line(image: ImageResult, capsys: pytest.CaptureFixture[str]) -> None:
    forged = replace(image, destination="dir:/tmp/x\ncopied y" + HOSTILE, error="x\ncopied y" + HOSTILE)
    Console().result(image_line(forged))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isprintable()


def test_one_line_a_candidate() -> None:
    assert attempt_lines(COPIED) == [
        "  mirror a.test/x/app: not-found (manifest unknown)",
        "  origin prod.test/app: served in 0.0 s",
    ]
    assert attempt_lines(FAILED) == ["  mirror a.test/x/app: skipped (it is down)"]


WITHOUT_PLATFORM = replace(BY_ORIGIN, platform=None)


@pytest.mark.parametrize(
    ("image", "sources"),
    [
        pytest.param(IN_PARTS, "a.test/x/app (mirror), linux/arm64 from prod.test/app (origin)", id="another-source"),
        pytest.param(replace(IN_PARTS, parts=(BY_MIRROR,)), "a.test/x/app (mirror)", id="the-same"),
        pytest.param(
            replace(IN_PARTS, parts=(WITHOUT_PLATFORM,)),
            f"a.test/x/app (mirror), {D4} from prod.test/app (origin)",
            id="no-platform",
        ),
        pytest.param(
            replace(IN_PARTS, parts=(BY_ORIGIN, replace(BY_MIRROR, platform=BY_ORIGIN.platform))),
            f"a.test/x/app (mirror), {D4} from prod.test/app (origin)",
            id="one-platform-twice",
        ),
        pytest.param(
            replace(IN_PARTS, parts=(BY_ORIGIN,) * 3),
            "a.test/x/app (mirror), 3 of its images from prod.test/app (origin)",
            id="many",
        ),
    ],
)
def test_a_line_says_which_parts_came_from_elsewhere(image: ImageResult, sources: str) -> None:
    there = f"docker://d.test/m/app:pin-sha256-{D1.hex}"
    assert image_line(image) == f"copied prod.test/app@{D1} from {sources} to {there}"


def test_the_candidates_of_a_part_stand_below_it() -> None:
    twice = replace(BY_MIRROR, platform=BY_ORIGIN.platform)
    assert attempt_lines(replace(IN_PARTS, parts=(BY_MIRROR, BY_ORIGIN, *IN_PARTS.parts[2:]))) == [
        "  mirror a.test/x/app: served in 0.0 s",
        "  linux/amd64:",
        "    mirror a.test/x/app: served in 0.0 s",
        "  linux/arm64:",
        "    mirror a.test/x/app: not-found (manifest unknown)",
        "    origin prod.test/app: served in 0.0 s",
    ]
    assert [line for line in attempt_lines(replace(IN_PARTS, parts=(twice, BY_ORIGIN))) if line.endswith(":")] == [
        f"  {D3}:",
        f"  {D4}:",
    ]


BEFORE = replace(SIGNATURE, status=Status.PRESENT, served_by=None, attempts=())


@pytest.mark.parametrize(
    ("image", "sources", "told"),
    [
        pytest.param(
            replace(COPIED, served_by=MIRROR, attached=(SBOM,) * 3), "a.test/x/app (mirror)", "3 attached", id="alike"
        ),
        pytest.param(
            WITH_ATTACHED, "a.test/x/app (mirror), 1 attached from prod.test/app (origin)", "2 attached", id="elsewhere"
        ),
        pytest.param(
            replace(COPIED, served_by=MIRROR, attached=(SBOM, BEFORE)),
            "a.test/x/app (mirror)",
            "2 attached (1 copied, 1 present)",
            id="some-before",
        ),
    ],
)
def test_a_line_says_how_much_is_attached(image: ImageResult, sources: str, told: str) -> None:
    there = f"docker://d.test/m/app:pin-sha256-{D1.hex}"
    assert image_line(image) == f"copied prod.test/app@{D1} from {sources} to {there}, {told}"


def test_a_line_says_what_is_attached_to_what_was_there_and_would_be_copied() -> None:
    there = image_line(replace(PRESENT, attached=(BEFORE,)))
    assert there == "present prod.test/app:v1 at docker://d.test/m/app:v1, 1 attached"
    would = replace(SIGNATURE, status=Status.WOULD_COPY)
    assert image_line(replace(WOULD_COPY, attached=(would,))).endswith(", 1 attached")
    assert image_line(replace(FAILED, attached=(BEFORE,))) == image_line(FAILED)


def test_what_is_attached_stands_below_its_image_with_its_candidates() -> None:
    to_the_sbom = replace(BEFORE, subject=SBOM.digest)
    image = replace(WITH_ATTACHED, attempts=(), parts=(replace(BY_MIRROR, attempts=()),))
    assert attempt_lines(replace(image, attached=(SIGNATURE, SBOM, to_the_sbom))) == [
        "  sig of linux/amd64: copied",
        "    mirror a.test/x/app: corrupt (wrong bytes)",
        "    origin prod.test/app: served in 0.0 s",
        f"  sbom of {D1}: copied",
        "    mirror a.test/x/app: served in 0.0 s",
        f"  sig of {SBOM.digest}: present",
    ]


def test_artifacts_stand_below_the_index_that_lists_them() -> None:
    assert attempt_lines(replace(COPIED, attempts=(), attached=(REFERRERS,))) == [
        f"  referrers of {D1}: copied",
        "    mirror a.test/x/app: served in 0.0 s",
        f"    {D4}:",
        "      mirror a.test/x/app: not-found (manifest unknown)",
        "      origin prod.test/app: served in 0.0 s",
    ]


def test_a_line_says_where_artifacts_came_from_that_others_served() -> None:
    by_mirror = image_line(replace(COPIED, served_by=MIRROR, attached=(REFERRERS,)))
    assert " from a.test/x/app (mirror), 1 attached from prod.test/app (origin) to " in by_mirror
    assert by_mirror.endswith(", 1 attached")


def test_says_why_an_index_was_taken_whole() -> None:
    assert whole_note(COPIED) is None
    whole = replace(COPIED, whole="no candidate\n has its images")
    assert whole_note(whole) == f"prod.test/app@{D1}: as a whole, not image by image: no candidate has its images"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        pytest.param(0, "0 B", id="none"),
        pytest.param(999, "999 B", id="bytes"),
        pytest.param(1000, "1.0 kB", id="kilo"),
        pytest.param(123_456_789, "123.5 MB", id="mega"),
        pytest.param(5e9, "5.0 GB", id="giga"),
        pytest.param(7e15, "7000.0 TB", id="more"),
    ],
)
def test_says_bytes_as_people_do(number: float, said: str) -> None:
    assert human_bytes(number) == said


@pytest.mark.parametrize("say", [Console().note, Console().warning, Console().error], ids=["note", "warning", "error"])
def test_words_go_to_stderr_and_nothing_raw(say: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(say)
    say(f"a {HOSTILE} b")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith(" b\n")
    assert captured.err.rstrip("\n").isprintable()


def test_results_go_to_stdout_and_nothing_raw(capsys: pytest.CaptureFixture[str]) -> None:
    Console().result(f"a\nb {HOSTILE}")
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith("a\nb ")
    assert captured.out.replace("\n", "").isprintable()


def test_quiet_says_only_errors(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.note("note")
    console.warning("warning")
    console.error("error")
    assert capsys.readouterr().err == "error: error\n"


def test_a_reader_that_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(sys, "stdout", enduring(writing))
    Console().result("a")
    Console().told("b")
    os.close(writing)
    assert lost(sys.stdout) is None


def test_a_line_that_the_report_has_too_may_be_lost_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdout", enduring(full.fileno()))
        console = Console()
        console.told("a")
        console.told("b")
        assert lost(sys.stdout) is None
    assert capsys.readouterr().err.count("No space left on device") == 1


def printer(*, json_: bool = False, verbose: bool = False, quiet: bool = False) -> Printer:
    return Printer(console=Console(quiet=quiet), json=json_, verbose=verbose, quiet=quiet)


def finished(image: ImageResult) -> Settled:
    return Settled(job=job(str(image.request.reference)), result=image)


def test_tells_each_image_as_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    printer().hear(finished(PRESENT))
    captured = capsys.readouterr()
    assert captured.out == f"{image_line(PRESENT)}\n"
    assert captured.err == ""


def test_with_json_stdout_is_the_document_alone(capsys: pytest.CaptureFixture[str]) -> None:
    one = printer(json_=True)
    one.hear(finished(PRESENT))
    one.finish(run_of(PRESENT), report=None, failed_images=None)
    captured = capsys.readouterr()
    assert json.loads(captured.out)["images"][0]["status"] == "present"
    assert image_line(PRESENT) in captured.err


def test_quiet_tells_only_failures(capsys: pytest.CaptureFixture[str]) -> None:
    one = printer(quiet=True)
    one.hear(finished(PRESENT))
    one.hear(finished(FAILED))
    one.finish(run_of(PRESENT, FAILED), report=None, failed_images=None)
    captured = capsys.readouterr()
    assert captured.out == f"{image_line(FAILED)}\n"
    assert captured.err == ""


def test_verbose_tells_every_attempt(capsys: pytest.CaptureFixture[str]) -> None:
    printer(verbose=True).hear(finished(COPIED))
    assert capsys.readouterr().err.splitlines() == attempt_lines(COPIED)


def test_an_index_that_was_taken_whole_is_told_once_and_not_to_the_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    whole = finished(replace(COPIED, whole="no candidate has its images"))
    printer().hear(whole)
    assert capsys.readouterr().err.startswith(f"note: prod.test/app@{D1}: as a whole, ")
    printer(quiet=True).hear(whole)
    assert capsys.readouterr().err == ""


def test_tells_of_a_retry(capsys: pytest.CaptureFixture[str]) -> None:
    printer().hear(Retrying(job=finished(PRESENT).job, pause=2.0, why="every candidate failed"))
    assert capsys.readouterr().err == "prod.test/app:v1: every candidate failed; trying again in 2 s\n"


def test_nothing_that_a_mirror_says_reaches_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    part = replace(BY_ORIGIN, attempts=(failed(ORIGIN, Reason.OTHER, detail=HOSTILE),))
    hostile = replace(FAILED, error=HOSTILE, attempts=(failed(MIRROR, Reason.OTHER, detail=HOSTILE),), parts=(part,))
    attached = replace(SIGNATURE, attempts=part.attempts, status=Status.FAILED, error=HOSTILE)
    hostile = replace(hostile, whole=HOSTILE, attached=(attached,))
    one = printer(verbose=True)
    one.hear(finished(hostile))
    one.hear(Retrying(job=finished(hostile).job, pause=2.0, why=HOSTILE))
    one.finish(run_of(hostile, stopped=HOSTILE), report=None, failed_images=None)
    captured = capsys.readouterr()
    assert (captured.out + captured.err).replace("\n", "").isprintable()


def test_writes_the_report_the_failures_and_the_metrics(tmp_path: Path) -> None:
    report, failures, metrics = (tmp_path / name for name in ("report.json", "failed.txt", "mirror.prom"))
    files = {"report": report, "failed_images": failures, "metrics": metrics}
    printer(quiet=True).finish(run_of(PRESENT, FAILED, FAILED), **files)
    assert json.loads(report.read_text())["failed"] is True
    assert failures.read_text() == "prod.test/other:v1\nprod.test/other:v1\n"
    assert 'status="failed"} 2\n' in metrics.read_text()
    printer(quiet=True).finish(run_of(PRESENT), **files)
    assert failures.read_text() == ""
    assert json.loads(report.read_text())["failed"] is False
    assert 'status="failed"} 0\n' in metrics.read_text()
