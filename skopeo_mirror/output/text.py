"""Lines on a run, for people while it happens: a line an image, a line an attempt (pure views of its results)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.output.printable import printable
from skopeo_mirror.skopeo.provenance import Outcome
from skopeo_mirror.transfer.explaining import describe
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from skopeo_mirror.request import ImageRequest
    from skopeo_mirror.transfer.results import ImageResult


def image_line(image: ImageResult) -> str:
    """One line on an image: what became of it, and who served."""
    head = f"{image.status} {image.request.reference}"
    match image.status:
        case Status.FAILED:
            return f"{head}: {' '.join((image.error or '').split())}"
        case Status.PRESENT:
            return printable(f"{head} at {image.destination}")
        case _:
            server = image.served_by
            source = "nowhere" if server is None else f"{server.place} ({server.kind})"
            return printable(f"{head} from {source} to {image.destination}")


def attempt_lines(image: ImageResult) -> list[str]:
    """One line a candidate (`-v`)."""
    lines = []
    for attempt in image.attempts:
        if attempt.outcome is Outcome.SERVED:
            where = f"{attempt.candidate.kind} {attempt.candidate.place}"
            lines.append(f"  {where}: served in {attempt.seconds:.1f} s")
        else:
            lines.append(f"  {describe(attempt)}")
    return lines


def elsewhere_warning(image: ImageResult) -> str | None:
    """What of an image is, or came from, at a URL of its own; None where nothing is."""
    left = [
        f"{content.digest} at {content.url or 'a URL of its own'}" for content in image.elsewhere if not content.fetched
    ]
    fetched = [f"{content.digest} from {content.url}" for content in image.elsewhere if content.fetched]
    would = image.status is Status.WOULD_COPY
    told = []
    if left:
        what = "would be left where they are" if would else "were left where they are, and are not at the destination"
        told.append(f"layers {what}: {', '.join(left)}")
    if fetched:
        told.append(f"{'would be fetched' if would else 'fetched'} from no mirror: {', '.join(fetched)}")
    return f"{image.request.reference}: {'; '.join(told)}" if told else None


def bar(fraction: float, width: int) -> str:
    """A bar of `width` characters that is filled to `fraction` (0 to 1)."""
    filled = round(min(max(fraction, 0.0), 1.0) * width)
    return "━" * filled + "╌" * (width - filled)


def list_line(request: ImageRequest) -> str:
    """A line of a list that asks for the same again, with its end."""
    return f"{request.reference}\n" if request.destination is None else f"{request.reference}={request.destination}\n"


def human_bytes(number: float) -> str:
    """A number of bytes as people say it."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:  # noqa: PLR2004 - SI units
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
