"""Contenders in turn: two registries, the network between, fresh caches and an empty destination for each cold run."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scripts.benchmark import measure, workload
from scripts.benchmark.contenders import Contender, Task, registries_conf
from scripts.benchmark.measure import ContenderError
from scripts.benchmark.publishing import missing, publish
from scripts.benchmark.relay import Link, relayed
from scripts.benchmark.results import Bar, Row, Sample, Unit
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from scripts.benchmark.settings import Settings
    from scripts.benchmark.workload import Workload

ONCE = 1.02  # the sources' blob traffic, against the unique bytes
PREFIX = "copy/"  # the path at the destination below which images land


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Two registries, and `host:port` at which the contenders reach them."""

    folder: Path
    source: Registry
    destination: Registry
    source_host: str
    destination_host: str
    tool: tuple[str, ...]

    def task(self, load: Workload, *mirrors_before: str) -> Task:
        """Copy the workload to this site's destination, its source being the last of the mirrors."""
        mirrors = (*mirrors_before, self.source_host)
        return Task(
            images=load.images,
            registries_conf=registries_conf(self.folder / f"registries-{len(mirrors)}.conf", workload.ORIGIN, *mirrors),
            destination=f"{self.destination_host}/{PREFIX.rstrip('/')}",
            folder=self.folder,
            tool=self.tool,
        )


@contextlib.contextmanager
def site(folder: Path, tool: tuple[str, ...], link: Link | None = None) -> Iterator[Site]:
    """Start a source and a destination, both behind `link`."""
    link = link or Link()
    with (
        Registry(folder / "source") as source,
        Registry(folder / "destination") as destination,
        relayed(source.host, link) as source_host,
        relayed(destination.host, link) as destination_host,
    ):
        yield Site(
            folder=folder,
            source=source,
            destination=destination,
            source_host=source_host,
            destination_host=destination_host,
            tool=tool,
        )


@dataclass(slots=True)
class Contest:
    """Contenders for one workload at one site, run in turn; the rows fill as they run, and bars read them."""

    site: Site
    load: Workload
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def row(self, contender: Contender, phase: str = "cold") -> Row:
        """The contender's runs in a phase."""
        return self.rows.setdefault((contender.name, phase), Row(name=contender.name, phase=phase))

    def compare(self, contenders: Sequence[Contender], settings: Settings, *, again: bool = False) -> None:
        """Run every contender on the same task once a round, cold, and again where that is asked for.

        Raises ContenderError.
        """
        task = self.site.task(self.load)
        phases = ("cold", "again") if again else ("cold",)
        self.hold([(contender, task) for contender in contenders], phases, settings)

    def hold(self, contenders: Sequence[tuple[Contender, Task]], phases: Sequence[str], settings: Settings) -> None:
        """Run every contender once a round in each phase: `cold`, or `again` over what is already there.

        A contender that would spend more than `patience` seconds in all gets fewer rounds, and a note says so.
        Raises ContenderError.
        """
        runs, patience = settings.runs, settings.patience
        spent = dict.fromkeys((contender.name for contender, _ in contenders), 0.0)
        for _ in range(runs):
            for contender, task in contenders:
                held = len(self.row(contender, phases[0]).samples)
                if held and spent[contender.name] * (held + 1) / held > patience:
                    continue
                for phase in phases:
                    if phase == "cold":
                        self._forget()
                    spent[contender.name] += self._run(contender, task, phase)
        for contender, _ in contenders:
            held = len(self.row(contender, phases[0]).samples)
            if held < runs:
                self.notes.append(f"{contender.name}: {held} of {runs} runs, to keep it within {patience:.0f} s")

    def pulled_once(self, contender: Contender) -> Bar:
        """The bar of what a cold run pulls: every blob once."""
        return Bar(
            what=f"{contender.name}: source blob bytes, against unique",
            value=self.row(contender).worst("pulled") / self.load.unique_bytes,
            limit=ONCE,
            unit=Unit.RATIO,
        )

    def asked_again(self, contender: Contender) -> Bar:
        """The bar of what a second run asks a source: nothing."""
        requests = self.row(contender, "again").worst("requests")
        return Bar(what="again, source requests", value=requests, limit=0, unit=Unit.REQUESTS)

    def _forget(self) -> None:
        self.site.destination.empty()
        shutil.rmtree(self._cache, ignore_errors=True)

    def _run(self, contender: Contender, task: Task, phase: str) -> float:
        """Run, count, check; return the seconds it took."""
        name = f"{contender.name} ({phase})"
        command = contender.command(task)
        self.site.source.forget()
        cost = measure.run(name, command, folder=self.site.folder, environment=self._environment)
        requests = self.site.source.requests()
        if lacking := missing(self.load, self.site.destination, PREFIX):
            raise ContenderError(f"{name} left out {len(lacking)}: {', '.join(lacking[:3])}")
        self.row(contender, phase).samples.append(Sample.of(cost, requests))
        return cost.seconds

    @property
    def _cache(self) -> Path:
        return self.site.folder / "cache"

    @property
    def _environment(self) -> dict[str, str]:
        """A blob-info cache that is this contest's own: as root, skopeo would use the machine's.

        The first variable is how containers/storage tells itself that it runs without root; only then does
        containers/image look for its cache where the second points.
        """
        return {"_CONTAINERS_ROOTLESS_UID": str(os.getuid() or 1), "XDG_DATA_HOME": str(self._cache)}


@contextlib.contextmanager
def published(settings: Settings, folder: Path, load: Workload, link: Link) -> Iterator[Contest]:
    """A contest at a site whose source has the workload."""
    with site(folder, settings.tool_command, link) as here:
        publish(load, here.source)
        yield Contest(here, load)
