"""The printer: tells a run as it happens, and writes what is left of it: report, list of failures, metrics."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from skopeo_mirror.errors import RunBroken
from skopeo_mirror.files import write_atomically
from skopeo_mirror.output.console import columns_of
from skopeo_mirror.output.metrics import metrics_pieces
from skopeo_mirror.output.report import report_pieces
from skopeo_mirror.output.summary import summary_lines
from skopeo_mirror.output.text import attempt_lines, elsewhere_warning, image_line, image_row, list_line, whole_note
from skopeo_mirror.output.watching import Display, Watch, beating, on_terminal
from skopeo_mirror.skopeo.faults import HOST_IS_DOWN, Reason
from skopeo_mirror.transfer.news import Noted, Retrying, Settled, Warned
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skopeo_mirror.output.console import Console
    from skopeo_mirror.output.watching import Waits
    from skopeo_mirror.transfer.news import News
    from skopeo_mirror.transfer.results import ImageResult, RunResult


def tell_trouble(news: News, console: Console) -> None:
    """Tell what people should know before an image is at its end."""
    match news:
        case Retrying(job=job, pause=pause, why=why):
            console.note(f"{job.whole.image}: {why}; trying again in {pause:.0f} s")
        case Warned(text=text):
            console.warning(text)
        case Noted(text=text):
            console.note(f"note: {text}")


@dataclass(kw_only=True)
class Printer:
    """The voice of a run: a line an image on standard output, the rest on standard error.

    With `json` standard output is left to the document. On a terminal there is a live display, elsewhere a line every
    `heartbeat` seconds (None: none); neither if it is to be `quiet`.
    """

    console: Console
    json: bool
    verbose: bool
    quiet: bool
    heartbeat: float | None = None
    _watch: Watch | None = field(default=None, init=False)
    _live: bool = field(default=False, init=False)
    _down: dict[str, Reason | None] = field(default_factory=dict, init=False)
    """Why hosts failed that may be down; None: they are, and that was said."""

    @contextmanager
    def live(self, images: int, waits: Waits) -> Iterator[None]:
        """Show progress while the block runs; `waits` is whom it waits for.

        `images` is how many there are; 0: catalogs are being read to find that out.
        """
        self._live = not self.quiet and on_terminal()
        if self.quiet or not (self._live or self.heartbeat):
            yield
            return
        self._watch = Watch(images, waits)
        if self._live:
            display = Display(self._watch)
            with display.on, self.console.above(display):
                yield
        elif self.heartbeat:
            with beating(self._watch, self.heartbeat, self.console.note):
                yield

    def hear(self, news: News) -> None:
        """Take one piece of news."""
        if self._watch is not None:
            self._watch.hear(news)
        if isinstance(news, Settled):
            self._image(news.result)
        else:
            tell_trouble(news, self.console)

    def finish(
        self, run: RunResult, *, report: Path | None, failed_images: Path | None, metrics: Path | None = None
    ) -> None:
        """Write the files, then print the document and the summary. Raises RunBroken where a file cannot be written."""
        failed = (list_line(image.request) for image in run.images if image.status is Status.FAILED)
        broken = []
        texts = ((report, report_pieces(run)), (failed_images, failed), (metrics, metrics_pieces(run, metrics)))
        for file, pieces in texts:
            if file is not None:
                try:
                    write_atomically(file, map(str.encode, pieces))
                except OSError as error:
                    broken.append(f"{error.filename}: cannot be written: {error.strerror}")
        if self.json:
            self.console.document(report_pieces(run))
        names = None if failed_images is None else str(failed_images)
        for line in summary_lines(run, bars=self._live, failed_images=names):
            self.console.note(line)
        if broken:
            raise RunBroken("; ".join(broken))

    def _image(self, image: ImageResult) -> None:
        if self.quiet and image.status is not Status.FAILED:
            return
        columns = columns_of(sys.stderr if self.json else sys.stdout)
        if columns is not None and image.left:  # of the many that an interrupt leaves the summary tells
            return
        self._tell_who_is_down(image)
        whole = columns is None or self.verbose or image.status is Status.FAILED
        line = image_line(image) if whole else image_row(image, columns or 0)
        if self.json:
            self.console.note(line)
        else:
            self.console.told(line)
        warning = elsewhere_warning(image)
        if warning is not None:
            self.console.warning(warning)
        note = whole_note(image)
        if note is not None:
            self.console.note(f"note: {note}")
        if self.verbose:
            for attempt in attempt_lines(image):
                self.console.note(attempt)

    def _tell_who_is_down(self, image: ImageResult) -> None:
        """Say of a registry, once, that it is left alone because it is down."""
        for attempt in chain(image.attempts, *(part.attempts for part in image.parts)):
            host = attempt.candidate.host
            if host is None:
                continue
            if attempt.reason in HOST_IS_DOWN:
                self._down.setdefault(host, attempt.reason)
            elif attempt.reason is Reason.CIRCUIT_OPEN and self._down.get(host, Reason.OTHER) is not None:
                why = self._down.get(host)
                self._down[host] = None
                self.console.warning(f"{host} is down{f' ({why})' if why else ''}: others serve as long as it is")
