"""The plan of a copy: what it will have to bring, read from the image's manifests before it starts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from skopeo_mirror.manifest import DOCKER, InvalidManifest, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from skopeo_mirror.manifest import Manifest
    from skopeo_mirror.reference import Digest


MOST_IMAGES: Final = 256
"""Images of one index that are read ahead; a process each."""
MOST_FILES: Final = 100_000
"""The same where each is a file of a layout."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Elsewhere:
    """Content that has `urls` of its own; skopeo leaves a layer there where it can, a config (`needed`) never."""

    digest: str
    urls: tuple[str, ...]
    needed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What an image, or an index with all its images, consists of."""

    blobs: dict[str, int]
    """The sizes in bytes of configs and layers, but for layers that are `elsewhere`; by their digests."""
    manifests: int
    """Bytes of manifests."""
    media_type: str
    """That of the image's own manifest."""
    types: frozenset[str]
    """The media types of all manifests, but for those that give themselves none."""
    docker_contents: frozenset[str]
    """The media types of the configs and layers of Docker's images."""
    layers: dict[str, frozenset[str]]
    """The layers that go before each config."""
    images: tuple[Digest, ...] = ()
    """The images of an index."""
    elsewhere: tuple[Elsewhere, ...] = ()
    nested: bool = False
    """An index is within an index."""
    extended: bool = False
    """Descriptors of an index have fields that older skopeos do not know."""
    contradicted: str | None = None
    """What an index says of an image of it, and what is so."""
    rendered: bool = False
    """It was read in the form that skopeo gives a Docker manifest: what is said of types here is not its own words."""

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.manifests + sum(self.blobs.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Weight:
    """The bytes that a copy is expected to move, as far as that is known before."""

    own: int = 0
    """Those that no other image brings."""
    shared: Mapping[str, int] = field(default_factory=dict)
    """The sizes of blobs that others may bring, too, by their digests."""


def plan_of(content: bytes, read: Callable[[Digest], bytes | None] | None, *, most: int = MOST_IMAGES) -> Plan | None:
    """The plan of the image whose manifest is `content`; `read` fetches the manifests of an index's images.

    None where one of them cannot be read, or there are more than `most`: then the copy will show what is wrong.
    Without `read` it is that of an index alone.
    """
    blobs: dict[str, int] = {}
    media_type: str | None = None
    types: set[str] = set()
    docker_contents: set[str] = set()
    elsewhere: dict[Elsewhere, None] = {}
    before: dict[str, frozenset[str]] = {}
    total = 0
    contents: list[bytes] = [content]
    named: dict[Digest, None] = {}
    nested = extended = False
    contradicted: str | None = None
    while contents:
        content = contents.pop()
        total += len(content)
        try:
            manifest = parse_manifest(content)
        except InvalidManifest:
            return None
        media_type = manifest.media_type if media_type is None else media_type
        types.update({manifest.media_type} - {""})
        if manifest.media_type.startswith(DOCKER):
            docker_contents.update(blob.media_type for blob in manifest.blobs)
        elsewhere.update(dict.fromkeys(_elsewhere(manifest)))
        nested |= bool(named and manifest.children)
        extended |= bool(manifest.children) and _is_extended(content)
        blobs.update({str(blob.digest): blob.size for blob in manifest.blobs})
        if manifest.blobs:
            config, *layers = [str(blob.digest) for blob in manifest.blobs]
            before[config] = before.get(config, frozenset(layers)).intersection(layers)
        if read is None:
            break
        for digest in {child.digest: None for child in manifest.children if child.digest not in named}:
            named[digest] = None
            if len(named) > most:
                return None
            found = read(digest)
            if found is None:
                return None
            contents.append(found)
            claimed = {child.size for child in manifest.children if child.digest == digest}
            for size in sorted(claimed - {len(found)}):
                contradicted = contradicted or f"its index gives {digest} {size} bytes; it has {len(found)}"
    return Plan(
        blobs=blobs,
        manifests=total,
        media_type=media_type or "",
        types=frozenset(types),
        docker_contents=frozenset(docker_contents),
        layers=before,
        images=tuple(named),
        elsewhere=tuple(elsewhere),
        nested=nested,
        extended=extended,
        contradicted=contradicted,
    )


def fetched_of(plan: Plan | None, *, brings_layers: bool) -> tuple[Elsewhere, ...]:
    """What skopeo fetches from URLs beside the candidates: layers only where the destination takes such, too."""
    contents = () if plan is None else plan.elsewhere
    return tuple(content for content in contents if content.needed or brings_layers)


def _elsewhere(manifest: Manifest) -> Iterator[Elsewhere]:
    for descriptors, needed in (manifest.blobs[:1], True), (manifest.elsewhere, False):
        for one in descriptors:
            if one.urls:
                yield Elsewhere(digest=str(one.digest), urls=one.urls, needed=needed)


def _is_extended(index: bytes) -> bool:
    entries = json.loads(index)["manifests"]
    return any(field in entry for entry in entries for field in ("artifactType", "data"))
