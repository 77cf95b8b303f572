"""Image lists: references from the command line and from files, one a line."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidInput, InvalidReference, UsageError
from skopeo_mirror.files import STANDARD_INPUT, called
from skopeo_mirror.reference import Reference, shown
from skopeo_mirror.request import ImageRequest, once, tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_BLANKS = " \t\r"  # what a line is trimmed of; anything else makes it no reference, as for skopeo
_LONGEST = 2048  # characters of a line that is looked through for a reference
_AROUND = re.compile(
    r"""^(?:[-*]\s+|(?:docker|podman|nerdctl|crictl)\s+(?:image\s+)?pull\s+|FROM\s+|["']?[\w.-]+["']?\s*:\s+|["'`\[{(<]+)"""
    r"""|["'`\]})>,;]+$"""
)
"""What references stand in where they are copied from: YAML, JSON, shell, Dockerfiles."""


def read_images(
    arguments: Sequence[str], files: Sequence[str], *, warn: Callable[[str], object] | None = None
) -> tuple[ImageRequest, ...]:
    """Read the references of the command line, then those of each file (`-`: standard input); each once.

    `warn` is told of a file that names no image.
    Raises InvalidInput with every bad line of every file, named by file and line.
    """
    problems: list[str] = []
    found: list[ImageRequest] = []
    arguments_and_lines = [
        *(("", argument, parse_argument) for argument in arguments),
        *((where, line, parse_line) for where, line in _lines_of(files, problems, warn)),
    ]
    for where, text, parse in arguments_and_lines:
        try:
            found.append(parse(text))
        except InvalidReference as error:
            problems.append(f"{where}{error}{_advice(text, parse)}")
    if problems:
        raise InvalidInput(problems)
    return once(found)


def parse_argument(text: str) -> ImageRequest:
    """Read a reference of the command line, to the letter. Raises InvalidReference."""
    if "=" in text:
        raise InvalidReference(f"{shown(text)} is SOURCE=DESTINATION, which is a line of a list; read it with -f FILE")
    if ":" not in text and "@" not in text and os.path.isfile(text):  # noqa: PTH113 - raises for no text
        raise InvalidReference(
            f"{shown(text)} is a file here; name a list with -f FILE, an image set with -c FILE (an image of that name "
            "is written with its tag)"
        )
    return _listed(text)


def parse_line(text: str) -> ImageRequest:
    """Read `REFERENCE` or `REFERENCE=DESTINATION` (as oc-mirror's mapping.txt has it). Raises InvalidReference."""
    source, separator, destination = text.partition("=")
    listed = _listed(source.strip(_BLANKS))
    if not separator:
        return listed
    destination = destination.strip(_BLANKS).removeprefix("docker://")
    try:
        Reference.parse(destination)
    except InvalidReference as error:
        raise InvalidReference(f"the destination after '=': {error}") from error
    return replace(listed, destination=destination)


def _advice(text: str, parse: Callable[[str], ImageRequest]) -> str:
    """What to write instead, where a reference stands in what it was copied with: quotes, a YAML key, `docker pull`."""
    bare, before = text.strip(), ""
    while bare != before and len(text) <= _LONGEST:
        before, bare = bare, _AROUND.sub("", bare).strip()
    if bare == text:
        return ""
    try:
        parse(bare)
    except InvalidReference:
        return ""
    return f"; write {bare}"


def _listed(text: str) -> ImageRequest:
    if re.fullmatch(r"(sha256|sha384|sha512):[0-9a-fA-F]*", text):
        # docker/reference would take it for the image docker.io/library/sha256 with a tag.
        raise InvalidReference(f"{shown(text)} is a digest without a name; write HOST/PATH@DIGEST")
    reference = tagged(Reference.parse(text))
    return ImageRequest(text=None if text == str(reference) else text, reference=reference)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """The `index`-th (1-based) of `count` parts of a list."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `I/N`. Raises UsageError."""
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"--shard {shown(text)}: write I/N with 1 <= I <= N, for instance 2/3")
        return cls(index=int(match[1]), count=int(match[2]))

    def keeps(self, reference: Reference) -> bool:
        """Whether an image belongs to this part: by its name alone, so that every host decides alike."""
        number = int.from_bytes(hashlib.sha256(str(reference).encode()).digest()[:8])
        return number % self.count == self.index - 1


def _lines_of(
    files: Iterable[str], problems: list[str], warn: Callable[[str], object] | None
) -> Iterator[tuple[str, str]]:
    """The lines that hold something, each with `FILE:LINE: ` for messages."""
    for file in files:
        name = called(file)
        try:
            content = sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()
        except OSError as error:
            problems.append(f"{name}: cannot be read: {error.strerror}")
            continue
        empty = True
        for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            try:
                line = raw.decode()
            except UnicodeDecodeError:
                problems.append(f"{name}:{number}: is not UTF-8; save the list as UTF-8")
                empty = False
                continue
            text = re.sub(rf"(^|[{_BLANKS}])#.*", "", line).strip(_BLANKS)
            if text:
                empty = False
                yield f"{name}:{number}: ", text
        if empty and warn is not None:
            warn(f"{name}: names no image")
