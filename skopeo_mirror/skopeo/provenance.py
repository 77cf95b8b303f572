"""Who served: the proof, drawn from the events of skopeo's log, held against the route (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from skopeo_mirror.skopeo.debuglog import (
    Died,
    Event,
    LeftElsewhere,
    Lookaside,
    Lost,
    NotTaken,
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
    connection_lost,
    is_ours,
    is_schema1,
    reason_of,
    stage_of,
)
from skopeo_mirror.skopeo.purposes import Purposes, content_of, host_of, in_words, repository_of
from skopeo_mirror.skopeo.secrets import without_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.registries_conf.routing import PullSource


class Outcome(StrEnum):
    """What became of a candidate."""

    SERVED = "served"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One candidate, once. `stage` and `reason` are None where it served; `detail` is in skopeo's own words.

    `log` is where skopeo's debug log of it was kept (`--log-dir`).
    """

    candidate: PullSource
    outcome: Outcome
    stage: Stage | None = None
    reason: Reason | None = None
    detail: str = ""
    seconds: float = 0.0
    log: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What went wrong on no candidate's side: the destination's, or skopeo's own.

    `unreachable`: it was the destination that was talked to last, and nothing answers there, whatever the image.
    """

    reason: Reason
    detail: str
    unreachable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a run ended, as far as the proof needs it.

    `complaint` is set where the run was ended from here (stalled, timeout, rate-limited …), in words.
    """

    at: float
    status: int
    reason: Reason | None = None
    complaint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What one run proves.

    `attempts` are the candidates that it came to, in order. `server` is the one that served, `doubt` why that is not
    proven. `fault` is set where the run failed on no candidate's side. `uncertain` marks a run that was ended while it
    was uploading: then the log cannot tell which side was waited for, and the candidate is blamed provisionally.
    `yielded`: the run was ended at a rate limit, because other candidates were left. `retry_after` is what the last
    server that limited us asked for, in seconds. `pulled` are the digests of the blobs that were asked of a candidate
    (None: the log cannot tell). `fetched` are the URLs of its own that content was asked of, `left` the digests of
    the layers that skopeo left at such a place. `moved`: what is doubted is that a tag still has the digest that it was
    found to have.
    """

    attempts: tuple[Attempt, ...]
    server: PullSource | None = None
    doubt: str | None = None
    fault: Fault | None = None
    uncertain: bool = False
    yielded: bool = False
    retry_after: float = 0.0
    pulled: tuple[str, ...] | None = ()
    fetched: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    moved: bool = False

    @property
    def failed(self) -> bool:
        """Whether anything went wrong, also where another candidate served in the end."""
        return self.server is None or self.doubt is not None or len(self.attempts) > 1

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
        *before, last = self.attempts
        stage = Stage.BLOB if self.pulled else Stage.MANIFEST
        failed = replace(last, outcome=Outcome.FAILED, stage=stage, reason=Reason.OTHER, detail=why)
        return replace(self, attempts=(*before, failed), server=None, doubt=None)

    def blaming(self, reason: Reason, among: Callable[[Attempt], bool]) -> Provenance:
        """The same run, the reason of some of its attempts known better."""
        attempts = tuple(replace(one, reason=reason) if among(one) else one for one in self.attempts)
        return replace(self, attempts=attempts)

    def blaming_destination(self, why: str) -> Provenance:
        """The same run, its failure found to be the destination's: the candidate is cleared."""
        *before, last = self.attempts
        cleared = replace(last, stage=Stage.WRITE, reason=Reason.DESTINATION, detail=f"{last.detail}; {why}")
        fault = Fault(reason=Reason.DESTINATION, detail=why, unreachable=connection_lost(why))
        return replace(self, attempts=(*before, cleared), fault=fault, uncertain=False)


def trace(
    events: Sequence[Event],
    tail: Sequence[str],
    *,
    candidates: Sequence[PullSource],
    ending: Ending,
    digest: Digest | None,
    destination: Reference | None = None,
    elsewhere: Sequence[str] = (),
) -> Provenance:
    """Follow a run through its log.

    `candidates` are those of the scoped configuration, in order; `digest` what was asked for (None: a tag);
    `destination` the repository that was written to, where that is a registry; `elsewhere` the URLs that the image's
    manifests name for content of it, where that may be fetched.
    """
    walk = _Walk(candidates, destination, elsewhere)
    for event in events:
        walk.step(event)
    return walk.conclude(ending, tail, digest)


class _Walk:
    """Walks the events in order, keeping the candidate that skopeo is at."""

    def __init__(
        self, candidates: Sequence[PullSource], destination: Reference | None, elsewhere: Sequence[str]
    ) -> None:
        self._candidates = candidates
        repositories = [one.reference for one in candidates] + ([] if destination is None else [destination])
        self._purposes = Purposes(repositories=frozenset(map(repository_of, repositories)), elsewhere=tuple(elsewhere))
        self._lookasides: list[Lookaside] = []
        self._left: list[str] = []
        self._gaps = False
        self._destination = destination
        self._attempts: dict[int, Attempt] = {}
        self._position = 0
        self._current: int | None = None
        self._stranger: str | None = None
        self._since = 0.0
        self._requests: list[Requested] = []
        self._last: Event | None = None
        self._died: Died | None = None
        self._not_taken: NotTaken | None = None
        self._ours: str | None = None
        self._retry_after = 0.0

    def step(self, event: Event) -> None:
        if isinstance(event, Signed | Lookaside | LeftElsewhere | NotTaken):
            self._note(event)
            return
        self._gaps |= isinstance(event, Lost)
        self._last = event
        match event:
            case Tried(reference=reference):
                self._current = self._find(reference)
                self._stranger = reference if self._current is None else None
                self._since = event.at
                self._requests.clear()
            case Refused(error=error):
                if is_ours(error):
                    self._ours = error
                elif self._current is not None:
                    self._fail(self._current, Stage.MANIFEST, reason_of(error), error, event.at)
                    self._position = self._current + 1
                self._current = None
            case Requested():
                self._requests.append(event)
            case Waiting(seconds=seconds):
                self._retry_after = seconds
            case Retried():
                self._position = 0
                self._current = None
            case Died():
                self._died = event

    def _note(self, event: Signed | Lookaside | LeftElsewhere | NotTaken) -> None:
        """Take what is said beside the way from candidate to candidate."""
        match event:
            case Lookaside():
                self._lookasides.append(event)
            case LeftElsewhere(digest=digest):
                self._left.append(digest)
            case NotTaken():
                self._not_taken = event

    def conclude(self, ending: Ending, tail: Sequence[str], digest: Digest | None) -> Provenance:
        if ending.status == 0 and ending.reason is None:
            return self._succeeded(ending, digest)
        return self._failed(ending, tail)

    def _succeeded(self, ending: Ending, digest: Digest | None) -> Provenance:
        if self._current is None:
            stranger = f": it names {self._stranger}, which is not in the route" if self._stranger else ""
            return self._provenance(doubt=f"skopeo's log does not show which candidate served{stranger}")
        server = self._candidates[self._current]
        self._attempts[self._current] = Attempt(
            candidate=server, outcome=Outcome.SERVED, seconds=ending.at - self._since
        )
        return replace(
            self._provenance(server=server, doubt=self._doubt(server, digest)),
            pulled=tuple(dict.fromkeys(self._pulled())),
            fetched=tuple(self._purposes.fetched(self._requests)),
            left=tuple(dict.fromkeys(self._left)),
        )

    def _doubt(self, server: PullSource, digest: Digest | None) -> str | None:
        """Why the requests do not prove that `server` served (later releases may read blobs from another candidate)."""
        if self._gaps:
            return "skopeo made more requests than are kept in memory, so it is not known where all of them went"
        strange = self._purposes.unexplained([*self._lookasides, *self._requests])
        if strange is not None:
            return f"{in_words(strange)}, which is not in the route"
        asked = [content for event in self._requests if event.method == "GET" and (content := content_of(event.url))]
        wanted = str(digest) if digest is not None else server.reference.tag
        if (*repository_of(server.reference), "manifests", wanted) not in asked:
            return f"skopeo's log shows no request for the manifest {wanted} to {server.reference.name}"
        return None

    def _pulled(self) -> Iterator[str]:
        """The blobs asked of a candidate; a GET of a blob never goes to the destination."""
        for event in self._requests:
            content = content_of(event.url) if event.method == "GET" else None
            if content is not None and content[2] == "blobs" and content[:2] in self._purposes.repositories:
                yield content[3]

    def _failed(self, ending: Ending, tail: Sequence[str]) -> Provenance:
        error = last_words(ending, self._died, tail, self._purposes.elsewhere)
        limited = ending.reason is None and cannot_keep_index(error)
        if limited and self._not_taken is not None:
            error, limited = self._not_taken.error, False
        reason = ending.reason or reason_of(error)
        if ending.reason is None and (self._ours is not None or is_ours(error) or is_schema1(error)):
            return self._provenance(fault=Fault(reason=Reason.OTHER, detail=self._ours or error))
        if self._current is None:
            if self._attempts and self._died is not None:  # every candidate failed; its words are in the attempts
                return self._provenance()
            side = Reason.DESTINATION if ending.reason is None and blames_destination(error) else reason
            return self._provenance(fault=self._fault(side, error))
        if ending.reason is None and not limited and blames_destination(error):
            self._attempts[self._current] = self._attempt(
                self._current, Stage.WRITE, Reason.DESTINATION, error, ending.at
            )
            return self._provenance(fault=self._fault(Reason.DESTINATION, error))
        if ending.reason is not None and self._destination_owes_an_answer():
            self._fail(self._current, Stage.WRITE, Reason.DESTINATION, error, ending.at)
            return self._provenance(fault=self._fault(Reason.DESTINATION, error))
        opened = any(content_of(event.url) for event in self._requests) and not self._waits_for_manifest()
        stage = (
            stage_of(error, opened=opened and not limited)
            if ending.reason is None
            else Stage.BLOB
            if opened
            else Stage.MANIFEST
        )
        self._fail(self._current, stage, reason, error, ending.at)
        failed = self._provenance(
            uncertain=ending.reason is not None and self._was_uploading(),
            yielded=ending.reason is Reason.RATE_LIMITED,
        )
        fetched = tuple(self._purposes.fetched(self._requests))
        return replace(failed, fetched=fetched, pulled=tuple(dict.fromkeys(self._pulled()))) if fetched else failed

    def _fault(self, reason: Reason, error: str) -> Fault:
        """A fault on no candidate's side; the words alone do not make the destination unreachable."""
        to_it = self._destination is not None and any(
            _split(event.url).netloc == host_of(self._destination) for event in self._requests[-1:]
        )
        return Fault(reason=reason, detail=error, unreachable=to_it and connection_lost(error))

    def _waits_for_manifest(self) -> bool:
        return isinstance(self._last, Requested | Waiting) and "/manifests/" in self._last.url

    def _destination_owes_an_answer(self) -> bool:
        """Whether an upload was announced (POST) and never begun (PATCH): nothing of the source is in that."""
        if self._destination is None:
            return False
        uploads = f"{host_of(self._destination)}/v2/{self._destination.path}/blobs/uploads/"
        asked = [event for event in self._requests if uploads in event.url and "mount=" not in event.url]
        announced = sum(event.method == "POST" for event in asked)
        return announced > sum(event.method == "PATCH" for event in asked)

    def _was_uploading(self) -> bool:
        """Whether the last thing that skopeo did was to talk to the destination."""
        if self._destination is None or not isinstance(self._last, Requested):
            return False
        url = _split(self._last.url)
        if url.netloc != host_of(self._destination):
            return False
        return self._last.method != "GET" or url.path.startswith(f"/v2/{self._destination.path}/") or url.path == "/v2/"

    def _find(self, reference: str) -> int | None:
        """The candidate that the log names; two mirrors can yield one reference, so the order decides."""
        order = [*range(self._position, len(self._candidates)), *range(self._position)]
        return next((index for index in order if str(self._candidates[index].reference) == reference), None)

    def _fail(self, index: int, stage: Stage, reason: Reason, error: str, at: float) -> None:
        self._attempts[index] = self._attempt(index, stage, reason, error, at)

    def _attempt(self, index: int, stage: Stage, reason: Reason, error: str, at: float) -> Attempt:
        return Attempt(
            candidate=self._candidates[index],
            outcome=Outcome.FAILED,
            stage=stage,
            reason=reason,
            detail=error,
            seconds=at - self._since,
        )

    def _provenance(
        self,
        *,
        server: PullSource | None = None,
        doubt: str | None = None,
        fault: Fault | None = None,
        uncertain: bool = False,
        yielded: bool = False,
    ) -> Provenance:
        attempts = tuple(self._attempts[index] for index in sorted(self._attempts))
        return Provenance(
            attempts=attempts,
            server=server,
            doubt=doubt,
            fault=fault,
            uncertain=uncertain,
            yielded=yielded,
            retry_after=self._retry_after,
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


def _split(url: str) -> SplitResult:
    """The parts of a URL; of none of it where it is no URL."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
