"""The faults that a registry can be made to show: small functions, and tables that name them for each place.

Each takes the exchange in which it strikes; `Exchange` (in `faulty`) gives it the true answer and the connection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from .images import digest_of, make_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .faulty import Exchange

SLOW = 50_000  # bytes a second of a slow transfer


class Place(StrEnum):
    """Where a fault strikes.

    As soon as a client connects, at its first question, at what it pulls or uploads, or at a signature's manifest.
    """

    CONNECT = "connect"
    MANIFEST = "manifest"
    CONFIG = "config"
    LAYER = "layer"
    UPLOAD = "upload"
    SIGNATURE = "signature"
    PING = "ping"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A complete answer of a healthy registry."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A fault by its place and its name there; it strikes at most `times` times (None: always).

    `of` is the tag or the digest alone whose requests it strikes (None: all).
    """

    place: Place
    kind: str
    times: int | None = None
    of: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in FAULTS[self.place]:
            raise ValueError(f"no fault {self.kind!r} at {self.place}; there are {', '.join(FAULTS[self.place])}")

    def __str__(self) -> str:
        return f"{self.place}-{self.kind}"


# --- connections ------------------------------------------------------------------------------------------------------


def refuse(exchange: Exchange) -> None:
    """Hang up, and refuse every later connection."""
    exchange.registry.stop_listening()
    exchange.hang_up()


def close(exchange: Exchange) -> None:
    """Close the connection without a word."""
    exchange.hang_up()


def never_answer(exchange: Exchange) -> None:
    """Keep the connection open and say nothing."""
    exchange.wait()


def never_speak(exchange: Exchange) -> None:
    """Say nothing, and from now on accept connections and say nothing there either, not even TLS."""
    exchange.registry.mute()
    exchange.wait()


# --- other answers ----------------------------------------------------------------------------------------------------


def answers(status: int, body: bytes | None = None, /, **headers: str) -> Callable[[Exchange], None]:
    """Make a fault that answers with `status`, a registry's error document or `body`, and headers (`Like_This`)."""
    error = {"errors": [{"code": _CODES.get(status, "UNKNOWN"), "message": f"the bench says {status}"}]}
    answer = Answer(
        status=status,
        body=json.dumps(error).encode() if body is None else body,
        headers={"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()},
    )
    return lambda exchange: exchange.send(answer)


_CODES = {401: "UNAUTHORIZED", 403: "DENIED", 413: "SIZE_INVALID", 429: "TOOMANYREQUESTS"}


def not_found(exchange: Exchange) -> None:
    """Answer that there is no such manifest or blob."""
    code = "MANIFEST_UNKNOWN" if exchange.place is Place.MANIFEST else "BLOB_UNKNOWN"
    exchange.send(Answer(status=404, body=json.dumps({"errors": [{"code": code, "message": "unknown"}]}).encode()))


def redirect_loop(exchange: Exchange) -> None:
    """Redirect to the same place, for ever."""
    exchange.send(Answer(status=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": exchange.path}))


def junk_json(exchange: Exchange) -> None:
    """Answer with JSON of the right media type that is no manifest, config or layer."""
    exchange.send(replace(exchange.truth(), body=b'{"junk": ["json"], "schemaVersion": 2}'))


def wrong_bytes(exchange: Exchange) -> None:
    """Answer with another image's manifest, config or layer, well-formed in itself."""
    other = make_image("somebody else's")
    config, layer = other.blobs.values()
    bodies = {Place.MANIFEST: other.manifest, Place.CONFIG: config, Place.LAYER: layer}
    exchange.send(replace(exchange.truth(), body=bodies[exchange.place]))


def corrupt(exchange: Exchange) -> None:
    """Flip one bit in the middle."""
    truth = exchange.truth()
    middle = len(truth.body) // 2
    flipped = bytes([truth.body[middle] ^ 1])
    exchange.send(replace(truth, body=truth.body[:middle] + flipped + truth.body[middle + 1 :]))


def huge(exchange: Exchange) -> None:
    """Answer with 100 MB of white space."""
    size, chunk = 100_000_000, b" " * 100_000
    exchange.begin(exchange.truth(), length=size)
    for _ in range(size // len(chunk)):
        exchange.write(chunk)


# --- bodies that end, stop or crawl -----------------------------------------------------------------------------------


def truncated(exchange: Exchange) -> None:
    """Announce the full length, send half, close."""
    truth = exchange.truth()
    exchange.begin(truth, length=len(truth.body))
    exchange.write(truth.body[: len(truth.body) // 2])
    exchange.hang_up()


def short(exchange: Exchange) -> None:
    """Announce half the length and send that half: a correct answer that is not the whole."""
    truth = exchange.truth()
    exchange.send(replace(truth, body=truth.body[: len(truth.body) // 2]))


def stall(exchange: Exchange) -> None:
    """Send half, then nothing more."""
    truth = exchange.truth()
    exchange.begin(truth, length=len(truth.body))
    exchange.write(truth.body[: len(truth.body) // 2])
    exchange.wait()


def trickle(exchange: Exchange) -> None:
    """Send one byte a second: slow but alive."""
    exchange.send_slowly(exchange.truth(), piece=1, pause=1.0)


def hold(exchange: Exchange) -> None:
    """Say nothing until the registry is healed, then give the right answer: a test decides when."""
    if exchange.registry.wait_until_healed():
        exchange.send(exchange.truth())


def slow(exchange: Exchange) -> None:
    """Send the right answer at `SLOW` bytes a second: it completes."""
    exchange.send_slowly(exchange.truth(), piece=SLOW // 10, pause=0.1)


# --- uploads ----------------------------------------------------------------------------------------------------------


def close_midway(exchange: Exchange) -> None:
    """Read the beginning of what is uploaded, then close."""
    exchange.rfile.read(64)
    exchange.hang_up()


def lie(exchange: Exchange) -> None:
    """Store what is uploaded, and confirm another digest."""
    truth = exchange.truth()
    exchange.send(replace(truth, headers={**truth.headers, "Docker-Content-Digest": digest_of(b"a lie")}))


CONNECT_FAULTS: dict[str, Callable[[Exchange], None]] = {
    "refuse": refuse,
    "close": close,
    "never-speak": never_speak,
}
STATUS_FAULTS: dict[str, Callable[[Exchange], None]] = {
    "401": answers(401),
    "401-challenge": answers(401, WWW_Authenticate='Basic realm="bench"'),
    "403": answers(403),
    "404": not_found,
    "429": answers(429),
    "429-retry-after": answers(429, Retry_After="1"),
    "500": answers(500),
    "502": answers(502),
    "503": answers(503),
}
SOURCE_FAULTS: dict[str, Callable[[Exchange], None]] = {
    **CONNECT_FAULTS,
    **STATUS_FAULTS,
    "html": answers(200, b"<!doctype html><title>Log in</title>", Content_Type="text/html"),
    "redirect-loop": redirect_loop,
    "junk-json": junk_json,
    "wrong-bytes": wrong_bytes,
    "corrupt": corrupt,
    "huge": huge,
    "truncated": truncated,
    "short": short,
    "stall": stall,
    "never-answer": never_answer,
    "trickle": trickle,
    "slow": slow,
    "hold": hold,
}
UPLOAD_FAULTS: dict[str, Callable[[Exchange], None]] = {
    **CONNECT_FAULTS,
    **STATUS_FAULTS,
    "413": answers(413),
    "close-midway": close_midway,
    "never-answer": never_answer,
    "lie": lie,
}
FAULTS: dict[Place, dict[str, Callable[[Exchange], None]]] = {
    Place.CONNECT: CONNECT_FAULTS,
    Place.MANIFEST: SOURCE_FAULTS,
    Place.CONFIG: SOURCE_FAULTS,
    Place.LAYER: SOURCE_FAULTS,
    Place.UPLOAD: UPLOAD_FAULTS,
    Place.SIGNATURE: UPLOAD_FAULTS,
    Place.PING: {},  # tests bring their own: a challenge names the place where a token is to be had
}
