"""Values that many tests need: references, candidates, digests, manifests, results."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from skopeo_mirror.manifest import digest_of
from skopeo_mirror.reference import Digest, Reference
from skopeo_mirror.registries_conf.routing import Kind, PullSource
from skopeo_mirror.request import ImageRequest
from skopeo_mirror.skopeo.faults import Reason, Stage
from skopeo_mirror.skopeo.provenance import Attempt, Outcome, Provenance
from skopeo_mirror.transfer.destination.place import Place
from skopeo_mirror.transfer.jobs import Job
from skopeo_mirror.transfer.sourcing import Sources

if TYPE_CHECKING:
    from collections.abc import Mapping

D1 = Digest(algorithm="sha256", hex="1" * 64)
D2 = Digest(algorithm="sha256", hex="2" * 64)


def candidate(text: str, *, insecure: bool = False, blocked: bool = False, kind: Kind = Kind.MIRROR) -> PullSource:
    reference = Reference.parse_canonical(text)
    return PullSource(reference=reference, location=reference.domain, insecure=insecure, blocked=blocked, kind=kind)


def origin(text: str, *, insecure: bool = False, blocked: bool = False) -> PullSource:
    return candidate(text, insecure=insecure, blocked=blocked, kind=Kind.ORIGIN)


def served(by: PullSource) -> Attempt:
    return Attempt(candidate=by, outcome=Outcome.SERVED)


def failed(who: PullSource, reason: Reason, stage: Stage = Stage.MANIFEST, detail: str = "") -> Attempt:
    return Attempt(candidate=who, outcome=Outcome.FAILED, stage=stage, reason=reason, detail=detail)


def job(image: str, number: int = 0, place: str = "d") -> Job:
    """An image to be copied, for those who look at no source of it."""
    request = ImageRequest(reference=Reference.parse(image))
    return Job(number=number, request=request, sources=Sources(reference=request.reference), place=Place(name=place))


def run_of(*attempts: Attempt, yielded: bool = False, retry_after: float = 0.0) -> Provenance:
    """What a run proves whose attempts are these; the last one served, or nobody did."""
    last = attempts[-1]
    server = last.candidate if last.outcome is Outcome.SERVED else None
    return Provenance(attempts=attempts, server=server, yielded=yielded, retry_after=retry_after)


def described(content: bytes) -> dict[str, Any]:
    """The descriptor of some content, as manifests have it."""
    return {"digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}


def image_manifest(config: bytes, *layers: bytes) -> bytes:
    document = {"schemaVersion": 2, "config": described(config), "layers": [described(layer) for layer in layers]}
    return json.dumps(document).encode()


def image_index(*manifests: bytes, media_type: str | None = None) -> bytes:
    """An index of these; `media_type` is what it says that they are."""
    said = {} if media_type is None else {"mediaType": media_type}
    entries = [described(manifest) | said for manifest in manifests]
    return json.dumps({"schemaVersion": 2, "manifests": entries}).encode()


def index_by_platform(manifests: Mapping[str, bytes]) -> bytes:
    """An index of images for `OS/ARCH`."""
    entries = [
        described(manifest) | {"platform": dict(zip(("os", "architecture"), platform.split("/"), strict=True))}
        for platform, manifest in manifests.items()
    ]
    return json.dumps({"schemaVersion": 2, "manifests": entries}).encode()


def hex_of(content: bytes) -> str:
    return digest_of(content).hex
