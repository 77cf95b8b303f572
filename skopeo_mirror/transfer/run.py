"""One run, from what was asked for to its result: prepare, audit, open, bring every image to its end."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import SkopeoMirrorError, Unroutable
from skopeo_mirror.files import private_directory
from skopeo_mirror.reference import Digest
from skopeo_mirror.registries_conf.ambient import check_dropins
from skopeo_mirror.registries_conf.host import ambient_dropins
from skopeo_mirror.registries_conf.scoping import scope_destinations, scoped_prefixes
from skopeo_mirror.skopeo.logs import LogDirectory
from skopeo_mirror.skopeo.scoped import ScopedSkopeo, Settings
from skopeo_mirror.skopeo.standing import StandingSkopeos
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.engine import Engine, Warned
from skopeo_mirror.transfer.manifests import ManifestReader
from skopeo_mirror.transfer.pipeline import Pipeline
from skopeo_mirror.transfer.plain_images import PlainImages
from skopeo_mirror.transfer.preparing import prepare
from skopeo_mirror.transfer.presence import Presence
from skopeo_mirror.transfer.results import RunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.registries_conf.model import Configuration
    from skopeo_mirror.registries_conf.routing import Candidate
    from skopeo_mirror.skopeo.command import Skopeo
    from skopeo_mirror.transfer.destination.place import Destination
    from skopeo_mirror.transfer.engine import News
    from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
    from skopeo_mirror.transfer.preparing import Job, Wanted
    from skopeo_mirror.transfer.sourcing import Sourcing
    from skopeo_mirror.transfer.stopping import Stop


_ANY_DIGEST: Final = Digest(algorithm="sha256", hex="0" * 64)


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
    jobs = prepare(request.wanted, request.sourcing, destination)
    for job in jobs:
        if job.place.warning is not None:
            tell(Warned(text=job.place.warning))
    captured = audit(_scoped_prefixes(jobs, request.sourcing), request.skopeo, _places(jobs))
    sourcing = request.sourcing.without(captured)
    if not request.dry_run:
        destination.open()
    try:
        with ExitStack() as stack:
            directory = stack.enter_context(private_directory(temporary_directory()))
            scoped = ScopedSkopeo(
                skopeo=request.skopeo,
                directory=directory,
                settings=request.settings,
                logs=None if request.log_dir is None else LogDirectory(request.log_dir, directory),
            )
            standing = stack.enter_context(
                closing(StandingSkopeos(scoped, request.settings.destination, lambda: _destinations(jobs, destination)))
            )
            plain = stack.enter_context(closing(PlainImages(scoped=scoped, routes=lambda: _routes(jobs, sourcing))))
            engine = Engine(
                pipeline=Pipeline(
                    reader=ManifestReader(
                        scoped=scoped,
                        circuits=Circuits(),
                        retries=request.retries,
                        plain=plain if scoped.logs is None else None,
                    ),
                    sourcing=sourcing,
                    destination=destination,
                    presence=Presence(scoped=scoped, standing=standing, destination=destination),
                    retries=request.retries,
                    plans=request.plans,
                    dry_run=request.dry_run,
                ),
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


def audit(prefixes: set[str], skopeo: Skopeo, places: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Refuse ambient drop-ins that no scoped file can outrank; return what `check_dropins` lets pass.

    Raises InvalidConfiguration.
    """
    environment = skopeo.environment
    home = Path(environment.get("HOME") or Path.home())
    files = ambient_dropins(home=home, version=skopeo.version_info, environment=environment)
    return check_dropins(files, prefixes, places)


def temporary_directory() -> Path:
    """Where temporary files go (TMPDIR). Raises SkopeoMirrorError where nothing can be written there."""
    directory = Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        raise SkopeoMirrorError(f"{directory}: temporary files cannot be written there; set TMPDIR to a directory")
    return directory


def _scoped_prefixes(jobs: Sequence[Job], sourcing: Sourcing | LayoutSourcing) -> set[str]:
    """Every prefix that a scoped file of this run will have."""
    return {prefix for job in jobs for prefix in _prefixes_of(job, sourcing)}


def _places(jobs: Sequence[Job]) -> dict[str, set[str]]:
    """Where each repository is written to."""
    places: dict[str, set[str]] = {}
    for job in jobs:
        if job.place.repository is not None:
            places.setdefault(job.wanted.image.name, set()).add(job.place.repository.name)
    return places


def _destinations(jobs: Sequence[Job], destination: Destination) -> str:
    """A registries.conf for asking the destination for any image of this run."""
    repositories = [job.place.repository for job in jobs if job.place.repository is not None]
    return scope_destinations({repository.name: not destination.verifies(repository) for repository in repositories})


def _routes(
    jobs: Sequence[Job], sourcing: Sourcing | LayoutSourcing
) -> Iterator[tuple[Reference, tuple[Candidate, ...]]]:
    """Every image of this run with its candidates, by digest."""
    for job in jobs:
        image = job.wanted.image
        with suppress(Unroutable):
            yield image, sourcing.sources(image.pin(image.digest or _ANY_DIGEST), job.place).candidates


def _prefixes_of(job: Job, sourcing: Sourcing | LayoutSourcing) -> Iterator[str]:
    """A tag is routed as such, and as the digest that it turns out to have: mirrors can be for one of them only."""
    image = job.wanted.image
    for routed in (image, image.pin(image.digest or _ANY_DIGEST)):
        try:
            candidates = sourcing.sources(routed, job.place).candidates
        except Unroutable:
            candidates = ()
        yield from scoped_prefixes(image, candidates, job.place.repository)
