"""`oci:DIR`: one OCI image layout that holds every image under its reference, each blob once.

skopeo writes each image into a staged layout of its own, with DIR/blobs as its shared blob directory; the staged
entry is then merged into DIR/index.json. Parallel copies straight into one layout would lose entries (observed).
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import DestinationRefused, InvalidInput
from skopeo_mirror.files import IrregularFile, TooLarge, hash_regular, size_of_regular
from skopeo_mirror.manifest import (
    DOCKER,
    DOCKER_LIST,
    Descriptor,
    InvalidManifest,
    descend,
    digest_of,
    digests_below,
    parse_manifest,
)
from skopeo_mirror.oci_layout import REF_NAME, blob_file, merge, read_index, read_manifest, ref_name
from skopeo_mirror.reference import Digest
from skopeo_mirror.skopeo.scoped import Target
from skopeo_mirror.transfer.destination.place import Contradicted, Damaged, Place, Writing
from skopeo_mirror.transfer.destination.staging import StagedDestination

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from skopeo_mirror.manifest import Manifest
    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.reference import Reference

# What skopeo's oci: transport takes for a name (containers/image oci/internal, refRegexp).
_ADDRESSABLE: Final = re.compile(r"[A-Za-z0-9]+(?:(?:[-._:@+]|--|/)[A-Za-z0-9]+)*")


class LayoutDestination(StagedDestination):
    """An OCI image layout in `directory`."""

    transport = "oci"
    shares_blobs = True

    def __init__(self, directory: Path) -> None:
        if ":" in str(directory):
            raise DestinationRefused(f"oci:{directory}: skopeo cannot address a path with a colon in it")
        super().__init__(directory)
        self._entries: dict[str, dict[str, Any]] | None = None
        self._has_docker = False
        """Whether this run has published images of Docker's types."""
        self._right: set[str] = set()
        """Digests of blobs whose bytes were compared with them."""
        self._comparing: dict[str, threading.Lock] = {}
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def place(self, image: Reference, own: str | None = None) -> Place:
        """The image's normalized reference is its name in the layout."""
        if own is not None:
            raise DestinationRefused(f"{image}: names a destination of its own ({own}), which an oci: layout has not")
        cannot = f"{self.name}: skopeo's oci: transport cannot address the name {image}; it is kept"
        warning = None if _ADDRESSABLE.fullmatch(str(image)) else cannot
        return Place(name=f"{self.name}:{image}", entry=str(image), warning=warning)

    def part(self, place: Place, digest: Digest) -> Place:  # noqa: ARG002 - blobs are everybody's
        """Among the blobs, without an entry."""
        return Place(name=f"{self.name}@{digest}")

    def check(self, place: Place) -> None:  # noqa: ARG002 - the interface's
        """Refuse a directory that holds something else than a layout."""
        self._load()

    def holds(
        self,
        place: Place,
        digest: Digest,
        platforms: Sequence[Platform] = (),
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool | None:
        """Whether an entry of that name has that digest and everything it refers to is there, with its size.

        Manifests are compared by digest, blobs by size; by digest, too, where there is no name: its index will have
        them compared, and a part that is damaged has to be copied before that.
        """
        if place.entry is None:
            return self._is_whole(digest, platforms, stopped)
        entry = self._load().get(place.entry)
        if entry is None or entry.get("digest") != str(digest) or not isinstance(size := entry.get("size"), int):
            return False

        def read(one: Descriptor) -> Manifest:
            content = read_manifest(self.directory, one.digest)
            if len(content) != one.size or digest_of(content, one.digest.algorithm) != one.digest:
                raise InvalidManifest
            return parse_manifest(content)

        try:
            manifests = list(descend(Descriptor(digest=digest, size=size), read, platforms))
            blobs = [blob for manifest in manifests for blob in manifest.blobs]
            if platforms and manifests[0].children and not blobs:
                return False  # an index that has none of them is no image for them
            return all(size_of_regular(self._blob(blob.digest)) == blob.size for blob in blobs)
        except (OSError, InvalidManifest):
            return False

    def images(self, place: Place, digest: Digest, platforms: Sequence[Platform] = ()) -> tuple[Digest, ...]:  # noqa: ARG002
        """By their manifests among the blobs."""
        return digests_below(digest, lambda one: parse_manifest(read_manifest(self.directory, one.digest)), platforms)

    def has_blob(self, digest: str, size: int) -> bool:
        """Whether an image brought it before."""
        return size_of_regular(self._blob(Digest.parse(digest))) == size

    def options_for(self, media_type: str) -> tuple[str, ...]:
        """Docker's lists become OCI indexes otherwise, or nothing at all; their images stay as they are (observed)."""
        return ("--format", "v2s2") if media_type == DOCKER_LIST else ()

    @property
    def note(self) -> str | None:
        """Who can read Docker images in a layout (observed)."""
        if not self._has_docker:
            return None
        return (
            f"{self.name}: its Docker images are kept as they are; skopeo and podman find such by name from skopeo "
            "1.19 on, `skopeo-mirror copy --from` and most other tools always"
        )

    @contextmanager
    def writing(self, place: Place, digest: Digest, platforms: Sequence[Platform] = ()) -> Iterator[Writing]:
        """Give skopeo a staged layout, whose entry is then merged into the index, if the image has a name."""
        with self.area() as area:
            target = Target(name=f"oci:{area}", options=("--dest-shared-blob-dir", str(self.directory / "blobs")))
            yield Writing(target=target, publish=partial(self._publish, area, place, digest, platforms))

    def _publish(
        self,
        area: Path,
        place: Place,
        digest: Digest,
        platforms: Sequence[Platform],
        pulled: Collection[str] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Merge the staged entry, once everything that it leads to is what its digest says.

        skopeo takes a blob that is there for whole, whatever it holds (observed).
        """
        staged = json.loads((area / "index.json").read_bytes())["manifests"]
        entry = next((entry for entry in staged if entry.get("digest") == str(digest)), None)
        if entry is None:
            raise DestinationRefused(f"skopeo wrote a layout without {digest}; nothing was published")
        self._right |= set(pulled or ())
        damaged, contradictions = self._compare(Descriptor(digest=digest, size=entry["size"]), platforms, stopped)
        for blob in damaged:
            self._right.discard(str(blob))
            self._blob(blob).unlink(missing_ok=True)
        if damaged:
            raise Damaged(f"{self.name}: blobs of {place.entry or digest} were damaged")
        if contradictions:
            raise Contradicted(contradictions[0])
        if place.entry is not None:
            entry.setdefault("annotations", {})[REF_NAME] = place.entry
            self._merge_with_others(entry, area)
            self._has_docker |= str(entry.get("mediaType")).startswith(DOCKER)

    def _is_whole(self, digest: Digest, platforms: Sequence[Platform], stopped: Callable[[], bool]) -> bool:
        """Whether a manifest and all that it leads to is there, with the right bytes."""
        size = size_of_regular(self._blob(digest))
        if size is None:
            return False
        try:
            return self._compare(Descriptor(digest=digest, size=size), platforms, stopped) == ([], [])
        except InterruptedError:
            raise
        except OSError:
            return False

    def _compare(
        self, top: Descriptor, platforms: Sequence[Platform], stopped: Callable[[], bool]
    ) -> tuple[list[Digest], list[str]]:
        """What is damaged of all that a manifest leads to, and what its manifests say against good bytes.

        The digest alone decides what is damaged: a size is what one manifest claims, and others need the same blob.
        """
        damaged: list[Digest] = []
        contradictions: list[str] = []

        def take_note(descriptor: Descriptor, size: int) -> None:
            if size != descriptor.size:
                contradictions.append(f"its manifest gives {descriptor.digest} {descriptor.size} bytes; it has {size}")

        def read(one: Descriptor) -> Manifest | None:
            if not self._is_right(one.digest, stopped):
                damaged.append(one.digest)
                return None
            try:
                content = read_manifest(self.directory, one.digest)
                manifest = parse_manifest(content)
            except FileNotFoundError:  # it was there when it was compared
                damaged.append(one.digest)
                return None
            except (TooLarge, InvalidManifest) as error:
                contradictions.append(f"its manifest calls {one.digest} an image, but that {error}")
                return None
            take_note(one, len(content))
            return manifest

        for manifest in descend(top, read, platforms):
            for blob in manifest.blobs:
                size = size_of_regular(self._blob(blob.digest))
                if size is None or not self._is_right(blob.digest, stopped):
                    damaged.append(blob.digest)
                else:
                    take_note(blob, size)
        return damaged, contradictions

    def _is_right(self, digest: Digest, stopped: Callable[[], bool]) -> bool:
        """Whether a blob's bytes have its digest: read once a run, and not at all where skopeo has just compared them.

        Raises OSError where that cannot be told.
        """
        name = str(digest)
        if name in self._right:
            return True
        with self._comparing.setdefault(name, threading.Lock()):
            if name not in self._right:
                try:
                    found = hash_regular(self._blob(digest), digest.algorithm, stopped=stopped)
                except (FileNotFoundError, IrregularFile):
                    return False
                if found != digest.hex:
                    return False
                self._right.add(name)
        self._comparing.pop(name, None)  # who waited for it finds it right
        return True

    def _load(self) -> dict[str, dict[str, Any]]:
        """The entries by name, read once; later ones of other runs are found when the index is merged."""
        if self._entries is None:
            with _refusing():
                entries = (read_index(self.directory) or {}).get("manifests", [])
            self._entries = {name: entry for entry in entries if (name := ref_name(entry))}
        return self._entries

    def _blob(self, digest: Digest) -> Path:
        return blob_file(self.directory, digest)

    def _merge_with_others(self, entry: dict[str, Any], area: Path) -> None:
        """Merge an entry, and those of other threads that wait meanwhile, in one writing of the index."""
        with self._lock:
            self._waiting.append(entry)
        with self.locked():
            with self._lock:
                batch, self._waiting = self._waiting, []
            if not batch:
                return
            try:
                with _refusing():
                    merge(self.directory, batch, via=area)
            except BaseException:
                with self._lock:  # the others try theirs themselves
                    self._waiting += [other for other in batch if other is not entry]
                raise
            self._load().update({str(ref_name(other)): other for other in batch})


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except InvalidInput as error:
        raise DestinationRefused(str(error)) from error
