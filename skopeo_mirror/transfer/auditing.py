"""The audit before anything is copied: drop-ins and credentials of this host that would be in the way.

What is audited are pulls: an image's sources, and the repository that it is written to, if that is a registry's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.registries_conf.dropin_conflicts import check_dropins
from skopeo_mirror.registries_conf.scoping import scoped_prefixes
from skopeo_mirror.skopeo.credential_files import auth_files, credential_trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.skopeo.settings import Access, Settings
    from skopeo_mirror.transfer.jobs import Job
    from skopeo_mirror.transfer.sourcing import Sources


def audit(
    pulls: Iterable[tuple[Sources, Reference | None]], dropins: Sequence[Path], helpers: Sequence[str]
) -> dict[str, str]:
    """Refuse drop-ins that no scoped file of these pulls can outrank; return what `check_dropins` lets pass.

    `dropins` are this host's, `helpers` the credential helpers of the configuration in force. Raises
    InvalidConfiguration.
    """
    if not dropins:
        return {}
    prefixes: set[str] = set()
    places: dict[str, set[str]] = {}
    for sources, repository in pulls:
        prefixes.update(scoped_prefixes(sources.reference, sources.registries, repository))
        if repository is not None:
            places.setdefault(sources.reference.name, set()).add(repository.name)
    return check_dropins(dropins, prefixes, places, helpers)


def without_captured(jobs: Iterable[Job], captured: dict[str, str]) -> tuple[Job, ...]:
    """The jobs, of which those have no source whose repository a drop-in redirects to the destination.

    `captured` are such repositories, each with that drop-in: no scoped file can outrank it.
    """
    return tuple(
        replace(job, sources=_captured(job.sources, captured[job.image.name]))
        if job.image.name in captured and not job.sources.from_layout
        else job
        for job in jobs
    )


def _captured(sources: Sources, dropin: str) -> Sources:
    why = (
        f"{dropin} redirects {sources.reference.name} to the destination itself, and skopeo would take that entry "
        "instead of the configuration in force (take it out while this image is copied)"
    )
    return replace(sources, candidates=(), unroutable=why)


def check_credentials(
    pulls: Iterable[tuple[Sources, Reference | None]], settings: Settings, environment: Mapping[str, str]
) -> None:
    """Refuse auth files and credential helpers that are needed and cannot be used: no registry is to blame for that.

    Looked at is what is asked first: the first candidate of each image, and the destination. Raises InvalidInput.
    """
    asked: dict[tuple[str, Access], None] = {}
    for sources, repository in pulls:
        for candidate in sources.registries[:1]:
            asked[candidate.reference.domain, settings.source] = None
        if repository is not None:
            asked[repository.domain, settings.destination] = None
    found = [credential_trouble(host, auth_files(access.authfile, environment), environment) for host, access in asked]
    if problems := dict.fromkeys(trouble for trouble in found if trouble is not None):
        raise InvalidInput(problems)
