"""What reports have and others have not, as oc-mirror's list of what is to be deleted (pure); nothing is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.output.mirrored import OPERATOR
from skopeo_mirror.registries_conf.writing import value_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from skopeo_mirror.output.mirrored import Mirrored

_HEAD: Final = """\
# What has been mirrored and is not to be kept, by digest: whatever tags it has go with it. An image that is given here
# must not be one of an index that nobody gave by name. Written by `skopeo-mirror redirect`; nothing was deleted.
kind: DeleteImageList
apiVersion: mirror.openshift.io/v2alpha1
"""


def delete_list(reports: Iterable[Sequence[Mirrored]], kept: Iterable[Sequence[Mirrored]]) -> str:
    """A DeleteImageList of what is confirmed in `reports` and in no way part of `kept`, sorted; empty for nothing.

    What has failed in `kept` stays too: it was asked for. Raises InvalidInput where `kept` is of other registries.
    """
    stays = [image for report in kept for image in report]
    goes = [image for report in reports for image in report if image.confirmed and not image.planned]
    hosts = {image.destination.domain for image in stays if image.destination is not None}
    if others := sorted({one.destination.domain for one in goes if one.destination is not None} - hosts):
        raise InvalidInput([f"nothing that is kept is at {', '.join(others)}: is --keep of another destination?"])
    held = {content for image in stays for content in _contents(image)}
    # a run that finds an index there does not look at its images: one that copied it has
    held |= {content for image in goes if not held.isdisjoint(_own(image)) for content in _contents(image)}
    unknown = {image.destination for image in stays if not image.digest}
    items = {
        content: (str(image.image.name), _type(image))
        for image in goes
        if image.destination not in unknown
        for content in _own(image)
        if content not in held
    }
    if not items:
        return ""
    return _HEAD + "items:\n" + "".join(_item(*content, *items[content]) for content in sorted(items))


def _own(image: Mirrored) -> Iterator[tuple[str, str]]:
    """The repository at the destination, and the digest, of an image, and of what is attached to it."""
    if image.destination is not None and image.digest:
        yield image.destination.name, image.digest
        yield from ((one.name, str(one.digest)) for one in image.attached)


def _contents(image: Mirrored) -> Iterator[tuple[str, str]]:
    """As `_own`, with the images of its index."""
    yield from _own(image)
    if image.destination is not None:
        yield from ((image.destination.name, digest) for digest in image.parts)


def _type(image: Mirrored) -> str:
    """oc-mirror's word for what it is."""
    if image.catalog is not None:
        return "operatorCatalog"
    return "operatorRelatedImage" if image.category == OPERATOR else "generic"


def _item(repository: str, digest: str, name: str, type_: str) -> str:
    lines = [
        f"- imageName: {value_text(f'docker://{name}@{digest}')}",
        f"  imageReference: {value_text(f'docker://{repository}@{digest}')}",
        f"  type: {type_}",
    ]
    return "\n".join([*lines, ""])
