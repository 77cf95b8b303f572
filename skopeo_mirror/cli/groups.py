"""Options in groups: a dataclass is a group, its fields are options, and a command takes whole groups."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import typer
from typer.models import OptionInfo

from skopeo_mirror.cli.help import Command
from skopeo_mirror.cli.options import HEADINGS

if TYPE_CHECKING:
    from collections.abc import Callable


def command(cls: type[Command] = Command) -> Callable[[Callable[..., None]], Any]:
    """Make a command of a function, named and documented as it is."""

    def made(function: Callable[..., None]) -> Any:
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command(function.__name__, cls=cls)(flattened(function))
        return typer.main.get_command(app)

    return made


def flattened(function: Callable[..., None]) -> Callable[..., None]:
    """`function` as typer takes one: each group is a parameter for each of its options, all sorted for the help."""
    given = inspect.signature(function, eval_str=True).parameters
    groups: dict[str, Any] = {name: one.annotation for name, one in given.items() if is_dataclass(one.annotation)}
    parameters: list[inspect.Parameter] = []
    for name, one in given.items():
        group = groups.get(name)
        parameters += [one] if group is None else inspect.signature(group, eval_str=True).parameters.values()
    parameters.sort(key=_place)

    @wraps(function)
    def with_groups(**values: Any) -> None:
        built = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        function(**values, **built)

    with_groups.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_groups.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_groups


def _place(parameter: inspect.Parameter) -> tuple[int, int]:
    """Arguments first, then options by heading, and below it as the heading says or as they are declared."""
    option = parameter.default
    if not isinstance(option, OptionInfo):
        return 0, 0
    heading, long = str(option.rich_help_panel), (option.param_decls or ())[-1]
    return 1 + list(HEADINGS).index(heading), (*HEADINGS[heading], long).index(long)
