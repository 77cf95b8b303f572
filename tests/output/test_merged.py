"""Reports of shards as one: what they come to, what is missing, which do not belong together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.output.merged import merged_head, parse_shard_report, verdict_lines
from skopeo_mirror.output.report import document_pieces, report_document
from skopeo_mirror.request import WholeList
from tests.output.results import COPIED, FAILED, IN_PARTS, PRESENT, SIGNATURE, WOULD_COPY, run_of
from tests.rig.copying import report_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.output.merged import ShardReport
    from skopeo_mirror.transfer.results import ImageResult

LIST = WholeList(images=4, sha256="a" * 64)


def shard(index: int, count: int, *images: ImageResult, stopped: str | None = None, **other: Any) -> dict[str, Any]:
    """The document of a shard's report, `other` in place of what is alike in all."""
    run = run_of(*images, stopped=stopped, dry_run=bool(other.pop("dry_run", False)))
    run = replace(run, shard=f"{index}/{count}", whole_list=LIST)
    return report_document(run) | other


def parsed(*documents: dict[str, Any]) -> list[ShardReport]:
    """As they are read, in files with the names of their shards."""
    return [
        parse_shard_report(json.dumps(document), f"{number}-{str(document.get('shard')).replace('/', '-')}.json")
        for number, document in enumerate(documents)
    ]


def merged(*documents: dict[str, Any]) -> dict[str, Any]:
    """The merged report, held against the schema."""
    reports = parsed(*documents)
    assert all("images" not in report.head for report in reports)
    shards = sorted(zip(reports, documents, strict=True), key=lambda pair: pair[0].index)
    images = [image for _, document in shards for image in document["images"]]
    found: dict[str, Any] = json.loads("".join(document_pieces(merged_head(reports), images)))
    Draft202012Validator(report_schema()).validate(found)
    return found


def problems(*documents: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(InvalidInput) as caught:
        merged_head(parsed(*documents))
    return caught.value.problems


ONE = shard(1, 3, COPIED, PRESENT)
TWO = shard(2, 3, IN_PARTS)
THREE = shard(3, 3, replace(COPIED, attached=(SIGNATURE,)))


def test_is_one_report_of_the_whole() -> None:
    found = merged(THREE, ONE, TWO)
    assert (found["changed"], found["failed"], found["stopped"], found["shard"]) == (True, False, None, None)
    assert found["images"] == [*ONE["images"], *TWO["images"], *THREE["images"]]
    alone = report_document(run_of(COPIED, PRESENT, IN_PARTS, replace(COPIED, attached=(SIGNATURE,))))
    assert found["summary"] == alone["summary"]
    assert found["list"] == {"images": 4, "sha256": "a" * 64}


def test_a_report_of_a_whole_list_stays_as_it_is() -> None:
    document = report_document(run_of(COPIED, FAILED))
    assert merged(document) == document


@pytest.mark.parametrize(
    ("there", "count", "says"),
    [
        pytest.param([1, 3], 3, "shard 2/3 is missing: no report of it was given; run `copy --shard 2/3`", id="one"),
        pytest.param([2], 3, "shards 1, 3 of 3 are missing: no report of them was given; run `copy", id="two"),
        pytest.param([4, 8], 12, "shards 1-3, 5-7, 9-12 of 12 are missing", id="ranges"),
        pytest.param([n for n in range(1, 51) if n != 37], 50, "shard 37/50 is missing", id="one-of-fifty"),
    ],
)
def test_says_which_shard_is_missing(there: list[int], count: int, says: str) -> None:
    found = merged(*(shard(index, count, PRESENT) for index in there))
    assert found["failed"] is True
    assert found["stopped"].startswith(says)
    assert [*verdict_lines(found, len(there))][-1] == found["stopped"]


def test_a_shard_that_stopped_early_is_told_and_fails_the_whole() -> None:
    """Whatever it knew of itself: it may have ended before it knew its list, or where it was to copy to."""
    early = shard(2, 3, stopped="images.txt:1: is not UTF-8", destination="", list=None, platforms=["linux/amd64"])
    found = merged(early, ONE, THREE)
    assert (found["failed"], found["destination"]) == (True, "docker://d.test/m")
    assert found["stopped"] == "shard 2/3 stopped early: images.txt:1: is not UTF-8"
    assert "platforms" not in found


@pytest.mark.parametrize(
    ("other", "says"),
    [
        pytest.param(
            shard(2, 4, COPIED), "numbers of shards: 3 in 0-1-3.json, 2-3-3.json; 4 in 1-2-4.json", id="count"
        ),
        pytest.param(
            shard(2, 3, COPIED, list={"images": 5, "sha256": "b" * 64}),
            "lists: 4 images (sha256 aaaaaaaaaaaa) in 0-1-3.json, 2-3-3.json; "
            "5 images (sha256 bbbbbbbbbbbb) in 1-2-3.json",
            id="list",
        ),
        pytest.param(shard(2, 3, COPIED, destination="oci:D"), "destinations: docker://d.test/m in", id="destination"),
        pytest.param(shard(2, 3, COPIED, platforms=["linux/s390x"]), "platforms: all in 0-1-3.json", id="platforms"),
        pytest.param(shard(2, 3, WOULD_COPY, dry_run=True), "kinds: a copy in 0-1-3.json", id="dry-run"),
    ],
)
def test_refuses_what_does_not_belong_together(other: dict[str, Any], says: str) -> None:
    (problem,) = problems(ONE, other, THREE)
    assert problem.startswith(f"these are reports of different {says}")


def test_refuses_a_shard_that_is_there_twice() -> None:
    assert problems(ONE, TWO, TWO, THREE) == (
        "shard 2/3 has 2 reports: 1-2-3.json, 2-2-3.json; give the one that counts",
    )


def test_refuses_a_report_that_is_of_no_shard_among_others() -> None:
    assert problems(ONE, report_document(run_of(COPIED)))[0] == (
        "1-None.json: is the report of a whole list, and of no shard of it (`copy --shard I/N`)"
    )


def test_lasts_from_the_first_beginning_to_the_last_end() -> None:
    late = TWO | {"started": "2026-01-01T00:01:00Z", "seconds": 5}
    early = THREE | {"started": "2025-12-31T23:59:50Z", "seconds": 100.25}
    found = merged(ONE, late, early)
    assert (found["started"], found["seconds"]) == ("2025-12-31T23:59:50Z", 100.25)
    found = merged(ONE, late)
    assert (found["started"], found["seconds"]) == ("2026-01-01T00:00:00Z", 65.0)


def test_says_where_hosts_differ() -> None:
    other = TWO | {
        "tool": {"version": "9.9.9"},
        "skopeo": {"path": "/usr/bin/skopeo", "version": "1.18.0"},
        "registries_conf": {"files": ["registries.conf", "b.conf"], "sha256": "1" * 64},
    }
    found = merged(ONE, other, THREE)
    assert found["skopeo"] == {"path": "/usr/bin/skopeo", "version": "1.9.3, 1.18.0"}
    assert found["tool"]["version"] == f"{ONE['tool']['version']}, 9.9.9"
    assert found["registries_conf"] == {"files": ["registries.conf", "b.conf"], "sha256": ""}


def test_tells_people_what_failed_and_what_it_came_to() -> None:
    reports = parsed(shard(1, 2, COPIED, FAILED), shard(2, 2, PRESENT))
    assert reports[0].failures == ("failed prod.test/other:v1: no candidate served it",)
    head, *lines = verdict_lines(merged_head(reports), 2)
    assert head == "3 images of 2 shards: 1 copied, 1 present, 1 failed in 12.3 s"
    assert lines[0] == "  prod.test: 1 image, 1.0 kB"


def renamed(key: str) -> Callable[[dict[str, Any]], None]:
    def rename(document: dict[str, Any]) -> None:
        document[f"{key}-"] = document.pop(key)

    return rename


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(renamed("images"), "images: is missing", id="no-images"),
        pytest.param(renamed("failed"), "failed: is missing", id="no-failed"),
        pytest.param(renamed("seconds"), "seconds: is missing", id="no-seconds"),
        pytest.param(lambda one: one.update(started="soon"), "started, seconds: are no time", id="started"),
        pytest.param(
            lambda one: one.update(started="9999-12-31T23:59:59Z"), "started, seconds: are no time", id="too-late"
        ),
        pytest.param(lambda one: one.update(shard="3/2"), "shard: is not I/N", id="shard"),
        pytest.param(lambda one: one["summary"].update(copied=True), "summary.copied: is no integer", id="boolean"),
        pytest.param(lambda one: one["summary"].update(bytes=10**400), "summary.bytes: is no count", id="large"),
        pytest.param(lambda one: one["summary"].update(new=["x"]), "summary.new: is no integer", id="no-count"),
        pytest.param(lambda one: one["images"].append(1), "images[1] is no object", id="no-image"),
        pytest.param(lambda one: one["images"][0].update(status="failed"), "images[0].error: is missing", id="error"),
        pytest.param(lambda one: one.update(platforms=[1]), "platforms: is no list of texts", id="platforms"),
    ],
)
def test_refuses_a_damaged_report(change: Callable[[dict[str, Any]], None], says: str) -> None:
    document: dict[str, Any] = json.loads(json.dumps(shard(1, 2, COPIED)))
    change(document)
    with pytest.raises(InvalidInput, match=r"one\.json: is a damaged report: ") as caught:
        parse_shard_report(json.dumps(document), "one.json")
    assert says in caught.value.problems[0]


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["images", "x"]), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*ONE, "list", "platforms"]), ODD, min_size=1, max_size=2))
def test_no_report_is_another_exception(odd: dict[str, Any]) -> None:
    try:
        reports = parsed(ONE | odd, TWO)
        head = merged_head(reports)
    except InvalidInput:
        return
    assert all(isinstance(line, str) for line in (*reports[0].failures, *verdict_lines(head, 2)))


def test_tables_that_do_not_fit_are_refused() -> None:
    odd = json.loads(json.dumps(TWO))
    odd["summary"]["served_by"]["prod.test"] = 1
    assert problems(ONE, odd) == (
        "these reports do not fit together: summary.served_by.prod.test is not alike in them",
    )
