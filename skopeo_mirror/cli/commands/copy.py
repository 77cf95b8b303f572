"""`copy`: the main job."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from skopeo_mirror.attached import ALL_KINDS, AttachedKind
from skopeo_mirror.cli import checks
from skopeo_mirror.cli.asked import wishes
from skopeo_mirror.cli.context import Context
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import INPUT, Asked, Conf, Pull, Push, Running, argument, option, repeated
from skopeo_mirror.cli.reporting import Account, ReportingCommand
from skopeo_mirror.cli.values import (
    check_skopeo_options,
    parse_attached,
    parse_bool,
    parse_duration,
    parse_platforms,
)
from skopeo_mirror.errors import UsageError
from skopeo_mirror.files import private_directory, temporary_directory
from skopeo_mirror.output.console import Console
from skopeo_mirror.output.printing import Printer
from skopeo_mirror.output.summary import drift_line
from skopeo_mirror.skopeo.settings import Access
from skopeo_mirror.transfer.destination.choosing import parse_destination
from skopeo_mirror.transfer.destination.place import NamingRules
from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
from skopeo_mirror.transfer.run import run, unbegun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skopeo_mirror.olm.filtered_catalogs import FilteredCatalogs
    from skopeo_mirror.request import ImageRequest
    from skopeo_mirror.transfer.destination.place import Destination


@command(ReportingCommand)
def copy(
    *,
    context: typer.Context,
    arguments: list[str] | None = argument("[IMAGE]... DESTINATION"),
    asked: Asked,
    from_: str | None = option("--from oci:DIR", INPUT, "Take the images from a layout that a run has filled."),
    platform: list[str] | None = repeated(
        "--platform OS/ARCH[/VARIANT]", INPUT, "Of an index only these images (all); its digest stays."
    ),
    attached: str | None = option(
        "--attached KINDS", INPUT, f"What is attached comes along: {','.join(AttachedKind)} or all (--from: all)."
    ),
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
    if push.filter_catalogs and (asked.config is None or from_ is not None):
        why = "for image sets: name one with -c FILE" if from_ is None else "for the run that fills the layout"
        raise UsageError(f"--filter-catalogs is {why}")
    kinds = _kinds(attached, extra, from_layout=from_ is not None)
    settings = replace(
        pull.settings,
        destination=access,
        # signatures come as they are: skopeo would write them anew, as registries.d says, under the same tag
        remove_signatures=push.remove_signatures or AttachedKind.SIG in kinds,
        extra=extra,
    )
    platforms = parse_platforms(platform or [])
    heartbeat = parse_duration(running.heartbeat, "--heartbeat")
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
    if platforms and not destination.takes_parts:
        raise UsageError(
            f"--platform beside {target}: an image directory holds an index with all its images or not at all; write "
            "oci:DIR or docker://HOST[:PORT][/PATH], or leave --platform out"
        )
    layout = None if from_ is None else LayoutSourcing.parse(from_, destination)
    nobody = f"no image: {target} is taken for the destination; name images before it, or with -f FILE"
    wished = wishes(named, asked, console, layout=layout, with_attached=not kinds, otherwise=nobody)
    run_settings = replace(
        around.run_settings(layout or around.sourcing),
        skopeo_settings=replace(settings, credential_helpers=around.configuration.credential_helpers),
        jobs=running.jobs,
        platforms=platforms,
        attached=kinds,
        shard=None if wished.shard is None else str(wished.shard),
        plans=not running.no_plan,
        dry_run=running.dry_run or running.check,
        fail_fast=running.fail_fast,
    )
    checks.readable(pull.authfile, pull.src_authfile, push.dest_authfile, pull.policy)
    checks.writable(running.report, running.failed_images, running.metrics)
    checks.make_directory(running.log_dir)
    account.result = unbegun(destination, run_settings)
    printer = Printer(
        console=console, json=running.json, verbose=running.verbose, quiet=running.quiet, heartbeat=heartbeat
    )
    filtering = _filtering(context) if push.filter_catalogs else None
    within = None if layout is None else layout.directory
    part = wished.part(around, within, warns_of_more=layout is None, filtering=filtering)
    run_settings = replace(run_settings, whole_list=part.whole)
    account.result = replace(account.result, whole_list=part.whole)
    placed = (_placed(request, destination) for request in part.images)
    image_set = wished.image_set
    waits = around.skopeo.runs.waits
    with nullcontext() if image_set is None else printer.live(0, waits):
        account.requests = requests = tuple(
            request
            for request in placed
            if image_set is None or not image_set.blocks(destination.place(request.reference, request.destination).name)
        )
    with around.stopped_by_signals():
        with printer.live(len(requests), waits):
            result = run(requests, destination, run_settings, stop=around.stop, tell=account.hearing(printer.hear))
        account.told = True
        files = {"report": running.report, "failed_images": running.failed_images, "metrics": running.metrics}
        printer.finish(result, **files)
        if running.check:
            (console.note if running.json else console.told)(drift_line(result))
    raise typer.Exit(1 if result.failed or (running.check and result.changed) else 0)


def _kinds(attached: str | None, extra: Iterable[str], *, from_layout: bool) -> frozenset[AttachedKind]:
    """The kinds of what comes along; from a layout all that it has. Raises UsageError."""
    signs = any(option.startswith("--sign-by") for option in extra)
    if attached is None:
        return ALL_KINDS if from_layout and not signs else frozenset()
    if signs:
        raise UsageError(
            "--sign-by beside --attached: skopeo would sign what is attached, too, and write under the tags of those "
            "signatures that come along; leave one of them out"
        )
    return parse_attached(attached)


def _filtering(context: typer.Context) -> FilteredCatalogs:
    """What makes catalogs that offer what is selected alone, until the command ends."""
    from skopeo_mirror.olm.filtered_catalogs import FilteredCatalogs  # noqa: PLC0415 - few runs need it

    return FilteredCatalogs(directory=context.with_resource(private_directory(temporary_directory())))


def _placed(request: ImageRequest, destination: Destination) -> ImageRequest:
    """The same, its name below the destination made a destination of its own. Raises DestinationRefused."""
    if request.named is None:
        return request
    repository = destination.place(request.named).repository
    own = request.destination if repository is None else str(repository)
    return replace(request, named=None, destination=own)
