"""The scenarios that the default of `-j` is chosen by: numbers of copies at once, on numbers of cores.

A round trip is that of the network, one at a time: `scripts/bench --only jobs --cores 1 2 4 --round-trip 0.1`.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from scripts.benchmark import architectures, transfers, workload
from scripts.benchmark.contenders import ours
from scripts.benchmark.copying import published
from scripts.benchmark.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scripts.benchmark.contenders import Contender, Task
    from scripts.benchmark.settings import Settings
    from scripts.benchmark.workload import Workload


def jobs(settings: Settings, folder: Path) -> Outcome:
    """Images that share base layers, with different numbers of jobs, on different numbers of cores."""
    return _jobs("jobs", settings, folder, transfers.sharing(settings, folder))


def multi_architecture(settings: Settings, folder: Path) -> Outcome:
    """The same for indexes of four architectures."""
    return _jobs("jobs-multi-architecture", settings, folder, architectures.operators(settings, folder, workload.OCI))


def _jobs(name: str, settings: Settings, folder: Path, load: Workload) -> Outcome:
    here = sorted(os.sched_getaffinity(0))
    with published(settings, folder, load, settings.link) as contest:
        task = contest.site.task(load)
        entered = [
            _entry(task, count, here[:cores])
            for cores in settings.cores
            if cores <= len(here)
            for count in settings.job_counts
        ]
        contest.hold(entered, ("cold",), settings)
    lacking = [f"{cores} cores: this machine has {len(here)}" for cores in settings.cores if cores > len(here)]
    return Outcome(
        name=name,
        title=f"{load}, {settings.link}",
        rows=list(contest.rows.values()),
        bars=[contest.pulled_once(contender) for contender, _ in entered],
        notes=[*contest.notes, *lacking],
    )


def _entry(task: Task, count: int, cores: Sequence[int]) -> tuple[Contender, Task]:
    """So many jobs on these cores; registries and the network between may use all."""
    contender = ours(count, name=f"-j{count}, {len(cores)} core{'s' if len(cores) > 1 else ''}")
    pinned = ("taskset", "-c", ",".join(map(str, cores)), *task.tool)
    return contender, dataclasses.replace(task, tool=pinned)
