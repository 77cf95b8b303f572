"""How far a run is, in words: for the live display, and for the lines of a run that nobody watches (pure views)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skopeo_mirror.output.printable import printable
from skopeo_mirror.output.text import bar, duration, elided, human_bytes, place_of, short_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skopeo_mirror.output.progress import Copy, Pause, Progress
    from skopeo_mirror.skopeo.supervision import Wait

SILENT: Final = 2.0
"""Seconds without a sign of life after which people are told whom a run waits for."""
_WIDEST_BAR: Final = 40
_NARROWEST_BAR: Final = 8
_SHORTEST: Final = 20
_MOST_HOSTS: Final = 3


def frame(progress: Progress, waits: Iterable[Wait], now: float, *, width: int, height: int) -> list[str]:
    """What the display shows on a terminal of `width` columns and `height` lines: no line is longer, none wraps.

    Not even when an interrupt's `^C` is echoed behind it.
    """
    fits, most = max(height - 3, 1), width - len("^C") - 1
    lines = [f"  {told}" for told in [*_reading_ahead(progress), *_waited_for(waits, now)]]
    lines += [_copy(copy, most) for copy in progress.copies(now)]
    lines += [f"  {short_name(pause.job.image)} waits: {_pause(pause, now)}" for pause in progress.pauses()]
    if len(lines) > fits:
        lines[fits:] = [f"  … and {len(lines) - fits} more"]
    return [elided(printable(line), most) for line in [_overall(progress, now, most), *lines]]


def heartbeat(progress: Progress, waits: Iterable[Wait], now: float) -> str:
    """One line on a run: how long, how far, and whom it waits for."""
    pauses = list(progress.pauses())
    told = [f"after {duration(now - progress.began)}: {', '.join(_words(progress, now))}"]
    told += _reading_ahead(progress)
    told += _waited_for(waits, now)
    if pauses:
        first = min(pauses, key=lambda pause: pause.at)
        told.append(f"{len(pauses)} {'image waits' if len(pauses) == 1 else 'images wait'}: {_pause(first, now)}")
    return "; ".join(told)


def _words(progress: Progress, now: float) -> list[str]:
    """How far a run is, what matters most first."""
    words = [f"{progress.finished}/{progress.images} images" if progress.images else "reading catalogs"]
    if progress.failed:
        words.append(f"{progress.failed} failed")
    left, rate, total = progress.seconds_left(now), progress.rate(now), progress.estimate
    if left is not None and progress.finished < progress.images:
        words.append(f"{duration(left)} left")
    if total:
        words.append(f"{human_bytes(progress.done)} of {'' if total == progress.total else '~'}{human_bytes(total)}")
    if rate is not None:
        words.append(f"{human_bytes(rate)}/s")
    return words


def _overall(progress: Progress, now: float, width: int) -> str:
    """The first line: the bar takes the space that the words leave; where there is little, the last words go first."""
    words = [*_words(progress, now), f"{duration(now - progress.began)} elapsed"]
    while len(words) > 1 and len(", ".join(words)) + _NARROWEST_BAR + 1 > width:
        words.pop()
    told, total = ", ".join(words), progress.estimate
    fraction = progress.done / total if total else progress.finished / max(progress.images, 1)
    return f"{bar(fraction, min(_WIDEST_BAR, width - len(told) - 1))} {told}"


def _reading_ahead(progress: Progress) -> list[str]:
    if progress.looked_at >= progress.images:
        return []
    return [f"reading ahead: {progress.looked_at} of {progress.images} images"]


def _copy(copy: Copy, width: int) -> str:
    """A line on an image that is being copied; the name gives way to the figures."""
    words = [human_bytes(copy.done) if not copy.total else f"{human_bytes(copy.done)} of {human_bytes(copy.total)}"]
    name, source = short_name(copy.job.image), place_of(copy.source, copy.job.image)
    figures = f", {', '.join(words)}" if copy.done or copy.total else ""
    rate = "" if copy.rate is None else f", {human_bytes(copy.rate)}/s"
    spare = width - len(f"   from {figures}")
    if spare - len(rate) >= min(len(name), _SHORTEST) + min(len(source), _SHORTEST):
        figures, spare = figures + rate, spare - len(rate)
    if len(name) + len(source) > spare:
        source = elided(source, max(spare - len(name), spare // 2))
        name = elided(name, spare - len(source), keep_end=True)
    return f"  {name} from {source}{figures}"


def _waited_for(waits: Iterable[Wait], now: float) -> list[str]:
    """Who has not answered for a while, each host once, the longest first."""
    by_host: dict[str, list[Wait]] = {}
    for wait in waits:
        if wait.until > now or now - wait.since >= SILENT:
            by_host.setdefault(wait.host, []).append(wait)
    hosts = sorted(by_host.items(), key=lambda one: min(wait.since for wait in one[1]))
    told = [_host(host, several, now) for host, several in hosts[:_MOST_HOSTS]]
    if len(hosts) > _MOST_HOSTS:
        told.append(f"waiting for {len(hosts) - _MOST_HOSTS} more hosts")
    return told


def _host(host: str, waits: Sequence[Wait], now: float) -> str:
    until = max(wait.until for wait in waits)
    if until > now:
        return f"waiting for {host}: too many requests (429), for {until - now:.0f} s more"
    at_once = f" ({len(waits)} at once)" if len(waits) > 1 else ""
    return f"waiting for {host}: silent for {now - min(wait.since for wait in waits):.0f} s{at_once}"


def _pause(pause: Pause, now: float) -> str:
    at = f" at {', '.join(pause.hosts)}" if pause.hosts else ""
    return f"{pause.why}; next try{at} in {max(pause.at - now, 0):.0f} s"
