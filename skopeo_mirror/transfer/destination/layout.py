"""`oci:DIR`: one OCI image layout that holds every image under its reference, each blob once.

skopeo writes each image into a staged layout of its own, with DIR/blobs as its shared blob directory; the staged
entry is then merged into DIR/index.json. Parallel copies straight into one layout would lose entries (observed).
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import DestinationRefused
from skopeo_mirror.files import write_atomically
from skopeo_mirror.manifest import InvalidManifest, digest_of, parse_manifest
from skopeo_mirror.reference import Digest
from skopeo_mirror.skopeo.layout import MARKER, blob_file
from skopeo_mirror.skopeo.scoped import Target
from skopeo_mirror.transfer.destination.place import Damaged, Place, Writing
from skopeo_mirror.transfer.destination.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
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
        self._whole: set[str] = set()
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
        return entry is not None and entry.get("digest") == str(digest) and self._is_whole(digest, entry.get("size"))

    def has_blob(self, digest: str, size: int) -> bool:
        """Whether an image brought it before."""
        return self._has(Digest.parse(digest), size)

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
            yield Writing(target=target, publish=lambda: self._publish(area, place, digest))

    def _publish(self, area: Path, place: Place, digest: Digest) -> None:
        """Merge the staged entry. skopeo takes a blob that is there for whole, whatever its size (observed)."""
        entry = _staged_entry(area, digest)
        if not self._is_whole(digest, entry.get("size")):
            for damaged in self._damaged(digest):
                damaged.unlink(missing_ok=True)
            raise Damaged(f"oci:{self.directory}: blobs of {place.entry} were damaged")
        entry.setdefault("annotations", {})[REF_NAME] = place.entry
        self._merge_with_others(entry)

    def _load(self) -> dict[str, dict[str, Any]]:
        """The entries by name, read once; later ones of other runs are found when the index is merged."""
        if self._entries is None:
            index = read_index(self.directory)
            self._entries = (
                {} if index is None else {name: entry for entry in index["manifests"] if (name := ref_name(entry))}
            )
        return self._entries

    def _is_whole(self, digest: Digest, size: object) -> bool:
        """Whether a manifest and all that it refers to is there. Manifests are compared by digest, blobs by size."""
        if str(digest) in self._whole:
            return True
        try:
            content = self._blob(digest).read_bytes()
            manifest = parse_manifest(content)
        except (OSError, InvalidManifest):
            return False
        if len(content) != size or digest_of(content, digest.algorithm) != digest:
            return False
        whole = all(self._has(blob.digest, blob.size) for blob in manifest.blobs) and all(
            self._is_whole(child.digest, child.size) for child in manifest.children
        )
        if whole:
            self._whole.add(str(digest))
        return whole

    def _damaged(self, digest: Digest) -> Iterator[Path]:
        """The files below a manifest that are not what their descriptors say."""
        try:
            content = self._blob(digest).read_bytes()
            manifest = parse_manifest(content)
        except (OSError, InvalidManifest):
            yield self._blob(digest)
            return
        if digest_of(content, digest.algorithm) != digest:
            yield self._blob(digest)
            return
        yield from (self._blob(blob.digest) for blob in manifest.blobs if not self._has(blob.digest, blob.size))
        for child in manifest.children:
            yield from self._damaged(child.digest)

    def _has(self, digest: Digest, size: int) -> bool:
        try:
            return self._blob(digest).stat().st_size == size
        except OSError:
            return False

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
            write_atomically(self.directory / "index.json", json.dumps(index, separators=(",", ":")).encode(), via=area)
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
    try:
        index = json.loads((directory / "index.json").read_bytes())
        index["manifests"] = list(index["manifests"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DestinationRefused(f"oci:{directory}: its index.json cannot be read; mend or move it") from error
    return dict(index)


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
