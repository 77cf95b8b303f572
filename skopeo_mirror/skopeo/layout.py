"""A layout as a source: manifests are read as files, and skopeo is shown a staged layout of the one image.

The staged layout has an index of one entry and shares the real one's blobs. So names that skopeo's `oci:` transport
cannot address (`a__b`) are no matter, no copy reads an index of ten thousand, and the real one may be read-only.
"""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from skopeo_mirror.files import IrregularFile, open_regular, read_regular
from skopeo_mirror.manifest import LARGEST_MANIFEST, InvalidManifest, parse_manifest
from skopeo_mirror.reference import Digest
from skopeo_mirror.registries_conf.routing import Kind, PullSource

if TYPE_CHECKING:
    from pathlib import Path

MARKER: Final = b'{"imageLayoutVersion":"1.0.0"}'
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_INDEX: Final = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutSource(PullSource):
    """An image of the layout in `directory`; `location` is `oci:DIR`.

    `reference` has the digest that the layout's index gives the image, and none where the image is not in it.
    """

    directory: Path
    insecure: bool = False
    blocked: bool = False
    kind: Kind = Kind.LAYOUT

    @property
    def blobs(self) -> Path:
        """The directory of its manifests, configurations and layers."""
        return self.directory / "blobs"


def read_manifest(candidate: LayoutSource) -> bytes:
    """The manifest's bytes, not compared with the digest. Raises OSError."""
    digest = candidate.reference.digest
    if digest is None:
        raise FileNotFoundError(errno.ENOENT, "has no image of that name", candidate.location)
    return read_regular(blob_file(candidate.directory, digest), at_most=LARGEST_MANIFEST)


def refuse_irregular(layout: Path, manifest: bytes) -> None:
    """Raise IrregularFile where something below a manifest is a FIFO or a device: skopeo would read on for ever.

    What is missing or wrong otherwise is skopeo's to tell.
    """
    contents, seen = [manifest], set[Digest]()
    while contents:
        try:
            parsed = parse_manifest(contents.pop())
        except InvalidManifest:
            continue
        for descriptor in (*parsed.blobs, *parsed.children):
            if descriptor.digest in seen:
                continue
            seen.add(descriptor.digest)
            try:
                if descriptor in parsed.children:
                    contents.append(read_regular(blob_file(layout, descriptor.digest), at_most=LARGEST_MANIFEST))
                else:
                    open_regular(blob_file(layout, descriptor.digest)).close()
            except IrregularFile:
                raise
            except OSError:
                continue


def stage(directory: Path, manifest: bytes, digest: Digest) -> None:
    """Write a layout that has one image and no blobs (`--src-shared-blob-dir`) into `directory`."""
    parsed = parse_manifest(manifest)
    entry = {
        "mediaType": parsed.media_type or (_MANIFEST if parsed.blobs else _INDEX),
        "digest": str(digest),
        "size": len(manifest),
    }
    (directory / "oci-layout").write_bytes(MARKER)
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}), encoding="ascii")


def blob_file(layout: Path, digest: Digest) -> Path:
    """Where a layout keeps a blob."""
    return layout / "blobs" / digest.algorithm / digest.hex
