"""README.md says nothing that is not so; and a page that does is found out."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from scripts.readme import README, Stage, Untrue, blocks, renewed, stage
from skopeo_mirror.cli.help import ENVIRONMENT

if TYPE_CHECKING:
    from pathlib import Path


def test_every_command_line_and_output_is_true() -> None:
    page = README.read_text(encoding="utf-8")
    with stage() as here:
        assert renewed(page, here) == page, "scripts/readme writes what is true now"


@pytest.fixture
def shell(tmp_path: Path) -> Stage:
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    return Stage(directory=tmp_path, environment=environment, names={"registry.example.com": "127.0.0.1:4711"})


@pytest.mark.parametrize(
    ("page", "true"),
    [
        pytest.param("$ echo a\nb\n", "$ echo a\na\n", id="another-output"),
        pytest.param("$ echo a\n", "$ echo a\na\n", id="no-output"),
        pytest.param("$ echo a; false\n$ echo $?\n0\n", "$ echo a; false\na\n$ echo $?\n1\n", id="exit-status"),
        pytest.param("$ x=1\n$ echo $x\n1\n", "$ x=1\n$ echo $x\n1\n", id="one-shell"),
        pytest.param("$ seq 9\n1\n…\n9\n", "$ seq 9\n1\n…\n9\n", id="left-out"),
        pytest.param("$ seq 4\n2\n…\n4\n", "$ seq 4\n1\n2\n3\n4\n", id="left-out-and-wrong"),
        pytest.param("$ echo a \\\n  b\n", "$ echo a \\\n  b\na b\n", id="two-lines"),
        pytest.param("$ echo 127.0.0.1:4711/a\n", "$ echo 127.0.0.1:4711/a\nregistry.example.com/a\n", id="names"),
        pytest.param("$ echo 'copied in 1.7 s'\n", "$ echo 'copied in 1.7 s'\ncopied in 0.3 s\n", id="times"),
        pytest.param("$ echo a >&2\n", "$ echo a >&2\na\n", id="standard-error"),
        pytest.param("$ cat made\nx\n", "$ cat made\nx\n", id="file"),
    ],
)
def test_what_commands_print_is_written_back(shell: Stage, page: str, true: str) -> None:
    file = "```text file=made\nx\n```\n"
    found = renewed(f"{file}\n```console\n{page}```\n", shell)
    assert found == f"{file}\n```console\n{true}```\n"


@pytest.mark.parametrize(
    ("page", "why"),
    [
        pytest.param("```sh\npip install .\n```\n", "neither console nor", id="block-without-word"),
        pytest.param("```sh tested-by=tests/integration/test_readme.py::test_none\n```\n", "no test", id="no-test"),
        pytest.param("```sh tested-by=tests/none.py::test_x\n```\n", "no test", id="no-file"),
        pytest.param("```console\noutput\n```\n", "begins with", id="output-of-nothing"),
        pytest.param("text\n\n    pip install .\n", "indented block", id="indented"),
        pytest.param("```console\n$ true\n", "without its other end", id="open-fence"),
    ],
)
def test_what_nothing_vouches_for_is_refused(shell: Stage, page: str, why: str) -> None:
    with pytest.raises(Untrue, match=why):
        renewed(page, shell)


def section(heading: str) -> str:
    """What stands below a heading of the page."""
    return README.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_the_figures_are_those_of_the_page_of_figures() -> None:
    figures = (README.parent / "scripts/benchmark/README.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in section("How fast it is").splitlines() if line.startswith("|")]
    assert len(rows) > 5
    assert [row for row in rows if row not in figures] == []


SERVED = {
    "mirror": {"reference": "m.test/a", "location": "m.test", "kind": "mirror"},
    "origin": {"reference": "prod.test/a", "location": "prod.test", "kind": "origin"},
}
REPORT = {
    "summary": {
        "served_by": {"prod.test": {"images": 2, "bytes": 10}, "m.test": {"images": 2, "bytes": 30}},
        "failed_by": {
            "m.test": {"attempts": 3, "reasons": {"not-found": 2, "stalled": 1}},
            "n.test": {"attempts": 1, "reasons": {"circuit-open": 1}},
        },
    },
    "images": [
        {
            "image": "prod.test/whole:1", "status": "copied", "confirmed": True, "digest": "sha256:01", "bytes": 1,
            "destination": "docker://d.test:5000/mirror/whole:1", "served_by": SERVED["mirror"], "error": None,
        },
        {
            "image": "prod.test/origin:1", "status": "copied", "confirmed": True, "digest": "sha256:02", "bytes": 2,
            "destination": "docker://d.test:5000/mirror/origin:1", "served_by": SERVED["origin"], "error": None,
        },
        {
            "image": "prod.test/parts:1", "status": "copied", "confirmed": True, "digest": "sha256:03", "bytes": 3,
            "destination": "docker://d.test:5000/mirror/parts:1", "served_by": SERVED["mirror"], "error": None,
            "parts": [{"served_by": None}, {"served_by": SERVED["origin"]}],
        },
        {
            "image": "prod.test/signed:1", "status": "present", "confirmed": True, "digest": "sha256:04", "bytes": 4,
            "destination": "docker://d.test:5000/mirror/signed:1", "served_by": None, "error": None,
            "attached": [{"served_by": SERVED["mirror"]}, {"served_by": SERVED["origin"]}],
        },
        {
            "image": "prod.test/gone:1", "status": "failed", "confirmed": False, "digest": None, "bytes": 0,
            "destination": "docker://d.test:5000/mirror/gone:1", "served_by": None,
            "reason": "not-found", "error": "manifest unknown",
        },
        {
            "image": "prod.test/new:1", "status": "would-copy", "confirmed": False, "digest": "sha256:05", "bytes": 5,
            "destination": "docker://d.test:5000/mirror/new:1", "served_by": SERVED["mirror"], "error": None,
        },
    ],
}  # fmt: skip
ANSWERS = {
    "what came from production": ["prod.test/origin:1", "prod.test/parts:1", "prod.test/signed:1"],
    "which location served how many bytes": ["30 m.test", "10 prod.test"],
    "what failed": ["prod.test/gone:1: not-found: manifest unknown"],
    "which locations failed": ["m.test not-found 2", "m.test stalled 1", "n.test circuit-open 1"],
    "what would move": ["5 prod.test/new:1"],
    "where everything is now": [
        f"prod.test/{name}:1 d.test:5000/mirror/{name}@sha256:{digest}"
        for name, digest in (("whole", "01"), ("origin", "02"), ("parts", "03"), ("signed", "04"))
    ],
}


def test_what_people_ask_a_report(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    [block] = blocks("tested-by", "tests/integration/test_readme.py::test_what_people_ask_a_report")
    pairs = re.findall(r"# (.*)\n(jq .*)\n", block)
    assert len(pairs) * 2 == len(block.splitlines())
    answers = {}
    for question, command in pairs:
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
        assert done.stderr == ""
        [key] = [key for key in ANSWERS if question.startswith(key)]
        answers[key] = done.stdout.splitlines()
    assert answers == ANSWERS


def test_the_variables_are_those_of_the_help() -> None:
    told = re.findall(r"\b[A-Z_]{6,}\b", ", ".join(name for name, _ in ENVIRONMENT[1:]))
    assert set(told) <= set(re.findall(r"`([A-Z_]+)`", section("Environment variables")))
