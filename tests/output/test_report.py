"""The report: every one holds to the schema that is shipped, and says what CONTRACT promises."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from skopeo_mirror import __version__
from skopeo_mirror.output.report import SCHEMA, report_document, report_pieces
from skopeo_mirror.output.tally import Location
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.routing import Kind, PullSource
from skopeo_mirror.skopeo.faults import Reason, Stage
from skopeo_mirror.transfer.results import PartResult, Status
from tests.output.results import (
    AMD64,
    ARM64,
    BY_ORIGIN,
    COPIED,
    D3,
    D4,
    D5,
    D6,
    FAILED,
    IN_PARTS,
    MIRROR,
    ORIGIN,
    PRESENT,
    REFERRERS,
    SBOM,
    SIGNATURE,
    WANTED,
    WITH_ATTACHED,
    WOULD_COPY,
    run_of,
)
from tests.rig.copying import report_schema
from tests.values import D1, D2, failed

if TYPE_CHECKING:
    from skopeo_mirror.transfer.results import RunResult

ATTACHED_BEFORE = replace(SIGNATURE, status=Status.PRESENT, served_by=None, attempts=(), bytes=0)


def document(run: RunResult) -> dict[str, Any]:
    """The report as a reader gets it, held against the schema."""
    text = "".join(report_pieces(run))
    assert text.isascii()
    assert text.endswith("}\n")
    found: dict[str, Any] = json.loads(text)
    Draft202012Validator(report_schema()).validate(found)
    return found


def test_the_schema_is_one() -> None:
    schema = report_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["schema"]["const"] == SCHEMA == "skopeo-mirror/report/v1"


def test_the_schema_refuses_what_is_no_report() -> None:
    validator = Draft202012Validator(report_schema())
    good = document(run_of(COPIED, PRESENT, FAILED))
    assert validator.is_valid(good)
    for key in ("schema", "changed", "failed", "summary", "images", "destination"):
        assert not validator.is_valid({name: value for name, value in good.items() if name != key}), key
    assert not validator.is_valid(good | {"schema": "skopeo-mirror/report/v2"})
    assert not validator.is_valid(good | {"changed": "yes"})
    assert not validator.is_valid(good | {"images": [good["images"][0] | {"status": "done"}]})


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(run_of(), id="no-image"),
        pytest.param(run_of(COPIED, PRESENT, FAILED), id="of-each"),
        pytest.param(run_of(WANTED), id="wanted-by"),
        pytest.param(run_of(IN_PARTS, COPIED, platforms=(AMD64,)), id="in-parts"),
        pytest.param(run_of(WITH_ATTACHED, COPIED), id="attached"),
        pytest.param(run_of(replace(COPIED, attached=(REFERRERS,))), id="attached-index"),
        pytest.param(run_of(replace(COPIED, whole="no candidate has its images")), id="whole"),
        pytest.param(run_of(WOULD_COPY, PRESENT, dry_run=True), id="dry-run"),
        pytest.param(run_of(COPIED, FAILED, stopped="interrupted"), id="interrupted"),
    ],
)
def test_every_report_holds_to_the_schema(run: RunResult) -> None:
    document(run)


def test_says_of_a_run_what_was_promised() -> None:
    found = document(run_of(COPIED, PRESENT, FAILED))
    images = found.pop("images")
    assert [image["status"] for image in images] == ["copied", "present", "failed"]
    assert found == {
        "schema": "skopeo-mirror/report/v1",
        "changed": True,
        "failed": True,
        "dry_run": False,
        "started": "2026-01-01T00:00:00Z",
        "seconds": 12.346,
        "tool": {"version": __version__},
        "skopeo": {"path": "/usr/bin/skopeo", "version": "1.9.3"},
        "registries_conf": {"files": ["registries.conf"], "sha256": "0" * 64},
        "destination": "docker://d.test/m",
        "destination_tls_verify": True,
        "shard": None,
        "stopped": None,
        "summary": {
            "images": 3,
            "copied": 1,
            "present": 1,
            "failed": 1,
            "bytes": 1000,
            "served_by": {"prod.test": {"images": 1, "bytes": 1000}},
            "failed_by": {"a.test": {"attempts": 2, "reasons": {"not-found": 1, "circuit-open": 1}}},
        },
    }


def test_says_of_an_image_what_was_promised() -> None:
    (found,) = document(run_of(COPIED))["images"]
    who = {"reference": f"prod.test/app@{D1}", "location": "prod.test", "kind": "origin"}
    assert found == {
        "image": f"prod.test/app@{D1}",
        "digest": str(D1),
        "destination": f"docker://d.test/m/app:pin-sha256-{D1.hex}",
        "status": "copied",
        "confirmed": True,
        "served_by": who,
        "attempts": [
            {
                "reference": f"a.test/x/app@{D1}",
                "location": "a.test",
                "kind": "mirror",
                "outcome": "failed",
                "stage": "manifest",
                "reason": "not-found",
                "detail": "manifest unknown",
                "seconds": 0.0,
            },
            who | {"outcome": "served", "stage": None, "reason": None, "detail": "", "seconds": 0.0},
        ],
        "bytes": 1000,
        "seconds": 1.235,
        "error": None,
        "reason": None,
    }


def test_shows_a_tag_and_what_it_was_resolved_to() -> None:
    (found,) = document(run_of(PRESENT))["images"]
    assert found["resolved_from"] == "prod.test/app:v1"
    assert found["digest"] == str(D2)
    assert found["served_by"] is None
    assert found["confirmed"] is True


def test_shows_who_wanted_an_image() -> None:
    (found,) = document(run_of(WANTED))["images"]
    assert found["wanted_by"] == [{"catalog": "c", "package": "p", "channel": "stable", "bundle": "p.v1"}]
    assert "wanted_by" not in document(run_of(COPIED))["images"][0]


def test_says_of_the_parts_of_an_image_what_was_promised() -> None:
    (found,) = document(run_of(IN_PARTS))["images"]
    assert [part["digest"] for part in found["parts"]] == [str(digest) for digest in (D3, D4, D5)]
    assert found["parts"][1] == {
        "digest": str(D4),
        "platform": "linux/arm64",
        "status": "copied",
        "served_by": {"reference": f"prod.test/app@{D4}", "location": "prod.test", "kind": "origin"},
        "attempts": [
            {
                "reference": f"a.test/x/app@{D4}",
                "location": "a.test",
                "kind": "mirror",
                "outcome": "failed",
                "stage": "manifest",
                "reason": "not-found",
                "detail": "manifest unknown",
                "seconds": 0.0,
            },
            {
                "reference": f"prod.test/app@{D4}",
                "location": "prod.test",
                "kind": "origin",
                "outcome": "served",
                "stage": None,
                "reason": None,
                "detail": "",
                "seconds": 0.0,
            },
        ],
        "bytes": 400,
        "seconds": 0.0,
        "error": None,
    }
    there = found["parts"][2]
    assert [there[key] for key in ("platform", "status", "served_by", "attempts")] == [None, "present", None, []]
    assert (found["served_by"]["location"], found["bytes"]) == ("a.test", 750)


def test_says_of_what_is_attached_what_was_promised() -> None:
    found = document(run_of(WITH_ATTACHED))
    signature, sbom = found["images"][0]["attached"]
    assert [attempt["reason"] for attempt in signature.pop("attempts")] == ["corrupt", None]
    assert signature == {
        "tag": f"sha256-{D3.hex}.sig",
        "digest": str(D6),
        "kind": "sig",
        "subject": str(D3),
        "status": "copied",
        "served_by": {"reference": f"prod.test/app@{D6}", "location": "prod.test", "kind": "origin"},
        "bytes": 20,
        "seconds": 0.5,
        "error": None,
    }
    assert (sbom["kind"], sbom["subject"], sbom["served_by"]["location"]) == ("sbom", str(D1), "a.test")


def test_tells_what_is_not_of_every_run_only_where_there_is_something() -> None:
    plain = document(run_of(COPIED))
    assert "platforms" not in plain
    assert "attached" not in plain["summary"]
    assert not {"parts", "whole", "attached"} & plain["images"][0].keys()
    special = document(run_of(replace(COPIED, whole="no candidate has its images"), platforms=(AMD64, ARM64)))
    assert special["platforms"] == ["linux/amd64", "linux/arm64"]
    assert special["images"][0]["whole"] == "no candidate has its images"


@pytest.mark.parametrize(
    ("run", "changed", "failed_"),
    [
        pytest.param(run_of(), False, False, id="nothing"),
        pytest.param(run_of(PRESENT), False, False, id="present"),
        pytest.param(run_of(COPIED), True, False, id="copied"),
        pytest.param(run_of(FAILED, PRESENT), False, True, id="failed"),
        pytest.param(run_of(WOULD_COPY, dry_run=True), True, False, id="would-change"),
        pytest.param(run_of(PRESENT, stopped="interrupted"), False, True, id="stopped"),
        pytest.param(run_of(replace(FAILED, attached=(SBOM,))), True, True, id="attached-alone"),
        pytest.param(run_of(replace(PRESENT, attached=(ATTACHED_BEFORE,))), False, False, id="attached-before"),
    ],
)
def test_changed_and_failed_can_be_believed(run: RunResult, changed: bool, failed_: bool) -> None:
    found = document(run)
    assert (found["changed"], found["failed"]) == (changed, failed_)


def test_sums_up_by_location() -> None:
    from_a = replace(COPIED, served_by=MIRROR, bytes=5)
    summary = document(run_of(from_a, COPIED, from_a))["summary"]
    assert summary["served_by"] == {"a.test": {"images": 2, "bytes": 10}, "prod.test": {"images": 1, "bytes": 1000}}
    assert summary["bytes"] == 1010


def test_sums_up_parts_where_they_came_from() -> None:
    summary = document(run_of(IN_PARTS, COPIED))["summary"]
    assert summary["served_by"] == {
        "a.test": {"images": 1, "bytes": 350},
        "prod.test": {"images": 2, "bytes": 1400},
    }
    assert summary["bytes"] == 1750


def test_sums_up_what_is_attached_where_it_came_from() -> None:
    before = replace(PRESENT, attached=(ATTACHED_BEFORE,))
    summary = document(run_of(WITH_ATTACHED, before))["summary"]
    assert summary["attached"] == {"copied": 2, "present": 1, "failed": 0}
    assert summary["served_by"] == {"a.test": {"images": 1, "bytes": 360}, "prod.test": {"images": 1, "bytes": 20}}
    assert (summary["images"], summary["bytes"]) == (2, 380)
    would = replace(WOULD_COPY, attached=(replace(SBOM, status=Status.WOULD_COPY),))
    summary = document(run_of(would, dry_run=True))["summary"]
    assert summary["attached"] == {"copied": 0, "would_copy": 1, "present": 0, "failed": 0}


def test_tells_and_sums_up_the_artifacts_of_an_index_of_referrers_where_they_came_from() -> None:
    found = document(run_of(replace(PRESENT, status=Status.COPIED, served_by=MIRROR, attached=(REFERRERS,), bytes=12)))
    [referrers] = found["images"][0]["attached"]
    [artifact] = referrers["parts"]
    assert (referrers["served_by"]["location"], artifact["served_by"]["location"]) == ("a.test", "prod.test")
    assert found["summary"]["served_by"] == {
        "a.test": {"images": 1, "bytes": 5},
        "prod.test": {"images": 1, "bytes": 7},
    }
    assert found["summary"]["attached"]["copied"] == 1


def test_counts_every_failure_of_a_location_whatever_it_was_for_and_whoever_served() -> None:
    """One attempt served, one was made for a part, one for what is attached; the destination's fault is nobody's."""
    ours = failed(ORIGIN, Reason.DESTINATION, Stage.WRITE)
    summary = document(run_of(replace(IN_PARTS, attached=(SIGNATURE,)), replace(FAILED, attempts=(ours,))))["summary"]
    assert summary["failed_by"] == {"a.test": {"attempts": 2, "reasons": {"not-found": 1, "corrupt": 1}}}
    assert document(run_of(PRESENT))["summary"]["failed_by"] == {}


def test_a_location_that_is_mirror_and_origin_has_its_failures_together() -> None:
    both = tuple(failed(replace(MIRROR, kind=kind), Reason.TLS) for kind in (Kind.MIRROR, Kind.ORIGIN))
    summary = document(run_of(replace(FAILED, attempts=both)))["summary"]
    assert summary["failed_by"] == {"a.test": {"attempts": 2, "reasons": {"tls": 2}}}


def test_says_why_an_image_failed_and_which_part_of_the_list_it_is_of() -> None:
    found = document(replace(run_of(FAILED), shard="2/3"))
    assert (found["images"][0]["reason"], found["shard"]) == ("circuit-open", "2/3")


def test_parts_that_arrived_count_where_another_failed() -> None:
    lost = PartResult(digest=D5, platform=None, status=Status.FAILED, error="no candidate served it")
    half = replace(IN_PARTS, status=Status.FAILED, served_by=None, parts=(BY_ORIGIN, lost), bytes=400, error="a part")
    found = document(run_of(half))
    assert found["summary"]["served_by"] == {"prod.test": {"images": 1, "bytes": 400}}
    assert found["summary"]["bytes"] == 400
    assert found["images"][0]["parts"][1]["error"] == "no candidate served it"


def test_a_wildcard_without_location_stands_for_the_host() -> None:
    wildcard = PullSource(
        reference=Reference.parse("x.prod.test/app:1"), location="", insecure=False, blocked=False, kind=Kind.ORIGIN
    )
    assert Location.of(wildcard).name == "x.prod.test"


@given(st.sampled_from(Stage), st.sampled_from(Reason), st.text())
def test_no_words_of_skopeo_break_the_report(stage: Stage, reason: Reason, detail: str) -> None:
    attempt = failed(MIRROR, reason, stage, detail)
    (found,) = document(run_of(replace(FAILED, attempts=(attempt,), error=detail)))["images"]
    assert (found["attempts"][0]["stage"], found["attempts"][0]["reason"]) == (stage.value, reason.value)
    assert found["attempts"][0]["detail"] == found["error"] == detail


def test_a_file_name_that_is_no_text_does_not_break_the_report() -> None:
    assert "udcff" in "".join(report_pieces(replace(run_of(), configuration_files=("\udcff.conf",))))


def test_the_document_is_not_shared() -> None:
    run = run_of(COPIED)
    assert report_document(run) == report_document(run)
    assert report_document(run) is not report_document(run)


@pytest.mark.parametrize("images", [0, 1, 3])
def test_the_text_is_the_document(images: int) -> None:
    run = run_of(*(COPIED, FAILED, IN_PARTS)[:images])
    assert "".join(report_pieces(run)) == json.dumps(report_document(run), indent=2) + "\n"
