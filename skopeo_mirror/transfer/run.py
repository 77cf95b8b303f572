"""One run, from what was asked for to its result: prepare, audit, open, bring every image to its end."""

from __future__ import annotations

import datetime as dt
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.files import private_directory, temporary_directory
from skopeo_mirror.registries_conf.scoping import scope_destinations
from skopeo_mirror.skopeo.dropins import ambient_dropins
from skopeo_mirror.skopeo.logs import LogDirectory
from skopeo_mirror.skopeo.policy import policy_in_force
from skopeo_mirror.skopeo.proxy_pool import ProxyPool
from skopeo_mirror.skopeo.registries_d import RegistriesD
from skopeo_mirror.skopeo.scoped import ScopedSkopeo
from skopeo_mirror.transfer.auditing import audit
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.comparing import SignatureComparison
from skopeo_mirror.transfer.credentials import check_credentials
from skopeo_mirror.transfer.engine import Engine, Warned
from skopeo_mirror.transfer.jobs import prepare
from skopeo_mirror.transfer.manifests import ManifestReader
from skopeo_mirror.transfer.pipeline import Pipeline
from skopeo_mirror.transfer.plain_images import PlainImages
from skopeo_mirror.transfer.presence import Presence
from skopeo_mirror.transfer.results import RunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.registries_conf.model import Configuration
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.command import Skopeo
    from skopeo_mirror.skopeo.policy import Policy
    from skopeo_mirror.skopeo.settings import Settings
    from skopeo_mirror.transfer.destination.place import Destination
    from skopeo_mirror.transfer.engine import News
    from skopeo_mirror.transfer.jobs import Job, Wanted
    from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
    from skopeo_mirror.transfer.sourcing import Sourcing
    from skopeo_mirror.transfer.stopping import Stop


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """All that a run needs to know."""

    wanted: Sequence[Wanted]
    skopeo: Skopeo
    settings: Settings
    configuration: Configuration
    sourcing: Sourcing | LayoutSourcing
    destination: Destination
    jobs: int = 8
    retries: int = 2
    plans: bool = True
    dry_run: bool = False
    fail_fast: bool = False
    log_dir: Path | None = None


def run(request: Request, *, stop: Stop, tell: Callable[[News], None]) -> RunResult:
    """Copy every image. Raises SkopeoMirrorError for what is found before anything is copied."""
    started, clock = dt.datetime.now(dt.UTC), time.monotonic()
    destination = request.destination
    policy = policy_in_force(request.settings, request.skopeo)
    jobs = prepare(request.wanted, request.sourcing, destination)
    for job in jobs:
        if job.place.warning is not None:
            tell(Warned(text=job.place.warning))
    sourcing = request.sourcing.without(
        audit(jobs, request.sourcing, ambient_dropins(request.skopeo), request.settings.credential_helpers)
    )
    check_credentials(
        ((job.wanted.image, job.place) for job in jobs), sourcing, request.settings, request.skopeo.environment
    )
    if not request.dry_run:
        destination.open()
    try:
        with ExitStack() as stack:
            directory = stack.enter_context(private_directory(temporary_directory()))
            engine = Engine(
                pipeline=_pipeline(request, jobs, sourcing, policy, directory, stack),
                jobs=request.jobs,
                stop=stop,
                tell=tell,
                fail_fast=request.fail_fast,
            )
            images = engine.run(jobs)
    finally:
        if not request.dry_run:
            destination.close()
    result = unbegun(request, stop.why)
    return replace(result, images=tuple(images), started=started, seconds=time.monotonic() - clock)


def unbegun(request: Request, why: str | None) -> RunResult:
    """The result of a run that ended before its first image, and why."""
    return RunResult(
        images=(),
        destination=request.destination.name,
        destination_tls_verify=request.destination.tls_verify,
        dry_run=request.dry_run,
        started=dt.datetime.now(dt.UTC),
        seconds=0.0,
        skopeo_path=request.skopeo.path,
        skopeo_version=request.skopeo.version,
        configuration_files=request.configuration.files,
        configuration_sha256=request.configuration.sha256,
        stopped=why,
    )


def _pipeline(
    request: Request,
    jobs: Sequence[Job],
    sourcing: Sourcing | LayoutSourcing,
    policy: Policy,
    directory: Path,
    stack: ExitStack,
) -> Pipeline:
    """What brings an image: its parts write to `directory`, and are closed with `stack`."""
    scoped = ScopedSkopeo(
        skopeo=request.skopeo,
        directory=directory,
        settings=request.settings,
        logs=None if request.log_dir is None else LogDirectory(request.log_dir, directory),
    )
    destination = request.destination
    proxies = ProxyPool(scoped, request.settings.destination, lambda: _destinations(jobs, destination))
    plain = PlainImages(scoped=scoped, routes=lambda: _routes(jobs, sourcing))
    stack.callback(proxies.close)
    stack.callback(plain.close)
    reader = ManifestReader(
        scoped=scoped,
        circuits=Circuits(),
        retries=request.retries,
        plain=plain if scoped.logs is None else None,  # its log is of many images at once
    )
    presence = Presence(scoped=scoped, proxies=proxies, destination=destination)
    registries_d = RegistriesD.read(request.skopeo.environment)
    return Pipeline(
        reader=reader,
        sourcing=sourcing,
        destination=destination,
        presence=presence,
        signatures=SignatureComparison(reader=reader, presence=presence, registries_d=registries_d),
        retries=request.retries,
        policy=policy,
        plans=request.plans,
        dry_run=request.dry_run,
    )


def _destinations(jobs: Sequence[Job], destination: Destination) -> str:
    """A registries.conf for asking the destination for any image of this run."""
    repositories = [job.place.repository for job in jobs if job.place.repository is not None]
    return scope_destinations({repository.name: not destination.verifies(repository) for repository in repositories})


def _routes(
    jobs: Sequence[Job], sourcing: Sourcing | LayoutSourcing
) -> Iterator[tuple[Reference, tuple[PullSource, ...]]]:
    """Every image of this run with its candidates."""
    for job in jobs:
        image = job.wanted.image
        with suppress(Unroutable):
            yield image, sourcing.sources(image, job.place).registries
