"""One image's candidates: who is next, who is put off, whether to begin again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.skopeo.faults import HOST_IS_DOWN, PASSING, Reason, Stage
from skopeo_mirror.skopeo.provenance import Attempt, Outcome
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.failover import FIRST_PAUSE, LONGEST_PAUSE, Tries, backoff, decisive_reason
from tests.values import D1, candidate, failed, origin, run_of, served

if TYPE_CHECKING:
    from skopeo_mirror.registries_conf.routing import PullSource

A = candidate(f"a.test/x/app@{D1}")
B = candidate(f"b.test/y/app@{D1}")
O = origin(f"prod.test/app@{D1}")  # noqa: E741 - the origin, beside A and B
ROUTE = (A, B, O)


def tries(circuits: Circuits | None = None, retries: int = 2) -> Tries:
    return Tries("prod.test/app", ROUTE, circuits or Circuits(), retries)


def skipped(who: PullSource, reason: Reason) -> Attempt:
    return Attempt(candidate=who, outcome=Outcome.SKIPPED, reason=reason)


def highest() -> float:
    """The jitter that shortens nothing."""
    return 1.0


@pytest.mark.parametrize(
    ("attempts", "reason"),
    [
        pytest.param((failed(A, Reason.TLS), failed(O, Reason.CONNECTION)), Reason.CONNECTION, id="the-last"),
        pytest.param(
            (failed(A, Reason.TLS), failed(O, Reason.NOT_FOUND)), Reason.TLS, id="it-may-have-what-others-lack"
        ),
        pytest.param((failed(A, Reason.TLS), failed(A, Reason.NOT_FOUND)), Reason.NOT_FOUND, id="its-last-word"),
        pytest.param((failed(A, Reason.NOT_FOUND), failed(O, Reason.NOT_FOUND)), Reason.NOT_FOUND, id="all-say-so"),
        pytest.param((failed(A, Reason.TLS), skipped(O, Reason.BLOCKED)), Reason.TLS, id="the-last-that-was-tried"),
        pytest.param((skipped(A, Reason.CIRCUIT_OPEN),), Reason.CIRCUIT_OPEN, id="none-was-tried"),
        pytest.param((), Reason.OTHER, id="none-there"),
    ],
)
def test_what_decides_is_the_last_word_of_who_failed_last(attempts: tuple[Attempt, ...], reason: Reason) -> None:
    assert decisive_reason(attempts) is reason


def test_skopeo_is_given_all_candidates_first() -> None:
    assert tries().next(0.0) == ROUTE


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.DESTINATION])
def test_who_failed_is_left_out(reason: Reason) -> None:
    one = tries()
    one.record(run_of(failed(A, reason, Stage.BLOB)), 0.0)
    assert one.next(0.0) == (B, O)
    assert [attempt.candidate for attempt in one.attempts] == [A]


def test_skopeos_own_failover_counts() -> None:
    one = tries()
    one.record(run_of(failed(A, Reason.NOT_FOUND), failed(B, Reason.CORRUPT, Stage.BLOB)), 0.0)
    assert one.next(0.0) == (O,)


def test_everyone_had_a_turn() -> None:
    one = tries()
    one.record(run_of(*(failed(who, Reason.NOT_FOUND) for who in ROUTE)), 0.0)
    assert one.next(0.0) == ()
    assert [attempt.candidate for attempt in one.attempts] == list(ROUTE)


def test_who_served_is_no_failure() -> None:
    one = tries()
    one.record(run_of(failed(A, Reason.NOT_FOUND), served(B)), 0.0)
    assert one.next(0.0) == (B, O)
    assert [attempt.candidate for attempt in one.attempts] == [A]


def test_a_doubt_costs_the_candidate_that_raised_it() -> None:
    one = tries()
    one.record(replace(run_of(failed(A, Reason.NOT_FOUND), served(B)), doubt="skopeo read x"), 0.0)
    assert one.next(0.0) == (O,)
    assert [(attempt.candidate, attempt.reason) for attempt in one.attempts] == [
        (A, Reason.NOT_FOUND),
        (B, Reason.OTHER),
    ]
    assert one.attempts[-1].detail == "not confirmed: skopeo read x"


def test_a_fault_of_the_destination_costs_no_candidate() -> None:
    one = tries()
    one.record(run_of(failed(A, Reason.DESTINATION, Stage.WRITE)), 0.0)
    assert one.next(0.0) == ROUTE
    assert [attempt.reason for attempt in one.attempts] == [Reason.DESTINATION]


def test_who_limits_us_comes_last() -> None:
    one = tries()
    one.record(run_of(failed(A, Reason.RATE_LIMITED), yielded=True), 0.0)
    assert one.next(0.0) == (B, O, A)


def test_who_limits_us_to_the_end_has_had_its_turn() -> None:
    one = tries()
    one.record(run_of(failed(A, Reason.RATE_LIMITED)), 0.0)
    assert one.next(0.0) == (B, O)


def test_a_rate_limit_is_waited_out_where_all_others_limit_us_too() -> None:
    one = tries()
    yielded = []
    for who in ROUTE:
        yielded.append(one.yields(one.next(0.0)))
        one.record(run_of(failed(who, Reason.RATE_LIMITED), yielded=True), 0.0)
    assert yielded == [True, True, False]
    assert not one.yields(one.next(0.0))


def test_the_last_candidate_is_always_waited_for() -> None:
    assert not tries().yields((A,))


@pytest.mark.parametrize("reason", list(Reason))
def test_only_some_reasons_tell_of_the_host(reason: Reason) -> None:
    circuits = Circuits()
    for number in range(2):
        Tries(f"image-{number}", ROUTE, circuits, 0).record(run_of(failed(A, reason)), 0.0)
    assert circuits.is_open("a.test", "other", 0.0) is (reason in HOST_IS_DOWN)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(failed(A, Reason.NOT_FOUND), id="not-found"),
        pytest.param(failed(A, Reason.UNAUTHORIZED), id="unauthorized"),
        pytest.param(served(A), id="served"),
    ],
)
def test_an_answer_closes_the_circuit(answer: Attempt) -> None:
    circuits = circuit_open("a.test")
    tries(circuits).record(run_of(answer), 0.0)
    assert not circuits.is_open("a.test", "other", 0.0)


def circuit_open(*hosts: str) -> Circuits:
    circuits = Circuits()
    for host in hosts:
        circuits.failed(host, "one", 0.0)
        circuits.failed(host, "two", 0.0)
    return circuits


def test_a_host_that_is_down_is_left_out_and_that_is_told_once() -> None:
    one = tries(circuit_open("a.test"))
    assert one.next(0.0) == (B, O)
    assert one.next(0.0) == (B, O)
    (skipped,) = one.attempts
    assert (skipped.candidate, skipped.outcome, skipped.reason) == (A, Outcome.SKIPPED, Reason.CIRCUIT_OPEN)


def test_a_host_that_is_down_is_tried_when_it_is_all_that_is_left() -> None:
    one = tries(circuit_open("a.test"))
    one.next(0.0)
    one.record(run_of(failed(B, Reason.NOT_FOUND), failed(O, Reason.NOT_FOUND)), 0.0)
    assert one.next(0.0) == (A,)
    assert tries(circuit_open("a.test", "b.test", "prod.test")).next(0.0) == ROUTE


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.DESTINATION])
def test_another_round_only_for_what_may_pass(reason: Reason) -> None:
    one = tries()
    one.record(run_of(*(failed(who, reason) for who in ROUTE)), 0.0)
    pause = one.begin_again(highest)
    assert (pause is not None) is (reason in PASSING)
    assert one.next(0.0) == (ROUTE if reason in PASSING else ())


def test_another_round_leaves_out_who_cannot_help() -> None:
    one = tries()
    answers = failed(A, Reason.NOT_FOUND), failed(B, Reason.SERVER_ERROR), failed(O, Reason.UNAUTHORIZED)
    one.record(run_of(*answers), 0.0)
    assert one.begin_again(highest) == FIRST_PAUSE
    assert one.next(0.0) == (B,)


def test_the_rounds_are_counted_and_their_pauses_grow() -> None:
    one = tries(retries=2)
    pauses = []
    for _ in range(3):
        one.record(run_of(*(failed(who, Reason.SERVER_ERROR) for who in one.next(0.0))), 0.0)
        pauses.append(one.begin_again(highest))
    assert pauses == [FIRST_PAUSE, FIRST_PAUSE * 2, None]
    assert len(one.attempts) == 9


def test_no_round_without_retries() -> None:
    one = tries(retries=0)
    one.record(run_of(*(failed(who, Reason.SERVER_ERROR) for who in ROUTE)), 0.0)
    assert one.begin_again(highest) is None


def test_what_a_server_asks_for_is_respected() -> None:
    one = tries()
    one.record(run_of(*(failed(who, Reason.RATE_LIMITED) for who in ROUTE), retry_after=16.0), 0.0)
    assert one.begin_again(lambda: 0.0) == 16.0


@pytest.mark.parametrize(
    ("round_", "jitter", "at_least", "seconds"),
    [
        pytest.param(0, 1.0, 0.0, FIRST_PAUSE, id="first"),
        pytest.param(0, 0.0, 0.0, FIRST_PAUSE / 2, id="jitter-halves-at-most"),
        pytest.param(3, 1.0, 0.0, FIRST_PAUSE * 8, id="exponential"),
        pytest.param(50, 1.0, 0.0, LONGEST_PAUSE, id="capped"),
        pytest.param(0, 1.0, 60.0, 60.0, id="at-least"),
        pytest.param(3, 1.0, 2.0, FIRST_PAUSE * 8, id="longer-than-asked"),
    ],
)
def test_backs_off(round_: int, jitter: float, at_least: float, seconds: float) -> None:
    assert backoff(round_, lambda: jitter, at_least) == seconds
