"""The signatures of an image: what skopeo's log shows of them, and when those of one place are all at another."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.manifest import digest_of
from skopeo_mirror.reference import Reference
from skopeo_mirror.skopeo.debuglog import Event, Requested, Signed
from skopeo_mirror.skopeo.scoped import WERE_READ, Probe
from skopeo_mirror.skopeo.settings import Access
from skopeo_mirror.skopeo.signatures import Signatures, read_signatures, signatures_in
from tests.values import D1, D2, candidate, run_of, served

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo

MIRROR = candidate(f"mirror.test/app@{D1}")
IMAGE = Reference.parse("prod.test/app").pin(D1)
LAYER = {"mediaType": "m", "digest": f"sha256:{'3' * 64}", "annotations": {"signature": "A"}}


class Seen:
    """Answers as a skopeo that logged these events and has this attached to every image."""

    def __init__(self, *events: Event, server: PullSource | None = MIRROR, attached: bytes = b"") -> None:
        self.events, self.server, self.attached = events, server, attached
        self.asked: list[str] = []

    def look_for_signatures(self, *_: object, **__: object) -> tuple[Sequence[Event], PullSource | None]:
        return self.events, self.server

    def probe(self, image: Reference, candidates: Sequence[PullSource], **_: object) -> Probe:
        assert [one.reference for one in candidates] == [image]
        self.asked.append(str(image))
        return Probe(manifest=self.attached, provenance=run_of(served(MIRROR)))


def signed(message: str) -> Signed:
    return Signed(at=0.0, message=message)


def read(seen: Seen) -> dict[str, Signatures] | None:
    scoped: ScopedSkopeo = seen  # type: ignore[assignment] # as far as it is used
    found = read_signatures(scoped, IMAGE, [MIRROR], Access())
    return None if found is None else {str(digest): signatures for digest, signatures in found.items()}


def test_files_of_a_lookaside_are_told_by_what_is_in_them(tmp_path: Path) -> None:
    place = tmp_path / f"app@sha256={D1.hex}"
    place.mkdir()
    for number, content in enumerate((b"one", b"two"), start=1):
        (place / f"signature-{number}").write_bytes(content)
    events = [signed(f"Reading {place}/signature-{number}") for number in (1, 2, 3)]
    found = read(Seen(*events))
    assert found == {str(D1): signatures_in(place.iterdir())}
    assert len(found[str(D1)].simple) == 2


def test_on_a_web_server_they_are_counted() -> None:
    asked = [f"https://sigs.test/app@sha256={D1.hex}/signature-{number}" for number in (1, 2)]
    events = [Requested(at=0.0, method="GET", url=url) for url in asked]
    assert read(Seen(*events)) == {str(D1): Signatures(unseen=1)}
    assert read(Seen(events[0])) == {str(D1): Signatures()}


def test_what_is_attached_is_read_where_it_was_found() -> None:
    looking = [signed(f"Looking for sigstore attachments in mirror.test/app:sha256-{one.hex}.sig") for one in (D1, D2)]
    manifest = json.dumps({"layers": [LAYER, LAYER, LAYER | {"annotations": {"signature": "B"}}]}).encode()
    seen = Seen(*looking, signed("Found a sigstore attachment manifest with 3 layers"), attached=manifest)
    found = read(seen)
    assert found is not None
    assert seen.asked == [f"mirror.test/app:sha256-{D2.hex}.sig"]
    assert (found[str(D1)], len(found[str(D2)].sigstore)) == (Signatures(), 2)


@pytest.mark.parametrize("attached", [b"", b"[]", b'{"layers": 5}', b'{"layers": [{}]}', b'{"layers": ["x"]}'])
def test_what_cannot_be_understood_is_not_taken_for_nothing(attached: bytes) -> None:
    looking = signed(f"Looking for sigstore attachments in mirror.test/app:sha256-{D1.hex}.sig")
    assert read(Seen(looking, signed("Found a sigstore attachment manifest with 1 layers"), attached=attached)) is None


def test_nothing_is_told_of_what_nobody_served() -> None:
    assert read(Seen(server=None)) is None


def test_one_signature_is_the_same_attached_and_in_a_file(tmp_path: Path) -> None:
    payload = b'{"critical": {}}'
    content = {"mimeType": "m", "payload": base64.b64encode(payload).decode(), "annotations": {"signature": "A"}}
    (tmp_path / "signature-1").write_bytes(b"\x00sigstore-json\n" + json.dumps(content).encode())
    in_file = signatures_in(tmp_path.iterdir())
    manifest = {"layers": [{"mediaType": "m", "digest": str(digest_of(payload)), "annotations": {"signature": "A"}}]}
    looking = signed(f"Looking for sigstore attachments in mirror.test/app:sha256-{D1.hex}.sig")
    found = signed("Found a sigstore attachment manifest with 1 layers")
    assert read(Seen(looking, found, attached=json.dumps(manifest).encode())) == {str(D1): in_file}
    assert in_file.simple == frozenset()


def there(*simple: str, sigstore: str = "", unseen: int = 0) -> Signatures:
    return Signatures(simple=frozenset(simple), sigstore=frozenset(sigstore), unseen=unseen)


@pytest.mark.parametrize(
    ("ours", "theirs", "lacking"),
    [
        pytest.param(there(), there(), False, id="none"),
        pytest.param(there(), there("a"), True, id="missing"),
        pytest.param(there("b"), there("a"), True, id="another"),
        pytest.param(there("a", "b"), there("a"), False, id="more"),
        pytest.param(there(), there(sigstore="a"), True, id="attached-missing"),
        pytest.param(there(sigstore="ab"), there(sigstore="b"), False, id="attached-more"),
        pytest.param(there(), there(unseen=1), True, id="unseen-missing"),
        pytest.param(there("a"), there(unseen=1), False, id="unseen-may-be-it"),
        pytest.param(there("a"), there("a", unseen=1), True, id="unseen-is-another"),
        pytest.param(there("a"), there(unseen=2), True, id="unseen-too-many"),
        pytest.param(there(sigstore="a"), there(unseen=1), True, id="unseen-is-not-attached"),
        pytest.param(there(unseen=1), there("a"), False, id="may-be-unseen-here"),
        pytest.param(there(unseen=1), there("a", "b"), True, id="cannot-be-unseen-here"),
        pytest.param(there(unseen=2), there("a", unseen=1), False, id="unseen-both"),
        pytest.param(there(unseen=1), there("a", unseen=1), True, id="unseen-one-too-few"),
    ],
)
def test_what_lacks(ours: Signatures, theirs: Signatures, lacking: bool) -> None:
    assert ours.lack(theirs) is lacking


@pytest.mark.parametrize(
    ("ours", "theirs", "more"),
    [
        pytest.param(there(), there(), False, id="none"),
        pytest.param(there("a"), there(), True, id="one"),
        pytest.param(there("a"), there("a"), False, id="the-same"),
        pytest.param(there("a", "b"), there("a"), True, id="one-more"),
        pytest.param(there("a"), there(unseen=1), False, id="unseen"),
        pytest.param(there(unseen=2), there("a"), True, id="one-more-unseen"),
        pytest.param(there(sigstore="a"), there(), True, id="attached"),
        pytest.param(there(sigstore="a"), there(sigstore="a"), False, id="attached-the-same"),
    ],
)
def test_what_goes_beyond(ours: Signatures, theirs: Signatures, more: bool) -> None:
    assert ours.go_beyond(theirs) is more


@pytest.mark.parametrize(
    ("words", "read"),
    [
        pytest.param("Source image rejected: A signature was required, but no signature exists", True, id="none"),
        pytest.param('Source image rejected: Unimplemented "keyType" value "signedByGPGKeys"', True, id="one"),
        pytest.param(
            "Source image rejected: None of the signatures were accepted, reasons: Unimplemented", True, id="many"
        ),
        pytest.param(
            "copying image 1/2 from manifest list: Source image rejected: A signature was required, but no signature "
            "exists",
            True,
            id="index",
        ),
        pytest.param("Source image rejected: open /x/signature-1: permission denied", False, id="not-readable"),
        pytest.param(
            "Source image rejected: reading signature from https://x: status 500 (A signature was required, but no "
            "signature exists)",
            False,
            id="a-servers-words",
        ),
        pytest.param("writing blob: A signature was required, but no signature exists", False, id="something-else"),
    ],
)
def test_which_last_words_say_that_all_were_read(words: str, read: bool) -> None:
    assert bool(WERE_READ.match(words)) is read
