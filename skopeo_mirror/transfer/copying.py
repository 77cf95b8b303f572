"""The copy: skopeo run after run, dropping one candidate after the other that it cannot get past, and the proof."""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import DestinationRefused
from skopeo_mirror.skopeo.faults import PASSING, Reason, Stage, reason_of
from skopeo_mirror.skopeo.provenance import Fault
from skopeo_mirror.transfer.destination.place import Contradicted, Damaged
from skopeo_mirror.transfer.elsewhere import blamed
from skopeo_mirror.transfer.explaining import rejected_by, temporary_trouble
from skopeo_mirror.transfer.limits import at_limits, says_that_it_cannot
from skopeo_mirror.transfer.plan import fetched_of
from skopeo_mirror.transfer.planning import whole_plan
from skopeo_mirror.transfer.results import Status
from skopeo_mirror.transfer.sourcing import layout_of
from skopeo_mirror.transfer.stages import Abandoned, Begun, Finished, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.debuglog import Event
    from skopeo_mirror.skopeo.provenance import Provenance
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.transfer.destination.place import Destination
    from skopeo_mirror.transfer.endings import Endings
    from skopeo_mirror.transfer.manifests import ManifestReader
    from skopeo_mirror.transfer.plan import Elsewhere
    from skopeo_mirror.transfer.presence import Presence
    from skopeo_mirror.transfer.stages import Planned, Step

    OnEvent = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Copier:
    """Copies images, and indexes alone once their images are there: those for `platforms`, where there are any."""

    reader: ManifestReader
    destination: Destination
    presence: Presence
    endings: Endings
    policy_file: str | None
    """The signature policy in force, for messages."""
    platforms: Sequence[Platform]

    @property
    def _scoped(self) -> ScopedSkopeo:
        return self.reader.scoped

    def copy(self, stage: Planned, on_event: OnEvent | None) -> Step:
        """Copy, and confirm who served."""
        tries = stage.tries
        while candidates := tries.next(time.monotonic()):
            try:
                provenance = self._copy_from(candidates, stage, on_event)
            except (Damaged, DestinationRefused, OSError) as error:
                step = self._unpublished(stage, error)
                if step is not None:
                    return step
                continue
            if provenance.server is None and self.endings.stopping:
                return Abandoned(journey=stage.journey)
            provenance = self._judge_stall(stage, provenance)
            if says_that_it_cannot(provenance):
                planned = self._with_exact_plan(stage)
                if self._form(planned) != self._form(stage):
                    stage = planned
                    continue
                stage = planned
                if stage.plan is not None:  # else a candidate that gives something else can make skopeo say so, too
                    provenance = at_limits(provenance, stage.plan, self._scoped.skopeo.version)
            provenance = blamed(provenance, self._fetched(stage))
            tries.record(provenance, time.monotonic())
            step = self._settled(stage, provenance)
            if step is not None:
                return step
        return self.endings.again_or_fail(stage.journey, tries, stage)

    def _copy_from(self, candidates: tuple[PullSource, ...], stage: Planned, on_event: OnEvent | None) -> Provenance:
        """One run of skopeo; what it wrote is published only where it is proven who served."""
        place = stage.journey.job.place
        with self.destination.writing(place, stage.image.digest, self.platforms) as writing:
            target = replace(writing.target, options=(*writing.target.options, *self._form(stage)))
            layout = layout_of(candidates)
            if layout is not None:
                provenance = layout.copy(self._scoped, stage.image, target, on_event, alone=stage.alone)
            else:
                provenance = self._scoped.copy(
                    stage.image,
                    candidates,
                    target,
                    asked=stage.asked,
                    alone=stage.alone,
                    yields=stage.tries.yields(candidates),
                    on_event=on_event,
                    elsewhere=[url for content in self._fetched(stage) for url in content.urls],
                )
            if provenance.proven and not stage.there:
                try:
                    writing.publish(provenance.pulled, lambda: self.endings.stopping)
                except Contradicted as error:
                    return provenance.disproved(Stage.MANIFEST, Reason.CORRUPT, str(error))
        return provenance

    def _settled(self, stage: Planned, provenance: Provenance) -> Step | None:
        """What a run of skopeo has led to; None where the next candidate is to be tried."""
        journey = stage.journey
        if provenance.doubt is not None and (provenance.moved or journey.job.place.repository is not None):
            return self._doubted(stage, provenance)
        provenance = provenance.disbelieved()
        if stage.there and provenance.server is not None:
            return self.endings.after(self.endings.success(journey, Status.PRESENT), stage.parts)
        if provenance.server is not None:
            if provenance.left and stage.plan is None:  # it was not read ahead; now its URLs are to be told
                stage = self._with_exact_plan(stage)
            return self.endings.success(
                journey, Status.COPIED, provenance, stage.plan, parts=stage.parts, why_whole=stage.why_whole
            )
        rejected = next((attempt for attempt in provenance.attempts if attempt.reason is Reason.POLICY), None)
        if rejected is not None:  # skopeo would ask nobody else either
            why = rejected_by(self.policy_file, rejected)
            return self.endings.failure(journey, why, reason=Reason.POLICY, parts=stage.parts)
        if provenance.fault is None:
            return None
        return self.endings.fault(journey, provenance, provenance.fault, stage)

    def _unpublished(self, stage: Planned, error: Exception) -> Step | None:
        """What comes of an image that could not be published; None where it is to be copied again at once."""
        journey = stage.journey
        if isinstance(error, InterruptedError):
            return Abandoned(journey=journey)
        if isinstance(error, Damaged) and not journey.mended:
            journey.mended = True
            if stage.alone:  # what was damaged belongs to one of its images
                return Retry(stage=stage.again(), pause=0.0, why=str(error))
            return None
        if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
            return self.endings.failure(journey, temporary_trouble(error), parts=stage.parts)
        fault = Fault(reason=Reason.DESTINATION, detail=str(error))
        return self.endings.destination_failed(journey, fault, stage)

    def _doubted(self, stage: Planned, provenance: Provenance) -> Retry | Finished:
        """Fail, or begin anew, once, with the digest that a tag has by now at the candidates that are left.

        What is in a registry already stays doubtful: the next candidate's copy would be believed for bytes not its own.
        """
        journey = stage.journey
        if journey.moved or not provenance.moved or journey.job.request.digest is not None:
            why = f"not confirmed: {provenance.doubt}"
            return self.endings.failure(journey, why, provenance.disbelieved(), parts=stage.parts)
        journey.moved = True
        journey.digest = None
        return Retry(stage=Begun(journey=journey, tries=stage.tries), pause=0.0, why="its tag has moved")

    def _judge_stall(self, stage: Planned, provenance: Provenance) -> Provenance:
        """Where a run was ended in the middle of an upload, ask the destination: one that answers is not at fault.

        Unless it happens again with another candidate: a destination can answer questions and take no upload.
        """
        repository = stage.journey.job.place.repository
        if not provenance.uncertain or repository is None:
            return provenance
        stage.journey.stalled_uploads += 1
        _, trouble = self.presence.read(repository)
        if trouble is not None and reason_of(trouble) in PASSING:
            return provenance.blaming_destination(trouble)
        if stage.journey.stalled_uploads > 1:
            return provenance.blaming_destination("nothing moved, with more than one candidate")
        return provenance

    def _with_exact_plan(self, stage: Planned) -> Planned:
        """The same with its manifests' own words, where it was not read ahead, or only in another form."""
        if stage.plan is not None and not stage.plan.rendered:
            return stage
        probe = self.reader.read(stage.asked, stage.tries)
        if probe is None or not probe.manifest:
            return stage
        return replace(stage, plan=whole_plan(self.reader, stage, probe) or stage.plan)

    def _form(self, stage: Planned) -> tuple[str, ...]:
        """What the destination needs skopeo to be told, so that the manifest is kept as it is."""
        return () if stage.plan is None else self.destination.options_for(stage.plan.media_type)

    def _fetched(self, stage: Planned) -> tuple[Elsewhere, ...]:
        """What skopeo fetches from URLs beside the candidates."""
        return fetched_of(stage.plan, brings_layers=self.destination.brings_layers)
