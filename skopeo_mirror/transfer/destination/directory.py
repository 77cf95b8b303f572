"""`dir:DIR`: one directory an image, as skopeo's `dir:` transport writes it.

skopeo empties an existing image directory before it contacts the source (observed), so it never gets to see one:
it writes into a staged directory, which is then put in place in one step.
"""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import DestinationRefused
from skopeo_mirror.files import read_regular, size_of_regular
from skopeo_mirror.manifest import (
    LARGEST_MANIFEST,
    Descriptor,
    InvalidManifest,
    descend,
    digest_of,
    digests_below,
    parse_manifest,
)
from skopeo_mirror.reference import tag_of
from skopeo_mirror.skopeo.schema1 import NOT_COPIED, is_schema1
from skopeo_mirror.skopeo.scoped import Target
from skopeo_mirror.transfer.destination.place import Contradicted, NamingRules, Place, Writing, repository_path
from skopeo_mirror.transfer.destination.staging import StagedDestination, publish_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from skopeo_mirror.manifest import Manifest
    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.reference import Digest, Reference

# What skopeo writes into an image's directory: blobs, manifests of an index's images, signatures.
_OF_SKOPEO: Final = re.compile(
    r"version|manifest\.json|(?:[a-z0-9]+-)?[0-9a-f]{64,128}(?:\.manifest\.json)?|(?:[0-9a-f]+\.)?signature-\d+"
)
_VERSION: Final = b"Directory Transport Version: "
_LONGEST_NAME: Final = 512
SOURCE: Final = "skopeo-mirror-source"
"""The file in an image's directory that says whose image it is: the name as in the input, without tag and digest.

skopeo's `dir:` heeds it as little as any other file; where skopeo itself writes the directory anew it goes.
"""


class DirectoryDestination(StagedDestination):
    """Image directories below `directory`."""

    transport = "dir"
    takes_parts = False
    brings_layers = True

    def __init__(self, directory: Path, rules: NamingRules) -> None:
        super().__init__(directory)
        self._rules = rules

    def place(self, image: Reference, own: str | None = None) -> Place:
        """`DIR/<source path>/<tag>`."""
        if own is not None:
            raise DestinationRefused(f"{image}: names a destination of its own ({own}), which dir: has not")
        path = self.directory / repository_path("", image, self._rules) / tag_of(image)
        # What is named by its digest is the same whoever it came from.
        return Place(name=f"dir:{path}", path=path, source=None if image.tag is None and image.digest else image.name)

    def check(self, place: Place) -> None:
        """Refuse a place that holds, or lies in, something that is no image directory of its own.

        A directory without `SOURCE`, of skopeo or of an earlier version of this program, may be anybody's image of
        that path and tag.
        """
        assert place.path is not None  # noqa: S101 - `place` made it
        for above in reversed(place.path.relative_to(self.directory).parents):
            inside = self.directory / above
            if inside.exists() and not inside.is_dir():
                raise DestinationRefused(f"{place.name}: {inside} is no directory")
            if (inside / "manifest.json").is_file() and inside != self.directory:
                raise DestinationRefused(f"{place.name}: would lie inside the image directory {inside}")
        if place.path.exists():
            if not place.path.is_dir():
                raise DestinationRefused(f"{place.name}: is there already and is no directory")
            names = [path.name for path in place.path.iterdir()]
            stranger = next((name for name in names if name != SOURCE and not _OF_SKOPEO.fullmatch(name)), None)
            if stranger is not None:
                raise DestinationRefused(
                    f"{place.name}: holds {stranger!r}, which would be lost; move it or name another directory"
                )
            if not _may_be_skopeos(place.path):
                raise DestinationRefused(
                    f"{place.name}: holds files that skopeo did not write (`version` would say so), which would be "
                    "lost; move them or name another directory"
                )
            other = _first_line(place.path / SOURCE)
            if place.source is not None and other is not None and other != place.source:
                raise DestinationRefused(
                    f"{place.name}: holds an image of {other}, which would be lost for {place.source}; --scoped keeps "
                    "the source host in the path, or move it or name another directory"
                )

    def holds(
        self,
        place: Place,
        digest: Digest,
        platforms: Sequence[Platform] = (),
        stopped: Callable[[], bool] = lambda: False,  # noqa: ARG002 - the interface's
    ) -> bool | None:
        """Whether the manifest has that digest and every file that it refers to is there, with its size."""
        assert place.path is not None  # noqa: S101 - `place` made it
        try:
            return all(
                _size(place.path, blob.digest) == blob.size for blob in _blobs_below(place.path, digest, platforms)
            )
        except (OSError, InvalidManifest):
            return False

    def images(self, place: Place, digest: Digest, platforms: Sequence[Platform] = ()) -> tuple[Digest, ...]:
        """By their manifests beside the image's own."""
        assert place.path is not None  # noqa: S101 - `place` made it
        return digests_below(digest, _reader(place.path, digest), platforms)

    @contextmanager
    def writing(
        self,
        place: Place,
        digest: Digest,
        platforms: Sequence[Platform] = (),  # noqa: ARG002 - skopeo writes all of an index here
    ) -> Iterator[Writing]:
        """Give skopeo a staged directory, which is then put in place."""
        with self.area() as area:
            staged = area / "image"
            yield Writing(target=Target(name=f"dir:{staged}"), publish=lambda *_: self._publish(staged, place, digest))

    def _publish(self, staged: Path, place: Place, digest: Digest) -> None:
        """Put the image in place; all of it was written just now, and so compared with its digests by skopeo."""
        assert place.path is not None  # noqa: S101 - `place` made it
        try:
            schema1 = is_schema1(read_regular(staged / "manifest.json", at_most=LARGEST_MANIFEST), None)
            blobs = [] if schema1 else [(blob, _size(staged, blob.digest)) for blob in _blobs_below(staged, digest)]
        except InvalidManifest as error:
            raise Contradicted(f"its manifest calls something an image that {error}") from error
        except OSError as error:
            raise DestinationRefused(
                f"{place.name}: skopeo wrote an incomplete image; nothing was published"
            ) from error
        if schema1:
            raise DestinationRefused(f"{place.name}: {NOT_COPIED}; nothing was published")
        for blob, size in blobs:
            if size is None:
                raise DestinationRefused(f"{place.name}: skopeo wrote no {blob.digest}; nothing was published")
            if size != blob.size:
                raise Contradicted(f"its manifest gives {blob.digest} {blob.size} bytes; it has {size}")
        if place.source is not None:
            (staged / SOURCE).write_text(f"{place.source}\n", encoding="ascii")
        with self.locked():
            self.check(place)
            publish_directory(staged, place.path)


def _may_be_skopeos(directory: Path) -> bool:
    """Whether there is nothing, or the file with which skopeo begins."""
    try:
        with (directory / "version").open("rb") as file:
            return file.read(len(_VERSION)) == _VERSION
    except FileNotFoundError:
        return not any(directory.iterdir())


def _first_line(file: Path) -> str | None:
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return lines.readline(_LONGEST_NAME).strip()
    except FileNotFoundError:
        return None


def _blobs_below(directory: Path, digest: Digest, platforms: Sequence[Platform] = ()) -> Iterator[Descriptor]:
    """All blobs of an image. Raises OSError where a manifest of it is not there, InvalidManifest where one is none."""
    for manifest in descend(Descriptor(digest=digest, size=0), _reader(directory, digest), platforms):
        yield from (*manifest.blobs, *manifest.elsewhere)  # skopeo brings what lives elsewhere here, too


def _reader(directory: Path, digest: Digest) -> Callable[[Descriptor], Manifest]:
    """What reads the manifests of the image in a directory, the image's own with its digest."""

    def read(one: Descriptor) -> Manifest:
        file = directory / ("manifest.json" if one.digest == digest else f"{one.digest.hex}.manifest.json")
        content = read_regular(file, at_most=LARGEST_MANIFEST)
        if digest_of(content, one.digest.algorithm) != one.digest:
            raise OSError(errno.EIO, f"Is not {one.digest}", str(file))
        return parse_manifest(content)

    return read


def _size(directory: Path, digest: Digest) -> int | None:
    """Newer skopeos put the algorithm before the digits where it is not sha256."""
    sizes = (size_of_regular(directory / name) for name in (digest.hex, f"{digest.algorithm}-{digest.hex}"))
    return next((size for size in sizes if size is not None), None)
