"""`merge`: one verdict over the reports of shards."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import typer

from skopeo_mirror.cli.checks import text_of
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import JSON, argument
from skopeo_mirror.errors import InvalidInput, UsageError
from skopeo_mirror.output.console import Console
from skopeo_mirror.output.merged import ShardReport, merged_head, parse_shard_report, verdict_lines
from skopeo_mirror.output.report import document_pieces
from skopeo_mirror.output.report_fields import report_of


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
    head = merged_head(parsed)
    console = Console()
    tell = console.note if json else console.result
    ordered = sorted(zip(parsed, reports, strict=True), key=lambda pair: pair[0].index)
    for line in chain.from_iterable(one.failures for one, _ in ordered):
        tell(line)
    for line in verdict_lines(head, len(parsed)):
        tell(line)
    if json:  # each file is read once more: all images at once take too much memory
        images = chain.from_iterable(report_of(text_of(file), str(file))["images"] for _, file in ordered)
        console.document(document_pieces(head, images))
    raise typer.Exit(1 if head["failed"] else 0)
