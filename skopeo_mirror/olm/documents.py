"""The documents of one file of a catalog, JSON or YAML; of each only what a mirror needs is kept."""

from __future__ import annotations

import codecs
import io
import json
import re
from typing import TYPE_CHECKING, Any

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 18  # bytes
_LARGEST_DOCUMENT = 16 << 20  # bytes; a bundle is at most a few MiB, for a cluster stores no larger object
_NO_BLANK = re.compile(r"[^ \t\r\n]")

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


def read_documents(file: io.RawIOBase, name: str, *, whole: bool = False) -> Iterator[dict[str, Any]]:
    """Yield what a mirror needs of each document in `file`: JSON where it begins with a brace, as for opm, else YAML.

    With `whole`, all of each document, as JSON has it.
    Raises InvalidInput, with `name` and a line, for what cannot be read. Memory is bounded, whatever the file holds.
    """
    source = io.BufferedReader(file, _CHUNK)
    if source.peek().lstrip().startswith(b"{"):
        found = _read_json(source, name)
        return found if whole else (_kept(document, _SHAPE) for document in found)
    return read_yaml(source, name, None if whole else _SHAPE, largest_document=_LARGEST_DOCUMENT)


def _read_json(source: io.BufferedIOBase, name: str) -> Iterator[Any]:
    """Decode one document after the other from a window on the file, which grows to hold the longest."""
    decoder, text_decoder = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")()
    window, line = "", 1
    while True:
        chunk = source.read(max(_CHUNK, len(window)))
        try:
            window += text_decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise InvalidInput([f"{name}:{line}: no JSON, or below: {error}"]) from error
        at = 0
        try:
            while (start := _NO_BLANK.search(window, at)) is not None:
                at = start.start()
                document, at = decoder.raw_decode(window, at)
                if not isinstance(document, dict):
                    raise InvalidInput([f"{name}:{line + window.count(chr(10), 0, at)}: expected an object"])
                yield document
            at = len(window)
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


def _kept(value: Any, shape: Any) -> Any:
    """Keep of a decoded value what `read_yaml` would keep."""
    if isinstance(shape, list) and isinstance(value, list):
        return [_kept(item, shape[0]) for item in value]
    if isinstance(shape, dict) and isinstance(value, dict):
        return {key: _kept(value[key], shape[key]) for key in shape if key in value}
    return value if shape is str and isinstance(value, str) else None
