"""Limits of the skopeo at hand, and of a destination: what cannot be copied as it is, whoever serves it (pure)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from skopeo_mirror.manifest import KNOWN_TYPES
from skopeo_mirror.reference import shown
from skopeo_mirror.skopeo.faults import (
    Reason,
    Stage,
    cannot_keep_index,
    cannot_nest,
    cannot_read_content,
    cannot_read_manifest,
    reason_of,
    refuses_index,
)
from skopeo_mirror.skopeo.provenance import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.skopeo.provenance import Provenance
    from skopeo_mirror.transfer.plan import Plan

_DOCKER_CONTENTS: Final = frozenset(
    f"application/vnd.docker.{name}"
    for name in (
        *("container.image.v1+json", "image.rootfs.diff.tar", "image.rootfs.diff.tar.gzip"),
        *("image.rootfs.foreign.diff.tar", "image.rootfs.foreign.diff.tar.gzip"),
    )
)
KEEPS_DESCRIPTORS: Final = "1.18"
"""A skopeo that is known to write `artifactType` and `data` of an index's descriptors (observed; 1.9.3 does not)."""


def says_that_it_cannot(provenance: Provenance) -> bool:
    """Whether a run failed with words that can mean such a limit."""
    if provenance.server is not None or provenance.fault is not None or not provenance.attempts:
        return False
    error = provenance.attempts[-1].detail
    return any(said(error) for said in (cannot_keep_index, cannot_nest, cannot_read_content, cannot_read_manifest))


def at_limits(provenance: Provenance, plan: Plan, version: str) -> Provenance:
    """A run that failed with such words, the candidate cleared if the manifests bear them out, by which it is judged.

    But for one whose manifests contradict themselves: it is that one's fault.
    """
    *before, last = provenance.attempts
    error = last.detail
    if cannot_keep_index(error) and plan.contradicted is not None:
        blamed = replace(last, stage=Stage.MANIFEST, reason=Reason.CORRUPT, detail=plan.contradicted)
        return replace(provenance, attempts=(*before, blamed))
    if cannot_keep_index(error) and plan.extended:
        why = (
            f"this skopeo ({version}) cannot keep this index as it is, because its descriptors have artifactType or "
            f"data; skopeo {KEEPS_DESCRIPTORS} can (--skopeo PATH names another): {error}"
        )
    elif cannot_nest(error) and plan.nested:
        why = (
            f"this index holds another index, and this skopeo ({version}) cannot copy such a one; copy the inner index "
            f"or its images by their digests: {error}"
        )
    elif cannot_read_content(error) and (unknown := sorted(plan.docker_contents - _DOCKER_CONTENTS)):
        zstd = " (skopeo 1.19 can copy Docker images with zstd layers)" if any("zstd" in one for one in unknown) else ""
        why = (
            f"it is, or holds, a Docker image with content of the type {', '.join(map(shown, unknown))}, which this "
            f"skopeo ({version}) copies to no destination{zstd}: {error}"
        )
    elif cannot_read_manifest(error) and (unknown := sorted(plan.types - KNOWN_TYPES)):
        types = ", ".join(map(shown, unknown))
        why = f"its manifest, or one in it, is of the type {types}, which no skopeo copies: {error}"
    else:
        return provenance
    return replace(provenance, attempts=tuple(before), fault=Fault(reason=Reason.OTHER, detail=why))


def refused_without_the_rest(error: str, platforms: Sequence[Platform]) -> str:
    """Why a registry refuses an index of which only the images for `platforms` are there; empty where it does not.

    skopeo goes on to another type then, which it may not write, and its last words are of that (observed).
    """
    if not (platforms and refuses_index(error)):
        return ""
    perhaps = "" if reason_of(error) is Reason.NOT_FOUND else "perhaps "
    return (
        f"{perhaps}this registry takes an index only together with all its images, and only those for "
        f"{', '.join(map(str, platforms))} were asked for: copy without --platform, or to oci:DIR, or to a registry "
        "that takes such an index (distribution 3 does with validation.manifests.indexes.platforms: none): "
        f"{error}"
    )
