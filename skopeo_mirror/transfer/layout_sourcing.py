"""Images that come from a layout which an earlier run filled: each by its name, its normalized reference."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skopeo_mirror.attached import ALL_KINDS, AttachedKind, names
from skopeo_mirror.errors import DestinationRefused, InvalidInput, InvalidReference, UsageError
from skopeo_mirror.manifest import all_refer_to, digests_below
from skopeo_mirror.oci_layout import find_manifest, read_index, read_manifest, ref_name
from skopeo_mirror.reference import Digest, Reference, shown
from skopeo_mirror.skopeo.layout_source import LayoutSource
from skopeo_mirror.transfer.destination.layout import LayoutDestination
from skopeo_mirror.transfer.sourcing import Sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from skopeo_mirror.request import ImageRequest
    from skopeo_mirror.transfer.destination.place import Destination, Place


class LayoutSourcing:
    """Finds an image's one source in the layout in `directory`; the index is read once."""

    def __init__(self, directory: Path) -> None:
        """Raise InvalidInput where there is no layout, or one that names two images alike."""
        self.directory = directory
        self._location = f"oci:{directory}"
        index = read_index(directory)
        if index is None:
            raise InvalidInput([f"{self._location}: there is no OCI image layout"])
        self._entries: list[dict[str, Any]] = index["manifests"]
        problems = [f"{self._location}: {problem}" for problem in _problems(self._entries)]
        if problems:
            raise InvalidInput(problems)
        self._digests = {ref_name(entry): Digest.parse(entry["digest"]) for entry in self._entries}

    @classmethod
    def parse(cls, text: str, destination: Destination) -> LayoutSourcing:
        """Read `oci:DIR`. Raises UsageError, InvalidInput, or DestinationRefused where that is `destination` itself."""
        transport, _, directory = text.partition(":")
        if transport != "oci" or not directory:
            raise UsageError(f"--from {shown(text)}: write oci:DIR, a layout that an earlier run filled")
        layout = cls(Path(directory))
        if isinstance(destination, LayoutDestination) and destination.directory.resolve() == Path(directory).resolve():
            raise DestinationRefused(f"{destination.name}: is the very layout that the images come from")
        return layout

    def images(self, *, with_attached: bool = True) -> tuple[Reference, ...]:
        """All of it; without what is attached to something in it where that comes with its subject.

        Raises InvalidInput where something in it has no name that says what it is to be called.
        """
        images: list[Reference] = []
        problems: list[str] = []
        for entry in self._entries:
            name = ref_name(entry)
            try:
                images.append(Reference.parse_canonical(name or ""))
            except InvalidReference:
                what = f"{shown(str(entry.get('digest')))} is called {'nothing' if name is None else shown(name)}"
                problems.append(f"{self._location}: {what}, which is no full image reference; name the images to copy")
        if problems:
            raise InvalidInput(problems)
        attached = set[Reference]() if with_attached else self._attached(images)
        return tuple(image for image in images if image not in attached)

    def sources(self, request: ImageRequest, place: Place | None = None) -> Sources:  # noqa: ARG002 - as Sourcing's
        """The one candidate, at the digest that the index gives it; without digest where it is not in the index."""
        image = request.reference
        digest = self._digest(image)
        reference = image.without_digest() if digest is None else image.pin(digest).without_tag()
        candidate = LayoutSource(reference=reference, location=self._location, directory=self.directory)
        return Sources(reference=image, candidates=(candidate,))

    def _attached(self, images: Sequence[Reference]) -> set[Reference]:
        """Those of `images`, by name and tag, that are attached to what is in the same repository."""
        named = {image for image in images if image.digest is None and (image.tag or "").startswith("sha")}
        repositories = {image.name for image in named}
        attached: set[Reference] = set()
        todo = [image for image in images if image.name in repositories and image not in named]
        while todo:
            image = todo.pop()
            top = self._digests[str(image)]
            for subject in digests_below(top, lambda one: find_manifest(self.directory, one.digest)):
                for kind, tag in names(subject, ALL_KINDS):
                    one = image.under(tag)
                    if one in named and (kind is not AttachedKind.REFERRERS or self._refer_to(subject, one)):
                        attached.add(one)
                        todo += [one] if kind in {AttachedKind.ATT, AttachedKind.SBOM} else []  # these may be signed
        return attached

    def _refer_to(self, subject: Digest, index: Reference) -> bool:
        """Whether something called as an index of referrers is one; `cosign copy` calls images so, too."""
        found = find_manifest(self.directory, self._digests[str(index)])
        entries = () if found is None else found.children
        return all_refer_to(subject, (self._content(entry.digest) for entry in entries))

    def _content(self, digest: Digest) -> bytes:
        """The bytes of a manifest; none where it is not there."""
        try:
            return read_manifest(self.directory, digest)
        except OSError:
            return b""

    def _digest(self, image: Reference) -> Digest | None:
        """The digest of an entry; what is called `name:tag` there is found as `name:tag@digest` too, at that digest."""
        named = self._digests.get(str(image))
        if named is not None or image.tag is None:
            return named
        tagged = self._digests.get(str(image.without_digest()))
        return tagged if tagged == image.digest else None


def _problems(entries: list[Any]) -> Iterator[str]:
    """What makes an index unfit to be read from."""
    for position, entry in enumerate(entries):
        try:
            Digest.parse(entry["digest"])
        except (TypeError, KeyError, AttributeError, InvalidReference):
            yield f"index.json: manifests[{position}] has no digest"
    names = Counter(name for entry in entries if (name := ref_name(entry)) is not None)
    yield from (f"{count} images are called {shown(name)}" for name, count in names.items() if count > 1)
