"""Destinations as the rest of the program knows them: the interface, and the places in it with their names."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.skopeo.scoped import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class NamingRules:
    """`scoped` keeps the source host in the path; `max_nested_paths` limits its components (0: no limit)."""

    scoped: bool = False
    max_nested_paths: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One image's place: in a registry, in a directory, or in a layout."""

    name: str
    """What people read, with the transport; two images with one name collide."""
    repository: Reference | None = None
    """In a registry: the image's reference, with its tag; with its digest alone where it has no name of its own."""
    path: Path | None = None
    """Among directories: the image's own."""
    entry: str | None = None
    """In a layout: the image's name, if it has one."""
    source: str | None = None
    """The image's name without tag and digest, where another image could have the same path."""
    warning: str | None = None
    """Something that people should know of it."""


class Publish(Protocol):
    """Makes of what skopeo has written what is at a place from then on."""

    def __call__(self, pulled: Collection[str] | None = None, stopped: Callable[[], bool] = lambda: False, /) -> None:
        """`pulled` are the blobs that skopeo has brought, and so has compared with their digests (None: not known).

        Raises Damaged, Contradicted, DestinationRefused, OSError, and InterruptedError once `stopped` says so.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Writing:
    """`target` is what skopeo writes to; `publish` makes of it what is at the place from then on."""

    target: Target
    publish: Publish


class Destination(ABC):
    """What the pipeline asks of a destination. Everything here raises DestinationRefused, in words for people."""

    shares_blobs: ClassVar[bool] = False
    """Whether a blob that one image brought is there for the others."""
    takes_parts: ClassVar[bool] = True
    """Whether the images of an index can be brought one by one, and some of them left out."""
    brings_layers: ClassVar[bool] = False
    """Whether skopeo brings a layer here that has a URL of its own, instead of leaving it there."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The destination as it was given."""

    @property
    def tls_verify(self) -> bool:
        """Whether certificates are verified there (True where there are none)."""
        return True

    def verifies(self, name: str) -> bool:
        """Whether certificates are verified for one repository there, of that name."""
        return self.tls_verify

    @abstractmethod
    def place(self, image: Reference, own: str | None = None) -> Place:
        """Where `image` goes; `own` is a destination that it names itself."""

    def part(self, place: Place, digest: Digest) -> Place:
        """Where one image of the index at `place` goes, which has no name there (only where it `takes_parts`)."""
        raise NotImplementedError

    def attached(self, place: Place, image: Reference) -> Place:
        """Where something goes that is attached to the image at `place`; `image` is the name that it is asked for."""
        return self.place(image)

    @abstractmethod
    def check(self, place: Place) -> None:
        """Refuse a place where something would be lost, looking only."""

    def open(self) -> None:
        """Make ready to be written to, before the first copy."""

    def close(self) -> None:
        """Leave nothing behind but what was published."""

    def holds(
        self,
        place: Place,
        digest: Digest,
        platforms: Sequence[Platform] = (),
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool | None:
        """Whether all of the image that is asked for is there, at this digest; None where only the registry can tell.

        Of an index its images for `platforms` (none: all). Raises InterruptedError once `stopped` says so.
        """
        return None

    def images(self, place: Place, digest: Digest, platforms: Sequence[Platform] = ()) -> tuple[Digest, ...]:
        """The image that is there, and the images of its index (only where `holds` can tell)."""
        raise NotImplementedError

    def has_blob(self, digest: str, size: int) -> bool:
        """Whether a blob that other images may share is known to be there."""
        return False

    def options_for(self, media_type: str) -> tuple[str, ...]:
        """What skopeo has to be told so that a manifest of that type is kept here as it is."""
        return ()

    @property
    def note(self) -> str | None:
        """What people should know of that which this run has published."""
        return None

    @abstractmethod
    def writing(
        self, place: Place, digest: Digest, platforms: Sequence[Platform] = ()
    ) -> AbstractContextManager[Writing]:
        """Give skopeo something to write to; what was not published when the block ends is gone.

        Of an index its images for `platforms` (none: all) have to be there when it is published.
        """


class Damaged(Exception):  # noqa: N818
    """Something at the destination was damaged and is out of the way now: the copy is to be made again."""


class Contradicted(Exception):  # noqa: N818
    """A manifest says of content what its bytes, which have the right digest, belie: the source is at fault."""


def repository_path(base: str, image: Reference, rules: NamingRules) -> str:
    """The path of `image` below a destination whose own path is `base` (may be empty)."""
    parts = [part for part in base.split("/") if part]
    if rules.scoped:
        parts.append(re.sub(r"[^a-z0-9.]+", "-", image.domain.lower()))  # `Quay.io:443`: `quay.io-443`
    parts += image.path.split("/")
    limit = rules.max_nested_paths
    if limit and len(parts) > limit:
        parts = [*parts[: limit - 1], "-".join(parts[limit - 1 :])]
    return "/".join(parts)
