"""The end of a run for people: how many of each, who served, what fell back to the origin, what to do next (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skopeo_mirror.output.tally import Tally, fell_back
from skopeo_mirror.output.text import bar, counted, human_bytes, image_count
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from skopeo_mirror.transfer.results import RunResult

_SHOWN_FAILURES: Final = 10
_BAR: Final = 12


def summary_lines(run: RunResult, *, bars: bool = False, failed_images: str | None = None) -> list[str]:
    """Return the summary; `bars` are for terminals, `failed_images` is the file that lists what failed, if any."""
    tally = Tally.of(run.images)
    lines = [f"{image_count(len(run.images))}: {counted(tally.statuses) or 'nothing to do'} in {run.seconds:.1f} s"]
    if tally.attached:
        lines.append(f"{tally.attached.total()} attached: {counted(tally.attached)}")
    lines += _served(tally, bars=bars)
    if fallen := sum(map(fell_back, run.images)):  # why is told with all that failed or was passed over
        lines.append(f"{image_count(fallen)} fell back to the origin")
    lines += _passed_over(tally)
    return [*lines, *_failures(run, failed_images)]


def drift_line(run: RunResult) -> str:
    """Whether the destination has what a dry run was asked about, in one line for a monitor."""
    moved = [image for image in run.images if image.changed and image.status is not Status.FAILED]
    failed = sum(image.status is Status.FAILED for image in run.images)
    said = [f"stopped early: {run.stopped}"] if run.stopped is not None else []
    if moved:
        size = human_bytes(sum(image.bytes for image in moved))
        said.append(f"{len(moved)} of {image_count(len(run.images))} would be copied ({size})")
    if failed:
        said.append(f"{failed} of {image_count(len(run.images))} failed")
    return f"drift: {', '.join(said)}" if said else f"no drift: {image_count(len(run.images))} at {run.destination}"


def _served(tally: Tally, *, bars: bool) -> list[str]:
    """One line a serving location, the bar its share of the bytes (of the images, where no bytes are known)."""
    weights = {location: tally.bytes[location] for location in tally.served}
    if not any(weights.values()):
        weights = dict(tally.served)
    total, widest = sum(weights.values()), max((len(str(location)) for location in weights), default=0) if bars else 0
    return [
        f"  {f'{bar(weights[location] / total, _BAR)} ' if bars else ''}{f'{location}:':{widest + 1}} "
        f"{image_count(images)}, {human_bytes(tally.bytes[location])}"
        for location, images in sorted(tally.served.items(), key=lambda item: str(item[0]))
    ]


def _passed_over(tally: Tally) -> list[str]:
    """One line a location that failed or was passed over, also where another served: its reasons, each with a count.

    What the destination was at fault for is told with the images that failed.
    """
    lines = [
        f"  {location}: {'' if location in tally.served else 'served nothing; '}"
        f"{', '.join(f'{reason} ({image_count(count)})' for reason, count in sorted(counts.items()))}"
        for location, counts in sorted(tally.faults.items(), key=lambda item: str(item[0]))
    ]
    return ["failed or passed over:", *lines] if lines else []


def _failures(run: RunResult, failed_images: str | None) -> list[str]:
    """The failed images once more (why is told where each failed), those that a stop has left, and what to do."""
    failed = [image for image in run.images if image.status is Status.FAILED and not image.left]
    left = sum(image.left for image in run.images)
    lines = [f"{len(failed)} failed:"] if failed else []
    lines += [f"  {image.request.reference}" for image in failed[:_SHOWN_FAILURES]]
    if len(failed) > _SHOWN_FAILURES:
        lines.append(f"  … and {len(failed) - _SHOWN_FAILURES} more")
    if run.stopped is not None:
        lines.append(f"stopped early: {run.stopped}{f'; {image_count(left)} not copied' if left else ''}")
    if failed or left:
        again = f"-f {failed_images}" if failed_images else "the same images (--failed-images FILE lists these)"
        put_right = "put right what the lines above say, then " if failed else ""
        lines.append(f"next: {put_right}run again with {again}; what is there already stays")
    return lines
