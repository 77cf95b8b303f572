"""The end of a run for people: how many of each, who served, what fell back to the origin, what to do next (pure)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from skopeo_mirror.output.report import location_of
from skopeo_mirror.output.text import bar, human_bytes
from skopeo_mirror.registries_conf.routing import Kind
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skopeo_mirror.transfer.results import ImageResult, RunResult

_SHOWN_FAILURES: Final = 10
_BAR: Final = 12


def summary_lines(run: RunResult, *, bars: bool = False, failed_images: str | None = None) -> list[str]:
    """Return the summary; `bars` are for terminals, `failed_images` is the file that lists what failed, if any."""
    counts = {status: sum(image.status is status for image in run.images) for status in Status}
    told = [f"{count} {status}" for status, count in counts.items() if count]
    lines = [f"{_images(len(run.images))}: {', '.join(told) or 'nothing to do'} in {run.seconds:.1f} s"]
    lines += _served(run.images, bars=bars)
    lines += _fallen_back(run.images)
    lines += _passed_over(run.images)
    lines += _failures(run, failed_images)
    if run.stopped is not None:
        lines.append(f"stopped early: {run.stopped}")
    return lines


def _served(images: Iterable[ImageResult], *, bars: bool) -> list[str]:
    """One line a serving location, the bar its share of the bytes (of the images, where no bytes are known)."""
    served: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for image in images:
        if image.served_by is not None:
            name = f"{location_of(image.served_by)} ({image.served_by.kind})"
            served[name] += 1
            sizes[name] += image.bytes
    weights = sizes if sizes.total() else served
    widest = max(map(len, served), default=0) if bars else 0
    return [
        f"  {f'{bar(weights[name] / weights.total(), _BAR)} ' if bars else ''}{f'{name}:':{widest + 1}} "
        f"{_images(count)}, {human_bytes(sizes[name])}"
        for name, count in sorted(served.items())
    ]


def _fallen_back(images: Iterable[ImageResult]) -> list[str]:
    """How often mirrors made the origin serve; why is told with all that failed or was passed over."""
    fallen = sum(
        image.served_by is not None
        and image.served_by.kind is Kind.ORIGIN
        and any(attempt.candidate.kind is Kind.MIRROR and attempt.reason is not None for attempt in image.attempts)
        for image in images
    )
    return [f"{_images(fallen)} fell back to the origin"] if fallen else []


def _passed_over(images: Iterable[ImageResult]) -> list[str]:
    """One line a location that failed or was passed over, also where another served: its reasons, each with a count.

    What the destination was at fault for is told with the images that failed.
    """
    reasons: dict[str, Counter[str]] = {}
    for image in images:
        for name, reason in {
            (f"{location_of(attempt.candidate)} ({attempt.candidate.kind})", str(attempt.reason))
            for attempt in image.attempts
            if attempt.reason not in {None, Reason.DESTINATION}
        }:
            reasons.setdefault(name, Counter())[reason] += 1
    if not reasons:
        return []
    return [
        "failed or passed over:",
        *(
            f"  {name}: {', '.join(f'{reason} ({_images(count)})' for reason, count in sorted(counts.items()))}"
            for name, counts in sorted(reasons.items())
        ),
    ]


def _failures(run: RunResult, failed_images: str | None) -> list[str]:
    """The failed images once more (why is told where each failed), and what to do about them."""
    failed = [image for image in run.images if image.status is Status.FAILED]
    if not failed:
        return []
    lines = [f"  {image.image}" for image in failed[:_SHOWN_FAILURES]]
    if len(failed) > _SHOWN_FAILURES:
        lines.append(f"  … and {len(failed) - _SHOWN_FAILURES} more")
    again = f"-f {failed_images}" if failed_images else "the same images (--failed-images FILE writes a list of these)"
    return [
        f"{len(failed)} failed:",
        *lines,
        f"next: put right what the lines above say, then run again with {again}; what is there already stays",
    ]


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
