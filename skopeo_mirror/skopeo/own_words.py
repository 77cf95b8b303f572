"""skopeo's own words in an error, without what a registry made it say (pure).

containers/image puts a registry's words at the end of its own: behind the name of an error code, a status, a media
type. Quoted are bodies, URLs, headers and host names. Observed on 1.9.3 and 1.18.0, with a server that says anything.
"""

from __future__ import annotations

import re
from typing import Final

# The codes are a fixed list (docker/distribution, registry/api/errcode and v2); any other code becomes `unknown`.
_CODE: Final = (
    r"(?:unknown|unsupported|unauthorized|denied|unavailable|toomanyrequests|range invalid|page?ination number invalid"
    r"|(?:digest|size|name|tag|manifest|blob upload) invalid|(?:name|manifest|manifest blob|blob|blob upload) unknown"
    r"|manifest unverified|invalid pagination number)"
)
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


def own_words(error: str) -> str:
    """`error`, with `…` for everything that a registry wrote, and for all that is quoted."""
    kept = _TO_THE_END.sub(lambda match: "".join(part or "" for part in match.groups()) + "…", error)
    return _LOOKED_UP.sub("lookup …", _QUOTED.sub("…", kept))


def remote_words(error: str) -> str:
    """What the registry wrote behind an error code."""
    match = _TO_THE_END.search(error)
    return "" if match is None else match[0]
