"""`validate`: what is wrong with a registries.conf."""

from __future__ import annotations

import json as json_text
from pathlib import Path

import typer

from skopeo_mirror.cli.checks import refuse_beside
from skopeo_mirror.cli.context import examined
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import JSON, Conf, argument
from skopeo_mirror.output.console import Console
from skopeo_mirror.output.printable import printable
from skopeo_mirror.output.problems import problem_document, problem_lines, tags_pass_by
from skopeo_mirror.registries_conf.reading import dropin_files, examine


@command()
def validate(
    *,
    context: typer.Context,
    files: list[Path] | None = argument("[FILE]..."),
    conf: Conf,
    json: bool = JSON,
) -> None:
    """Check registries.conf files or mirror sets, every problem at once. A directory stands for its drop-ins.

    Example: skopeo-mirror validate registries.conf
    """
    if files:
        refuse_beside("FILE", context, "registries_conf", "registries_conf_dir")
    console = Console()
    given = [one for path in files or [] for one in (dropin_files(path) if path.is_dir() else (path,))]
    examination = examine(given) if files else examined(conf)
    problems = examination.problems
    failed = bool(problems if conf.strict else examination.errors)
    if json:
        document = problem_document(examination.files, problems, strict=conf.strict)
        console.result(json_text.dumps(document, indent=2))
    else:
        for line in problem_lines(problems):
            console.result(line, wrapped=not line.startswith(" "))  # what is indented is TOML, to be copied
        if not problems:
            console.result(printable(f"valid: {', '.join(examination.files)}"))
        for note in tags_pass_by(examination.configuration):
            console.note(note)
    raise typer.Exit(2 if failed else 0)
