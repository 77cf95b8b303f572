"""What the tests on indexes share: names, the parts in a report, and what a source was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .faulty import FaultyRegistry
    from .images import Image
    from .registry import Registry

TARGETS: Final = ("docker", "oci")
"""The destinations that take an index image by image."""


def named(target: str, destination: Registry) -> str:
    """Return one of `TARGETS` as the tool is given it."""
    return f"docker://{destination.host}" if target == "docker" else "oci:images"


def wanted(image: Image, tag: str = "v1") -> str:
    """Return an image of `ns/app` as the tool is asked for it."""
    return f"prod.invalid/ns/app:{tag}@{image.digest}"


def parts_of(image: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parts of an image of a report by their digests, each of which is there once."""
    parts = {part["digest"]: part for part in image.get("parts", [])}
    assert len(parts) == len(image.get("parts", []))
    return parts


def part_statuses(image: dict[str, Any]) -> dict[str, str]:
    """Return the status of each part by its digest."""
    return {digest: part["status"] for digest, part in parts_of(image).items()}


def digests_of(images: Iterable[Image]) -> set[str]:
    """Return the digests of images."""
    return {image.digest for image in images}


def blobs_of(*images: Image) -> dict[str, bytes]:
    """Return the blobs of images, each once."""
    return {digest: blob for image in images for digest, blob in image.blobs.items()}


def weight_of(*images: Image) -> int:
    """Return the bytes of images, of the indexes among them with all that is in them, each content once."""
    manifests = {part.digest: part.manifest for image in images for part in image.walk()}
    return sum(map(len, (manifests | blobs_of(*images)).values()))


def pulled(registry: Registry | FaultyRegistry) -> list[str]:
    """Return the digests of the blobs that a registry has given, sorted, each as often as it gave it."""
    return sorted(
        request.path.rpartition("/")[2]
        for request in registry.requests()
        if request.method == "GET" and "/blobs/" in request.path and request.status == 200
    )


def pulled_layers(registry: Registry | FaultyRegistry, *images: Image) -> list[str]:
    """Return the same of layers alone: skopeo reads a Docker image's config also to tell what the image consists of."""
    configs = {part.config_digest for image in images for part in image.walk()}
    return [digest for digest in pulled(registry) if digest not in configs]


def layers_of(*images: Image) -> list[str]:
    """Return the digests of the layers of images, sorted, each once."""
    return sorted(blobs_of(*images).keys() - {part.config_digest for image in images for part in image.walk()})


def pulled_bytes(registry: Registry | FaultyRegistry) -> int:
    """Return the bytes of the blobs that a registry has given."""
    return sum(request.size for request in registry.requests() if request.method == "GET" and "/blobs/" in request.path)


def holds_tree(registry: Registry | FaultyRegistry, repository: str, tag: str, image: Image) -> bool:
    """Tell whether a registry has the image under its tag, and all that is in it by digest."""
    return (
        registry.manifest(repository, tag) == image.manifest
        and all(registry.manifest(repository, part.digest) == part.manifest for part in image.walk())
        and all(registry.blob(repository, digest) == blob for digest, blob in image.blobs.items())
    )
