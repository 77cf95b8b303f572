"""How the command line speaks of itself: options grouped, examples as they are typed, "did you mean".

typer groups options by `rich_help_panel` only where rich draws the help, in boxes that a pipe or a manual page gets
too; here the same panels become headings of plain text.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from skopeo_mirror.signals import listen

_EXAMPLE: Final = "\n\nExample: "


class Command(TyperCommand):
    """A command whose help has a heading for each panel, and an example at the end (`Example: …` in its docstring)."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what the first line of the help says after the name: the metavars as they are written."""
        arguments = [param.metavar or "" for param in self.get_params(ctx) if param.param_type_name == "argument"]
        return ["[OPTIONS]", *arguments]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base class's signature
        """Write the description."""
        _write_text(self, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, grouped by panel in the order of their first appearance."""
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base class's signature
        """Write the example, never wrapped: it is there to be copied."""
        example = inspect.cleandoc(self.help or "").partition(_EXAMPLE)[2]
        if example:
            with formatter.section("Example"):
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; a misspelt option is told what was likely meant, in the words that misspelt commands get."""
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            _say_what_was_meant(error)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run, and heed signals from now on."""
        listen()
        return super().invoke(ctx)


class Group(TyperGroup):
    """The program itself; its help lists the commands with their whole first sentence."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, then the commands."""
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands in the order in which they are defined."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, inspect.cleandoc(command.help or "").partition("\n\n")[0]))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, as a command does."""
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            _say_what_was_meant(error)
            raise


def _write_text(command: Command, formatter: Any) -> None:
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(inspect.cleandoc(command.help or "").partition(_EXAMPLE)[0])


def _write_options(command: Command | Group, ctx: Any, formatter: Any) -> None:
    panels: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx) if param.param_type_name == "option" else None
        if record is not None:
            panels.setdefault(getattr(param, "rich_help_panel", None) or "Options", []).append(record)
    for panel, records in panels.items():
        with formatter.section(panel):
            formatter.write_dl(records)


def _say_what_was_meant(error: Any) -> None:
    """Reword typer's `No such option: --jsn (Possible options: --json)`."""
    possibilities = getattr(error, "possibilities", None)
    if possibilities:
        error.message = f"{error.message}. Did you mean {', '.join(repr(one) for one in possibilities)}?"
        error.possibilities = None
