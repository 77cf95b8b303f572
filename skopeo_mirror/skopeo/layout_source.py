"""A layout as a source: manifests are read as files, skopeo is shown a staged layout of one image, its log is proof.

The staged layout has an index of one entry and shares the real one's blobs. So names that skopeo's `oci:` transport
cannot address (`a__b`) are no matter, no copy reads an index of ten thousand, and the real one may be read-only.
"""

from __future__ import annotations

import errno
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from skopeo_mirror.manifest import Descriptor, descend, parse_manifest
from skopeo_mirror.oci_layout import (
    blob_file,
    find_manifest,
    new_blob_file,
    own_index,
    read_manifest,
    refuse_irregular,
    write_layout,
)
from skopeo_mirror.registries_conf.routing import PullSource
from skopeo_mirror.registries_conf.scoping import scope
from skopeo_mirror.skopeo.debuglog import Died, IndexRefused, LeftElsewhere, Requested, Tried
from skopeo_mirror.skopeo.faults import Reason, Stage, blames_destination, cannot_keep_index, reason_of, stage_of
from skopeo_mirror.skopeo.provenance import Attempt, Fault, Outcome, Provenance, last_words
from skopeo_mirror.skopeo.purposes import Purposes, in_words, repository_of, split_url
from skopeo_mirror.skopeo.scoped import Probe, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from skopeo_mirror.reference import Digest, PinnedReference, Reference
    from skopeo_mirror.skopeo.debuglog import Event
    from skopeo_mirror.skopeo.provenance import Ending
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo, Target

_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_INDEX: Final = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutSource(PullSource):
    """An image of the layout in `directory`; `location` is `oci:DIR`.

    `reference` has the digest that the layout's index gives the image, and none where the image is not in it.
    """

    directory: Path
    insecure: bool = False
    blocked: bool = False
    kind: str = "layout"

    @property
    def host(self) -> None:
        """No registry is asked."""

    @property
    def place(self) -> str:
        """The layout."""
        return self.location

    def read(self) -> bytes:
        """The manifest's bytes, not compared with the digest. Raises OSError."""
        digest = self.reference.digest
        if digest is None:
            raise FileNotFoundError(errno.ENOENT, "has no image of that name", self.location)
        return read_manifest(self.directory, digest)

    def probe(self, image: Reference) -> Probe:
        """The manifest of `image`, as ScopedSkopeo's probe of a registry gives it."""
        try:
            manifest = self.read()
        except OSError as error:
            return Probe(manifest=b"", provenance=self._failed(Stage.MANIFEST, error))
        served = Attempt(candidate=self, outcome=Outcome.SERVED)
        return checked(manifest, image, Provenance(attempts=(served,), server=self))

    def copy(
        self,
        scoped: ScopedSkopeo,
        image: PinnedReference,
        target: Target,
        on_event: Callable[[Event], None] | None = None,
        *,
        alone: bool = False,
    ) -> Provenance:
        """Copy `image`, or an index `alone`, once its manifest has the digest.

        With `oci:` skopeo does not compare that (observed).
        """
        probe = self.probe(image)
        if not probe.manifest:
            return probe.provenance
        try:
            refuse_irregular(self.directory, Descriptor(digest=image.digest, size=len(probe.manifest)))
        except OSError as error:
            return self._failed(Stage.BLOB, error)
        if on_event is not None:
            on_event(Tried(at=time.monotonic(), reference=self.location))
        with tempfile.TemporaryDirectory(dir=scoped.directory) as staged:
            stage(Path(staged), probe.manifest, image.digest)
            within = self.directory
            if own_index(within, image.digest) is not None:
                _gather(within, probe.manifest, image.digest, Path(staged))
                within = Path(staged)
            return scoped.copy_from(
                ["--src-shared-blob-dir", str(within / "blobs"), f"oci:{staged}"],
                image,
                target,
                asked=image.without_tag(),
                registries=scope(image, (), writes_to=target.repository),
                traced=partial(trace_layout, candidate=self, destination=target.repository),
                alone=alone,
                on_event=on_event,
            )

    def _failed(self, stage: Stage, error: OSError) -> Provenance:
        reason = Reason.NOT_FOUND if isinstance(error, FileNotFoundError) else Reason.OTHER
        detail = f"{error.filename}: {error.strerror}"
        failed = Attempt(candidate=self, outcome=Outcome.FAILED, stage=stage, reason=reason, detail=detail)
        return Provenance(attempts=(failed,))


def stage(directory: Path, manifest: bytes, digest: Digest) -> None:
    """Write a layout that has one image and no blobs (`--src-shared-blob-dir`) into `directory`."""
    parsed = parse_manifest(manifest)
    media_type = parsed.media_type or (_MANIFEST if parsed.blobs else _INDEX)
    write_layout(directory, {"mediaType": media_type, "digest": str(digest), "size": len(manifest)})


def _gather(layout: Path, index: bytes, top: Digest, staged: Path) -> None:
    """Give `staged` the blobs of `top`, which is index.json: its bytes, and links to what these lead to in `layout`.

    What is missing or wrong there is skopeo's to tell.
    """
    found = descend(Descriptor(digest=top, size=len(index)), lambda one: find_manifest(layout, one.digest))
    below = {one.digest for manifest in found for one in (*manifest.children, *manifest.blobs)}
    new_blob_file(staged, top).write_bytes(index)
    for digest in below:
        new_blob_file(staged, digest).symlink_to(blob_file(layout, digest).absolute())


def trace_layout(
    events: Sequence[Event],
    tail: Sequence[str],
    ending: Ending,
    *,
    candidate: LayoutSource,
    destination: Reference | None = None,
) -> Provenance:
    """What a run proves that was to copy from a layout; `destination` is the repository that was written to, if any.

    No registry but the destination may have had a part in it. That the bytes are the layout's is proven by their
    digests, which skopeo compares while it reads.
    """
    seconds = ending.at - events[0].at if events else 0.0
    if ending.status == 0 and ending.reason is None:
        return Provenance(
            attempts=(Attempt(candidate=candidate, outcome=Outcome.SERVED, seconds=seconds),),
            server=candidate,
            doubt=_doubt(events, destination),
            pulled=None if destination is None else tuple(dict.fromkeys(_uploaded(events))),
            left=tuple(dict.fromkeys(event.digest for event in events if isinstance(event, LeftElsewhere))),
        )
    died = next((event for event in events if isinstance(event, Died)), None)
    error = last_words(ending, died, tail)
    refused = next((event for event in events if isinstance(event, IndexRefused)), None)
    if refused is not None and cannot_keep_index(error):
        error = refused.error
    words = error.replace(f"{candidate.directory / 'blobs'}/", "")  # a file of the layout's is not the destination's
    ended_while_pushing = ending.reason is not None and destination is not None  # files do not stall
    if ended_while_pushing or (ending.reason is None and blames_destination(words)):
        stage, reason, fault = Stage.WRITE, Reason.DESTINATION, Fault(reason=Reason.DESTINATION, detail=error)
    else:
        stage, reason, fault = stage_of(words, opened=True), ending.reason or reason_of(words), None
    failed = Attempt(
        candidate=candidate, outcome=Outcome.FAILED, stage=stage, reason=reason, detail=error, seconds=seconds
    )
    return Provenance(attempts=(failed,), fault=fault)


def _doubt(events: Sequence[Event], destination: Reference | None) -> str | None:
    """Why the log does not prove that everything came from the layout."""
    for event in events:
        if isinstance(event, Tried):
            return f"skopeo turned to {event.reference}, though the image was to come from a layout"
    ours = frozenset() if destination is None else frozenset({repository_of(destination)})
    strange = Purposes(repositories=ours).unexplained(events)
    return None if strange is None else f"{in_words(strange)}, though it was to come from a layout"


def _uploaded(events: Sequence[Event]) -> Iterator[str]:
    """The blobs that the destination did not have: the PUT that ends an upload names the digest."""
    for event in events:
        if isinstance(event, Requested) and event.method == "PUT" and "/blobs/uploads/" in event.url:
            yield from parse_qs(split_url(event.url).query).get("digest", [])
