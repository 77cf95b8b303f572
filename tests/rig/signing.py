"""Simple signing: a key of the rig's own, signatures in a lookaside, and policies that ask for them."""

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
    from .images import Image
    from .program import Program

ANYTHING: dict[str, Any] = {"type": "insecureAcceptAnything"}
REJECT: dict[str, Any] = {"type": "reject"}


class Signer:
    """A GnuPG home with one key; use it as a context manager."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))  # the agent's socket needs a short path
        self.key = self._home / "public.gpg"
        self._environment = os.environ | {"GNUPGHOME": str(self._home)}

    def __enter__(self) -> Self:
        self._gpg("gpg", "--passphrase", "", "--quick-generate-key", "bench@example.test", "rsa2048", "sign", "never")
        self._gpg("gpg", "--output", str(self.key), "--export", "bench@example.test")
        return self

    def __exit__(self, *_: object) -> None:
        self._gpg("gpgconf", "--kill", "gpg-agent")
        shutil.rmtree(self._home, ignore_errors=True)

    def sign(self, image: Image, reference: str, repository: str, lookaside: Path) -> None:
        """Say that the image (of an index: the index alone) is `reference`, and let it be found for `repository`."""
        directory = lookaside / f"{repository}@{image.digest.replace(':', '=')}"
        directory.mkdir(parents=True)
        manifest = self._home / "manifest"
        manifest.write_bytes(image.manifest)
        signature = str(directory / "signature-1")
        fingerprint = self._fingerprint()
        self._run("skopeo", "standalone-sign", str(manifest), reference, fingerprint, "--output", signature)

    def signed(self, identity: dict[str, Any] | None = None) -> dict[str, Any]:
        """The requirement that an image has a signature of this key, for a name as `identity` says."""
        requirement = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(self.key)}
        return requirement if identity is None else requirement | {"signedIdentity": identity}

    def _fingerprint(self) -> str:
        listed = self._gpg("gpg", "--with-colons", "--list-keys").splitlines()
        return next(line.split(":")[9] for line in listed if line.startswith("fpr"))

    def _gpg(self, program: str, *arguments: str) -> str:
        return self._run(program, *(["--batch", "--quiet"] if program == "gpg" else []), *arguments)

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, env=self._environment, capture_output=True, encoding="utf-8", check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookaside:
    """Signatures in a directory, for every registry, as the program's user has configured it."""

    directory: Path

    @classmethod
    def of(cls, program: Program) -> Self:
        """Have the user's own registries.d name a directory beside the program's."""
        directory = program.directory / "lookaside"
        directory.mkdir()
        configured = program.home / ".config/containers/registries.d/default.yaml"
        configured.parent.mkdir(parents=True)
        configured.write_text(f"default-docker:\n  lookaside: file://{directory}\n", encoding="utf-8")
        return cls(directory=directory)

    @staticmethod
    def for_registry(program: Program, host: str, directory: Path) -> None:
        """Have the user's own registries.d name `directory` for one registry."""
        configured = program.home / f".config/containers/registries.d/{host.replace(':', '-')}.yaml"
        configured.parent.mkdir(parents=True, exist_ok=True)
        configured.write_text(f"docker:\n  {host}:\n    lookaside: file://{directory}\n", encoding="utf-8")


def write_policy(program: Program, default: dict[str, Any], scopes: dict[str, dict[str, Any]] | None = None) -> str:
    """Write a policy.json with one requirement for each scope of registries; return its path."""
    file = program.directory / "policy.json"
    transports = {"docker": {scope: [one] for scope, one in (scopes or {}).items()}}
    file.write_text(json.dumps({"default": [default], "transports": transports}), encoding="utf-8")
    return str(file)
