"""OCI image layouts: the one reader and writer of their index, its entries, their images and their blobs' files.

The rules are those of the OCI image-spec (image-layout.md, image-index.md). Nothing is read but regular files, and of
these no more than anything of their kind has.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.files import (
    LARGEST_DOCUMENT,
    IrregularFile,
    hash_regular,
    open_regular,
    read_regular,
    write_atomically,
)
from skopeo_mirror.json_text import InvalidJson, parse_json
from skopeo_mirror.manifest import LARGEST_MANIFEST, InvalidManifest, descend, digest_of, parse_manifest
from skopeo_mirror.reference import Digest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from skopeo_mirror.manifest import Descriptor, Manifest

REF_NAME: Final = "org.opencontainers.image.ref.name"
"""The annotation with an entry's name."""

_MARKER: Final = b'{"imageLayoutVersion":"1.0.0"}'
_EMPTY_INDEX: Final[dict[str, Any]] = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
_DEEPEST_INDEX: Final = 4
_MOST_LAYERS: Final = 500  # tools that run images stop at 127


@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutImage:
    """One image of a layout: its labels and the files that hold its layers, lowest first, all with the right digest."""

    architecture: str
    """As Go calls it; empty where the config does not say."""
    labels: Mapping[str, str]
    layers: tuple[Path, ...]


def blob_file(layout: Path, digest: Digest) -> Path:
    """Where a layout keeps a blob."""
    return layout / "blobs" / digest.algorithm / digest.hex


def new_blob_file(layout: Path, digest: Digest) -> Path:
    """Where a layout is to keep a blob, its directory made. Raises OSError."""
    file = blob_file(layout, digest)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def read_manifest(layout: Path, digest: Digest) -> bytes:
    """The bytes of a manifest, not compared with its digest. Raises OSError.

    Where no blob has it, index.json may: that of a layout which is one image for several platforms.
    """
    try:
        return read_regular(blob_file(layout, digest), at_most=LARGEST_MANIFEST)
    except FileNotFoundError:
        if (index := own_index(layout, digest)) is None:
            raise
        return index


def find_manifest(layout: Path, digest: Digest) -> Manifest | None:
    """A manifest, not compared with its digest; None where it cannot be read, or is none."""
    try:
        return parse_manifest(read_manifest(layout, digest))
    except (OSError, InvalidManifest):
        return None


def own_index(layout: Path, digest: Digest) -> bytes | None:
    """The bytes of index.json, if it has that digest and no blob has."""
    if blob_file(layout, digest).exists():
        return None
    try:
        index = read_regular(layout / "index.json", at_most=LARGEST_MANIFEST)
    except OSError:
        return None
    return index if digest_of(index, digest.algorithm) == digest else None


def read_index(layout: Path) -> dict[str, Any] | None:
    """The index, which has a list of manifests; None where nothing is there yet.

    Raises InvalidInput for a directory that is no layout, or one whose index cannot be used.
    """
    try:
        present = [path.name for path in layout.iterdir()]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInput([f"oci:{layout}: {error.strerror}"]) from error
    if "index.json" not in present:
        foreign = [name for name in present if name not in {"blobs", "oci-layout"} and not name.startswith(".")]
        if foreign:
            raise InvalidInput(
                [f"oci:{layout}: is not empty and no OCI layout (it holds {foreign[0]!r}); name another directory"]
            )
        return None
    unreadable = f"oci:{layout}: its index.json cannot be read; mend or move it"
    try:
        index = parse_json(read_regular(layout / "index.json", at_most=LARGEST_DOCUMENT))
    except (OSError, InvalidJson) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput([f"{unreadable} ({why})"]) from error
    if not isinstance(index, dict) or not isinstance(index.get("manifests"), list):
        raise InvalidInput([f"{unreadable} (it has no list of manifests)"])
    return index


def ref_name(entry: object) -> str | None:
    """The name of an index entry."""
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else None


def write_layout(layout: Path, entry: dict[str, Any]) -> None:
    """Make a directory that nobody else looks at a layout of one image."""
    (layout / "oci-layout").write_bytes(_MARKER)
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}), encoding="ascii")


def merge(layout: Path, entries: Sequence[dict[str, Any]], *, via: Path) -> None:
    """Put named entries into the index, in place of those of the same names; what else is there stays.

    Readers see the old index or the new one; writers must be kept apart by the caller. `via` is a directory on the same
    file system, for unfinished files. Raises InvalidInput, OSError.
    """
    index = read_index(layout) or _EMPTY_INDEX
    names = {ref_name(entry) for entry in entries}
    kept = [entry for entry in index.get("manifests", []) if ref_name(entry) not in names]
    try:
        written = json.dumps({**index, "manifests": [*kept, *entries]}, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(["its index.json holds what cannot be written again; mend or move it"]) from error
    write_atomically(layout / "oci-layout", _MARKER, via=via)
    write_atomically(layout / "index.json", written.encode(), via=via)


def refuse_irregular(layout: Path, top: Descriptor) -> None:
    """Raise IrregularFile where a manifest, or something below it, is a FIFO or a device: skopeo would read for ever.

    What is missing or wrong otherwise is skopeo's to tell.
    """

    def read(one: Descriptor) -> Manifest | None:
        try:
            return parse_manifest(read_manifest(layout, one.digest))
        except IrregularFile:
            raise
        except (OSError, InvalidManifest):
            return None

    for manifest in descend(top, read):
        for blob in manifest.blobs:
            try:
                open_regular(blob_file(layout, blob.digest)).close()
            except IrregularFile:
                raise
            except OSError:
                continue


def open_image(layout: Path, name: str | None = None) -> LayoutImage:
    """Find the image called `name` (a digest, or the layout's own name for it) in the directory `layout`.

    Without `name` it is the only one. Of an index, linux/amd64 is taken if it is there, else the first that is: a
    catalog's files are the same for all platforms. Raises InvalidInput for a layout that lacks it, is damaged, or whose
    bytes miss their digest; the messages do not name the layout.
    """
    manifest = _manifest(layout, _choose(_images(layout), name))
    config = _document(layout, manifest.get("config"))
    settings = config.get("config")
    labels = settings.get("Labels") if isinstance(settings, dict) else None
    layers = _list(manifest, "layers")
    if len(layers) > _MOST_LAYERS:
        raise InvalidInput([f"the image has {len(layers)} layers: more than {_MOST_LAYERS} is no image"])
    return LayoutImage(
        architecture=str(config.get("architecture") or ""),
        labels={str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
        layers=tuple(_blob(layout, layer) for layer in layers),
    )


def image_digest(layout: Path, name: str | None = None) -> Digest:
    """The digest of the image that `open_image` finds, an index's own; raises InvalidInput as that does.

    Without `name`, where index.json itself is the image's index, that file's.
    """
    images = _images(layout)
    chosen = _digest(_choose(images, name))
    if name is not None or len(_digests(images)) == 1:
        return chosen
    return Digest(algorithm="sha256", hex=hash_regular(layout / "index.json", "sha256"))


def _images(layout: Path) -> list[dict[str, Any]]:
    return _descriptors(_object(layout / "index.json", at_most=LARGEST_DOCUMENT))


def _choose(images: Sequence[dict[str, Any]], name: str | None) -> dict[str, Any]:
    if name is not None:
        wanted = [image for image in images if name in (image.get("digest"), ref_name(image))]
    elif _is_one_image(images):
        return _one_platform(images)
    else:
        wanted = list(images)
    digests = _digests(wanted)
    if len(digests) == 1:
        return wanted[0]
    names = ", ".join(shown(str(ref_name(image) or image.get("digest"))) for image in images) or "nothing"
    if name is None:
        raise InvalidInput([f"name one of the images in this layout ({names})"])
    raise InvalidInput([f"{len(digests) or 'no'} images are called {shown(name)} (there is {names})"])


def _is_one_image(images: Sequence[dict[str, Any]]) -> bool:
    """Whether a layout's manifests are those of one image, each for another platform."""
    platforms = [platform for image in images if isinstance(platform := image.get("platform"), dict)]
    distinct = {json.dumps(platform, sort_keys=True) for platform in platforms}
    return len(distinct) == len(_digests(images)) == len(images)


def _digests(images: Sequence[dict[str, Any]]) -> set[str]:
    """What manifests have as their digests, which may be no digests."""
    return {str(image.get("digest")) for image in images}


def _manifest(layout: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    for _ in range(_DEEPEST_INDEX):
        document = _document(layout, descriptor)
        if "manifests" not in document:
            return document
        images = _descriptors(document)
        descriptor = _one_platform([image for image in images if _is_there(layout, image)] or images)
    raise InvalidInput([f"an index within an index, more than {_DEEPEST_INDEX} deep"])


def _one_platform(images: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not images:
        raise InvalidInput(["the image index is empty"])
    for image in images:
        platform = image.get("platform")
        if isinstance(platform, dict) and (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            return image
    return images[0]


def _is_there(layout: Path, descriptor: dict[str, Any]) -> bool:
    """Whether there is something to be read, or to be refused: images that nobody asked for may be left out."""
    try:
        return blob_file(layout, _digest(descriptor)).exists()
    except InvalidInput:
        return True


def _descriptors(index: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in _list(index, "manifests") if isinstance(item, dict)]


def _list(document: dict[str, Any], key: str) -> list[Any]:
    items = document.get(key)
    if not isinstance(items, list):
        raise InvalidInput([f"no image: `{key}` is missing or no list"])
    return items


def _blob(layout: Path, descriptor: Any) -> Path:
    """Find the file that holds a blob, and hold its bytes against its digest."""
    digest = _digest(descriptor)
    path = blob_file(layout, digest)
    try:
        found = hash_regular(path, digest.algorithm)
    except OSError as error:
        raise InvalidInput([f"blob {digest} cannot be read: {error.strerror}"]) from error
    if found != digest.hex:
        raise InvalidInput([f"blob {digest} is damaged: its bytes have {digest.algorithm}:{found}"])
    return path


def _digest(descriptor: Any) -> Digest:
    text = descriptor.get("digest") if isinstance(descriptor, dict) else None
    try:
        return Digest.parse(str(text))
    except InvalidReference as error:
        raise InvalidInput([str(error)]) from error


def _document(layout: Path, descriptor: Any) -> dict[str, Any]:
    return _object(_blob(layout, descriptor), at_most=LARGEST_MANIFEST)


def _object(file: Path, *, at_most: int) -> dict[str, Any]:
    try:
        document = parse_json(read_regular(file, at_most=at_most))
    except OSError as error:
        raise InvalidInput([f"no OCI layout: {file.name} cannot be read: {error.strerror}"]) from error
    except InvalidJson as error:
        raise InvalidInput([f"{file.name} is no JSON: {error}"]) from error
    if not isinstance(document, dict):
        raise InvalidInput([f"{file.name} holds no JSON object"])
    return document
