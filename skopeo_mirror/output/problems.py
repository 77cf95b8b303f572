"""The problems of registries.conf files, for people and for machines (`validate --json`; pure views)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skopeo_mirror.output.printable import printable
from skopeo_mirror.registries_conf.problem import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skopeo_mirror.registries_conf.model import Configuration
    from skopeo_mirror.registries_conf.problem import Problem

SCHEMA = "skopeo-mirror/validate/v1"


def problem_lines(problems: Iterable[Problem]) -> list[str]:
    """Return one line a problem, led by its severity; below it, indented, the TOML that it should be, if any."""
    lines: list[str] = []
    for problem in problems:
        lines.append(printable(f"{problem.severity}: {problem}"))
        lines += [f"    {line}".rstrip() for line in problem.instead.splitlines()]
    return lines


def tags_pass_by(configuration: Configuration | None) -> list[str]:
    """Say, in one line if at all, that tags pass mirrors by: no problem, and still not what everybody expects.

    Of OpenShift's objects, which tell tags apart by their kinds, there are warnings.
    """
    entries = [one for one in configuration.registries if one.passed_by_tags] if configuration else []
    entries = [one for one in entries if one.position is None or not one.position.object]
    if not entries:
        return []
    first, *others = entries
    more = f" (and those of {len(others)} more)" if others else ""
    mirrors = ", ".join(first.passed_by_tags)
    return [f"note: tags of {first.prefix} pass {mirrors} by{more}; --all-mirrors uses every mirror for tags, too"]


def problem_document(files: Sequence[str], problems: Sequence[Problem], *, strict: bool = False) -> dict[str, Any]:
    """Return the document of `validate --json`, schema `skopeo-mirror/validate/v1`.

    `valid` is false where there is an error, or with `strict` any problem.
    """
    return {
        "schema": SCHEMA,
        "valid": not (problems if strict else errors(problems)),
        "files": list(files),
        "problems": [
            {
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "where": problem.where,
                "severity": str(problem.severity),
                "text": problem.text,
                "advice": problem.advice,
                **({"instead": problem.instead} if problem.instead else {}),
            }
            for problem in problems
        ],
    }
