"""The ends of an image: its result, or another try, whatever step it comes from."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from skopeo_mirror.skopeo.faults import PASSING, Reason, cannot_keep_schema1, has_lost_content, is_ours, reason_of
from skopeo_mirror.skopeo.provenance import Outcome
from skopeo_mirror.skopeo.schema1 import NOT_COPIED
from skopeo_mirror.transfer.advising import destination_failed, nobody_served
from skopeo_mirror.transfer.elsewhere import as_told
from skopeo_mirror.transfer.explaining import OF_SOME_PLATFORMS, ours
from skopeo_mirror.transfer.failover import decisive_reason
from skopeo_mirror.transfer.results import AttachedResult, ImageResult, PartResult, Status
from skopeo_mirror.transfer.stages import Finished, Planned, Retry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.skopeo.provenance import Fault, Provenance
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.transfer.destination.place import Destination
    from skopeo_mirror.transfer.failover import Tries
    from skopeo_mirror.transfer.plan import Plan
    from skopeo_mirror.transfer.results import LivesElsewhere, UnitResult
    from skopeo_mirror.transfer.stages import Journey, Look

_TOLD_PARTS: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Endings:
    """Makes results of what has become of images at `destination`."""

    scoped: ScopedSkopeo
    destination: Destination
    platforms: Sequence[Platform] = ()
    """Of an index only the images for these are asked for (none: all)."""
    promised: dict[tuple[str, int], int] = field(default_factory=dict)
    """The blobs that a dry run would bring, with the sizes claimed of them; the number of the image that would."""

    @property
    def stopping(self) -> bool:
        """Whether the run is being stopped."""
        return self.scoped.skopeo.runs.stopping.is_set()

    def success(
        self,
        journey: Journey,
        status: Status,
        provenance: Provenance | None = None,
        plan: Plan | None = None,
        *,
        parts: Sequence[Finished] = (),
        why_whole: str | None = None,
    ) -> Finished:
        """An image that is where it is to be, or would be. `parts` are the units that came before it."""
        would = status is Status.WOULD_COPY
        told = as_told(plan, provenance, brings_layers=self.destination.brings_layers, would=would)
        result = self._result(journey, status, provenance, parts, why_whole)
        result = replace(
            result,
            served_by=None if provenance is None else provenance.server,
            bytes=result.bytes + self._bytes(journey, status, plan, provenance),
            elsewhere=_each_once((*(one for part in parts for one in part.result.elsewhere), *told)),
        )
        return Finished(journey=journey, result=result)

    def failure(
        self,
        journey: Journey,
        error: str,
        provenance: Provenance | None = None,
        *,
        reason: Reason = Reason.OTHER,
        parts: Sequence[Finished] = (),
        why_whole: str | None = None,
    ) -> Finished:
        """An image that is not where it is to be."""
        result = self._result(journey, Status.FAILED, provenance, parts, why_whole)
        return Finished(journey=journey, result=replace(result, error=error, reason=reason, confirmed=False))

    def after(self, done: Finished, parts: Sequence[Finished]) -> Finished:
        """An image that needs no copy of its own, after `parts`: if one of these was copied, it has changed, too."""
        result, statuses = done.result, {part.result.status for part in parts}
        changed = next((status for status in (Status.COPIED, Status.WOULD_COPY) if status in statuses), result.status)
        from_part = next((part.result.served_by for part in parts if part.result.status is changed), None)
        result = replace(
            result,
            status=changed,
            served_by=result.served_by or from_part,
            bytes=result.bytes + sum(part.result.bytes for part in parts),
            seconds=time.monotonic() - done.journey.started,
            elsewhere=_each_once((*(one for part in parts for one in part.result.elsewhere), *result.elsewhere)),
            parts=tuple(_parts(parts)),
            attached=tuple(_attached(parts)),
        )
        return replace(done, result=result)

    def of_parts(self, journey: Journey, parts: Sequence[Finished]) -> Finished:
        """An image that is not brought, because some of its index, or of what is attached to it, is not there."""
        images = [part for part in parts if part.journey.job.attached is None]
        told = list(filter(None, (self._of_images(journey, images), _of_attached(parts))))
        reasons = (part.result.reason for part in parts if part.failed)
        reason = next(filter(None, reasons), Reason.OTHER)
        return self.failure(journey, "; ".join(told), reason=reason, parts=parts)

    def _of_images(self, journey: Journey, images: Sequence[Finished]) -> str:
        """Which images of an index are not there, and why; empty where all are."""
        failed = [part for part in images if part.failed]
        if not failed:
            return ""
        told = [f"{name_of(part)}: {part.result.error}" for part in failed[:_TOLD_PARTS]]
        if len(failed) > _TOLD_PARTS:
            told.append(f"and {len(failed) - _TOLD_PARTS} more")
        head = f"{len(failed)} of the {len(images)} images of its index"
        head = head if len(images) > 1 else "the image of its index"
        if journey.job.sources.from_layout and any(part.unread for part in failed):
            told.append(OF_SOME_PLATFORMS.format("ask for the same here"))
        return f"{head} could not be copied: {'; '.join(told)}"

    def again_or_fail(
        self, journey: Journey, tries: Tries, stage: Look | Planned, *, advice: str = ""
    ) -> Retry | Finished:
        """Put off an image that no candidate has served, or end it."""
        pause = None if self.stopping else tries.begin_again(random.random)
        if pause is not None:
            hosts = dict.fromkeys(one.host for one in tries.left if one.host is not None)
            return Retry(stage=stage, pause=pause, why="every candidate failed", hosts=tuple(hosts))
        told = nobody_served(
            journey.job.image,
            journey.job.sources,
            journey.attempts,
            scoped=self.scoped,
            resolved=journey.digest if journey.resolved else None,
        )
        why_whole = stage.why_whole if isinstance(stage, Planned) else None
        error = "; ".join(filter(None, (told, advice)))
        reason = decisive_reason(journey.attempts)
        return self.failure(journey, error, reason=reason, parts=_so_far(stage), why_whole=why_whole)

    def fault(self, journey: Journey, provenance: Provenance, fault: Fault, stage: Look | Planned) -> Retry | Finished:
        """End, or put off, an image that failed on no candidate's side."""
        parts = _so_far(stage)
        if cannot_keep_schema1(fault.detail):
            return self.failure(journey, NOT_COPIED, provenance, parts=parts)
        if is_ours(fault.detail):
            return self.failure(journey, ours(fault.detail), provenance, parts=parts)
        if fault.reason is Reason.DESTINATION:
            return self.destination_failed(journey, fault, stage)
        return self.failure(journey, fault.detail, provenance, reason=fault.reason, parts=parts)

    def destination_failed(self, journey: Journey, fault: Fault, stage: Look | Planned) -> Retry | Finished:
        """End, or put off, an image that the destination does not take."""
        alone = isinstance(stage, Planned) and stage.alone
        passes = reason_of(fault.detail) in PASSING or (has_lost_content(fault.detail) and not alone)
        pause = journey.destination_rounds.begin(random.random) if passes and not self.stopping else None
        if pause is not None:
            return Retry(stage=stage, pause=pause, why=fault.detail)
        repository = journey.job.place.repository
        lacking = self.platforms if alone else ()
        told = destination_failed(self.destination.name, repository, fault.detail, self.scoped, lacking)
        failure = self.failure(journey, told, reason=Reason.DESTINATION, parts=_so_far(stage))
        return replace(failure, destination_lost=fault.unreachable and not self.stopping)

    def _result(
        self,
        journey: Journey,
        status: Status,
        provenance: Provenance | None,
        parts: Sequence[Finished],
        why_whole: str | None,
    ) -> ImageResult:
        request = journey.job.request
        served = [] if provenance is None else [a for a in provenance.attempts if a.outcome is Outcome.SERVED]
        return ImageResult(
            request=request,
            digest=request.reference.digest or journey.digest,
            destination=journey.job.place.name,
            status=status,
            confirmed=True,
            attempts=(*journey.attempts, *served),
            bytes=sum(part.result.bytes for part in parts),
            seconds=time.monotonic() - journey.started,
            resolved_from=request.reference
            if request.reference.digest is None and journey.digest is not None
            else None,
            parts=() if why_whole is not None else tuple(_parts(parts)),
            attached=tuple(_attached(parts)),
            whole=why_whole,
        )

    def _bytes(self, journey: Journey, status: Status, plan: Plan | None, provenance: Provenance | None) -> int:
        """What an image costs its source: the manifests, and the blobs that are not at the destination already."""
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


def name_of(part: Finished) -> str:
    """An image of an index as people know it: by its platform, else by its digest."""
    found = part.journey.job.part
    platform = None if found is None else found.platform
    return str(part.result.digest if platform is None else platform)


def _of_attached(parts: Sequence[Finished]) -> str:
    """What of that which is attached to an image is not there, and why; empty where all is."""
    return "; ".join(
        f"{found.tag}, which is attached to {found.subject}, could not be copied: {part.result.error}"
        for part in parts
        if (found := part.journey.job.attached) is not None and part.failed
    )


def _so_far(stage: Look | Planned) -> Sequence[Finished]:
    """The units that have come to their end before it."""
    return stage.parts if isinstance(stage, Planned) else ()


def _parts(parts: Iterable[Finished]) -> Iterator[PartResult]:
    """What became of the images of an index; of an index within, of its images first."""
    for part in parts:
        job, result = part.journey.job, part.result
        if job.attached is not None:
            continue
        assert result.digest is not None  # noqa: S101 - an index has named it by its digest
        yield from result.parts
        yield PartResult(
            digest=result.digest,
            platform=None if job.part is None else job.part.platform,
            status=result.status,
            served_by=result.served_by,
            attempts=result.attempts,
            bytes=result.bytes - _bytes_of(result.parts) - _bytes_of(result.attached),
            seconds=result.seconds,
            error=result.error,
        )


def _attached(parts: Iterable[Finished]) -> Iterator[AttachedResult]:
    """What became of what is attached to an image, to those of its index and, before that, to what is attached."""
    for part in parts:
        found, result = part.journey.job.attached, part.result
        yield from result.attached
        if found is not None:
            yield AttachedResult(
                tag=found.tag,
                digest=found.digest,
                kind=found.kind,
                subject=found.subject,
                status=result.status,
                served_by=result.served_by,
                attempts=result.attempts,
                bytes=result.bytes - _bytes_of(result.attached),
                seconds=result.seconds,
                error=result.error,
                parts=result.parts,
            )


def _bytes_of(several: Iterable[UnitResult]) -> int:
    return sum(one.bytes for one in several)


def _each_once(contents: Iterable[LivesElsewhere]) -> tuple[LivesElsewhere, ...]:
    return tuple(dict.fromkeys(contents))
