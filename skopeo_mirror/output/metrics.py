"""Metrics of a run, in Prometheus' text format, for the textfile collector of node-exporter.

A file tells of one run, and so its figures are gauges. All of them carry the file's name, for a series that is in two
files of a directory spoils all of them, and the destination (and the shard).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from skopeo_mirror.files import read_regular
from skopeo_mirror.output.printable import printable
from skopeo_mirror.output.tally import Tally
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skopeo_mirror.output.tally import Location
    from skopeo_mirror.transfer.results import RunResult

    Samples = list[tuple[dict[str, str], float]]

HELP: Final = {
    "skopeo_mirror_run_failed": "Whether an image failed, or the run was stopped early (1), or not (0).",
    "skopeo_mirror_run_duration_seconds": "Wall time of the run.",
    "skopeo_mirror_last_success_timestamp_seconds": "When the last run ended that did not fail, dry runs apart.",
    "skopeo_mirror_images": "Images by what became of them.",
    "skopeo_mirror_pulled_bytes": "Bytes pulled from a location (under a dry run: that would be).",
    "skopeo_mirror_attempts": "How often a location was tried: for images, for parts of them, for what is attached.",
    "skopeo_mirror_failures": "How often a location failed or was passed over, also where another served.",
}
_LAST_SUCCESS: Final = "skopeo_mirror_last_success_timestamp_seconds"
_LABEL: Final = r'[a-z]+="(?:[^"\\\n]|\\[\\"n])*"'
_SUCCESS: Final = re.compile(rf"^{_LAST_SUCCESS}\{{{_LABEL}(?:,{_LABEL})*\}} [0-9]+(?:\.[0-9]+)?$", re.MULTILINE)
_LARGEST: Final = 1 << 20


def metrics_pieces(run: RunResult, file: Path | None) -> Iterator[str]:
    """Yield the text that is to replace what `file` has, which is read then: it may know the last success."""
    if file is not None:
        yield metrics_text(run, file=file.name, earlier=_content(file))


def metrics_text(run: RunResult, *, file: str, earlier: str = "") -> str:
    """The metrics of a run for a file of that name; where it is no success, the last one is what `earlier` ones say."""
    labels = {"file": file, "destination": run.destination} | ({} if run.shard is None else {"shard": run.shard})
    lines: list[str] = []
    for name, samples in _samples(run).items():
        told = [f"{name}{_braced(labels | own)} {round(value, 3)}" for own, value in samples]
        if name == _LAST_SUCCESS and not told:
            told = _SUCCESS.findall(earlier)
        if told:
            lines += [f"# HELP {name} {HELP[name]}", f"# TYPE {name} gauge", *told]
    return "".join(f"{line}\n" for line in lines)


def _samples(run: RunResult) -> dict[str, Samples]:
    """The figures of a run by name, each with its own labels, in the order of HELP."""
    tally = Tally.of(run.images)
    locations = sorted({*tally.served, *tally.asked, *tally.failures})
    succeeded = not (run.failed or run.dry_run)
    samples: tuple[Samples, ...] = (
        [({}, run.failed)],
        [({}, run.seconds)],
        [({}, run.started.timestamp() + run.seconds)] if succeeded else [],
        [({"status": str(status)}, tally.statuses[status]) for status in Status],
        [(_of(location), tally.bytes[location]) for location in locations],
        [(_of(location), tally.asked[location]) for location in locations],
        [
            (_of(location) | {"reason": reason}, count)
            for location in locations
            for reason, count in sorted(tally.failures.get(location, {}).items())
        ],
    )
    return dict(zip(HELP, samples, strict=True))


def _of(location: Location) -> dict[str, str]:
    return {"location": location.name, "kind": location.kind}


def _braced(labels: dict[str, str]) -> str:
    """Labels, their values escaped as the format wants it; what no terminal would print is escaped before."""
    escaped = {name: re.sub(r'[\\"]', r"\\\g<0>", printable(value)) for name, value in labels.items()}
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


def _content(file: Path) -> str:
    """The metrics of an earlier run; empty where there are none, or they cannot be read."""
    try:
        return read_regular(file, at_most=_LARGEST).decode()
    except (OSError, UnicodeDecodeError):
        return ""
