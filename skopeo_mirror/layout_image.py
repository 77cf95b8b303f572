"""One image of an OCI layout: its manifest, its configuration, its layers, each held against its digest before use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.files import hash_regular, read_regular
from skopeo_mirror.json_text import InvalidJson, parse_json
from skopeo_mirror.manifest import LARGEST_MANIFEST
from skopeo_mirror.oci_layout import blob_file, parse_index, ref_name
from skopeo_mirror.reference import Digest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_DEEPEST_INDEX = 4
_MOST_LAYERS = 500  # tools that run images stop at 127


@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutImage:
    """One image of a layout: its labels and the files that hold its layers, lowest first, all with the right digest."""

    labels: Mapping[str, str]
    layers: tuple[Path, ...]


def open_image(layout: Path, name: str | None = None) -> LayoutImage:
    """Find the image called `name` (a digest, or the layout's own name for it) in the directory `layout`.

    Without `name` it is the only one. Of an index, linux/amd64 is taken, else the first: a catalog's files are the same
    for all platforms. Raises InvalidInput for a layout that lacks it, is damaged, or whose bytes miss their digest; the
    messages do not name the layout.
    """
    manifest = _manifest(layout, _choose(layout, name))
    config = _document(layout, manifest.get("config"))
    settings = config.get("config")
    labels = settings.get("Labels") if isinstance(settings, dict) else None
    layers = _list(manifest, "layers")
    if len(layers) > _MOST_LAYERS:
        raise InvalidInput([f"the image has {len(layers)} layers: more than {_MOST_LAYERS} is no image"])
    return LayoutImage(
        labels={str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
        layers=tuple(_blob(layout, layer) for layer in layers),
    )


def image_digest(layout: Path, name: str | None = None) -> Digest:
    """The digest of the image that `open_image` finds, an index's own; raises InvalidInput as that does."""
    return _digest(_choose(layout, name))


def _choose(layout: Path, name: str | None) -> dict[str, Any]:
    images = _descriptors(_object("index.json", partial(parse_index, layout)))
    if name is not None:
        wanted = [image for image in images if name in (image.get("digest"), ref_name(image))]
    elif all("platform" in image for image in images):
        return _one_platform(images)
    else:
        wanted = list(images)
    digests = {str(image.get("digest")) for image in wanted}
    if len(digests) == 1:
        return wanted[0]
    names = ", ".join(shown(str(ref_name(image) or image.get("digest"))) for image in images) or "nothing"
    if name is None:
        raise InvalidInput([f"name one of the images in this layout ({names})"])
    raise InvalidInput([f"{len(digests) or 'no'} images are called {shown(name)} (there is {names})"])


def _manifest(layout: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    for _ in range(_DEEPEST_INDEX):
        document = _document(layout, descriptor)
        if "manifests" not in document:
            return document
        descriptor = _one_platform(_descriptors(document))
    raise InvalidInput([f"an index within an index, more than {_DEEPEST_INDEX} deep"])


def _one_platform(images: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not images:
        raise InvalidInput(["the image index is empty"])
    for image in images:
        platform = image.get("platform")
        if isinstance(platform, dict) and (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            return image
    return images[0]


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
    path = _blob(layout, descriptor)
    return _object(path.name, lambda: parse_json(read_regular(path, at_most=LARGEST_MANIFEST)))


def _object(name: str, read: Callable[[], Any]) -> dict[str, Any]:
    try:
        document = read()
    except OSError as error:
        raise InvalidInput([f"no OCI layout: {name} cannot be read: {error.strerror}"]) from error
    except InvalidJson as error:
        raise InvalidInput([f"{name} is no JSON: {error}"]) from error
    if not isinstance(document, dict):
        raise InvalidInput([f"{name} holds no JSON object"])
    return document
