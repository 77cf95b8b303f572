"""A docker-registry on loopback, emptied in a moment, whose access log counts what was asked of it."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_LIMIT = 10  # seconds

_CONFIG = """\
version: 0.1
log: {{level: info}}
storage:
  filesystem: {{rootdirectory: {root}}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: "127.0.0.1:0"}}
"""
_ACCESS = re.compile(r'"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[0-9.]+" (?P<status>\d+) (?P<bytes>\d+)')


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """What a registry was asked for: requests of any kind, and bytes of blobs that it sent."""

    requests: int
    blob_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """A running docker-registry that keeps everything in `folder`."""

    port: int
    folder: Path

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        """A connection for the benchmark's own requests, which no relay slows down."""
        return http.client.HTTPConnection(self.host)

    def empty(self) -> None:
        """Forget every image: the file system is the registry's only memory."""
        shutil.rmtree(self.folder / "storage", ignore_errors=True)

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[Traffic]]:
        """Count the traffic while the block runs; the list holds it afterwards."""
        log = self.folder / "access.log"
        start = log.stat().st_size
        traffic: list[Traffic] = []
        yield traffic
        with log.open() as lines:
            lines.seek(start)
            traffic.append(_count(lines))


def _count(lines: Iterator[str]) -> Traffic:
    requests = blob_bytes = 0
    for line in lines:
        if access := _ACCESS.search(line):
            requests += 1
            if access["method"] == "GET" and "/blobs/" in access["path"]:
                blob_bytes += int(access["bytes"])
    return Traffic(requests=requests, blob_bytes=blob_bytes)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Registry]:
    """Start a docker-registry on a free port, with its storage and logs in `folder`; end it afterwards.

    Raises RuntimeError when it does not start.
    """
    folder.mkdir(parents=True)
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(root=folder / "storage"))
    own_log = folder / "registry.log"
    with (folder / "access.log").open("w") as access, own_log.open("w") as own:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=access, stderr=own)
    try:
        yield Registry(port=_port_of(process, own_log), folder=folder)
    finally:
        process.kill()
        process.wait()


def _port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        if listening := re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text()):
            return int(listening[1])
        time.sleep(0.02)
    raise RuntimeError(f"docker-registry did not start: {log.read_text()[-500:]}")
