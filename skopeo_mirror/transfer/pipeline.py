"""The way of an image, step by step: look, copy and, of an index that is copied image by image, assemble.

Steps run on worker threads; what is shared between images (circuits, destination, skopeo) is safe for that.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from skopeo_mirror.request import ImageRequest
from skopeo_mirror.skopeo.debuglog import Requested
from skopeo_mirror.skopeo.policy import Policy
from skopeo_mirror.skopeo.purposes import content_of, repository_of
from skopeo_mirror.transfer.asking import Asking
from skopeo_mirror.transfer.copying import Copier
from skopeo_mirror.transfer.endings import Endings, name_of
from skopeo_mirror.transfer.explaining import has_none
from skopeo_mirror.transfer.failover import Rounds
from skopeo_mirror.transfer.jobs import Job
from skopeo_mirror.transfer.looking import Looker
from skopeo_mirror.transfer.results import Status
from skopeo_mirror.transfer.stages import Begun, Journey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skopeo_mirror.manifest import Descriptor
    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.skopeo.debuglog import Event
    from skopeo_mirror.transfer.comparing import SignatureComparison
    from skopeo_mirror.transfer.destination.place import Destination
    from skopeo_mirror.transfer.manifests import ManifestReader
    from skopeo_mirror.transfer.presence import Presence
    from skopeo_mirror.transfer.stages import Divided, Finished, Look, Planned, Step


@dataclass(kw_only=True, slots=True)
class Pipeline:
    """The steps of an image."""

    reader: ManifestReader
    destination: Destination
    presence: Presence
    signatures: SignatureComparison
    policy: Policy = field(default_factory=Policy)
    plans: bool = True
    """Whether manifests are read ahead."""
    dry_run: bool = False
    platforms: tuple[Platform, ...] = ()
    """Of an index only the images for these are asked for (none: all)."""
    jobs: int = 1
    """How many sources are asked at once before the copies."""
    _endings: Endings = field(init=False)
    _looker: Looker = field(init=False)
    _copier: Copier = field(init=False)

    def __post_init__(self) -> None:
        """Make the steps."""
        self._endings = Endings(scoped=self.reader.scoped, destination=self.destination, platforms=self.platforms)
        self._looker = Looker(
            reader=self.reader,
            destination=self.destination,
            presence=self.presence,
            signatures=self.signatures,
            asking=Asking(policy=self.policy, directory=self.reader.scoped.directory),
            endings=self._endings,
            plans=self.plans,
            dry_run=self.dry_run,
            platforms=self.platforms,
            asking_sources=threading.BoundedSemaphore(self.jobs),
        )
        self._copier = Copier(
            reader=self.reader,
            destination=self.destination,
            presence=self.presence,
            endings=self._endings,
            policy_file=self.policy.file,
            platforms=self.platforms,
        )

    def begin(self, job: Job) -> Begun:
        """Set out."""
        known = job.request.digest or job.image.digest
        rounds = Rounds(self.reader.retries)
        return Begun(journey=Journey(job=job, started=time.monotonic(), destination_rounds=rounds, digest=known))

    def look(self, stage: Look) -> Step:
        """Everything before the copy: resolve a tag, compare what is there, read the manifests ahead."""
        return self._looker.look(stage)

    def copy(self, stage: Planned, on_event: Callable[[Event], None] | None = None) -> Step:
        """Copy, dropping one candidate after the other that skopeo cannot get past, and confirm who served."""
        return self._copier.copy(stage, on_event)

    def part(self, index: Divided, child: Descriptor, number: int) -> Job:
        """One image of an index as a unit of its own: its candidates are those that have not failed for the index."""
        job = index.journey.job
        image = index.image.without_tag().pin(child.digest)
        candidates = tuple(candidate.at(child.digest) for candidate in index.tries.left)
        return Job(
            number=number,
            request=ImageRequest(reference=image),
            sources=replace(job.sources, reference=image, candidates=candidates, skipped=()),
            place=self.destination.part(job.place, child.digest),
            part=child,
            of=job,
        )

    def assemble(self, index: Divided, parts: Sequence[Finished]) -> Planned | Finished:
        """What comes after the images of an index, in its order, now that they are all at their end."""
        failed = [part for part in parts if part.result.error is not None]
        if not failed and self.platforms and index.journey.job.of is None and not any(map(_has_image, parts)):
            return self._endings.failure(index.journey, has_none(self.platforms, index.children), parts=parts)
        if not failed:
            if self.dry_run:
                return self._endings.success(index.journey, Status.WOULD_COPY, index.proof, index.plan, parts=parts)
            return index.alone(parts)
        may_be_whole = not (self.dry_run or self.platforms or index.journey.job.sources.from_layout)
        if may_be_whole and all(part.unread for part in failed):
            names = ", ".join(map(name_of, failed))
            return index.whole(parts, f"no candidate gives {names} of its index by digest")
        return self._endings.of_parts(index.journey, parts)

    def abandon(self, job: Job, journey: Journey | None, why: str, parts: Sequence[Finished] = ()) -> Finished:
        """The end of an image that the end of the run has left where it was, as it has some of its `parts`."""
        journey = journey or self.begin(job).journey
        if any(part.result.error is not None and not part.left for part in parts):
            return self._endings.of_parts(journey, parts)
        return replace(self._endings.failure(journey, f"not copied: {why}", parts=parts), left=True)

    def landed(self, stage: Planned, event: Event) -> frozenset[str]:
        """The layers that are at the registry for sure: skopeo turns to an image's config when it is done with them."""
        plan, repository = stage.plan, stage.journey.job.place.repository
        if plan is None or repository is None or not isinstance(event, Requested) or event.method != "HEAD":
            return frozenset()
        asked = content_of(event.url)
        if asked is None or asked.repository != repository_of(repository):
            return frozenset()
        return plan.layers.get(asked.name, frozenset())


def _has_image(part: Finished) -> bool:
    """Whether there is an image in it, or only an index that has none for the platforms that are asked for."""
    found, result = part.journey.job.part, part.result
    return found is None or not found.is_index or bool(result.parts) or result.status is Status.PRESENT
