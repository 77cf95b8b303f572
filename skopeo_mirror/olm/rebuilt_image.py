"""A catalog's image with two more layers: each architecture's, and the index over them, in a layout of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - a dataclass' field
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.json_text import InvalidJson, object_at, parse_json
from skopeo_mirror.manifest import DOCKER, InvalidManifest, digest_of, parse_manifest
from skopeo_mirror.oci_layout import blob_file, new_blob_file, read_manifest, write_layout
from skopeo_mirror.olm.file_based_catalog import CONFIGS_LABEL, DEFAULT_CONFIGS
from skopeo_mirror.reference import Digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from skopeo_mirror.manifest import Manifest
    from skopeo_mirror.olm.filtering import NewLayer

_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_CONFIGS: Final = {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
_DEEPEST: Final = 4


def rebuild(layout: Path, top: Digest, layers: Sequence[NewLayer], into: Path) -> Digest:
    """Lay `layers` over every image of `top` in `layout`; the digest of what comes of it, which `into` holds alone.

    Blobs that stay are links to those of `layout`. What an index says about its images (attestations) is left out: it
    is about others. Raises InvalidInput for what is missing there, or is no image; OSError.
    """
    rebuilding = _Rebuilding(layout=layout, into=into, layers=layers)
    for layer in layers:
        rebuilding.place(layer.digest).symlink_to(layer.file.absolute())
    made = rebuilding.manifest(top)
    if not rebuilding.images:
        raise InvalidInput([f"{top} holds no image, and so nothing that a catalog could be made of"])
    write_layout(into, made)
    return Digest.parse(made["digest"])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rebuilding:
    layout: Path
    into: Path
    layers: Sequence[NewLayer]
    made: dict[Digest, dict[str, Any]] = field(default_factory=dict)
    images: list[Digest] = field(default_factory=list)
    """Those that were given the layers."""

    def manifest(self, digest: Digest, depth: int = 0) -> dict[str, Any]:
        """Rebuild an image or an index; the descriptor's fields of what comes of it."""
        if depth > _DEEPEST:
            raise InvalidInput([f"{digest}: an index within an index, more than {_DEEPEST} deep"])
        if digest not in self.made:
            content = self._read(digest)
            try:
                parsed = parse_manifest(content)
                document = parse_json(content)
            except (InvalidManifest, InvalidJson) as error:
                raise InvalidInput([f"{digest} {error}"]) from error
            if "manifests" in document:
                self._index(document, parsed, depth)
            elif parsed.blobs[0].media_type in _CONFIGS:
                self._image(document, parsed)
                self.images.append(digest)
            else:  # an artifact in the index stays what it is
                for one in (digest, *(blob.digest for blob in parsed.blobs)):
                    self._link(one)
                return {"digest": str(digest), "size": len(content)}
            self.made[digest] = self._write(document, document.get("mediaType"))
        return self.made[digest]

    def _index(self, document: dict[str, Any], parsed: Manifest, depth: int) -> None:
        kept = [
            entry
            for entry, child in zip(document["manifests"] or (), parsed.children, strict=True)
            if child.about is None and (child.platform is None or child.platform.os != "unknown")
        ]
        document["manifests"] = [
            {**_bare(entry), **_numbers(self.manifest(Digest.parse(entry["digest"]), depth + 1))} for entry in kept
        ]

    def _image(self, document: dict[str, Any], parsed: Manifest) -> None:
        for blob in parsed.blobs[1:]:
            self._link(blob.digest)
        described = parsed.blobs[0]
        try:
            config = parse_json(self._read(described.digest))
        except InvalidJson as error:
            raise InvalidInput([f"{described.digest}: {error}"]) from error
        _offer(config, self.layers)
        document["config"] = {**_bare(document["config"]), **_numbers(self._write(config))}
        docker = described.media_type.startswith(DOCKER)
        document["layers"] = [
            *(document.get("layers") or ()),
            *(
                {
                    "mediaType": _DOCKER_LAYER if docker else _LAYER,
                    "digest": str(layer.digest),
                    "size": layer.size,
                }
                for layer in self.layers
            ),
        ]

    def _read(self, digest: Digest) -> bytes:
        """A manifest's or a config's bytes, held against the digest."""
        try:
            content = read_manifest(self.layout, digest)
        except OSError as error:
            raise InvalidInput([f"blob {digest} cannot be read: {error.strerror}"]) from error
        if digest_of(content, digest.algorithm) != digest:
            raise InvalidInput([f"blob {digest} is damaged: its bytes have another digest"])
        return content

    def _link(self, digest: Digest) -> None:
        place = self.place(digest)
        if not place.is_symlink():
            place.symlink_to(blob_file(self.layout, digest).absolute())

    def _write(self, document: Mapping[str, Any], media_type: str | None = None) -> dict[str, Any]:
        content = json.dumps(document, separators=(",", ":")).encode()
        digest = digest_of(content)
        place = self.place(digest)
        if not place.exists():
            place.write_bytes(content)
        typed = {} if media_type is None else {"mediaType": media_type}
        return {**typed, "digest": str(digest), "size": len(content)}

    def place(self, digest: Digest) -> Path:
        """Where a blob is to be."""
        return new_blob_file(self.into, digest)


def _bare(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    """A descriptor without the content that it may hold itself: that is another now."""
    return {key: value for key, value in descriptor.items() if key != "data"}


def _numbers(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    return {key: descriptor[key] for key in ("digest", "size")}


def _offer(config: Any, layers: Sequence[NewLayer]) -> None:
    """Make an image's configuration one that serves what `layers` bring. Raises InvalidInput."""
    rootfs = config.get("rootfs") if isinstance(config, dict) else None
    if not isinstance(rootfs, dict) or not isinstance(rootfs.get("diff_ids"), list):
        raise InvalidInput(["the image's configuration has no list of `diff_ids`"])
    settings = object_at(config, "config")
    labels = {**object_at(settings, "Labels"), CONFIGS_LABEL: DEFAULT_CONFIGS}
    # what an image has of opm's cache is of the whole catalog: `--cache-dir` must not stay
    config["config"] = {**settings, "Cmd": ["serve", DEFAULT_CONFIGS], "Labels": labels}
    rootfs["diff_ids"] = [*rootfs["diff_ids"], *(str(layer.diff_id) for layer in layers)]
    if isinstance(config.get("history"), list):  # it speaks of every layer or of none
        config["history"] = [
            *config["history"],
            *({"created_by": f"skopeo-mirror copy --filter-catalogs: {layer.purpose}"} for layer in layers),
        ]
