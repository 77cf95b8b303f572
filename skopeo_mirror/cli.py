"""The command line: commands, and the one place that catches errors."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from skopeo_mirror import options, wiring
from skopeo_mirror.errors import (
    InvalidInput,
    SkopeoMirrorError,
    Unroutable,
    UsageError,
)
from skopeo_mirror.output.console import Console
from skopeo_mirror.output.redirect import Format
from skopeo_mirror.reporting import Account, ReportingCommand
from skopeo_mirror.signals import Signalled, listen
from skopeo_mirror.usage import Command, Group
from skopeo_mirror.versions import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.inputs.imageset import ImageSet
    from skopeo_mirror.inputs.lists import Listed

app = typer.Typer(
    name="skopeo-mirror",
    cls=Group,
    help="Copy container images through registries.conf with skopeo, and prove which mirror served each.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Images = Annotated[list[str] | None, typer.Argument(metavar="[IMAGE]...", show_default=False)]
ImagesAndDestination = Annotated[list[str] | None, typer.Argument(metavar="[IMAGE]... DESTINATION", show_default=False)]


def main() -> None:
    """Run the program; every error that it raises on purpose ends here, as words and an exit status."""
    try:
        app(prog_name=app.info.name)
    except InvalidInput as error:
        _die(error.problems, error.exit_status)
    except SkopeoMirrorError as error:
        _die([str(error)], error.exit_status)
    except Signalled as signalled:
        _die([str(signalled)], signalled.exit_status)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _die([f"{where}{error.strerror or error}"], SkopeoMirrorError.exit_status)


def _die(lines: Sequence[str], status: int) -> None:
    console = Console()
    for line in lines:
        console.error(line)
    sys.exit(status)


@app.callback(invoke_without_command=True, help=app.info.help)
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the versions of the program and of skopeo.")
    ] = False,
    skopeo: options.SkopeoPath = None,
) -> None:
    """Answer `--version`; typer shows the program's help from elsewhere. `--skopeo` is for whatever command follows."""
    if skopeo is not None:
        os.environ["SKOPEO_MIRROR_SKOPEO"] = skopeo
    if version:
        listen()
        Console().result(versions(skopeo))
        raise typer.Exit


@app.command(cls=ReportingCommand)
def copy(
    context: typer.Context,
    arguments: ImagesAndDestination = None,
    images_from: options.ImagesFrom = None,
    config: options.Config = None,
    skip_unsupported: options.SkipUnsupported = False,
    shard: options.ShardOption = None,
    from_: options.FromLayout = None,
    registries_conf: options.RegistriesConf = None,
    registries_conf_dir: options.RegistriesConfDir = None,
    strict: options.Strict = False,
    all_mirrors: options.AllMirrors = False,
    mirrors_only: options.MirrorsOnly = False,
    scoped: options.Scoped = False,
    max_nested_paths: options.MaxNestedPaths = 0,
    dest_tls_verify: options.DestTlsVerify = None,
    authfile: options.Authfile = None,
    src_authfile: options.SrcAuthfile = None,
    dest_authfile: options.DestAuthfile = None,
    src_cert_dir: options.SrcCertDir = None,
    dest_cert_dir: options.DestCertDir = None,
    policy: options.Policy = None,
    insecure_policy: options.InsecurePolicy = False,
    remove_signatures: options.RemoveSignatures = False,
    jobs: options.Jobs = 8,
    retries: options.Retries = 2,
    timeout: options.Timeout = None,
    stall_timeout: options.StallTimeout = "60s",
    fail_fast: options.FailFast = False,
    no_plan: options.NoPlan = False,
    dry_run: options.DryRun = False,
    skopeo: options.SkopeoPath = None,
    skopeo_option: options.SkopeoOption = None,
    json_: options.Json = False,
    report: options.Report = None,
    failed_images: options.FailedImages = None,
    log_dir: options.LogDir = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Copy each image to DESTINATION, redirected by registries.conf, and confirm who served it.

    DESTINATION is docker://HOST[:PORT][/PATH], oci:DIR or dir:DIR.

    Example: skopeo-mirror copy -f images.txt docker://registry.example.com/mirror
    """
    from skopeo_mirror.asking import asking_for  # noqa: PLC0415 - start-up time of the other commands
    from skopeo_mirror.output.printing import Printer  # noqa: PLC0415 - start-up time of the other commands
    from skopeo_mirror.registries_conf.routing import Router  # noqa: PLC0415
    from skopeo_mirror.skopeo.scoped import Access, Settings  # noqa: PLC0415
    from skopeo_mirror.transfer.destination.naming import NamingRules  # noqa: PLC0415
    from skopeo_mirror.transfer.destination.parsing import parse_destination  # noqa: PLC0415
    from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing  # noqa: PLC0415
    from skopeo_mirror.transfer.run import Request, run  # noqa: PLC0415
    from skopeo_mirror.transfer.sourcing import Sourcing  # noqa: PLC0415
    from skopeo_mirror.transfer.stopping import Stop  # noqa: PLC0415

    console = Console(quiet=quiet)
    account: Account = context.obj
    extra = options.check_skopeo_options(skopeo_option or [])
    patience = options.parse_patience(timeout, stall_timeout)
    tls_verify = options.parse_bool(dest_tls_verify, "--dest-tls-verify")
    *asked, target = arguments or [""]
    if not target:
        raise UsageError("no destination; write docker://HOST[:PORT][/PATH], oci:DIR or dir:DIR at the end")
    warned = console if from_ is None else Console(quiet=True)  # it redirects nothing that comes from a layout
    configuration = wiring.configuration(
        registries_conf, registries_conf_dir, strict=strict, skopeo=skopeo, console=warned, all_mirrors=all_mirrors
    )
    router = Router(configuration)
    access = Access(authfile=dest_authfile or authfile, cert_dir=dest_cert_dir)
    destination = parse_destination(
        target,
        router=router,
        access=access,
        tls_verify=tls_verify,
        rules=NamingRules(scoped=scoped, max_nested_paths=max_nested_paths),
    )
    layout = None if from_ is None else LayoutSourcing.parse(from_, destination)
    image_set = _image_set(config, console, skip_unsupported=skip_unsupported)
    listed = wiring.images(asked, images_from or [], shard, layout if image_set is None else None)
    if not listed and not images_from and layout is None and image_set is None:
        raise UsageError(f"no image: {target} is taken for the destination; name images before it, or with -f FILE")
    found = wiring.usable_skopeo(skopeo)
    wiring.check_files(authfile, src_authfile, dest_authfile, policy)
    wiring.check_writable(report, failed_images)
    wiring.make_directory(log_dir)
    request = Request(
        wanted=(),
        skopeo=found,
        settings=Settings(
            source=Access(authfile=src_authfile or authfile, cert_dir=src_cert_dir),
            destination=access,
            policy=policy,
            insecure_policy=insecure_policy,
            remove_signatures=remove_signatures,
            extra=extra,
            credential_helpers=configuration.credential_helpers,
            patience=patience,
        ),
        configuration=configuration,
        sourcing=layout or Sourcing(router=router, mirrors_only=mirrors_only),
        destination=destination,
        jobs=jobs,
        retries=retries,
        plans=not no_plan,
        dry_run=dry_run,
        fail_fast=fail_fast,
        log_dir=log_dir,
    )
    account.request = request
    printer = Printer(console=console, json=json_, verbose=verbose, quiet=quiet)
    if image_set is not None:
        given = options.PullOptions(
            configuration=lambda: configuration,
            mirrors_only=mirrors_only,
            authfile=authfile,
            src_authfile=src_authfile,
            src_cert_dir=src_cert_dir,
            policy=policy,
            insecure_policy=insecure_policy,
            retries=retries,
            timeout=timeout,
            stall_timeout=stall_timeout,
            skopeo=skopeo,
            log_dir=log_dir,
            from_layout=None if layout is None else layout.directory,
        )
        listed = _with_set(listed, image_set, shard, given, console)
    account.request = request = asking_for(request, listed, image_set)
    stop = Stop(runs=found.runs)
    with wiring.stopped_by_signals(stop, console):
        with printer.live(len(request.wanted)):
            result = run(request, stop=stop, tell=account.hearing(printer.hear))
        account.told = True
        printer.finish(result, report=report, failed_images=failed_images)
    raise typer.Exit(1 if result.failed else 0)


@app.command(cls=Command)
def route(
    images: Images = None,
    images_from: options.ImagesFrom = None,
    config: options.Config = None,
    skip_unsupported: options.SkipUnsupported = False,
    shard: options.ShardOption = None,
    registries_conf: options.RegistriesConf = None,
    registries_conf_dir: options.RegistriesConfDir = None,
    strict: options.Strict = False,
    all_mirrors: options.AllMirrors = False,
    mirrors_only: options.MirrorsOnly = False,
    authfile: options.Authfile = None,
    src_authfile: options.SrcAuthfile = None,
    src_cert_dir: options.SrcCertDir = None,
    policy: options.Policy = None,
    insecure_policy: options.InsecurePolicy = False,
    retries: options.Retries = 2,
    timeout: options.Timeout = None,
    stall_timeout: options.StallTimeout = "60s",
    skopeo: options.SkopeoPath = None,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show, offline, from where each image would be pulled: the candidates in order, and why others are not.

    With -c, catalogs are pulled, for they say which images there are.

    Example: skopeo-mirror route -r registries.conf quay.io/foo/app@sha256:...
    """
    from skopeo_mirror.output.routes import Routed, route_document, route_tree  # noqa: PLC0415
    from skopeo_mirror.registries_conf.routing import Router  # noqa: PLC0415

    console = Console(quiet=quiet)
    configuration = wiring.configuration(
        registries_conf, registries_conf_dir, strict=strict, skopeo=skopeo, console=console, all_mirrors=all_mirrors
    )
    router = Router(configuration)
    given = options.PullOptions(
        configuration=lambda: configuration,
        mirrors_only=mirrors_only,
        authfile=authfile,
        src_authfile=src_authfile,
        src_cert_dir=src_cert_dir,
        policy=policy,
        insecure_policy=insecure_policy,
        retries=retries,
        timeout=timeout,
        stall_timeout=stall_timeout,
        skopeo=skopeo,
    )
    routed = []
    for listed in _listed(images, images_from, config, shard, given, console, skip_unsupported=skip_unsupported):
        if listed.layout is not None:
            continue
        try:
            found = router.route(listed.reference)
        except Unroutable as error:
            registry = router.lookup(listed.reference.name)
            routed.append(Routed(image=listed.text, reference=listed.reference, registry=registry, error=str(error)))
        else:
            routed.append(Routed(image=listed.text, reference=listed.reference, route=found))
    if json_:
        console.result(json.dumps(route_document(routed), indent=2))
    else:
        for image in routed:
            console.result(route_tree(image))
    raise typer.Exit(1 if any(image.error for image in routed) else 0)


@app.command(cls=Command)
def validate(
    context: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", show_default=False)] = None,
    registries_conf: options.RegistriesConf = None,
    registries_conf_dir: options.RegistriesConfDir = None,
    strict: options.Strict = False,
    skopeo: options.SkopeoPath = None,
    json_: options.Json = False,
) -> None:
    """Check registries.conf files, every problem at once. A directory stands for its drop-ins.

    Example: skopeo-mirror validate registries.conf
    """
    from skopeo_mirror.output.problems import (  # noqa: PLC0415
        problem_document,
        problem_lines,
        tags_pass_by,
        valid_line,
    )
    from skopeo_mirror.registries_conf.reading import Severity, examine  # noqa: PLC0415

    if files:
        options.refuse_beside("FILE", context, "registries_conf", "registries_conf_dir")
    console = Console()
    chosen = wiring.files_to_validate(files or [], registries_conf, registries_conf_dir, skopeo=skopeo)
    examination = examine(chosen)
    problems = examination.problems
    failed = any(strict or problem.severity is Severity.ERROR for problem in problems)
    if json_:
        document = problem_document([str(file) for file in chosen], problems, strict=strict)
        console.result(json.dumps(document, indent=2))
    else:
        for line in problem_lines(problems):
            console.result(line)
        if not problems:
            console.result(valid_line(chosen))
        for note in tags_pass_by(examination.configuration):
            console.note(note)
    raise typer.Exit(2 if failed else 0)


@app.command(cls=Command)
def normalize(
    context: typer.Context,
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", show_default=False)] = None,
    registries_conf: options.RegistriesConf = None,
    registries_conf_dir: options.RegistriesConfDir = None,
    strict: options.Strict = False,
    skopeo: options.SkopeoPath = None,
) -> None:
    """Print the configuration in canonical form, drop-ins merged, as every skopeo from 1.9 on reads it.

    Example: skopeo-mirror normalize registries.conf
    """
    from skopeo_mirror.registries_conf.normalizing import normalize as normalized  # noqa: PLC0415

    if file is not None:
        options.refuse_beside("FILE", context, "registries_conf")
    console = Console()
    configuration = wiring.configuration(
        file or registries_conf, registries_conf_dir, strict=strict, skopeo=skopeo, console=console
    )
    console.result(normalized(configuration).rstrip("\n"))


@app.command(cls=Command)
def pin(
    images: Images = None,
    images_from: options.ImagesFrom = None,
    config: options.Config = None,
    skip_unsupported: options.SkipUnsupported = False,
    shard: options.ShardOption = None,
    registries_conf: options.RegistriesConf = None,
    registries_conf_dir: options.RegistriesConfDir = None,
    strict: options.Strict = False,
    all_mirrors: options.AllMirrors = False,
    mirrors_only: options.MirrorsOnly = False,
    authfile: options.Authfile = None,
    src_authfile: options.SrcAuthfile = None,
    src_cert_dir: options.SrcCertDir = None,
    policy: options.Policy = None,
    insecure_policy: options.InsecurePolicy = False,
    jobs: options.Jobs = 8,
    retries: options.Retries = 2,
    timeout: options.Timeout = None,
    stall_timeout: options.StallTimeout = "60s",
    skopeo: options.SkopeoPath = None,
    quiet: options.Quiet = False,
) -> None:
    """Resolve tags to digests through the mirrors; print name:tag@sha256:..., one a line, in the order given.

    Example: skopeo-mirror pin -r registries.conf quay.io/foo/app:v1
    """
    from skopeo_mirror.registries_conf.routing import Router  # noqa: PLC0415
    from skopeo_mirror.skopeo.scoped import Access, Settings  # noqa: PLC0415
    from skopeo_mirror.transfer.pinning import pin_all  # noqa: PLC0415
    from skopeo_mirror.transfer.sourcing import Sourcing  # noqa: PLC0415
    from skopeo_mirror.transfer.stopping import Stop  # noqa: PLC0415

    console = Console(quiet=quiet)
    configuration = wiring.configuration(
        registries_conf, registries_conf_dir, strict=strict, skopeo=skopeo, console=console, all_mirrors=all_mirrors
    )
    wiring.check_files(authfile, src_authfile)
    given = options.PullOptions(
        configuration=lambda: configuration,
        mirrors_only=mirrors_only,
        authfile=authfile,
        src_authfile=src_authfile,
        src_cert_dir=src_cert_dir,
        policy=policy,
        insecure_policy=insecure_policy,
        retries=retries,
        timeout=timeout,
        stall_timeout=stall_timeout,
        skopeo=skopeo,
    )
    listed = _listed(images, images_from, config, shard, given, console, skip_unsupported=skip_unsupported)
    found = wiring.usable_skopeo(skopeo)
    settings = Settings(
        source=Access(authfile=src_authfile or authfile, cert_dir=src_cert_dir),
        credential_helpers=configuration.credential_helpers,
        patience=options.parse_patience(timeout, stall_timeout),
    )
    in_registries = [one for one in listed if one.layout is None]
    references = [one.reference if one.digest is None else one.reference.pin(one.digest) for one in in_registries]
    stop = Stop(runs=found.runs)
    failed = False
    with wiring.stopped_by_signals(stop, console):
        for pinned, error in pin_all(
            references,
            skopeo=found,
            settings=settings,
            sourcing=Sourcing(router=Router(configuration), mirrors_only=mirrors_only),
            jobs=jobs,
            retries=retries,
        ):
            if error is None:
                console.result(str(pinned))
            else:
                failed = True
                console.error(f"{pinned}: {error}")
    raise typer.Exit(1 if failed else 0)


@app.command(name="images", cls=Command)
def print_images(
    images: Images = None,
    images_from: options.ImagesFrom = None,
    config: options.Config = None,
    skip_unsupported: options.SkipUnsupported = False,
    shard: options.ShardOption = None,
    registries_conf: options.RegistriesConf = None,
    registries_conf_dir: options.RegistriesConfDir = None,
    strict: options.Strict = False,
    all_mirrors: options.AllMirrors = False,
    mirrors_only: options.MirrorsOnly = False,
    authfile: options.Authfile = None,
    src_authfile: options.SrcAuthfile = None,
    src_cert_dir: options.SrcCertDir = None,
    policy: options.Policy = None,
    insecure_policy: options.InsecurePolicy = False,
    retries: options.Retries = 2,
    timeout: options.Timeout = None,
    stall_timeout: options.StallTimeout = "60s",
    skopeo: options.SkopeoPath = None,
    verbose: options.ShowWantedBy = False,
) -> None:
    """Print the image references that the given inputs name, normalized, each once, one a line.

    With -c, catalogs are pulled, through registries.conf as any image.

    Example: skopeo-mirror images -c imageset.yaml -r registries.conf
    """
    console = Console()
    given = options.PullOptions(
        configuration=lambda: wiring.configuration(
            registries_conf, registries_conf_dir, strict=strict, skopeo=skopeo, console=console, all_mirrors=all_mirrors
        ),
        mirrors_only=mirrors_only,
        authfile=authfile,
        src_authfile=src_authfile,
        src_cert_dir=src_cert_dir,
        policy=policy,
        insecure_policy=insecure_policy,
        retries=retries,
        timeout=timeout,
        stall_timeout=stall_timeout,
        skopeo=skopeo,
    )
    for listed in _listed(images, images_from, config, shard, given, console, skip_unsupported=skip_unsupported):
        for line in wiring.list_lines(listed, verbose=verbose):
            console.result(line)


@app.command(cls=Command)
def redirect(
    reports: Annotated[list[Path], typer.Argument(metavar="REPORT...", show_default=False)],
    format_: options.RedirectFormat = Format.REGISTRIES_CONF,
) -> None:
    """Print, from the reports of `copy`, the redirect that makes others pull from the destination.

    Only confirmed images count. As a file in /etc/containers/registries.conf.d (registries-conf), as OpenShift's
    ImageDigestMirrorSet (idms) or ImageTagMirrorSet (itms), as CatalogSources for the copied catalogs (catalogsource),
    or as source=destination lines, which -f reads (mapping).

    Example: skopeo-mirror redirect report.json > mirror.conf
    """
    from skopeo_mirror.output.redirect import check_registries, confirmed_images, parse_report  # noqa: PLC0415
    from skopeo_mirror.output.redirect import redirect as redirected  # noqa: PLC0415

    parsed = []
    for file in reports:
        images = parse_report(wiring.text_of(file), str(file))
        check_registries(images, str(file))
        parsed.append(images)
    console = Console()
    if not confirmed_images(parsed):
        console.warning("no image is confirmed: nothing is redirected")
    text = redirected(parsed, format_)
    if format_ is Format.CATALOGSOURCE and not text:
        console.warning("no catalog is confirmed: there is no CatalogSource (`copy -c FILE` copies catalogs)")
    for line in text.splitlines():
        console.result(line)


@app.command(cls=Command)
def catalog(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", show_default=False)],
    registries_conf: options.RegistriesConf = None,
    registries_conf_dir: options.RegistriesConfDir = None,
    strict: options.Strict = False,
    all_mirrors: options.AllMirrors = False,
    mirrors_only: options.MirrorsOnly = False,
    authfile: options.Authfile = None,
    src_authfile: options.SrcAuthfile = None,
    src_cert_dir: options.SrcCertDir = None,
    policy: options.Policy = None,
    insecure_policy: options.InsecurePolicy = False,
    retries: options.Retries = 2,
    timeout: options.Timeout = None,
    stall_timeout: options.StallTimeout = "60s",
    skopeo: options.SkopeoPath = None,
    json_: options.Json = False,
) -> None:
    """List an operator catalog: packages, channels and their heads. It is pulled through registries.conf as any image.

    REFERENCE is host[:port]/path[:tag][@digest], or oci://PATH for a catalog in an OCI layout.

    Example: skopeo-mirror catalog -r registries.conf registry.redhat.io/redhat/redhat-operator-index:v4.18
    """
    from skopeo_mirror import imagesets  # noqa: PLC0415 - YAML is needed for catalogs and image sets alone
    from skopeo_mirror.output.catalogs import catalog_document, catalog_table  # noqa: PLC0415

    console = Console()
    given = options.PullOptions(
        configuration=lambda: wiring.configuration(
            registries_conf, registries_conf_dir, strict=strict, skopeo=skopeo, console=console, all_mirrors=all_mirrors
        ),
        mirrors_only=mirrors_only,
        authfile=authfile,
        src_authfile=src_authfile,
        src_cert_dir=src_cert_dir,
        policy=policy,
        insecure_policy=insecure_policy,
        retries=retries,
        timeout=timeout,
        stall_timeout=stall_timeout,
        skopeo=skopeo,
    )
    document = catalog_document(reference, imagesets.listing(reference, given, console))
    console.result(json.dumps(document, indent=2) if json_ else catalog_table(document))


def _listed(
    images: list[str] | None,
    images_from: list[str] | None,
    config: str | None,
    shard: str | None,
    given: options.PullOptions,
    console: Console,
    *,
    skip_unsupported: bool,
) -> tuple[Listed, ...]:
    """The images of the command line, of lists and of an image set. Raises UsageError if nobody asked for any."""
    image_set = _image_set(config, console, skip_unsupported=skip_unsupported)
    listed = wiring.images(images or [], images_from or [], shard)
    if image_set is not None:
        return _with_set(listed, image_set, shard, given, console)
    if not listed and not images_from:
        raise UsageError("no image; name images, lists of them with -f FILE, or an image set with -c FILE")
    return listed


def _image_set(config: str | None, console: Console, *, skip_unsupported: bool) -> ImageSet | None:
    if config is None:
        if skip_unsupported:
            raise UsageError("--skip-unsupported is for image sets: name one with -c FILE")
        return None
    from skopeo_mirror import imagesets  # noqa: PLC0415

    return imagesets.image_set(config, skip_unsupported=skip_unsupported, console=console)


def _with_set(
    listed: Sequence[Listed], image_set: ImageSet, shard: str | None, given: options.PullOptions, console: Console
) -> tuple[Listed, ...]:
    from skopeo_mirror import imagesets  # noqa: PLC0415

    with imagesets.reading(image_set.operators, given, console) as reader:
        return imagesets.with_set(listed, image_set, reader, shard)
