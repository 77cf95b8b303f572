"""Meanings of skopeo's error texts: at which stage it failed, for which reason, and on whose side.

One table; the first row that matches counts. The words were observed on skopeo 1.9.3, 1.18.0 and 1.22-dev and are
those of containers/image and of Go's net/http; what no row knows is `other`, and a fault of the candidate. What a
registry wrote in an answer is no word of skopeo's: it decides nothing here.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import partial
from typing import Final


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

# The codes are a fixed list (docker/distribution, registry/api/errcode and v2); any other code becomes `unknown`.
_CODE: Final = (
    r"(?:unknown|unsupported|unauthorized|denied|unavailable|toomanyrequests|range invalid|page?ination number invalid"
    r"|(?:digest|size|name|tag|manifest|blob upload) invalid|(?:name|manifest|manifest blob|blob|blob upload) unknown"
    r"|manifest unverified|invalid pagination number)"
)
# containers/image puts a registry's words at the end of its own: behind the name of an error code, a status, a media
# type. Quoted are bodies, URLs, headers and host names. Observed on 1.9.3 and 1.18.0, with a server that says anything.
_TO_THE_END: Final = re.compile(
    rf"(?:(?<=: )|^)(errors:\n)?({_CODE}: ).*"  # a document of errors
    r"|(\bStatusCode: \d{3}, ).*"  # any other body, of 1.9.3 without quotes
    r"|(\bHTTP status: \d{3} ).*"  # what stands beside the status
    r"|(\bmalformed MIME header line: ).*"
    r"|(\bx509: certificate ).*"  # the names in it
    r"|(\b(?:MIME|media) ?type:? )(?!for ).*"  # a header's word
    r"|(\breading (?:config )?blob )(?![a-z0-9+._-]+:[0-9a-f]{32,}\b).*",  # what a manifest calls a digest
    re.DOTALL | re.IGNORECASE,
)
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LOOKED_UP: Final = re.compile(r"\blookup \S+")

_TABLE: Final = tuple(
    (re.compile(words, re.IGNORECASE), reason)
    for reason, words in (
        (Reason.STALLED, r"^nothing moved for \d"),  # our own words, where a run was ended from here
        (Reason.TIMEOUT, r"^not done after \d"),
        (Reason.BLOCKED, r"is blocked in "),
        # What this host or its proxy does to a request, before any registry sees it.
        (Reason.CONNECTION, r"proxyconnect|Proxy Authentication Required|status(code)?:? 407|registry 407 "),
        (Reason.CONNECTION, r"\b(Get|Head|Post|Put|Patch) …: (?-i:[A-Z][a-z]).*$"),  # what a proxy answered to CONNECT
        (Reason.POLICY, r"Source image rejected|trust policy|policy\.json|signature .* required"),
        (Reason.RATE_LIMITED, r"toomanyrequests|too many requests|status(code)?:? 429"),
        (Reason.CORRUPT, r"did not match|does not match|digest mismatch|invalid checksum"),
        (Reason.CORRUPT, r"invalid character '|unexpected end of JSON|unmarshal|cannot parse|gzip: "),
        (Reason.CORRUPT, r"unsupported (schema|manifest|MIME)|unimplemented manifest|unrecognized manifest"),
        (Reason.CORRUPT, r"Size mismatch when copying|ContentLength=\d+ with Body length"),  # a manifest's claim
        (Reason.CORRUPT, r"exceeded maximum allowed size|unsupported docker v2s2 media type"),
        (Reason.TIMEOUT, r"TLS handshake timeout|i/o timeout|deadline exceeded|Client\.Timeout|timed out"),
        (Reason.TLS, r"x509|certificate|tls: |HTTP response to HTTPS client|does not look like a TLS"),
        (Reason.NOT_FOUND, r"(blob|manifest) .*no such file or directory"),  # a file of a layout
        (Reason.NOT_FOUND, r"(manifest|name|blob) unknown|not found|status(code)?:? 404|does not exist"),
        (Reason.UNAUTHORIZED, r"unauthorized|authentication required|denied|invalid username/password"),
        (Reason.UNAUTHORIZED, r"status(code)?:? 40[13]|forbidden|unable to retrieve auth token"),
        (Reason.SERVER_ERROR, r"status(code)?:? 5\d\d|5\d\d (Internal|Bad|Service|Gateway)|internal server error"),
        (Reason.SERVER_ERROR, r"service unavailable|bad gateway|gateway timeout"),
        (Reason.CONNECTION, r"connection refused|connection reset|broken pipe|no such host|no route to"),
        (Reason.CONNECTION, r"unreachable|server misbehaving|EOF|closed network|stopped after \d+ red"),
        (Reason.CONNECTION, r"http2?: |transport connection broken|malformed HTTP"),
        (Reason.CORRUPT, r"manifest .*invalid|invalid manifest"),
    )
)

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
_READING_BLOB: Final = re.compile(rf"{_SOURCE_WHILE_WRITING.pattern}|reading config|parsing image conf", re.IGNORECASE)
_LOCAL: Final = re.compile(
    r"no space left on device|read-only file system|disk quota exceeded"
    r"|(open|mkdir|rename|write|mkdirat) /\S+: permission",
    re.IGNORECASE,
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
    remote = _TO_THE_END.search(error)
    missing = remote and re.search(r"not found|(manifest|name|blob) unknown", remote[0], re.IGNORECASE)
    return Reason.NOT_FOUND if missing else Reason.OTHER


def blames_destination(error: str) -> bool:
    """Whether an error after the source was opened is the destination's own.

    A corrupt source is worded as a failure of the destination: `happened during read` marks it (observed, both ways).
    """
    if _LOCAL.search(_own_words(error)):
        return True
    words = _without_names(error)
    return bool(_WRITING.search(words)) and not _SOURCE_WHILE_WRITING.search(words)


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
        return _is_said(r"dial (tcp|udp)|pinging container registry|no such host", error)
    return reason in {Reason.TIMEOUT, Reason.STALLED}


def refuses_credentials(error: str) -> bool:
    """Whether a registry does not accept who asks.

    `denied`, and a resource that is not authorized, can also mean a repository that is only not there yet.
    """
    refused = reason_of(error) in {Reason.UNAUTHORIZED, Reason.TLS}
    return refused and not re.search(r"\bdenied\b|resource", error, re.IGNORECASE)


def _is_said(pattern: str, error: str) -> bool:
    return re.search(pattern, _own_words(error)) is not None


is_ours: Final = partial(_is_said, r"too many open files|getting username and password|error getting credentials")
"""Whether what failed is on this machine, whichever registry skopeo had turned to, and none had a part in it."""
cannot_keep_index: Final = partial(_is_said, r"Manifest list must be converted to type")
"""Whether skopeo would write another index than it has read: so it says of one that a destination refused, too."""
cannot_nest: Final = partial(_is_said, r"Unexpectedly received a manifest list instead of a manifest")
"""Whether skopeo has met an index within an index."""
cannot_read_content: Final = partial(_is_said, r"unsupported docker v2s2 media type")
"""Whether skopeo has met a config or a layer that it knows in no Docker image."""
cannot_read_manifest: Final = partial(_is_said, r"unsupported schema version \d")
"""Whether skopeo has met a manifest of a type that it does not know: it takes it for Docker's schema 1 then."""
cannot_keep_schema1: Final = partial(_is_said, r"Copying a schema1 image")
"""Whether skopeo would have to change a schema 1 manifest."""
refuses_name: Final = partial(
    _is_said,
    r"name (invalid|unknown)|denied|unauthorized|\bunsupported: |(StatusCode: |registry )(400|403|404|405)\b"
    r"|invalid repository",
)
"""Whether a destination refuses a repository, perhaps for its name, rather than what was to be written to it."""
refuses_index: Final = partial(
    _is_said,
    r"(uploading|writing) manifest [^\n]*:(?: errors:\n| )"
    r"((manifest blob|blob|manifest) unknown: |blob unknown to registry|manifest invalid: |StatusCode: 40[04]\b)",
)
"""Whether a destination refuses a manifest for what it leads to, as registries do an index without its images."""
has_lost_content: Final = partial(
    _is_said,
    r"(uploading|writing) (manifest|blob)\b[^\n]*:(?: errors:\n| )"
    r"((manifest blob|blob|blob upload) unknown: |blob unknown to registry|digest invalid: )",
)
"""Whether a destination does not have what it has just taken, as where several write the same at once (observed)."""
refused_at_ping: Final = partial(_is_said, r"pinging container registry .*(StatusCode: |registry )403\b")
"""Whether a 403 came before any registry's own words: few registries, and many proxies, answer `/v2/` with that."""


def _own_words(error: str) -> str:
    """`error`, with `…` for everything that a registry wrote, and for all that is quoted."""
    kept = _TO_THE_END.sub(lambda match: "".join(part or "" for part in match.groups()) + "…", error)
    return _LOOKED_UP.sub("lookup …", _QUOTED.sub("…", kept))


def _without_names(error: str) -> str:
    return _NAMES.sub("…", _own_words(error))
