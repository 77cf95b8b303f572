"""Workloads and registries: put every image there, and find what is missing."""

from __future__ import annotations

import contextlib
import http.client
from http import HTTPStatus
from typing import IO, TYPE_CHECKING

from tests.rig.images import ACCEPTED

if TYPE_CHECKING:
    from scripts.benchmark.workload import Workload
    from tests.rig.registry import Registry


def publish(workload: Workload, registry: Registry, prefix: str = "", *, tagged: bool = False) -> None:
    """Put every image into the registry, below `prefix`, by digest or under the tag that a copy would give it.

    Raises RuntimeError when the registry refuses.
    """
    home: dict[str, str] = {}  # the repository where a blob lies already: others mount it from there
    with contextlib.closing(http.client.HTTPConnection(registry.host)) as client:

        def ask(method: str, path: str, body: bytes | IO[bytes] | None = None, **headers: str) -> tuple[int, str]:
            client.request(method, path, body, headers)
            answer = client.getresponse()
            text = answer.read()
            if answer.status not in {HTTPStatus.CREATED, HTTPStatus.ACCEPTED}:
                raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
            return answer.status, answer.getheader("Location", "")

        for image in workload.images:
            repository = prefix + image.repository
            for blob, file in workload.blobs(image):
                digest = blob["digest"]
                mount = f"?mount={digest}&from={home[digest]}" if digest in home else ""
                status, location = ask("POST", f"/v2/{repository}/blobs/uploads/{mount}")
                if status == HTTPStatus.ACCEPTED:
                    with file.open("rb") as body:
                        ask("PUT", f"{location}&digest={digest}", body, **{"Content-Length": str(blob["size"])})
                home.setdefault(digest, repository)
            for descriptor, raw in workload.manifests(image):
                name = image.tag if tagged and descriptor is image.top else descriptor["digest"]
                ask("PUT", f"/v2/{repository}/manifests/{name}", raw, **{"Content-Type": descriptor["mediaType"]})


def missing(workload: Workload, registry: Registry, prefix: str = "") -> list[str]:
    """What of the workload the registry lacks below `prefix`, of manifests by digest, configs and layers."""
    lacking = []
    with contextlib.closing(http.client.HTTPConnection(registry.host)) as client:
        for image in workload.images:
            manifests = [f"manifests/{descriptor['digest']}" for descriptor, _ in workload.manifests(image)]
            blobs = [f"blobs/{blob['digest']}" for blob, _ in workload.blobs(image)]
            for path in manifests + blobs:
                client.request("HEAD", f"/v2/{prefix}{image.repository}/{path}", headers={"Accept": ACCEPTED})
                answer = client.getresponse()
                answer.read()
                if answer.status != HTTPStatus.OK or not path.endswith(answer.getheader("Docker-Content-Digest", "?")):
                    lacking.append(f"{prefix}{image.repository}/{path}")
    return lacking
