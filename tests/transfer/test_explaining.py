"""What people are told of an image that nobody served."""

from __future__ import annotations

import errno

import pytest

from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import Attempt, Outcome
from skopeo_mirror.transfer.explaining import describe, signatures_refused, temporary_trouble, why_nobody_served
from tests.values import D1, candidate, failed, origin, served

A = candidate(f"a.test/x/app@{D1}")
O = origin(f"prod.test/app@{D1}")  # noqa: E741 - the origin, beside A


def test_says_of_every_candidate_why() -> None:
    attempts = [failed(A, Reason.NOT_FOUND, detail="unknown"), failed(O, Reason.TLS, detail="x509: no")]
    assert why_nobody_served(attempts, mirrors_only=False) == (
        "no candidate served it: mirror a.test/x/app: not-found (unknown); origin prod.test/app: tls (x509: no)"
    )


def test_the_last_word_on_a_candidate_counts() -> None:
    attempts = [failed(A, Reason.CONNECTION, detail="refused"), failed(A, Reason.NOT_FOUND, detail="unknown")]
    told = why_nobody_served(attempts, mirrors_only=True)
    assert told == "no mirror served it (--mirrors-only): mirror a.test/x/app: not-found (unknown)"


def test_who_served_is_not_blamed() -> None:
    assert "a.test" not in why_nobody_served([served(A), failed(O, Reason.TLS)], mirrors_only=False)


def test_says_when_there_is_no_candidate() -> None:
    assert "--mirrors-only leaves out the origin" in why_nobody_served([], mirrors_only=True)


def test_a_skipped_candidate_is_one_that_was_skipped() -> None:
    attempt = Attempt(candidate=A, outcome=Outcome.SKIPPED, reason=Reason.BLOCKED, detail="it is blocked")
    assert describe(attempt) == "mirror a.test/x/app: skipped (it is blocked)"


def test_a_long_story_is_cut_and_stands_on_one_line() -> None:
    told = describe(failed(A, Reason.OTHER, detail="a\nb\r\n" + "x" * 10_000))
    assert "\n" not in told
    assert "(a b xxx" in told
    assert len(told) < 400


def test_trouble_on_this_host_names_the_way_out() -> None:
    told = temporary_trouble(OSError(errno.ENOSPC, "No space left on device", "/tmp/x"))
    assert told.startswith("/tmp/x: No space left on device")
    assert "TMPDIR" in told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("Can not copy signatures to oci:/x:: Pushing signatures for OCI images is not supported", "--remove-sig"),
        ("Cannot determine canonical Docker reference for destination oci:/x:", "those of --sign-by"),
        ("Cannot determine canonical Docker reference for destination dir:/x", "(--sign-by)"),
        ("writing signatures: writing sigstore attachments is disabled by configuration", "use-sigstore-attachments"),
    ],
)
def test_says_what_to_do_where_signatures_cannot_go(error: str, told: str) -> None:
    assert told in signatures_refused(error)


def test_says_nothing_of_signatures_where_something_else_is_wrong() -> None:
    assert signatures_refused("writing signatures: uploading manifest to d.test/x: 500") == ""
