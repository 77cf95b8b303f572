"""A real docker-registry on a free loopback port, its access log as values, and plain HTTP to fill and read it."""

from __future__ import annotations

import base64
import ctypes
import http.client
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .images import ACCEPTED
from .ports import LOOPBACK, port_of, reserve_port

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from .certificates import Certificates
    from .images import Image

CONFIGURATION = Path(__file__).parents[2] / "containers" / "registry.yml"
OURSELVES = "test-bench"
"""The rig's own user agent: what it asks is not counted."""

# The combined format of Apache: host - user [time] "request" status size "referer" "user agent"
_ACCESS = re.compile(
    r'^\S+ - \S+ \[[^]]*\] "(?P<method>\S+) (?P<path>\S+) \S+"'
    r' (?P<status>\d+) (?P<size>\d+) "[^"]*" "(?P<agent>[^"]*)"$'
)
_READY_WITHIN = 20.0  # seconds; it takes 50 ms on an idle machine
_IDLE_WITHIN = 1.0  # seconds; it takes some milliseconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request that a registry was asked; `size` is the bytes of its answer's body, `status` 0 if it had none."""

    method: str
    path: str
    status: int
    user_agent: str
    size: int


class Registry:
    """A docker-registry process; use it as a context manager, or call `start` and `close`."""

    def __init__(
        self, directory: Path, *, htpasswd: tuple[str, str] | None = None, tls: Certificates | None = None
    ) -> None:
        """Keep the storage and the logs below `directory`; let in `htpasswd` (user, password) alone; speak `tls`."""
        self._directory = directory
        self._htpasswd = htpasswd
        self._tls = tls
        self._reservation: socket.socket = reserve_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._counted_from = 0
        self.host = f"{LOOPBACK}:{port_of(self._reservation)}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process and wait until it answers; the port and what was stored stay the same."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._access_log.open("ab") as out, (self._directory / "errors.log").open("ab") as err:
            self._process = subprocess.Popen(
                # the kernel ends it with the thread that started it: also when the tests are killed and cannot
                ["setpriv", "--pdeathsig", "KILL", "docker-registry", "serve", str(CONFIGURATION)],
                env=os.environ | self._settings(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        with ExitStack() as stack:
            stack.callback(self.stop)  # also when a signal comes: nobody else knows of it yet
            deadline = time.monotonic() + _READY_WITHIN
            while not self._answers():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"docker-registry did not start: {(self._directory / 'errors.log').read_text()}")
                time.sleep(0.01)
            stack.pop_all()

    def stop(self) -> None:
        """End the process; connections are refused until `start`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the process and give the port back."""
        self.stop()
        self._reservation.close()

    def empty(self) -> None:
        """Drop all that is stored; the process itself remembers nothing."""
        shutil.rmtree(self._storage, ignore_errors=True)

    def as_new(self) -> bool:
        """Drop all that is stored and all that was asked; tell whether that is as good as a new one."""
        if self._process is None or self._process.poll() is not None or not self._is_idle(self._process.pid):
            return False
        self.empty()
        self.forget()
        return not self._storage.exists()

    def requests(self) -> list[Request]:
        """Return what others than the rig asked since the start or the last `forget`, in order."""
        return [request for request in self._log() if request.user_agent != OURSELVES]

    def forget(self) -> None:
        """Count requests from now on."""
        self._log()
        self._counted_from = self._access_log.stat().st_size

    def push(self, repository: str, image: Image, tag: str | None = None) -> None:
        """Store the image (of an index: the children too) by its digest, and under `tag` where one is given.

        As files where docker-registry keeps them: asked to take an image, it works longer than at all else in a test.
        """
        links = {f"_layers/{_path(digest)}": digest for digest in image.blobs}
        links |= {f"_manifests/revisions/{_path(part.digest)}": part.digest for part in image.walk()}
        if tag is not None:
            named = f"_manifests/tags/{tag}"
            links |= {f"{named}/index/{_path(image.digest)}": image.digest, f"{named}/current": image.digest}
        stored = self._storage / "docker/registry/v2"
        for digest, content in {**image.blobs, **{part.digest: part.manifest for part in image.walk()}}.items():
            algorithm, _, encoded = digest.partition(":")
            _put(stored / "blobs" / algorithm / encoded[:2] / encoded / "data", content)
        for place, digest in links.items():
            _put(stored / "repositories" / repository / place / "link", digest.encode())

    def manifest(self, repository: str, reference: str) -> bytes | None:
        """Return the stored bytes of a tag or digest, None where there are none."""
        status, body = self._ask("GET", f"/v2/{repository}/manifests/{reference}")
        return body if status == http.HTTPStatus.OK else None

    def delete(self, repository: str, digest: str) -> None:
        """Forget a manifest, as a registry does that collects what has no tag."""
        self._ask("DELETE", f"/v2/{repository}/manifests/{digest}", expect=202)

    def blob(self, repository: str, digest: str) -> bytes | None:
        """Return a stored blob, None where there is none."""
        status, body = self._ask("GET", f"/v2/{repository}/blobs/{digest}")
        return body if status == http.HTTPStatus.OK else None

    def tags(self, repository: str) -> list[str]:
        """Return the repository's tags, sorted; none for a repository that does not exist."""
        status, body = self._ask("GET", f"/v2/{repository}/tags/list")
        return sorted(json.loads(body)["tags"] or []) if status == http.HTTPStatus.OK else []

    def repositories(self) -> list[str]:
        """Return the names of all repositories, sorted."""
        _, body = self._ask("GET", "/v2/_catalog?n=1000", expect=200)
        return sorted(json.loads(body)["repositories"])

    @property
    def _storage(self) -> Path:
        return self._directory / "storage"

    @property
    def _access_log(self) -> Path:
        return self._directory / "access.log"

    def _settings(self) -> dict[str, str]:
        settings = {
            "GOGC": "1000",  # a registry with little in memory else spends half its time on collecting garbage
            "REGISTRY_HTTP_ADDR": self.host,
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(self._storage),
        }
        if self._tls:
            settings["REGISTRY_HTTP_TLS_CERTIFICATE"] = str(self._tls.certificate)
            settings["REGISTRY_HTTP_TLS_KEY"] = str(self._tls.key)
        if self._htpasswd:
            file = self._directory / "htpasswd"
            user, password = self._htpasswd
            file.write_text(f"{user}:{_bcrypt(password)}\n")
            settings["REGISTRY_AUTH"] = "htpasswd"
            settings["REGISTRY_AUTH_HTPASSWD_REALM"] = "bench"
            settings["REGISTRY_AUTH_HTPASSWD_PATH"] = str(file)
        return settings

    def _answers(self) -> bool:
        try:
            status, _ = self._ask("GET", "/v2/")
        except OSError:
            return False
        return status == http.HTTPStatus.OK

    def _is_idle(self, pid: int) -> bool:
        """Wait until nobody is connected: who was killed in the middle may be written for, and logged, later."""
        deadline = time.monotonic() + _IDLE_WITHIN
        while _sockets_of(pid) > 1:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def _log(self) -> list[Request]:
        """Read the access log up to a request of our own: a line is written only after its answer was sent."""
        marker = f"/v2/?marker={uuid.uuid4()}"
        if self._process is not None:
            self._ask("GET", marker, expect=200)
        deadline = time.monotonic() + _READY_WITHIN
        while True:
            with self._access_log.open("rb") as file:
                file.seek(self._counted_from)
                lines = file.read().decode().splitlines()
            if self._process is None or any(marker in line for line in lines):
                return [_parse(line) for line in lines]
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.host} writes no access log")
            time.sleep(0.005)

    def _ask(self, method: str, path: str, *, expect: int | None = None) -> tuple[int, bytes]:
        headers = {
            "User-Agent": OURSELVES,
            "Accept": ACCEPTED,
        }
        if self._htpasswd:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(self._htpasswd).encode()).decode()
        connection = (
            http.client.HTTPSConnection(self.host, timeout=60, context=self._tls.client_context())
            if self._tls
            else http.client.HTTPConnection(self.host, timeout=60)
        )
        try:
            connection.request(method, path, headers=headers)
            with connection.getresponse() as response:
                answer = response.read()
                if expect not in (None, response.status):
                    raise RuntimeError(f"{method} {self.host}{path}: {response.status} {answer.decode()}")
                return response.status, answer
        finally:
            connection.close()


class Pool:
    """Plain registries to borrow, since a start takes longer than most of what is then asked; made when they lack.

    Each comes back empty and is lent again, unless it was stopped or somebody is connected to it still.
    """

    def __init__(self, directory: Path) -> None:
        """Keep the registries' files below `directory`."""
        self._directory = directory
        self._idle: list[Registry] = []
        self._made = 0

    @contextmanager
    def lend(self) -> Iterator[Registry]:
        """Lend an empty registry, of which nothing was asked."""
        registry = self._idle.pop() if self._idle else self._make()
        try:
            yield registry
        finally:
            if registry.as_new():
                self._idle.append(registry)
            else:
                registry.close()

    def close(self) -> None:
        """End them all."""
        for registry in self._idle:
            registry.close()

    def _make(self) -> Registry:
        self._made += 1
        registry = Registry(self._directory / str(self._made))
        registry.start()
        return registry


def _path(digest: str) -> str:
    return digest.replace(":", "/")


def _put(file: Path, content: bytes) -> None:
    """Write a file at once, so that a registry never reads half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_name("written")
    written.write_bytes(content)
    written.rename(file)


def _sockets_of(pid: int) -> int:
    found = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found += str(file.readlink()).startswith("socket:")
    return found


def _parse(line: str) -> Request:
    match = _ACCESS.match(line)
    if match is None:
        raise ValueError(f"no line of an access log: {line}")
    return Request(
        method=match["method"],
        path=match["path"],
        status=int(match["status"]),
        user_agent=match["agent"],
        size=int(match["size"]),
    )


def _bcrypt(password: str) -> str:
    """Hash for an htpasswd file: docker-registry takes bcrypt alone, which Python has not but Debian's libcrypt has."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed: bytes | None = crypt(password.encode(), b"$2y$05$" + b"test.bench.salt.22char")
    if not hashed or not hashed.startswith(b"$2y$"):
        raise RuntimeError("this libcrypt knows no bcrypt")
    return hashed.decode()
