"""The search for what is attached to an image, by the names that it has at the location that has the image.

Absent is what a registry says of a name that it does not know; any other answer is a failure, for which the other
candidates are asked, in as many rounds as for an image. A name is never looked for in a list of tags.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from skopeo_mirror.attached import AttachedKind, names
from skopeo_mirror.manifest import InvalidManifest, all_refer_to, digest_of, parse_manifest
from skopeo_mirror.request import ImageRequest
from skopeo_mirror.skopeo.faults import HOST_IS_DOWN, Reason
from skopeo_mirror.skopeo.scoped import Probe, checked
from skopeo_mirror.transfer.explaining import why_nobody_served
from skopeo_mirror.transfer.failover import Tries
from skopeo_mirror.transfer.plan import MOST_IMAGES
from skopeo_mirror.transfer.sourcing import layout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from skopeo_mirror.reference import Digest
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.proxy_pool import ProxyPool
    from skopeo_mirror.transfer.jobs import Job
    from skopeo_mirror.transfer.manifests import ManifestReader
    from skopeo_mirror.transfer.presence import Presence
    from skopeo_mirror.transfer.sourcing import SourceFinder
    from skopeo_mirror.transfer.stages import Journey

_Answer = TypeVar("_Answer")

_WITHOUT_ANY: Final = {AttachedKind.SIG, AttachedKind.REFERRERS}
"""Kinds that nothing is attached to: nobody signs a signature, and an index of referrers changes with each of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """Something that is attached to `subject`, as it was found."""

    kind: AttachedKind
    tag: str
    subject: Digest
    probe: Probe
    """Its manifest, from where it was found."""
    candidates: tuple[PullSource, ...]
    """Where it may come from: first from there."""

    @property
    def digest(self) -> Digest:
        """That of its manifest."""
        return self.probe.digest


class NotTold(Exception):  # noqa: N818
    """Nobody can tell whether something is attached; the message says of what, and why, for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Name:
    """A name to be asked for."""

    kind: AttachedKind
    tag: str
    subject: Digest

    @property
    def exactly(self) -> bool:
        """Whether what has it is an index."""
        return self.kind is AttachedKind.REFERRERS


@dataclass(frozen=True, kw_only=True, slots=True)
class AttachmentFinder:
    """Finds what is attached, of these `kinds`."""

    kinds: frozenset[AttachedKind]
    reader: ManifestReader
    presence: Presence
    proxies: ProxyPool | None
    """Skopeos that stay and read from every candidate where it is; None where there are none."""
    sourcing: SourceFinder
    helpers: Executor | None = None
    """Threads that ask for the names of several images at once."""

    def attached_to(
        self, journey: Journey, images: Sequence[Digest], candidates: Sequence[PullSource], *, known: bool
    ) -> list[Attachment]:
        """What is attached to `images`, which are the image of a journey and those of its index.

        `candidates` are the image's; where it is `known`, the first of them is where it was found. Raises NotTold.
        """
        job = journey.job
        if job.attached is not None and job.attached.kind in _WITHOUT_ANY:
            return []
        every = [_Name(kind=kind, tag=tag, subject=one) for one in images for kind, tag in names(one, self.kinds)]
        if layout_of(candidates) is not None:
            return list(self._in_layout(job, every))
        first: dict[_Name, Probe] = {}
        if not known:
            candidates, first = self._wherever_it_is(images[-1], every, candidates)
        found = self._each(every, lambda name: self._look_for(journey, name, candidates, first.get(name)))
        return [one for one in found if one is not None]

    def _wherever_it_is(
        self, image: Digest, every: Sequence[_Name], candidates: Sequence[PullSource]
    ) -> tuple[Sequence[PullSource], dict[_Name, Probe]]:
        """The candidates of an image that is present, from the first that has it, or anything of it; what that says.

        Nobody is asked for the image itself but who has nothing that is attached to it, where others could have it.
        """
        trouble: tuple[Sequence[PullSource], dict[_Name, Probe]] | None = None
        for position, candidate in enumerate(candidates):
            from_here = (candidate, *candidates[:position], *candidates[position + 1 :])
            said = self._ask_for_all(candidate, every)
            absent = bool(said) and all(map(_says_absent, said.values()))
            is_last = position == len(candidates) - 1
            if any(probe.manifest for probe in said.values()) or (absent and is_last and trouble is None):
                return from_here, said
            if said and self._ask(candidate.at(image), exactly=False).manifest:
                return from_here, said
            if not absent and trouble is None:
                trouble = from_here, said
        return trouble or (candidates, {})

    def _ask_for_all(self, candidate: PullSource, every: Sequence[_Name]) -> dict[_Name, Probe]:
        """What a candidate says of all names; of the first alone, or of none, where its host seems to be down."""
        host, image, circuits = candidate.reference.domain, str(candidate.reference), self.reader.circuits
        if circuits.is_open(host, image, time.monotonic()):
            return {}
        first, *others = every
        knock = self._ask_for(candidate, first)
        attempts = knock.provenance.attempts
        if attempts and attempts[-1].reason in HOST_IS_DOWN:
            circuits.failed(host, image, time.monotonic())
            return {first: knock}
        circuits.answered(host, blobs=False)
        return {first: knock, **dict(zip(others, self._each(others, partial(self._ask_for, candidate)), strict=True))}

    def _ask_for(self, candidate: PullSource, name: _Name) -> Probe:
        return self._ask(candidate.under(name.tag), exactly=name.exactly)

    def _each(self, every: Sequence[_Name], ask: Callable[[_Name], _Answer]) -> list[_Answer]:
        """The answers for all names; for those of several images several are asked for at once."""
        helpers = self.helpers if len(every) > len(AttachedKind) else None
        return list(map(ask, every) if helpers is None else helpers.map(ask, every))

    def _look_for(
        self, journey: Journey, name: _Name, candidates: Sequence[PullSource], probe: Probe | None = None
    ) -> Attachment | None:
        """What has this name at the first of `candidates` that can tell; None where it is absent at the very first.

        `probe` is what the first has said already. Raises NotTold.
        """
        stopping = self.reader.scoped.skopeo.runs.stopping
        originals = {candidate.under(name.tag): candidate for candidate in candidates}
        there = tuple(originals)
        tries = Tries(str(there[0].reference), there, self.reader.circuits, self.reader.retries)
        journey.tries.append(tries)
        while True:
            while left := tries.next(time.monotonic()):
                asked = left[0]
                if probe is None or asked != there[0]:
                    probe = self._ask(asked, exactly=name.exactly, yields=tries.yields(left))
                if stopping.is_set():
                    break
                if probe.manifest:
                    others = (other for other in candidates if other != originals[asked])
                    return self._taken(journey.job, name, probe, (originals[asked], *others))
                if asked == there[0] and _says_absent(probe):
                    return None
                tries.record(probe.provenance, time.monotonic())
                probe = None
            pause = None if stopping.is_set() else tries.begin_again(random.random)
            if pause is None or stopping.wait(pause):
                told = why_nobody_served(tries.attempts, journey.job.sources.mirrors_only)
                raise NotTold(f"whether {name.tag} is attached to {name.subject} could not be told: {told}")

    def _ask(self, candidate: PullSource, *, exactly: bool, yields: bool = False) -> Probe:
        """The manifest that a candidate has, by tag or digest.

        What may be an index is to be asked for `exactly`: a skopeo that stays would go on to one of its images.
        """
        reference = candidate.reference
        if (layout := layout_of([candidate])) is not None:
            return layout.probe(reference)
        proxies = None if exactly else self.proxies
        reading = None if proxies is None else proxies.read(reference, [candidate], yields=yields)
        if reading is not None:
            found = reading.provenance
            whole = found.proven and reading.digest == str(digest_of(reading.content))
            if whole and not reading.chosen:
                return checked(reading.content, reference, found)
            last = found.attempts[-1].reason if found.attempts else None
            if (not reading.opened and last not in {None, Reason.OTHER}) or reading.ended:
                return Probe(manifest=b"", provenance=found)
        scoped = self.reader.scoped
        return scoped.probe(reference, [candidate], access=scoped.settings.source, yields=yields, keeps_log=False)

    def _taken(self, job: Job, name: _Name, probe: Probe, candidates: Sequence[PullSource]) -> Attachment | None:
        """What was found at the first of `candidates`; None where the name is taken by something else."""
        if name.kind is AttachedKind.REFERRERS and not self._are_referrers(job, name, probe, candidates[0]):
            return None
        return Attachment(
            kind=name.kind,
            tag=name.tag,
            subject=name.subject,
            probe=probe,
            candidates=tuple(candidate.at(probe.digest) for candidate in candidates),
        )

    def _are_referrers(self, job: Job, name: _Name, probe: Probe, candidate: PullSource) -> bool:
        """Whether a manifest is an index whose entries, as far as they can be read, have that subject.

        `cosign copy` gives the same kind of name to images. What the destination has under it was looked at before.
        """
        try:
            children = parse_manifest(probe.manifest).children
        except InvalidManifest:
            return False
        place = self.presence.destination.attached(job.place, job.whole.image.under(name.tag))
        if children and self.presence.look(place, probe.digest).there:
            return True
        entries = [self._ask(candidate.at(child.digest), exactly=False) for child in children[:MOST_IMAGES]]
        if any(entry.manifest for entry in entries):
            return all_refer_to(name.subject, (entry.manifest for entry in entries))
        return not all(map(_says_absent, entries))  # the copy will say why they cannot be read

    def _in_layout(self, job: Job, every: Iterable[_Name]) -> Iterator[Attachment]:
        """What a layout that an earlier run filled has under these names. Raises NotTold."""
        if job.whole.request.layout is not None:
            return
        for name in every:
            reference = job.whole.image.under(name.tag)
            candidates = self.sourcing.sources(ImageRequest(reference=reference)).candidates
            if candidates[0].reference.digest is None:
                continue
            probe = self._ask(candidates[0], exactly=True)
            if not probe.manifest:
                told = why_nobody_served(probe.provenance.attempts, mirrors_only=False)
                raise NotTold(f"{name.tag}, which is attached to {name.subject}, could not be read: {told}")
            if (found := self._taken(job, name, probe, candidates)) is not None:
                yield found


def _says_absent(probe: Probe) -> bool:
    """Whether it is the answer of a registry that does not know such a name."""
    attempts = probe.provenance.attempts
    return bool(attempts) and attempts[-1].reason is Reason.NOT_FOUND
