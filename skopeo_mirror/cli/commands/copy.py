"""`copy`: the main job."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from skopeo_mirror.cli import checks
from skopeo_mirror.cli.asked import wishes
from skopeo_mirror.cli.context import Context
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import Asked, Conf, FromLayout, Pull, Push, Running
from skopeo_mirror.cli.reporting import Account, ReportingCommand
from skopeo_mirror.cli.values import check_skopeo_options, parse_bool
from skopeo_mirror.errors import UsageError
from skopeo_mirror.output.console import Console
from skopeo_mirror.output.printing import Printer
from skopeo_mirror.skopeo.settings import Access
from skopeo_mirror.transfer.destination.choosing import parse_destination
from skopeo_mirror.transfer.destination.naming import NamingRules
from skopeo_mirror.transfer.jobs import Wanted
from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
from skopeo_mirror.transfer.run import Request, run
from skopeo_mirror.transfer.sourcing import Sourcing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from skopeo_mirror.lists import Listed
    from skopeo_mirror.olm.imageset import ImageSet
    from skopeo_mirror.transfer.destination.place import Destination


@command(ReportingCommand)
def copy(
    *,
    context: typer.Context,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[IMAGE]... DESTINATION", show_default=False)] = None,
    asked: Asked,
    from_: FromLayout = None,
    conf: Conf,
    pull: Pull,
    push: Push,
    running: Running,
) -> None:
    """Copy each image to DESTINATION, redirected by registries.conf, and confirm who served it.

    DESTINATION is docker://HOST[:PORT][/PATH], oci:DIR or dir:DIR.

    Example: skopeo-mirror copy -f images.txt docker://registry.example.com/mirror
    """
    console = Console(quiet=running.quiet)
    account: Account = context.obj
    extra = check_skopeo_options(push.skopeo_option or [])
    access = Access(authfile=push.dest_authfile or pull.authfile, cert_dir=push.dest_cert_dir)
    settings = replace(pull.settings, destination=access, remove_signatures=push.remove_signatures, extra=extra)
    tls_verify = parse_bool(push.dest_tls_verify, "--dest-tls-verify")
    *named, target = arguments or [""]
    if not target:
        raise UsageError("no destination; write docker://HOST[:PORT][/PATH], oci:DIR or dir:DIR at the end")
    around = Context(conf=conf, pull=pull, console=console, log_dir=running.log_dir, redirects=from_ is None)
    destination = parse_destination(
        target,
        router=around.router,
        access=access,
        tls_verify=tls_verify,
        rules=NamingRules(scoped=push.scoped, max_nested_paths=push.max_nested_paths),
    )
    layout = None if from_ is None else LayoutSourcing.parse(from_, destination)
    nobody = f"no image: {target} is taken for the destination; name images before it, or with -f FILE"
    wished = wishes(named, asked, console, layout=layout, otherwise=nobody)
    request = Request(
        wanted=(),
        skopeo=around.skopeo,
        settings=replace(settings, credential_helpers=around.configuration.credential_helpers),
        configuration=around.configuration,
        sourcing=layout or around.sourcing,
        destination=destination,
        jobs=running.jobs,
        retries=pull.retries,
        plans=not running.no_plan,
        dry_run=running.dry_run,
        fail_fast=running.fail_fast,
        log_dir=running.log_dir,
    )
    checks.readable(pull.authfile, pull.src_authfile, push.dest_authfile, pull.policy)
    checks.writable(running.report, running.failed_images)
    checks.make_directory(running.log_dir)
    account.request = request
    printer = Printer(console=console, json=running.json, verbose=running.verbose, quiet=running.quiet)
    listed = wished.images(around, within=None if layout is None else layout.directory)
    account.request = request = _asking_for(request, listed, wished.image_set)
    with around.stopped_by_signals():
        with printer.live(len(request.wanted)):
            result = run(request, stop=around.stop, tell=account.hearing(printer.hear))
        account.told = True
        printer.finish(result, report=running.report, failed_images=running.failed_images)
    raise typer.Exit(1 if result.failed else 0)


def _asking_for(request: Request, images: Sequence[Listed], image_set: ImageSet | None) -> Request:
    """The request, for these images; what `image_set` blocks at the destination is left out.

    Raises DestinationRefused.
    """
    layouts = {listed.reference.name: listed.layout for listed in images if listed.layout is not None}
    sourcing = (
        replace(request.sourcing, layouts=layouts) if isinstance(request.sourcing, Sourcing) else request.sourcing
    )
    return replace(request, wanted=tuple(_wanted_at(request.destination, images, image_set)), sourcing=sourcing)


def _wanted_at(destination: Destination, images: Sequence[Listed], image_set: ImageSet | None) -> Iterator[Wanted]:
    for listed in images:
        own = listed.destination
        if listed.named is not None and (repository := destination.place(listed.named).repository) is not None:
            own = str(repository)
        if image_set is not None and image_set.blocks(destination.place(listed.reference, own).name):
            continue
        yield Wanted(
            image=listed.reference,
            destination=own,
            digest=listed.digest,
            wanted_by=listed.wanted_by,
            catalog=listed.catalog,
        )
