"""Image lists: references from the command line and from files, one a line."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.files import called, open_named
from skopeo_mirror.reference import Reference, shown
from skopeo_mirror.request import ImageRequest, WholeList, once, tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from skopeo_mirror.shards import Shard

    Warn = Callable[[str], object]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANKS = " \t\r"  # what a line is trimmed of; anything else makes it no reference, as for skopeo
_BARE_DIGEST = re.compile(r"(sha256|sha384|sha512):[0-9a-fA-F]*")
_COMMENT = re.compile(rf"(^|[{_BLANKS}])#.*")
_YAML = re.compile(r"---$|(?:apiVersion|kind):\s")
_IS_YAML = "is YAML, no list of images; name an image set with -c FILE, OpenShift's mirror sets with -r FILE"
_LONGEST = 2048  # characters of a line that is looked through for a reference
_AROUND = re.compile(
    r"""^(?:[-*]\s+|(?:docker|podman|nerdctl|crictl)\s+(?:image\s+)?pull\s+|FROM\s+|["']?[\w.-]+["']?\s*:\s+|["'`\[{(<]+)"""
    r"""|["'`\]})>,;]+$"""
)
"""What references stand in where they are copied from: YAML, JSON, shell, Dockerfiles."""


def read_images(
    arguments: Sequence[str], files: Sequence[str], *, warn: Warn | None = None
) -> tuple[ImageRequest, ...]:
    """Read the references of the command line, then those of each file (`-`: standard input); each once.

    `warn` is told of a file that names no image.
    Raises InvalidInput with every bad line of every file, named by file and line.
    """
    return once(_read(arguments, files, warn))


def _read(arguments: Iterable[str], files: Iterable[str], warn: Warn | None) -> Iterator[ImageRequest]:
    """Yield what the command line and each file name. Raises InvalidInput at the end, as `read_images`."""
    problems: list[str] = []
    given = (("", argument, parse_argument) for argument in arguments)
    listed = ((where, line, parse_line) for where, line in _lines_of(files, problems, warn))
    for where, text, parse in chain(given, listed):
        try:
            yield parse(text)
        except InvalidReference as error:
            problems.append(f"{where}{error}{_advice(text, parse)}")
    if problems:
        raise InvalidInput(problems)


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
    if _BARE_DIGEST.fullmatch(text):
        # docker/reference would take it for the image docker.io/library/sha256 with a tag.
        raise InvalidReference(f"{shown(text)} is a digest without a name; write HOST/PATH@DIGEST")
    reference = tagged(Reference.parse(text))
    return ImageRequest(text=None if text == str(reference) else text, reference=reference)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What is to be done of a list."""

    images: tuple[ImageRequest, ...]
    whole: WholeList | None = None
    """The list, where `images` are a shard of it."""


def part_of(images: Sequence[ImageRequest], shard: Shard | None) -> Part:
    """All of a list, or a shard of it."""
    if shard is None:
        return Part(images=tuple(images))
    mine = shard.repositories(Counter(one.reference.name for one in images))
    return Part(
        images=tuple(one for one in images if one.reference.name in mine), whole=_whole([_line(one) for one in images])
    )


def read_part(arguments: Sequence[str], files: Sequence[str], shard: Shard, *, warn: Warn | None = None) -> Part:
    """Read a shard as `part_of` has it of the whole list, in the memory of the list's text; raise as `read_images`."""
    names: dict[str, str] = {}
    lines: dict[bytes, str] = {}
    as_written: dict[bytes, str] = {}
    for image in _read(arguments, files, warn):
        line, name = _line(image), image.reference.name
        if line not in lines:
            lines[line] = names.setdefault(name, name)
            if image.text is not None:
                as_written[line] = image.text
    mine = shard.repositories(Counter(lines.values()))
    images = (
        replace(parse_line(line.decode()), text=as_written.get(line)) for line, name in lines.items() if name in mine
    )
    return Part(images=tuple(images), whole=_whole(lines))


def _line(image: ImageRequest) -> bytes:
    """What tells one image of a list from another; of one from a list, a line that asks for it."""
    own = image.destination or image.named
    return (str(image.reference) if own is None else f"{image.reference}={own}").encode()


def _whole(lines: Collection[bytes]) -> WholeList:
    digest = hashlib.sha256()
    for line in sorted(lines):
        digest.update(line + b"\n")
    return WholeList(images=len(lines), sha256=digest.hexdigest())


def _lines_of(files: Iterable[str], problems: list[str], warn: Warn | None) -> Iterator[tuple[str, str]]:
    """The lines that hold something, each with `FILE:LINE: ` for messages."""
    for file in files:
        name, empty = called(file), True
        try:
            with open_named(file) as lines:
                for number, raw in enumerate(lines, 1):
                    try:
                        line = raw.removeprefix(_BYTE_ORDER_MARK if number == 1 else b"").removesuffix(b"\n").decode()
                    except UnicodeDecodeError:
                        problems.append(f"{name}:{number}: is not UTF-8; save the list as UTF-8")
                        empty = False
                        continue
                    text = (_COMMENT.sub("", line) if "#" in line else line).strip(_BLANKS)
                    if text:
                        empty = False
                        if _YAML.match(line):
                            problems.append(f"{name}:{number}: {_IS_YAML}")
                            break
                        yield f"{name}:{number}: ", text
        except OSError as error:
            problems.append(f"{name}: cannot be read: {error.strerror}")
        else:
            if empty and warn is not None:
                warn(f"{name}: names no image")
