"""The news of a run, for who tells people of it while it happens (values).

`job` is a unit: an image, or what comes for one (an image of its index, something that is attached).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skopeo_mirror.skopeo.supervision import Meter
    from skopeo_mirror.transfer.jobs import Job
    from skopeo_mirror.transfer.plan import Weight
    from skopeo_mirror.transfer.results import ImageResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighed:
    """A unit is not there yet; its `weight`, in place of what was told of it before."""

    job: Job
    weight: Weight


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A skopeo is copying a unit; what an earlier one has read of it is worth nothing any more."""

    job: Job
    meter: Meter


@dataclass(frozen=True, kw_only=True, slots=True)
class Copying:
    """skopeo has turned to a candidate for a unit; `source` is its reference."""

    job: Job
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrying:
    """A unit will be tried again in `pause` seconds."""

    job: Job
    pause: float
    why: str
    hosts: tuple[str, ...] = ()
    """The registries that may be better then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted:
    """Something good to know, once a run."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Warned:
    """Something that people should know."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """What comes for an image is at its end; the image is not yet."""

    job: Job
    result: ImageResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """An image is at its end."""

    job: Job
    result: ImageResult


News = Weighed | Running | Copying | Retrying | Warned | Noted | Ended | Settled
