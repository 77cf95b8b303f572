"""Files below one directory of an image, streamed out of its layers as if these lay over each other.

Nothing is unpacked, and no path of an archive is ever opened: a first pass over each layer notes what lies below the
directory, a second one hands out the contents. Whiteouts are those of the OCI image-spec (layer.md). A hostile archive
can cost time, not memory: every limit stands below.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, cast

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.files import open_regular
from skopeo_mirror.olm import indexignore
from skopeo_mirror.reference import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from _typeshed import WriteableBuffer

_LARGEST_READ = 1 << 18  # bytes at once; extended tar headers, which tarfile reads whole, are never longer
_LARGEST_TREE = 2 << 30  # bytes of all files below the directory
_LARGEST_LISTING = 16 << 20  # characters of all paths, links and ignore files, and _PER_MEMBER for each member
_PER_MEMBER = 128
_DEEPEST_PATH = 20  # components, of what lies in the directory
_MOST_LINKS = 40  # followed for one path, as on Linux
_LARGEST_IGNORE_FILE = 1 << 16  # bytes
_MOST_PATTERNS = 1000
_FREE_EXPANSION = 1 << 30  # bytes that a layer may have in any case
_MOST_EXPANSION = 100  # times its compressed size that a layer may have beyond that: text seldom reaches 30

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SPECIAL = {tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "named pipe"}
_NO_CATALOG = "no operator catalog, or not a file-based one"
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"

Parts = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    layer: int
    member: int
    size: int
    ignore_lines: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Link:
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Directory:
    pass


_Node = _File | _Link | _Directory


@dataclass(kw_only=True, slots=True)
class _Changes:
    """The changes that one layer makes to the tree below it."""

    nodes: dict[Parts, _Node] = field(default_factory=dict)
    removed: set[Parts] = field(default_factory=set)
    emptied: set[Parts] = field(default_factory=set)
    listed: int = 0
    """The memory that they take, of _LARGEST_LISTING."""


class LayerStream:
    """The bytes of a layer's tar, decompressed, forward only; the little of a file object that tarfile asks for."""

    def __init__(self, source: IO[bytes], *, what: str, compressed_size: int) -> None:
        self._source = source
        self._what = what
        self._most = max(_FREE_EXPANSION, _MOST_EXPANSION * compressed_size)
        self._position = 0

    def tell(self) -> int:
        """How many bytes were read."""
        return self._position

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, fewer only at the end; raise InvalidInput for a damaged or a hostile layer."""
        if not 0 <= size <= _LARGEST_READ:
            raise InvalidInput([f"{self._what}: a header of {size} bytes is no header"])
        try:
            chunk = self._source.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidInput([f"{self._what} is damaged: {error}"]) from error
        self._position += len(chunk)
        if self._position > self._most:
            raise InvalidInput(
                [f"{self._what} grows beyond {self._most >> 20} MiB when it is decompressed: a zip bomb?"]
            )
        return chunk

    def seek(self, position: int) -> int:
        """Read on to `position`; what lies behind is gone."""
        while self._position < position and self.read(min(position - self._position, _LARGEST_READ)):
            pass
        return self._position


class TreeFile(io.RawIOBase):
    """One file of the tree, to be read before the next one is asked for; `path` is its path in the image."""

    def __init__(self, path: str, stream: LayerStream, size: int) -> None:
        self.path = path
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into the buffer, nothing at the end; that the layer goes on so far, the first pass has told."""
        view = memoryview(buffer)
        chunk = self._stream.read(min(len(view), self._left, _LARGEST_READ))
        self._left -= len(chunk)
        view[: len(chunk)] = chunk
        return len(chunk)


def stream_tree(layers: Sequence[Path], directory: str, lacking: str = _NO_CATALOG) -> Iterator[TreeFile]:
    """Yield each file below `directory` (a path in the image) of the image that `layers` make up, lowest layer first.

    Links within the directory are honoured, each file comes once, what `.indexignore` names is left out. Raises
    InvalidInput for a layer that cannot be read, for anything in the directory that is no file, directory or link
    within it, and, with what an image is that is `lacking` it, where there is no such directory.
    """
    root = _parts(directory, "the directory of the catalog")
    if not root:
        raise InvalidInput([f"the image keeps its catalog in {shown(directory)}, which is no directory of its own"])
    tree: dict[Parts, _Node] = {}
    listed = 0
    for number, layer in enumerate(layers):
        changes = _scan(layer, number, root, tree, _LARGEST_LISTING - listed)
        tree = _overlay(tree, changes)
        listed += changes.listed
    _check(tree, root, lacking)
    wanted = _files(tree, root)
    for number, layer in enumerate(layers):
        members = {file.member: path for file, path in wanted.items() if file.layer == number}
        if members:
            yield from _stream_members(layer, members)


def _scan(path: Path, number: int, root: Parts, below: Mapping[Parts, _Node], allowance: int) -> _Changes:
    """Note what a layer changes in the tree at `root`, of which `below` came from the layers under it."""
    changes = _Changes()
    with _open(path) as (stream, members):
        for index, member in members:
            parts = _parts(member.name, _name(path))
            if not _on_the_way(parts, root):
                continue
            *above, name = parts or ("",)
            kept = member.size if name == indexignore.FILENAME else 0
            changes.listed += len(member.name) + len(member.linkname) + kept + _PER_MEMBER
            if changes.listed > allowance or len(parts) > _DEEPEST_PATH:
                raise InvalidInput([f"{_shown(root)} holds too many files, or too deep directories: {_shown(parts)}"])
            if name == _OPAQUE:
                changes.emptied.add(tuple(above))
            elif name.startswith(_WHITEOUT):
                changes.removed.add((*above, name.removeprefix(_WHITEOUT)))
            elif member.islnk():
                changes.nodes[parts] = _hard_linked(member, changes.nodes, below)
            else:
                changes.nodes[parts] = _node(member, name, number, index, stream)
    return changes


def _on_the_way(parts: Parts, root: Parts) -> bool:
    """Whether a path lies in the tree at `root`, leads to it, or stands for (as a whiteout) what does."""
    if len(parts) <= len(root) and parts and parts[-1].startswith(_WHITEOUT):
        parts = parts[:-1] if parts[-1] == _OPAQUE else (*parts[:-1], parts[-1].removeprefix(_WHITEOUT))
    shorter = min(len(parts), len(root))
    return parts[:shorter] == root[:shorter]


def _node(member: tarfile.TarInfo, name: str, number: int, index: int, stream: LayerStream) -> _Node:
    if member.isdir():
        return _Directory()
    if member.issym():
        if "\0" in member.linkname:
            raise InvalidInput([f"{shown(member.name)} is a link to {shown(member.linkname)}, with a NUL in it"])
        return _Link(target=member.linkname)
    if not member.isreg() or member.issparse():
        other = "sparse file" if member.issparse() else f"member of the unknown type {member.type!r}"
        kind = _SPECIAL.get(member.type, other)
        raise InvalidInput([f"{shown(member.name)} is a {kind}: a catalog holds files, directories and links"])
    if name != indexignore.FILENAME:
        return _File(layer=number, member=index, size=member.size)
    if member.size > _LARGEST_IGNORE_FILE:
        raise InvalidInput([f"{shown(member.name)} is larger than {_LARGEST_IGNORE_FILE >> 10} KiB"])
    return _File(layer=number, member=index, size=member.size, ignore_lines=stream.read(member.size))


def _hard_linked(member: tarfile.TarInfo, nodes: Mapping[Parts, _Node], below: Mapping[Parts, _Node]) -> _Node:
    parts = _parts(member.linkname, shown(member.name))
    target = nodes.get(parts) or below.get(parts)
    if target is None or isinstance(target, _Directory):
        raise InvalidInput([f"{shown(member.name)} is a link to {shown(member.linkname)}, no file of the catalog"])
    return target


def _overlay(below: Mapping[Parts, _Node], changes: _Changes) -> dict[Parts, _Node]:
    """Lay a layer's changes over the tree that lies below it."""
    hidden = changes.removed | {parts for parts, node in changes.nodes.items() if not isinstance(node, _Directory)}

    def stays(parts: Parts) -> bool:
        prefixes = [parts[:length] for length in range(len(parts) + 1)]
        return hidden.isdisjoint(prefixes) and changes.emptied.isdisjoint(prefixes[:-1])

    if not hidden and not changes.emptied:
        return {**below, **changes.nodes}
    return {**{parts: node for parts, node in below.items() if stays(parts)}, **changes.nodes}


def _check(tree: Mapping[Parts, _Node], root: Parts, lacking: str) -> None:
    """Refuse a tree that is empty or too large, or that has something below what is no directory."""
    if not any(parts[: len(root)] == root for parts in tree):
        raise InvalidInput([f"the image has no {_shown(root)}: it is {lacking}"])
    if sum(node.size for node in tree.values() if isinstance(node, _File)) > _LARGEST_TREE:
        raise InvalidInput([f"{_shown(root)} holds more than {_LARGEST_TREE >> 30} GiB"])
    for parts in (*tree, (*root, "")):
        for above in (parts[:length] for length in range(1, len(parts))):
            if not isinstance(tree.get(above, _Directory()), _Directory):
                raise InvalidInput([f"{_shown(above)} is no directory, but the catalog goes on below it"])


def _files(tree: Mapping[Parts, _Node], root: Parts) -> dict[_File, str]:
    """Find the files to read, and the path by which an error should name each."""
    directories = {parts[:length] for parts in tree for length in range(len(parts))}
    inside = [parts for parts in sorted(tree) if len(parts) > len(root) and parts[: len(root)] == root]
    patterns: list[indexignore.Pattern] = []
    for parts in inside:
        if parts[-1] == indexignore.FILENAME:
            node = _followed(parts, tree, directories, root)
            if not isinstance(node, _File) or node.ignore_lines is None:
                raise InvalidInput([f"{_shown(parts)} must be a file of that name, or a link to one"])
            patterns += indexignore.parse_patterns(node.ignore_lines.decode(errors="replace"), parts[len(root) : -1])
    if len(patterns) > _MOST_PATTERNS:
        raise InvalidInput([f"{_shown(root)}: more than {_MOST_PATTERNS} patterns in {indexignore.FILENAME}"])
    files: dict[_File, str] = {}
    for parts in inside:
        if parts[-1] == indexignore.FILENAME or indexignore.is_ignored(parts[len(root) :], patterns):
            continue
        found = _followed(parts, tree, directories, root)
        if isinstance(found, _File):  # the files of a linked directory are read where they really lie
            files.setdefault(found, _shown(parts))
    return files


def _followed(path: Parts, tree: Mapping[Parts, _Node], directories: set[Parts], root: Parts) -> _Node:
    """Resolve the symbolic links of `path` as the kernel would in the image; raise InvalidInput outside of the tree."""
    at, todo, links = path[:-1], deque(path[-1:]), 0
    node: _Node | None = None
    while todo:
        part = todo.popleft()
        at = at[:-1] if part == ".." else (*at, part)
        node = tree.get(at, _Directory() if at in directories else None)
        if not _on_the_way(at, root):
            raise InvalidInput([f"{_shown(path)} is a link that leads out of {_shown(root)}, to {_shown(at)}"])
        if node is None:
            raise InvalidInput([f"{_shown(path)} is a link to {_shown(at)}, which is not there"])
        if isinstance(node, _Link):
            links += 1
            if links > _MOST_LINKS:
                raise InvalidInput([f"{_shown(path)} is a link that leads round in a circle"])
            at = () if node.target.startswith("/") else at[:-1]
            todo.extendleft(reversed([part for part in node.target.split("/") if part not in {"", "."}]))
    if node is None or len(at) < len(root):
        raise InvalidInput([f"{_shown(path)} is a link that leads out of {_shown(root)}, to {_shown(at)}"])
    return node


def _stream_members(path: Path, wanted: Mapping[int, str]) -> Iterator[TreeFile]:
    last = max(wanted)
    with _open(path) as (stream, members):
        for index, member in members:
            if index in wanted:
                yield TreeFile(wanted[index], stream, member.size)
            if index == last:
                return


@contextmanager
def _open(path: Path) -> Iterator[tuple[LayerStream, Iterator[tuple[int, tarfile.TarInfo]]]]:
    """Open a layer, plain or gzip; raise InvalidInput for zstd and for what is no tar."""
    with open_regular(path) as raw:
        magic = raw.read(len(_ZSTD))
        raw.seek(0)
        if magic == _ZSTD:
            raise InvalidInput([f"{_name(path)} is compressed with zstd, which this program cannot read (gzip it can)"])
        source = cast("IO[bytes]", gzip.GzipFile(fileobj=raw) if magic.startswith(_GZIP) else raw)
        stream = LayerStream(source, what=_name(path), compressed_size=path.stat().st_size)
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as archive:
                yield stream, _members(archive)
        except (tarfile.TarError, ValueError, ArithmeticError, RecursionError) as error:
            raise InvalidInput([f"{_name(path)} is no readable tar archive: {error}"]) from error


def _members(archive: tarfile.TarFile) -> Iterator[tuple[int, tarfile.TarInfo]]:
    for index, member in enumerate(iter(archive.next, None)):
        yield index, member
        archive.members.clear()  # type: ignore[attr-defined]  # untyped; else it keeps each of perhaps millions


def _parts(path: str, where: str) -> Parts:
    if ".." in (parts := tuple(part for part in path.split("/") if part not in {"", "."})):
        raise InvalidInput([f"{where}: the path {shown(path)} leads out of its directory"])
    if "\0" in path:
        raise InvalidInput([f"{where}: the path {shown(path)} has a NUL in it"])
    return parts


def _shown(parts: Parts) -> str:
    return shown("/" + "/".join(parts))[1:-1]


def _name(path: Path) -> str:
    return f"layer {path.parent.name}:{path.name}"
