"""Attending a process: what it says is heard, and it is ended when its time is up. Pipes of our own stand for it."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.skopeo import supervision
from skopeo_mirror.skopeo.supervision import (
    READ_AT_ONCE,
    Ended,
    Process,
    Supervision,
    Timeouts,
    Watcher,
    _Counters,
    _counters_of,
    supervise,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def counters(moved: int) -> _Counters:
    """Return those of a process that has moved so much."""
    return _Counters(read=moved, written=0, writes=0)


FOR_EVER = Timeouts(timeout=None, stall=None)
LATER = 1e9
"""Seconds, beyond any limit."""


@dataclass(kw_only=True)
class Talker(Process):
    """A process as it is seen from here: two pipes, and the signals that it got. It ends at `ends_at`."""

    pid: int = 4711
    ends_at: signal.Signals | None = signal.SIGTERM
    signals: list[int] = field(default_factory=list)
    output: tuple[int, int] = field(default_factory=os.pipe)
    log: tuple[int, int] = field(default_factory=os.pipe)
    saying: set[int] = field(init=False)
    """The ends of the pipes that it holds."""

    def __post_init__(self) -> None:
        self.saying = {self.output[1], self.log[1]}

    def send_signal(self, number: int) -> None:
        self.signals.append(number)
        if number == self.ends_at:
            self.end()

    def says(self, output: bytes = b"", log: bytes = b"") -> None:
        os.write(self.output[1], output)
        os.write(self.log[1], log)

    def end(self) -> None:
        while self.saying:
            os.close(self.saying.pop())


@dataclass(kw_only=True)
class Listener(Watcher):
    """Hears the log."""

    heard: bytes = b""
    longest: int = 0
    """Bytes that came at once."""
    gives_up: bool = False
    waits_until: float = 0.0
    at_once: Callable[[], None] = lambda: None

    def feed(self, chunk: bytes) -> None:
        self.heard += chunk
        self.longest = max(self.longest, len(chunk))
        self.at_once()


@pytest.fixture
def talker() -> Iterator[Talker]:
    one = Talker()
    yield one
    one.end()


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


def attended(
    talker: Talker,
    stopping: threading.Event,
    listener: Listener | None = None,
    timeouts: Timeouts = FOR_EVER,
) -> tuple[bytes, Ended | None]:
    return supervise(
        talker,
        talker.output[0],
        talker.log[0],
        watcher=listener or Listener(),
        timeouts=timeouts,
        stopping=stopping,
    )


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_all_that_is_said_is_heard_to_the_end(talker: Talker, stopping: threading.Event) -> None:
    talker.says(b"manifest", b"line 1\nline 2")
    talker.end()
    listener = Listener()
    assert attended(talker, stopping, listener) == (b"manifest", None)
    assert listener.heard == b"line 1\nline 2"
    assert talker.signals == []


def test_both_sides_are_heard_while_both_talk(talker: Talker, stopping: threading.Event) -> None:
    """More than a pipe holds, on either side: who read one to its end before the other would wait for ever."""
    size = 1_000_000

    def talk() -> None:
        for _ in range(0, size, 50_000):
            talker.says(b"o" * 50_000, b"l" * 50_000)
        talker.end()

    talking = threading.Thread(target=talk)
    talking.start()
    listener = Listener()
    output, ended = attended(talker, stopping, listener)
    talking.join()
    assert (len(output), len(listener.heard), ended) == (size, size, None)
    assert listener.longest <= READ_AT_ONCE, "a thread's heap is in holes after larger reads"


def test_one_side_may_end_before_the_other(talker: Talker, stopping: threading.Event) -> None:
    os.close(talker.log[1])
    talker.saying.remove(talker.log[1])

    def talk() -> None:
        os.write(talker.output[1], b"late")
        talker.end()

    talking = threading.Timer(0.05, talk)
    talking.start()
    assert attended(talker, stopping) == (b"late", None)
    talking.join()


def test_the_pipes_are_closed_afterwards(talker: Talker, stopping: threading.Event) -> None:
    talker.end()
    attended(talker, stopping)
    assert not is_open(talker.output[0])
    assert not is_open(talker.log[0])


def test_the_pipes_are_closed_after_an_error_too(talker: Talker, stopping: threading.Event) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    talker.says(log=b"x")
    with pytest.raises(KeyboardInterrupt):
        attended(talker, stopping, Listener(at_once=fail))
    assert not is_open(talker.output[0])
    assert not is_open(talker.log[0])


def test_the_stop_ends_it(talker: Talker, stopping: threading.Event) -> None:
    listener = Listener(at_once=stopping.set)
    talker.says(b"half", b"x")
    assert attended(talker, stopping, listener) == (b"half", Ended.STOPPED)
    assert talker.signals == [signal.SIGTERM]


def test_a_rate_limit_that_is_not_to_be_waited_out_ends_it(talker: Talker, stopping: threading.Event) -> None:
    talker.says(log=b"too many requests")
    assert attended(talker, stopping, Listener(gives_up=True))[1] is Ended.RATE_LIMITED
    assert talker.signals == [signal.SIGTERM]


@pytest.mark.parametrize(
    ("timeouts", "ended"),
    [
        pytest.param(Timeouts(timeout=0.01, stall=None), Ended.TIMEOUT, id="timeout"),
        pytest.param(Timeouts(timeout=None, stall=0.01), Ended.STALLED, id="stall"),
    ],
)
def test_silence_ends_it_when_its_time_is_up(
    talker: Talker, stopping: threading.Event, timeouts: Timeouts, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_counters_of", lambda _: counters(0))
    assert attended(talker, stopping, timeouts=timeouts)[1] is ended
    assert talker.signals == [signal.SIGTERM]


@pytest.fixture
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is further on at each look by most of what the tests' stall timeout allows."""
    looks = count()
    monkeypatch.setattr(supervision, "time", SimpleNamespace(monotonic=lambda: next(looks) * 0.03))


BRIEF = Timeouts(timeout=None, stall=0.04)


@pytest.mark.usefixtures("_fast")
def test_who_goes_on_talking_is_left_alone(
    talker: Talker, stopping: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_counters_of", lambda _: counters(0))
    listener = Listener()

    def go_on() -> None:
        if len(listener.heard) < 10:
            talker.says(log=b"x")
        else:
            talker.end()

    listener.at_once = go_on
    talker.says(log=b"x")
    assert attended(talker, stopping, listener, BRIEF) == (b"", None)


@pytest.mark.usefixtures("_fast")
def test_who_goes_on_moving_bytes_in_silence_is_left_alone(
    talker: Talker, stopping: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count()

    def moved(_: int) -> _Counters:
        so_far = next(looks)
        if so_far == 10:
            talker.end()
        return counters(so_far)

    monkeypatch.setattr(supervision, "_counters_of", moved)
    assert attended(talker, stopping, timeouts=BRIEF) == (b"", None)


def test_who_does_not_heed_term_is_killed(
    talker: Talker, stopping: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "GRACE", 0.05)
    talker.ends_at = signal.SIGKILL
    stopping.set()
    assert attended(talker, stopping, timeouts=Timeouts(timeout=0.01))[1] is Ended.STOPPED
    assert talker.signals[0] == signal.SIGTERM
    assert set(talker.signals[1:]) == {signal.SIGKILL}


def test_what_is_said_after_term_is_heard(talker: Talker, stopping: threading.Event) -> None:
    """Its last words may say more than ours."""
    listener = Listener()

    def last_words(number: int) -> None:
        talker.signals.append(number)
        talker.says(log=b"last words")
        talker.end()

    talker.send_signal = last_words  # type: ignore[method-assign]
    stopping.set()
    attended(talker, stopping, listener, Timeouts(timeout=0.01))
    assert listener.heard == b"last words"
    assert talker.signals == [signal.SIGTERM]


def test_a_stranger_that_holds_the_pipe_is_not_waited_for(
    talker: Talker, stopping: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "GRACE", 0.05)
    talker.ends_at = None
    stopping.set()
    assert attended(talker, stopping, timeouts=Timeouts(timeout=0.01))[1] is Ended.STOPPED
    assert set(talker.signals[1:]) == {signal.SIGKILL}
    assert not is_open(talker.output[0])


class Clockwork:
    """An `Attention` whose process has read and written `moved` bytes so far, on a clock of ours."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moved = 0
        self.counters: _Counters | None = None
        self.now = 100.0
        self.listener = Listener()
        self.stopping = threading.Event()
        monkeypatch.setattr(supervision, "_counters_of", self.counters_of)
        monkeypatch.setattr(supervision, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(supervision, "CAN_SEE_BYTES", True)

    def counters_of(self, _: int) -> _Counters:
        return counters(self.moved) if self.counters is None else self.counters

    def attention(self, *, stall: float | None = None, timeout: float | None = None) -> Supervision:
        timeouts = Timeouts(stall=stall, timeout=timeout)
        return Supervision(Talker(output=(0, 0), log=(0, 0)), self.listener, timeouts, self.stopping)


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    return Clockwork(monkeypatch)


def test_who_says_nothing_and_moves_nothing_has_stalled(clockwork: Clockwork) -> None:
    one = clockwork.attention(stall=10.0)
    one.verdict(100.0)
    one.verdict(109.0)
    assert one.verdict(110.0) is None
    assert one.verdict(110.1) is Ended.STALLED


def test_who_moves_bytes_is_alive(clockwork: Clockwork) -> None:
    one = clockwork.attention(stall=10.0)
    for second in range(101, 200, 11):
        clockwork.moved += 1
        one.verdict(float(second))
        assert one.verdict(float(second)) is None
    assert one.verdict(float(second) + 10.1) is Ended.STALLED


@pytest.mark.parametrize("size", [1, 8], ids=["by-a-pipe", "by-an-eventfd"])
@pytest.mark.parametrize("pending", [0, 1], ids=["all-read", "one-not-read-yet"])
def test_who_only_wakes_itself_has_stalled(clockwork: Clockwork, size: int, pending: int) -> None:
    """Go's runtime writes to itself now and then, whatever a registry does."""
    one = clockwork.attention(stall=10.0)
    for wakes in range(12):
        clockwork.counters = _Counters(1000 + (wakes - (pending if wakes else 0)) * size, 1000 + wakes * size, wakes)
        ended = one.verdict(100.0 + wakes)
    assert ended is Ended.STALLED


@pytest.mark.parametrize(
    "moved",
    [
        pytest.param(_Counters(1, 0, 0), id="a-byte-was-read"),
        pytest.param(_Counters(1, 6, 1), id="a-byte-was-handed-on"),
        pytest.param(_Counters(5, 5, 1), id="five-were-kept"),
        pytest.param(_Counters(0, 40, 1), id="something-was-said"),
    ],
)
def test_any_byte_of_content_is_a_sign_of_life(clockwork: Clockwork, moved: _Counters) -> None:
    one = clockwork.attention(stall=10.0)
    for step in range(12):
        clockwork.counters = _Counters(*(step * count for count in moved))
        assert one.verdict(100.0 + 9 * step) is None


def test_who_says_something_is_alive(clockwork: Clockwork) -> None:
    one = clockwork.attention(stall=10.0)
    one.verdict(100.0)
    one.verdict(109.0, heard=True)
    one.verdict(118.0)
    assert one.verdict(118.0) is None
    assert one.verdict(119.1) is Ended.STALLED
    assert clockwork.listener.alive_at == 109.0


def test_who_has_said_that_it_waits_has_not_stalled(clockwork: Clockwork) -> None:
    one = clockwork.attention(stall=10.0)
    clockwork.listener.waits_until = 150.0
    assert one.verdict(150.0) is None
    assert one.verdict(160.0) is None
    assert one.verdict(160.1) is Ended.STALLED


def test_a_timeout_is_for_those_too_that_move_and_wait(clockwork: Clockwork) -> None:
    one = clockwork.attention(timeout=20.0)
    clockwork.listener.waits_until = 1000.0
    one.verdict(120.0, heard=True)
    assert one.verdict(120.0) is None
    assert one.verdict(120.1) is Ended.TIMEOUT


def test_without_limits_nobody_is_ended(clockwork: Clockwork) -> None:
    assert clockwork.attention().verdict(LATER) is None


def test_where_bytes_cannot_be_seen_nobody_stalls(clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "CAN_SEE_BYTES", False)
    one = clockwork.attention(stall=10.0, timeout=1000.0)
    assert one.verdict(500.0) is None
    assert one.verdict(1100.1) is Ended.TIMEOUT


def test_the_stop_is_the_first_reason(clockwork: Clockwork) -> None:
    one = clockwork.attention(stall=10.0, timeout=10.0)
    assert one.verdict(LATER) is Ended.TIMEOUT
    clockwork.listener.gives_up = True
    assert one.verdict(LATER) is Ended.RATE_LIMITED
    clockwork.stopping.set()
    assert one.verdict(LATER) is Ended.STOPPED


@pytest.mark.parametrize(
    ("stall", "timeout", "tick"),
    [
        pytest.param(None, None, 1.0, id="no-limit"),
        pytest.param(60.0, 3600.0, 1.0, id="long"),
        pytest.param(2.0, None, 0.5, id="short-stall"),
        pytest.param(60.0, 0.4, 0.1, id="short-timeout"),
    ],
)
def test_looks_often_enough_for_the_limits(
    clockwork: Clockwork, stall: float | None, timeout: float | None, tick: float
) -> None:
    assert clockwork.attention(stall=stall, timeout=timeout).tick == pytest.approx(tick)


def test_sees_what_a_process_moves() -> None:
    before = _counters_of(os.getpid())
    with open(os.devnull, "wb", buffering=0) as nothing:  # noqa: PTH123 - unbuffered
        nothing.write(b"x" * 5000)
    after = _counters_of(os.getpid())
    assert before is not None
    assert after is not None
    assert after.written >= before.written + 5000
    assert after.read > before.read  # proc(5) itself
    assert after.writes > before.writes


def test_of_a_process_that_is_gone_nothing_is_seen() -> None:
    assert _counters_of(2**22 + 1) is None  # beyond any process id
