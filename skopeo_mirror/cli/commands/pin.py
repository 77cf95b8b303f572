"""`pin`: tags to digests."""

from __future__ import annotations

from dataclasses import replace

import typer

from skopeo_mirror.cli import asked as asking
from skopeo_mirror.cli import checks
from skopeo_mirror.cli.context import Context
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import IMAGES, JOBS, QUIET, Asked, Conf, Pull
from skopeo_mirror.output.console import Console
from skopeo_mirror.transfer.pinning import pin_all


@command()
def pin(
    *, images: list[str] | None = IMAGES, asked: Asked, conf: Conf, pull: Pull, jobs: int = JOBS, quiet: bool = QUIET
) -> None:
    """Resolve tags to digests through the mirrors; print name:tag@sha256:..., one a line, in the order given.

    Example: skopeo-mirror pin -r registries.conf quay.io/foo/app:v1
    """
    console = Console(quiet=quiet)
    context = Context(conf=conf, pull=pull, console=console)
    sourcing = context.sourcing
    checks.readable(pull.authfile, pull.src_authfile)
    listed = [one for one in asking.images(images, asked, context) if one.layout is None]
    failed = False
    with context.stopped_by_signals():
        wanted = [one.reference if one.digest is None else one.reference.pin(one.digest) for one in listed]
        for pinned, error in pin_all(wanted, replace(context.run_settings(sourcing), jobs=jobs)):
            if error is None:
                console.result(str(pinned))
            else:
                failed = True
                console.error(f"{pinned}: {error}")
    raise typer.Exit(1 if failed else 0)
