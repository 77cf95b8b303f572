"""What people read of a run: a line an image, a summary, warnings (pure views of its results)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.output.report import location_of
from skopeo_mirror.skopeo.provenance import Outcome
from skopeo_mirror.transfer.explaining import describe
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from skopeo_mirror.transfer.results import ImageResult, RunResult


def printable(text: str) -> str:
    """`text` with everything escaped that a terminal would act upon, newlines included."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def image_line(image: ImageResult) -> str:
    """One line on an image: what became of it, and who served."""
    head = f"{image.status} {image.image}"
    match image.status:
        case Status.FAILED:
            return f"{head}: {' '.join((image.error or '').split())}"
        case Status.PRESENT:
            return printable(f"{head} at {image.destination}")
        case _:
            return printable(f"{head} from {_source(image)} to {image.destination}")


def attempt_lines(image: ImageResult) -> list[str]:
    """One line a candidate (`-v`)."""
    lines = []
    for attempt in image.attempts:
        if attempt.outcome is Outcome.SERVED:
            where = f"{attempt.candidate.kind} {attempt.candidate.reference.name}"
            lines.append(f"  {where}: served in {attempt.seconds:.1f} s")
        else:
            lines.append(f"  {describe(attempt)}")
    return lines


def failed_line(image: ImageResult) -> str:
    """A failed image as a line of a list, so that `-f` asks for the same again."""
    return str(image.image) if image.own_destination is None else f"{image.image}={image.own_destination}"


def summary_lines(run: RunResult) -> list[str]:
    """The end of a run: how many of each, who served, and why it ended early if it did."""
    counts = {status: sum(image.status is status for image in run.images) for status in Status}
    told = [f"{count} {status}" for status, count in counts.items() if count]
    lines = [f"{_images(len(run.images))}: {', '.join(told) or 'nothing to do'} in {run.seconds:.1f} s"]
    served: dict[str, tuple[int, int]] = {}
    for image in run.images:
        if image.served_by is not None:
            name = f"{location_of(image.served_by)} ({image.served_by.kind})"
            images, size = served.get(name, (0, 0))
            served[name] = (images + 1, size + image.bytes)
    lines += [f"  {name}: {_images(images)}, {human_bytes(size)}" for name, (images, size) in sorted(served.items())]
    if run.stopped is not None:
        lines.append(f"stopped early: {run.stopped}")
    return lines


def human_bytes(number: float) -> str:
    """A number of bytes as people say it."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:  # noqa: PLR2004 - SI units
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _source(image: ImageResult) -> str:
    if image.served_by is None:
        return "nowhere"
    return f"{image.served_by.reference.name} ({image.served_by.kind})"


def _images(number: int) -> str:
    return f"{number} image" if number == 1 else f"{number} images"
