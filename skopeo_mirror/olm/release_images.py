"""The images of a release, with the names that OpenShift's installer and oc-mirror give them below a destination."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.olm.release_selection import MULTI
from skopeo_mirror.olm.releases import KUBEVIRT
from skopeo_mirror.reference import Reference
from skopeo_mirror.request import ImageRequest, tagged

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.olm.release_selection import ReleaseSelection
    from skopeo_mirror.olm.releases import Release
    from skopeo_mirror.reference import Digest

_RELEASE_PATH: Final = "openshift/release-images"
_COMPONENT_PATH: Final = "openshift/release"
_AS_OC_MIRROR: Final = "x86_64"
"""The one architecture whose KubeVirt image oc-mirror takes."""


def release_images(
    selection: ReleaseSelection, digest: Digest, release: Release, *, warn: Callable[[str], None]
) -> tuple[ImageRequest, ...]:
    """List a release's images, each once under the first of its names, the release image last.

    So a cluster that finds a release finds its components. Tags begin with the release image's own; of one by digest,
    with VERSION-ARCHITECTURE. Raises InvalidInput where a name is none for a tag.
    """
    reference = tagged(selection.reference)
    tag = reference.tag or f"{release.version}-{release.architecture}"
    components: dict[Reference, str] = {}
    for name, image in release.components.items():
        components.setdefault(image, f"{tag}-{name}")
    if selection.kubevirt:
        kubevirt = {one: image for one, image in release.kubevirt.items() if release.architecture in {one, MULTI}}
        if not kubevirt:
            warn(f"{selection.release}: names no KubeVirt image for {release.architecture}")
        for one, image in kubevirt.items():
            name = KUBEVIRT if one in {release.architecture, _AS_OC_MIRROR} else f"{KUBEVIRT}-{one}"
            components.setdefault(image, f"{tag}-{name}")
    requests = [
        ImageRequest(
            reference=image, named=_named(image, _COMPONENT_PATH, name, selection.release), release=selection.release
        )
        for image, name in components.items()
    ]
    itself = ImageRequest(
        text=selection.release,
        reference=reference,
        named=_named(reference, _RELEASE_PATH, tag, selection.release),
        digest=digest,
        release=selection.release,
    )
    return (*requests, itself)


def _named(image: Reference, path: str, tag: str, release: str) -> Reference:
    named = replace(image, path=path, tag=tag)
    try:
        return Reference.parse(str(named))
    except InvalidReference as error:
        raise InvalidInput([f"{release}: {error}"]) from error
