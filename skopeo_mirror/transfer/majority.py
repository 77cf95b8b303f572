"""What is guessed of the next image of a run, by those before it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

LONGEST_WAIT: Final = 0.5
"""Seconds that the others wait for the first image: a few round trips, and no stall on top of the first one's."""


@dataclass(kw_only=True, slots=True)
class Majority:
    """Whether most images of a run were of one kind so far; for all threads."""

    _of_it: int = 0
    _others: int = 0
    _begun: bool = False
    _settled: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_likely(self, *, waits: bool = False) -> bool:
        """Whether the next one is likely to be of it.

        With `waits`, the first one settles it for all that begin with it: it is told no, the others wait for it.
        """
        if waits:
            with self._lock:
                first, self._begun = not self._begun, True
            if not first:
                self._settled.wait(LONGEST_WAIT)
        return self._of_it > self._others

    def learn(self, *, of_it: bool | None) -> None:
        """Count one more; None: nothing is known of it, and nobody waits for it any more."""
        if of_it is not None:
            with self._lock:
                self._of_it += of_it
                self._others += not of_it
        self._settled.set()
