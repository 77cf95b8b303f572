"""The redirect of what is attached to images: the mapping names it, the other formats are for pulls of images."""

from __future__ import annotations

from typing import Any

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.output.mirrored import parse_report
from skopeo_mirror.output.redirect_formats import Format
from tests.output.test_redirect_formats import DIGEST, FAILED, OTHER, REDIRECTS, entry, redirected, report

OLD, NEW = (f"sha256:{digit * 64}" for digit in "cd")
LATER: dict[str, Any] = {"started": "2026-01-02T00:00:00Z"}


def attached(suffix: str = ".sig", digest: str = OLD, subject: str = DIGEST, status: str = "copied") -> dict[str, Any]:
    """Return something that is attached to an image of a report."""
    tag = subject.replace(":", "-") + suffix
    return {"tag": tag, "digest": digest, "subject": subject, "status": status}


def app(*those: Any, **changes: Any) -> dict[str, Any]:
    return entry(f"q.io/ns/app@{DIGEST}", "m.io/x/ns/app:t", attached=list(those), **changes)


def mapped(*reports: str) -> list[str]:
    """Return the lines of the mapping after that of the image."""
    image, *others = redirected(*reports, format_=Format.MAPPING).splitlines()
    assert image == f"q.io/ns/app@{DIGEST}=m.io/x/ns/app:t"
    return others


def line(suffix: str = ".sig", digest: str = OLD, subject: str = DIGEST) -> str:
    return f"q.io/ns/app@{digest}=m.io/x/ns/app:{subject.replace(':', '-')}{suffix}"


def test_the_mapping_names_it_after_the_images() -> None:
    those = (attached(), attached(".sbom", NEW, OTHER, "present"), attached("", NEW), attached(".att", status="failed"))
    assert mapped(report(app(*those))) == [line(), line("", NEW), line(".sbom", NEW, OTHER)]
    assert mapped(report(app())) == []


@pytest.mark.parametrize("format_", [one for one in REDIRECTS if one is not Format.MAPPING])
def test_other_formats_stay_as_they_are(format_: Format) -> None:
    assert redirected(report(app(attached())), format_=format_) == redirected(report(app()), format_=format_)


def test_what_an_earlier_run_brought_is_there_and_a_tag_points_where_the_last_one_put_it() -> None:
    first = report(app(attached(), attached(".att")))
    later = report(app(attached(digest=NEW), status="present"), **LATER)
    assert mapped(first, later) == mapped(later, first) == [line(".att"), line(digest=NEW)]


def test_of_an_image_under_two_names_it_is_named_once() -> None:
    tagged = entry("q.io/ns/app:v1", "m.io/x/ns/app:v1", attached=[attached()])
    lines = redirected(report(app(attached()), tagged), format_=Format.MAPPING).splitlines()
    assert [one for one in lines if ".sig" in one] == [line()]


def test_is_not_named_where_its_image_is_not_confirmed_or_has_no_name_to_pull_by() -> None:
    assert redirected(report(app(attached(), **FAILED)), format_=Format.MAPPING) == ""
    assert redirected(report(app(attached(), catalog="oci://catalog")), format_=Format.MAPPING) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"tag": 5}, ".tag: is no text", id="tag-number"),
        pytest.param({"tag": "v1\nx=y"}, r".tag: 'v1\nx=y' is not what", id="tag-of-another-form"),
        pytest.param({"subject": OTHER}, ".tag: ", id="another-subject"),
        pytest.param({"subject": None}, ".subject: is missing", id="no-subject"),
        pytest.param({"digest": "x"}, ".digest: ", id="digest"),
        pytest.param({"status": []}, ".status: is no text", id="status-list"),
    ],
)
def test_names_the_place_of_what_is_wrong(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_report(report(app(attached(), attached() | changes)), "report.json")
    [problem] = raised.value.problems
    assert problem.startswith(f"report.json: is a damaged report: images[0].attached[1]{words}")
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("those", "words"),
    [
        pytest.param({}, "images[0].attached: is no list", id="table"),
        pytest.param([3], "images[0].attached[0] is no object", id="number"),
    ],
)
def test_names_what_is_no_list_of_them(those: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_report(report(app() | {"attached": those}), "report.json")
    assert words in str(raised.value)
