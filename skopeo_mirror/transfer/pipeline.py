"""The way of one image: resolve, look whether it is there, plan, copy, fail over, confirm.

`look` does all that comes before the copy, `copy` the rest. They run on worker threads; what is shared between images
(circuits, destination, skopeo) is safe for that, a journey belongs to one thread at a time.
"""

from __future__ import annotations

import errno
import random
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from skopeo_mirror.errors import DestinationRefused, Unroutable
from skopeo_mirror.registries_conf.routing import as_pulled
from skopeo_mirror.skopeo.debuglog import Requested
from skopeo_mirror.skopeo.faults import (
    PASSING,
    Reason,
    Stage,
    cannot_keep_schema1,
    connection_lost,
    is_ours,
    reason_of,
    refuses_credentials,
)
from skopeo_mirror.skopeo.policy import Policy
from skopeo_mirror.skopeo.provenance import Fault, Outcome
from skopeo_mirror.skopeo.purposes import content_of, repository_of
from skopeo_mirror.skopeo.schema1 import NOT_COPIED
from skopeo_mirror.transfer.advising import destination_failed, nobody_served
from skopeo_mirror.transfer.destination.place import Contradicted, Damaged
from skopeo_mirror.transfer.elsewhere import as_told, blamed, why_not
from skopeo_mirror.transfer.explaining import NO_ROOM_FOR_SIGNATURES, ours, rejected_by, temporary_trouble
from skopeo_mirror.transfer.failover import Rounds
from skopeo_mirror.transfer.limits import at_limits, says_that_it_cannot
from skopeo_mirror.transfer.plan import MOST_FILES, MOST_IMAGES, Plan, plan_of
from skopeo_mirror.transfer.results import ImageResult, Status
from skopeo_mirror.transfer.sourcing import layout_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.reference import Digest, PinnedReference, Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.debuglog import Event
    from skopeo_mirror.skopeo.policy import Requirements
    from skopeo_mirror.skopeo.provenance import Attempt, Provenance
    from skopeo_mirror.skopeo.scoped import Probe, ScopedSkopeo
    from skopeo_mirror.transfer.comparing import SignatureComparison
    from skopeo_mirror.transfer.destination.place import Destination
    from skopeo_mirror.transfer.failover import Tries
    from skopeo_mirror.transfer.jobs import Job
    from skopeo_mirror.transfer.manifests import ManifestReader
    from skopeo_mirror.transfer.plan import Elsewhere
    from skopeo_mirror.transfer.presence import Presence


@dataclass(kw_only=True, slots=True)
class Journey:
    """What is known of an image so far."""

    job: Job
    started: float
    resolving: Tries | None = None
    """The candidates of its tag, where that is to be resolved."""
    pinned: PinnedReference | None = None
    moved: bool = False
    """Its tag was found to have another digest by the time it was copied."""
    absent: bool = False
    """The destination does not have all of it."""
    there: bool = False
    """The destination has it, and what is left is to hear what the signature policy says of it."""
    tries: Tries | None = None
    """The candidates of the copy, as far as they have come."""
    plan: Plan | None = None
    destination_rounds: Rounds = field(default_factory=lambda: Rounds(0))
    """Those that trouble of the destination is worth."""
    mended: bool = False
    """Something damaged was found at the destination and moved away."""
    stalled_uploads: int = 0
    """The runs of skopeo that stalled while they were uploading."""

    @property
    def compared(self) -> bool:
        """Whether the destination was asked for it."""
        return self.absent or self.there

    @property
    def attempts(self) -> list[Attempt]:
        """All that became of its candidates so far, but for who served."""
        return [attempt for tries in (self.resolving, self.tries) if tries is not None for attempt in tries.attempts]


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """An image that can be copied now; `layers` are the digests of what it brings."""

    journey: Journey
    layers: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """An image that is worth another try in `pause` seconds; `copying` where it had come as far as that."""

    journey: Journey
    pause: float
    copying: bool
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """An image at its end. `destination_lost`: nothing answers at the destination, whatever the image."""

    journey: Journey
    result: ImageResult
    destination_lost: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Abandoned:
    """An image that the stop of the run has left where it was."""

    journey: Journey


Step = Planned | Retry | Finished | Abandoned
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
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
    promised: dict[tuple[str, int], int] = field(default_factory=dict)
    """The blobs that a dry run would bring, with the sizes claimed of them; the number of the image that would."""

    @property
    def scoped(self) -> ScopedSkopeo:
        """The skopeo that reads and copies."""
        return self.reader.scoped

    def begin(self, job: Job) -> Journey:
        """Set out."""
        known = job.request.digest or job.image.digest
        return Journey(
            job=job,
            started=time.monotonic(),
            pinned=None if known is None else job.image.pin(known),
            destination_rounds=Rounds(self.reader.retries),
        )

    def abandon(self, journey: Journey, why: str) -> ImageResult:
        """The result of an image that the end of the run has left where it was."""
        return self._fail(journey, f"not copied: {why}").result

    def look(self, journey: Journey) -> Step:
        """Everything before the copy: resolve a tag, compare what is there, read the manifests ahead."""
        try:
            step = self._resolve(journey) or self._foretell(journey) or self._compare(journey) or self._plan(journey)
        except Unroutable as error:
            step = self._fail(journey, str(error))
        except OSError as error:
            step = self._fail(journey, temporary_trouble(error))
        if self._stopping():
            return step if isinstance(step, Finished) and step.result.error is None else Abandoned(journey=journey)
        if step is not None:
            return step
        shared = journey.plan is not None and self.destination.shares_blobs
        return Planned(journey=journey, layers=frozenset(_known(journey.plan).blobs) if shared else frozenset())

    def copy(self, journey: Journey, on_event: Callable[[Event], None] | None = None) -> Step:
        """Copy, dropping one candidate after the other that skopeo cannot get past, and confirm who served."""
        tries = _known(journey.tries)
        while candidates := tries.next(time.monotonic()):
            try:
                provenance = self._copy_from(candidates, journey, on_event)
            except (Damaged, DestinationRefused, OSError) as error:
                step = self._unpublished(journey, error)
                if step is not None:
                    return step
                continue
            if provenance.server is None and self._stopping():
                return Abandoned(journey=journey)
            provenance = self._judge_stall(journey, provenance)
            if says_that_it_cannot(provenance):
                if journey.plan is None:  # it was not read ahead; now it has to bear that out
                    self._read_plan(journey, tries)
                    if self._form(journey):
                        continue
                provenance = self._judge_limits(journey, provenance)
            provenance = blamed(provenance, self._fetched(journey))
            tries.record(provenance, time.monotonic())
            step = self._settled(journey, tries, provenance)
            if step is not None:
                return step
        return self._again_or_fail(journey, tries, copying=True)

    def _settled(self, journey: Journey, tries: Tries, provenance: Provenance) -> Step | None:
        """What a run of skopeo has led to; None where the next candidate is to be tried."""
        if provenance.doubt is not None and (provenance.moved or journey.job.place.repository is not None):
            return self._doubted(journey, provenance)
        provenance = provenance.disbelieved()
        if journey.there and provenance.server is not None:
            return self._finish(journey, Status.PRESENT)
        if provenance.server is not None:
            if provenance.left and journey.plan is None:  # it was not read ahead; now its URLs are to be told
                self._read_plan(journey, tries)
            return self._finish(journey, Status.COPIED, provenance)
        rejected = next((attempt for attempt in provenance.attempts if attempt.reason is Reason.POLICY), None)
        if rejected is not None:  # skopeo would ask nobody else either
            return self._fail(journey, rejected_by(self.policy.file, rejected))
        return None if provenance.fault is None else self._fault(journey, provenance)

    def _unpublished(self, journey: Journey, error: Exception) -> Step | None:
        """What comes of an image that could not be published; None where it is to be copied again at once."""
        if isinstance(error, InterruptedError):
            return Abandoned(journey=journey)
        if isinstance(error, Damaged) and not journey.mended:
            journey.mended = True
            return None
        if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
            return self._fail(journey, temporary_trouble(error))
        return self._destination_failed(journey, Fault(reason=Reason.DESTINATION, detail=str(error)))

    def landed(self, journey: Journey, event: Event) -> frozenset[str]:
        """The layers that are at the registry for sure: skopeo turns to an image's config when it is done with them."""
        plan, repository = journey.plan, journey.job.place.repository
        if plan is None or repository is None or not isinstance(event, Requested) or event.method != "HEAD":
            return frozenset()
        asked = content_of(event.url)
        if asked is None or asked.repository != repository_of(repository):
            return frozenset()
        return plan.layers.get(asked.name, frozenset())

    def _copy_from(
        self, candidates: tuple[PullSource, ...], journey: Journey, on_event: Callable[[Event], None] | None
    ) -> Provenance:
        """One run of skopeo; what it wrote is published only where it is proven who served."""
        pinned = _known(journey.pinned)
        with self.destination.writing(journey.job.place, pinned.digest) as writing:
            target = replace(writing.target, options=(*writing.target.options, *self._form(journey)))
            layout = layout_of(candidates)
            if layout is not None:
                provenance = layout.copy(self.scoped, pinned, target, on_event)
            else:
                provenance = self.scoped.copy(
                    pinned,
                    candidates,
                    target,
                    asked=self._asked(journey),
                    yields=_known(journey.tries).yields(candidates),
                    on_event=on_event,
                    elsewhere=[url for content in self._fetched(journey) for url in content.urls],
                )
            if provenance.proven and not journey.there:
                try:
                    writing.publish(provenance.pulled, self._stopping)
                except Contradicted as error:
                    return provenance.disproved(Stage.MANIFEST, Reason.CORRUPT, str(error))
        return provenance

    def _resolve(self, journey: Journey) -> Step | None:
        """Give a tag its digest, through the same mirrors that the copy will use."""
        if journey.pinned is not None:
            return None
        image, sources = journey.job.image, journey.job.sources
        if journey.resolving is None:
            journey.resolving = self.reader.tries(image, sources)
        tries = journey.tries or journey.resolving
        probe = self.reader.read(sources.reference, tries)
        if probe is None:
            return self._again_or_fail(journey, tries, copying=False)
        if probe.provenance.fault is not None:
            return self._fault(journey, probe.provenance)
        journey.pinned = image.pin(probe.digest)
        return None

    def _compare(self, journey: Journey) -> Step | None:
        """Look whether the destination has the image, at its digest; an image that it has may be at its end."""
        if journey.compared:
            return None
        pinned, place = _known(journey.pinned), journey.job.place
        found = self.presence.look(place, pinned.digest)
        if found.trouble is not None and self._is_final(found.trouble):
            lost = connection_lost(found.trouble)
            return self._destination_failed(
                journey, Fault(reason=Reason.DESTINATION, detail=found.trouble, unreachable=lost)
            )
        if found.there and not self._requirements(journey).accept_anything and journey.job.sources.unroutable is None:
            # Nobody but skopeo can say that it is accepted, and it only while it copies all of it.
            journey.there = True
            return self._finish(journey, Status.PRESENT) if self.dry_run else None
        if found.there and not (
            self.signatures.matters and self.signatures.lacking(pinned, place, self._tries(journey))
        ):
            return self._finish(journey, Status.PRESENT)
        journey.absent = True
        return None

    def _plan(self, journey: Journey) -> Step | None:
        """Read the manifests ahead, from the candidates that the copy will use; who fails here is not asked again."""
        pinned, tries = _known(journey.pinned), self._tries(journey)
        from_layout = journey.job.sources.from_layout
        # Where something could be fetched from another place unasked, it must be known beforehand.
        if journey.there or not (self.plans or self.dry_run or self.destination.brings_layers or from_layout):
            return None
        probe = self._read_plan(journey, tries)
        if probe is None:
            return self._again_or_fail(journey, tries, copying=False)
        if probe.provenance.fault is not None:
            return self._fault(journey, probe.provenance)
        if journey.plan is None and from_layout:  # what skopeo fetches of it from a URL, its log would not tell
            return self._again_or_fail(journey, tries, copying=False)
        fetched = self._fetched(journey)
        refusal = why_not(fetched, probe.provenance.server, mirrors_only=journey.job.sources.mirrors_only)
        if refusal is not None:
            return self._fail(journey, refusal)
        if not self.dry_run:
            return None
        if self.signatures.unwelcome(pinned, journey.job.place, tries):
            return self._fail(journey, f"{self.destination.name}: {NO_ROOM_FOR_SIGNATURES}")
        return self._finish(journey, Status.WOULD_COPY, probe.provenance)

    def _tries(self, journey: Journey) -> Tries:
        """The candidates of the copy, at the start or as far as they have come."""
        if journey.tries is None:
            sources = journey.job.sources.at(self._asked(journey).digest)
            if journey.resolving is not None:  # what was left out beforehand is told already
                sources = replace(sources, skipped=())
            journey.tries = self.reader.tries(_known(journey.pinned), sources)
        return journey.tries

    def _read_plan(self, journey: Journey, tries: Tries) -> Probe | None:
        """Read what an image consists of; None where no candidate gives its manifest."""
        pinned = _known(journey.pinned)
        probe = self.reader.read(self._asked(journey), tries)
        if probe is not None and probe.manifest:
            from_layout = journey.job.sources.from_layout

            def read_child(digest: Digest) -> bytes | None:
                child = self.reader.read_child(pinned, digest, tries)
                if from_layout:  # of a registry's the copy will show what is wrong, if anything is
                    tries.record(child.provenance, time.monotonic())
                return child.manifest or None

            journey.plan = plan_of(probe.manifest, read_child, most=MOST_FILES if from_layout else MOST_IMAGES)
        return probe

    def _fetched(self, journey: Journey) -> tuple[Elsewhere, ...]:
        """What skopeo fetches from URLs beside the candidates: layers only where the destination takes such, too."""
        contents = () if journey.plan is None else journey.plan.elsewhere
        return tuple(content for content in contents if content.needed or self.destination.brings_layers)

    def _form(self, journey: Journey) -> tuple[str, ...]:
        """What the destination needs skopeo to be told, so that the manifest is kept as it is."""
        return () if journey.plan is None else self.destination.options_for(journey.plan.media_type)

    def _requirements(self, journey: Journey) -> Requirements:
        """What the signature policy demands of an image as skopeo is asked for it."""
        if journey.job.sources.from_layout:
            return self.policy.of_layout(self.scoped.directory)
        return self.policy.of_image(self._asked(journey))

    def _foretell(self, journey: Journey) -> Step | None:
        """Under a dry run, say of an image that no signature would help that it will be rejected."""
        if self.dry_run and self._requirements(journey).reject:
            return self._fail(journey, f"{self.policy.file} rejects {self._asked(journey)}: skopeo would not copy it")
        return None

    def _asked(self, journey: Journey) -> Reference:
        """What skopeo is asked for: the digest, but for a tag that a signature policy has a say in."""
        image, pinned = journey.job.image, _known(journey.pinned)
        if journey.job.sources.from_layout or not self.policy.has_a_say(image, pinned.digest):
            return pinned.without_tag()
        return as_pulled(image)

    def _doubted(self, journey: Journey, provenance: Provenance) -> Step:
        """Fail, or begin anew, once, with the digest that a tag has by now at the candidates that are left.

        What is in a registry already stays doubtful: the next candidate's copy would be believed for bytes not its own.
        """
        if journey.moved or not provenance.moved or journey.job.request.digest is not None:
            return self._fail(journey, f"not confirmed: {provenance.doubt}", provenance.disbelieved())
        journey.moved = True
        journey.pinned = journey.plan = None
        journey.there = False
        journey.absent = journey.job.place.repository is not None  # what is there now, this run has written
        return Retry(journey=journey, pause=0.0, copying=False, why="its tag has moved")

    def _judge_stall(self, journey: Journey, provenance: Provenance) -> Provenance:
        """Where a run was ended in the middle of an upload, ask the destination: one that answers is not at fault.

        Unless it happens again with another candidate: a destination can answer questions and take no upload.
        """
        if not provenance.uncertain:
            return provenance
        journey.stalled_uploads += 1
        _, trouble = self.presence.read(_known(journey.job.place.repository))
        if trouble is not None and reason_of(trouble) in PASSING:
            return provenance.blaming_destination(trouble)
        if journey.stalled_uploads > 1:
            return provenance.blaming_destination("nothing moved, with more than one candidate")
        return provenance

    def _judge_limits(self, journey: Journey, provenance: Provenance) -> Provenance:
        """Clear the candidate where this skopeo cannot copy what it was given, unless that contradicts itself.

        Only where that is known from the manifests: a candidate that gives something else can make skopeo say so, too.
        """
        return provenance if journey.plan is None else at_limits(provenance, journey.plan, self.scoped.skopeo.version)

    def _fault(self, journey: Journey, provenance: Provenance) -> Step:
        """End, or put off, an image that failed on no candidate's side."""
        fault = _known(provenance.fault)
        if cannot_keep_schema1(fault.detail):
            return self._fail(journey, NOT_COPIED, provenance)
        if is_ours(fault.detail):
            return self._fail(journey, ours(fault.detail), provenance)
        if fault.reason is Reason.DESTINATION:
            return self._destination_failed(journey, fault)
        return self._fail(journey, fault.detail, provenance)

    def _destination_failed(self, journey: Journey, fault: Fault) -> Step:
        passes = reason_of(fault.detail) in PASSING and not self._stopping()
        pause = journey.destination_rounds.begin(random.random) if passes else None
        if pause is not None:
            return Retry(
                journey=journey, pause=pause, copying=journey.tries is not None and journey.compared, why=fault.detail
            )
        told = destination_failed(self.destination.name, journey.job.place.repository, fault.detail, self.scoped)
        return replace(self._fail(journey, told), destination_lost=fault.unreachable and not self._stopping())

    def _is_final(self, trouble: str) -> bool:
        """Whether the copy is not tried: nothing answers, or, where nothing is to be copied, it would show no more."""
        return reason_of(trouble) in PASSING or (self.dry_run and refuses_credentials(trouble))

    def _again_or_fail(self, journey: Journey, tries: Tries, *, copying: bool) -> Step:
        pause = None if self._stopping() else tries.begin_again(random.random)
        if pause is not None:
            return Retry(journey=journey, pause=pause, copying=copying, why="every candidate failed")
        told = nobody_served(
            journey.job.image,
            journey.job.sources,
            journey.attempts,
            scoped=self.scoped,
            resolved=None if journey.resolving is None or journey.pinned is None else journey.pinned.digest,
        )
        return self._fail(journey, told)

    def _stopping(self) -> bool:
        return self.scoped.skopeo.runs.stopping.is_set()

    def _fail(self, journey: Journey, error: str, provenance: Provenance | None = None) -> Finished:
        return self._finish(journey, Status.FAILED, provenance, error)

    def _finish(
        self, journey: Journey, status: Status, provenance: Provenance | None = None, error: str | None = None
    ) -> Finished:
        request, pinned = journey.job.request, journey.pinned
        served = [] if provenance is None else [a for a in provenance.attempts if a.outcome is Outcome.SERVED]
        proven = provenance if error is None else None
        would = status is Status.WOULD_COPY
        result = ImageResult(
            request=request,
            digest=request.reference.digest if pinned is None else pinned.digest,
            destination=journey.job.place.name,
            status=status,
            confirmed=error is None,
            served_by=None if proven is None else proven.server,
            attempts=(*journey.attempts, *served),
            bytes=self._bytes(journey, status, provenance),
            seconds=time.monotonic() - journey.started,
            error=error,
            resolved_from=request.reference if request.reference.digest is None and pinned is not None else None,
            elsewhere=as_told(journey.plan, proven, brings_layers=self.destination.brings_layers, would=would),
        )
        return Finished(journey=journey, result=result)

    def _bytes(self, journey: Journey, status: Status, provenance: Provenance | None) -> int:
        """What an image costs its source: the manifests, and the blobs that are not at the destination already."""
        plan = journey.plan
        if plan is None or provenance is None:
            return 0
        match status:
            case Status.COPIED:
                pulled = plan.blobs if provenance.pulled is None else provenance.pulled
                return plan.manifests + sum(plan.blobs.get(digest, 0) for digest in pulled)
            case Status.WOULD_COPY:
                return plan.manifests + sum(
                    size
                    for digest, size in plan.blobs.items()
                    if self.promised.setdefault((digest, size), journey.job.number) == journey.job.number
                    and not self.destination.has_blob(digest, size)
                )
            case _:
                return 0


def _known(value: _T | None) -> _T:
    assert value is not None  # noqa: S101 - an earlier step has set it
    return value
