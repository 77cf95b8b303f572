"""Image manifests and indexes, as far as a copy needs them: what they refer to, and their digest (pure).

The fields are those of the OCI image specification and of Docker's schema 2, which share them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.reference import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class InvalidManifest(ValueError):  # noqa: N818 - reads better where it is caught
    """Bytes that are no image manifest; the message says what they look like."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """A reference to content; `size` in bytes."""

    digest: Digest
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """`blobs` are the config and the layers of an image, `children` the manifests of an index."""

    media_type: str
    blobs: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()


def digest_of(content: bytes, algorithm: str = "sha256") -> Digest:
    """The digest of a manifest's exact bytes."""
    return Digest(algorithm=algorithm, hex=hashlib.new(algorithm, content).hexdigest())


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest or an index.

    Raises InvalidManifest for anything else, for instance the HTML page that a proxy answers with status 200.
    """
    try:
        document = json.loads(content)
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
    # A layer with URLs lives elsewhere, and skopeo leaves it there.
    layers = _descriptors(document, "layers", but_not=lambda entry: isinstance(entry, dict) and bool(entry.get("urls")))
    return Manifest(media_type=media_type, blobs=(config, *layers))


def _descriptors(
    document: dict[str, Any], key: str, *, but_not: Callable[[object], bool] = lambda _: False
) -> Iterator[Descriptor]:
    found = document.get(key) or []
    if not isinstance(found, list):
        raise InvalidManifest(f"is no image manifest: {key} is no list")
    return (_descriptor(entry, f"{key}[{index}]") for index, entry in enumerate(found) if not but_not(entry))


def _descriptor(entry: object, where: str) -> Descriptor:
    if not isinstance(entry, dict):
        raise InvalidManifest(f"is no image manifest: {where} is no descriptor")
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidManifest(f"is no image manifest: {where} has no digest and size")
    try:
        return Descriptor(digest=Digest.parse(digest), size=size)
    except InvalidReference as error:
        raise InvalidManifest(f"is no image manifest: {where}: {error}") from error
