"""The stages of an image on its way; each step takes one and returns the next (values, but for what is on record).

`Begun` → `Pinned` → `Absent` → `Planned` → `Finished` is the way of an image, and of each image of an index, which is
a unit of its own: the index is `Awaiting` them, and `Planned` once these are all at their end. What is attached to an
image is awaited in the same way, whatever the image itself has come to.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from skopeo_mirror.transfer.failover import Rounds
from skopeo_mirror.transfer.plan import Weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.manifest import Descriptor
    from skopeo_mirror.reference import Digest, PinnedReference, Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.provenance import Attempt
    from skopeo_mirror.transfer.attachments import Attachment
    from skopeo_mirror.transfer.failover import Tries
    from skopeo_mirror.transfer.jobs import Job
    from skopeo_mirror.transfer.plan import Plan
    from skopeo_mirror.transfer.results import ImageResult


@dataclass(kw_only=True, slots=True)
class Journey:
    """The record of an image, whatever its stage. It belongs to one thread at a time."""

    job: Job
    started: float
    destination_rounds: Rounds = field(default_factory=lambda: Rounds(0))
    """Those that trouble of the destination is worth."""
    digest: Digest | None = None
    """What it is, or what its tag was last found to be."""
    resolved: bool = False
    """Whether that was asked of a candidate."""
    tries: list[Tries] = field(default_factory=list)
    """The candidates, as far as they have come: those of its tag, those of the copy."""
    moved: bool = False
    """Its tag was found to have another digest by the time it was copied."""
    mended: bool = False
    """Something damaged was found at the destination and moved away."""
    stalled_uploads: int = 0
    """The runs of skopeo that stalled while they were uploading."""

    @property
    def attempts(self) -> list[Attempt]:
        """All that became of its candidates so far, but for who served."""
        return [attempt for tries in self.tries for attempt in tries.attempts]


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """An image that has set out; its tag is to be resolved, or is known to have a digest."""

    journey: Journey
    tries: Tries | None = None
    """The candidates that are asked for the tag, as far as they have come."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pinned:
    """An image whose digest is known; it is to be looked for at the destination."""

    journey: Journey
    image: PinnedReference
    asked: Reference
    """What skopeo is asked for: the digest, but for a tag that a signature policy has a say in."""
    tries: Tries | None = None
    """The candidates of the copy, where it was on its way already when its tag had moved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Absent:
    """An image that the destination does not have as it was asked for; its manifests are to be read ahead."""

    journey: Journey
    image: PinnedReference
    asked: Reference
    tries: Tries
    """The candidates of the copy."""

    def planned(self, *, plan: Plan | None = None, weight: Weight | None = None, there: bool = False) -> Planned:
        """The same, to be copied as one."""
        return Planned(
            journey=self.journey,
            image=self.image,
            asked=self.asked,
            tries=self.tries,
            plan=plan,
            weight=weight or Weight(),
            there=there,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A manifest that can be copied now, with all that it leads to or, of an index whose images are there, `alone`."""

    journey: Journey
    image: PinnedReference
    asked: Reference
    tries: Tries
    plan: Plan | None = None
    """What it brings; None where that is not known before."""
    weight: Weight = field(default_factory=Weight)
    there: bool = False
    """The destination has it, and what is left is to hear what the signature policy says of it."""
    alone: bool = False
    parts: Sequence[Finished] = ()
    """What became of the units that came before it."""
    why_whole: str | None = None
    """Why an index that was to come image by image is copied whole."""

    def again(self) -> Absent:
        """The same, to be looked at once more."""
        return Absent(journey=self.journey, image=self.image, asked=self.asked, tries=self.tries)


@dataclass(frozen=True, kw_only=True, slots=True)
class Awaiting:
    """A manifest that follows others, each a unit of its own: images of an index, and what is attached."""

    journey: Journey
    then: Planned | Finished
    """What it is once they are there."""
    children: tuple[Descriptor, ...] = ()
    """Those images of an index that are asked for, each once."""
    candidates: tuple[PullSource, ...] = ()
    """Where these are looked for."""
    attached: tuple[Attachment, ...] = ()

    def whole(self, parts: Sequence[Finished], why: str) -> Planned:
        """An index with all its images at once, though some may have come already."""
        assert isinstance(self.then, Planned)  # noqa: S101 - who would not copy it does not ask
        return replace(self.then, plan=None, weight=Weight(), alone=False, parts=parts, why_whole=why)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """An image that is worth another try, from `stage` on, in `pause` seconds."""

    stage: Look | Planned
    pause: float
    why: str
    hosts: tuple[str, ...] = ()
    """The registries that may be better then."""

    @property
    def journey(self) -> Journey:
        """Its record."""
        return self.stage.journey


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """An image at its end."""

    journey: Journey
    result: ImageResult
    destination_lost: bool = False
    """Nothing answers at the destination, whatever the image."""
    unread: bool = False
    """Nobody has given its manifest."""

    @property
    def failed(self) -> bool:
        """Whether it has failed; what the end of the run has left where it was has not."""
        return self.result.error is not None and not self.result.left


@dataclass(frozen=True, kw_only=True, slots=True)
class Abandoned:
    """An image that the stop of the run has left where it was."""

    journey: Journey


Look = Begun | Pinned | Absent
"""Where `look` goes on."""
Step = Planned | Awaiting | Retry | Finished | Abandoned
"""What looking or copying leads to."""
