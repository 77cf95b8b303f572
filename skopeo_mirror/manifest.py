"""Image manifests and indexes, as far as a copy needs them: what they refer to, and their digest (pure).

The fields are those of the OCI image specification and of Docker's schema 2, which share them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.reference import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator


_STRUCTURE: Final = frozenset({"config", "layers", "manifests", "urls"})
"""The keys on which it depends what is fetched, and from where."""


class InvalidManifest(ValueError):  # noqa: N818 - reads better where it is caught
    """Bytes that are no image manifest; the message says what they look like."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """A reference to content; `size` in bytes. `urls`: where it lives if it is in no registry."""

    digest: Digest
    size: int
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """`blobs` are the config and the layers of an image, `children` the manifests of an index.

    `elsewhere` are layers that have URLs of their own; they are not among the `blobs`.
    """

    media_type: str
    blobs: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    elsewhere: tuple[Descriptor, ...] = ()


def digest_of(content: bytes, algorithm: str = "sha256") -> Digest:
    """The digest of a manifest's exact bytes."""
    return Digest(algorithm=algorithm, hex=hashlib.new(algorithm, content).hexdigest())


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest or an index.

    Raises InvalidManifest for anything else, for instance the HTML page that a proxy answers with status 200.
    """
    try:
        document = json.loads(content, object_pairs_hook=_unambiguous)
    except InvalidManifest:
        raise
    except (ValueError, RecursionError) as error:
        start = content[:60].decode(errors="replace").strip()
        raise InvalidManifest(f"is not JSON; it starts with {start!r}") from error
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:  # noqa: PLR2004 - the version in force
        raise InvalidManifest("is no image manifest: schemaVersion is not 2")
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


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as skopeo reads it, too: it takes keys in any case, and fills a list that comes twice in two goes."""
    seen: set[str] = set()
    for key, value in pairs:
        folded = key.casefold()
        if folded in _STRUCTURE and isinstance(value, list | dict):
            if key != folded or folded in seen:
                raise InvalidManifest(f"is no image manifest: it can be read in two ways, because of {key!r}")
            seen.add(folded)
    return dict(pairs)


def _descriptors(document: dict[str, Any], key: str) -> Iterator[Descriptor]:
    found = document.get(key) or []
    if not isinstance(found, list):
        raise InvalidManifest(f"is no image manifest: {key} is no list")
    return (_descriptor(entry, f"{key}[{index}]") for index, entry in enumerate(found))


def _descriptor(entry: object, where: str) -> Descriptor:
    if not isinstance(entry, dict):
        raise InvalidManifest(f"is no image manifest: {where} is no descriptor")
    digest, size, urls = entry.get("digest"), entry.get("size"), entry.get("urls") or []
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise InvalidManifest(f"is no image manifest: {where}.urls is no list of URLs")
    if not isinstance(digest, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidManifest(f"is no image manifest: {where} has no digest and size")
    try:
        return Descriptor(digest=Digest.parse(digest), size=size, urls=tuple(urls))
    except InvalidReference as error:
        raise InvalidManifest(f"is no image manifest: {where}: {error}") from error
