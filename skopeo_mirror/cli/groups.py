"""Options in groups: a dataclass is a group, its fields are options, and a command takes whole groups."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, get_type_hints

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
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        own = parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        parameters += _options_of(groups[name]) if name in groups else [own]
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


def _options_of(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(group)
    ]


def _place(parameter: inspect.Parameter) -> tuple[int, int]:
    """Arguments first, then options by heading, and below it as the heading says or as they are declared."""
    for said in getattr(parameter.annotation, "__metadata__", ()):
        if isinstance(said, OptionInfo):
            heading = str(said.rich_help_panel)
            # typer takes the first name for a default until it reads the annotation
            long = next(str(name) for name in (said.default, *(said.param_decls or ())) if str(name).startswith("--"))
            return 1 + list(HEADINGS).index(heading), (*HEADINGS[heading], long).index(long)
    return 0, 0
