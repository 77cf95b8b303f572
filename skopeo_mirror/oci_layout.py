"""OCI image layouts: the one reader and writer of their index, its entries, their blobs' files and their marker.

The rules are those of the OCI image-spec (image-layout.md, image-index.md). Nothing is read but regular files, and of
these no more than anything of their kind has.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.files import LARGEST_DOCUMENT, IrregularFile, open_regular, read_regular, write_atomically
from skopeo_mirror.json_text import InvalidJson, parse_json
from skopeo_mirror.manifest import LARGEST_MANIFEST, InvalidManifest, descend, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from skopeo_mirror.manifest import Descriptor, Manifest
    from skopeo_mirror.reference import Digest

REF_NAME: Final = "org.opencontainers.image.ref.name"
"""The annotation with an entry's name."""

_MARKER: Final = b'{"imageLayoutVersion":"1.0.0"}'
_EMPTY_INDEX: Final[dict[str, Any]] = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}


class InvalidLayout(InvalidInput):
    """A directory that is no layout, or one whose index cannot be used."""


def blob_file(layout: Path, digest: Digest) -> Path:
    """Where a layout keeps a blob."""
    return layout / "blobs" / digest.algorithm / digest.hex


def read_manifest(layout: Path, digest: Digest) -> bytes:
    """The bytes of a manifest, not compared with its digest. Raises OSError."""
    return read_regular(blob_file(layout, digest), at_most=LARGEST_MANIFEST)


def parse_index(layout: Path) -> Any:
    """What stands in index.json, whatever that is. Raises OSError, InvalidJson."""
    return parse_json(read_regular(layout / "index.json", at_most=LARGEST_DOCUMENT))


def read_index(layout: Path) -> dict[str, Any] | None:
    """The index, which has a list of manifests; None where nothing is there yet. Raises InvalidLayout."""
    try:
        present = [path.name for path in layout.iterdir()]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidLayout([f"oci:{layout}: {error.strerror}"]) from error
    if "index.json" not in present:
        foreign = [name for name in present if name not in {"blobs", "oci-layout"} and not name.startswith(".")]
        if foreign:
            raise InvalidLayout(
                [f"oci:{layout}: is not empty and no OCI layout (it holds {foreign[0]!r}); name another directory"]
            )
        return None
    unreadable = f"oci:{layout}: its index.json cannot be read; mend or move it"
    try:
        index = parse_index(layout)
    except (OSError, InvalidJson) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidLayout([f"{unreadable} ({why})"]) from error
    if not isinstance(index, dict) or not isinstance(index.get("manifests"), list):
        raise InvalidLayout([f"{unreadable} (it has no list of manifests)"])
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
    file system, for unfinished files. Raises InvalidLayout, OSError.
    """
    index = read_index(layout) or _EMPTY_INDEX
    names = {ref_name(entry) for entry in entries}
    kept = [entry for entry in index.get("manifests", []) if ref_name(entry) not in names]
    try:
        written = json.dumps({**index, "manifests": [*kept, *entries]}, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidLayout(["its index.json holds what cannot be written again; mend or move it"]) from error
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
