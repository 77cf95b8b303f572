"""Simple signing: keys of the rig's own, signatures in a lookaside, registries.d, and policies that ask for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .images import Image
    from .program import Program

ANYTHING: dict[str, Any] = {"type": "insecureAcceptAnything"}
REJECT: dict[str, Any] = {"type": "reject"}
SIGNER = "signer@example.com"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookaside:
    """A directory of signatures beside a registry."""

    directory: Path

    @classmethod
    def of(cls, program: Program) -> Self:
        """Have the user's own registries.d name a directory beside the program's for every registry."""
        lookaside = cls(directory=program.directory / "lookaside")
        lookaside.directory.mkdir()
        configured = program.home / ".config/containers/registries.d/default.yaml"
        configured.parent.mkdir(parents=True)
        configured.write_text(f"default-docker:\n  lookaside: file://{lookaside.directory}\n", encoding="utf-8")
        return lookaside

    def keys(self) -> dict[str, object]:
        """Return what registries.d says of a host whose signatures are here."""
        return {"sigstore": f"file://{self.directory}"}

    def files(self, repository: str, image: Image) -> list[Path]:
        """Return the files of an image's signatures, in order."""
        return sorted(self.place(repository, image).glob("signature-*"))

    def place(self, repository: str, image: Image) -> Path:
        """Return where the signatures of an image are."""
        return self.directory / f"{repository}@{image.digest.replace(':', '=')}"


class Signer:
    """A GnuPG home with one key, of `SIGNER`; use it as a context manager."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))  # the agent's socket needs a short path
        self.key = self.home / "public.gpg"
        self._environment = os.environ | {"GNUPGHOME": str(self.home)}

    def __enter__(self) -> Self:
        self._gpg("gpg", "--passphrase", "", "--quick-generate-key", SIGNER, "rsa2048", "sign", "never")
        self._gpg("gpg", "--output", str(self.key), "--export", SIGNER)
        return self

    def __exit__(self, *_: object) -> None:
        self._gpg("gpgconf", "--kill", "gpg-agent")
        shutil.rmtree(self.home, ignore_errors=True)

    def sign(self, image: Image, reference: str, lookaside: Lookaside, repository: str) -> bytes:
        """Say that the image (of an index: the index alone) is `reference`, and let it be found for `repository`.

        Return the signature.
        """
        place = lookaside.place(repository, image)
        place.mkdir(parents=True, exist_ok=True)
        manifest = self.home / "manifest"
        manifest.write_bytes(image.manifest)
        signature = place / f"signature-{len(list(place.iterdir())) + 1}"
        self._run("skopeo", "standalone-sign", str(manifest), reference, SIGNER, "--output", str(signature))
        return signature.read_bytes()

    def signed(self, identity: dict[str, Any] | None = None) -> dict[str, Any]:
        """The requirement that an image has a signature of this key, for a name as `identity` says."""
        requirement = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(self.key)}
        return requirement if identity is None else requirement | {"signedIdentity": identity}

    def _gpg(self, program: str, *arguments: str) -> str:
        return self._run(program, *(["--batch", "--quiet"] if program == "gpg" else []), *arguments)

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, env=self._environment, capture_output=True, encoding="utf-8", check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout


def say_where_signatures_are(program: Program, hosts: Mapping[str, Mapping[str, object]], name: str = "bench") -> None:
    """Write a file of the user's registries.d: what it says of each host."""
    directory = program.home / ".config/containers/registries.d"
    directory.mkdir(parents=True, exist_ok=True)
    lines = ["docker:"]
    for host, keys in hosts.items():
        lines += [f"  {host}:", *(f"    {key}: {json.dumps(value)}" for key, value in keys.items())]
    (directory / f"{name}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_policy(program: Program, default: dict[str, Any], scopes: dict[str, dict[str, Any]] | None = None) -> str:
    """Write a policy.json with one requirement for each scope of registries; return its path."""
    file = program.directory / "policy.json"
    transports = {"docker": {scope: [one] for scope, one in (scopes or {}).items()}}
    file.write_text(json.dumps({"default": [default], "transports": transports}), encoding="utf-8")
    return str(file)
