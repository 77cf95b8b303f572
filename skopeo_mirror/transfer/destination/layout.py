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

from skopeo_mirror.errors import DestinationRefused
from skopeo_mirror.files import (
    LARGEST_DOCUMENT,
    IrregularFile,
    TooLarge,
    hash_regular,
    read_regular,
    size_of_regular,
    write_atomically,
)
from skopeo_mirror.json_text import InvalidJson, parse_json
from skopeo_mirror.manifest import LARGEST_MANIFEST, Descriptor, InvalidManifest, digest_of, parse_manifest
from skopeo_mirror.reference import Digest
from skopeo_mirror.skopeo.layout_source import MARKER, blob_file
from skopeo_mirror.skopeo.scoped import Target
from skopeo_mirror.transfer.destination.place import Contradicted, Damaged, Place, Writing
from skopeo_mirror.transfer.destination.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from skopeo_mirror.reference import Reference

REF_NAME: Final = "org.opencontainers.image.ref.name"
_DOCKER: Final = "application/vnd.docker."
_EMPTY_INDEX: Final = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [],
}
# What skopeo's oci: transport takes for a name (containers/image oci/internal, refRegexp).
_ADDRESSABLE: Final = re.compile(r"[A-Za-z0-9]+(?:(?:[-._:@+]|--|/)[A-Za-z0-9]+)*")


class LayoutDestination:
    """An OCI image layout in `directory`."""

    tls_verify = True
    shares_blobs = True
    brings_layers = False

    def __init__(self, directory: Path) -> None:
        if ":" in str(directory):
            raise DestinationRefused(f"oci:{directory}: skopeo cannot address a path with a colon in it")
        self.directory = directory
        self._staging = Staging(directory)
        self._entries: dict[str, dict[str, Any]] | None = None
        self._whole: set[Descriptor] = set()
        self._right: set[str] = set()
        self._comparing: dict[str, threading.Lock] = {}
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The destination as it was given."""
        return f"oci:{self.directory}"

    def verifies(self, repository: Reference) -> bool:  # noqa: ARG002 - the interface's
        """There is no connection to verify."""
        return True

    def place(self, image: Reference, own: str | None = None) -> Place:
        """The image's normalized reference is its name in the layout."""
        if own is not None:
            raise DestinationRefused(f"{image}: names a destination of its own ({own}), which an oci: layout has not")
        warning = None
        if not is_addressable(str(image)):
            warning = f"oci:{self.directory}: skopeo's oci: transport cannot address the name {image}; it is kept"
        return Place(name=f"oci:{self.directory}:{image}", entry=str(image), warning=warning)

    def check(self, place: Place) -> None:  # noqa: ARG002 - the interface's
        """Refuse a directory that holds something else than a layout."""
        self._load()

    def open(self) -> None:
        """Make the staging area."""
        self._staging.open()

    def close(self) -> None:
        """Remove the staging area."""
        self._staging.close()

    def holds(self, place: Place, digest: Digest) -> bool | None:
        """Whether an entry of that name has that digest and everything it refers to is there, with its size."""
        entry = self._load().get(place.entry or "")
        if entry is None or entry.get("digest") != str(digest) or not isinstance(size := entry.get("size"), int):
            return False
        return self._is_whole(Descriptor(digest=digest, size=size))

    def has_blob(self, digest: str, size: int) -> bool:
        """Whether an image brought it before."""
        return size_of_regular(self._blob(Digest.parse(digest))) == size

    def cannot_hold(self, media_types: Collection[str]) -> str | None:
        """A Docker image would have to become an OCI image, with another digest."""
        if not any(media_type.startswith(_DOCKER) for media_type in media_types):
            return None
        return (
            "it is a Docker image (schema 2), which an OCI layout cannot hold without changing its digest; "
            "copy it to a registry (docker://) or to directories (dir:)"
        )

    @contextmanager
    def writing(self, place: Place, digest: Digest) -> Iterator[Writing]:
        """Give skopeo a staged layout, whose entry is then merged into the index."""
        with self._staging.area() as area:
            target = Target(name=f"oci:{area}", options=("--dest-shared-blob-dir", str(self.directory / "blobs")))
            yield Writing(target=target, publish=partial(self._publish, area, place, digest))

    def _publish(
        self,
        area: Path,
        place: Place,
        digest: Digest,
        pulled: Collection[str] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Merge the staged entry, once everything that it leads to is what its digest says.

        skopeo takes a blob that is there for whole, whatever it holds (observed).
        """
        entry = _staged_entry(area, digest)
        self._right |= set(pulled or ())
        damaged, contradiction = self._compare(Descriptor(digest=digest, size=entry["size"]), stopped)
        if damaged:
            for blob in damaged:
                self._right.discard(str(blob))
                self._blob(blob).unlink(missing_ok=True)
            raise Damaged(f"oci:{self.directory}: blobs of {place.entry} were damaged")
        if contradiction is not None:
            raise Contradicted(contradiction)
        entry.setdefault("annotations", {})[REF_NAME] = place.entry
        self._merge_with_others(entry)

    def _compare(self, top: Descriptor, stopped: Callable[[], bool]) -> tuple[list[Digest], str | None]:
        """What is damaged of all that a manifest leads to, and what one of its manifests says against good bytes.

        The digest alone decides what is damaged: a size is what one manifest claims, and others need the same blob.
        """
        damaged: list[Digest] = []
        contradictions: list[str] = []

        def take_note(descriptor: Descriptor, size: int) -> None:
            if size != descriptor.size:
                contradictions.append(f"its manifest gives {descriptor.digest} {descriptor.size} bytes; it has {size}")

        todo, seen = [top], {top}
        while todo:
            one = todo.pop()
            if not self._is_right(one.digest, stopped):
                damaged.append(one.digest)
                continue
            try:
                content = read_regular(self._blob(one.digest), at_most=LARGEST_MANIFEST)
                manifest = parse_manifest(content)
            except (TooLarge, InvalidManifest) as error:
                contradictions.append(f"its manifest calls {one.digest} an image, but that {error}")
                continue
            take_note(one, len(content))
            for blob in manifest.blobs:
                size = size_of_regular(self._blob(blob.digest))
                if size is None or not self._is_right(blob.digest, stopped):
                    damaged.append(blob.digest)
                else:
                    take_note(blob, size)
            new = [child for child in manifest.children if child not in seen]
            todo += new
            seen.update(new)
        return damaged, next(iter(contradictions), None)

    def _is_right(self, digest: Digest, stopped: Callable[[], bool]) -> bool:
        """Whether a blob's bytes have its digest: read once a run, and not at all where skopeo has just compared them.

        Raises OSError where that cannot be told.
        """
        with self._comparing.setdefault(str(digest), threading.Lock()):
            if str(digest) not in self._right:
                try:
                    found = hash_regular(self._blob(digest), digest.algorithm, stopped=stopped)
                except (FileNotFoundError, IrregularFile):
                    return False
                if found != digest.hex:
                    return False
                self._right.add(str(digest))
            return True

    def _load(self) -> dict[str, dict[str, Any]]:
        """The entries by name, read once; later ones of other runs are found when the index is merged."""
        if self._entries is None:
            index = read_index(self.directory)
            self._entries = (
                {} if index is None else {name: entry for entry in index["manifests"] if (name := ref_name(entry))}
            )
        return self._entries

    def _is_whole(self, top: Descriptor) -> bool:
        """Whether a manifest and all that it refers to is there. Manifests are compared by digest, blobs by size."""
        todo, seen = [top], {top}
        while todo:
            one = todo.pop()
            if one in self._whole:
                continue
            try:
                content = read_regular(self._blob(one.digest), at_most=LARGEST_MANIFEST)
                manifest = parse_manifest(content)
            except (OSError, InvalidManifest):
                return False
            if len(content) != one.size or digest_of(content, one.digest.algorithm) != one.digest:
                return False
            if not all(size_of_regular(self._blob(blob.digest)) == blob.size for blob in manifest.blobs):
                return False
            new = [child for child in manifest.children if child not in seen]
            todo += new
            seen.update(new)
        self._whole |= seen
        return True

    def _blob(self, digest: Digest) -> Path:
        return blob_file(self.directory, digest)

    def _merge_with_others(self, entry: dict[str, Any]) -> None:
        """Merge an entry, and those of other threads that wait meanwhile, in one writing of the index."""
        with self._lock:
            self._waiting.append(entry)
        with self._staging.locked():
            with self._lock:
                batch, self._waiting = self._waiting, []
            try:
                self._merge(batch)
            except BaseException:
                with self._lock:  # the others try theirs themselves
                    self._waiting += [other for other in batch if other is not entry]
                raise

    def _merge(self, batch: list[dict[str, Any]]) -> None:
        if not batch:
            return
        index = read_index(self.directory) or dict(_EMPTY_INDEX)
        names = {ref_name(entry) for entry in batch}
        index["manifests"] = [*(entry for entry in index["manifests"] if ref_name(entry) not in names), *batch]
        with self._staging.area() as area:
            write_atomically(self.directory / "oci-layout", MARKER, via=area)
            write_atomically(self.directory / "index.json", _written(index), via=area)
        if self._entries is not None:
            self._entries.update({str(ref_name(entry)): entry for entry in batch})


def read_index(directory: Path) -> dict[str, Any] | None:
    """The index of a layout; None where nothing is there yet. Raises DestinationRefused for anything else."""
    try:
        present = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DestinationRefused(f"oci:{directory}: {error.strerror}") from error
    if "index.json" not in present:
        foreign = [name for name in present if name not in {"blobs", "oci-layout"} and not name.startswith(".")]
        if foreign:
            raise DestinationRefused(
                f"oci:{directory}: is not empty and no OCI layout (it holds {foreign[0]!r}); name another directory"
            )
        return None
    unreadable = f"oci:{directory}: its index.json cannot be read; mend or move it"
    try:
        index = parse_json(read_regular(directory / "index.json", at_most=LARGEST_DOCUMENT))
    except (OSError, InvalidJson) as error:
        raise DestinationRefused(f"{unreadable} ({error.strerror if isinstance(error, OSError) else error})") from error
    if not isinstance(index, dict) or not isinstance(index.get("manifests"), list):
        raise DestinationRefused(f"{unreadable} (it has no list of manifests)")
    return index


def _written(index: dict[str, Any]) -> bytes:
    """An index as it is written. Raises DestinationRefused where others have put into it what cannot be."""
    try:
        return json.dumps(index, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise DestinationRefused("its index.json holds what cannot be written again; mend or move it") from error


def ref_name(entry: object) -> str | None:
    """The name of an index entry."""
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else None


def is_addressable(name: str) -> bool:
    """Whether skopeo's `oci:` transport can address an entry of that name."""
    return _ADDRESSABLE.fullmatch(name) is not None


def _staged_entry(area: Path, digest: Digest) -> dict[str, Any]:
    index = json.loads((area / "index.json").read_bytes())
    for entry in index["manifests"]:
        if entry.get("digest") == str(digest):
            return dict(entry)
    raise DestinationRefused(f"skopeo wrote a layout without {digest}; nothing was published")
