"""Before anything is copied: whether skopeo can look for credentials at all, which no registry is to be blamed for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidInput, Unroutable
from skopeo_mirror.skopeo.credential_files import auth_files, credential_trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.skopeo.settings import Access, Settings
    from skopeo_mirror.transfer.destination.place import Place
    from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
    from skopeo_mirror.transfer.sourcing import Sourcing


def check_credentials(
    images: Iterable[tuple[Reference, Place | None]],
    sourcing: Sourcing | LayoutSourcing,
    settings: Settings,
    environment: Mapping[str, str],
) -> None:
    """Refuse auth files and credential helpers that the run needs and cannot use. Raises InvalidInput.

    Looked at is what is asked first: the first candidate of each image, and the destination.
    """
    asked: dict[tuple[str, Access], None] = {}
    for image, place in images:
        try:
            first = sourcing.sources(image, place).candidates[:1]
        except Unroutable:
            first = ()
        for candidate in first:
            if candidate.host is not None:
                asked[candidate.host, settings.source] = None
        if place is not None and place.repository is not None:
            asked[place.repository.domain, settings.destination] = None
    found = [credential_trouble(host, auth_files(access.authfile, environment), environment) for host, access in asked]
    if problems := dict.fromkeys(trouble for trouble in found if trouble is not None):
        raise InvalidInput(problems)
