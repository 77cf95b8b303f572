"""The metrics: Prometheus' own client reads back what is written, whatever a run was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from skopeo_mirror.output import metrics
from skopeo_mirror.output.metrics import HELP, metrics_pieces
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import Attempt, Outcome
from tests.output.results import COPIED, FAILED, IN_PARTS, MIRROR, PRESENT, WOULD_COPY, run_of
from tests.values import failed

if TYPE_CHECKING:
    from pathlib import Path

    from skopeo_mirror.transfer.results import RunResult

    Key = tuple[str, frozenset[tuple[str, str]]]

TO = "docker://d.test/m"
ENDED = 1767225612.346
"""When a run of 12.3456 s from 2026-01-01 on has ended."""
SUCCESS = "skopeo_mirror_last_success_timestamp_seconds"


def metrics_text(run: RunResult, earlier: str = "") -> str:
    return metrics.metrics_text(run, file="mirror.prom", earlier=earlier)


def samples(text: str) -> dict[Key, float]:
    """Every sample by its name and labels; names, words and types are those that are promised."""
    found: dict[Key, float] = {}
    for family in text_string_to_metric_families(text):
        assert (family.type, family.documentation) == ("gauge", HELP[family.name])
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "a series that is there twice spoils all of a collector's files"
            found[key] = sample.value
    return found


def key(name: str, **labels: str) -> Key:
    return f"skopeo_mirror_{name}", frozenset({"file": "mirror.prom", "destination": TO, **labels}.items())


def last_success(run: RunResult, earlier: str = "") -> dict[Key, float]:
    found = samples(metrics_text(run, earlier=earlier))
    return {key: value for key, value in found.items() if key[0] == SUCCESS}


def test_says_what_was_promised() -> None:
    by_mirror, by_origin = (
        {"location": name, "kind": kind} for name, kind in (("a.test", "mirror"), ("prod.test", "origin"))
    )
    assert samples(metrics_text(run_of(IN_PARTS, PRESENT))) == {
        key("run_failed"): 0,
        key("run_duration_seconds"): 12.346,
        key("last_success_timestamp_seconds"): ENDED,
        key("images", status="copied"): 1,
        key("images", status="present"): 1,
        key("images", status="failed"): 0,
        key("images", status="would-copy"): 0,
        key("pulled_bytes", **by_mirror): 350,
        key("pulled_bytes", **by_origin): 400,
        key("attempts", **by_mirror): 3,
        key("attempts", **by_origin): 1,
        key("failures", **by_mirror, reason="not-found"): 1,
    }


def test_a_location_that_was_passed_over_was_not_tried() -> None:
    blocked = Attempt(candidate=MIRROR, outcome=Outcome.SKIPPED, reason=Reason.BLOCKED)
    dead = failed(MIRROR, Reason.CONNECTION)
    found = samples(metrics_text(run_of(replace(FAILED, attempts=(blocked, dead)))))
    mirror = {"location": "a.test", "kind": "mirror"}
    assert found[key("attempts", **mirror)] == 1
    assert found[key("pulled_bytes", **mirror)] == 0
    assert [found[key("failures", **mirror, reason=reason)] for reason in ("blocked", "connection")] == [1, 1]


def test_a_shard_has_series_of_its_own() -> None:
    found = samples(metrics_text(replace(run_of(COPIED), shard="2/3")))
    assert {dict(labels).get("shard") for _, labels in found} == {"2/3"}


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(run_of(COPIED, FAILED), id="failed"),
        pytest.param(run_of(stopped="interrupted"), id="stopped"),
        pytest.param(run_of(WOULD_COPY, dry_run=True), id="dry-run"),
        pytest.param(replace(run_of(FAILED), destination=""), id="refused"),
    ],
)
def test_what_is_no_success_keeps_the_time_of_the_last(run: RunResult) -> None:
    before = metrics_text(run_of(PRESENT))
    assert last_success(run, before) == {key("last_success_timestamp_seconds"): ENDED}
    assert last_success(run, metrics_text(run, earlier=before)) == {key("last_success_timestamp_seconds"): ENDED}
    assert last_success(run) == {}


def test_a_success_is_the_last() -> None:
    before = metrics_text(replace(run_of(PRESENT), seconds=0.0))
    assert last_success(run_of(PRESENT), before) == {key("last_success_timestamp_seconds"): ENDED}


def test_the_time_is_that_of_the_file_that_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "mirror.prom"
    failing = run_of(FAILED)
    assert "".join(metrics_pieces(failing, file)) == metrics_text(failing)
    file.write_text(metrics_text(run_of(PRESENT)))
    assert f"{SUCCESS}{{" in "".join(metrics_pieces(failing, file))
    file.write_bytes(b"\xff")
    assert "".join(metrics_pieces(failing, file)) == metrics_text(failing)


@pytest.mark.parametrize("destination", ['dir:a"b', "dir:a\\b", "dir:a\\nb", 'dir:\\"', "dir:ü", "oci:a b,c={d}"])
def test_labels_are_read_as_they_were_given(destination: str) -> None:
    text = metrics_text(replace(run_of(COPIED), destination=destination))
    assert {dict(labels)["destination"] for _, labels in samples(text)} == {destination}
    assert last_success(run_of(FAILED), text) == last_success(replace(run_of(COPIED), destination=destination))


@given(st.text(st.characters(), max_size=20), st.text(max_size=200))
def test_nothing_breaks_the_format(destination: str, earlier: str) -> None:
    text = metrics_text(replace(run_of(FAILED), destination=destination), earlier=f"{SUCCESS}{{{earlier}\n{earlier}")
    samples(text.encode().decode())
