"""What a terminal is told while a run goes, and how often who does not watch is told how far it is."""

from __future__ import annotations

import io
import threading
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.output.console import Console
from skopeo_mirror.output.text import image_line, image_row
from skopeo_mirror.output.watching import Watch, beating
from skopeo_mirror.reference import Reference
from skopeo_mirror.request import ImageRequest
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.supervision import Wait
from skopeo_mirror.transfer.results import Status
from tests.output.results import COPIED, FAILED, IN_PARTS, MIRROR, PRESENT
from tests.output.test_text import finished, printer
from tests.values import failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.transfer.results import ImageResult

BY_THE_MIRROR = replace(COPIED, served_by=MIRROR)


class Screen(io.StringIO):
    """A terminal that was written to."""

    def isatty(self) -> bool:
        return True


def on_screen(say: Callable[[], None]) -> str:
    """Return what is said where standard output and error are a terminal of 80 columns, whose cursor cannot move."""
    screen = Screen()
    with redirect_stdout(screen), redirect_stderr(screen):
        say()
    return screen.getvalue()


def test_on_a_terminal_an_image_is_a_row() -> None:
    told = on_screen(lambda: printer().hear(finished(BY_THE_MIRROR)))
    assert told == "copied app@11111111 from a.test/x (mirror), 1.0 kB, 1.2 s\n"
    told = on_screen(lambda: printer(verbose=True).hear(finished(PRESENT)))
    assert told == f"{image_line(PRESENT)}\n"


def test_on_a_terminal_what_failed_is_told_whole() -> None:
    failure = finished(replace(FAILED, attempts=(), error="no candidate served it: " + "it is down " * 20))
    told = on_screen(lambda: printer().hear(failure))
    assert told.startswith(f"failed {FAILED.request.reference}: no candidate served it: ")
    assert told.count("it is down") + told.count("it is\n  down") + told.count("it\n  is down") == 20
    assert max(map(len, told.splitlines())) <= 80


def test_on_a_terminal_what_an_interrupt_has_left_is_not_told_one_by_one() -> None:
    left = replace(FAILED, left=True, error="not copied: interrupted")
    assert on_screen(lambda: printer().hear(finished(left))) == ""


def test_off_a_terminal_what_an_interrupt_has_left_is_told_like_any_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = replace(FAILED, left=True, error="not copied: interrupted")
    printer().hear(finished(left))
    assert capsys.readouterr().out == f"{image_line(left)}\n"


@pytest.mark.parametrize("say", [Console.warning, Console.note, Console.error])
def test_on_a_terminal_lines_break_at_blanks(say: Callable[[Console, str], None]) -> None:
    words = ["a-word-with-hyphens"] * 9 + ["x" * 100]
    first, *others = on_screen(lambda: say(Console(), " ".join(words))).splitlines()
    assert [*first.split(), *(word for line in others for word in line.split())][-10:] == words
    assert all(len(line) <= 80 or "x" * 100 in line for line in [first, *others])


def test_results_are_never_broken() -> None:
    assert on_screen(lambda: Console().result("word " * 50)) == "word " * 50 + "\n"


@pytest.mark.parametrize(
    ("image", "row"),
    [
        pytest.param(BY_THE_MIRROR, "copied app@11111111 from a.test/x (mirror), 1.0 kB, 1.2 s", id="copied"),
        pytest.param(COPIED, "copied app@11111111 from prod.test (origin), 1.0 kB, 1.2 s", id="by-the-origin"),
        pytest.param(PRESENT, "present app:v1", id="present"),
        pytest.param(
            replace(BY_THE_MIRROR, status=Status.WOULD_COPY),
            "would-copy app@11111111 from a.test/x (mirror), 1.0 kB",
            id="would-copy",
        ),
        pytest.param(
            IN_PARTS, "copied app@11111111 from a.test/x (mirror) and 1 more, 750 B, 1.2 s", id="from-several"
        ),
        pytest.param(
            replace(BY_THE_MIRROR, request=ImageRequest(reference=Reference.parse(f"prod.test/{'long/' * 30}name:v1"))),
            None,
            id="a-long-name",
        ),
    ],
)
def test_a_row_says_what_matters(image: ImageResult, row: str | None) -> None:
    told = image_row(image, 80)
    assert len(told) <= 80
    if row is None:
        assert told.startswith("copied …")
        assert "/name:v1 from a.test/x/app (mirror), " in told
    else:
        assert told == row


def test_who_is_down_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    one = printer()
    skipped = failed(MIRROR, Reason.CIRCUIT_OPEN)
    one.hear(finished(replace(PRESENT, attempts=(failed(MIRROR, Reason.CONNECTION),))))
    assert capsys.readouterr().err == ""
    for _ in range(2):
        one.hear(finished(replace(PRESENT, attempts=(skipped,))))
    assert capsys.readouterr().err == "warning: a.test is down (connection): others serve as long as it is\n"


def test_a_heart_beats_while_it_runs_and_no_longer(capsys: pytest.CaptureFixture[str]) -> None:
    beats: list[str] = []
    beaten = threading.Event()

    def say(line: str) -> None:
        beats.append(line)
        beaten.set()

    watch = Watch(2, lambda: [Wait(host="a.test", since=time.monotonic() - 10.0)])
    with beating(watch, 0.01, say):
        assert beaten.wait(60)
    told = len(beats)
    assert beats[0] == "after 0:00: 0/2 images; reading ahead: 0 of 2 images; waiting for a.test: silent for 10 s"
    time.sleep(0.05)
    assert len(beats) == told
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("quiet", "heartbeat", "beats"), [(False, 0.01, True), (True, 0.01, False), (False, None, False)]
)
def test_beats_unless_it_is_to_be_quiet(
    capsys: pytest.CaptureFixture[str], quiet: bool, heartbeat: float | None, beats: bool
) -> None:
    one = replace(printer(quiet=quiet), heartbeat=heartbeat)
    with one.live(3, list):
        time.sleep(0.1)
    captured = capsys.readouterr()
    assert ("0/3 images" in captured.err) == beats
    assert captured.out == ""
