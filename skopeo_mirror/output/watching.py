"""Who shows how far a run is while it goes: a live display on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from skopeo_mirror.output.progress import Progress
from skopeo_mirror.output.progress_words import frame, heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.text import Text

    from skopeo_mirror.skopeo.supervision import Wait
    from skopeo_mirror.transfer.news import News

    Waits = Callable[[], Iterable[Wait]]
    """Whom all that is under way waits for."""

_SHOW_CURSOR: Final = b"\x1b[?25h"


class Watch:
    """The progress of a run of so many images, for several threads."""

    def __init__(self, images: int, waits: Waits) -> None:
        self._progress = Progress(images=images, began=time.monotonic())
        self._waits = waits
        self._lock = threading.RLock()

    def hear(self, news: News) -> None:
        """Take one piece of news."""
        with self._lock:
            self._progress.hear(news, time.monotonic())

    def line(self) -> str:
        """How far it is, in one line."""
        with self._lock:
            now = time.monotonic()
            self._progress.observe(now)
            return heartbeat(self._progress, self._waits(), now)

    def frame(self, width: int, height: int) -> list[str]:
        """How far it is, in lines that fit."""
        with self._lock:
            now = time.monotonic()
            self._progress.observe(now)
            return frame(self._progress, self._waits(), now, width=width, height=height)


@contextmanager
def beating(watch: Watch, seconds: float, say: Callable[[str], None]) -> Iterator[None]:
    """Say how far a run is every so many seconds, on a thread of its own, while the block runs."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(seconds):
            say(watch.line())

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Display:
    """The display while it is on: `show` prints a line above it, `notice` puts one below it (signal handlers may)."""

    def __init__(self, watch: Watch) -> None:
        from rich.console import Console  # noqa: PLC0415 - costs 60 ms, only where it is seen
        from rich.live import Live  # noqa: PLC0415

        self._watch = watch
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

    def show(self, line: str) -> None:
        """Print a line above the display, as it is."""
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
        lines = self._watch.frame(width, height)
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
