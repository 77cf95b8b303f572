"""Docker's manifests after a skopeo that stays has converted them to OCI: what they refer to, as it was (pure).

Layers keep their digests, sizes and URLs; the config is converted with the manifest, and so has another digest and size
(observed on 1.9.3; containers/image, `convertToManifestOCI1`).
"""

from __future__ import annotations

import json
from typing import Final

from skopeo_mirror.manifest import DOCKER_MANIFEST, digest_of

_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_LAYERS: Final = {
    "application/vnd.oci.image.layer.v1.tar": "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar": "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": (
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    ),
}


def as_docker(converted: bytes, config: bytes) -> bytes:
    """A manifest of schema 2 that refers to what the original of `converted` did; `config` are that one's bytes."""
    manifest = json.loads(converted)
    layers = [layer | {"mediaType": _LAYERS.get(layer["mediaType"], "")} for layer in manifest["layers"]]
    described = {"mediaType": _CONFIG, "size": len(config), "digest": str(digest_of(config))}
    original = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": described, "layers": layers}
    return json.dumps(original, separators=(",", ":")).encode()
