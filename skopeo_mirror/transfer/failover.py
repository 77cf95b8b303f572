"""Failover among an image's candidates: who is next, who failed, how often it is begun again (no clock, no process).

The policy of retries stands here: how many rounds there are (`Rounds`, also for trouble of the destination), for what,
and the pauses before them. skopeo goes through the candidates by itself as far as it can. What is decided here is what
it cannot: to drop the one that it had settled on, to put off one that limits its rate, to leave out hosts that are
down, to begin again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skopeo_mirror.skopeo.faults import HOST_IS_DOWN, PASSING, Reason, Stage
from skopeo_mirror.skopeo.provenance import Attempt, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.provenance import Provenance
    from skopeo_mirror.transfer.circuits import Circuits

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0


def backoff(round_: int, random: Callable[[], float], at_least: float = 0.0) -> float:
    """Seconds to wait before retry number `round_` (from 0): exponential, capped, with jitter downwards to a half.

    `at_least` is what a server asked for (`Retry-After`); it is respected to the second.
    """
    pause: float = min(FIRST_PAUSE * 2**round_, LONGEST_PAUSE) * (0.5 + random() / 2)
    return max(pause, at_least)


def decisive_reason(attempts: Sequence[Attempt]) -> Reason:
    """Why nobody has served in the end: the last word of the last candidate that was tried, else passed over.

    `not-found` only where all say so: what one candidate lacks, another that was in trouble may have.
    """
    tried = [attempt for attempt in attempts if attempt.outcome is Outcome.FAILED] or list(attempts)
    last = {attempt.candidate: attempt for attempt in tried}
    reasons = [one.reason for one in tried if last[one.candidate] is one and one.reason is not None]
    otherwise = reasons[-1] if reasons else Reason.OTHER
    return next((reason for reason in reversed(reasons) if reason is not Reason.NOT_FOUND), otherwise)


class Rounds:
    """The rounds after the first that faults which may pass are worth: as many as `retries`, their pauses growing."""

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._begun = 0

    def begin(self, random: Callable[[], float], at_least: float = 0.0) -> float | None:
        """Begin the next: the seconds to wait before it, or None when all are used up."""
        if self._begun >= self._retries:
            return None
        self._begun += 1
        return backoff(self._begun - 1, random, at_least)


class Tries:
    """The candidates of one image on their way through; `skipped` were left out beforehand."""

    def __init__(
        self,
        image: str,
        candidates: Sequence[PullSource],
        circuits: Circuits,
        retries: int,
        *,
        skipped: Sequence[Attempt] = (),
    ) -> None:
        self.attempts = list(skipped)
        self._image = image
        self._all = tuple(candidates)
        self._circuits = circuits
        self._rounds = Rounds(retries)
        self._left = list(candidates)
        self._limited: list[PullSource] = []
        self._failed: dict[PullSource, Reason] = {}
        self._retry_after = 0.0

    def next(self, now: float) -> tuple[PullSource, ...]:
        """The candidates that skopeo is to be given now, in order; empty when all had their turn.

        Hosts with an open circuit are left out, unless they are all that is left.
        """
        closed: list[PullSource] = []
        open_: list[PullSource] = []
        for candidate in self._left:
            is_open = self._circuits.is_open(candidate.reference.domain, self._image, now)
            (open_ if is_open else closed).append(candidate)
        if not closed:
            return tuple(self._left)
        for candidate in open_:
            self.skip(candidate, Reason.CIRCUIT_OPEN, f"{candidate.reference.domain} is down for other images")
        return tuple(closed)

    @property
    def left(self) -> tuple[PullSource, ...]:
        """The candidates that have not failed, in order."""
        return tuple(self._left)

    def yields(self, candidates: Sequence[PullSource]) -> bool:
        """Whether a rate limit is to end the run, because one of `candidates` has not limited us yet."""
        return len(candidates) > 1 and any(candidate not in self._limited for candidate in candidates[1:])

    def record(self, provenance: Provenance, now: float) -> None:
        """Take what a run has shown. A doubt costs the candidate that raised it, a fault of the destination none."""
        for attempt in provenance.disbelieved().attempts:
            candidate, host = attempt.candidate, attempt.candidate.reference.domain
            if attempt.outcome is Outcome.SERVED:
                self._circuits.answered(host, blobs=bool(provenance.pulled))
                continue
            self.attempts.append(attempt)
            if attempt.reason is Reason.DESTINATION or attempt.reason is None:
                continue
            blobs = attempt.stage is Stage.BLOB
            if attempt.reason in HOST_IS_DOWN:
                self._circuits.failed(host, self._image, now, blobs=blobs)
            else:
                self._circuits.answered(host, blobs=blobs)
            self._drop(candidate, attempt.reason, was_yielded=provenance.yielded)
        self._retry_after = max(self._retry_after, provenance.retry_after)

    def skip(self, candidate: PullSource, reason: Reason, why: str) -> None:
        """Take note, once, that a candidate is not tried."""
        attempt = Attempt(candidate=candidate, outcome=Outcome.SKIPPED, reason=reason, detail=why)
        if attempt not in self.attempts:
            self.attempts.append(attempt)

    def begin_again(self, random: Callable[[], float]) -> float | None:
        """Start another round with those that failed for a passing reason; the seconds to wait before it.

        None when there is none, or when all rounds are used up.
        """
        passing = [candidate for candidate in self._all if self._failed.get(candidate) in PASSING]
        pause = self._rounds.begin(random, self._retry_after) if passing else None
        if pause is None:
            return None
        self._left = passing
        self._limited.clear()
        self._failed.clear()
        self._retry_after = 0.0
        return pause

    def _drop(self, candidate: PullSource, reason: Reason, *, was_yielded: bool) -> None:
        if candidate not in self._left:
            return
        self._left.remove(candidate)
        if reason is Reason.RATE_LIMITED and was_yielded:
            self._limited.append(candidate)
            self._left.append(candidate)
        else:
            self._failed[candidate] = reason
