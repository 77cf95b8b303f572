"""`merge`: one verdict over the reports of shards."""

from __future__ import annotations

import json as json_text
from pathlib import Path

import typer

from skopeo_mirror.cli.checks import text_of
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import JSON, argument
from skopeo_mirror.errors import InvalidInput, UsageError
from skopeo_mirror.output.console import Console
from skopeo_mirror.output.merged import ShardReport, failure_lines, merged_report, parse_shard_report, verdict_lines


@command()
def merge(*, reports: list[Path] = argument("REPORT..."), json: bool = JSON) -> None:
    """Print one verdict over the reports of shards: what failed, which shard is missing; exit as `copy` does.

    REPORT is what `copy --shard I/N --report REPORT` has written. With --json, one report of the whole list.

    Example: skopeo-mirror merge reports/*.json
    """
    parsed: list[ShardReport] = []
    problems: list[str] = []
    for file in reports:
        try:
            parsed.append(parse_shard_report(text_of(file), str(file)))
        except InvalidInput as error:
            problems += error.problems
        except UsageError as error:
            problems.append(str(error))
    if problems:
        raise InvalidInput(problems)
    report = merged_report(parsed)
    console = Console()
    tell = console.note if json else console.result
    for line in failure_lines(report):
        tell(line)
    for line in verdict_lines(report, len(parsed)):
        tell(line)
    if json:
        console.result(json_text.dumps(report, indent=2))
    raise typer.Exit(1 if report["failed"] else 0)
