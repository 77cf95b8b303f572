"""The command line: commands, each in a module that is loaded when it is asked for, and the one catcher of errors."""

from __future__ import annotations

import inspect
import os
import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from skopeo_mirror import __version__
from skopeo_mirror.cli.help import ENVIRONMENT, EXIT_STATUS, saying_what_was_meant, write_options
from skopeo_mirror.cli.options import SKOPEO, Shell, flag
from skopeo_mirror.errors import InvalidInput, SkopeoMirrorError, words_of
from skopeo_mirror.output.console import Console
from skopeo_mirror.signals import Signalled, listen

COMMANDS: Final = ("copy", "route", "validate", "normalize", "pin", "images", "merge", "redirect", "catalog")
"""In the order of the help; each is in the module of `commands` that has its name."""


class Program(TyperGroup):
    """The commands, loaded one by one; the help lists them with their whole first sentence."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment] # names, for lists and "did you mean"

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base class's signature
        """Return the command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f"skopeo_mirror.cli.commands.{cmd_name}"), cmd_name)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, then the commands."""
        write_options(self, ctx, formatter)
        helps = {name: inspect.cleandoc(self.get_command(ctx, name).help) for name in COMMANDS}
        with formatter.section("Commands"):
            formatter.write_dl([(name, text.partition("\n\n")[0]) for name, text in helps.items()])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base class's signature
        """Write what is no option of one command."""
        for heading, rows in (("Environment", ENVIRONMENT), ("Exit status", EXIT_STATUS)):
            with formatter.section(heading):
                formatter.write_dl(rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, as a command does."""
        with saying_what_was_meant():
            return super().parse_args(ctx, args)


app = typer.Typer(
    name="skopeo-mirror",
    cls=Program,
    add_completion=False,
    help="Copy container images through registries.conf with skopeo, and prove which mirror served each.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the program; every error that it raises on purpose ends here, as words and an exit status."""
    if "_SKOPEO_MIRROR_COMPLETE" in os.environ:
        from skopeo_mirror.cli.completion import answering  # noqa: PLC0415 - a shell asks

        answering()
    try:
        app(prog_name=app.info.name)
    except InvalidInput as error:
        _die(error.exit_status, *error.problems)
    except (SkopeoMirrorError, Signalled) as error:
        _die(error.exit_status, str(error))
    except OSError as error:
        _die(SkopeoMirrorError.exit_status, words_of(error))


def _die(status: int, *lines: str) -> None:
    console = Console()
    for line in lines:
        console.error(line)
    sys.exit(status)


def _of_shell(name: str, text: str) -> Any:
    names = ", ".join(Shell)
    return typer.Option(None, name, metavar="SHELL", help=f"{text} ({names}).", show_default=False)


@app.callback(invoke_without_command=True, help=app.info.help)
def root(
    *,
    version: bool = flag("--version", "Options", "Print the versions of the program and of skopeo."),
    install_completion: Shell | None = _of_shell("--install-completion", "Install completion for SHELL"),
    show_completion: Shell | None = _of_shell("--show-completion", "Print the completion script of SHELL"),
    skopeo: str | None = SKOPEO,
) -> None:
    """Answer the options; typer shows the program's help from elsewhere. `--skopeo` is for whatever command follows."""
    if skopeo is not None:
        os.environ["SKOPEO_MIRROR_SKOPEO"] = skopeo
    console = Console()
    if version:
        from skopeo_mirror.skopeo.command import version_line  # noqa: PLC0415 - only here

        listen()
        console.result(f"skopeo-mirror {__version__}")
        console.result(version_line(skopeo))
        raise typer.Exit
    if install_completion is not None or show_completion is not None:
        from skopeo_mirror.cli import completion  # noqa: PLC0415 - only here

        if install_completion is not None:
            console.result(f"installed {completion.install(install_completion)}; it counts in the next shell")
        if show_completion is not None:
            console.result(completion.script(show_completion).rstrip("\n"))
        raise typer.Exit
