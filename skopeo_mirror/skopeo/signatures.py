"""The signatures of an image, as skopeo sees them: which they are, without fetching more than them.

skopeo has no command that lists signatures. But it reads them, all and first, where a policy requires some; one that
no signature can meet ends the run right then (observed on 1.9.3 and 1.18.0), and the log names what was read.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.manifest import digest_of
from skopeo_mirror.reference import Digest, Reference
from skopeo_mirror.skopeo.debuglog import Requested, Signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skopeo_mirror.reference import PinnedReference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.debuglog import Event
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.skopeo.settings import Access


_LOOKASIDE: Final = re.compile(r"(?P<where>.*@(?P<algorithm>\w+)=(?P<hex>[0-9a-f]+)/signature-)(?P<number>\d{1,4})")
_ATTACHED: Final = re.compile(r"Looking for sigstore attachments in .*:(?P<algorithm>\w+)-(?P<hex>[0-9a-f]+)\.sig")
_SIGSTORE: Final = b"\x00sigstore-json\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signatures:
    """The signatures of one manifest, by what is in them."""

    simple: frozenset[str] = frozenset()
    """Those of gpg."""
    sigstore: frozenset[str] = frozenset()
    unseen: int = 0
    """The number of those in a lookaside on a web server: skopeo reads them, and does not show them."""

    def __bool__(self) -> bool:
        return bool(self.simple or self.sigstore or self.unseen)

    def lack(self, others: Signatures) -> bool:
        """Whether any of `others` is not among these."""
        hidden = self.unseen - len(others.simple - self.simple)
        return bool(others.sigstore - self.sigstore) or not (
            hidden >= 0 and hidden + len(self.simple - others.simple) >= others.unseen
        )

    def go_beyond(self, others: Signatures) -> bool:
        """Whether there are more than `others`."""
        more = len(self.simple) + self.unseen - len(others.simple) - others.unseen
        return more > 0 or bool(self.sigstore - others.sigstore)


@dataclass(kw_only=True, slots=True)
class _Noticed:
    """What the log shows of the signatures of one manifest."""

    files: tuple[Path, ...] = ()
    unseen: int = 0
    """How many a web server gave."""
    attached: bool = False
    """Whether a `.sig` was found."""


def read_signatures(
    scoped: ScopedSkopeo, image: PinnedReference, candidates: Sequence[PullSource], access: Access
) -> dict[Digest, Signatures] | None:
    """Those of `image` at the first of `candidates` that has it; None where that cannot be told.

    Of an index, those of its first image are given along.
    """
    events, server = scoped.look_for_signatures(image, candidates, access=access)
    if server is None:
        return None
    found: dict[Digest, Signatures] = {image.digest: Signatures()}
    try:
        for digest, noticed in _noticed(events).items():
            attached = _attached(scoped, server, digest, access) if noticed.attached else ()
            found[digest] = signatures_in(noticed.files, attached, noticed.unseen)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # gone meanwhile, or not what skopeo made of it
        return None
    return found


def _noticed(events: Iterable[Event]) -> dict[Digest, _Noticed]:
    """What a log shows, by manifest. The last file or address that is tried of each is the one that is not there."""
    found: dict[Digest, _Noticed] = {}
    attached_to: Digest | None = None
    for event in events:
        match event:
            case Requested(method="GET", url=text) | Signed(message=text):
                pass
            case _:
                continue
        if text.startswith("Found "):
            if attached_to is not None:
                found.setdefault(attached_to, _Noticed()).attached = True
        elif match_ := _ATTACHED.fullmatch(text):
            attached_to = _digest(match_)
        elif (match_ := _LOOKASIDE.fullmatch(text)) and (digest := _digest(match_)):
            noticed, there = found.setdefault(digest, _Noticed()), int(match_["number"]) - 1
            if isinstance(event, Requested):
                noticed.unseen = there
            else:
                where = match_["where"].removeprefix("Reading ")
                noticed.files = tuple(Path(f"{where}{number}") for number in range(1, there + 1))
    return found


def _attached(scoped: ScopedSkopeo, server: PullSource, digest: Digest, access: Access) -> tuple[str, ...]:
    """The signatures that are attached to a manifest: skopeo takes two for the same where all of this is the same."""
    tag = f"{digest.algorithm}-{digest.hex}.sig"
    name = Reference(domain=server.reference.domain, path=server.reference.path, tag=tag)
    probe = scoped.probe(name, [replace(server, reference=name)], access=access, keeps_log=False)
    layers: list[dict[str, Any]] = json.loads(probe.manifest)["layers"]
    return tuple(_sigstore(layer["mediaType"], layer["digest"], layer.get("annotations")) for layer in layers)


def signatures_in(files: Iterable[Path], attached: tuple[str, ...] = (), unseen: int = 0) -> Signatures:
    """Those in files that skopeo has written, beside others.

    Raises OSError, or ValueError and its like for what skopeo has not written.
    """
    simple, sigstore = set(), set(attached)
    for file in files:
        content = file.read_bytes()
        if content.startswith(_SIGSTORE):
            signature: dict[str, Any] = json.loads(content.removeprefix(_SIGSTORE))
            payload = str(digest_of(base64.b64decode(signature["payload"])))
            sigstore.add(_sigstore(signature["mimeType"], payload, signature.get("annotations")))
        else:
            simple.add(str(digest_of(content)))
    return Signatures(simple=frozenset(simple), sigstore=frozenset(sigstore), unseen=unseen)


def _sigstore(media_type: str, digest: str, annotations: dict[str, str] | None) -> str:
    return json.dumps([media_type, digest, sorted((annotations or {}).items())])


def _digest(match: re.Match[str]) -> Digest | None:
    try:
        return Digest.parse(f"{match['algorithm']}:{match['hex']}")
    except InvalidReference:
        return None
