"""The watcher of a running skopeo: by its log, who is tried, whether it waits, whether to give up waiting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, BinaryIO, Final

from skopeo_mirror.skopeo.debuglog import Event, LogReader, Refused, Requested, Started, Tried, Waiting
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import Ending
from skopeo_mirror.skopeo.purposes import content_of, split_url
from skopeo_mirror.skopeo.supervision import Ended, Meter, Wait, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.skopeo.supervision import Timeouts

_ENDED: Final = {
    Ended.STALLED: (Reason.STALLED, "nothing moved for {stall:g} s"),
    Ended.TIMEOUT: (Reason.TIMEOUT, "not done after {timeout:g} s"),
    Ended.RATE_LIMITED: (Reason.RATE_LIMITED, "too many requests (429), and other candidates are left"),
    Ended.STOPPED: (Reason.OTHER, "ended because the run was stopped"),
}


class LogWatcher(Watcher):
    """The watcher of a run whose log is a debug log.

    With `yields`, the first rate limit ends the run. `on_event` hears each event on the thread that attends the run;
    `copy` receives the log's bytes.
    """

    def __init__(
        self, *, yields: bool = False, on_event: Callable[[Event], None] | None = None, copy: BinaryIO | None = None
    ) -> None:
        self.reader = LogReader()
        self._yields = yields
        self._on_event = on_event
        self._copy = copy
        self._limit: Waiting | None = None
        """What the run was ended for."""
        self._candidate = ""
        self._last: Tried | Requested | Waiting | None = None
        """What names whose answer is waited for."""
        self._meter: Meter | None = None

    def begun(self, pid: int) -> None:
        """Meter the process."""
        if self._on_event is not None:
            self._meter = Meter(pid)
            self._on_event(Started(at=time.monotonic(), meter=self._meter))

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the log."""
        if self._copy is not None:
            self._copy.write(chunk)
        now = time.monotonic()
        for event in self.reader.feed(chunk, now):
            if isinstance(event, Waiting):
                self.waits_until = now + event.seconds
                if self._yields:
                    self.gives_up, self._limit = True, self._limit or event
            self._follow(event)
            if self._on_event is not None:
                self._on_event(event)

    def waiting(self) -> Wait | None:
        """Whose answer it waits for."""
        last, candidate = self._last, self._candidate.partition("/")[0]
        if last is None:
            return None
        host = candidate if isinstance(last, Tried) else split_url(last.url).netloc.rpartition("@")[2]
        if isinstance(last, Requested) and last.method == "PATCH" and candidate:
            host = f"{candidate} or {host}"  # an upload waits for who gives the content, or for who takes it
        return Wait(host=host, since=self.alive_at, until=self.waits_until)

    def _follow(self, event: Event) -> None:
        """Know whom skopeo is asking, and for which blobs."""
        match event:
            case Tried(reference=reference):
                self._candidate, self._last = reference, event
                if self._meter is not None:
                    self._meter.clear()
            case Refused():
                self._last = None
            case Waiting():
                self._last = event
            case Requested(method=method, url=url):
                self._last = event
                if self._meter is None or (content := content_of(url)) is None or content.kind != "blobs":
                    return
                if method == "GET":
                    self._meter.fetches(content.name)
                else:
                    self._meter.looked_for(content.name, event.at)

    def close(self) -> None:
        """Take what is left of an unfinished last line."""
        self.reader.close(time.monotonic())

    def ending(self, status: int, ended: Ended | None, timeouts: Timeouts) -> Ending:
        """How the run ended just now, in words where it was ended from here."""
        now = time.monotonic()
        if ended is None:
            return Ending(at=now, status=status)
        reason, words = _ENDED[ended]
        complaint = words.format(stall=timeouts.stall, timeout=timeouts.timeout)
        return Ending(at=now, status=status, reason=reason, complaint=f"{complaint}; skopeo was at: {self.last_seen()}")

    def last_seen(self) -> str:
        """What skopeo was at, in words; other layers go on while one is told to wait."""
        for event in reversed(self.reader.events) if self._limit is None else [self._limit]:
            match event:
                case Requested(method=method, url=url):
                    return f"{method} {url.partition('?')[0]}"
                case Tried(reference=reference):
                    return f"connecting for {reference}"
                case Waiting(url=url):
                    return f"waiting out a rate limit of {url.partition('?')[0]}"
                case Refused():
                    break
        return "starting"
