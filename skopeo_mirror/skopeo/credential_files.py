"""Files of credentials and certificates that skopeo looks at, for advice when a registry refuses, or is refused.

The rules are those of containers-auth.json(5), skopeo(1) and containers-certs.d(5). Only names are read, no secret.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skopeo_mirror.files import LARGEST_DOCUMENT, home_directory, read_regular
from skopeo_mirror.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def auth_files(given: str | None, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The auth files that skopeo reads, in order, whether they exist or not; `given` is `--authfile` or its like."""
    if given is not None:
        return (Path(given),)
    if environment.get("REGISTRY_AUTH_FILE"):
        return (Path(environment["REGISTRY_AUTH_FILE"]),)
    if environment.get("DOCKER_CONFIG"):
        return (Path(environment["DOCKER_CONFIG"], "config.json"),)
    home = home_directory(environment)
    runtime = environment.get("XDG_RUNTIME_DIR")
    return (
        Path(runtime, "containers/auth.json") if runtime else Path(f"/run/containers/{os.getuid()}/auth.json"),
        Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "containers/auth.json"),
        home / ".docker/config.json",
        home / ".dockercfg",
    )


def auth_file_for(host: str, files: Sequence[Path]) -> Path | None:
    """The first of `files` that has an entry for a registry host, or for a namespace of it."""
    for file in files:
        with suppress(OSError, ValueError, AttributeError, TypeError):  # none, or no auth file
            content = parse_json(read_regular(file, at_most=LARGEST_DOCUMENT))
            if any(_is_for(host, entry) for entry in [*content.get("auths", {}), *content.get("credHelpers", {})]):
                return file
    return None


def credential_trouble(host: str, files: Sequence[Path], environment: Mapping[str, str]) -> str | None:
    """Why skopeo could not look for the credentials of `host` in `files`, in words with the file; None where it can.

    It reads them in order, as far as one that has an entry for the host, and fails at one that it cannot understand
    (observed). The secrets in them are not looked at.
    """
    for file in files:
        try:
            content: Any = json.loads(file.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            return f"{file}: cannot be read: {error.strerror}"
        except json.JSONDecodeError as error:
            return f"{file}: is no JSON (line {error.lineno}, column {error.colno}); skopeo reads credentials from it"
        except (ValueError, RecursionError):
            return f"{file}: is no JSON; skopeo reads credentials from it"
        content = {} if content is None else content
        if not isinstance(content, dict) or not _is_auth_file(content):
            return f"{file}: is no auth file as skopeo and podman write it (`auths` and `credHelpers` are tables)"
        helper = (content.get("credHelpers") or {}).get(host)
        if helper:
            program = f"docker-credential-{helper}"
            if shutil.which(program, path=environment.get("PATH", os.defpath)) is None:
                return f"{file}: names the credential helper {program} for {host}, which is not found on PATH"
            return None
        if any(_is_for(host, entry) for entry in content.get("auths") or {}):
            return None
    return None


def certificate_directories(given: str | None, host: str, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where skopeo looks for a host's certificates: the first that exists counts; `given` is `--src-cert-dir`."""
    if given is not None:
        return (Path(given),)
    home = home_directory(environment)
    parents = (home / ".config/containers/certs.d", Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))
    return tuple(parent / host for parent in parents)


def _is_auth_file(content: dict[str, Any]) -> bool:
    auths, helpers = content.get("auths"), content.get("credHelpers")
    return (
        isinstance(auths, dict | None)
        and all(isinstance(entry, dict | None) for entry in (auths or {}).values())
        and isinstance(helpers, dict | None)
        and all(isinstance(helper, str) for helper in (helpers or {}).values())
    )


def _is_for(host: str, entry: str) -> bool:
    """`entry` is a host, a host with a namespace, or a URL as old docker wrote it."""
    return entry.removeprefix("https://").removeprefix("http://").partition("/")[0] == host
