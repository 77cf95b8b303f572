"""The watcher of a run: what it hears, when it would wait, when it gives up."""

from __future__ import annotations

import io
import time

import pytest

from skopeo_mirror.skopeo.log_watcher import LogWatcher
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
