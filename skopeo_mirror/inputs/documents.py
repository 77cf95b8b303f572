"""Read the documents of a file-based catalog, JSON or YAML, and keep only what a mirror needs of each.

Most of a catalog is texts and manifests that nobody here looks at. YAML is taken event by event, so that they are
passed over without being built; JSON one document at a time. Both in bounded memory, whatever the file holds.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, Protocol

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.inputs.yaml_library import import_yaml
from skopeo_mirror.reference import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yaml.events import Event

_CHUNK = 1 << 18  # bytes
_LARGEST_DOCUMENT = 16 << 20  # bytes (characters of JSON); etcd takes no manifest beyond 1.5 MB
_DEEPEST = 500  # levels; libyaml's time grows with the square of the depth

_BLANKS = re.compile(r"[ \t\r\n]*")

# What is kept: `str` a text, a list of what stands in it, a mapping with these keys. Anything else is passed over.
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


class Readable(Protocol):
    """What a file is read from."""

    @property
    def path(self) -> str:
        """The file's name, for errors."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end."""


def read_documents(file: Readable) -> Iterator[dict[str, Any]]:
    """Yield what a mirror needs of each document in `file`: JSON where it begins with a brace, as for opm, else YAML.

    Kept texts are `str` or None. Raises InvalidInput, with a line number, for what cannot be read.
    """
    start = file.read(_CHUNK)
    if start.lstrip().startswith(b"{"):
        yield from _read_json(file, start)
    else:
        yield from _read_yaml(file, start)


def _read_json(file: Readable, start: bytes) -> Iterator[dict[str, Any]]:
    decoder, text_decoder = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")()
    text, at, line, chunk = "", 0, 1, start
    while True:
        problem = ""
        at = _end_of_blanks(text, at)
        if at < len(text):
            try:
                document, end = decoder.raw_decode(text, at)
            except RecursionError as error:
                raise InvalidInput([f"{file.path}:{line + text.count(chr(10), 0, at)}: nested too deep"]) from error
            except ValueError as error:  # the document is cut off at the end of what was read, or it is wrong
                where = getattr(error, "lineno", 1)
                problem = f"{file.path}:{line + where - 1}: {getattr(error, 'msg', error)}"
            else:
                if not isinstance(document, dict):
                    raise InvalidInput([f"{file.path}:{line + text.count(chr(10), 0, at)}: expected an object"])
                yield _kept(document, _SHAPE)
                at = end
                continue
        if not chunk and problem:
            raise InvalidInput([problem])
        if not chunk:
            return
        if len(text) - at > _LARGEST_DOCUMENT:
            raise InvalidInput([problem, f"{file.path}: or a document is larger than {_LARGEST_DOCUMENT >> 20} MiB"])
        line += text.count("\n", 0, at)
