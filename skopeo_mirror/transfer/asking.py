"""What skopeo is asked for, of an image and of those of an index, and what the signature policy demands of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skopeo_mirror.registries_conf.routing import as_pulled
from skopeo_mirror.skopeo.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from skopeo_mirror.reference import Digest, PinnedReference, Reference
    from skopeo_mirror.skopeo.policy import Requirements
    from skopeo_mirror.transfer.jobs import Job


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """Questions to a signature policy; `directory` is where skopeo reads staged layouts."""

    directory: Path
    policy: Policy = field(default_factory=Policy)

    def reference(self, job: Job, image: PinnedReference) -> Reference:
        """What skopeo is asked for: the digest, but for a tag that a signature policy has a say in."""
        if job.sources.from_layout or not self.policy.has_a_say(job.image, image.digest):
            return image.without_tag()
        return as_pulled(job.image)

    def requirements(self, job: Job, asked: Reference) -> Requirements:
        """What the signature policy demands of an image as skopeo is asked for it."""
        return self.policy.of_layout(self.directory) if job.sources.from_layout else self.policy.of_image(asked)

    def is_indifferent(self, job: Job, image: PinnedReference, children: Iterable[Digest]) -> bool:
        """Whether an index may come image by image: nothing is demanded of it, nor of any of its images.

        skopeo checks nothing of an index that is copied alone (observed), so that would be a way around the policy.
        """
        if job.sources.from_layout:
            return self.policy.of_layout(self.directory).accept_anything
        if self.policy.has_a_say(job.image, image.digest):
            return False
        return all(self.policy.of_image(image.without_tag().pin(child)).accept_anything for child in children)
