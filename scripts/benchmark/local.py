"""The scenarios without a registry: start-up, routing, and a layout that has everything already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.benchmark import measure, workload
from scripts.benchmark.contenders import registries_conf
from scripts.benchmark.results import Bar, Outcome, Row, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from scripts.benchmark.settings import Settings

DIGEST = "sha256:" + 64 * "0"


def version(settings: Settings, folder: Path) -> Outcome:
    """Start-up: skopeo-mirror --version."""
    row = rounds({"--version": [*settings.tool_command, "--version"]}, 2 * settings.runs, folder)["--version"]
    value = 1000 * row.median("seconds")
    bar = Bar(what="skopeo-mirror --version", value=value, limit=150, unit=Unit.MILLISECONDS)
    return Outcome(name="version", title="start-up", rows=[row], bars=[bar])


def route(settings: Settings, folder: Path) -> Outcome:
    """References routed through a long registries.conf, and what ten times as many of either add."""
    references, entries = settings.references, settings.entries
    shapes = [
        (references, entries),
        (1, entries),
        (references, 10 * entries),
        (1, 10 * entries),
        (10 * references, entries),
    ]
    commands = {
        f"{refs:,} of {tables:,} entries": [
            *(*settings.tool_command, "route", "--json"),
            *("-r", str(_entries(folder, tables)), "-f", str(_list(folder, refs, tables))),
        ]
        for refs, tables in shapes
    }
    rows = list(rounds(commands, min(settings.runs, 3), folder).values())
    cpu, bare, cpu_of_more, bare_of_more, _ = (row.median("cpu") for row in rows)
    bars = [
        Bar(what=f"CPU, {references:,} references, {entries:,} entries", value=cpu, limit=2, unit=Unit.SECONDS),
        Bar(
            what="CPU of the references alone, ten times the entries against once",
            value=(cpu_of_more - bare_of_more) / (cpu - bare),
            limit=1.2,  # 1, and what medians of three scatter
            unit=Unit.RATIO,
        ),
    ]
    return Outcome(name="route", title="route --json", rows=rows, bars=bars)


def layout(settings: Settings, folder: Path) -> Outcome:
    """A long list of images that are all present in an OCI layout: memory stays flat, no process is started."""
    load = workload.small(folder / "layout", images=settings.listed_images)
    listed = folder / "images.txt"
    listed.write_text("".join(f"{image.reference}\n" for image in load.images))
    conf = registries_conf(folder / "registries.conf", workload.ORIGIN, "127.0.0.1:1")  # whoever asks a source fails
    name = f"{len(load.images):,} images"
    command = [*settings.tool_command, "copy", "-r", str(conf), "-f", str(listed), workload.address(load)]
    row = rounds({name: command}, min(settings.runs, 3), folder)[name]
    value = row.worst("peak") / 1e6
    bar = Bar(what="peak memory", value=value, limit=100, unit=Unit.MEGABYTES)
    return Outcome(name="layout", title=f"{name}, all present in an oci: layout", rows=[row], bars=[bar])


def rounds(commands: Mapping[str, Sequence[str]], runs: int, folder: Path) -> dict[str, Row]:
    """Run each command once a round. Raises ContenderError."""
    rows = {name: Row(name=name) for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            rows[name].samples.append(Sample.of(measure.run(name, command, folder=folder)))
    return rows


def _entries(folder: Path, count: int) -> Path:
    """A registries.conf of so many repositories of one registry, each with two mirrors."""
    file = folder / f"{count}.conf"
    tables = (
        f'[[registry]]\nprefix = "{workload.ORIGIN}/team-{number}"\nlocation = "{workload.ORIGIN}/team-{number}"\n'
        f'[[registry.mirror]]\nlocation = "mirror-a.example/team-{number}"\n'
        f'[[registry.mirror]]\nlocation = "mirror-b.example/team-{number}"\n'
        for number in range(count)
    )
    file.write_text("".join(tables))
    return file


def _list(folder: Path, count: int, entries: int) -> Path:
    """References spread over the entries."""
    file = folder / f"{count}-of-{entries}.txt"
    references = (f"{workload.ORIGIN}/team-{number % entries}/app-{number}@{DIGEST}\n" for number in range(count))
    file.write_text("".join(references))
    return file
