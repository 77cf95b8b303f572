"""README.md says nothing that is not so; and a page that does is found out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.readme import README, Stage, Untrue, renewed, stage

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
