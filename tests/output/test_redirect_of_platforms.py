"""The redirect of what was copied with `--platform`: of an index, what is for others is not there, which is told."""

from __future__ import annotations

from typing import Any

import pytest

from skopeo_mirror.output.mirrored import confirmed_images, parse_report
from skopeo_mirror.output.redirect_formats import Format, in_part
from tests.output.test_redirect_formats import DIGEST, FAILED, OTHER, REDIRECTS, entry, redirected, report

PARTS: dict[str, Any] = {"parts": [{"digest": OTHER, "platform": "linux/amd64", "status": "copied"}]}
INDEX: dict[str, Any] = entry(f"q.io/ns/many@{DIGEST}", "m.io/ns/many:t", **PARTS)
AMD64: dict[str, Any] = {"platforms": ["linux/amd64"]}
LATER: dict[str, Any] = {"started": "2026-01-02T00:00:00Z"}


def comments(*reports: str, format_: Format = Format.REGISTRIES_CONF) -> dict[str, str]:
    """Return the platforms that comments name by their repositories; what they are is said once."""
    text = redirected(*reports, format_=format_)
    lines = [line for line in text.splitlines() if line.startswith("#")]
    listed = [line.removeprefix("#   ") for line in lines if line.startswith("#   ")]
    assert sum("A pull for another platform finds an index" in line for line in lines) == (1 if listed else 0)
    return dict(line.split(": ", 1) for line in listed)


@pytest.mark.parametrize(
    ("image", "run", "told"),
    [
        pytest.param(INDEX, {}, {}, id="all-asked-for"),
        pytest.param(INDEX, AMD64, {"q.io/ns/many": "linux/amd64"}, id="one"),
        pytest.param(
            INDEX,
            {"platforms": ["linux/arm/v7", "linux/amd64"]},
            {"q.io/ns/many": "linux/amd64, linux/arm/v7"},
            id="two",
        ),
        pytest.param(INDEX | {"parts": None}, AMD64, {}, id="in-one-piece"),
        pytest.param(
            INDEX | {"parts": None, "status": "present"}, AMD64, {"q.io/ns/many": "linux/amd64"}, id="present"
        ),
        pytest.param(INDEX | FAILED, AMD64, {}, id="failed"),
    ],
)
def test_platforms_are_told_where_they_are_not_all_there(
    image: dict[str, Any], run: dict[str, Any], told: dict[str, str]
) -> None:
    assert comments(report(image, **run)) == told


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        pytest.param([AMD64, LATER], {}, id="then-the-rest"),
        pytest.param([{}, AMD64 | LATER], {}, id="all-at-first"),
        pytest.param(
            [AMD64, {"platforms": ["linux/arm64"]} | LATER], {"q.io/ns/many": "linux/amd64, linux/arm64"}, id="both"
        ),
    ],
)
def test_platforms_add_up_over_several_runs(runs: list[dict[str, Any]], told: dict[str, str]) -> None:
    reports = [report(INDEX, **run) for run in runs]
    assert comments(*reports) == comments(*reversed(reports)) == told


def test_platforms_of_an_index_that_a_tag_had_before_are_not_those_of_the_new_one() -> None:
    old = report(entry("q.io/ns/many:v1", "m.io/ns/many:v1"))
    new = entry("q.io/ns/many:v1", "m.io/ns/many:v1", digest=OTHER, **PARTS)
    assert comments(old, report(new, **AMD64, **LATER)) == {"q.io/ns/many": "linux/amd64"}


def test_platforms_are_there_whatever_name_brought_them() -> None:
    tagged = entry("q.io/ns/many:v1", "m.io/ns/many:v1", **PARTS)
    assert comments(report(INDEX, **AMD64), report(tagged, **LATER)) == {}
    elsewhere = entry(f"q.io/ns/many@{DIGEST}", "n.io/ns/many:t", **PARTS)
    assert comments(report(INDEX, **AMD64), report(elsewhere, **LATER)) == {"q.io/ns/many": "linux/amd64"}


def test_parts_are_no_images_of_their_own() -> None:
    assert [image.image.name for image in parse_report(report(INDEX, **AMD64), "r")] == ["q.io/ns/many"]


@pytest.mark.parametrize(
    ("format_", "told"),
    [
        pytest.param(Format.REGISTRIES_CONF, {"digest", "tag", "other-tag", "catalog"}, id="registries-conf"),
        pytest.param(Format.IDMS, {"digest", "tag", "other-tag", "catalog"}, id="idms"),
        pytest.param(Format.ITMS, {"tag", "catalog"}, id="itms"),
        pytest.param(Format.CATALOGSOURCE, {"catalog"}, id="catalogsource"),
        pytest.param(Format.MAPPING, set[str](), id="mapping"),
    ],
)
def test_platforms_are_told_of_what_a_format_is_for(format_: Format, told: set[str]) -> None:
    images = [
        entry(f"q.io/digest/a@{DIGEST}", "m.io/digest/a:t", **PARTS),
        entry("q.io/tag/a:v1", "m.io/tag/a:v1", **PARTS),
        entry("q.io/other-tag/a:v1", "m.io/other-tag/a:v2", **PARTS),
        entry("q.io/catalog/a:v1", "m.io/catalog/a:v1", catalog="q.io/catalog/a:v1", **PARTS),
    ]
    some, every = report(*images, **AMD64), report(*images)
    assert {name.split("/")[1] for name in comments(some, format_=format_)} == told
    assert bare(redirected(some, format_=format_)) == bare(redirected(every, format_=format_))


def bare(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("format_", REDIRECTS)
def test_platforms_are_known_of_every_image_that_a_format_is_for(format_: Format) -> None:
    images = parse_report(report(INDEX, **AMD64), "r")
    expected = [] if format_ in {Format.ITMS, Format.CATALOGSOURCE, Format.CLUSTERCATALOG} else ["q.io/ns/many"]
    assert [image.image.name for image in in_part(confirmed_images([images]), format_)] == expected
