"""Results of a run, as frozen values: everything that is printed or written is a view of these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from skopeo_mirror.attached import AttachedKind
    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.request import ImageRequest, WholeList
    from skopeo_mirror.skopeo.faults import Reason
    from skopeo_mirror.skopeo.provenance import Attempt


class Status(StrEnum):
    """What became of an image."""

    COPIED = "copied"
    PRESENT = "present"
    FAILED = "failed"
    WOULD_COPY = "would-copy"


@dataclass(frozen=True, kw_only=True, slots=True)
class LivesElsewhere:
    """Content of an image that lives at a URL of its own: `fetched` from there, or left there."""

    digest: str
    url: str
    """For people, without user, password and query; empty where it could not be learned."""
    fetched: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitResult:
    """The end of a manifest that was copied for an image, as a unit of its own."""

    digest: Digest
    status: Status
    served_by: PullSource | None = None
    attempts: tuple[Attempt, ...] = ()
    bytes: int = 0
    """With those of its own parts."""
    seconds: float = 0.0
    error: str | None = None
    """Set exactly where `status` is failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartResult(UnitResult):
    """The end of one image of an index that is copied image by image."""

    platform: Platform | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AttachedResult(UnitResult):
    """The end of what is attached to an image, to one of its index, or to something else that is attached to these."""

    tag: str
    kind: AttachedKind
    subject: Digest
    """The manifest that it is attached to."""
    parts: tuple[PartResult, ...] = ()
    """The artifacts of an index of referrers, which come one by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageResult:
    """One image's end."""

    request: ImageRequest
    digest: Digest | None
    destination: str
    status: Status
    confirmed: bool
    """The digest was compared and, where this run copied it, it is proven who served."""
    served_by: PullSource | None = None
    """Of an index that was copied image by image: who served the index itself."""
    attempts: tuple[Attempt, ...] = ()
    bytes: int = 0
    """What its manifests say of what was brought, without what is `elsewhere`; with its parts and what is attached."""
    seconds: float = 0.0
    error: str | None = None
    """Set exactly where `status` is failed."""
    reason: Reason | None = None
    """What decided that; set where `error` is."""
    resolved_from: Reference | None = None
    """The tag that had the digest."""
    elsewhere: tuple[LivesElsewhere, ...] = ()
    parts: tuple[PartResult, ...] = ()
    """The images of an index that was copied image by image, as far as they were asked for."""
    attached: tuple[AttachedResult, ...] = ()
    """What is attached to it and to the images of its index, as far as that was asked for."""
    whole: str | None = None
    """Why an index was copied whole instead, where a fault made it so."""
    left: bool = False
    """The end of the run has left it where it was."""

    @property
    def changed(self) -> bool:
        """Whether anything of it at the destination changed (under a dry run: would change)."""
        return not {self.status, *(one.status for one in self.attached)}.isdisjoint({Status.COPIED, Status.WOULD_COPY})


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResult:
    """A whole run. `started` is in UTC; `stopped` says why it ended before every image had its turn."""

    images: tuple[ImageResult, ...] = ()
    destination: str
    destination_tls_verify: bool = True
    dry_run: bool
    started: datetime
    seconds: float = 0.0
    skopeo_path: str = ""
    skopeo_version: str = ""
    configuration_files: tuple[str, ...] = ()
    configuration_sha256: str = ""
    platforms: tuple[Platform, ...] = ()
    """Of an index only the images for these were asked for (none: all)."""
    shard: str | None = None
    """The part of the list that was asked for, `I/N` (None: all of it)."""
    whole_list: WholeList | None = None
    """The list that it is a part of, once that has been read."""
    stopped: str | None = None

    @property
    def failed(self) -> bool:
        """Whether any image did not end as asked."""
        return self.stopped is not None or any(image.status is Status.FAILED for image in self.images)

    @property
    def changed(self) -> bool:
        """Whether anything at the destination changed (under a dry run: would change)."""
        return any(image.changed for image in self.images)
