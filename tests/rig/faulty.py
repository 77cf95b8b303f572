"""A registry in threads that speaks the real protocol except for one fault: what no healthy registry will do."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import re
import socket
import socketserver
import sys
import threading
import urllib.parse
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from .faults import FAULTS, Answer, Fault, Place
from .images import digest_of
from .ports import LOOPBACK, port_of, reserve_port
from .registry import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .certificates import Certificates
    from .images import Image

_RESOURCE = re.compile(r"^/v2/(?P<repository>.+)/(?P<kind>manifests|blobs/uploads|blobs|tags)/(?P<name>[^/]*)$")


class FaultyRegistry:
    """A registry on a free loopback port; use it as a context manager. Leaving it ends every thread and connection.

    `fault` may be set at any time. With `refuse` at `connect` it never listens; the port is still its own.
    """

    def __init__(self, fault: Fault | None = None, *, tls: Certificates | None = None) -> None:
        self.fault = fault
        self.store = Store()
        self.tls = tls.server_context() if tls else None
        self.muted = False
        self.closing = threading.Event()
        self._healed = threading.Event()
        self.unexpected: list[Exception] = []
        self._reservation = reserve_port()
        self.host = f"{LOOPBACK}:{port_of(self._reservation)}"
        self._lock = threading.Lock()
        self._struck = 0
        self.numbers = itertools.count()
        self._requests: dict[int, Request] = {}
        self._listener: _Listener | None = None
        self._listeners: list[_Listener] = []

    def __enter__(self) -> Self:
        if self.fault is None or (self.fault.place, self.fault.kind) != (Place.CONNECT, "refuse"):
            self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._healed.set()
        self.stop_listening()
        for listener in self._listeners:
            listener.end()
        self._reservation.close()
        if self.unexpected:
            raise ExceptionGroup("the faulty registry is at fault itself", self.unexpected)

    def serve(self, repository: str, image: Image, tag: str | None = None) -> None:
        """Have the image (of an index: the children too) in `repository`, by digest and under `tag`."""
        for digest, blob in image.blobs.items():
            self.store.blobs[repository, digest] = blob
        for part in image.walk():
            self.store.put_manifest(repository, part.digest, part.media_type, part.manifest)
        if tag is not None:
            self.store.put_manifest(repository, tag, image.media_type, image.manifest)

    def manifest(self, repository: str, reference: str) -> bytes | None:
        """Return what is stored under a tag or digest, None where nothing is."""
        return self.store.manifests.get((repository, reference), (None, None))[1]

    def blob(self, repository: str, digest: str) -> bytes | None:
        """Return a stored blob, None where there is none."""
        return self.store.blobs.get((repository, digest))

    def requests(self) -> list[Request]:
        """Return what was asked, in order of arrival; status 0 while (or where) no answer began."""
        with self._lock:
            return list(self._requests.values())

    def forget(self) -> None:
        """Count requests from now on."""
        with self._lock:
            self._requests.clear()

    def heal(self) -> None:
        """Be a healthy registry from now on."""
        self.fault = None
        self.muted = False
        self._healed.set()
        if self._listener is None:
            self.listen()

    def wait_until_healed(self) -> bool:
        """Wait for `heal`; whether it was that, and not the end."""
        self._healed.wait()
        return not self.closing.is_set()

    def listen(self) -> None:
        """Accept connections."""
        self._listener = _Listener(self)
        self._listeners.append(self._listener)

    def stop_listening(self) -> None:
        """Refuse connections from now on; those that are open stay."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def mute(self) -> None:
        """Accept connections from now on without ever speaking."""
        self.muted = True

    def strike(self, place: Place, path: str = "") -> Callable[[Exchange], None] | None:
        """Return the fault if it strikes at `place` now, where `path` is asked; that counts against its `times`."""
        with self._lock:
            fault = self.fault
            if fault is None or fault.place != place or self._struck == fault.times:
                return None
            if fault.of not in (None, urllib.parse.urlsplit(path).path.rpartition("/")[2]):
                return None
            self._struck += 1
            return FAULTS[fault.place][fault.kind]

    def note(self, number: int, request: Request) -> None:
        """Keep the request under its number, in place of what was known of it."""
        with self._lock:
            self._requests[number] = request


class Store:
    """What the registry holds, and how a healthy one answers from it; `says` are its words where it has nothing.

    A manifest whose media type has `refuses` in it is not taken.
    """

    def __init__(self) -> None:
        self.says: str | None = None
        self.refuses: str | None = None
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.blobs: dict[tuple[str, str], bytes] = {}
        self._uploads: dict[str, bytes] = {}
        self._configs: set[str] = set()

    def put_manifest(self, repository: str, reference: str, media_type: str, manifest: bytes) -> None:
        """Store a manifest under a tag or digest."""
        self.manifests[repository, reference] = (media_type, manifest)
        content: dict[str, Any] = json.loads(manifest)
        if "config" in content:
            self._configs.add(content["config"]["digest"])

    def place_of(self, method: str, path: str) -> Place | None:
        """Return the place of a request where faults may strike."""
        match = _RESOURCE.match(urllib.parse.urlsplit(path).path)
        if match is None:
            return Place.PING if urllib.parse.urlsplit(path).path == "/v2/" else None
        if method in ("PATCH", "PUT"):
            return Place.SIGNATURE if match["name"].endswith(".sig") else Place.UPLOAD
        if method != "GET" or match["kind"] not in ("manifests", "blobs"):
            return None
        if match["kind"] == "manifests":
            return Place.MANIFEST
        return Place.CONFIG if match["name"] in self._configs else Place.LAYER

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Carry the request out and answer it."""
        url = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(url.query))
        match = _RESOURCE.match(url.path)
        if match is None:
            return Answer(status=200, body=b"{}") if url.path == "/v2/" else _error(404, "NOT_FOUND")
        repository, name = match["repository"], match["name"]
        match match["kind"], method:
            case "manifests", "GET" | "HEAD":
                return self._get_manifest(repository, name)
            case "manifests", "PUT":
                return self._accept_manifest(repository, name, headers.get("Content-Type", ""), body)
            case "blobs", "GET" | "HEAD":
                return self._get_blob(repository, name, headers.get("Range", ""))
            case "blobs/uploads", "POST":
                return self._begin_upload(repository, query)
            case "blobs/uploads", "PATCH" | "PUT":
                return self._continue_upload(repository, name, query.get("digest"), body)
            case "tags", "GET":
                tags = [tag for where, tag in self.manifests if where == repository and ":" not in tag]
                return Answer(status=200, body=json.dumps({"name": repository, "tags": sorted(tags)}).encode())
        return _error(405, "UNSUPPORTED")

    def _get_manifest(self, repository: str, reference: str) -> Answer:
        if (repository, reference) not in self.manifests:
            return _error(404, "MANIFEST_UNKNOWN", self.says)
        media_type, manifest = self.manifests[repository, reference]
        return Answer(status=200, body=manifest, headers=_digest_headers(digest_of(manifest), media_type))

    def _accept_manifest(self, repository: str, reference: str, media_type: str, manifest: bytes) -> Answer:
        digest = digest_of(manifest)
        if self.refuses is not None and self.refuses in media_type:
            return _error(400, "MANIFEST_INVALID", f"no {self.refuses}es here")
        if ":" in reference and reference != digest:
            return _error(400, "DIGEST_INVALID")
        self.put_manifest(repository, reference, media_type, manifest)
        self.put_manifest(repository, digest, media_type, manifest)
        location = {"Location": f"/v2/{repository}/manifests/{digest}"}
        return Answer(status=201, headers=location | _digest_headers(digest))

    def _get_blob(self, repository: str, digest: str, wanted: str) -> Answer:
        if (repository, digest) not in self.blobs:
            return _error(404, "BLOB_UNKNOWN", self.says)
        blob = self.blobs[repository, digest]
        headers = _digest_headers(digest, "application/octet-stream")
        if resumed := re.fullmatch(r"bytes=(\d+)-", wanted):
            start = int(resumed[1])
            part = {"Content-Range": f"bytes {start}-{len(blob) - 1}/{len(blob)}"}
            return Answer(status=206, body=blob[start:], headers=headers | part)
        return Answer(status=200, body=blob, headers=headers)

    def _begin_upload(self, repository: str, query: Mapping[str, str]) -> Answer:
        known = self.blobs.get((query.get("from", ""), query.get("mount", "")))
        if known is not None:
            self.blobs[repository, query["mount"]] = known
            location = {"Location": f"/v2/{repository}/blobs/{query['mount']}"}
            return Answer(status=201, headers=location | _digest_headers(query["mount"]))
        upload = str(uuid.uuid4())
        self._uploads[upload] = b""
        return _upload_accepted(repository, upload, 0)

    def _continue_upload(self, repository: str, upload: str, digest: str | None, body: bytes) -> Answer:
        if upload not in self._uploads:
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        self._uploads[upload] += body
        if digest is None:
            return _upload_accepted(repository, upload, len(self._uploads[upload]))
        blob = self._uploads.pop(upload)
        if digest != digest_of(blob):
            return _error(400, "DIGEST_INVALID")
        self.blobs[repository, digest] = blob
        location = {"Location": f"/v2/{repository}/blobs/{digest}"}
        return Answer(status=201, headers=location | _digest_headers(digest))


class Exchange(http.server.BaseHTTPRequestHandler):
    """One connection and its requests, one after another; the faults act through the public methods."""

    protocol_version = "HTTP/1.1"
    server: _Listener

    @property
    def registry(self) -> FaultyRegistry:
        """Return the registry that was asked."""
        return self.server.registry

    def handle(self) -> None:
        """Serve the connection until it ends."""
        if self.registry.muted:
            self.wait()
        elif strike := self.registry.strike(Place.CONNECT):
            strike(self)
        else:
            super().handle()

    def truth(self) -> Answer:
        """Carry the request out and return what a healthy registry answers."""
        return self.registry.store.answer(self.command, self.path, dict(self.headers), self._read_body())

    def send(self, answer: Answer) -> None:
        """Send a whole answer, once the request's body has been read."""
        self._read_body()
        self.begin(answer, length=len(answer.body))
        if self.command != "HEAD":
            self.write(answer.body)

    def send_slowly(self, answer: Answer, *, piece: int, pause: float) -> None:
        """Send the answer's body in pieces of so many bytes, with a pause in seconds after each."""
        self.begin(answer, length=len(answer.body))
        for start in range(0, len(answer.body), piece):
            self.write(answer.body[start : start + piece])
            if self.registry.closing.wait(pause):
                return

    def begin(self, answer: Answer, *, length: int) -> None:
        """Send status and headers, and announce so many bytes."""
        self._note(replace(self._request, status=answer.status))
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()

    def write(self, data: bytes) -> None:
        """Send bytes of the body."""
        self.wfile.write(data)
        self._note(replace(self._request, size=self._request.size + len(data)))

    def hang_up(self) -> None:
        """Close the connection as it stands."""
        self.close_connection = True
        _cut(self.connection)

    def wait(self) -> None:
        """Say nothing until the client goes away; the socket is read beneath TLS, which may never have begun."""
        self.close_connection = True
        while socket.socket.recv(self.connection, 65536):
            pass

    def log_message(self, *_: object) -> None:
        """Print nothing: the requests are kept."""

    def _respond(self) -> None:
        place = self.registry.store.place_of(self.command, self.path)
        self._body: bytes | None = None
        self._number = next(self.registry.numbers)
        agent = self.headers.get("User-Agent", "")
        self._note(Request(method=self.command, path=self.path, status=0, user_agent=agent, size=0))
        if place and (strike := self.registry.strike(place, self.path)):
            self.place = place
            strike(self)
        else:
            self.send(self.truth())

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = _respond  # noqa: N815 - the base class's names

    def _note(self, request: Request) -> None:
        self._request = request
        self.registry.note(self._number, request)

    def _read_body(self) -> bytes:
        if self._body is None:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                self._body = b"".join(self._read_chunks())
            else:
                self._body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        return self._body

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()


class _Listener(socketserver.ThreadingTCPServer):
    """The listening socket and the threads of its connections."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, registry: FaultyRegistry) -> None:
        self.registry = registry
        self._connections: set[socket.socket] = set()
        super().__init__((LOOPBACK, int(registry.host.rpartition(":")[2])), Exchange)
        self._accepting = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._accepting.start()

    def stop(self) -> None:
        """Accept no more; the kernel refuses what comes."""
        self.shutdown()
        self._accepting.join()
        self.socket.close()

    def end(self) -> None:
        """Cut every connection and join its thread."""
        for connection in list(self._connections):
            _cut(connection)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; over TLS the handshake is left to the connection's own thread."""
        connection, address = super().get_request()
        if self.registry.tls:
            connection = self.registry.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection whose exchange is over."""
        super().shutdown_request(request)
        self._connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        """Keep errors that are not of the connection: those are what the faults are about."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self.registry.unexpected.append(error)


def _cut(connection: socket.socket) -> None:
    """End a connection for both sides, beneath TLS, also one that another thread reads from."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _error(status: int, code: str, message: str | None = None) -> Answer:
    body = json.dumps({"errors": [{"code": code, "message": message or code.replace("_", " ").lower()}]}).encode()
    return Answer(status=status, body=body, headers={"Content-Type": "application/json"})


def _digest_headers(digest: str, media_type: str | None = None) -> dict[str, str]:
    headers = {"Docker-Content-Digest": digest}
    return headers | {"Content-Type": media_type} if media_type else headers


def _upload_accepted(repository: str, upload: str, size: int) -> Answer:
    headers = {"Location": f"/v2/{repository}/blobs/uploads/{upload}", "Docker-Upload-UUID": upload}
    return Answer(status=202, headers=headers | {"Range": f"0-{max(size - 1, 0)}"})
