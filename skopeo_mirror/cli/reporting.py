"""Report, failed list and metrics of a `copy` that ends before its run: refused, interrupted, or broken on the way.

Without them those of an earlier run would be taken for its own. What is told once the run has come to its end is the
printer's.
"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.exceptions import Exit, TyperException

from skopeo_mirror.cli.help import Command
from skopeo_mirror.errors import CatalogUnavailable, InvalidInput, RunBroken, SkopeoMirrorError, UsageError, words_of
from skopeo_mirror.files import check_link, write_atomically
from skopeo_mirror.output.console import Console
from skopeo_mirror.output.metrics import metrics_pieces
from skopeo_mirror.output.report import report_pieces
from skopeo_mirror.output.text import list_line
from skopeo_mirror.shards import Shard
from skopeo_mirror.signals import Signalled
from skopeo_mirror.transfer.news import Settled
from skopeo_mirror.transfer.results import RunResult, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from skopeo_mirror.request import ImageRequest
    from skopeo_mirror.transfer.news import News
    from skopeo_mirror.transfer.results import ImageResult


@dataclass(kw_only=True)
class Account:
    """What is known of a run so far. `told` is set as soon as the printer gives account of it."""

    report: Path | None
    failed_images: Path | None
    metrics: Path | None
    json: bool
    result: RunResult
    """All but its images, which are remembered as they end."""
    requests: tuple[ImageRequest, ...] = ()
    told: bool = False
    _finished: list[ImageResult] = field(default_factory=list)

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Account:
        """From the command's parameters; those that could not be made out are None or missing."""
        report, failed, metrics = (
            Path(file) if (file := parameters.get(name)) else None for name in ("report", "failed_images", "metrics")
        )
        return cls(
            report=report,
            failed_images=failed,
            metrics=metrics,
            json=bool(parameters.get("json")),
            result=RunResult(
                destination=[*(parameters.get("arguments") or []), ""][-1],
                dry_run=bool(parameters.get("dry_run") or parameters.get("check")),
                started=dt.datetime.now(dt.UTC),
                shard=_shard(*map(parameters.get, ("shard", "shard_index", "shard_count"))),
            ),
        )

    def hearing(self, tell: Callable[[News], None]) -> Callable[[News], None]:
        """Let `tell` hear the news, and remember the images that are at their end."""

        def hear(news: News) -> None:
            if isinstance(news, Settled):
                self._finished.append(news.result)
            tell(news)

        return hear

    def broken_off(self, error: BaseException) -> None:
        """Give account of a run that an error ended. Raises RunBroken of an OSError where images had ended."""
        why = _words(error)
        if not self.told:
            self.end(why)
            if self.json and isinstance(error, CatalogUnavailable | Signalled):  # it was no mistake of the caller's
                Console().document(report_pieces(self._broken_off(why)))
        if isinstance(error, OSError) and self._finished:
            raise RunBroken(why) from error

    def end(self, why: str) -> None:
        """Write that the run was stopped, and why."""
        run = self._broken_off(why)
        for file, pieces in ((self.report, report_pieces(run)), (self.metrics, metrics_pieces(run, self.metrics))):
            if file is not None:
                with _warning_of_stale(why):
                    write_atomically(file, map(str.encode, pieces))
        if self.failed_images is not None:
            with _warning_of_stale(why):
                self._write_failed(self.failed_images)

    def _broken_off(self, why: str) -> RunResult:
        return replace(self.result, images=tuple(self._finished), stopped=why)

    def _write_failed(self, failed_images: Path) -> None:
        """Write what was asked for and is not done; no file where nobody knows: an empty one says that all is well."""
        if self.requests:
            done = {list_line(one.request) for one in self._finished if one.status is not Status.FAILED}
            lines = [line for line in map(list_line, self.requests) if line not in done]
            write_atomically(failed_images, "".join(lines).encode())
        elif failed_images.is_file():
            check_link(failed_images)
            failed_images.resolve().unlink()


@contextmanager
def _warning_of_stale(why: str) -> Iterator[None]:
    """Warn where the block cannot replace a file of an earlier run, unless `why` the run ended is just that."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and error.filename not in why and os.path.lexists(error.filename):
            Console().warning(f"{error.filename}: cannot be written: {error.strerror}; it is of an earlier run")


class ReportingCommand(Command):
    """A command with `--report`, `--failed-images` and `--metrics`; its context's `obj` is its Account."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; of a command line that cannot be, what can be made out of it says which report to write."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            lenient = {"resilient_parsing": True, "ignore_unknown_options": True, "allow_extra_args": True}
            guessed = self.make_context(ctx.info_name, given, parent=ctx.parent, **lenient)
            Account.of(guessed.params).end(error.format_message())
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        ctx.obj = Account.of(ctx.params)
        try:
            return super().invoke(ctx)
        except Exit:
            raise
        except BaseException as error:
            ctx.obj.broken_off(error)
            raise


def _shard(text: str | None, index: int | None, count: int | None) -> str | None:
    """The part of the list that is asked for; None where it cannot be made out."""
    with suppress(UsageError):
        shard = Shard.asked(text, index, count)
        return None if shard is None else str(shard)
    return None


def _words(error: BaseException) -> str:
    match error:
        case InvalidInput():
            return "; ".join(error.problems)
        case SkopeoMirrorError() | Signalled():
            return "; ".join(str(error).splitlines())
        case OSError():
            return words_of(error)
        case _:
            return f"an error inside the tool: {type(error).__name__}: {error}"
