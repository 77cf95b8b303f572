"""The two views of what is wrong with a registries.conf: lines and the document."""

from __future__ import annotations

import pytest

from skopeo_mirror.output.problems import problem_document, problem_lines, tags_pass_by
from skopeo_mirror.registries_conf.model import Configuration, Mirror, PullFromMirror, Registry
from skopeo_mirror.registries_conf.problem import Problem, Severity

WARNING = Problem(
    file="r.conf", severity=Severity.WARNING, where="registry[0].foo", text="is no key", advice="drop it", line=3
)
ERROR = Problem(file="r.conf", severity=Severity.ERROR, text="no TOML", line=2, column=5)


def test_the_lines() -> None:
    assert problem_lines([WARNING, ERROR]) == [
        "warning: r.conf: registry[0].foo: is no key (drop it) [line 3]",
        "error: r.conf:2:5: no TOML",
    ]


def test_the_document() -> None:
    assert problem_document(["r.conf"], [ERROR]) == {
        "schema": "skopeo-mirror/validate/v1",
        "valid": False,
        "files": ["r.conf"],
        "problems": [
            {
                "file": "r.conf",
                "line": 2,
                "column": 5,
                "where": "",
                "severity": "error",
                "text": "no TOML",
                "advice": "",
            }
        ],
    }


@pytest.mark.parametrize(
    ("problems", "strict", "valid"),
    [
        pytest.param([], True, True, id="nothing"),
        pytest.param([WARNING], False, True, id="warning"),
        pytest.param([WARNING], True, False, id="warning, strict"),
        pytest.param([WARNING, ERROR], False, False, id="error"),
    ],
)
def test_valid(problems: list[Problem], *, strict: bool, valid: bool) -> None:
    assert problem_document(["r.conf"], problems, strict=strict)["valid"] is valid


def test_tags_that_pass_mirrors_by_are_no_problem_and_are_told() -> None:
    digests = Mirror(location="m.test", pull_from_mirror=PullFromMirror.DIGEST_ONLY)
    tags = Mirror(location="m.test", pull_from_mirror=PullFromMirror.TAG_ONLY)

    def told(*registries: Registry) -> list[str]:
        return tags_pass_by(Configuration(registries=registries))

    def registry(prefix: str, *mirrors: Mirror) -> Registry:
        return Registry(prefix=prefix, location=prefix, mirrors=mirrors)

    assert told(registry("a.test", digests, tags), registry("b.test", tags), registry("c.test")) == []
    assert tags_pass_by(None) == []
    option = "--all-mirrors uses every mirror for tags, too"
    assert told(registry("a.test", digests)) == [f"note: tags of a.test pass m.test by; {option}"]
    assert told(registry("a.test", digests), registry("b.test", digests)) == [
        f"note: tags of a.test pass m.test by (and those of 1 more); {option}"
    ]


def test_with_all_mirrors_nobody_is_passed_by_and_nobody_asked_twice() -> None:
    mirrors = (
        Mirror(location="m.test", pull_from_mirror=PullFromMirror.DIGEST_ONLY),
        Mirror(location="m.test", pull_from_mirror=PullFromMirror.TAG_ONLY),
    )
    registries = (
        Registry(prefix="a.test", location="a.test", mirrors=mirrors),
        Registry(prefix="b.test", location="b.test", mirrors=mirrors[:1], mirror_by_digest_only=True),
    )
    found = Configuration(registries=registries).with_all_mirrors()
    assert [one.mirrors for one in found.registries] == [(Mirror(location="m.test"),)] * 2
    assert [one.mirror_by_digest_only for one in found.registries] == [False, False]
    assert tags_pass_by(found) == []
