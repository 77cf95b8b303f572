"""Report and failed list of a `copy` that ends before its run does: refused, interrupted, or broken on the way.

Without them those of an earlier run would be taken for its own. What is told once the run has come to its end is the
printer's.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.exceptions import Exit, TyperException

from skopeo_mirror.cli.help import Command
from skopeo_mirror.errors import CatalogUnavailable, InvalidInput, RunBroken, SkopeoMirrorError
from skopeo_mirror.output.console import Console
from skopeo_mirror.signals import Signalled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from skopeo_mirror.transfer.engine import News
    from skopeo_mirror.transfer.results import ImageResult, RunResult
    from skopeo_mirror.transfer.run import Request


@dataclass(kw_only=True)
class Account:
    """What is known of a run so far. `told` is set as soon as the printer gives account of it."""

    report: Path | None
    failed_images: Path | None
    destination: str
    dry_run: bool
    json: bool = False
    request: Request | None = None
    told: bool = False
    _finished: list[ImageResult] = field(default_factory=list)

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Account:
        """From the command's parameters; those that could not be made out are None or missing."""
        report, failed = parameters.get("report"), parameters.get("failed_images")
        return cls(
            report=Path(report) if report else None,
            failed_images=Path(failed) if failed else None,
            destination=[*(parameters.get("arguments") or []), ""][-1],
            dry_run=bool(parameters.get("dry_run")),
            json=bool(parameters.get("json")),
        )

    def hearing(self, tell: Callable[[News], None]) -> Callable[[News], None]:
        """Let `tell` hear the news, and remember the images that are at their end."""
        from skopeo_mirror.transfer.engine import Settled  # noqa: PLC0415 - start-up time of the other commands

        def hear(news: News) -> None:
            if isinstance(news, Settled):
                self._finished.append(news.result)
            tell(news)

        return hear

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Give account of the run where the block is left by an error. Raises RunBroken where images had ended."""
        try:
            yield
        except Exit:
            raise
        except BaseException as error:
            if not self.told:
                self.end(_words(error))
                if self.json and isinstance(error, CatalogUnavailable | Signalled):  # it was no mistake of the caller's
                    Console().result(self._text(_words(error)).rstrip("\n"))
            if isinstance(error, OSError) and self._finished:
                raise RunBroken(_words(error)) from error
            raise

    def end(self, why: str) -> None:
        """Write that the run was stopped, and why."""
        try:
            if self.report is not None:
                self._write_report(self.report, why)
            if self.failed_images is not None:
                self._write_failed(self.failed_images)
        except OSError as error:
            if error.filename is not None and error.filename not in why and os.path.lexists(error.filename):
                Console().warning(f"{error.filename}: cannot be written: {error.strerror}; it is of an earlier run")

    def _write_report(self, report: Path, why: str) -> None:
        from skopeo_mirror.files import write_atomically  # noqa: PLC0415

        write_atomically(report, self._text(why).encode())

    def _text(self, why: str) -> str:
        from skopeo_mirror.output.report import report_text  # noqa: PLC0415

        return report_text(replace(self._result(), stopped=why))

    def _result(self) -> RunResult:
        import datetime as dt  # noqa: PLC0415

        from skopeo_mirror.transfer.results import RunResult  # noqa: PLC0415
        from skopeo_mirror.transfer.run import unbegun  # noqa: PLC0415

        if self.request is not None:
            return replace(unbegun(self.request, None), images=tuple(self._finished))
        return RunResult(
            images=(),
            destination=self.destination,
            destination_tls_verify=True,
            dry_run=self.dry_run,
            started=dt.datetime.now(dt.UTC),
            seconds=0.0,
            skopeo_path="",
            skopeo_version="",
        )

    def _write_failed(self, failed_images: Path) -> None:
        """Write what was asked for and is not done; no file where nobody knows: an empty one says that all is well."""
        from skopeo_mirror.files import check_link, write_atomically  # noqa: PLC0415
        from skopeo_mirror.transfer.results import Status  # noqa: PLC0415

        wanted = () if self.request is None else self.request.wanted
        if wanted:
            done = {(one.image, one.own_destination) for one in self._finished if one.status is not Status.FAILED}
            lines = [
                f"{one.image}\n" if one.destination is None else f"{one.image}={one.destination}\n"
                for one in wanted
                if (one.image, one.destination) not in done
            ]
            write_atomically(failed_images, "".join(lines).encode())
        elif failed_images.is_file():
            check_link(failed_images)
            failed_images.resolve().unlink()


class ReportingCommand(Command):
    """A command with `--report` and `--failed-images`; its context's `obj` is its Account."""

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
        with ctx.obj.kept():
            return super().invoke(ctx)


def _words(error: BaseException) -> str:
    match error:
        case InvalidInput():
            return "; ".join(error.problems)
        case SkopeoMirrorError() | Signalled():
            return "; ".join(str(error).splitlines())
        case OSError():
            return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
        case _:
            return f"an error inside the tool: {type(error).__name__}: {error}"
