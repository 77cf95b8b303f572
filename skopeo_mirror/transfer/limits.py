"""What the skopeo at hand cannot copy as it is, whoever serves it and wherever it goes (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skopeo_mirror.skopeo.faults import cannot_keep_index, cannot_nest

if TYPE_CHECKING:
    from skopeo_mirror.transfer.plan import Plan

KEEPS_DESCRIPTORS: Final = "1.18"
"""A skopeo that is known to write `artifactType` and `data` of an index's descriptors (observed; 1.9.3 does not)."""


def what_skopeo_cannot(error: str, plan: Plan | None, version: str) -> str | None:
    """Why an image failed in every skopeo like this one, as its manifests bear out; None where that is not so."""
    if plan is None:
        return None
    if plan.extended and cannot_keep_index(error):
        return (
            f"this skopeo ({version}) cannot keep this index as it is, because its descriptors have artifactType or "
            f"data; skopeo {KEEPS_DESCRIPTORS} can (--skopeo PATH names another): {error}"
        )
    if plan.nested and cannot_nest(error):
        return (
            f"this index holds another index, and this skopeo ({version}) cannot copy such a one; copy the inner index "
            f"or its images by their digests: {error}"
        )
    return None
