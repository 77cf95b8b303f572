"""Read the documents of one file of a catalog, JSON or YAML, and keep only what a mirror needs of each."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, Protocol

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.olm.yaml_reader import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 18  # bytes
_LARGEST_DOCUMENT = 16 << 20  # bytes; a bundle is at most a few MiB, for a cluster stores no larger object
_BLANKS = re.compile(r"[ \t\r\n]*")

# What is kept, in the form that `read_yaml` takes. Most of a catalog is texts and manifests that nobody looks at here.
_SHAPE: dict[str, Any] = {
    "schema": str,
    "name": str,
    "package": str,
    "defaultChannel": str,
    "image": str,
    "entries": [{"name": str, "replaces": str, "skips": [str], "skipRange": str}],
    "relatedImages": [{"image": str}],
    "properties": [{"type": str, "value": {"version": str}}],
}


class CatalogFile(Protocol):
    """A file of a catalog."""

    @property
    def path(self) -> str:
        """The file's name, for errors."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, none at the end."""


def read_documents(file: CatalogFile) -> Iterator[dict[str, Any]]:
    """Yield what a mirror needs of each document in `file`: JSON where it begins with a brace, as for opm, else YAML.

    Raises InvalidInput, with file and line, for what cannot be read. Memory is bounded, whatever the file holds.
    """
    source = _Rewound(file, file.read(_CHUNK))
    if source.start.lstrip().startswith(b"{"):
        return _read_json(source, file.path)
    return read_yaml(source, file.path, _SHAPE, largest_document=_LARGEST_DOCUMENT)


class _Rewound:
    """A file of which the `start` was read already."""

    def __init__(self, file: CatalogFile, start: bytes) -> None:
        self.start = start
        self._pending = start
        self._file = file

    def read(self, size: int) -> bytes:
        chunk, self._pending = self._pending, b""
        return chunk or self._file.read(size)


def _read_json(source: _Rewound, name: str) -> Iterator[Any]:
    """Decode one document after the other from a window on the file, which grows to hold the longest."""
    decoder, text_decoder = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")()
    window, line = "", 1
    while True:
        chunk = _read_up_to(source, max(_CHUNK, len(window)))
        try:
            window += text_decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise InvalidInput([f"{name}:{line}: no JSON, or below: {error}"]) from error
        at = 0
        try:
            while (at := _end_of_blanks(window, at)) < len(window):
                document, at = decoder.raw_decode(window, at)
                if not isinstance(document, dict):
                    raise InvalidInput([f"{name}:{line + window.count(chr(10), 0, at)}: expected an object"])
                yield _kept(document, _SHAPE)
        except RecursionError as error:
            raise InvalidInput([f"{name}:{line + window.count(chr(10), 0, at)}: nested too deep"]) from error
        except ValueError as error:
            # Either the document goes on beyond the window, or it is wrong: more of it will tell.
            if not chunk or len(window) - at > _LARGEST_DOCUMENT:
                where = line + window.count("\n", 0, getattr(error, "pos", at))
                large = f" (or larger than {_LARGEST_DOCUMENT >> 20} MiB)" if chunk else ""
                raise InvalidInput([f"{name}:{where}: no JSON{large}: {getattr(error, 'msg', error)}"]) from error
        if not chunk:
            return
        line += window.count("\n", 0, at)
        window = window[at:]


def _read_up_to(source: _Rewound, size: int) -> bytes:
    chunks = []
    while size > 0 and (chunk := source.read(size)):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _end_of_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return at if match is None else match.end()


def _kept(value: Any, shape: Any) -> Any:
    """Keep of a decoded value what `read_yaml` would keep."""
    if shape is str:
        return value if isinstance(value, str) else None
    if isinstance(shape, list):
        return [_kept(item, shape[0]) for item in value] if isinstance(value, list) else None
    if isinstance(shape, dict):
        return (
            {key: _kept(value[key], shape[key]) for key in shape if key in value} if isinstance(value, dict) else None
        )
    return None
