"""Names that somebody may have meant by one that does not exist."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 3
_LIKENESS = 0.75  # of 1; minVersoin is 0.9 like minVersion, 0.7 like maxVersion


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ` (did you mean …?)` with the names closest to `name`, or all where there are few, or nothing."""
    names = sorted(names)
    close = get_close_matches(name, names, n=_MOST, cutoff=_LIKENESS)
    if close:
        return f" (did you mean {' or '.join(close)}?)"
    return f" (there is {', '.join(names)})" if 0 < len(names) <= _MOST else ""
