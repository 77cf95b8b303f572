"""The news of a run, for who tells people of it while it happens (values)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skopeo_mirror.transfer.jobs import Job
    from skopeo_mirror.transfer.results import ImageResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighed:
    """An image, or one of its index, is not there yet; what that weighs, in bytes, if it is known."""

    job: Job
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Copying:
    """skopeo has turned to a candidate for an image; `source` is its reference."""

    job: Job
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrying:
    """An image will be tried again in `pause` seconds."""

    job: Job
    pause: float
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted:
    """Something good to know, once a run."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Warned:
    """Something that people should know."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """An image is at its end."""

    job: Job
    result: ImageResult


News = Weighed | Copying | Retrying | Warned | Noted | Settled
