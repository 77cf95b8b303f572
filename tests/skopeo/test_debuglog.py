"""skopeo's debug log as events: the real logs, and whatever else may come down the pipe."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopeo_mirror.skopeo.debuglog import (
    LONGEST_LINE,
    LONGEST_TEXT,
    MOST_EVENTS,
    Died,
    Event,
    Gap,
    LeftElsewhere,
    LogReader,
    Lookaside,
    Refused,
    Requested,
    Retried,
    Signed,
    Tried,
    Waiting,
    interpret,
    parse_line,
    unquote,
)
from tests.skopeo.golden import CASES, DIGEST, VERSIONS, events_of, log_of

STAMP = 'time="2026-01-01T00:00:00Z"'
# Pieces of real logs, so that generated ones come near to what is understood.
PIECES = (
    f'{STAMP} level=debug msg="',
    'Trying to access \\"a.test/b:c\\"',
    'Accessing \\"a.test/b:c\\" failed: ',
    "GET https://a.test/v2/",
    "Too many requests to https://a.test/v2/: sleeping for 2.000000 seconds before next attempt",
    "sleeping for ",
    "1.2.3 seconds",
    "Failed, retrying in 1s",
    f'{STAMP} level=fatal msg="',
    '"\n',
    "\\x",
    "\\u12",
    "\\",
    "\n",
)


def line(message: str, level: str = "debug") -> bytes:
    """A log line whose message needs no escapes but those that `message` has."""
    return f'{STAMP} level={level} msg="{message}"\n'.encode()


@pytest.mark.parametrize(
    ("text", "level_and_message"),
    [
        pytest.param(f'{STAMP} level=debug msg="two words"', ("debug", "two words"), id="quoted"),
        pytest.param(f"{STAMP} level=info msg=word", ("info", "word"), id="bare"),
        pytest.param(f"{STAMP} level=info msg=", ("info", ""), id="empty"),
        pytest.param(f'{STAMP} level=debug msg="a \\"b\\" c"', ("debug", 'a "b" c'), id="quotes-inside"),
        pytest.param(f'{STAMP} level=debug msg="ends with \\\\"', ("debug", "ends with \\"), id="backslash-at-the-end"),
        pytest.param(f'{STAMP} level=fatal msg="a\\nb"', ("fatal", "a\nb"), id="newline-escaped"),
        pytest.param(f'{STAMP} level=warning msg="w" error="e"', ("warning", "w"), id="more-fields"),
        pytest.param(f'{STAMP} level=debug msg="cut in the mid', ("debug", "cut in the mid"), id="cut"),
        pytest.param(f'{STAMP} level=debug msg="cut in an escape\\', ("debug", "cut in an escape"), id="cut-in-escape"),
        pytest.param("panic: runtime error", None, id="panic"),
        pytest.param("", None, id="nothing"),
        pytest.param('level=debug msg="no time"', None, id="no-time"),
        pytest.param(f' {STAMP} level=debug msg="not at the start"', None, id="not-at-the-start"),
    ],
)
def test_reads_a_line(text: str, level_and_message: tuple[str, str] | None) -> None:
    assert parse_line(text) == level_and_message


@pytest.mark.parametrize(
    ("quoted", "plain"),
    [
        pytest.param('"abc"', "abc", id="plain"),
        pytest.param("abc", "abc", id="without-quotes"),
        pytest.param('""', "", id="empty"),
        pytest.param('"', '"', id="one-quote"),
        pytest.param(r'"\a\b\f\n\r\t\v"', "\a\b\f\n\r\t\v", id="simple"),
        pytest.param(r'"\\ \" \'"', "\\ \" '", id="backslash-and-quotes"),
        pytest.param(r'"\\n"', r"\n", id="a-backslash-then-n"),
        pytest.param(r'"\x1b[31m\x00\x7f"', "\x1b[31m\x00\x7f", id="control-characters"),
        pytest.param(r'"\xff\xfe"', "\N{REPLACEMENT CHARACTER}" * 2, id="bytes-that-are-no-text"),
        pytest.param(r'"\u00a0\u202e\ufeff"', "\u00a0\u202e\ufeff", id="four-digits"),
        pytest.param(r'"\U000e0001\U0010ffff"', "\U000e0001\U0010ffff", id="eight-digits"),
        pytest.param(r'"\ud800"', "\N{REPLACEMENT CHARACTER}", id="surrogate"),
        pytest.param(r'"\U00110000"', "\N{REPLACEMENT CHARACTER}", id="beyond-unicode"),
        pytest.param(r'"\101"', "A", id="octal"),
        pytest.param('"grün 🙂"', "grün 🙂", id="not-ascii"),
        pytest.param(r'"\x4"', "x4", id="not-gos"),
    ],
)
def test_undoes_gos_quoting(quoted: str, plain: str) -> None:
    assert unquote(quoted) == plain


@pytest.mark.parametrize(
    ("level", "message", "event"),
    [
        pytest.param("debug", 'Trying to access "a.test/b:c"', Tried(at=1.0, reference="a.test/b:c"), id="tried"),
        pytest.param(
            "debug",
            'Accessing "a.test/b:c" failed: it said "no" failed: twice',
            Refused(at=1.0, reference="a.test/b:c", error='it said "no" failed: twice'),
            id="refused",
        ),
        pytest.param(
            "debug",
            "HEAD https://a.test/v2/b/blobs/x",
            Requested(at=1.0, method="HEAD", url="https://a.test/v2/b/blobs/x"),
            id="requested",
        ),
        pytest.param(
            "debug",
            "Too many requests to http://a.test/v2/: sleeping for 16.000000 seconds before next attempt",
            Waiting(at=1.0, url="http://a.test/v2/", seconds=16.0),
            id="waiting",
        ),
        pytest.param("warning", "Failed, retrying in 2s ... (1/3). Error: x", Retried(at=1.0), id="retried"),
        pytest.param("fatal", "GET https://a.test/", Died(at=1.0, error="GET https://a.test/"), id="died"),
        pytest.param(
            "debug",
            '  Using "lookaside" https://sigs.test/store',
            Lookaside(at=1.0, url="https://sigs.test/store"),
            id="lookaside",
        ),
        pytest.param(
            "debug", '  Using "sigstore" http://s.test', Lookaside(at=1.0, url="http://s.test"), id="older-lookaside"
        ),
        pytest.param("debug", '  Using "lookaside" file:///var/lib/s', None, id="lookaside-of-files"),
        pytest.param(
            "debug",
            'Skipping foreign layer "sha256:aa" copy to oci',
            LeftElsewhere(at=1.0, digest="sha256:aa"),
            id="left-elsewhere",
        ),
        pytest.param("debug", "Downloading /v2/b/blobs/x", None, id="not-a-request"),
        pytest.param("debug", "Ping https://a.test/v2/ status 200", None, id="ping"),
        pytest.param("debug", "Too many requests to x: sleeping for 1.2.3 seconds", None, id="no-number"),
        pytest.param("debug", "Something new", None, id="unknown"),
    ],
)
def test_understands_a_message(level: str, message: str, event: Event | None) -> None:
    assert interpret(level, message, 1.0) == event


@pytest.mark.parametrize(
    ("case", "kinds"),
    [
        pytest.param("b429", {Tried: 1, Waiting: 4, Died: 1}, id="b429"),
        pytest.param("bhang", {Tried: 1}, id="bhang"),
        pytest.param("ct", {Tried: 3, Refused: 3, Died: 1}, id="ct"),
        pytest.param("hang", {Tried: 1}, id="hang"),
        pytest.param("hangsec", {Tried: 2, Refused: 1}, id="hangsec"),
        pytest.param("m429", {Tried: 2, Waiting: 4, Refused: 1}, id="m429"),
        pytest.param("m429ra", {Tried: 2, Waiting: 4, Refused: 1}, id="m429ra"),
        pytest.param("mhang", {Tried: 1}, id="mhang"),
        pytest.param("served-by-third", {Tried: 3, Refused: 2}, id="served-by-third"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_finds_every_event_of_a_real_log(version: str, case: str, kinds: dict[type, int]) -> None:
    log = log_of(version, case)
    counts = Counter(type(event) for event in events_of(log))
    assert counts.pop(Requested) == log.count(b'msg="GET ') + sum(
        log.count(f'msg="{method} http'.encode()) for method in ("HEAD", "POST", "PUT", "PATCH")
    )
    assert counts.pop(Signed, 0) == log.count(b'msg="Reading /')
    assert counts == kinds


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_log_has_nothing_but_log_lines(version: str, case: str) -> None:
    reader = LogReader()
    reader.feed(log_of(version, case), 0.0)
    assert reader.tail == []


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [pytest.param(1, id="bytes"), pytest.param(100, id="hundreds")])
def test_the_pieces_in_which_a_log_comes_do_not_matter(case: str, size: int) -> None:
    log = log_of("1.22-dev", case)
    reader = LogReader()
    told = [event for start in range(0, len(log), size) for event in reader.feed(log[start : start + size], 0.0)]
    assert told == reader.events == events_of(log)


def test_a_log_may_be_split_anywhere() -> None:
    log = (
        line('Trying to access \\"a.test/grün\\"')
        + line('Accessing \\"a.test/grün\\" failed: a\\nb\\\\')
        + line("GET https://a.test/v2/").replace(b"\n", b"\r\n")
        + line("last words", "fatal")
    )
    for split in range(len(log) + 1):
        reader = LogReader()
        told = reader.feed(log[:split], 0.0) + reader.feed(log[split:], 0.0)
        assert reader.events == told == events_of(log)


def test_tells_the_time_at_which_a_line_was_complete() -> None:
    reader = LogReader()
    reader.feed(b'time="x" level=debug msg="GET https://a', 1.0)
    assert reader.events == []
    assert reader.feed(b'.test/"\n', 2.0) == [Requested(at=2.0, method="GET", url="https://a.test/")]


def test_the_last_line_may_lack_its_end() -> None:
    reader = LogReader()
    reader.feed(line("last words", "fatal").rstrip(b"\n"), 1.0)
    reader.close(2.0)
    assert reader.events == [Died(at=2.0, error="last words")]


def test_lines_may_end_as_on_windows() -> None:
    reader = LogReader()
    reader.feed(line("last words", "fatal").replace(b"\n", b"\r\n") + b"panic: x\r\n", 0.0)
    assert reader.events == [Died(at=0.0, error="last words")]
    assert reader.tail == ["panic: x"]


def test_keeps_the_last_lines_that_are_no_log_lines() -> None:
    reader = LogReader()
    reader.feed(b"".join(b"goroutine %d\n" % number for number in range(100)), 0.0)
    assert reader.tail == [f"goroutine {number}" for number in range(80, 100)]


def test_a_long_line_is_read_as_far_as_it_matters() -> None:
    reader = LogReader()
    reader.feed(line('Accessing \\"a.test/b:c\\" failed: ' + "x" * 2_000_000), 0.0)
    reader.feed(line("GET https://a.test/v2/"), 0.0)
    refused, requested = reader.events
    assert isinstance(refused, Refused)
    assert refused.reference == "a.test/b:c"
    assert refused.error == "x" * LONGEST_TEXT
    assert requested == Requested(at=0.0, method="GET", url="https://a.test/v2/")


@pytest.mark.parametrize(
    "message",
    [
        pytest.param('Trying to access \\"{}\\"', id="tried"),
        pytest.param('Accessing \\"{}\\" failed: {}', id="refused"),
        pytest.param("GET https://a.test/{}", id="requested"),
        pytest.param("Too many requests to https://a.test/{}: sleeping for 1.0 seconds", id="waiting"),
    ],
)
def test_no_event_is_large(message: str) -> None:
    [event] = events_of(line(message.replace("{}", "x" * (LONGEST_LINE // 3))))
    assert sum(len(value) for value in values_of(event) if isinstance(value, str)) <= 2 * LONGEST_TEXT


def values_of(event: Event) -> list[object]:
    return [getattr(event, name) for name in event.__slots__]


def test_memory_is_bounded_for_a_line_without_end() -> None:
    reader = LogReader()
    chunk = b"x" * LONGEST_LINE
    tracemalloc.start()
    for _ in range(100):
        reader.feed(chunk, 0.0)
    reader.close(0.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * LONGEST_LINE
    assert reader.tail == ["x" * LONGEST_TEXT]


def test_memory_is_bounded_for_a_log_without_end() -> None:
    reader = LogReader()
    reader.feed(line('Trying to access \\"a.test/b:c\\"'), 0.0)
    for _ in range(MOST_EVENTS // 1000 + 2):
        reader.feed(line("GET https://a.test/v2/") * 1000, 0.0)
    reader.feed(line("last words", "fatal"), 0.0)
    assert len(reader.events) == MOST_EVENTS
    assert isinstance(reader.events[0], Tried)
    assert isinstance(reader.events[-1], Died)
    assert [type(event) for event in reader.events].count(Gap) == 1


def test_what_comes_after_the_bound_is_still_told() -> None:
    reader = LogReader()
    reader.feed(line("GET https://a.test/v2/") * (MOST_EVENTS + 1), 0.0)
    told = reader.feed(line("Too many requests to http://a.test/: sleeping for 2.0 seconds"), 0.0)
    assert told == [Waiting(at=0.0, url="http://a.test/", seconds=2.0)]


@given(st.lists(st.binary(max_size=200) | st.sampled_from(PIECES).map(str.encode), max_size=40))
def test_no_log_is_an_exception(chunks: list[bytes]) -> None:
    reader = LogReader()
    for chunk in chunks:
        reader.feed(chunk, 0.0)
    reader.close(0.0)
    assert reader.events == events_of(b"".join(chunks))


@given(st.text(alphabet='\\"xuU0123456789abcdefnrt .', max_size=80))
def test_no_quoting_is_an_exception(text: str) -> None:
    unquote(f'"{text}"').encode()


def test_the_golden_digest_is_the_one_in_the_logs() -> None:
    assert all(str(DIGEST).encode() in log_of(version, case) for version in VERSIONS for case in CASES)
