"""Signatures of images: attached to them as cosign does it, or in a lookaside as gpg makes them; registries.d."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .images import OCI_CONFIG, OCI_MANIFEST, Image, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .program import Program

SIGNER = "signer@example.com"


def signature_tag(image: Image) -> str:
    """Return the tag under which an image's signatures are attached."""
    return f"{image.digest.replace(':', '-')}.sig"


def make_attached(image: Image, *signers: str) -> Image:
    """Make what cosign attaches to an image that these have signed: a layer each, of one and the same payload."""
    payload = json.dumps({"critical": {"image": {"docker-manifest-digest": image.digest}}}).encode()
    config = json.dumps({"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers"}}).encode()
    layers = [
        {
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": digest_of(payload),
            "size": len(payload),
            "annotations": {"dev.cosignproject.cosign/signature": signer},
        }
        for signer in signers
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": layers,
    }
    return Image(
        manifest=json.dumps(manifest).encode(),
        media_type=OCI_MANIFEST,
        blobs={digest_of(blob): blob for blob in (config, payload)},
        config_digest=digest_of(config),
    )


def attached_by(manifest: bytes | None) -> list[str]:
    """Return who has signed, of what is attached to an image."""
    layers = json.loads(manifest)["layers"] if manifest is not None else []
    return sorted(layer["annotations"]["dev.cosignproject.cosign/signature"] for layer in layers)


def say_where_signatures_are(program: Program, hosts: Mapping[str, Mapping[str, object]], name: str = "bench") -> None:
    """Write a file of the user's registries.d: what it says of each host."""
    directory = program.home / ".config/containers/registries.d"
    directory.mkdir(parents=True, exist_ok=True)
    lines = ["docker:"]
    for host, keys in hosts.items():
        lines += [f"  {host}:", *(f"    {key}: {json.dumps(value)}" for key, value in keys.items())]
    (directory / f"{name}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookaside:
    """A directory of signatures beside a registry."""

    directory: Path

    def keys(self) -> dict[str, object]:
        """Return what registries.d says of a host whose signatures are here."""
        return {"sigstore": f"file://{self.directory}"}

    def files(self, repository: str, image: Image) -> list[Path]:
        """Return the files of an image's signatures, in order."""
        return sorted(self.of(repository, image).glob("signature-*"))

    def of(self, repository: str, image: Image) -> Path:
        """Return where the signatures of an image are."""
        return self.directory / f"{repository}@{image.digest.replace(':', '=')}"


@contextmanager
def signing_key() -> Iterator[Path]:
    """Give a directory for GNUPGHOME that has a key for `SIGNER`; its path is short, for the agent's socket."""
    directory = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))
    environment = os.environ | {"GNUPGHOME": str(directory)}
    gpg = ["gpg", "--batch", "--quiet", "--passphrase", ""]
    try:
        new_key = ["--quick-gen-key", SIGNER, "default", "default", "never"]
        subprocess.run([*gpg, *new_key], env=environment, check=True, capture_output=True)
        yield directory
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False, capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)


def sign(keys: Path, image: Image, reference: str, lookaside: Lookaside, repository: str) -> bytes:
    """Have skopeo sign an image, with gpg, as `reference`; return the signature, which is in the lookaside then."""
    place = lookaside.of(repository, image)
    place.mkdir(parents=True, exist_ok=True)
    (keys / "manifest.json").write_bytes(image.manifest)
    signature = place / f"signature-{len(list(place.iterdir())) + 1}"
    subprocess.run(
        ["skopeo", "standalone-sign", str(keys / "manifest.json"), reference, SIGNER, "-o", str(signature)],
        env=os.environ | {"GNUPGHOME": str(keys)},
        check=True,
        capture_output=True,
    )
    return signature.read_bytes()
