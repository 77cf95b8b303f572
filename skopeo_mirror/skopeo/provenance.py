"""The proof of who served: the events of skopeo's log, held against the route (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from skopeo_mirror.skopeo.debuglog import (
    Died,
    Event,
    Gap,
    IndexRefused,
    LeftElsewhere,
    Lookaside,
    Refused,
    Requested,
    Retried,
    Signed,
    Tried,
    Waiting,
)
from skopeo_mirror.skopeo.faults import (
    Reason,
    Stage,
    blames_destination,
    cannot_keep_index,
    cannot_keep_schema1,
    connection_lost,
    is_ours,
    reason_of,
    stage_of,
)
from skopeo_mirror.skopeo.purposes import Purposes, content_of, host_of, in_words, repository_of, split_url
from skopeo_mirror.skopeo.secrets import without_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.purposes import Content


class Outcome(StrEnum):
    """The outcome of asking a candidate."""

    SERVED = "served"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One candidate, once."""

    candidate: PullSource
    outcome: Outcome
    stage: Stage | None = None
    """How far it came; None, as `reason`, where it served."""
    reason: Reason | None = None
    detail: str = ""
    """What went wrong, in skopeo's own words."""
    seconds: float = 0.0
    log: str | None = None
    """Where skopeo's debug log of it was kept (`--log-dir`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A fault on no candidate's side: the destination's, or skopeo's own."""

    reason: Reason
    detail: str
    unreachable: bool = False
    """Whether it was the destination that was talked to last, and nothing answers there, whatever the image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """The end of a run, as far as the proof needs it."""

    at: float
    status: int
    reason: Reason | None = None
    """Why the run was ended from here (stalled, timeout, rate-limited …), if it was; `complaint` says it in words."""
    complaint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What one run proves."""

    attempts: tuple[Attempt, ...]
    """The candidates that it came to, in order."""
    server: PullSource | None = None
    """The candidate that served."""
    doubt: str | None = None
    """Why that is not proven."""
    fault: Fault | None = None
    """Where the run failed on no candidate's side."""
    uncertain: bool = False
    """The run was ended while it was uploading: the log cannot tell which side was waited for, so the blame that the
    candidate has is provisional."""
    yielded: bool = False
    """The run was ended at a rate limit, because other candidates were left."""
    retry_after: float = 0.0
    """Seconds that the last server that limited us asked for."""
    pulled: tuple[str, ...] | None = ()
    """The digests of the blobs that were asked of a candidate (None: the log cannot tell)."""
    fetched: tuple[str, ...] = ()
    """The URLs of its own that content was asked of."""
    left: tuple[str, ...] = ()
    """The digests of the layers that skopeo left at such a place."""
    moved: bool = False
    """What is doubted is that a tag still has the digest that it was found to have."""

    @property
    def proven(self) -> bool:
        """Whether it is known who served."""
        return self.server is not None and self.doubt is None

    @property
    def failed(self) -> bool:
        """Whether anything went wrong, also where another candidate served in the end."""
        return not self.proven or len(self.attempts) > 1

    def logged_in(self, log: str) -> Provenance:
        """The same run, its log kept."""
        attempts = tuple(
            replace(attempt, log=log) if attempt.outcome is Outcome.FAILED or self.doubt is not None else attempt
            for attempt in self.attempts
        )
        fault = None if self.fault is None else replace(self.fault, detail=f"{self.fault.detail} [log: {log}]")
        return replace(self, attempts=attempts, fault=fault)

    def disbelieved(self) -> Provenance:
        """The same run, its doubt counted against the candidate that raised it; a fault where it was none."""
        if self.doubt is None or self.moved:  # a tag that has moved is nobody's fault
            return self
        why = f"not confirmed: {self.doubt}"
        if self.server is None:
            return replace(self, doubt=None, fault=Fault(reason=Reason.OTHER, detail=why))
        return self.disproved(Stage.BLOB if self.pulled else Stage.MANIFEST, Reason.OTHER, why)

    def disproved(self, stage: Stage, reason: Reason, why: str) -> Provenance:
        """The same run, its last attempt found to have failed."""
        *before, last = self.attempts
        failed = replace(last, outcome=Outcome.FAILED, stage=stage, reason=reason, detail=why)
        return replace(self, attempts=(*before, failed), server=None, doubt=None)

    def blaming(self, reason: Reason, among: Callable[[Attempt], bool]) -> Provenance:
        """The same run, the reason of some of its attempts known better."""
        attempts = tuple(replace(one, reason=reason) if among(one) else one for one in self.attempts)
        return replace(self, attempts=attempts)

    def blaming_destination(self, why: str) -> Provenance:
        """The same run, its failure found to be the destination's: the candidate is cleared."""
        cleared = self.disproved(Stage.WRITE, Reason.DESTINATION, f"{self.attempts[-1].detail}; {why}")
        fault = Fault(reason=Reason.DESTINATION, detail=why, unreachable=connection_lost(why))
        return replace(cleared, fault=fault, uncertain=False)


def trace(
    events: Sequence[Event],
    tail: Sequence[str],
    ending: Ending,
    *,
    candidates: Sequence[PullSource],
    digest: Digest | None,
    destination: Reference | None = None,
    elsewhere: Sequence[str] = (),
) -> Provenance:
    """Follow a run through its log.

    `candidates` are those of the scoped configuration, in order; `digest` what was asked for (None: a tag);
    `destination` the repository that was written to, where that is a registry; `elsewhere` the URLs that the image's
    manifests name for content of it, where that may be fetched.
    """
    repositories = [one.reference for one in candidates] + ([] if destination is None else [destination])
    purposes = Purposes(repositories=frozenset(map(repository_of, repositories)), elsewhere=tuple(elsewhere))
    walk = _Walk(candidates=candidates, destination=destination, purposes=purposes)
    for event in events:
        walk.step(event)
    if ending.status == 0 and ending.reason is None:
        return walk.succeeded(ending, digest)
    return walk.failed(ending, tail)


@dataclass(kw_only=True, slots=True)
class _Walk:
    """A walk through the events in order: where skopeo is, and what became of the candidates before."""

    candidates: Sequence[PullSource]
    destination: Reference | None
    purposes: Purposes
    attempts: dict[int, Attempt] = field(default_factory=dict)
    """By the place of the candidate in the route."""
    current: int | None = None
    """The candidate that skopeo is at; None between two, and at one that is not in the route."""
    stranger: str | None = None
    """The reference that skopeo is at, if the route has no such candidate."""
    position: int = 0
    """Where in the route skopeo's next candidate is looked for first."""
    since: float = 0.0
    """When skopeo turned to the candidate that it is at."""
    requests: list[Requested] = field(default_factory=list)
    """Those since then."""
    last: Event | None = None
    """The last event on the way from candidate to candidate."""
    gaps: bool = False
    """Whether events are missing."""
    lookasides: list[Lookaside] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    died: Died | None = None
    not_taken: IndexRefused | None = None
    local: str | None = None
    """An error that is this machine's."""
    retry_after: float = 0.0
    limited_by: str = ""
    """The host whose rate limit was met last."""

    def step(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case Tried() | Refused() | Retried():
                self._turn(event)
            case Requested():
                self.requests.append(event)
            case Waiting(url=url, seconds=seconds):
                self.retry_after, self.limited_by = seconds, split_url(url).netloc
            case Died():
                self.died = event
            case Gap():
                self.gaps = True
            case Lookaside():
                self.lookasides.append(event)
            case LeftElsewhere(digest=digest):
                self.left.append(digest)
            case IndexRefused():
                self.not_taken = event
        if not isinstance(event, Signed | Lookaside | LeftElsewhere | IndexRefused):
            self.last = event

    def _turn(self, event: Tried | Refused | Retried) -> None:
        """Follow skopeo to a candidate, or away from one."""
        before, self.current = self.current, None
        match event:
            case Tried(reference=reference):
                self.current = self._find(reference)
                self.stranger = reference if self.current is None else None
                self.since = event.at
                self.requests.clear()
            case Refused(error=error):
                if is_ours(error):
                    self.local = error
                elif before is not None:
                    self._fail(before, Stage.MANIFEST, reason_of(error), error, event.at)
                    self.position = before + 1
            case Retried():
                self.position = 0

    def succeeded(self, ending: Ending, digest: Digest | None) -> Provenance:
        """What is proven of a run that was to read `digest` and that ended well."""
        if self.current is None:
            stranger = f": it names {self.stranger}, which is not in the route" if self.stranger else ""
            return replace(self._so_far(), doubt=f"skopeo's log does not show which candidate served{stranger}")
        server = self.candidates[self.current]
        self.attempts[self.current] = Attempt(candidate=server, outcome=Outcome.SERVED, seconds=ending.at - self.since)
        return replace(
            self._so_far(),
            server=server,
            doubt=self._doubt(server, digest),
            pulled=self._pulled(),
            fetched=self.purposes.fetched(self.requests),
            left=tuple(dict.fromkeys(self.left)),
        )

    def failed(self, ending: Ending, tail: Sequence[str]) -> Provenance:
        """What is proven of a run that failed, or that was ended from here."""
        error = last_words(ending, self.died, tail, self.purposes.elsewhere)
        by_itself = ending.reason is None
        limited = by_itself and cannot_keep_index(error)
        if limited and self.not_taken is not None:
            error, limited = self.not_taken.error, False
        reason = ending.reason or reason_of(error)
        if by_itself and (self.local is not None or is_ours(error) or cannot_keep_schema1(error)):
            return replace(self._so_far(), fault=Fault(reason=Reason.OTHER, detail=self.local or error))
        if self.current is None:
            if self.attempts and self.died is not None:  # every candidate failed; its words are in the attempts
                return self._so_far()
            side = Reason.DESTINATION if by_itself and blames_destination(error) else reason
            return replace(self._so_far(), fault=self._fault(side, error))
        blamed = blames_destination(error) if by_itself else self._destination_owes_an_answer(reason)
        if blamed and not limited:
            self._fail(self.current, Stage.WRITE, Reason.DESTINATION, error, ending.at)
            return replace(self._so_far(), fault=self._fault(Reason.DESTINATION, error))
        waits_for_manifest = isinstance(self.last, Requested | Waiting) and "/manifests/" in self.last.url
        opened = any(content_of(event.url) for event in self.requests) and not waits_for_manifest
        cut_at = Stage.BLOB if opened else Stage.MANIFEST
        stage = stage_of(error, opened=opened and not limited) if by_itself else cut_at
        self._fail(self.current, stage, reason, error, ending.at)
        fetched = self.purposes.fetched(self.requests)
        return replace(
            self._so_far(),
            uncertain=not by_itself and self._was_uploading(),
            yielded=ending.reason is Reason.RATE_LIMITED,
            fetched=fetched,
            pulled=self._pulled() if fetched else (),
        )

    def _so_far(self) -> Provenance:
        attempts = tuple(self.attempts[index] for index in sorted(self.attempts))
        return Provenance(attempts=attempts, retry_after=self.retry_after)

    def _doubt(self, server: PullSource, digest: Digest | None) -> str | None:
        """Why the requests do not prove that `server` served (later releases may read blobs from another candidate)."""
        if self.gaps:
            return "skopeo made more requests than are kept in memory, so it is not known where all of them went"
        strange = self.purposes.unexplained([*self.lookasides, *self.requests])
        if strange is not None:
            return f"{in_words(strange)}, which is not in the route"
        wanted = str(digest) if digest is not None else server.reference.tag
        if (*repository_of(server.reference), "manifests", wanted) not in self._read():
            return f"skopeo's log shows no request for the manifest {wanted} to {server.reference.name}"
        return None

    def _read(self) -> list[Content]:
        """The manifests and blobs that were asked for."""
        return [content for event in self.requests if event.method == "GET" and (content := content_of(event.url))]

    def _pulled(self) -> tuple[str, ...]:
        """The blobs asked of a candidate; a GET of a blob never goes to the destination."""
        blobs = (content for content in self._read() if content.kind == "blobs")
        return tuple(dict.fromkeys(blob.name for blob in blobs if blob.repository in self.purposes.repositories))

    def _fault(self, reason: Reason, error: str) -> Fault:
        """A fault on no candidate's side; the words alone do not make the destination unreachable."""
        to_it = self.destination is not None and any(
            split_url(event.url).netloc == host_of(self.destination) for event in self.requests[-1:]
        )
        return Fault(reason=reason, detail=error, unreachable=to_it and connection_lost(error))

    def _destination_owes_an_answer(self, ended_for: Reason | None) -> bool:
        """Whether an upload was announced (POST) and never begun (PATCH): nothing of the source is in that.

        But for a run that was ended for a source's rate limit: other layers of the image are on their way meanwhile.
        """
        if self.destination is None:
            return False
        if ended_for is Reason.RATE_LIMITED and self.limited_by != host_of(self.destination):
            return False
        uploads = f"{host_of(self.destination)}/v2/{self.destination.path}/blobs/uploads/"
        asked = [event for event in self.requests if uploads in event.url and "mount=" not in event.url]
        announced = sum(event.method == "POST" for event in asked)
        return announced > sum(event.method == "PATCH" for event in asked)

    def _was_uploading(self) -> bool:
        """Whether the last thing that skopeo did was to talk to the destination."""
        if self.destination is None or not isinstance(self.last, Requested):
            return False
        url = split_url(self.last.url)
        if url.netloc != host_of(self.destination):
            return False
        return self.last.method != "GET" or url.path.startswith(f"/v2/{self.destination.path}/") or url.path == "/v2/"

    def _find(self, reference: str) -> int | None:
        """The candidate that the log names; two mirrors can yield one reference, so the order decides."""
        order = [*range(self.position, len(self.candidates)), *range(self.position)]
        return next((index for index in order if str(self.candidates[index].reference) == reference), None)

    def _fail(self, index: int, stage: Stage, reason: Reason, error: str, at: float) -> None:
        self.attempts[index] = Attempt(
            candidate=self.candidates[index],
            outcome=Outcome.FAILED,
            stage=stage,
            reason=reason,
            detail=error,
            seconds=at - self.since,
        )


def last_trouble(provenance: Provenance) -> str:
    """What was wrong last, in a run from which nothing came."""
    if provenance.doubt is not None:
        return provenance.doubt
    if provenance.attempts:
        return provenance.attempts[-1].detail
    return provenance.fault.detail if provenance.fault is not None else ""


def last_words(ending: Ending, died: Died | None, tail: Sequence[str], elsewhere: Sequence[str] = ()) -> str:
    """Why a run failed: in our words where it was ended from here, else in skopeo's, which may name `elsewhere`."""
    if ending.complaint:
        return ending.complaint
    if died is not None:
        return without_queries(died.error.encode(errors="replace"), elsewhere).decode(errors="replace")
    how = f"signal {-ending.status}" if ending.status < 0 else f"exit status {ending.status}"
    return "\n".join([f"skopeo ended with {how} and did not say why", *tail[-5:]])
