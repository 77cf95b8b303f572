"""The schedule of the copies: the next is one whose layers nobody else is just bringing (pure).

skopeo processes that start together would each pull a layer that they share. Once one of them has finished, the
others mount it (a registry) or find it (a layout).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Schedule:
    """Planned images in order of arrival; images are known by their number in the list."""

    def __init__(self) -> None:
        self._ready: dict[int, frozenset[str]] = {}
        self._under_way: dict[int, frozenset[str]] = {}
        self._landed: set[str] = set()
        self._in_flight: set[str] = set()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, image: int, layers: Iterable[str]) -> None:
        """An image is ready to be copied; `layers` are the digests of what it brings."""
        self._ready[image] = frozenset(layers) - self._landed

    def take(self) -> int | None:
        """The next image to copy, from now on under way; None where each waits for another."""
        for image, layers in self._ready.items():
            missing = layers - self._landed
            if missing.isdisjoint(self._in_flight):
                del self._ready[image]
                self._under_way[image] = missing
                self._in_flight |= missing
                return image
        return None

    def landed(self, image: int, layers: Iterable[str]) -> None:
        """Some layers of an image are there, while it is still under way."""
        self._landed |= self._under_way[image].intersection(layers)

    def finished(self, image: int, *, arrived: bool) -> None:
        """An image is no longer under way; its layers are there if it `arrived`, else free for another to bring."""
        layers = self._under_way.pop(image)
        self._in_flight -= layers
        if arrived:
            self._landed |= layers
