"""`pin`: tags resolved to digests, through the candidates that a copy would use."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.files import private_directory, temporary_directory
from skopeo_mirror.registries_conf.routing import as_pulled
from skopeo_mirror.skopeo.dropins import ambient_dropins
from skopeo_mirror.skopeo.scoped import ScopedSkopeo
from skopeo_mirror.transfer.advising import nobody_served
from skopeo_mirror.transfer.auditing import audit_sources
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.credentials import check_credentials
from skopeo_mirror.transfer.manifests import ManifestReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.skopeo.command import Skopeo
    from skopeo_mirror.skopeo.scoped import Probe
    from skopeo_mirror.skopeo.settings import Settings
    from skopeo_mirror.transfer.sourcing import Sourcing


def pin_all(
    images: Sequence[Reference],
    *,
    skopeo: Skopeo,
    settings: Settings,
    sourcing: Sourcing,
    jobs: int,
    retries: int,
) -> Iterator[tuple[Reference, str | None]]:
    """Yield, in order, each image with its digest, or as it was given with what went wrong."""
    audit_sources(images, sourcing, ambient_dropins(skopeo), settings.credential_helpers)
    check_credentials(
        ((image, None) for image in images if image.digest is None), sourcing, settings, skopeo.environment
    )
    with private_directory(temporary_directory()) as directory, ThreadPoolExecutor(jobs) as pool:
        reader = ManifestReader(
            scoped=ScopedSkopeo(skopeo=skopeo, directory=directory, settings=settings),
            circuits=Circuits(),
            retries=retries,
        )
        yield from pool.map(lambda image: _pin(image, reader, sourcing), images)


def resolve(image: Reference, reader: ManifestReader, sourcing: Sourcing) -> Probe | str:
    """The manifest of `image` from the first candidate that gives it, in as many rounds as a copy has; else why not."""
    try:
        sources = sourcing.sources(image)
    except Unroutable as error:
        return str(error)
    tries = reader.tries(image, sources.candidates)
    while True:
        probe = reader.read(sources.reference, tries)
        if probe is not None:
            return probe if probe.provenance.fault is None else probe.provenance.fault.detail
        pause = tries.begin_again(random.random)
        if pause is None or reader.scoped.skopeo.runs.stopping.wait(pause):
            return nobody_served(
                image,
                [*sources.skipped, *tries.attempts],
                router=sourcing.router,
                mirrors_only=sourcing.mirrors_only,
                scoped=reader.scoped,
            )


def _pin(image: Reference, reader: ManifestReader, sourcing: Sourcing) -> tuple[Reference, str | None]:
    if image.digest is not None:
        return image, None
    probe = resolve(image, reader, sourcing)
    return (image, probe) if isinstance(probe, str) else (as_pulled(image).pin(probe.digest), None)
