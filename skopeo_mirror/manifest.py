"""Image manifests and indexes, as far as a copy needs them: what they refer to, and their digest (pure).

The fields are those of the OCI image specification and of Docker's schema 2, which share them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.json_text import InvalidJson, parse_json
from skopeo_mirror.platforms import Platform
from skopeo_mirror.reference import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

LARGEST_MANIFEST: Final = 4 << 20
"""Bytes of a manifest, an index or a configuration: the limit of containers/image (internal/iolimits)."""

DOCKER: Final = "application/vnd.docker."
"""What Docker's media types begin with."""

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"

KNOWN_TYPES: Final = frozenset({DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST})
"""The media types of manifests that skopeo copies as they are."""

ABOUT: Final = "vnd.docker.reference.digest"
"""The annotation with which an index ties an image of it to another."""

_LARGEST_SIZE: Final = (1 << 63) - 1  # a descriptor's size is an int64 (image-spec, descriptor.md)

_KEYS: Final = frozenset({"schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "urls"})
_FOLDED: Final = {key.casefold(): key for key in _KEYS}


class _Object(dict[str, Any]):
    """A JSON object; `ambiguous` is a key that it has twice as Go reads it, which is without regard to case."""

    ambiguous: str | None = None

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> _Object:
        table = cls(pairs)
        twice = next((key for key, _ in pairs if key not in _KEYS and key.casefold() in _FOLDED), None)
        if twice is None and len(table) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next((key for key in keys if key in _KEYS and keys.count(key) > 1), None)
        table.ambiguous = twice
        return table


class InvalidManifest(ValueError):  # noqa: N818 - reads better where it is caught
    """Bytes that are no image manifest; the message says what they look like."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """A reference to content."""

    digest: Digest
    size: int
    """In bytes."""
    urls: tuple[str, ...] = ()
    """Where it lives if it is in no registry."""
    media_type: str = ""
    """What the manifest says that it is; nothing where it says nothing."""
    platform: Platform | None = None
    """Of an image of an index, if that says so."""
    about: str | None = None
    """The digest of the image of the same index that this one belongs to (BuildKit's attestations)."""

    @property
    def is_index(self) -> bool:
        """Whether it is said to be an index."""
        return self.media_type in {DOCKER_LIST, OCI_INDEX}


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The manifest of an image, or an index."""

    media_type: str
    blobs: tuple[Descriptor, ...] = ()
    """The config and the layers of an image."""
    children: tuple[Descriptor, ...] = ()
    """The manifests of an index."""
    elsewhere: tuple[Descriptor, ...] = ()
    """Layers that have URLs of their own; they are not among the blobs."""


def digest_of(content: bytes, algorithm: str = "sha256") -> Digest:
    """The digest of a manifest's exact bytes."""
    return Digest(algorithm=algorithm, hex=hashlib.new(algorithm, content).hexdigest())


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest or an index.

    Raises InvalidManifest for anything else, for instance the HTML page that a proxy answers with status 200.
    """
    try:
        document = parse_json(content, table=_Object.of)
    except InvalidJson as error:
        start = content[:60].decode(errors="replace").strip()
        raise InvalidManifest(f"is not JSON; it starts with {start!r}") from error
    if not isinstance(document, _Object) or document.get("schemaVersion") != 2:  # noqa: PLR2004 - the version in force
        raise InvalidManifest("is no image manifest: schemaVersion is not 2")
    if document.ambiguous is not None:
        raise InvalidManifest(f"is no image manifest: it can be read in two ways, because of {document.ambiguous!r}")
    media_type = document.get("mediaType")
    media_type = media_type if isinstance(media_type, str) else ""
    if "manifests" in document:
        return Manifest(media_type=media_type, children=tuple(_descriptors(document, "manifests")))
    if "config" not in document:
        raise InvalidManifest("is no image manifest: it has neither config nor manifests")
    config = _descriptor(document["config"], "config")
    layers = tuple(_descriptors(document, "layers"))
    return Manifest(
        media_type=media_type,
        blobs=(config, *(layer for layer in layers if not layer.urls)),
        elsewhere=tuple(layer for layer in layers if layer.urls),
    )


def unknown_type(content: bytes) -> str | None:
    """The media type that a manifest gives itself, if it is one that nobody knows."""
    try:
        document = parse_json(content)
    except InvalidJson:
        return None
    media_type = document.get("mediaType") if isinstance(document, dict) else None
    return media_type if isinstance(media_type, str) and media_type not in KNOWN_TYPES else None


def subject_of(content: bytes) -> str | None:
    """The digest of what a manifest says that it refers to."""
    try:
        document = parse_json(content)
    except InvalidJson:
        return None
    subject = document.get("subject") if isinstance(document, dict) else None
    digest = subject.get("digest") if isinstance(subject, dict) else None
    return digest if isinstance(digest, str) else None


def all_refer_to(subject: Digest, manifests: Iterable[bytes]) -> bool:
    """Whether manifests, as far as they could be read (the others are empty), all refer to `subject`, and any does."""
    return {subject_of(manifest) for manifest in manifests if manifest} == {str(subject)}


def chosen(children: Iterable[Descriptor], platforms: Sequence[Platform]) -> tuple[Descriptor, ...]:
    """The images of an index that are for one of `platforms` (all, where there are none), and what belongs to them.

    An index within the index is chosen for what is in it, unless it has a platform of its own.
    """
    every = tuple(children)
    if not platforms:
        return every
    named = {
        str(child.digest)
        for child in every
        if child.about is None
        and (
            any(platform.takes(child.platform) for platform in platforms)
            if child.platform is not None
            else child.is_index
        )
    }
    return tuple(child for child in every if (child.about or str(child.digest)) in named)


def descend(
    top: Descriptor, read: Callable[[Descriptor], Manifest | None], platforms: Sequence[Platform] = ()
) -> Iterator[Manifest]:
    """The manifest `top` and all that it leads to, each once, as `read` gives them (None: go no further there).

    Of an index only what is `chosen`, at every level.
    """
    todo, seen = [top], {top}
    while todo:
        manifest = read(todo.pop())
        if manifest is not None:
            yield manifest
            new = [child for child in dict.fromkeys(chosen(manifest.children, platforms)) if child not in seen]
            todo += new
            seen.update(new)


def digests_below(
    top: Digest, read: Callable[[Descriptor], Manifest | None], platforms: Sequence[Platform] = ()
) -> tuple[Digest, ...]:
    """The digests of the manifests of which `descend` gives the manifests."""
    digests: list[Digest] = []

    def noted(one: Descriptor) -> Manifest | None:
        digests.append(one.digest)
        return read(one)

    for _ in descend(Descriptor(digest=top, size=0), noted, platforms):
        pass
    return tuple(digests)


def _descriptors(document: dict[str, Any], key: str) -> Iterator[Descriptor]:
    found = document.get(key) or []
    if not isinstance(found, list):
        raise InvalidManifest(f"is no image manifest: {key} is no list")
    return (_descriptor(entry, f"{key}[{index}]") for index, entry in enumerate(found))


def _descriptor(entry: object, where: str) -> Descriptor:
    if not isinstance(entry, _Object):
        raise InvalidManifest(f"is no image manifest: {where} is no descriptor")
    if entry.ambiguous is not None:
        raise InvalidManifest(f"is no image manifest: {where} can be read in two ways, because of {entry.ambiguous!r}")
    digest, size, urls = entry.get("digest"), entry.get("size"), entry.get("urls") or []
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise InvalidManifest(f"is no image manifest: {where}.urls is no list of URLs")
    if not isinstance(digest, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidManifest(f"is no image manifest: {where} has no digest and size")
    if size > _LARGEST_SIZE:
        raise InvalidManifest(f"is no image manifest: {where} has a size that nothing has")
    annotations = entry.get("annotations")
    about = annotations.get(ABOUT) if isinstance(annotations, dict) else None
    try:
        return Descriptor(
            digest=Digest.parse(digest),
            size=size,
            urls=tuple(urls),
            media_type=str(entry.get("mediaType") or ""),
            platform=_platform(entry.get("platform")),
            about=about if isinstance(about, str) else None,
        )
    except InvalidReference as error:
        raise InvalidManifest(f"is no image manifest: {where}: {error}") from error


def _platform(entry: object) -> Platform | None:
    """What an index gives as a platform; None for what names none."""
    if not isinstance(entry, dict):
        return None
    names = [entry.get(key) for key in ("os", "architecture", "variant")]
    try:
        return Platform.parse("/".join(str(name) for name in names if name))
    except InvalidReference:
        return None
