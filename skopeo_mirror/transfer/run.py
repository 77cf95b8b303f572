"""One run, from what was asked for to its result: prepare, audit, open, bring every image to its end."""

from __future__ import annotations

import datetime as dt
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from skopeo_mirror.files import private_directory, temporary_directory
from skopeo_mirror.registries_conf.scoping import scope_destinations
from skopeo_mirror.skopeo.logs import LogDirectory
from skopeo_mirror.skopeo.policy import policy_in_force
from skopeo_mirror.skopeo.proxy_pool import ProxyPool
from skopeo_mirror.skopeo.registries_d import RegistriesD
from skopeo_mirror.skopeo.scoped import ScopedSkopeo
from skopeo_mirror.transfer.attachments import AttachmentFinder
from skopeo_mirror.transfer.auditing import audit, check_credentials, without_captured
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.comparing import SignatureComparison
from skopeo_mirror.transfer.engine import Engine
from skopeo_mirror.transfer.jobs import prepare
from skopeo_mirror.transfer.manifests import ManifestReader
from skopeo_mirror.transfer.news import Noted, Warned
from skopeo_mirror.transfer.pipeline import Pipeline
from skopeo_mirror.transfer.presence import HELPERS, Presence
from skopeo_mirror.transfer.results import RunResult
from skopeo_mirror.transfer.source_proxies import SourceProxies

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from skopeo_mirror.attached import AttachedKind
    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.registries_conf.model import Configuration
    from skopeo_mirror.request import ImageRequest, WholeList
    from skopeo_mirror.skopeo.command import Skopeo
    from skopeo_mirror.skopeo.policy import Policy
    from skopeo_mirror.skopeo.settings import Settings
    from skopeo_mirror.transfer.destination.place import Destination
    from skopeo_mirror.transfer.engine import Stop
    from skopeo_mirror.transfer.jobs import Job
    from skopeo_mirror.transfer.news import News
    from skopeo_mirror.transfer.sourcing import SourceFinder, Sources


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """All that a run needs to know beside the images and their destination."""

    skopeo: Skopeo
    dropins: Callable[[], tuple[Path, ...]]
    """The drop-ins that this skopeo merges over every scoped file; it is asked for them where they are wanted first."""
    skopeo_settings: Settings
    configuration: Configuration
    sourcing: SourceFinder
    retries: int
    jobs: int = 1
    platforms: tuple[Platform, ...] = ()
    """Of an index only the images for these are brought (none: all)."""
    attached: frozenset[AttachedKind] = frozenset()
    """What is brought of what is attached to an image."""
    shard: str | None = None
    """For the report: the part of the list that is asked for, `I/N`."""
    whole_list: WholeList | None = None
    """For the report: the list that it is a part of."""
    plans: bool = True
    dry_run: bool = False
    fail_fast: bool = False
    log_dir: Path | None = None


def run(
    requests: Iterable[ImageRequest],
    destination: Destination,
    settings: RunSettings,
    *,
    stop: Stop,
    tell: Callable[[News], None],
) -> RunResult:
    """Copy every image. Raises SkopeoMirrorError for what is found before anything is copied."""
    result, clock = unbegun(destination, settings), time.monotonic()
    policy = policy_in_force(settings.skopeo_settings, settings.skopeo)
    jobs = deque(_audited(requests, destination, settings, tell))
    with ExitStack() as stack:
        if not settings.dry_run:
            destination.open()
            stack.callback(destination.close)
        directory = stack.enter_context(private_directory(temporary_directory()))
        engine = Engine(
            pipeline=_pipeline(jobs, destination, settings, policy, directory, stack),
            jobs=settings.jobs,
            stop=stop,
            tell=tell,
            fail_fast=settings.fail_fast,
        )
        images = engine.run(jobs)
        if destination.note is not None:
            tell(Noted(text=destination.note))
    return replace(result, images=tuple(images), seconds=time.monotonic() - clock, stopped=stop.why)


def _audited(
    requests: Iterable[ImageRequest], destination: Destination, settings: RunSettings, tell: Callable[[News], None]
) -> Iterable[Job]:
    """What is to be done, once nothing of this host is in the way of it. Raises SkopeoMirrorError."""
    jobs = prepare(requests, settings.sourcing, destination)
    for job in jobs:
        if job.place.warning is not None:
            tell(Warned(text=job.place.warning))
    captured = audit((job.pull for job in jobs), settings.dropins(), settings.skopeo_settings.credential_helpers)
    jobs = without_captured(jobs, captured)
    check_credentials((job.pull for job in jobs), settings.skopeo_settings, settings.skopeo.environment)
    return jobs


def unbegun(destination: Destination, settings: RunSettings) -> RunResult:
    """The result of a run that begins now and has no images yet."""
    return RunResult(
        destination=destination.name,
        destination_tls_verify=destination.tls_verify,
        dry_run=settings.dry_run,
        started=dt.datetime.now(dt.UTC),
        skopeo_path=settings.skopeo.path,
        skopeo_version=settings.skopeo.version,
        configuration_files=settings.configuration.files,
        configuration_sha256=settings.configuration.sha256,
        platforms=settings.platforms,
        shard=settings.shard,
        whole_list=settings.whole_list,
    )


def _pipeline(
    jobs: Collection[Job],
    destination: Destination,
    settings: RunSettings,
    policy: Policy,
    directory: Path,
    stack: ExitStack,
) -> Pipeline:
    """What brings an image: its parts write to `directory`, and are closed with `stack`."""
    scoped = ScopedSkopeo(
        skopeo=settings.skopeo,
        directory=directory,
        settings=settings.skopeo_settings,
        logs=None if settings.log_dir is None else LogDirectory(settings.log_dir, directory),
    )
    repositories = (job.place.repository for job in jobs)
    insecure = {one.name: not destination.verifies(one.name) for one in repositories if one is not None}
    proxies = ProxyPool(scoped, settings.skopeo_settings.destination, partial(scope_destinations, insecure))
    sources = [job.sources for job in jobs]
    mirrors_only = any(one.mirrors_only for one in sources)
    source_proxies = SourceProxies(scoped=scoped, sources=iter(sources), mirrors_only=mirrors_only)
    stack.callback(proxies.close)
    stack.callback(source_proxies.close)
    reader = ManifestReader(
        scoped=scoped,
        circuits=Circuits(),
        retries=settings.retries,
        proxies=source_proxies if scoped.logs is None else None,  # its log is of many images at once
    )
    presence = Presence(
        scoped=scoped,
        proxies=proxies,
        destination=destination,
        platforms=settings.platforms,
        helpers=stack.enter_context(ThreadPoolExecutor(HELPERS)),
    )
    registries_d = RegistriesD.read(settings.skopeo.environment)
    return Pipeline(
        reader=reader,
        destination=destination,
        presence=presence,
        signatures=SignatureComparison(reader=reader, presence=presence, registries_d=registries_d),
        policy=policy,
        plans=settings.plans,
        dry_run=settings.dry_run,
        platforms=settings.platforms,
        jobs=settings.jobs,
        attachments=_attachments(reader, presence, sources, settings, stack) if settings.attached else None,
    )


def _attachments(
    reader: ManifestReader, presence: Presence, sources: Iterable[Sources], settings: RunSettings, stack: ExitStack
) -> AttachmentFinder:
    """What finds what is attached to images, at each of their candidates for itself."""
    insecure = {one.reference.name: one.insecure for source in sources for one in source.registries}
    proxies = ProxyPool(reader.scoped, settings.skopeo_settings.source, partial(scope_destinations, insecure))
    stack.callback(proxies.close)
    return AttachmentFinder(
        kinds=settings.attached,
        reader=reader,
        presence=replace(presence, platforms=()),
        proxies=proxies if reader.scoped.logs is None else None,
        sourcing=settings.sourcing,
        helpers=presence.helpers,
    )
