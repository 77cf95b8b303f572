"""The two views of what is wrong with a registries.conf: lines and the document."""

from __future__ import annotations

import pytest

from skopeo_mirror.output.problems import problem_document, problem_lines
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
