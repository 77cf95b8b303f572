"""The comparison of signatures: whether an image that is there already has those that a copy would bring now."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skopeo_mirror.manifest import InvalidManifest, parse_manifest
from skopeo_mirror.skopeo.registries_d import RegistriesD
from skopeo_mirror.skopeo.signatures import Signatures, read_signatures, signatures_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from skopeo_mirror.reference import Digest, PinnedReference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.settings import Access
    from skopeo_mirror.transfer.destination.place import Place
    from skopeo_mirror.transfer.failover import Tries
    from skopeo_mirror.transfer.manifests import ManifestReader
    from skopeo_mirror.transfer.presence import Presence

_Found = dict["Digest", Signatures]


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureComparison:
    """Compares what skopeo sees at the source with what it sees at the destination, manifest by manifest.

    Where this host does not make skopeo look for signatures of an image, nobody is asked for any.
    """

    reader: ManifestReader
    presence: Presence
    registries_d: RegistriesD = field(default_factory=lambda: RegistriesD(texts=(), stores=()))

    @property
    def matters(self) -> bool:
        """Whether any image could have signatures to be compared."""
        configured = bool(self.registries_d.texts or self.registries_d.stores)
        return self.signs or (configured and not self.reader.scoped.settings.remove_signatures)

    def lacking(self, image: PinnedReference, place: Place, tries: Tries) -> bool:
        """Whether a copy would write signatures; also where that cannot be told, for the copy will say why."""
        candidates = tries.next(time.monotonic())
        if not (self.signs or self._sought(candidates)):
            return False
        source = self._at_source(image, tries)
        if source is None:
            return True
        found: _Found = {}
        for digest, theirs in source.items():
            signed_here = self.signs and digest == image.digest
            if not (theirs or signed_here):
                continue
            ours = self._at_destination(place, digest, found, main=digest == image.digest)
            if ours is None or ours.lack(theirs) or (signed_here and not ours.go_beyond(theirs)):
                return True
        return False

    def unwelcome(self, image: PinnedReference, place: Place, tries: Tries) -> bool:
        """Whether a copy would bring signatures to where there is no room for them: into a layout."""
        if place.entry is None:
            return False
        return self.signs or any((self._at_source(image, tries) or {}).values())

    @property
    def signs(self) -> bool:
        """Whether skopeo is told to sign what it copies."""
        return any(option.startswith("--sign-by") for option in self.reader.scoped.settings.extra)

    def _sought(self, candidates: Sequence[PullSource]) -> bool:
        """Whether skopeo may find signatures at any of them, which it is to copy."""
        return not self.reader.scoped.settings.remove_signatures and any(
            candidate.host is not None and self.registries_d.may_speak_of(candidate.reference)
            for candidate in candidates
        )

    def _at_source(self, image: PinnedReference, tries: Tries) -> Mapping[Digest, Signatures] | None:
        """The signatures of an image, and of the images of an index, at the candidate that gives the manifest."""
        if not self._sought(tries.next(time.monotonic())):
            return {image.digest: Signatures()}
        image = image.without_tag()
        probe = self.reader.read(image, tries)
        if probe is None or not probe.manifest:
            return None
        try:
            children = parse_manifest(probe.manifest).children
        except InvalidManifest:
            return None
        found: _Found = {}
        candidates, access = tries.next(time.monotonic()), self.reader.scoped.settings.source
        for digest in (image.digest, *(child.digest for child in children)):
            if self._read(image, digest, candidates, access, found) is None:
                return None
        return found

    def _at_destination(self, place: Place, digest: Digest, found: _Found, *, main: bool) -> Signatures | None:
        if place.repository is not None:
            repository = place.repository.without_tag().pin(digest)
            candidate = self.presence.candidate(repository)
            return self._read(repository, digest, [candidate], self.reader.scoped.settings.destination, found)
        return Signatures() if place.path is None else _in_directory(place.path, digest, main=main)

    def _read(
        self, image: PinnedReference, digest: Digest, candidates: Sequence[PullSource], access: Access, found: _Found
    ) -> Signatures | None:
        """The signatures of one manifest; `found` remembers them, and those that come along."""
        if digest not in found:
            there = [candidate.at(digest) for candidate in candidates]
            found |= read_signatures(self.reader.scoped, image.pin(digest), there, access) or {}
        return found.get(digest)


def _in_directory(directory: Path, digest: Digest, *, main: bool) -> Signatures | None:
    """What skopeo's `dir:` transport has written beside an image, for the image or for one of its index."""
    try:
        return signatures_in(directory.glob("signature-*" if main else f"{digest.hex}.signature-*"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
