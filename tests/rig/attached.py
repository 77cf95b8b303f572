"""What is attached to an image under names of its digest, as cosign and the clients of referrers attach it."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .images import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Image, digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .faulty import FaultyRegistry
    from .registry import Registry

KINDS = ("sig", "att", "sbom", "referrers")
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
EMPTY = "application/vnd.oci.empty.v1+json"
CYCLONEDX = "application/vnd.cyclonedx+json"
_TYPES = {"sig": SIMPLE_SIGNING, "att": "application/vnd.dsse.envelope.v1+json", "sbom": "text/spdx"}


def tag_of(subject: Image, kind: str) -> str:
    """Return the tag that what is attached to an image has: `sha256-….sig`, of referrers `sha256-…`."""
    stem = subject.digest.replace(":", "-")
    return stem if kind == "referrers" else f"{stem}.{kind}"


def make_attachment(subject: Image, kind: str, *, seed: str = "") -> Image:
    """Make a signature, an attestation or an SBOM (`sig`, `att`, `sbom`) of an image; another seed makes another."""
    content = json.dumps({"of": subject.digest, "kind": kind, "seed": seed}).encode()
    return _in_the_form_of_an_image([(_TYPES[kind], content, {SIGNATURE: "none"} if kind == "sig" else {})])


def make_signatures(image: Image, *signers: str) -> Image:
    """Make what cosign attaches to an image that these have signed: a layer each, of one and the same payload."""
    payload = json.dumps({"critical": {"image": {"docker-manifest-digest": image.digest}}}).encode()
    return _in_the_form_of_an_image([(SIMPLE_SIGNING, payload, {SIGNATURE: signer}) for signer in signers])


def signed_by(manifest: bytes | None) -> list[str]:
    """Return who has signed, of what is attached to an image."""
    layers = json.loads(manifest)["layers"] if manifest is not None else []
    return sorted(layer["annotations"][SIGNATURE] for layer in layers)


def make_artifact(subject: Image, *, seed: str = "", artifact_type: str = CYCLONEDX) -> Image:
    """Make an artifact that names its subject, as oras and notation push it."""
    config, content = b"{}", json.dumps({"bom": seed}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": _descriptor(EMPTY, config),
        "layers": [_descriptor(artifact_type, content)],
        "subject": _descriptor(subject.media_type, subject.manifest),
    }
    return Image(
        manifest=json.dumps(manifest).encode(),
        media_type=OCI_MANIFEST,
        blobs={digest_of(blob): blob for blob in (config, content)},
        config_digest=digest_of(config),
    )


def make_referrers(artifacts: Sequence[Image], *, typed: bool = False) -> Image:
    """Make the index that lists artifacts under the fallback tag; `typed`: each with its `artifactType`.

    Those who follow the specification write that type; skopeo 1.9.3 cannot write such an index.
    """
    entries = [
        _descriptor(artifact.media_type, artifact.manifest)
        | ({"artifactType": json.loads(artifact.manifest)["artifactType"]} if typed else {})
        for artifact in artifacts
    ]
    return Image(
        manifest=json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode(),
        media_type=OCI_INDEX,
        blobs={digest: blob for artifact in artifacts for digest, blob in artifact.blobs.items()},
        children=tuple(artifacts),
    )


def attach(
    registry: Registry | FaultyRegistry, repository: str, subject: Image, kind: str, made: Image | None = None
) -> Image:
    """Attach `made` to an image (without it: a new one of `kind`, of referrers one artifact); return what it is."""
    if made is None:
        made = make_referrers([make_artifact(subject)]) if kind == "referrers" else make_attachment(subject, kind)
    push = registry.push if hasattr(registry, "push") else registry.serve
    push(repository, made, tag_of(subject, kind))
    return made


@dataclass(frozen=True, kw_only=True, slots=True)
class CosignKey:
    """A pair of keys with which images are signed as cosign does it, in a directory."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> CosignKey:
        """Make the keys."""
        key = cls(directory=directory)
        directory.mkdir(parents=True, exist_ok=True)
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key._private))
        _openssl("ec", "-in", str(key._private), "-pubout", "-out", str(key.public))
        return key

    @property
    def public(self) -> Path:
        """Return the file of the public key."""
        return self.directory / "cosign.pub"

    @property
    def _private(self) -> Path:
        return self.directory / "cosign.key"

    def sign(self, image: Image, identity: str) -> Image:
        """Make the signature that says that the image is `identity`, a name with or without a tag."""
        payload = json.dumps(
            {
                "critical": {
                    "identity": {"docker-reference": identity},
                    "image": {"docker-manifest-digest": image.digest},
                    "type": "cosign container image signature",
                },
                "optional": None,
            }
        ).encode()
        signature = base64.b64encode(_openssl("dgst", "-sha256", "-sign", str(self._private), stdin=payload)).decode()
        return _in_the_form_of_an_image([(SIMPLE_SIGNING, payload, {SIGNATURE: signature})])

    def demanded(self, identity: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what policy.json says to demand a signature of this key, for a name as `identity` says."""
        requirement = {"type": "sigstoreSigned", "keyPath": str(self.public)}
        return requirement if identity is None else requirement | {"signedIdentity": identity}


def _in_the_form_of_an_image(layers: Sequence[tuple[str, bytes, dict[str, str]]]) -> Image:
    diff_ids = [digest_of(content) for _, content, _ in layers]
    config = json.dumps(
        {"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(OCI_CONFIG, config),
        "layers": [
            _descriptor(media_type, content) | ({"annotations": annotations} if annotations else {})
            for media_type, content, annotations in layers
        ],
    }
    return Image(
        manifest=json.dumps(manifest).encode(),
        media_type=OCI_MANIFEST,
        blobs={digest_of(blob): blob for blob in (config, *(content for _, content, _ in layers))},
        config_digest=digest_of(config),
    )


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout
