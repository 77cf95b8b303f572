# ruff: noqa: T201 - it prints what it found
"""`scripts/bench`: options, the scenarios by name, and what is printed."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.benchmark import architectures, catalogs, jobs, local, machine, transfers
from scripts.benchmark.measure import ContenderError
from scripts.benchmark.results import Outcome, as_json, as_text
from scripts.benchmark.settings import Settings
from scripts.ending import end_cleanly

if TYPE_CHECKING:
    from collections.abc import Callable

SCENARIOS: dict[str, Callable[[Settings, Path], Outcome]] = {
    "version": local.version,
    "route": local.route,
    "layout": local.layout,
    "catalog": catalogs.catalog,
    "present": transfers.present,
    "reused": transfers.reused,
    "many": transfers.many,
    "sync": transfers.slow_sync,
    "jobs": jobs.jobs,
    "jobs-multi-architecture": jobs.multi_architecture,
    "one-job": transfers.one_job,
    "one-job-loopback": transfers.one_job_loopback,
    "tiny": transfers.tiny,
    "large": transfers.large,
    "multi-architecture": architectures.oci,
    "multi-architecture-docker": architectures.docker,
    "multi-architecture-loopback": architectures.oci_loopback,
    "multi-architecture-docker-loopback": architectures.docker_loopback,
    "memory": transfers.memory,
    "black-hole": transfers.black_hole,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the scenarios that were asked for; 0: every bar is met, 1: one is missed, 2: nothing can be measured."""
    options = vars(_parser().parse_args(arguments))
    names, as_document = options.pop("only") or list(SCENARIOS), options.pop("json")
    chosen: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in options.items()}
    settings = Settings(**chosen)
    end_cleanly()
    try:
        described = machine.describe(settings.tool_command)
    except ContenderError as error:
        print(f"scripts/bench: cannot start {error}", file=sys.stderr)
        return 2
    progress = sys.stderr if as_document else sys.stdout
    print(machine.as_text(described), file=progress, end="\n\n")
    outcomes = []
    for name in names:
        outcomes.append(_run(name, settings))
        print(as_text(outcomes[-1]), file=progress, flush=True)
    if as_document:
        print(json.dumps(as_json(dataclasses.asdict(settings), described, outcomes), indent=2))
    return 0 if all(outcome.met for outcome in outcomes) else 1


def _run(name: str, settings: Settings) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            return SCENARIOS[name](settings, Path(folder))
        except ContenderError as error:
            return Outcome(name=name, title=_summary(name), error=str(error))


def _summary(name: str) -> str:
    return (SCENARIOS[name].__doc__ or "").partition("\n")[0]


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:36}{_summary(name)}" for name in SCENARIOS)
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure skopeo-mirror beside skopeo alone, on loopback, with a network of its own.\n"
        "Files go to TMPDIR.",
        epilog=f"scenarios:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=SCENARIOS, help="run these scenarios (all)")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document with every sample; tables on stderr"
    )
    for field in dataclasses.fields(Settings):
        default: Any = field.default
        values = default if isinstance(default, tuple) else (default,)
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            type=type(values[0]),
            nargs="+" if isinstance(default, tuple) else None,
            default=default,
            metavar="COMMAND" if isinstance(default, str) else "N",
            help=f"{field.metadata['help']} ({' '.join(map(str, values))})",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
