"""The help: what it says is so, fits, and is what the manual page says."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from scripts.manual import PAGE, context_of, page
from skopeo_mirror.cli import COMMANDS
from skopeo_mirror.cli.help import ENVIRONMENT, continued, description_and_example

VARIABLE = "SKOPEO_MIRROR_"


def command_of(name: str) -> Any:
    return context_of(name).command


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_it_stays_within_80_columns(name: str) -> None:
    told = command_of(name).get_help(context_of(name))
    assert [line for line in told.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_survives_its_wrapping(name: str) -> None:
    _, example = description_and_example(command_of(name))
    for width in (40, 60, 78):
        lines = continued(example, width)
        assert shlex.split("\n".join(lines).replace("\\\n", "")) == shlex.split(example)
        assert all(len(line) <= width for line in lines if len(line.split()) > 2), lines


@pytest.mark.parametrize("name", COMMANDS)
def test_what_takes_one_value_is_a_variable_too(name: str) -> None:
    """The rule that the help and the README tell; the variables of `-r`, the exception, are read elsewhere."""
    for option in command_of(name).params:
        if option.param_type_name != "option" or option.name == "help":
            continue
        long = option.opts[-1]
        variable = VARIABLE + long.removeprefix("--").upper().replace("-", "_")
        repeated, flag = option.multiple, option.is_flag
        assert option.envvar == (None if repeated or flag else variable), long
    assert VARIABLE in ENVIRONMENT[0][0]


def test_the_manual_page_is_of_one_piece_with_the_help() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "scripts/readme writes it anew"
