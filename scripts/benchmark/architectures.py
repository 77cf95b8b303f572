"""The scenarios with images of many architectures, as operators are: the same set in OCI's form and in Docker's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.benchmark import workload
from scripts.benchmark.contenders import ours, xargs
from scripts.benchmark.copying import published
from scripts.benchmark.relay import Link
from scripts.benchmark.results import Outcome, ratio

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.benchmark.settings import Settings
    from scripts.benchmark.workload import Form, Workload

ARCHITECTURES = ("amd64", "arm64", "ppc64le", "s390x")


def oci(settings: Settings, folder: Path) -> Outcome:
    """Indexes of four architectures with shared base layers, over the network, against skopeo copy under xargs."""
    return _over_the_network("multi-architecture", settings, folder, workload.OCI)


def docker(settings: Settings, folder: Path) -> Outcome:
    """The same as Docker manifest lists of schema 2 images."""
    return _over_the_network("multi-architecture-docker", settings, folder, workload.DOCKER)


def oci_loopback(settings: Settings, folder: Path) -> Outcome:
    """The indexes without any delay."""
    return _loopback("multi-architecture-loopback", settings, folder, workload.OCI)


def docker_loopback(settings: Settings, folder: Path) -> Outcome:
    """The manifest lists without any delay."""
    return _loopback("multi-architecture-docker-loopback", settings, folder, workload.DOCKER)


def operators(settings: Settings, folder: Path, form: Form) -> Workload:
    """Multi-architecture images of the sizes that are set."""
    return workload.multi_architecture(
        folder / "images",
        form=form,
        images=settings.indexes,
        architectures=ARCHITECTURES,
        base_sizes=settings.index_base_sizes,
        own_size=settings.index_own_size,
    )


def _over_the_network(name: str, settings: Settings, folder: Path, form: Form) -> Outcome:
    tool, rival = ours(settings.jobs), xargs(settings.jobs)
    with published(settings, folder, operators(settings, folder, form), settings.link) as contest:
        contest.compare([tool, rival], settings, again=True)
    return Outcome(
        name=name,
        title=f"{contest.load}, {len(ARCHITECTURES)} architectures each, {settings.link}",
        rows=list(contest.rows.values()),
        bars=[
            ratio(f"cold, against {rival.name}", contest.row(tool), contest.row(rival), 0.80),
            contest.pulled_once(tool),
            ratio(f"again, against {rival.name}", contest.row(tool, "again"), contest.row(rival, "again"), 0.55),
            contest.asked_again(tool),
        ],
        notes=contest.notes,
    )


def _loopback(name: str, settings: Settings, folder: Path, form: Form) -> Outcome:
    tool, rival = ours(settings.jobs), xargs(settings.jobs)
    with published(settings, folder, operators(settings, folder, form), Link()) as contest:
        contest.compare([tool, rival], settings)
    return Outcome(
        name=name,
        title=f"{contest.load}, {len(ARCHITECTURES)} architectures each, {Link()}",
        rows=list(contest.rows.values()),
        bars=[
            ratio(f"cold, against {rival.name}", contest.row(tool), contest.row(rival), 1.35),
            contest.pulled_once(tool),
        ],
        notes=contest.notes,
    )
