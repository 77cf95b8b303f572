"""Lines on a run, for people while it happens: a line an image, a line an attempt (pure views of its results)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from skopeo_mirror.output.printable import printable
from skopeo_mirror.skopeo.provenance import Outcome
from skopeo_mirror.transfer.explaining import describe
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.request import ImageRequest
    from skopeo_mirror.skopeo.provenance import Attempt
    from skopeo_mirror.transfer.results import ImageResult, PartResult

_NAMED: Final = 2
_SHORTEST_NAME: Final = 24


def image_line(image: ImageResult) -> str:
    """One line on an image: what became of it, who served, and what is attached to it."""
    head = f"{image.status} {image.request.reference}"
    match image.status:
        case Status.FAILED:
            return f"{head}: {' '.join((image.error or '').split())}"
        case Status.PRESENT:
            told = f"{head} at {image.destination}"
        case _:
            told = f"{head} from {', '.join(_sources(image))} to {image.destination}"
    return printable(", ".join([told, *_attached(image)]))


def image_row(image: ImageResult, width: int) -> str:
    """The same of an image that did not fail, in a row of `width` columns: the name and the last words give way."""
    name, told, figures = short_name(image.request.reference), "", [*_attached(image)]
    if image.status is not Status.PRESENT:
        source, *others = _sources(image, place=lambda server: place_of(server.place, image.request.reference))
        told = f" from {source}{f' and {len(others)} more' if others else ''}"
        figures.append(human_bytes(image.bytes))
        if image.status is Status.COPIED:
            figures.append(f"{image.seconds:.1f} s")
    head = f"{image.status} "
    while True:
        tail = printable(", ".join([told, *figures]))
        spare = width - len(head) - len(tail)
        if spare >= min(len(name), _SHORTEST_NAME) or not figures:
            return f"{head}{elided(name, max(spare, _SHORTEST_NAME), keep_end=True)}{tail}"
        figures.pop()


def counted(statuses: Mapping[Status, int]) -> str:
    """How many ended how."""
    return ", ".join(f"{statuses[status]} {status}" for status in Status if statuses.get(status))


def image_count(count: int) -> str:
    """So many images."""
    return "1 image" if count == 1 else f"{count} images"


def attempt_lines(image: ImageResult) -> list[str]:
    """One line a candidate (`-v`); those of a part, or of something that is attached, stand below it."""
    lines = [f"  {_attempt(attempt)}" for attempt in image.attempts]
    parts = [*_named_parts(image)]
    for part, name in parts:
        if part.attempts:
            lines += [f"  {name}:", *(f"    {_attempt(attempt)}" for attempt in part.attempts)]
    names = {part.digest: name for part, name in parts}
    for one in image.attached:
        lines.append(f"  {one.kind} of {names.get(one.subject, one.subject)}: {one.status}")
        lines += [f"    {_attempt(attempt)}" for attempt in one.attempts]
        for part in one.parts:
            if part.attempts:
                lines += [f"    {part.digest}:", *(f"      {_attempt(attempt)}" for attempt in part.attempts)]
    return lines


def whole_note(image: ImageResult) -> str | None:
    """Why an index was not taken image by image; None where nothing made it so."""
    if image.whole is None:
        return None
    return f"{image.request.reference}: as a whole, not image by image: {' '.join(image.whole.split())}"


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


def _sources(image: ImageResult, place: Callable[[PullSource], str] = lambda server: server.place) -> Iterator[str]:
    """Who served, and what of it others served: a few parts by their platforms, many by their number."""

    def named(server: PullSource | None) -> str:
        return "nowhere" if server is None else f"{place(server)} ({server.kind})"

    yield named(image.served_by)
    others: dict[str, list[str]] = {}
    for part, name in _named_parts(image):
        if part.served_by is not None and named(part.served_by) != named(image.served_by):
            others.setdefault(named(part.served_by), []).append(name)
    for source, names in others.items():
        yield f"{', '.join(names) if len(names) <= _NAMED else f'{len(names)} of its images'} from {source}"
    attached = Counter(
        source
        for one in image.attached
        for source in {
            named(server) for server in (one.served_by, *(part.served_by for part in one.parts)) if server is not None
        }
    )
    for source, count in attached.items():
        if source != named(image.served_by):
            yield f"{count} attached from {source}"


def _attached(image: ImageResult) -> Iterator[str]:
    """How much is attached, and what became of it where that is not what became of the image."""
    statuses = Counter(one.status for one in image.attached)
    if statuses:
        alike = statuses.keys() == {image.status}
        yield f"{statuses.total()} attached{'' if alike else f' ({counted(statuses)})'}"


def place_of(source: str, image: Reference) -> str:
    """Where an image is read from, `source` its name or reference there, without what its own name says already."""
    if source.startswith("oci:"):
        return source
    there, named = source.partition("@")[0].split("/"), image.path.split("/")
    if len(there) > 1:
        there[-1] = there[-1].partition(":")[0]
    while len(there) > 1 and named and there[-1] == named[-1]:
        there.pop()
        named.pop()
    return "/".join(there)


def short_name(image: Reference) -> str:
    """An image as it is recognized in a narrow place: without its host, the digest cut."""
    name = str(image).removeprefix(f"{image.domain}/")
    if image.digest is None:
        return name
    return f"{name.partition('@')[0]}@{image.digest.hex[:8]}"


def elided(text: str, width: int, *, keep_end: bool = False) -> str:
    """`text` in so many columns: of a longer one the beginning, or the end."""
    if len(text) <= width:
        return text
    if width < 2:  # noqa: PLR2004 - a sign and something beside it
        return "…"
    return f"…{text[1 - width :]}" if keep_end else f"{text[: width - 1]}…"


def duration(seconds: float) -> str:
    """Seconds as people read a clock: `0:35`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _named_parts(image: ImageResult) -> Iterator[tuple[PartResult, str]]:
    """The parts of an image, each under its platform, or under its digest where that is not its alone."""
    platforms = Counter(part.platform for part in image.parts)
    for part in image.parts:
        alone = part.platform is not None and platforms[part.platform] == 1
        yield part, str(part.platform if alone else part.digest)


def _attempt(attempt: Attempt) -> str:
    if attempt.outcome is Outcome.SERVED:
        return f"{attempt.candidate.kind} {attempt.candidate.place}: served in {attempt.seconds:.1f} s"
    return describe(attempt)


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
