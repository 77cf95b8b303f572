"""Small real images: gzip tar layers, a config that podman runs, manifests and indexes in OCI and docker form."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
IN_TOTO = "application/vnd.in-toto+json"
ARCHITECTURES = ("amd64", "arm64", "ppc64le", "s390x")
"""Those of operators and base images."""
ACCEPTED = f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_LIST}, {DOCKER_MANIFEST}"
"""The `Accept` of a request that wants a manifest as it is stored, whatever it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A gzip-compressed tar (`blob`) and the digest of the tar inside (`diff_id`)."""

    blob: bytes
    diff_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image or an index, as a registry stores it; of an index the blobs are those of its children."""

    manifest: bytes
    media_type: str
    blobs: Mapping[str, bytes]
    config_digest: str | None = None
    architecture: str | None = None
    children: tuple[Image, ...] = field(default=())
    about: str | None = None
    """Of an attestation: the digest of the image that it is about."""

    @property
    def digest(self) -> str:
        """Return the manifest's digest, `sha256:…`."""
        return digest_of(self.manifest)

    def walk(self) -> Iterator[Image]:
        """Yield the children and theirs, then this image: the order in which a registry accepts them."""
        for child in self.children:
            yield from child.walk()
        yield self


def digest_of(content: bytes) -> str:
    """Return `sha256:…` of the bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def make_layer(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> Layer:
    """Pack executable files (path to content) and symbolic links (path to target); equal input gives equal bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        for path, target in (links or {}).items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    tarball = packed.getvalue()
    return Layer(blob=gzip.compress(tarball, compresslevel=1, mtime=0), diff_id=digest_of(tarball))


def layer_of(blob: bytes) -> Layer:
    """The layer that a gzip-compressed tar is."""
    return Layer(blob=blob, diff_id=digest_of(gzip.decompress(blob)))


def make_random_layer(seed: str, size: int) -> Layer:
    """Make a layer of one file with `size` bytes that do not compress; equal seeds give equal layers."""
    return make_layer({f"data/{seed}": random.Random(seed).randbytes(size)})


def make_image(
    seed: str,
    *,
    layers: int | Sequence[Layer] = 1,
    size: int = 1000,
    architecture: str = "amd64",
    command: Sequence[str] = ("/bin/sh",),
    docker: bool = False,
    labels: Mapping[str, str] | None = None,
    urls: Mapping[int, Sequence[str]] | None = None,
) -> Image:
    """Make an image for linux; another seed gives another digest.

    `layers`: how many random ones of `size` bytes, or the layers themselves (share them between images at will).
    `docker`: media types of docker's schema 2 in place of OCI's. `urls`: those that layers have of their own, by number
    (-1: the config).
    """
    if isinstance(layers, int):
        layers = [make_random_layer(f"{seed}-{number}", size) for number in range(layers)]
    config = _json(
        {
            "architecture": architecture,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": list(command), "Env": ["PATH=/bin"], "Labels": {"seed": seed, **(labels or {})}},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "the test bench"} for _ in layers],
        }
    )
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _descriptor(DOCKER_CONFIG if docker else OCI_CONFIG, config) | _urls(urls, -1),
        "layers": [
            _descriptor(DOCKER_LAYER if docker else OCI_LAYER, layer.blob) | _urls(urls, number)
            for number, layer in enumerate(layers)
        ],
    }
    return Image(
        manifest=_json(manifest),
        media_type=media_type,
        blobs={digest_of(blob): blob for blob in (config, *(layer.blob for layer in layers))},
        config_digest=digest_of(config),
        architecture=architecture,
    )


def make_index(children: Sequence[Image], *, docker: bool = False) -> Image:
    """Make a multi-architecture index (`docker`: a schema 2 manifest list) of images."""
    media_type = DOCKER_LIST if docker else OCI_INDEX
    entries = [_entry(child) for child in children]
    return Image(
        manifest=_json({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}),
        media_type=media_type,
        blobs={digest: blob for child in children for digest, blob in child.blobs.items()},
        children=tuple(children),
    )


def make_multi_architecture(seed: str, *, docker: bool = False) -> Image:
    """Make an index of one small image for amd64 and one for arm64."""
    children = [
        make_image(f"{seed}-{architecture}", architecture=architecture, docker=docker)
        for architecture in ("amd64", "arm64")
    ]
    return make_index(children, docker=docker)


def make_bases(seed: str, *, layers: int = 3, size: int = 2000) -> dict[str, list[Layer]]:
    """Make the layers that many images share, other ones for each of the four architectures."""
    return {
        architecture: [make_random_layer(f"{seed}-{architecture}-{number}", size) for number in range(layers)]
        for architecture in ARCHITECTURES
    }


def make_operator(seed: str, bases: Mapping[str, Sequence[Layer]], *, docker: bool = False, size: int = 500) -> Image:
    """Make an index as operators are: for each architecture its base layers and one of the image's own."""
    children = [
        make_image(
            f"{seed}-{architecture}",
            layers=[*base, make_random_layer(f"{seed}-{architecture}", size)],
            architecture=architecture,
            docker=docker,
        )
        for architecture, base in bases.items()
    ]
    return make_index(children, docker=docker)


def make_attestation(image: Image) -> Image:
    """Make what BuildKit puts into an index beside `image`: a statement about it, in the form of an image."""
    statement = _json({"_type": "https://in-toto.io/Statement/v0.1", "subject": [image.digest]})
    config = _json({"architecture": "unknown", "os": "unknown", "rootfs": {"type": "layers", "diff_ids": []}})
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(OCI_CONFIG, config),
        "layers": [_descriptor(IN_TOTO, statement)],
    }
    return Image(
        manifest=_json(manifest),
        media_type=OCI_MANIFEST,
        blobs={digest_of(blob): blob for blob in (config, statement)},
        config_digest=digest_of(config),
        about=image.digest,
    )


def _entry(child: Image) -> dict[str, Any]:
    entry = _descriptor(child.media_type, child.manifest)
    if child.about is not None:
        kind = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": child.about}
        return entry | {"annotations": kind, "platform": {"os": "unknown", "architecture": "unknown"}}
    if child.architecture is None:  # an index
        return entry
    return entry | {"platform": {"os": "linux", "architecture": child.architecture}}


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _urls(urls: Mapping[int, Sequence[str]] | None, number: int) -> dict[str, Any]:
    return {"urls": list(urls[number])} if urls and number in urls else {}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode()
