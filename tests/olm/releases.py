"""What release images hold, for tests: files as OpenShift's have them, and the layers that they lie in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .catalogs import Member, layer

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTORY = "release-manifests"
REFERENCES = f"{DIRECTORY}/image-references"
METADATA = f"{DIRECTORY}/release-metadata"
BOOT_IMAGES = f"{DIRECTORY}/0000_50_installer_coreos-bootimages.yaml"


def image_references(version: str, components: Mapping[str, str]) -> dict[str, Any]:
    """Return the ImageStream of these components (name to reference)."""
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": version, "annotations": {"release.openshift.io/from-image-stream": "ocp/4.18-art"}},
        "spec": {
            "lookupPolicy": {"local": False},
            "tags": [
                {
                    "name": name,
                    "annotations": {"io.openshift.build.commit.id": "0" * 40},
                    "from": {"kind": "DockerImage", "name": reference},
                    "generation": 2,
                    "importPolicy": {},
                    "referencePolicy": {"type": "Source"},
                }
                for name, reference in components.items()
            ],
        },
        "status": {"dockerImageRepository": ""},
    }


def boot_images(kubevirt: Mapping[str, str]) -> bytes:
    """Return the ConfigMap of CoreOS's boot images, with these KubeVirt images (architecture to reference)."""
    architectures: dict[str, Any] = {"s390x": {"artifacts": {}, "images": {}}}
    for name, reference in kubevirt.items():
        image = {"release": "418.94", "image": "quay.io/x/art@v", "digest-ref": reference}
        architectures[name] = {"artifacts": {}, "images": {"kubevirt": image}}
    stream = json.dumps({"stream": "rhcos-4.18", "architectures": architectures}, indent=2)
    lines = "".join(f"    {line}\n" for line in stream.splitlines())
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: coreos-bootimages\ndata:\n  stream: |\n{lines}".encode()
    )


def release_layers(
    version: str, components: Mapping[str, str], kubevirt: Mapping[str, str] | None = None, *, multi: bool = False
) -> list[bytes]:
    """Return the layers of a release image: another release's, what a base image has, and its own over both."""
    metadata = {
        "kind": "cincinnati-metadata-v0",
        "version": version,
        "metadata": {"release.openshift.io/architecture": "multi"} if multi else {},
    }
    other = image_references("4.0.0", {"gone": f"quay.io/gone/gone@sha256:{'0' * 64}"})
    return [
        layer(
            Member(name=REFERENCES, content=json.dumps(other).encode()),
            Member(name=f"{DIRECTORY}/0000_10_gone.yaml", content=b"kind: Gone\n"),
            Member(name="usr/bin/cluster-version-operator", content=b"\x7fELF"),
        ),
        layer(Member(name=f"{DIRECTORY}/.wh..wh..opq"), Member(name=f"{DIRECTORY}/0000_03_x.yaml", content=b"a: 1\n")),
        layer(
            Member(name=REFERENCES, content=json.dumps(image_references(version, components), indent=2).encode()),
            Member(name=METADATA, content=json.dumps(metadata).encode()),
            *([] if kubevirt is None else [Member(name=BOOT_IMAGES, content=boot_images(kubevirt))]),
        ),
    ]
