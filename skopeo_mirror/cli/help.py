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

ENVIRONMENT: Final = (
    (
        "SKOPEO_MIRROR_<NAME>",
        (
            "An option that takes one value, under every command: SKOPEO_MIRROR_RETRIES=5 is --retries 5. -r has one, "
            "too; flags, and what else can be repeated, have none."
        ),
    ),
    ("CONTAINERS_REGISTRIES_CONF", "The registries.conf where neither -r nor its own variable names one."),
    ("REGISTRY_AUTH_FILE", "Credentials where no option names a file."),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "Authorities to trust in place of the host's."),
    ("HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "Proxies."),
    ("TMPDIR", "Where temporary files go (/tmp)."),
    ("NO_COLOR", "No colours."),
)
"""Variables and what they say."""

EXIT_STATUS: Final = (
    ("0", "All is as it was asked for, and proven."),
    ("1", "An image failed, could not be confirmed or (--check) is not there; or something could not be written."),
    ("2", "Usage, input or configuration is wrong; nothing was copied."),
    ("3", "skopeo is missing or unusable."),
    ("129, 130, 131, 143", "Hung up, interrupted, quit, terminated; nothing is left behind."),
)
"""Exit statuses and their meanings."""

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
_INDENT: Final = "    "
_CONTINUED: Final = " \\"
_EXAMPLE: Final = "\n\nExample: "


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
            formatter.write_text(description_and_example(self)[0])

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, and that they are variables, too."""
        write_options(self, ctx, formatter)
        with formatter.section("Environment"):
            formatter.write_dl(ENVIRONMENT[:1])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base class's signature
        """Write the example, wrapped as a shell takes it: it is there to be copied."""
        example = description_and_example(self)[1]
        if example:
            with formatter.section("Example"):
                indent = f"{'':{formatter.current_indent}}"
                for line in continued(example, formatter.width - len(indent)):
                    formatter.write(f"{indent}{line}\n")

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
    """Write the options by panel."""
    for panel, records in panels(command, ctx).items():
        with formatter.section(panel):
            formatter.write_dl(records)


def panels(command: TyperCommand | TyperGroup, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """The options, how each is written and what it does, by panel in the order of their first appearance."""
    found: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx) if param.param_type_name == "option" else None
        if record is not None:
            found.setdefault(getattr(param, "rich_help_panel", None) or "Options", []).append(record)
    return found


def description_and_example(command: TyperCommand | TyperGroup) -> tuple[str, str]:
    """What a command does, its paragraphs apart, and a command line; that is empty where there is none."""
    text, _, example = inspect.cleandoc(command.help or "").partition(_EXAMPLE)
    return text, example


def continued(line: str, width: int) -> list[str]:
    """A command line in as few lines as `width` columns take; each but the last ends as a shell continues one."""
    words = line.split(" ")
    lines, current = [], ""
    for at, word in enumerate(words, 1):
        longer = f"{current} {word}" if current else word
        if current and len(longer) + (0 if at == len(words) else len(_CONTINUED)) > width:
            lines.append(current + _CONTINUED)
            longer = _INDENT + word
        current = longer
    return [*lines, current]


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
