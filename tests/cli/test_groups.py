"""Options in groups: each said once, each command with all of a group, in the order of the help."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import import_module
from inspect import signature
from typing import Any

import pytest

from skopeo_mirror.cli import COMMANDS
from skopeo_mirror.cli.groups import flattened
from skopeo_mirror.cli.options import HEADINGS, Asked, Conf, Pull, Push, Running, flag, option

PULLING = ("copy", "route", "pin", "images", "catalog")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Two options."""

    skopeo: str = option("--skopeo PATH", "Run", "Late.", default="one")
    report: str = option("--report FILE", "Output", "Last.", default="two")


def taking(
    *,
    jobs: int = option("-j --jobs N", "Run", "Early.", default=8),
    group: Group,
    new: bool = flag("--new", "Run", "In no list."),
) -> None:
    """Take a group between options of its own."""
    TAKEN.append((jobs, group, new))


TAKEN: list[tuple[int, Group, bool]] = []


def command_of(name: str) -> Any:
    return getattr(import_module(f"skopeo_mirror.cli.commands.{name}"), name)


def test_a_group_becomes_its_options_below_their_headings() -> None:
    assert list(signature(flattened(taking)).parameters) == ["jobs", "skopeo", "new", "report"]


def test_a_command_gets_its_group_whole() -> None:
    TAKEN.clear()
    flattened(taking)(jobs=1, skopeo="here", report="there", new=True)
    assert [(1, Group(skopeo="here", report="there"), True)] == TAKEN


@pytest.mark.parametrize("name", PULLING)
def test_every_pulling_command_has_every_option_of_pulling(name: str) -> None:
    names = {parameter.name for parameter in command_of(name).params}
    assert {field.name for group in (Conf, Pull) for field in fields(group)} <= names


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_means_the_same_under_every_command(name: str) -> None:
    """It has one value and a variable that is named after it, or is a flag, or can be repeated."""
    for parameter in command_of(name).params:
        long = max(parameter.opts, key=len)
        if parameter.param_type_name == "option" and not parameter.is_flag and not parameter.multiple:
            assert parameter.envvar == "SKOPEO_MIRROR_" + long.removeprefix("--").upper().replace("-", "_")


def test_platforms_are_chosen_where_something_is_copied_alone() -> None:
    having = {name for name in COMMANDS for parameter in command_of(name).params if "--platform" in parameter.opts}
    assert having == {"copy"}


def test_what_headings_say_is_there() -> None:
    there = {long for group in (Asked, Conf, Pull, Push, Running) for long in map(long_name, fields(group))}
    assert {name for names in HEADINGS.values() for name in names} <= there


def long_name(field: Any) -> str:
    return "--" + str(field.name).replace("_", "-")
