"""The way of an image, step by step: look, copy and, of what follows other manifests, assemble.

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
from skopeo_mirror.transfer.stages import Begun, Journey, Planned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from skopeo_mirror.manifest import Descriptor
    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.debuglog import Event
    from skopeo_mirror.transfer.attachments import Attachment, AttachmentFinder
    from skopeo_mirror.transfer.comparing import SignatureComparison
    from skopeo_mirror.transfer.destination.place import Destination
    from skopeo_mirror.transfer.manifests import ManifestReader
    from skopeo_mirror.transfer.presence import Presence
    from skopeo_mirror.transfer.stages import Awaiting, Finished, Look, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class _Steps:
    looker: Looker
    copier: Copier
    endings: Endings


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
    attachments: AttachmentFinder | None = None
    """Finds what is attached to images, where that is asked for."""
    _promised: dict[tuple[str, int], int] = field(default_factory=dict)
    _of_images: _Steps = field(init=False)
    _of_attached: _Steps = field(init=False)
    """Those of what is attached: none of it is left out, and a signature policy, which no signature meets, is not
    asked about it."""

    def __post_init__(self) -> None:
        """Make the steps."""
        asking_sources = threading.BoundedSemaphore(self.jobs)
        self._of_images = self._of_attached = self._steps(
            self.reader, self.presence, self.policy, self.platforms, asking_sources
        )
        if self.attachments is None:
            return
        reader = replace(self.reader, scoped=self.reader.scoped.accepting_anything())
        presence = replace(self.presence, platforms=())
        self._of_attached = self._steps(reader, presence, Policy(), (), asking_sources)

    def _steps(
        self,
        reader: ManifestReader,
        presence: Presence,
        policy: Policy,
        platforms: tuple[Platform, ...],
        asking_sources: AbstractContextManager[bool],
    ) -> _Steps:
        endings = Endings(
            scoped=reader.scoped, destination=self.destination, platforms=platforms, promised=self._promised
        )
        looker = Looker(
            reader=reader,
            destination=self.destination,
            presence=presence,
            signatures=self.signatures,
            asking=Asking(policy=policy, directory=reader.scoped.directory),
            attachments=self.attachments,
            endings=endings,
            plans=self.plans,
            dry_run=self.dry_run,
            platforms=platforms,
            asking_sources=asking_sources,
        )
        copier = Copier(
            reader=reader,
            destination=self.destination,
            presence=presence,
            endings=endings,
            policy_file=policy.file,
            platforms=platforms,
        )
        return _Steps(endings=endings, looker=looker, copier=copier)

    def begin(self, job: Job) -> Begun:
        """Set out."""
        known = job.request.digest or job.image.digest
        rounds = Rounds(self.reader.retries)
        return Begun(journey=Journey(job=job, started=time.monotonic(), destination_rounds=rounds, digest=known))

    def look(self, stage: Look) -> Step:
        """Everything before the copy: resolve a tag, compare what is there, read the manifests ahead."""
        return self._steps_of(stage.journey.job).looker.look(stage)

    def copy(self, stage: Planned, on_event: Callable[[Event], None] | None = None) -> Step:
        """Copy, dropping one candidate after the other that skopeo cannot get past, and confirm who served."""
        return self._steps_of(stage.journey.job).copier.copy(stage, on_event)

    def units(self, stage: Awaiting, numbers: Iterator[int]) -> list[Job]:
        """What a manifest follows, as units of their own."""
        job = stage.journey.job
        children = [self._part(job, stage.candidates, child, next(numbers)) for child in stage.children]
        return [*children, *(self._attached(job, one, next(numbers)) for one in stage.attached)]

    def _part(self, job: Job, candidates: Iterable[PullSource], child: Descriptor, number: int) -> Job:
        """One image of an index: its candidates are those that have not failed for the index."""
        image = job.image.without_tag().pin(child.digest)
        there = tuple(candidate.at(child.digest) for candidate in candidates)
        return Job(
            number=number,
            request=ImageRequest(reference=image),
            sources=replace(job.sources, reference=image, candidates=there, skipped=()),
            place=self.destination.part(job.place, child.digest),
            part=child,
            of=job,
        )

    def _attached(self, job: Job, one: Attachment, number: int) -> Job:
        """What is attached to an image, or to one of its index."""
        name = job.whole.image.under(one.tag)
        image = name.pin(one.digest)
        return Job(
            number=number,
            request=ImageRequest(reference=image),
            sources=replace(
                job.sources, reference=image.without_tag(), candidates=one.candidates, skipped=(), route=None
            ),
            place=self.destination.attached(job.place, name),
            attached=one,
            of=job,
        )

    def assemble(self, stage: Awaiting, parts: Sequence[Finished]) -> Planned | Finished:
        """What comes after the units that a manifest has followed, in its order, now that they are all at their end."""
        journey, then = stage.journey, stage.then
        endings = self._steps_of(journey.job).endings
        failed = [part for part in parts if part.result.error is not None]
        if not failed:
            platforms = endings.platforms if stage.children and journey.job.of is None else ()
            if platforms and not any(map(_has_image, parts)):
                return endings.failure(journey, has_none(platforms, stage.children), parts=parts)
            return replace(then, parts=parts) if isinstance(then, Planned) else endings.after(then, parts)
        may_be_whole = not (self.dry_run or self.platforms or self.attachments or journey.job.sources.from_layout)
        if may_be_whole and all(part.unread for part in failed):
            names = ", ".join(map(name_of, failed))
            return stage.whole(parts, f"no candidate gives {names} of its index by digest")
        return endings.of_parts(journey, parts)

    def abandon(self, job: Job, journey: Journey | None, why: str, parts: Sequence[Finished] = ()) -> Finished:
        """The end of an image that the end of the run has left where it was, as it has some of its `parts`."""
        journey, endings = journey or self.begin(job).journey, self._steps_of(job).endings
        if any(part.failed for part in parts):
            return endings.of_parts(journey, parts)
        failure = endings.failure(journey, f"not copied: {why}", parts=parts)
        return replace(failure, result=replace(failure.result, left=True))

    def _steps_of(self, job: Job) -> _Steps:
        return self._of_attached if job.is_attached else self._of_images

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
    job, found, result = part.journey.job, part.journey.job.part, part.result
    if job.attached is not None:
        return False
    return found is None or not found.is_index or bool(result.parts) or result.status is Status.PRESENT
