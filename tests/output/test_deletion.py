"""What is to be deleted: what reports have and those that are kept have not."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.output.deletion import delete_list
from skopeo_mirror.output.mirrored import parse_report
from tests.output.test_redirect_formats import DIGEST, FAILED, OTHER, entry, report

HEX = DIGEST.removeprefix("sha256:")
THIRD = "sha256:" + "c" * 64
APP = entry(f"q.io/app@{DIGEST}", "m.io/x/app:t")
KEPT = entry(f"q.io/kept@{DIGEST}", "m.io/x/kept:t")


def deleted(reports: list[str], kept: list[str]) -> list[dict[str, Any]]:
    """Return the items."""
    text = delete_list(*([parse_report(one, "r", planned=True) for one in some] for some in (reports, kept)))
    found: dict[str, Any] = YAML(typ="safe").load(text) or {"items": []}
    items: list[dict[str, Any]] = found["items"]
    return items


def references(reports: list[str], kept: list[str]) -> list[str]:
    return [item["imageReference"] for item in deleted(reports, kept)]


def test_what_one_has_and_the_other_has_not() -> None:
    text = delete_list([parse_report(report(APP, KEPT), "r")], [parse_report(report(KEPT), "r")])
    document = YAML(typ="safe").load(text)
    assert (document["kind"], document["apiVersion"]) == ("DeleteImageList", "mirror.openshift.io/v2alpha1")
    assert document["items"] == [
        {
            "imageName": f"docker://q.io/app@{DIGEST}",
            "imageReference": f"docker://m.io/x/app@{DIGEST}",
            "type": "generic",
        }
    ]
    assert delete_list([parse_report(report(KEPT), "r")], [parse_report(report(KEPT), "r")]) == ""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({"catalog": "q.io/app:v1"}, "operatorCatalog", id="catalog"),
        pytest.param(
            {"wanted_by": [{"catalog": "c", "package": "p", "channel": "d", "bundle": "b"}]},
            "operatorRelatedImage",
            id="operator",
        ),
    ],
)
def test_types_are_oc_mirrors(more: dict[str, Any], expected: str) -> None:
    assert [item["type"] for item in deleted([report(APP | more)], [report(KEPT)])] == [expected]


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(entry(f"q.io/app@{DIGEST}", "m.io/x/app:other"), id="under-another-tag"),
        pytest.param(APP | FAILED, id="failed"),
        pytest.param(entry("q.io/app:v1", "m.io/x/app:t", digest=None, **FAILED), id="not-resolved"),
        pytest.param(APP | {"status": "would-copy"}, id="planned"),
        pytest.param(
            entry(f"q.io/app@{OTHER}", "m.io/x/app:index", parts=[{"digest": DIGEST}]), id="image-of-an-index"
        ),
        pytest.param(
            entry(
                f"q.io/app@{OTHER}",
                "m.io/x/app:index",
                attached=[
                    {"tag": f"sha256-{'b' * 64}.sig", "subject": OTHER, "digest": DIGEST, "status": "present"},
                ],
            ),
            id="attached",
        ),
    ],
)
def test_whatever_is_part_of_what_is_kept_stays(kept: dict[str, Any]) -> None:
    assert references([report(APP)], [report(kept)]) == []


def test_an_old_digest_of_a_tag_goes_and_what_is_attached_to_it() -> None:
    signature = {"tag": f"sha256-{HEX}.sig", "subject": DIGEST, "digest": THIRD, "status": "copied"}
    old = entry("q.io/app:v1", "m.io/x/app:v1", attached=[signature])
    new = entry("q.io/app:v1", "m.io/x/app:v1", digest=OTHER)
    assert references([report(old)], [report(new)]) == [f"docker://m.io/x/app@{one}" for one in (DIGEST, THIRD)]


def test_the_images_of_an_index_are_known_from_the_run_that_brought_it() -> None:
    index = entry(f"q.io/app@{OTHER}", "m.io/x/app:index")
    assert references([report(APP, index | {"parts": [{"digest": DIGEST}]})], [report(index)]) == []


def test_what_is_not_confirmed_is_not_known_to_be_there() -> None:
    assert references([report(APP | FAILED)], [report(KEPT)]) == []


def test_another_destination_is_no_reason_to_delete() -> None:
    with pytest.raises(InvalidInput, match=r"nothing that is kept is at m\.io: is --keep of another destination\?"):
        references([report(APP)], [report(entry(f"q.io/app@{DIGEST}", "other.io/x/app:t"))])
    with pytest.raises(InvalidInput, match="nothing that is kept"):
        references([report(APP)], [report()])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({"stopped": "interrupted"}, "r: its run was stopped: it does not say", id="stopped"),
        pytest.param({"shard": "1/2"}, "r: is of one part of a list", id="shard"),
    ],
)
def test_what_is_kept_must_be_told_whole(more: dict[str, Any], words: str) -> None:
    parse_report(report(KEPT, stopped=None, shard=None), "r", whole=True)
    with pytest.raises(InvalidInput, match=words):
        parse_report(report(KEPT, **more), "r", whole=True)
