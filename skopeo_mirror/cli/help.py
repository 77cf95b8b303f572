"""Help and usage errors: options grouped, examples as they are typed, "did you mean".

typer groups options by `rich_help_panel` only where rich draws the help, in boxes that a pipe or a manual page gets
too; here the same panels become headings of plain text.
"""

from __future__ import annotations

import inspect
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from skopeo_mirror.cli.checks import one_reads_standard_input
from skopeo_mirror.signals import listen

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXAMPLE: Final = "\n\nExample: "
_OF_SKOPEO: Final = (
    (
        r"--((src|dest)-)?(creds|username|password|registry-token)",
        "credentials come from an auth file: skopeo login HOST writes one (--src-authfile, --dest-authfile: another)",
    ),
    (
        r"--(src-)?tls-verify",
        "of a source say `insecure = true` in registries.conf, of the destination --dest-tls-verify=false",
    ),
    (r"--(all|multi-arch|preserve-digests)|-a", "every image is copied whole as it is; --platform leaves images out"),
    (r"--override-(os|arch|variant)", "--platform OS/ARCH[/VARIANT] takes some images of an index"),
)
"""Options of `skopeo copy` that are none here, and what to do instead."""


class Command(TyperCommand):
    """A command whose help has a heading for each panel, and an example at the end (`Example: …` in its docstring)."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what the first line of the help says after the name: the metavars as they are written."""
        arguments = [param.metavar or "" for param in self.get_params(ctx) if param.param_type_name == "argument"]
        return ["[OPTIONS]", *arguments]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base class's signature
        """Write the description."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(inspect.cleandoc(self.help or "").partition(_EXAMPLE)[0])

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options alone."""
        write_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base class's signature
        """Write the example, never wrapped: it is there to be copied."""
        example = inspect.cleandoc(self.help or "").partition(_EXAMPLE)[2]
        if example:
            with formatter.section("Example"):
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; a misspelt option is told what was likely meant, in the words that misspelt commands get."""
        with saying_what_was_meant():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run, and heed signals from now on."""
        one_reads_standard_input(ctx.params)
        listen()
        return super().invoke(ctx)


def write_options(command: TyperCommand | TyperGroup, ctx: Any, formatter: Any) -> None:
    """Write the options, grouped by panel in the order of their first appearance."""
    panels: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx) if param.param_type_name == "option" else None
        if record is not None:
            panels.setdefault(getattr(param, "rich_help_panel", None) or "Options", []).append(record)
    for panel, records in panels.items():
        with formatter.section(panel):
            formatter.write_dl(records)


@contextmanager
def saying_what_was_meant() -> Iterator[None]:
    """Reword typer's `No such option: --jsn (Possible options: --json)`; of an option of skopeo's say what is here."""
    try:
        yield
    except TyperException as error:
        wrong: Any = error  # typer does not export the class of an option that does not exist
        name = str(getattr(error, "option_name", ""))
        if hint := next((hint for pattern, hint in _OF_SKOPEO if re.fullmatch(pattern, name)), None):
            wrong.message = f"{wrong.message}; {hint}"
            wrong.possibilities = None
        elif possibilities := getattr(error, "possibilities", None):
            wrong.message = f"{wrong.message}. Did you mean {', '.join(map(repr, possibilities))}?"
            wrong.possibilities = None
        raise
