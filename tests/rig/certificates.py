"""A private certificate authority and a server certificate for 127.0.0.1, made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificates:
    """PEM files: `authority` signs `certificate`, whose private key is `key`; `cert_dir` suits `--src-cert-dir`."""

    authority: Path
    certificate: Path
    key: Path
    cert_dir: Path

    def server_context(self) -> ssl.SSLContext:
        """Return the TLS context of a server that shows the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return the TLS context of a client that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.authority))


def make_certificates(directory: Path) -> Certificates:
    """Make an authority and a certificate for 127.0.0.1 and localhost below `directory`, both valid for two days."""
    cert_dir = directory / "trusted"
    cert_dir.mkdir(parents=True)
    made = Certificates(
        authority=cert_dir / "ca.crt",
        certificate=directory / "server.crt",
        key=directory / "server.key",
        cert_dir=cert_dir,
    )
    authority_key = directory / "ca.key"
    _openssl("/CN=rig authority", authority_key, made.authority, "-addext", "keyUsage=critical,keyCertSign")
    _openssl(
        "/CN=rig server", made.key, made.certificate,
        "-CA", str(made.authority), "-CAkey", str(authority_key),
        "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
    )  # fmt: skip
    return made


def _openssl(subject: str, key: Path, certificate: Path, *more: str) -> None:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    command = ("openssl", "req", "-x509", *curve, "-days", "2", "-subj", subject)
    subprocess.run([*command, "-keyout", key, "-out", certificate, *more], check=True, capture_output=True)
