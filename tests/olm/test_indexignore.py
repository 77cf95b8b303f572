from __future__ import annotations

import pytest

from skopeo_mirror.olm.indexignore import is_ignored, parse_patterns


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        pytest.param("*.md", "README.md", True, id="glob"),
        pytest.param("*.md", "a/b/README.md", True, id="glob-at-any-depth"),
        pytest.param("*.md", "a.md/catalog.yaml", True, id="glob-matches-a-directory"),
        pytest.param("/a.yaml", "a.yaml", True, id="anchored"),
        pytest.param("/a.yaml", "p/a.yaml", False, id="anchored-elsewhere"),
        pytest.param("p/a.yaml", "p/a.yaml", True, id="slash-anchors"),
        pytest.param("p/a.yaml", "q/p/a.yaml", False, id="slash-anchors-elsewhere"),
        pytest.param("p", "p/q/a.yaml", True, id="all-below-a-directory"),
        pytest.param("p/", "p/a.yaml", True, id="directory-only"),
        pytest.param("p/", "p", False, id="directory-only-is-no-file"),
        pytest.param("p/", "q/p/a.yaml", True, id="directory-only-at-any-depth"),
        pytest.param("**/x", "a/b/x", True, id="stars"),
        pytest.param("a/**/x", "a/x", True, id="stars-for-nothing"),
        pytest.param("a/**/x", "a/b/c/x", True, id="stars-for-two"),
        pytest.param("a/**", "a/b", True, id="stars-at-the-end"),
        pytest.param("a/**", "a", False, id="stars-at-the-end-need-something"),
        pytest.param("*", "a", True, id="everything"),
        pytest.param("*\n!a.yaml", "a.yaml", False, id="negated"),
        pytest.param("!a.yaml\n*", "a.yaml", True, id="last-match-decides"),
        pytest.param("p\n!p/a.yaml", "p/a.yaml", False, id="negated-below-an-ignored-directory"),
        pytest.param("# a\n\n  a  ", "a", True, id="comments-and-blanks"),
        pytest.param(r"\#a", "#a", True, id="escaped-hash"),
        pytest.param(r"\*", "b", False, id="escaped-star"),
        pytest.param("[^a]", "b", True, id="negated-class"),
        pytest.param("[!a]", "a", False, id="negated-class-fnmatch"),
        pytest.param("a?c", "abc", True, id="question-mark"),
        pytest.param("/\n!\n", "a", False, id="empty-patterns"),
        pytest.param("A", "a", False, id="case"),
    ],
)
def test_patterns(patterns: str, path: str, *, expected: bool) -> None:
    assert is_ignored(path.split("/"), parse_patterns(patterns, ())) is expected


def test_patterns_count_from_their_own_directory() -> None:
    patterns = parse_patterns("/a", ("p",))
    assert is_ignored(["p", "a"], patterns)
    assert not is_ignored(["a"], patterns)
    assert not is_ignored(["q", "a"], patterns)


def test_a_hostile_pattern_takes_no_exponential_time() -> None:
    patterns = parse_patterns("*a" * 30 + "b\n" + "**/x/" * 30 + "y", ())
    assert not is_ignored(["a" * 250, *("x" * 200)], patterns)
