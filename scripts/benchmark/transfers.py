"""The scenarios with registries: images that are copied, or found to be there already."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import socket
from typing import TYPE_CHECKING

from scripts.benchmark import measure, workload
from scripts.benchmark.contenders import loop, ours, sync, xargs
from scripts.benchmark.copying import ONCE, PREFIX, Contest, published, site
from scripts.benchmark.publishing import publish
from scripts.benchmark.relay import Link
from scripts.benchmark.results import Bar, Outcome, Row, Sample, Unit, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.benchmark.settings import Settings
    from scripts.benchmark.workload import Workload


def many(settings: Settings, folder: Path) -> Outcome:
    """Images that share base layers, over the network, against skopeo copy under xargs."""
    tool, rival = ours(settings.jobs), xargs(settings.jobs)
    with published(settings, folder, sharing(settings, folder), settings.link) as contest:
        contest.compare([tool, rival], settings, again=True)
    return Outcome(
        name="many",
        title=f"{contest.load}, {settings.link}",
        rows=list(contest.rows.values()),
        bars=[
            ratio(f"cold, against {rival.name}", contest.row(tool), contest.row(rival), 0.70),
            contest.pulled_once(tool),
            ratio(f"again, against {rival.name}", contest.row(tool, "again"), contest.row(rival, "again"), 0.50),
            contest.asked_again(tool),
        ],
        notes=contest.notes,
    )


def slow_sync(settings: Settings, folder: Path) -> Outcome:
    """The same images against skopeo sync, which takes minutes."""
    tool, rival = ours(settings.jobs), sync()
    with published(settings, folder, sharing(settings, folder), settings.link) as contest:
        contest.compare([tool, rival], settings, again=True)
    return Outcome(
        name="sync",
        title=f"{contest.load}, {settings.link}",
        rows=list(contest.rows.values()),
        bars=[
            ratio("cold, against skopeo sync", contest.row(tool), contest.row(rival), 0.10),
            ratio("again, against skopeo sync", contest.row(tool, "again"), contest.row(rival, "again"), 0.06),
        ],
        notes=contest.notes,
    )


def one_job(settings: Settings, folder: Path) -> Outcome:
    """One job over a round trip, against a shell loop."""
    load = sharing(settings, folder, images=settings.single_job_images)
    return _one_job("one-job", settings, folder, load, settings.link, 1.02)


def one_job_loopback(settings: Settings, folder: Path) -> Outcome:
    """One job without any delay, against a shell loop."""
    return _one_job("one-job-loopback", settings, folder, sharing(settings, folder), Link(), 1.35)


def _one_job(name: str, settings: Settings, folder: Path, load: Workload, link: Link, limit: float) -> Outcome:
    tool, rival = ours(1), loop()
    with published(settings, folder, load, link) as contest:
        contest.compare([tool, rival], settings)
    bar = ratio("against a shell loop over skopeo copy", contest.row(tool), contest.row(rival), limit)
    return Outcome(
        name=name,
        title=f"{load}, {link}",
        rows=list(contest.rows.values()),
        bars=[bar, contest.pulled_once(tool)],
        notes=contest.notes,
    )


def tiny(settings: Settings, folder: Path) -> Outcome:
    """Many tiny images without any delay: nothing but overhead."""
    load = workload.sharing(folder / "images", images=settings.tiny_images, bases=1, base_size=10_000, own_size=1000)
    tool, parallel, serial = ours(settings.tiny_jobs), xargs(settings.tiny_jobs), sync()
    with published(settings, folder, load, Link()) as contest:
        contest.compare([tool, parallel, serial], settings, again=True)
    cold, again = contest.row(tool), contest.row(tool, "again")
    return Outcome(
        name="tiny",
        title=f"{load}, {Link()}",
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
    with published(settings, folder, load, settings.link) as contest:
        contest.compare([tool, rival], settings)
    return Outcome(
        name="large",
        title=f"{load}, {settings.link}",
        rows=list(contest.rows.values()),
        bars=[ratio("against one skopeo copy", contest.row(tool), contest.row(rival), 1.05)],
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
    with published(settings, folder, load, Link()) as contest, _black_hole() as host:
        entered = [(without, contest.site.task(load)), (behind, contest.site.task(load, host))]
        contest.hold(entered, ("cold",), settings)
    added = contest.row(behind).median("seconds") - contest.row(without).median("seconds")
    limit = 3 * settings.stall_timeout
    bars = [Bar(what="added by the black hole (3 stall timeouts)", value=added, limit=limit, unit=Unit.SECONDS)]
    rows = list(contest.rows.values())
    title = f"{load}, --stall-timeout {settings.stall_timeout}s"
    return Outcome(name="black-hole", title=title, rows=rows, bars=bars, notes=contest.notes)


def present(settings: Settings, folder: Path) -> Outcome:
    """A second run over images that the destination has: what asking for each costs."""
    load = workload.small(folder / "images", images=settings.present_images)
    tool = ours(settings.tiny_jobs)
    with site(folder, settings.tool_command) as here:  # the source stays empty: whoever asks it fails
        publish(load, here.destination, PREFIX, tagged=True)
        contest = Contest(here, load)
        contest.hold([(tool, here.task(load))], ("again",), settings)
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
            contest.asked_again(tool),
        ],
        notes=contest.notes,
    )


def memory(settings: Settings, folder: Path) -> Outcome:
    """Cold runs of a few and of many single images without any delay: what each image adds to the peak of memory."""
    counts = settings.growth_from, settings.growth_to
    load = workload.sharing(folder / "images", images=max(counts), bases=1, base_size=10_000, own_size=1000)
    few, many = (ours(settings.tiny_jobs, name=f"{count:,} images") for count in counts)
    with published(settings, folder, load, Link()) as whole:
        fewer = Contest(whole.site, dataclasses.replace(load, images=load.images[: settings.growth_from]))
        fewer.compare([few], settings)
        whole.compare([many], settings)
    least, most = fewer.row(few), whole.row(many)
    added = (most.median("peak") - least.median("peak")) / (settings.growth_to - settings.growth_from)
    return Outcome(
        name="memory",
        title=f"single images, {Link()}",
        rows=[least, most],
        bars=[Bar(what="peak memory, added by an image", value=added / 1000, limit=6, unit=Unit.KILOBYTES)],
        notes=[*fewer.notes, *whole.notes],
    )


def reused(settings: Settings, folder: Path) -> Outcome:
    """A second set of images into an oci: layout that has their base layers: each is read once, and compared."""
    count = settings.images
    load = sharing(settings, folder, 2 * count)
    sets = {"first set": load.images[:count], "second set": load.images[count:]}
    rows = {name: Row(name=name) for name in sets}
    layout, listed = folder / "reused", folder / "images.txt"
    with published(settings, folder, load, Link()) as contest:
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


def sharing(settings: Settings, folder: Path, images: int | None = None) -> Workload:
    """Images of the sizes that are set."""
    return workload.sharing(
        folder / "images",
        images=images or settings.images,
        bases=settings.bases,
        base_size=settings.base_size,
        own_size=settings.own_size,
    )


@contextlib.contextmanager
def _black_hole() -> Iterator[str]:
    """`host:port` where the kernel accepts connections and nobody reads them."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"
