"""The images that the contenders copy: made once as one OCI layout on disk, and published to registries from there."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tests.rig.images import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


REF_NAME = "org.opencontainers.image.ref.name"
ORIGIN = "origin.example"  # reached by no contender: registries.conf names a mirror for it

Descriptor = dict[str, Any]


class Readable(Protocol):
    """What a tar reads a member's content from."""

    def read(self, size: int = ..., /) -> bytes:
        """At most `size` bytes; none at the end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """The media types of one kind of image."""

    manifest: str
    index: str
    config: str
    layer: str


OCI = Form(manifest=OCI_MANIFEST, index=OCI_INDEX, config=OCI_CONFIG, layer=OCI_LAYER)
DOCKER = Form(manifest=DOCKER_MANIFEST, index=DOCKER_LIST, config=DOCKER_CONFIG, layer=DOCKER_LAYER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """One image of a workload: `repository` below the registry, and the descriptor of its manifest or index."""

    repository: str
    top: Descriptor

    @property
    def digest(self) -> str:
        """The digest that the image is given by, `sha256:…`."""
        return str(self.top["digest"])

    @property
    def reference(self) -> str:
        """The image as the contenders are given it."""
        return f"{ORIGIN}/{self.repository}@{self.digest}"

    @property
    def tag(self) -> str:
        """The tag that an image given by digest gets at a registry."""
        return self.digest.replace("sha256:", "pin-sha256-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Images, whose blobs lie in the OCI layout `layout`."""

    images: tuple[Image, ...]
    layout: Path

    def __str__(self) -> str:
        """How many, and how large: the beginning of a title."""
        count = len(self.images)
        return f"{count} image{'s' if count > 1 else ''}, {self.unique_bytes / 1e6:.1f} MB unique"

    @property
    def unique_bytes(self) -> int:
        """Bytes of all configs and layers, each counted once: what a perfect tool pulls."""
        blobs = {blob["digest"]: blob["size"] for image in self.images for blob, _ in self.blobs(image)}
        return sum(blobs.values())

    def manifests(self, image: Image) -> Iterator[tuple[Descriptor, bytes]]:
        """The image's manifests as descriptor and bytes: an index last, after its children."""
        raw = self.path(image.top).read_bytes()
        for child in json.loads(raw).get("manifests", ()):
            yield child, self.path(child).read_bytes()
        yield image.top, raw

    def blobs(self, image: Image) -> Iterator[tuple[Descriptor, Path]]:
        """The image's configs and layers as descriptor and file."""
        for _, raw in self.manifests(image):
            manifest = json.loads(raw)
            if "config" in manifest:
                for blob in (manifest["config"], *manifest["layers"]):
                    yield blob, self.path(blob)

    def path(self, blob: Descriptor) -> Path:
        """The blob's file in the layout."""
        return self.layout / "blobs" / "sha256" / str(blob["digest"]).removeprefix("sha256:")


class Maker:
    """Makes images of one form in an OCI layout; the same calls give the same digests on every machine."""

    def __init__(self, layout: Path, form: Form = OCI) -> None:
        self.layout = layout
        self._form = form
        self._random = random.Random(layout.name)  # noqa: S311 - content that does not compress, not a secret
        self._blobs = layout / "blobs" / "sha256"
        self._blobs.mkdir(parents=True)

    def layer(self, size: int) -> tuple[Descriptor, str]:
        """A layer of one file with `size` random bytes, stored uncompressed: nothing would make it smaller."""
        return self.packed([("content", size, _Noise(self._random, size))], level=0)

    def packed(self, files: Iterable[tuple[str, int, Readable]], level: int) -> tuple[Descriptor, str]:
        """A gzipped tar of files (name, size, content): its descriptor, and the digest of the bare tar."""
        with tempfile.TemporaryFile() as bare, tempfile.NamedTemporaryFile(dir=self.layout, delete=False) as packed:
            with tarfile.open(fileobj=bare, mode="w") as tar:
                for name, size, content in files:
                    member = tarfile.TarInfo(name)
                    member.size = size
                    tar.addfile(member, content)
            bare.seek(0)
            diff_id = "sha256:" + hashlib.file_digest(bare, "sha256").hexdigest()
            bare.seek(0)
            with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=level, mtime=0, filename="") as zipped:
                shutil.copyfileobj(bare, zipped)
            packed.seek(0)
            digest = hashlib.file_digest(packed, "sha256").hexdigest()
            descriptor = {"mediaType": self._form.layer, "digest": f"sha256:{digest}", "size": packed.tell()}
        (self.layout / packed.name).rename(self._blobs / digest)
        return descriptor, diff_id

    def manifest(self, layers: list[tuple[Descriptor, str]], architecture: str = "amd64", **labels: str) -> Descriptor:
        """An image of these layers; the labels tell it from others of the same layers."""
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        }
        return self._document(
            self._form.manifest,
            {
                "schemaVersion": 2,
                "mediaType": self._form.manifest,
                "config": self._document(self._form.config, config),
                "layers": [descriptor for descriptor, _ in layers],
            },
        )

    def index(self, children: dict[str, Descriptor]) -> Descriptor:
        """An index, or a Docker manifest list, of one manifest an architecture."""
        manifests = [
            child | {"platform": {"architecture": architecture, "os": "linux"}}
            for architecture, child in children.items()
        ]
        media_type = self._form.index
        return self._document(media_type, {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests})

    def workload(self, tops: list[Descriptor]) -> Workload:
        """The images of these manifests or indexes, as `bench/app-0000` and so on."""
        images = tuple(Image(repository=f"bench/app-{number:04}", top=top) for number, top in enumerate(tops))
        return Workload(images=images, layout=self.layout)

    def _document(self, media_type: str, content: dict[str, Any]) -> Descriptor:
        raw = json.dumps(content).encode()
        digest = hashlib.sha256(raw).hexdigest()
        (self._blobs / digest).write_bytes(raw)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(raw)}


class _Noise:
    """A file of random bytes that is never in memory as a whole."""

    def __init__(self, source: random.Random, size: int) -> None:
        self._source = source
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        self._left -= size
        return self._source.randbytes(size)


def sharing(layout: Path, *, images: int, bases: int, base_size: int, own_size: int) -> Workload:
    """Images of two layers: one of a few large base layers, in turn, and a small one of their own."""
    make = Maker(layout)
    base_layers = [make.layer(base_size) for _ in range(bases)]
    return make.workload(
        [make.manifest([base_layers[number % bases], make.layer(own_size)]) for number in range(images)]
    )


def small(layout: Path, *, images: int) -> Workload:
    """Images that share their only layer, of 1 kB, and differ in their configs: they cost nothing but requests."""
    make = Maker(layout)
    layer = make.layer(1000)
    return make.workload([make.manifest([layer], number=str(number)) for number in range(images)])


def single(layout: Path, *, layers: int, size: int) -> Workload:
    """One image of `size` bytes in equal layers."""
    make = Maker(layout)
    return make.workload([make.manifest([make.layer(size // layers) for _ in range(layers)])])


def multi_architecture(
    layout: Path, *, form: Form, images: int, architectures: Sequence[str], base_sizes: Sequence[int], own_size: int
) -> Workload:
    """Indexes of images that share the base layers of their architecture and have a small layer of their own."""
    make = Maker(layout, form)
    bases = {architecture: [make.layer(size) for size in base_sizes] for architecture in architectures}
    return make.workload(
        [
            make.index(
                {
                    architecture: make.manifest([*shared, make.layer(own_size)], architecture)
                    for architecture, shared in bases.items()
                }
            )
            for _ in range(images)
        ]
    )


def address(workload: Workload) -> str:
    """Make the layout whole, each image under its reference, so that tools can read it; return its address."""
    manifests = [image.top | {"annotations": {REF_NAME: image.reference}} for image in workload.images]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    (workload.layout / "index.json").write_text(json.dumps(index))
    (workload.layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{workload.layout}"
