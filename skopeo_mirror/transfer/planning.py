"""The reading of plans: what an image brings, from its manifests as the candidates give them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from skopeo_mirror.transfer.plan import MOST_FILES, MOST_IMAGES, plan_of

if TYPE_CHECKING:
    from skopeo_mirror.reference import Digest
    from skopeo_mirror.skopeo.scoped import Probe
    from skopeo_mirror.transfer.manifests import ManifestReader
    from skopeo_mirror.transfer.plan import Plan
    from skopeo_mirror.transfer.stages import Absent, Planned


def whole_plan(reader: ManifestReader, stage: Absent | Planned, probe: Probe) -> Plan | None:
    """The plan of an image that is copied as one, with all images of an index; None where one cannot be read."""
    from_layout = stage.journey.job.sources.from_layout

    def read_child(digest: Digest) -> bytes | None:
        child = reader.read_child(stage.image, digest, stage.tries)
        if from_layout:  # of a registry's the copy will show what is wrong, if anything is
            stage.tries.record(child.provenance, time.monotonic())
        return child.manifest or None

    plan = plan_of(probe.manifest, read_child, most=MOST_FILES if from_layout else MOST_IMAGES)
    part = stage.journey.job.part
    if plan is None or part is None or not probe.rendered:
        return plan
    return replace(plan, manifests=part.size, rendered=True)
