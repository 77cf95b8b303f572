"""Releases whose components are real images, in release images made as OpenShift's are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.olm.releases import release_layers

from .images import Image, layer_of, make_image, make_index, make_layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .registry import Registry

OCP = "openshift-release-dev/ocp-release"
ART = "openshift-release-dev/ocp-v4.0-art-dev"
KUBEVIRT = "kube-virt-container"


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """A release image, and its components by name; those of one image have it under each of their names."""

    image: Image
    components: Mapping[str, Image]

    def push(self, registry: Registry, path: str = "", tag: str | None = None) -> None:
        """Store all images below `path` (ends with a slash, if it is there), the release image under `tag`."""
        for image in {one.digest: one for one in self.components.values()}.values():
            registry.push(f"{path}{ART}", image)
        registry.push(f"{path}{OCP}", self.image, tag)

    def once(self) -> dict[str, Image]:
        """Return each component under the first of its names."""
        firsts: dict[str, str] = {}
        for name, image in self.components.items():
            firsts.setdefault(image.digest, name)
        return {name: self.components[name] for name in firsts.values()}


def make_components(names: Iterable[str], seed: str = "", *, same: Mapping[str, str] | None = None) -> dict[str, Image]:
    """Make an image for each name, all over one base; `same` are further names of these (name to name)."""
    base = make_layer({"usr/bin/base": b"base"})
    made = {
        name: make_image(f"{seed}{name}", layers=[base, make_layer({f"usr/bin/{name}": f"{seed}{name}".encode()})])
        for name in names
    }
    return made | {name: made[other] for name, other in (same or {}).items()}


def make_payload(
    host: str,
    version: str,
    components: Mapping[str, Image],
    *,
    architectures: Sequence[str] = (),
    kubevirt: Image | None = None,
) -> Payload:
    """Make the release of images that are called `HOST/openshift-release-dev/…`; for several architectures an index."""
    references = {name: f"{host}/{ART}@{image.digest}" for name, image in components.items()}
    boot = None if kubevirt is None else {"x86_64": f"{host}/{ART}@{kubevirt.digest}"}
    layers = [*map(layer_of, release_layers(version, references, boot, multi=len(architectures) > 1))]
    children = [
        make_image(f"release {version} {one}", layers=layers, architecture=one, docker=True)
        for one in architectures or ("amd64",)
    ]
    image = make_index(children, docker=True) if len(children) > 1 else children[0]
    return Payload(image=image, components=components if kubevirt is None else {**components, KUBEVIRT: kubevirt})
