"""Circuits, so that a fault costs once: a host that is down for one image is left alone for the others, for a while."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

IMAGES: Final = 2
"""As many images a host must fail before its circuit opens."""
PAUSE: Final = 30.0
"""Seconds until one image tries an open circuit again; doubled each time it fails, up to `LONGEST_OPEN`."""
LONGEST_OPEN: Final = 300.0


@dataclass(kw_only=True, slots=True)
class _Circuit:
    images: set[str] = field(default_factory=set)
    blobs: bool = False
    open_until: float | None = None
    pause: float = PAUSE
    trial: str | None = None


class Circuits:
    """The circuits of all hosts, shared by all images of a run; times are seconds on any one clock."""

    def __init__(self) -> None:
        self._circuits: dict[str, _Circuit] = {}
        self._lock = threading.Lock()

    def is_open(self, host: str, image: str, now: float) -> bool:
        """Whether `host` is to be left alone; when its pause is over, the image that asks first is to try."""
        with self._lock:
            circuit = self._circuits.get(host)
            if circuit is None or circuit.open_until is None or circuit.trial == image:
                return False
            if now < circuit.open_until:
                return True
            circuit.open_until = now + circuit.pause
            circuit.trial = image
            return False

    def failed(self, host: str, image: str, now: float, *, blobs: bool = False) -> None:
        """Take note that `host` was down for `image`; with `blobs`, after it had given the manifest."""
        with self._lock:
            circuit = self._circuits.setdefault(host, _Circuit())
            if circuit.trial is not None:
                circuit.trial = None
                circuit.pause = min(circuit.pause * 2, LONGEST_OPEN)
            circuit.images.add(image)
            circuit.blobs |= blobs
            if len(circuit.images) >= IMAGES:
                circuit.open_until = now + circuit.pause

    def answered(self, host: str, *, blobs: bool = True) -> None:
        """Take note that `host` is up. A manifest (not `blobs`) says nothing of one that hung over a blob."""
        with self._lock:
            circuit = self._circuits.get(host)
            if circuit is not None and (blobs or not circuit.blobs):
                del self._circuits[host]
