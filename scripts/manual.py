# ruff: noqa: INP001 - a script
"""Writes skopeo_mirror/skopeo-mirror.1 from what `--help` is made of: the commands, and the words of `cli/help.py`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from skopeo_mirror import __version__
from skopeo_mirror.cli import COMMANDS, app
from skopeo_mirror.cli.help import ENVIRONMENT, EXIT_STATUS, continued, description_and_example, panels
from skopeo_mirror.cli.options import HEADINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE: Final = Path(__file__).parents[1] / "skopeo_mirror" / "skopeo-mirror.1"
_SEE_ALSO: Final = (
    ("skopeo", 1), ("skopeo-login", 1), ("containers-registries.conf", 5), ("containers-registries.d", 5),
    ("containers-auth.json", 5), ("containers-certs.d", 5), ("containers-policy.json", 5),
)  # fmt: skip
_EXAMPLE_WIDTH: Final = 68  # columns: of 80, less the page's margins


def context_of(name: str) -> typer.Context:
    """What the help of a command, or of the program (an empty name), is written in."""
    program: Any = typer.main.get_command(app)
    outer = typer.Context(program, info_name=app.info.name, **program.context_settings)
    return typer.Context(program.get_command(outer, name), parent=outer, info_name=name) if name else outer


def page() -> str:
    """The page, in man(7)."""
    return "\n".join(line for line in _lines() if line) + "\n"


def _lines() -> Iterator[str]:
    program: Any = typer.main.get_command(app)
    commands = {name: program.get_command(None, name) for name in COMMANDS}
    yield f'.TH SKOPEO\\-MIRROR 1 "" "skopeo\\-mirror {__version__}"'
    yield from (".nr HY 0", ".nh", ".ad l")  # names broken in two cannot be found, nor copied
    yield from (".SH NAME", f"skopeo\\-mirror \\- {_text(program.help.rstrip('.'))}")
    yield from (".SH SYNOPSIS", ".B skopeo\\-mirror", ".I COMMAND", "[OPTIONS] ...")
    yield ".SH COMMANDS"
    for name, command in commands.items():
        pieces = command.collect_usage_pieces(context_of(name))
        yield from (".TP", f"\\fB{_text(name)}\\fR {_text(' '.join(pieces))}")
        text, example = description_and_example(command)
        yield from _joined(map(_text, text.split("\n\n")), between=".IP")
        if example:
            yield from (".IP", ".EX", *map(_text, continued(example, _EXAMPLE_WIDTH)), ".EE")
    yield ".SH OPTIONS"
    yield "Each is followed by the commands that take it; the program's own come before a command."
    takers_of_all = ["", *commands]
    for heading, options in _options(takers_of_all).items():
        yield f'.SS "{_text(heading)}"'
        for (written, meaning), takers in options.items():
            yield from (".TP", _option(written), _text(meaning))
            told = "all" if takers == takers_of_all else ", ".join(taker or "the program" for taker in takers)
            yield f"\\fI({_text(told)})\\fR"
    yield from _listed("ENVIRONMENT", ENVIRONMENT)
    yield from _listed("EXIT STATUS", EXIT_STATUS)
    yield ".SH SEE ALSO"
    yield ", ".join(f"\\fB{_text(name)}\\fR({section})" for name, section in _SEE_ALSO)


def _options(names: Iterable[str]) -> dict[str, dict[tuple[str, str], list[str]]]:
    """By heading: how an option is written and what it does, and which of the commands of these names take it."""
    found: dict[str, dict[tuple[str, str], list[str]]] = {heading: {} for heading in (*HEADINGS, "Options")}
    for name in names:
        context: Any = context_of(name)
        for heading, records in panels(context.command, context).items():
            for record in records:
                found[heading].setdefault(record, []).append(name)
    return {heading: options for heading, options in found.items() if options}


def _listed(heading: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f".SH {heading}"
    for name, meaning in rows:
        yield from (".TP", f"\\fB{_text(name)}\\fR", _text(meaning))


def _joined(paragraphs: Iterable[str], between: str) -> Iterator[str]:
    for at, paragraph in enumerate(paragraphs):
        yield from (between, paragraph) if at else (paragraph,)


def _option(written: str) -> str:
    """`-j, --jobs N`: the names in bold, what stands for a value in italics."""
    return re.sub(
        r"(?P<name>(?<!\S)-[\w-]+)|(?P<value>[^\s,]+)",
        lambda match: f"\\fB{_text(match[0])}\\fR" if match["name"] else f"\\fI{_text(match[0])}\\fR",
        written,
    )


def _text(text: str) -> str:
    """Text as troff prints it: a hyphen stays one, and nothing begins a request."""
    escaped = " ".join(text.split("\n")).replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def main() -> None:
    """Write the page, or say that it is not what the help says."""
    now = page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == now:
        return
    if "--check" in sys.argv[1:]:
        sys.exit("skopeo_mirror/skopeo-mirror.1 is not what the help says: scripts/readme writes it")
    PAGE.write_text(now, encoding="utf-8")
    print("skopeo_mirror/skopeo-mirror.1 is renewed")  # noqa: T201 - a script for people


if __name__ == "__main__":
    main()
