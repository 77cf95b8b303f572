"""Releases of OpenShift and OKD as values: the images that a release image names.

A release image keeps its manifests in /release-manifests: `image-references`, an ImageStream of its components, and the
ConfigMap of CoreOS's boot images (https://github.com/openshift/cluster-version-operator/blob/main/docs/dev/operators.md,
https://github.com/coreos/stream-metadata-go).
"""

from __future__ import annotations

import io
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidInput, InvalidReference, problems_of
from skopeo_mirror.json_text import InvalidJson, object_at, parse_json
from skopeo_mirror.oci_layout import image_digest, open_image
from skopeo_mirror.olm.layers import stream_tree
from skopeo_mirror.olm.release_selection import ARCHITECTURES, MULTI
from skopeo_mirror.reference import PinnedReference, Reference, shown
from skopeo_mirror.request import tagged
from skopeo_mirror.yaml_text import read_yaml_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from skopeo_mirror.olm.layers import TreeFile
    from skopeo_mirror.olm.release_selection import ReleaseSelection
    from skopeo_mirror.reference import Digest

KUBEVIRT: Final = "kube-virt-container"
"""What oc-mirror calls the KubeVirt image among the components."""
_DIRECTORY: Final = "/release-manifests"
_REFERENCES: Final = f"{_DIRECTORY}/image-references"
_METADATA: Final = f"{_DIRECTORY}/release-metadata"
_BOOT_IMAGES: Final = f"{_DIRECTORY}/0000_50_installer_coreos-bootimages.yaml"
_LARGEST: Final = 4 << 20  # bytes of such a file: OpenShift's have 100,000


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """What a release image says of itself."""

    version: str
    architecture: str
    """As in the tags of release images."""
    components: Mapping[str, PinnedReference]
    """By name, in the order of the file."""
    kubevirt: Mapping[str, PinnedReference]
    """The KubeVirt images by architecture, as in tags."""


def read_selected(
    selection: ReleaseSelection,
    pulled: Callable[[Reference], AbstractContextManager[tuple[Digest, Path]]],
    within: Path | None = None,
) -> tuple[Digest, Release]:
    """A release and its image's digest: from the layout `within` if there is one, else pulled.

    `pulled` is as for `read_operators`. Raises InvalidInput where the release is broken, and whatever `pulled` raises.
    """
    reference = tagged(selection.reference)
    name = None if within is None else str(reference)
    place: AbstractContextManager[tuple[Digest | None, Path]] = (
        pulled(reference) if within is None else nullcontext((None, within))
    )
    with place as (digest, layout), problems_of(selection.release):
        return digest or image_digest(layout, name), read_release(layout, name, boot_images=selection.kubevirt)


def read_release(layout: Path, name: str | None = None, *, boot_images: bool = False) -> Release:
    """Read the release image called `name` (None: the only one), with `boot_images` those too.

    Raises InvalidInput for what cannot be read, and for what is no release image; UsageError as `read_yaml_document`.
    """
    image = open_image(layout, name)
    wanted = {_REFERENCES, _METADATA} | ({_BOOT_IMAGES} if boot_images else set())
    try:
        files = {
            file.path: _content(file)
            for file in stream_tree(image.layers, _DIRECTORY, "no release image")
            if file.path in wanted
        }
    except OSError as error:
        raise InvalidInput([f"{layout} cannot be read: {error}"]) from error
    if _REFERENCES not in files:
        raise InvalidInput([f"the image has no {_REFERENCES}: it is no release image"])
    stream = _json(files[_REFERENCES], _REFERENCES)
    if stream.get("kind") != "ImageStream":
        raise InvalidInput([f"{_REFERENCES}: expected the kind ImageStream, not {shown(str(stream.get('kind')))}"])
    metadata = _json(files[_METADATA], _METADATA) if _METADATA in files else {}
    said = object_at(metadata, "metadata").get("release.openshift.io/architecture")
    return Release(
        version=str(object_at(stream, "metadata").get("name") or metadata.get("version") or ""),
        architecture=said if said == MULTI else ARCHITECTURES.get(image.architecture, image.architecture),
        components=_components(stream),
        kubevirt=_kubevirt(files[_BOOT_IMAGES]) if _BOOT_IMAGES in files else {},
    )


def _content(file: TreeFile) -> bytes:
    content = io.BufferedReader(file).read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise InvalidInput([f"{file.path} is larger than {_LARGEST >> 20} MiB"])
    return content


def _components(stream: Mapping[str, Any]) -> dict[str, PinnedReference]:
    tags = object_at(stream, "spec").get("tags")
    components: dict[str, PinnedReference] = {}
    for number, tag in enumerate(tags if isinstance(tags, list) else ()):
        name = tag.get("name") if isinstance(tag, dict) else None
        where = f"{_REFERENCES}: spec.tags[{number}]"
        if not isinstance(name, str) or not name:
            raise InvalidInput([f"{where}: `name` is missing or no text"])
        if name in components:
            raise InvalidInput([f"{where}: {shown(name)} is there twice"])
        components[name] = _pinned(object_at(tag, "from").get("name"), f"{where}: {shown(name)}")
    if not components:
        raise InvalidInput([f"{_REFERENCES} names no image"])
    return components


def _kubevirt(config_map: bytes) -> dict[str, PinnedReference]:
    data = read_yaml_document(config_map, _BOOT_IMAGES).value
    for name in ("data", "stream"):
        data = data[name].node.value if isinstance(data, dict) and name in data else None
    if not isinstance(data, str):
        raise InvalidInput([f"{_BOOT_IMAGES}: `data.stream` is missing or no text"])
    architectures = object_at(_json(data.encode(), f"{_BOOT_IMAGES}: data.stream"), "architectures")
    references = {
        str(name): object_at(object_at(object_at(architectures, name), "images"), "kubevirt").get("digest-ref")
        for name in architectures
    }
    return {name: _pinned(text, f"{_BOOT_IMAGES}: {shown(name)}") for name, text in references.items() if text}


def _pinned(text: object, where: str) -> PinnedReference:
    """Read an image by its digest: a tag could have moved since the release was made. Raises InvalidInput."""
    try:
        reference = Reference.parse(text if isinstance(text, str) else "")
    except InvalidReference as error:
        raise InvalidInput([f"{where}: {error}"]) from error
    if reference.digest is None:
        raise InvalidInput([f"{where}: {reference} has no digest"])
    return reference.without_tag().pin(reference.digest)


def _json(content: bytes, where: str) -> Mapping[str, Any]:
    try:
        document = parse_json(content)
    except InvalidJson as error:
        raise InvalidInput([f"{where} is no JSON: {error}"]) from error
    if not isinstance(document, dict):
        raise InvalidInput([f"{where} holds no JSON object"])
    return document
