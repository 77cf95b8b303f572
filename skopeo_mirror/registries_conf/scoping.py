"""One image's registries.conf: its candidates in order and nothing else (pure).

Look-up goes by the longest prefix, so an entry whose prefix is a full repository name beats everything shorter that
the ambient drop-ins say. That holds for the image's own name and, through an entry of its own, for the physical
repository of each candidate and of the destination, which ambient `blocked` and `insecure` would otherwise reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.registries_conf.model import AUTH_FILES, Mirror, Registry
from skopeo_mirror.registries_conf.writing import document, pieces, registry_text, value_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.registries_conf.routing import PullSource


def scope(image: Reference, candidates: Sequence[PullSource], *, writes_to: Reference | None = None) -> str:
    """Render the TOML that makes skopeo pull `image` from exactly `candidates`, in that order.

    The last candidate stands as the entry's location, so leaving the origin out needs no `blocked`. `writes_to` is the
    destination's repository: its own `insecure` is passed to skopeo as an option, and its entry here unblocks it.
    Without candidates, for an image that comes from no registry, that entry is all there is.
    """
    return document(map(registry_text, _registries(image, candidates, writes_to).values()))


class Together:
    """One registries.conf for many images: what is kept of it is which they are."""

    def __init__(self) -> None:
        self._routes: set[int] = set()
        """Their hashes: there is one for every image, and who asks has the route at hand."""

    def has(self, image: Reference, candidates: Sequence[PullSource]) -> bool:
        """Whether it makes skopeo pull `image` from exactly `candidates`."""
        return _hash(image, candidates) in self._routes

    def rendered(self, routes: Iterable[tuple[Reference, Sequence[PullSource]]]) -> Iterator[str]:
        """Render the TOML, in pieces, leaving out images that would need another entry than one before them."""
        return pieces(map(registry_text, self._tables(routes)))

    def _tables(self, routes: Iterable[tuple[Reference, Sequence[PullSource]]]) -> Iterator[Registry]:
        before: dict[str, int] = {}
        for image, candidates in routes:
            own = {prefix: (table, hash(table)) for prefix, table in _registries(image, candidates, None).items()}
            if own and all(before.get(prefix, hashed) == hashed for prefix, (_, hashed) in own.items()):
                yield from (table for prefix, (table, _) in own.items() if prefix not in before)
                before |= {prefix: hashed for prefix, (_, hashed) in own.items()}
                self._routes.add(_hash(image, candidates))


def scope_destinations(insecure: Mapping[str, bool]) -> Iterator[str]:
    """Render the TOML, in pieces, for reading from repositories where they are, whatever mirrors they have elsewhere.

    `insecure` says of each repository whether its certificates go unverified.
    """
    registries = (Registry(prefix=name, location=name, insecure=unverified) for name, unverified in insecure.items())
    return pieces(map(registry_text, registries))


def credentials_from(helpers: Sequence[str]) -> str:
    """The setting that stands before any of these documents; without it skopeo asks the auth files alone."""
    return f"credential-helpers = {value_text(list(helpers))}\n\n" if tuple(helpers) != AUTH_FILES else ""


def physical_repositories(candidates: Iterable[PullSource], writes_to: Reference | None) -> list[str]:
    """The repositories that skopeo really talks to, once each, in order."""
    names = [candidate.reference.name for candidate in candidates]
    if writes_to is not None:
        names.append(writes_to.name)
    return list(dict.fromkeys(names))


def scoped_prefixes(image: Reference, candidates: Sequence[PullSource], writes_to: Reference | None) -> list[str]:
    """The prefixes of all entries that `scope` writes."""
    return [*([image.name] if candidates else []), *physical_repositories(candidates, writes_to)]


def _registries(image: Reference, candidates: Sequence[PullSource], writes_to: Reference | None) -> dict[str, Registry]:
    """The entries for one image by their prefixes, its own first."""
    if not candidates:
        return {name: Registry(prefix=name, location=name) for name in physical_repositories((), writes_to)}
    *mirrors, last = candidates
    own = Registry(
        prefix=image.name,
        location=last.reference.name,
        insecure=last.insecure,
        mirrors=tuple(Mirror(location=mirror.reference.name, insecure=mirror.insecure) for mirror in mirrors),
    )
    # Two tables with one location must agree on `insecure`; a mirror's own is read from its mirror entry only.
    physical = {
        name: Registry(prefix=name, location=name, insecure=last.insecure and name == own.location)
        for name in physical_repositories(candidates, writes_to)
    }
    return {image.name: own, **{name: table for name, table in physical.items() if name != image.name}}


def _hash(image: Reference, candidates: Sequence[PullSource]) -> int:
    return hash((image.name, *(candidate.reference.name for candidate in candidates)))
