"""Secrets that skopeo's words can hold, taken out before anybody reads them (pure)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_URL: Final = 2000
# Credentials in a URL, tokens and signatures in its query (also of one that a registry redirects to), headers.
_SECRETS: Final = (
    (re.compile(rb"(https?://)[^/?#\s\"]+@"), rb"\1***@"),
    (
        # With or without the `?` or `&` before it: a registry can repeat it anywhere, and JSON writes it as \\u0026.
        re.compile(
            rb"(?<![A-Za-z0-9_-])((?:u0026)?(?:"
            rb"[\w-]{0,64}(?:token|secret|password|passwd|signature|credential|sig|key|_state)[\w-]{0,64}|policy|x-(?:amz|goog|ms)-[\w-]{1,64})=)[^&\s\"\\]+",
            re.IGNORECASE,
        ),
        rb"\1***",
    ),
    (re.compile(rb"\b((?i:basic|bearer|negotiate)\s{1,4})(?=[a-z.~_-]{0,512}[A-Z0-9+/=])[\w.~+/=-]{8,}"), rb"\1***"),
    (re.compile(rb"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"), rb"***"),  # a JSON web token, wherever
    (
        re.compile(rb"\b((?:user(?:name)?|login|passw(?:or)?d)\\?[\"']?:\\?[\"']?)(?!\s)[^\s\"'\\/]+", re.IGNORECASE),
        rb"\1***",
    ),
    (re.compile(rb"(authorization\W{1,6}(?:basic|bearer)?\s*)[\w.~+/=-]+", re.IGNORECASE), rb"\1***"),
    (re.compile(rb'(\\?"(?:auth|password|\w{0,64}token)\\?"\s*:\s*\\?")[^"\\]+', re.IGNORECASE), rb"\1***"),
)
_HOST: Final = re.compile(r"[^:@]*(?::\d*)?|\[[^\]]*\](?::\d*)?")


def without_secrets(line: bytes) -> bytes:
    """`line` with every known form of a secret replaced by `***`."""
    for pattern, replacement in _SECRETS:
        line = pattern.sub(replacement, line)
    return line


def redacted(text: str, limit: int) -> str:
    """At most `limit` characters of an error text, without secrets."""
    return without_secrets(text.encode(errors="replace")).decode(errors="replace")[:limit]


def without_queries(line: bytes, urls: Iterable[str]) -> bytes:
    """`line` without the queries of `urls`, which may be signed: whoever has one may fetch what it is for."""
    for url in urls:
        query = url.partition("?")[2].partition("#")[0].encode(errors="replace")
        if query:
            line = line.replace(b"?" + query, b"?***")
    return line


def redacted_url(url: str) -> str:
    """Where a URL leads, for people: without its user, password and query."""
    place, *hidden = re.split(r"[?#]", url[:LONGEST_URL], maxsplit=1)
    scheme, slashes, rest = place.partition("://")
    if not slashes:
        scheme, rest = "", place
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if not _HOST.fullmatch(host):  # a password with a slash in it, say
        user, at, host, slash, path = "", "", "***", "", ""
    return f"{scheme}{slashes}{'***@' if user or at else ''}{host}{slash}{path}{'?***' if hidden else ''}"
