"""Run one command and say what it cost: wall time, CPU of the whole tree, peak memory of its largest process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIMIT = 400  # seconds; a contender that takes longer is ended and has failed
TAIL = 2000  # characters of output kept to explain a failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """One run of a command: seconds of wall and of CPU (children included), bytes of peak memory, exit status."""

    seconds: float
    cpu: float
    peak: int
    status: int
    tail: str


def run(argv: Sequence[str], *, folder: Path, environment: dict[str, str] | None = None) -> Cost:
    """Run `argv` with its output in files below `folder`, and wait for it.

    The peak is the kernel's high-water mark, which a process inherits from the one that started it: the benchmark
    itself stays small so as not to be what is measured.
    """
    output = folder / "output"
    started = time.perf_counter()
    with output.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603 - the contenders' own command lines
            argv,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | (environment or {}),
            start_new_session=True,
        )
    watchdog = threading.Timer(LIMIT, _end_group, [process.pid])
    watchdog.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        _end_group(process.pid)
        raise
    finally:
        watchdog.cancel()
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)  # wait4 took it before Popen could
    return Cost(
        seconds=seconds,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * 1024,
        status=process.returncode,
        tail=_tail(output),
    )


def _end_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _tail(output: Path) -> str:
    with output.open("rb") as stream:
        stream.seek(max(0, output.stat().st_size - TAIL))
        return stream.read().decode(errors="replace")
