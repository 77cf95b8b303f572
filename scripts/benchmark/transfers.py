"""The scenarios with registries: images that are copied, or found to be there already."""

from __future__ import annotations

import contextlib
import shutil
import socket
from typing import TYPE_CHECKING

from scripts.benchmark import measure, workload
from scripts.benchmark.contenders import loop, ours, sync, xargs
from scripts.benchmark.copying import PREFIX, Contest, site
from scripts.benchmark.publishing import publish
from scripts.benchmark.relay import Link
from scripts.benchmark.results import Bar, Outcome, Row, Sample, Unit, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.benchmark.contenders import Contender
    from scripts.benchmark.settings import Settings
    from scripts.benchmark.workload import Workload

ONCE = 1.02  # the sources' blob traffic, against the unique bytes
ARCHITECTURES = ("amd64", "arm64", "ppc64le", "s390x")


def many(settings: Settings, folder: Path) -> Outcome:
    """Images that share base layers, over the network, against skopeo copy under xargs."""
    tool, rival = ours(settings.jobs), xargs(settings.jobs)
    with _published(settings, folder, _sharing(settings, folder), settings.link) as contest:
        _hold(contest, settings, [tool, rival], again=True)
    return Outcome(
        name="many",
        title=f"{_size(contest.load)}, over {_network(settings)}",
        rows=list(contest.rows.values()),
        bars=[
            ratio(f"cold, against {rival.name}", contest.row(tool), contest.row(rival), 0.70),
            _once(contest, tool),
            ratio(f"again, against {rival.name}", contest.row(tool, "again"), contest.row(rival, "again"), 0.50),
            Bar(
                what="again, source requests",
                value=contest.row(tool, "again").worst("requests"),
                limit=0,
                unit=Unit.REQUESTS,
            ),
        ],
        notes=contest.notes,
    )


def slow_sync(settings: Settings, folder: Path) -> Outcome:
    """The same images against skopeo sync, which takes minutes."""
    tool, rival = ours(settings.jobs), sync()
    with _published(settings, folder, _sharing(settings, folder), settings.link) as contest:
        _hold(contest, settings, [tool, rival], again=True)
    return Outcome(
        name="sync",
        title=f"{_size(contest.load)}, over {_network(settings)}",
        rows=list(contest.rows.values()),
        bars=[
            ratio("cold, against skopeo sync", contest.row(tool), contest.row(rival), 0.10),
            ratio("again, against skopeo sync", contest.row(tool, "again"), contest.row(rival, "again"), 0.06),
        ],
        notes=contest.notes,
    )


def jobs(settings: Settings, folder: Path) -> Outcome:
    """The same images with different numbers of jobs, once each: where more jobs stop helping."""
    contenders = [ours(count) for count in (2, 4, 8, 16, 32)]
    with _published(settings, folder, _sharing(settings, folder), settings.link) as contest:
        task = contest.site.task(contest.load)
        entered = [(contender, task) for contender in contenders]
        contest.hold(entered, ("cold",), runs=1, patience=settings.patience)
    return Outcome(
        name="jobs",
        title=f"{_size(contest.load)}, over {_network(settings)}",
        rows=list(contest.rows.values()),
        bars=[_once(contest, contender) for contender in contenders],
    )


def one_job(settings: Settings, folder: Path) -> Outcome:
    """One job over a round trip, against a shell loop."""
    load = _sharing(settings, folder, images=settings.single_job_images)
    title = f"{_size(load)}, over {_network(settings)}"
    return _one_job("one-job", title, settings, folder, load, settings.link, 1.02)


def one_job_loopback(settings: Settings, folder: Path) -> Outcome:
    """One job without any delay, against a shell loop."""
    load = _sharing(settings, folder)
    return _one_job("one-job-loopback", f"{_size(load)}, no delay", settings, folder, load, Link(), 1.35)


def _one_job(
    name: str, title: str, settings: Settings, folder: Path, load: Workload, link: Link, limit: float
) -> Outcome:
    tool, rival = ours(1), loop()
    with _published(settings, folder, load, link) as contest:
        _hold(contest, settings, [tool, rival])
    bar = ratio("against a shell loop over skopeo copy", contest.row(tool), contest.row(rival), limit)
    rows = list(contest.rows.values())
    return Outcome(name=name, title=title, rows=rows, bars=[bar, _once(contest, tool)], notes=contest.notes)


def tiny(settings: Settings, folder: Path) -> Outcome:
    """Many tiny images without any delay: nothing but overhead."""
    load = workload.sharing(folder / "images", images=settings.tiny_images, bases=1, base_size=10_000, own_size=1000)
    tool, parallel, serial = ours(settings.tiny_jobs), xargs(settings.tiny_jobs), sync()
    with _published(settings, folder, load, Link()) as contest:
        _hold(contest, settings, [tool, parallel, serial], again=True)
    cold, again = contest.row(tool), contest.row(tool, "again")
    return Outcome(
        name="tiny",
        title=f"{_size(load)}, no delay",
        rows=list(contest.rows.values()),
        bars=[
            ratio(f"cold, against {parallel.name}", cold, contest.row(parallel), 1.25),
            ratio("cold, against skopeo sync", cold, contest.row(serial), 1.10),
            ratio("again, against skopeo sync", again, contest.row(serial, "again"), 1.50),
        ],
        notes=contest.notes,
    )


def large(settings: Settings, folder: Path) -> Outcome:
    """One large image over the network, against one skopeo copy."""
    load = workload.single(folder / "images", layers=4, size=settings.large_size)
    tool, rival = ours(settings.jobs), loop()
    with _published(settings, folder, load, settings.link) as contest:
        _hold(contest, settings, [tool, rival])
    return Outcome(
        name="large",
        title=f"{_size(load)}, over {_network(settings)}",
        rows=list(contest.rows.values()),
        bars=[ratio("against one skopeo copy", contest.row(tool), contest.row(rival), 1.05)],
        notes=contest.notes,
    )


def multi_architecture(settings: Settings, folder: Path) -> Outcome:
    """Multi-architecture images that share a base layer an architecture, over the network."""
    load = workload.multi_architecture(
        folder / "images", images=settings.indexes, architectures=ARCHITECTURES, base_size=5_000_000
    )
    tool, rival = ours(settings.jobs), xargs(settings.jobs)
    with _published(settings, folder, load, settings.link) as contest:
        _hold(contest, settings, [tool, rival], again=True)
    return Outcome(
        name="multi-architecture",
        title=f"{_size(load)}, {len(ARCHITECTURES)} architectures each, over {_network(settings)}",
        rows=list(contest.rows.values()),
        bars=[_once(contest, tool)],
        notes=contest.notes,
    )


def black_hole(settings: Settings, folder: Path) -> Outcome:
    """The first mirror accepts and never answers: what that adds, without any other delay."""
    load = workload.sharing(
        folder / "images", images=settings.black_hole_images, bases=3, base_size=1_000_000, own_size=10_000
    )
    stall = ("--stall-timeout", f"{settings.stall_timeout}s")
    without = ours(settings.tiny_jobs, *stall, name="skopeo-mirror, healthy mirror only")
    behind = ours(settings.tiny_jobs, *stall, name="skopeo-mirror, black hole first")
    with _published(settings, folder, load, Link()) as contest, _black_hole() as host:
        entered = [(without, contest.site.task(load)), (behind, contest.site.task(load, host))]
        contest.hold(entered, ("cold",), runs=settings.runs, patience=settings.patience)
    added = contest.row(behind).median("seconds") - contest.row(without).median("seconds")
    limit = 3 * settings.stall_timeout
    bars = [Bar(what="added by the black hole (3 stall timeouts)", value=added, limit=limit, unit=Unit.SECONDS)]
    rows = list(contest.rows.values())
    title = f"{_size(load)}, --stall-timeout {settings.stall_timeout}s"
    return Outcome(name="black-hole", title=title, rows=rows, bars=bars, notes=contest.notes)


def present(settings: Settings, folder: Path) -> Outcome:
    """A second run over images that the destination has: what asking for each costs."""
    load = workload.small(folder / "images", images=settings.present_images)
    tool = ours(settings.tiny_jobs)
    with site(folder, settings.tool_command) as here:  # the source stays empty: whoever asks it fails
        publish(load, here.destination, PREFIX, tagged=True)
        contest = Contest(here, load)
        contest.hold([(tool, here.task(load))], ("again",), runs=settings.runs, patience=settings.patience)
    row = contest.row(tool, "again")
    images = len(load.images)
    return Outcome(
        name="present",
        title=f"{images} images, all present, no delay",
        rows=[row],
        bars=[
            Bar(
                what="CPU an image, children included",
                value=1000 * row.median("cpu") / images,
                limit=15,
                unit=Unit.MILLISECONDS,
            ),
            Bar(what="source requests", value=row.worst("requests"), limit=0, unit=Unit.REQUESTS),
        ],
        notes=contest.notes,
    )


def reused(settings: Settings, folder: Path) -> Outcome:
    """A second set of images into an oci: layout that has their base layers: each is read once, and compared."""
    count = settings.images
    load = _sharing(settings, folder, 2 * count)
    sets = {"first set": load.images[:count], "second set": load.images[count:]}
    rows = {name: Row(name=name) for name in sets}
    layout, listed = folder / "reused", folder / "images.txt"
    with _published(settings, folder, load, Link()) as contest:
        task = contest.site.task(load)
        command = [
            *(*task.tool, "copy", "-j", str(settings.jobs), "--insecure-policy", "-r", str(task.registries_conf)),
            *("-f", str(listed), f"oci:{layout}"),
        ]
        for _ in range(min(settings.runs, 3)):
            shutil.rmtree(layout, ignore_errors=True)
            for name, images in sets.items():
                listed.write_text("".join(f"{image.reference}\n" for image in images))
                contest.site.source.forget()
                cost = measure.run(name, command, folder=folder)
                rows[name].samples.append(Sample.of(cost, contest.site.source.requests()))
    bases = settings.bases * settings.base_size
    bar = Bar(
        what="pulled by the second set, against what is its own",
        value=rows["second set"].worst("pulled") / (load.unique_bytes - rows["first set"].median("pulled")),
        limit=ONCE,
        unit=Unit.RATIO,
    )
    return Outcome(
        name="reused",
        title=f"{count} images into a layout, then {count} more that share its {bases / 1e6:.0f} MB of base layers",
        rows=list(rows.values()),
        bars=[bar],
    )


@contextlib.contextmanager
def _published(settings: Settings, folder: Path, load: Workload, link: Link) -> Iterator[Contest]:
    """A site whose source has the workload."""
    with site(folder, settings.tool_command, link) as here:
        publish(load, here.source)
        yield Contest(here, load)


def _hold(contest: Contest, settings: Settings, contenders: list[Contender], *, again: bool = False) -> None:
    task = contest.site.task(contest.load)
    entered = [(contender, task) for contender in contenders]
    phases = ("cold", "again") if again else ("cold",)
    contest.hold(entered, phases, runs=settings.runs, patience=settings.patience)


def _sharing(settings: Settings, folder: Path, images: int | None = None) -> Workload:
    return workload.sharing(
        folder / "images",
        images=images or settings.images,
        bases=settings.bases,
        base_size=settings.base_size,
        own_size=settings.own_size,
    )


def _once(contest: Contest, tool: Contender) -> Bar:
    pulled = contest.row(tool).worst("pulled")
    what = f"{tool.name}: source blob bytes, against unique"
    return Bar(what=what, value=pulled / contest.load.unique_bytes, limit=ONCE, unit=Unit.RATIO)


def _size(load: Workload) -> str:
    count = len(load.images)
    return f"{count} image{'s' if count > 1 else ''}, {load.unique_bytes / 1e6:.1f} MB unique"


def _network(settings: Settings) -> str:
    return (
        f"{settings.round_trip * 1000:.0f} ms, {settings.connection_rate / 1e6:.0f} MB/s a connection, "
        f"{settings.total_rate / 1e6:.0f} MB/s in all"
    )


@contextlib.contextmanager
def _black_hole() -> Iterator[str]:
    """`host:port` where the kernel accepts connections and nobody reads them."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"
