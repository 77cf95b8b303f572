# ruff: noqa: INP001 - beside the scripts that share it
"""How the scripts end: whoever ends them, registries and temporary files go first."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from types import FrameType

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


def end_cleanly() -> None:
    """Have what ends a process at once raise SystemExit instead; what was ignored (`nohup`) stays so."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> NoReturn:
    for each in _ENDING:  # a terminal that goes sends more than one
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)
