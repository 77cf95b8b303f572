"""What is attached to a manifest in its own repository, and the names that it has there (pure).

Names are cosign's for signatures, attestations and SBOMs (its specification, "Signature Image"), and that of the OCI
distribution specification's "Referrers Tag Schema" for all else.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from skopeo_mirror.reference import Digest

LONGEST_TAG: Final = 128


class AttachedKind(StrEnum):
    """A kind of what is attached, as people ask for it."""

    SIG = "sig"
    ATT = "att"
    SBOM = "sbom"
    REFERRERS = "referrers"


ALL_KINDS: Final = frozenset[AttachedKind](AttachedKind)


def names(subject: Digest, kinds: Collection[AttachedKind]) -> Iterator[tuple[AttachedKind, str]]:
    """The tags under which what is attached to `subject` is looked for, for each of `kinds` that there can be."""
    stem = str(subject).replace(":", "-")
    for kind in AttachedKind:
        tag = stem if kind is AttachedKind.REFERRERS else f"{stem}.{kind}"
        if kind in kinds and len(tag) <= LONGEST_TAG:
            yield kind, tag
