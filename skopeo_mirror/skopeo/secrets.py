"""What skopeo's words can hold of a secret, taken out before anybody reads them (pure)."""

from __future__ import annotations

import re
from typing import Final

_ANY_CASE: Final = re.IGNORECASE
# Credentials in a URL, tokens and signatures in its query (also of one that a registry redirects to), headers.
_SECRETS: Final = (
    (re.compile(rb"(https?://)[^/\s\"@]+@"), rb"\1***@"),
    (
        re.compile(
            rb"([?&][\w-]{0,64}(?:token|secret|password|signature|credential|sig|key|_state)[\w-]{0,64}=)[^&\s\"\\]+",
            _ANY_CASE,
        ),
        rb"\1***",
    ),
    (re.compile(rb"(authorization\W{1,6}(?:basic|bearer)?\s*)[\w.~+/=-]+", _ANY_CASE), rb"\1***"),
    (re.compile(rb'(\\?"(?:auth|password|\w{0,64}token)\\?"\s*:\s*\\?")[^"\\]+', _ANY_CASE), rb"\1***"),
)


def without_secrets(line: bytes) -> bytes:
    """`line` with every known form of a secret replaced by `***`."""
    for pattern, replacement in _SECRETS:
        line = pattern.sub(replacement, line)
    return line


def told(text: str, limit: int) -> str:
    """At most `limit` characters of an error text, without secrets."""
    return without_secrets(text[:limit].encode(errors="replace")).decode(errors="replace")
