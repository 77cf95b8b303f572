"""Everything before the copy: a tag is resolved, the destination is asked, the manifests are read ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.manifest import chosen, parse_manifest
from skopeo_mirror.skopeo.faults import PASSING, Reason, connection_lost, reason_of, refuses_credentials
from skopeo_mirror.skopeo.provenance import Fault
from skopeo_mirror.transfer.attachments import NotTold
from skopeo_mirror.transfer.elsewhere import why_not
from skopeo_mirror.transfer.explaining import NO_ROOM_FOR_SIGNATURES, OF_SOME_PLATFORMS, has_none, temporary_trouble
from skopeo_mirror.transfer.failover import decisive_reason
from skopeo_mirror.transfer.plan import Weight, fetched_of, plan_of
from skopeo_mirror.transfer.planning import whole_plan
from skopeo_mirror.transfer.results import Status
from skopeo_mirror.transfer.stages import Abandoned, Absent, Awaiting, Begun, Finished, Pinned, Planned, Retry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from skopeo_mirror.manifest import Descriptor
    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.reference import Digest
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.scoped import Probe
    from skopeo_mirror.transfer.asking import Asking
    from skopeo_mirror.transfer.attachments import AttachmentFinder
    from skopeo_mirror.transfer.comparing import SignatureComparison
    from skopeo_mirror.transfer.destination.place import Destination
    from skopeo_mirror.transfer.endings import Endings
    from skopeo_mirror.transfer.manifests import ManifestReader
    from skopeo_mirror.transfer.plan import Plan
    from skopeo_mirror.transfer.presence import Presence, Sighting
    from skopeo_mirror.transfer.stages import Journey, Look, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Looker:
    """Looks at images. Of an index only the images for `platforms` are asked for, where there are any."""

    reader: ManifestReader
    destination: Destination
    presence: Presence
    signatures: SignatureComparison
    asking: Asking
    attachments: AttachmentFinder | None
    """Finds what is attached to images, where that is asked for."""
    endings: Endings
    plans: bool
    """Whether manifests are read ahead also where nothing depends on it."""
    dry_run: bool
    platforms: Sequence[Platform]
    asking_sources: AbstractContextManager[bool]
    """Lets in as many as may ask sources at once: one that hangs costs no more images than there are jobs."""

    def look(self, stage: Look) -> Step:
        """Go on from `stage` until the image can be copied, or is at its end."""
        step: Look | Step = stage
        try:
            while isinstance(step, Begun | Pinned | Absent):
                match step:
                    case Begun():
                        step = self._resolve(step)
                    case Pinned():
                        step = self._compare(step)
                    case Absent():
                        with self.asking_sources:
                            step = self._read_ahead(step)
        except Unroutable as error:
            step = self.endings.failure(stage.journey, str(error))
        except OSError as error:
            step = self.endings.failure(stage.journey, temporary_trouble(error))
        if self.endings.stopping and not (isinstance(step, Finished) and step.result.error is None):
            return Abandoned(journey=stage.journey)
        return step

    def _resolve(self, stage: Begun) -> Pinned | Retry | Finished:
        """Give a tag its digest, through the same mirrors that the copy will use."""
        journey = stage.journey
        if journey.digest is not None:
            return self._pinned(stage, journey.digest)
        sources = journey.job.sources
        tries = stage.tries or self.reader.tries(journey.job.image, sources)
        if tries not in journey.tries:
            journey.tries.append(tries)
        with self.asking_sources:
            probe = self.reader.read(sources.reference, tries)
        stage = replace(stage, tries=tries)
        if probe is None:
            return self.endings.again_or_fail(journey, tries, stage)
        if probe.provenance.fault is not None:
            return self.endings.fault(journey, probe.provenance, probe.provenance.fault, stage)
        journey.resolved = True
        return self._pinned(stage, probe.digest)

    def _pinned(self, stage: Begun, digest: Digest) -> Pinned | Finished:
        """An image at its digest; under a dry run, one that no signature would help is at its end."""
        journey = stage.journey
        journey.digest = digest
        image = journey.job.image.pin(digest)
        asked = self.asking.reference(journey.job, image)
        if self.dry_run and self.asking.requirements(journey.job, asked).reject:
            why = f"{self.asking.policy.file} rejects {asked}: skopeo would not copy it"
            return self.endings.failure(journey, why, reason=Reason.POLICY)
        return Pinned(journey=journey, image=image, asked=asked, tries=stage.tries if journey.moved else None)

    def _compare(self, stage: Pinned) -> Absent | Planned | Awaiting | Retry | Finished:
        """Look whether the destination has the image, at its digest; an image that it has may be at its end."""
        journey, place = stage.journey, stage.journey.job.place
        if journey.moved and place.repository is not None:  # what is there now, this run has written
            return self._absent(stage)
        found = self.presence.look(place, stage.image.digest)
        if found.trouble is not None and self._is_final(found.trouble):
            lost = connection_lost(found.trouble)
            fault = Fault(reason=Reason.DESTINATION, detail=found.trouble, unreachable=lost)
            return self.endings.destination_failed(journey, fault, stage)
        if not found.there:
            return self._absent(stage)
        requirements = self.asking.requirements(journey.job, stage.asked)
        if not requirements.accept_anything and journey.job.sources.unroutable is None:
            # Nobody but skopeo can say that it is accepted, and it only while it copies all of it.
            done: Planned | Finished
            done = (
                self.endings.success(journey, Status.PRESENT)
                if self.dry_run
                else self._absent(stage).planned(there=True)
            )
            return self._with_all_attached(stage, done, found)
        if self.signatures.matters and journey.job.sources.unroutable is None:
            absent = self._absent(stage)
            if self.signatures.lacking(absent.image, place, absent.tries):
                return absent
        return self._with_all_attached(stage, self.endings.success(journey, Status.PRESENT), found)

    def _absent(self, stage: Pinned) -> Absent:
        """The image with the candidates of its copy. Raises Unroutable."""
        journey, tries = stage.journey, stage.tries
        if tries is None:
            sources = journey.job.sources.at(stage.asked.digest)
            if journey.tries:  # what was left out beforehand is told already
                sources = replace(sources, skipped=())
            tries = self.reader.tries(stage.image, sources)
            journey.tries.append(tries)
        return Absent(journey=journey, image=stage.image, asked=stage.asked, tries=tries)

    def _read_ahead(self, stage: Absent) -> Step:
        """Read the manifests, from the candidates that the copy will use; who fails here is not asked again."""
        journey, job = stage.journey, stage.journey.job
        from_layout = job.sources.from_layout
        # Where something could be fetched from another place unasked, it must be known beforehand.
        needed = self.dry_run or self.platforms or self.destination.brings_layers or from_layout or self.attachments
        if not (self.plans or needed):
            return stage.planned()
        probe = self._read(stage)
        if probe is None:
            step = self.endings.again_or_fail(journey, stage.tries, stage)
            return replace(step, unread=True) if isinstance(step, Finished) else step
        if probe.provenance.fault is not None:
            return self.endings.fault(journey, probe.provenance, probe.provenance.fault, stage)
        part = job.part
        every = parse_manifest(probe.manifest).children
        children = tuple({child.digest: child for child in chosen(every, self.platforms)}.values())
        comes_alone = part is not None and bool(self.platforms and every)  # with what is for others in it, too
        if (children or comes_alone) and self._divides(stage, children):
            return self._with_attached(stage, probe, self._divided(stage, probe, children), [stage.image.digest])
        if self.platforms and every:
            why = self._why_together() if children else has_none(self.platforms, every)
            return self.endings.failure(journey, why, probe.provenance)
        plan = whole_plan(self.reader, stage, probe)
        if plan is None and from_layout:  # what skopeo fetches of it from a URL, its log would not tell
            advice = OF_SOME_PLATFORMS.format("dir: takes an index whole: copy to oci: or docker://") if every else ""
            return self.endings.again_or_fail(journey, stage.tries, stage, advice=advice)
        below = [child.digest for child in children] if plan is None else plan.images
        return self._with_attached(stage, probe, self._planned(stage, probe, plan), [stage.image.digest, *below])

    def _with_attached(
        self, stage: Absent, probe: Probe, then: Planned | Awaiting | Finished, images: Sequence[Digest]
    ) -> Planned | Awaiting | Finished:
        """The same, which is to follow what is attached to `images`, as whoever gave the manifest has it."""
        server = probe.provenance.server
        known = () if server is None else (server,)
        candidates = (*known, *(candidate for candidate in stage.tries.left if candidate != server))
        return self._awaiting(stage.journey, then, images, candidates, known=server is not None)

    def _with_all_attached(
        self, stage: Pinned, then: Planned | Finished, found: Sighting
    ) -> Planned | Awaiting | Finished:
        """An image that is present, which is to follow what is attached to it, wherever it would come from now."""
        job = stage.journey.job
        if self.attachments is None:
            return then
        if job.sources.unroutable is not None:
            raise Unroutable(job.sources.unroutable)
        images, candidates = self.presence.images(found, job.place, stage.image.digest), job.sources.candidates
        with self.asking_sources:
            return self._awaiting(stage.journey, then, images, candidates, known=job.attached is not None)

    def _awaiting(
        self,
        journey: Journey,
        then: Planned | Awaiting | Finished,
        images: Sequence[Digest],
        candidates: Sequence[PullSource],
        *,
        known: bool,
    ) -> Planned | Awaiting | Finished:
        if self.attachments is None or not candidates or (isinstance(then, Finished) and then.result.error is not None):
            return then
        try:
            attached = self.attachments.attached_to(journey, images, candidates, known=known)
        except NotTold as error:
            return self.endings.failure(journey, str(error), reason=decisive_reason(journey.attempts))
        if not attached:
            return then
        if isinstance(then, Awaiting):
            return replace(then, attached=tuple(attached))
        return Awaiting(journey=journey, then=then, attached=tuple(attached))

    def _read(self, stage: Absent) -> Probe | None:
        """The manifest of an image, exact for an index; None where no candidate gives it."""
        part, attached = stage.journey.job.part, stage.journey.job.attached
        if attached is not None and stage.tries.left == attached.candidates:
            return attached.probe
        if part is None:
            return self.reader.read(stage.asked, stage.tries)
        return self.reader.read_part(stage.image, part, stage.tries)

    def _divides(self, stage: Absent, children: Sequence[Descriptor]) -> bool:
        """Whether an index is to be copied image by image; `--sign-by` would sign an image under its digest's name."""
        job = stage.journey.job
        return (
            bool(self.plans or self.platforms or job.sources.from_layout)
            and self.destination.takes_parts
            and not self.signatures.signs
            and self.asking.is_indifferent(job, stage.image, [child.digest for child in children])
        )

    def _divided(self, stage: Absent, probe: Probe, children: tuple[Descriptor, ...]) -> Awaiting | Finished:
        plan = plan_of(probe.manifest, None)
        index = replace(stage.planned(plan=plan, weight=self._weight(plan)), alone=True)
        then = self._would_be(stage, probe, plan) if self.dry_run else index
        if isinstance(then, Finished) and then.result.error is not None:
            return then
        return Awaiting(journey=stage.journey, then=then, children=children, candidates=stage.tries.left)

    def _why_together(self) -> str:
        """Why --platform cannot choose among the images of an index."""
        who = "--sign-by" if self.signatures.signs else f"the signature policy ({self.asking.policy.file})"
        return (
            f"{who} has a say in the images of its index, and so they are copied together or not at all: --platform "
            "cannot choose among them"
        )

    def _planned(self, stage: Absent, probe: Probe, plan: Plan | None) -> Planned | Finished:
        """An image that is to be copied as one, or, under a dry run, would be."""
        journey = stage.journey
        fetched = fetched_of(plan, brings_layers=self.destination.brings_layers)
        refusal = why_not(fetched, probe.provenance.server, mirrors_only=journey.job.sources.mirrors_only)
        if refusal is not None:
            return self.endings.failure(journey, refusal)
        if not self.dry_run:
            return stage.planned(plan=plan, weight=self._weight(plan))
        return self._would_be(stage, probe, plan)

    def _weight(self, plan: Plan | None) -> Weight:
        """What a copy is to bring."""
        if plan is None:
            return Weight()
        if not self.destination.shares_blobs:
            return Weight(own=plan.bytes)
        lacking = {blob: size for blob, size in plan.blobs.items() if not self.destination.has_blob(blob, size)}
        return Weight(own=plan.manifests, shared=lacking)

    def _would_be(self, stage: Absent, probe: Probe, plan: Plan | None) -> Finished:
        """What becomes of an image under a dry run."""
        journey = stage.journey
        if self.signatures.unwelcome(stage.image, journey.job.place, stage.tries):
            why = f"{self.destination.name}: {NO_ROOM_FOR_SIGNATURES}"
            return self.endings.failure(journey, why, reason=Reason.DESTINATION)
        return self.endings.success(journey, Status.WOULD_COPY, probe.provenance, plan)

    def _is_final(self, trouble: str) -> bool:
        """Whether the copy is not tried: nothing answers, or, where nothing is to be copied, it would show no more."""
        return reason_of(trouble) in PASSING or (self.dry_run and refuses_credentials(trouble))
