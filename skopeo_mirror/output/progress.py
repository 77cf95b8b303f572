"""The live display of a run on a terminal: how far it is, and a line for each image under way.

What is shown is computed from the news alone (`Progress`, `frame`: no terminal, no clock of their own); rich draws it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from skopeo_mirror.output.text import bar, human_bytes
from skopeo_mirror.transfer.news import Copying, Noted, Retrying, Settled, Warned, Weighed
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from rich.text import Text

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.transfer.news import News

_WIDEST_BAR: Final = 40
_NARROWEST_BAR: Final = 8
_SHOW_CURSOR: Final = b"\x1b[?25h"


@dataclass(kw_only=True, slots=True)
class Progress:
    """What is known of a run so far; `images` is how many there are. Sizes are bytes, times seconds of one clock.

    `sizes` are the planned sizes of the images that are not there yet, by number; an index is weighed image by image,
    and `planned` remembers them all.
    """

    images: int
    finished: int = 0
    failed: int = 0
    pulled: int = 0
    brought: int = 0
    sizes: Counter[int] = field(default_factory=Counter)
    planned: Counter[int] = field(default_factory=Counter)
    under_way: dict[int, str] = field(default_factory=dict)
    began: float | None = None

    def hear(self, news: News, now: float) -> None:
        """Take one piece of news that arrived at `now`."""
        match news:
            case Weighed(job=job, bytes=size):
                self.sizes[job.number] += size
                self.planned[job.number] += size
            case Copying(job=job, source=source):
                self.began = now if self.began is None else self.began
                self.under_way[job.number] = f"{_short(job.image)} from {source.partition('@')[0]}"
            case Retrying(job=job, why=why):
                self.under_way[job.number] = f"{_short(job.image)} waits: {why}"
            case Settled(job=job, result=result):
                self.under_way.pop(job.number, None)
                size = self.sizes.pop(job.number, 0)
                self.finished += 1
                self.failed += result.status is Status.FAILED
                if result.status is not Status.FAILED:
                    self.brought += size
                    self.pulled += result.bytes
            case Warned() | Noted():
                pass

    @property
    def to_bring(self) -> int:
        """Bytes still to come: planned where an image was looked at, the average of those for the rest."""
        unseen = self.images - self.finished - len(self.sizes)
        average = self.planned.total() / len(self.planned) if self.planned else 0
        return self.sizes.total() + round(average * max(unseen, 0))

    def rate(self, now: float) -> float | None:
        """Bytes a second since the first copy began; None while nothing has arrived."""
        if self.began is None or not self.pulled or now <= self.began:
            return None
        return self.pulled / (now - self.began)

    def seconds_left(self, now: float) -> float | None:
        """How long the rest takes if it goes on like this: by bytes where they are known, else by images."""
        if self.began is None:
            return None
        done, left = (self.brought, self.to_bring) if self.brought else (self.finished, self.images - self.finished)
        return (now - self.began) * left / done if done else None


def frame(progress: Progress, now: float, *, width: int, height: int) -> list[str]:
    """What the display shows on a terminal of `width` columns and `height` lines: no line is longer, none wraps."""
    fits = max(height - 3, 1)
    under_way = list(progress.under_way.values())
    if not under_way and progress.finished < progress.images:
        under_way = ["reading manifests"]
    lines = [f"  {line}" for line in under_way[:fits]]
    if len(under_way) > fits:
        lines.append(f"  … and {len(under_way) - fits} more")
    return [line if len(line) < width else f"{line[: width - 2]}…" for line in [_overall(progress, now, width), *lines]]


def _overall(progress: Progress, now: float, width: int) -> str:
    """The first line: the bar takes the space that the words leave; where there is little, the last words go first."""
    words = [f"{progress.finished}/{progress.images} images"]
    if progress.failed:
        words.append(f"{progress.failed} failed")
    left = progress.seconds_left(now)
    if left is not None and progress.finished < progress.images:
        words.append(f"{_duration(left)} left")
    total = progress.brought + progress.to_bring
    if total:
        words.append(f"{human_bytes(progress.brought)} of {human_bytes(total)}")
    rate = progress.rate(now)
    if rate is not None:
        words.append(f"{human_bytes(rate)}/s")
    while len(words) > 1 and len(", ".join(words)) + _NARROWEST_BAR + 2 > width:
        words.pop()
    told = ", ".join(words)
    fraction = progress.brought / total if progress.brought else progress.finished / max(progress.images, 1)
    return f"{bar(fraction, min(_WIDEST_BAR, width - len(told) - 2))} {told}"


class Display:
    """The display while it is on: `show` prints a line above it, `notice` puts one below it (signal handlers may)."""

    def __init__(self, images: int) -> None:
        from rich.console import Console  # noqa: PLC0415 - costs 60 ms, only where it is seen
        from rich.live import Live  # noqa: PLC0415

        self._progress = Progress(images=images)
        self._lock = threading.RLock()
        self._notice = ""
        self._console = Console(file=sys.stderr, markup=False, highlight=False, emoji=False)
        self.on = Live(
            get_renderable=self._frame,
            console=self._console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        """Keeps the display on while it is entered; it is gone afterwards, what `show` has printed stays."""

    def hear(self, news: News) -> None:
        """Take one piece of news."""
        with self._lock:
            self._progress.hear(news, time.monotonic())

    def show(self, line: str) -> None:
        """Print a line above the display; the terminal wraps it, so that it can be copied whole."""
        self._console.print(line, soft_wrap=True, style=_style(line))

    def notice(self, line: str) -> None:
        """Show a line below the display from now on. Takes no lock: a signal may arrive while one is held."""
        self._notice = line

    def leave(self) -> None:
        """Give the cursor back where the program ends at once."""
        with suppress(OSError):
            os.write(sys.stderr.fileno(), _SHOW_CURSOR)

    def _frame(self) -> Text:
        from rich.text import Text  # noqa: PLC0415

        width, height = self._console.size
        with self._lock:
            lines = frame(self._progress, time.monotonic(), width=width, height=height)
        if self._notice:
            lines.append(self._notice[: width - 1])
        text = Text("\n".join(lines), no_wrap=True, overflow="crop")
        text.stylize("bold", 0, len(lines[0]))
        return text


def on_terminal() -> bool:
    """Whether standard error is a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown", ""}


def _style(line: str) -> str:
    first = line.partition(" ")[0]
    return {"failed": "red", "error:": "red", "warning:": "yellow"}.get(first, "")


def _short(image: Reference) -> str:
    """An image as it is recognized in a narrow place: without its host, the digest cut."""
    name = str(image).removeprefix(f"{image.domain}/")
    if image.digest is None:
        return name
    return f"{name.partition('@')[0]}@{image.digest.hex[:8]}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
