"""A fault costs once: a host that is down for one image is left alone for the others, for a while."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

IMAGES: Final = 2
"""As many images a host must fail before its circuit opens."""
PAUSE: Final = 30.0
"""Seconds until one image tries an open circuit again; doubled each time it fails, up to `LONGEST_PAUSE`."""
LONGEST_PAUSE: Final = 300.0


@dataclass(kw_only=True, slots=True)
class _Circuit:
    images: set[str] = field(default_factory=set)
    open_until: float | None = None
    pause: float = PAUSE
    on_trial: bool = False


class Circuits:
    """The circuits of all hosts, shared by all images of a run; times are seconds on any one clock."""

    def __init__(self) -> None:
        self._circuits: dict[str, _Circuit] = {}
        self._lock = threading.Lock()

    def is_open(self, host: str, now: float) -> bool:
        """Whether `host` is to be left alone; when its pause is over, the one who asks first is to try."""
        with self._lock:
            circuit = self._circuits.get(host)
            if circuit is None or circuit.open_until is None:
                return False
            if now < circuit.open_until:
                return True
            circuit.open_until = now + circuit.pause
            circuit.on_trial = True
            return False

    def failed(self, host: str, image: str, now: float) -> None:
        """Take note that `host` was down for `image`."""
        with self._lock:
            circuit = self._circuits.setdefault(host, _Circuit())
            if circuit.on_trial:
                circuit.on_trial = False
                circuit.pause = min(circuit.pause * 2, LONGEST_PAUSE)
            circuit.images.add(image)
            if len(circuit.images) >= IMAGES:
                circuit.open_until = now + circuit.pause

    def answered(self, host: str) -> None:
        """Take note that `host` is up."""
        with self._lock:
            self._circuits.pop(host, None)
