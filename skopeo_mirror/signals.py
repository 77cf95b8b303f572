"""The signals that end the program, from its first moment to its last."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import SkopeoMirrorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

WORDS: Final = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "hung up",
    signal.SIGQUIT: "quit",
}


class Signalled(BaseException):
    """A signal that ends the program arrived. No Exception, so that nobody on the way takes it for a fault."""

    def __init__(self, number: int) -> None:
        self.number = signal.Signals(number)
        self.exit_status = 128 + number
        super().__init__(WORDS[self.number])


def listen() -> None:
    """From now on the first signal raises Signalled, in the main thread, as does one that was put off (`__main__`).

    Another interrupt ends the program at once. Who started the program with SIGHUP or SIGQUIT ignored (nohup(1), a
    shell's `&`) wants that to stay so.
    """
    for number in heeded():
        signal.signal(number, _raise)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, heeded())


def let_go() -> None:
    """All is said and done: a signal that comes now ends the program at once, and says nothing any more."""
    for number in heeded():
        signal.signal(number, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, heeded())


def heeded() -> list[signal.Signals]:
    """The signals that are not ignored."""
    never_ignored = {signal.SIGINT, signal.SIGTERM}
    return [one for one in WORDS if one in never_ignored or signal.getsignal(one) != signal.SIG_IGN]


def ending(signalled: Signalled) -> Signalled:
    """From now on another signal changes nothing but that SIGINT ends the program at once; return what to raise."""
    for other in heeded():
        signal.signal(other, _end if other == signal.SIGINT else _do_nothing)
    return signalled


@contextmanager
def stopping(press: Callable[[str], None], kill: Callable[[], None]) -> Iterator[None]:
    """Let signals call `press` with what came, in words; raise Signalled when the block has ended then.

    A second SIGINT calls `kill`, and ends the program at once.
    """
    received: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            kill()
            os._exit(128 + number)
        received.append(number)
        press(str(Signalled(number)))

    before = {number: signal.signal(number, hear) for number in heeded()}
    try:
        yield
    except SkopeoMirrorError:
        if not received:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise ending(Signalled(received[0]))


def _raise(number: int, _: FrameType | None) -> None:
    raise ending(Signalled(number))


def _do_nothing(_: int, __: FrameType | None) -> None:
    """Go on ending. (Not SIG_IGN: what the program starts would inherit that.)."""


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)
