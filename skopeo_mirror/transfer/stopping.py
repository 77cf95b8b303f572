"""Why and how a run is to end before it is done: signals, a lost destination, `--fail-fast`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.skopeo.command import Runs


@dataclass(kw_only=True, slots=True)
class Stop:
    """The stop button of a run. `why` is set once, in words; `wake` is called so that who waits takes notice.

    Safe to use from a signal handler.
    """

    runs: Runs
    why: str | None = None
    wake: Callable[[], None] = field(default=lambda: None)

    def finish(self, why: str) -> None:
        """Start nothing new; what is under way may end."""
        self.why = self.why or why
        self.wake()

    def now(self, why: str) -> None:
        """Start nothing new and end what is under way."""
        self.why = self.why or why
        self.runs.stop()
        self.wake()
