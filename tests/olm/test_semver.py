from __future__ import annotations

from itertools import combinations

import pytest

from skopeo_mirror.olm.semver import Version, VersionBounds, skip_range_contains


def test_precedence_is_that_of_the_specification() -> None:
    # The order of semver.org's paragraph 11, and numbers that a comparison of texts would get wrong.
    texts = [
        *("0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"),
        *("1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0", "2.0.0-0", "2.0.0"),
    ]
    versions = [Version.parse(text) for text in texts]
    assert all(earlier < later for earlier, later in combinations(versions, 2))


def test_build_metadata_does_not_count() -> None:
    assert Version.parse("1.0.0+a") == Version.parse("1.0.0+b")
    assert hash(Version.parse("1.0.0+a")) == hash(Version.parse("1.0.0"))


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.x", " 1.2.3", "1.2.3\n", "1.2.3-" + "1" * 5000],
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="no semantic version"):
        Version.parse(text)


@pytest.mark.parametrize(
    ("minimum", "maximum", "version", "expected"),
    [
        pytest.param("1.0.0", None, "1.0.0", True, id="minimum-included"),
        pytest.param("1.0.0", None, "0.9.9", False, id="below"),
        pytest.param(None, "1.0.0", "1.0.0", True, id="maximum-included"),
        pytest.param(None, "1.0.0", "1.0.1", False, id="above"),
        pytest.param("1.2", None, "1.2.0", True, id="short-minimum"),
        pytest.param("v1.2", None, "1.1.9", False, id="v"),
        pytest.param(None, "1.2", "1.2.9", True, id="short-maximum-includes-its-patches"),
        pytest.param(None, "1.2", "1.3.0", False, id="short-maximum-above"),
        pytest.param(None, "1", "1.9.0", True, id="shortest-maximum"),
        pytest.param("1.0.0", "2.0.0", "1.5.0-rc.1", False, id="pre-release-between-releases"),
        pytest.param("1.0.0-0", "2.0.0", "1.5.0-rc.1", True, id="pre-release-where-a-bound-is-one"),
        pytest.param("1.5.0-rc.1", None, "1.5.0-rc.1", True, id="pre-release-itself"),
        pytest.param("1.5.0-rc.2", None, "1.5.0-rc.1", False, id="pre-release-below"),
        pytest.param(None, "1.5.0-rc.2", "1.5.0", False, id="release-above-its-pre-release"),
    ],
)
def test_bounds(minimum: str | None, maximum: str | None, version: str, *, expected: bool) -> None:
    assert VersionBounds.parse(minimum, maximum).contains(Version.parse(version)) is expected


def test_a_bad_bound_is_named() -> None:
    with pytest.raises(ValueError, match=r"maxVersion 'latest' is no semantic version"):
        VersionBounds.parse("1.0.0", "latest")


@pytest.mark.parametrize(
    ("skip_range", "version", "expected"),
    [
        pytest.param(">=1.0.0 <1.2.0", "1.1.0", True, id="between"),
        pytest.param(">=1.0.0 <1.2.0", "1.2.0", False, id="upper-end"),
        pytest.param(">= 1.0.0 < 1.2.0", "1.0.0", True, id="blanks-after-operators"),
        pytest.param("<1.0.0 || >2.0.0", "2.1.0", True, id="or"),
        pytest.param("<1.0.0 || >2.0.0", "1.5.0", False, id="neither"),
        pytest.param("1.0.0", "1.0.0", True, id="bare"),
        pytest.param("==1.0.0", "1.0.1", False, id="equal"),
        pytest.param("!=1.0.0 >0.9.0", "1.0.0", False, id="unequal"),
        pytest.param(">0.9.0 !1.0.0", "1.0.1", True, id="not"),
        pytest.param("<=1.0.0", "1.0.0-rc.1", True, id="pre-release-compared-like-any"),
        pytest.param("1.2.x", "1.2.7", True, id="wildcard"),
        pytest.param(">=1.x", "0.9.0", False, id="wildcard-compared"),
        pytest.param("", "1.0.0", False, id="empty"),
        pytest.param("nonsense", "1.0.0", False, id="no-range"),
        pytest.param("<2.0.0 ~1.0", "1.0.0", False, id="unknown-operator-voids-it"),
        pytest.param(">2.0.0 nonsense", "1.0.0", False, id="voids-it-after-a-false-one"),
    ],
)
def test_skip_range(skip_range: str, version: str, *, expected: bool) -> None:
    assert skip_range_contains(skip_range, Version.parse(version)) is expected
