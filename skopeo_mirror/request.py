"""An image as it is asked for, and by whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class WantedBy:
    """Who asked for an image: a bundle, in a channel of a package of a catalog (as the image set writes it)."""

    catalog: str
    package: str
    channel: str
    bundle: str
