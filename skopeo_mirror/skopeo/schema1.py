"""Docker's schema 1: told from its bytes, so that no mirror is blamed for what no copy can keep (pure).

Its digest is that of the payload without the signatures: the `protected` header of each signature says where they
were put in (`formatLength`, bytes of the payload before them, and `formatTail`, what comes after them).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.manifest import digest_of

if TYPE_CHECKING:
    from skopeo_mirror.reference import Digest

NOT_COPIED: Final = (
    "its manifest is of Docker's schema 1, which is not copied (it is signed together with its own name and tag); "
    "convert it at its source (`skopeo copy --format v2s2`) and ask for the digest that it has then"
)


def is_schema1(content: bytes, digest: Digest | None) -> bool:
    """Whether a manifest is of schema 1 and, where a digest is wanted, has it: anything else is its giver's fault."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    if not isinstance(document, dict) or document.get("schemaVersion") != 1 or "fsLayers" not in document:
        return False
    signed = (content, _payload(content, document))
    return digest is None or any(digest_of(one, digest.algorithm) == digest for one in signed)


def _payload(content: bytes, document: dict[str, Any]) -> bytes:
    """What the first signature says was signed; the whole where there is none to be understood."""
    try:
        header = json.loads(_decoded(document["signatures"][0]["protected"]))
        length, tail = header["formatLength"], _decoded(header["formatTail"])
        return content[:length] + tail if isinstance(length, int) and 0 <= length <= len(content) else content
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return content


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
