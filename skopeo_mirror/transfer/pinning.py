"""`pin`: tags resolved to digests, through the candidates that a copy would use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.files import private_directory, temporary_directory
from skopeo_mirror.registries_conf.routing import as_pulled
from skopeo_mirror.request import ImageRequest
from skopeo_mirror.skopeo.scoped import ScopedSkopeo
from skopeo_mirror.transfer.advising import nobody_served
from skopeo_mirror.transfer.auditing import audit, check_credentials
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.manifests import ManifestReader
from skopeo_mirror.transfer.sourcing import find_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.skopeo.scoped import Probe
    from skopeo_mirror.transfer.run import RunSettings
    from skopeo_mirror.transfer.sourcing import Sources


def pin_all(images: Sequence[Reference], settings: RunSettings) -> Iterator[tuple[Reference, str | None]]:
    """Yield, in order, each image with its digest, or as it was given with what went wrong."""
    found = [find_sources(ImageRequest(reference=image), settings.sourcing) for image in images]
    asked = [sources for sources in found if sources.reference.digest is None]
    with private_directory(temporary_directory()) as directory, ThreadPoolExecutor(settings.jobs) as pool:
        reader = audited_reader(found, asked, settings, directory)
        yield from pool.map(lambda image, sources: _pin(image, sources, reader), images, found)


def audited_reader(
    found: Iterable[Sources], asked: Iterable[Sources], settings: RunSettings, directory: Path
) -> ManifestReader:
    """What reads manifests before there is a run, once nothing of this host is in the way of that.

    Raises InvalidConfiguration, or InvalidInput where those that are `asked` need credentials that cannot be had.
    """
    skopeo, told = settings.skopeo, settings.skopeo_settings
    audit(((sources, None) for sources in found), settings.dropins(), told.credential_helpers)
    check_credentials(((sources, None) for sources in asked), told, skopeo.environment)
    scoped = ScopedSkopeo(skopeo=skopeo, directory=directory, settings=told)
    return ManifestReader(scoped=scoped, circuits=Circuits(), retries=settings.retries)


def resolve(image: Reference, sources: Sources, reader: ManifestReader) -> Probe | str:
    """The manifest of `image` from the first candidate that gives it, in as many rounds as a copy has; else why not."""
    try:
        tries = reader.tries(image, sources)
    except Unroutable as error:
        return str(error)
    probe = reader.read_patiently(sources.reference, tries)
    if probe is None:
        return nobody_served(image, sources, tries.attempts, scoped=reader.scoped)
    return probe if probe.provenance.fault is None else probe.provenance.fault.detail


def _pin(image: Reference, sources: Sources, reader: ManifestReader) -> tuple[Reference, str | None]:
    if image.digest is not None:
        return image, None
    probe = resolve(image, sources, reader)
    return (image, probe) if isinstance(probe, str) else (as_pulled(image).pin(probe.digest), None)
