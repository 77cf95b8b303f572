"""The watcher of a run: what it hears, when it would wait, when it gives up."""

from __future__ import annotations

import io
import time

import pytest

from skopeo_mirror.skopeo import supervision
from skopeo_mirror.skopeo.debuglog import Event, Started
from skopeo_mirror.skopeo.log_watcher import LogWatcher
from skopeo_mirror.skopeo.supervision import SURELY_FETCHED, Meter, _Counters
from tests.skopeo.golden import log_of

LIMITED = (
    b'time="x" level=debug msg="Too many requests to http://a.test/v2/x/manifests/v1?x=1: sleeping for 16.0 seconds"\n'
)


@pytest.mark.parametrize("yields", [pytest.param(True, id="others-left"), pytest.param(False, id="the-last")])
def test_gives_up_at_a_rate_limit_if_others_are_left(yields: bool) -> None:
    watcher = LogWatcher(yields=yields)
    assert not watcher.gives_up
    watcher.feed(LIMITED)
    assert watcher.gives_up is yields


def test_knows_until_when_skopeo_waits() -> None:
    watcher = LogWatcher()
    assert watcher.waits_until == 0.0
    before = time.monotonic()
    watcher.feed(LIMITED)
    assert before + 16.0 <= watcher.waits_until <= time.monotonic() + 16.0


def test_hands_the_log_on_as_it_comes() -> None:
    copy = io.BytesIO()
    watcher = LogWatcher(copy=copy)
    log = log_of("1.9.3", "mhang")
    watcher.feed(log[:1000])
    watcher.feed(log[1000:])
    assert copy.getvalue() == log


@pytest.mark.parametrize(
    ("log", "words"),
    [
        pytest.param(b"", "starting", id="nothing"),
        pytest.param(log_of("1.9.3", "hang"), "GET http://127.0.0.1:5611/v2/", id="request"),
        pytest.param(
            b'time="x" level=debug msg="Trying to access \\"a.test/b:c\\""\n', "connecting for a.test/b:c", id="tried"
        ),
        pytest.param(LIMITED, "waiting out a rate limit of http://a.test/v2/x/manifests/v1", id="limited"),
        pytest.param(b'time="x" level=debug msg="GET http://a.test/?token=s"', "GET http://a.test/", id="no-query"),
    ],
)
def test_says_in_words_where_skopeo_was(log: bytes, words: str) -> None:
    watcher = LogWatcher()
    watcher.feed(log)
    watcher.close()
    assert watcher.last_seen() == words


def test_says_what_it_gave_up_for_though_other_layers_went_on() -> None:
    watcher = LogWatcher(yields=True)
    watcher.feed(LIMITED + b'time="x" level=debug msg="POST http://d.test/v2/x/blobs/uploads/"\n')
    watcher.close()
    assert watcher.last_seen() == "waiting out a rate limit of http://a.test/v2/x/manifests/v1"


def said(*messages: str) -> bytes:
    """Return a log of these messages."""
    return b"".join(b'time="x" level=debug msg="%s"\n' % message.encode() for message in messages)


TRIED = r"Trying to access \"a.test/x/app@sha256:1\""


@pytest.mark.parametrize(
    ("messages", "host"),
    [
        pytest.param([], None, id="nothing-yet"),
        pytest.param([TRIED], "a.test", id="tried"),
        pytest.param([TRIED, "GET https://token.test/auth?scope=x"], "token.test", id="asked-for-a-token"),
        pytest.param([TRIED, "GET https://user@a.test/v2/"], "a.test", id="nobody's-name"),
        pytest.param([TRIED, r"Accessing \"a.test/x/app@sha256:1\" failed: unknown"], None, id="between-two"),
        pytest.param([TRIED, "POST http://d.test/v2/m/blobs/uploads/"], "d.test", id="announced-to-the-destination"),
        pytest.param([TRIED, "PATCH http://d.test/v2/m/blobs/uploads/1"], "a.test or d.test", id="on-its-way-there"),
        pytest.param(["PATCH http://d.test/v2/m/blobs/uploads/1"], "d.test", id="from-a-layout"),
    ],
)
def test_knows_whose_answer_skopeo_waits_for(messages: list[str], host: str | None) -> None:
    watcher = LogWatcher()
    watcher.feed(said(*messages))
    watcher.alive_at = 7.0
    wait = watcher.waiting()
    assert (None if wait is None else (wait.host, wait.since, wait.until)) == (host and (host, 7.0, 0.0))


def test_knows_who_has_told_skopeo_to_wait() -> None:
    watcher = LogWatcher()
    watcher.feed(said(TRIED) + LIMITED)
    wait = watcher.waiting()
    assert wait is not None
    assert (wait.host, wait.until) == ("a.test", watcher.waits_until)


class TestMeter:
    """What skopeo has read of an image: counted from the first blob on, of the candidate that it is at."""

    @pytest.fixture
    def shows(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Return what the process has read so far, last; to be appended to."""
        counter = [500]
        monkeypatch.setattr(
            supervision, "_counters_of", lambda _: _Counters(counter[-1], 0, 0) if counter[-1] else None
        )
        return counter

    def metered(self) -> tuple[LogWatcher, Meter]:
        """Return the watcher of a process that runs, and its meter."""
        heard: list[Event] = []
        watcher = LogWatcher(on_event=heard.append)
        watcher.begun(4711)
        [event] = heard
        assert isinstance(event, Started)
        return watcher, event.meter

    def test_counts_content_and_not_what_comes_before(self, shows: list[int]) -> None:
        watcher, meter = self.metered()
        watcher.feed(said(TRIED, "GET http://a.test/v2/x/app/manifests/sha256:1"))
        assert meter.read() == 0
        watcher.feed(said("GET http://a.test/v2/x/app/blobs/sha256:2"))
        shows.append(700)
        assert meter.read() == 200
        watcher.feed(said("GET http://a.test/v2/x/app/blobs/sha256:3"))
        shows.append(900)
        assert meter.read() == 400

    def test_begins_anew_with_the_next_candidate(self, shows: list[int]) -> None:
        watcher, meter = self.metered()
        watcher.feed(said(TRIED, "GET http://a.test/v2/x/app/blobs/sha256:2"))
        shows.append(700)
        watcher.feed(said(TRIED))
        assert meter.read() == 0
        watcher.feed(said("GET http://a.test/v2/x/app/blobs/sha256:2"))
        shows.append(800)
        assert meter.read() == 100

    def test_keeps_what_it_last_showed_of_a_process_that_is_gone(self, shows: list[int]) -> None:
        watcher, meter = self.metered()
        watcher.feed(said(TRIED, "GET http://a.test/v2/x/app/blobs/sha256:2"))
        shows.append(700)
        assert meter.read() == 200
        shows.append(0)
        assert meter.read() == 200

    def test_counts_all_that_is_read_of_a_layout(self, shows: list[int]) -> None:
        _, meter = self.metered()
        assert meter.read() == shows[-1]

    def test_knows_the_blobs_that_the_destination_has(self, shows: list[int]) -> None:
        assert shows
        watcher, meter = self.metered()
        watcher.feed(said(TRIED, "HEAD http://d.test/v2/m/blobs/sha256:2", "HEAD http://d.test/v2/m/blobs/sha256:3"))
        later = time.monotonic() + SURELY_FETCHED + 1
        assert meter.present(later) == []  # nothing is fetched at all: perhaps it is slow
        watcher.feed(said("GET http://a.test/v2/x/app/blobs/sha256:3"))
        assert meter.present(time.monotonic()) == []
        assert meter.present(later) == ["sha256:2"]
        watcher.feed(said("GET http://a.test/v2/x/app/blobs/sha256:2"))
        assert meter.present(later) == []
