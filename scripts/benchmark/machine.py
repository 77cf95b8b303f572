# ruff: noqa: S603 - it starts what is measured, for its version
"""What the numbers were measured on: a benchmark means nothing without it."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from scripts.benchmark.measure import ContenderError


def describe(tool: tuple[str, ...]) -> dict[str, Any]:
    """The machine, and the versions of what is measured. Raises ContenderError where one of them does not start."""
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cpu": _processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load": os.getloadavg()[0],  # of others: nothing was started yet
        "kernel": platform.release(),
        "python": platform.python_version(),
        "skopeo": _version("skopeo", "--version"),
        "registry": _version("docker-registry", "--version"),
        "tool": _version(*tool, "--version"),  # and its byte code is compiled before anything is measured
    }


def as_text(machine: dict[str, Any]) -> str:
    """The description in two lines, and a third where others keep the machine busy."""
    hardware = f"{machine['cpus']} x {machine['cpu']}, {machine['memory'] / 2**30:.0f} GiB, Linux {machine['kernel']}"
    lines = [
        f"{hardware}, Python {machine['python']}",
        "; ".join(machine[name] for name in ("tool", "skopeo", "registry")),
    ]
    if machine["load"] > machine["cpus"] / 2:
        lines.append(f"This machine is busy (load {machine['load']:.1f}): do not trust the times below.")
    return "\n".join(lines)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _version(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ContenderError(f"{' '.join(argv)}: {getattr(error, 'stderr', '') or error}") from error
    return " ".join(done.stdout.split())
