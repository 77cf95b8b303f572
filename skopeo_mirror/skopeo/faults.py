"""Meanings of skopeo's error texts: at which stage it failed, for which reason, and on whose side.

One table; the first row that matches counts. The words were observed on skopeo 1.9.3, 1.18.0 and 1.22-dev and are
those of containers/image and of Go's net/http; what no row knows is `other`, and a fault of the candidate. What a
registry wrote in an answer is no word of skopeo's: it decides nothing here.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from skopeo_mirror.skopeo.own_words import own_words, remote_words


class Stage(StrEnum):
    """The stage that a pull had come to when it failed."""

    MANIFEST = "manifest"
    BLOB = "blob"
    WRITE = "write"


class Reason(StrEnum):
    """The reason why a candidate, or the destination, could not be used."""

    NOT_FOUND = "not-found"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMITED = "rate-limited"
    SERVER_ERROR = "server-error"
    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    CORRUPT = "corrupt"
    BLOCKED = "blocked"
    CIRCUIT_OPEN = "circuit-open"
    POLICY = "policy"
    DESTINATION = "destination"
    OTHER = "other"


PASSING: Final = frozenset(
    {Reason.CONNECTION, Reason.TIMEOUT, Reason.STALLED, Reason.SERVER_ERROR, Reason.RATE_LIMITED, Reason.CIRCUIT_OPEN}
)
"""Reasons that may be gone in a moment: only these are worth another round."""

HOST_IS_DOWN: Final = frozenset({Reason.CONNECTION, Reason.TIMEOUT, Reason.TLS, Reason.STALLED})
"""Reasons that hold for a whole host, whatever the image."""

_WORDS: Final[tuple[tuple[Reason, tuple[str, ...]], ...]] = (
    (Reason.STALLED, (r"^nothing moved for \d",)),  # our own words, where a run was ended from here
    (Reason.TIMEOUT, (r"^not done after \d",)),
    (Reason.BLOCKED, (r"is blocked in ",)),
    # What this host or its proxy does to a request, before any registry sees it.
    (Reason.CONNECTION, (r"proxyconnect", r"Proxy Authentication Required", r"status(code)?:? 407", r"registry 407 ")),
    (
        Reason.CONNECTION,
        (r"\b(Get|Head|Post|Put|Patch) …: (?-i:[A-Z][a-z]).*$",),
    ),  # what a proxy answered to CONNECT
    (Reason.POLICY, (r"Source image rejected", r"trust policy", r"policy\.json", r"signature .* required")),
    (Reason.RATE_LIMITED, (r"toomanyrequests", r"too many requests", r"status(code)?:? 429")),
    (Reason.CORRUPT, (r"did not match", r"does not match", r"digest mismatch", r"invalid checksum")),
    (Reason.CORRUPT, (r"invalid character '", r"unexpected end of JSON", r"unmarshal", r"cannot parse", r"gzip: ")),
    (Reason.CORRUPT, (r"unsupported (schema|manifest|MIME)", r"unimplemented manifest", r"unrecognized manifest")),
    (Reason.CORRUPT, (r"Size mismatch when copying", r"ContentLength=\d+ with Body length")),  # a manifest's claim
    (Reason.CORRUPT, (r"exceeded maximum allowed size", r"unsupported docker v2s2 media type")),
    (
        Reason.TIMEOUT,
        (r"TLS handshake timeout", r"i/o timeout", r"deadline exceeded", r"Client\.Timeout", r"timed out"),
    ),
    (Reason.TLS, (r"x509", r"certificate", r"tls: ", r"HTTP response to HTTPS client", r"does not look like a TLS")),
    (Reason.NOT_FOUND, (r"(blob|manifest) .*no such file or directory",)),  # a file of a layout
    (Reason.NOT_FOUND, (r"(manifest|name|blob) unknown", r"not found", r"status(code)?:? 404", r"does not exist")),
    (Reason.UNAUTHORIZED, (r"unauthorized", r"authentication required", r"denied", r"invalid username/password")),
    (Reason.UNAUTHORIZED, (r"status(code)?:? 40[13]", r"forbidden", r"unable to retrieve auth token")),
    (
        Reason.SERVER_ERROR,
        (r"status(code)?:? 5\d\d", r"5\d\d (Internal|Bad|Service|Gateway)", r"internal server error"),
    ),
    (Reason.SERVER_ERROR, (r"service unavailable", r"bad gateway", r"gateway timeout")),
    (Reason.CONNECTION, (r"connection refused", r"connection reset", r"broken pipe", r"no such host", r"no route to")),
    (Reason.CONNECTION, (r"unreachable", r"server misbehaving", r"EOF", r"closed network", r"stopped after \d+ red")),
    (Reason.CONNECTION, (r"http2?: ", r"transport connection broken", r"malformed HTTP")),
    (Reason.CORRUPT, (r"manifest .*invalid", r"invalid manifest")),
)
_TABLE: Final = tuple((re.compile("|".join(words), re.IGNORECASE), reason) for reason, words in _WORDS)

# Said by the code that writes, whatever was wrong with what it read from the source at that moment.
_WRITING: Final = re.compile(
    r"writing (blob|manifest|signatures|image)|uploading |initiating layer upload|initializing destination"
    r"|trying to reuse blob|checking whether a blob|committing the finished|determining upload URL"
    r"|Can not copy signatures to |creating signature: "
    r"|Cannot determine canonical Docker reference for destination"
    r"|cannot modify it|would change the manifest"
)
# A size that a manifest claims of its config, and that the config has not, shows where it is written (observed).
_SOURCE_WHILE_WRITING: Final = re.compile(
    r"happened during read|Digest did not match|reading blob|fetching blob"
    r"|Size mismatch when copying|ContentLength=\d+ with Body length"
)
_READING_BLOB: Final = re.compile(
    rf"{_SOURCE_WHILE_WRITING.pattern}|reading config|parsing image conf",
    re.IGNORECASE,
)
_NEVER_CONNECTED: Final = re.compile(r"dial (tcp|udp)|pinging container registry|no such host")
_LOCAL: Final = re.compile(
    r"no space left on device|read-only file system|disk quota exceeded"
    r"|(open|mkdir|rename|write|mkdirat) /\S+: permission",
    re.IGNORECASE,
)
# What fails on this machine, whichever registry skopeo had turned to; only skopeo's and Go's own words.
_OURS: Final = re.compile(r"too many open files|getting username and password|error getting credentials")
_REFUSED_NAME: Final = re.compile(
    r"name (invalid|unknown)|denied|unauthorized|\bunsupported: |(StatusCode: |registry )(400|403|404|405)\b"
    r"|invalid repository"
)
# What an image is called says nothing about what is wrong: `…/x509-exporter: manifest unknown` is no TLS error.
_NAMES: Final = re.compile(
    r"(?:[\w-]+(?:\.[\w-]+)+|localhost|[\w.-]+:\d+)(?::\d+)?/\S*|/v2/\S+|\b[a-z0-9]+:[0-9a-f]{32,}"
)


def reason_of(error: str) -> Reason:
    """The reason that an error text gives."""
    words = _without_names(error)
    for pattern, reason in _TABLE:
        if pattern.search(words):
            return reason
    # Some registries say with an unknown code what has a code of its own; that costs nobody more than a round.
    missing = re.search(r"not found|(manifest|name|blob) unknown", remote_words(error), re.IGNORECASE)
    return Reason.NOT_FOUND if missing else Reason.OTHER


def blames_destination(error: str) -> bool:
    """Whether an error after the source was opened is the destination's own.

    A corrupt source is worded as a failure of the destination: `happened during read` marks it (observed, both ways).
    """
    words = _without_names(error)
    if _LOCAL.search(own_words(error)):
        return True
    return bool(_WRITING.search(words)) and not _SOURCE_WHILE_WRITING.search(words)


def is_ours(error: str) -> bool:
    """Whether what failed is on this machine, and no registry had a part in it."""
    return bool(_OURS.search(own_words(error)))


def cannot_keep_index(error: str) -> bool:
    """Whether skopeo would write another index than it has read: so it says of one that a destination refused, too."""
    return "Manifest list must be converted to type" in own_words(error)


def cannot_nest(error: str) -> bool:
    """Whether skopeo has met an index within an index."""
    return "Unexpectedly received a manifest list instead of a manifest" in own_words(error)


def cannot_keep_schema1(error: str) -> bool:
    """Whether skopeo would have to change a schema 1 manifest."""
    return "Copying a schema1 image" in own_words(error)


def stage_of(error: str, *, opened: bool) -> Stage:
    """How far the pull had come; `opened` tells whether a candidate's manifest had been read."""
    if not opened:
        return Stage.MANIFEST
    if blames_destination(error):
        return Stage.WRITE
    words = _without_names(error)
    if _READING_BLOB.search(words):
        return Stage.BLOB
    return Stage.MANIFEST if "anifest" in words else Stage.BLOB


def connection_lost(error: str) -> bool:
    """Whether the destination could not be reached at all: one that hangs up on an upload may take the next."""
    reason = reason_of(error)
    if reason is Reason.CONNECTION:
        return bool(_NEVER_CONNECTED.search(own_words(error)))
    return reason in {Reason.TIMEOUT, Reason.STALLED}


def refuses_credentials(error: str) -> bool:
    """Whether a registry does not accept who asks.

    `denied`, and a resource that is not authorized, can also mean a repository that is only not there yet.
    """
    if reason_of(error) not in {Reason.UNAUTHORIZED, Reason.TLS}:
        return False
    return not re.search(r"\bdenied\b|resource", error, re.IGNORECASE)


def refuses_name(error: str) -> bool:
    """Whether a destination refuses a repository, perhaps for its name, rather than what was to be written to it."""
    return bool(_REFUSED_NAME.search(own_words(error)))


def refused_at_ping(error: str) -> bool:
    """Whether a 403 came before any registry's own words: few registries, and many proxies, answer `/v2/` with that."""
    return bool(re.search(r"pinging container registry .*(StatusCode: |registry )403\b", own_words(error)))


def _without_names(error: str) -> str:
    return _NAMES.sub("…", own_words(error))
