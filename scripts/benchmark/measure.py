# ruff: noqa: S603, T201 - it starts what is measured, and shows people how far it is
"""Run one command and say what it cost: wall time, CPU of the whole tree, peak memory of its largest process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scripts.benchmark import launch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIMIT = 400  # seconds; a contender that takes longer has failed
TAIL = 2000  # characters of output kept to explain a failure


class ContenderError(Exception):
    """A contender ended with an error, took too long, or did not bring everything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """One run of a command: seconds of wall and of CPU (children included), bytes of peak memory."""

    seconds: float
    cpu: float
    peak: int


def run(name: str, argv: Sequence[str], *, folder: Path, environment: dict[str, str] | None = None) -> Cost:
    """Run the contender `name`, its output going to a file in `folder`, and wait for it.

    Raises ContenderError when it fails, or takes longer than LIMIT.
    """
    output = folder / "output"
    with subprocess.Popen(
        [sys.executable, "-IS", launch.__file__, str(output), *argv],
        stdout=subprocess.PIPE,
        env=os.environ | (environment or {}),
        start_new_session=True,
    ) as launcher:
        try:
            answer, _ = launcher.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise ContenderError(f"{name} took longer than {LIMIT} s: {_tail(output)}") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(launcher.pid, signal.SIGKILL)
    cost = json.loads(answer)
    if sys.stderr.isatty():
        print(f"  {name}: {cost['seconds']:.2f} s", file=sys.stderr)
    if status := cost.pop("status"):
        raise ContenderError(f"{name} ended with status {status}: {_tail(output)}")
    return Cost(**cost)


def _tail(output: Path) -> str:
    with output.open("rb") as stream:
        stream.seek(max(0, output.stat().st_size - TAIL))
        return stream.read().decode(errors="replace").strip()
