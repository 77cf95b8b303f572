"""The report: one JSON document of everything that a run did (pure views of its results).

The schema is `report.schema.json` beside this file; a change of meaning bumps its version.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror import __version__
from skopeo_mirror.output.tally import Location, Tally
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.request import ImageRequest
    from skopeo_mirror.skopeo.provenance import Attempt
    from skopeo_mirror.transfer.results import AttachedResult, ImageResult, PartResult, RunResult, UnitResult

SCHEMA: Final = "skopeo-mirror/report/v1"


def report_document(run: RunResult) -> dict[str, Any]:
    """The document, in the order in which people read it."""
    return _head(run) | {"images": [_image(image) for image in run.images]}


def report_pieces(run: RunResult) -> Iterator[str]:
    """Yield the document as text, ASCII only, with a newline at the end.

    In pieces: a document of many images takes several times the memory of their results.
    """
    return document_pieces(_head(run), map(_image, run.images))


def document_pieces(head: dict[str, Any], images: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the text of a document that is `head` and its images."""
    yield json.dumps(head, indent=2).removesuffix("\n}") + ',\n  "images": ['
    end = "]\n}\n"
    for image in images:
        text = f"\n{json.dumps(image, indent=2)}".replace("\n", "\n    ")
        yield text if end.startswith("]") else f",{text}"
        end = "\n  ]\n}\n"
    yield end


def _head(run: RunResult) -> dict[str, Any]:
    """All that comes before the images."""
    return {
        "schema": SCHEMA,
        "changed": run.changed,
        "failed": run.failed,
        "dry_run": run.dry_run,
        "started": run.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(run.seconds, 3),
        "tool": {"version": __version__},
        "skopeo": {"path": run.skopeo_path, "version": run.skopeo_version},
        "registries_conf": {"files": list(run.configuration_files), "sha256": run.configuration_sha256},
        "destination": run.destination,
        "destination_tls_verify": run.destination_tls_verify,
        "shard": run.shard,
        **({"list": {"images": whole.images, "sha256": whole.sha256}} if (whole := run.whole_list) else {}),
        **({"platforms": [str(platform) for platform in run.platforms]} if run.platforms else {}),
        "stopped": run.stopped,
        "summary": _summary(run),
    }


def _summary(run: RunResult) -> dict[str, Any]:
    tally = Tally.of(run.images)
    served: dict[str, dict[str, int]] = {}
    for location, images in tally.served.items():
        entry = served.setdefault(location.name, {"images": 0, "bytes": 0})
        entry["images"] += images
        entry["bytes"] += tally.bytes[location]
    failed: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for location, reasons in tally.failures.items():
        failed[location.name].update(reasons)
    return {
        "images": len(run.images),
        **_counts(tally.statuses, dry_run=run.dry_run),
        "bytes": tally.bytes.total(),
        "served_by": served,
        "failed_by": {
            name: {"attempts": reasons.total(), "reasons": dict(reasons)} for name, reasons in failed.items()
        },
        **({"attached": _counts(tally.attached, dry_run=run.dry_run)} if tally.attached else {}),
    }


def _counts(statuses: Counter[Status], *, dry_run: bool) -> dict[str, int]:
    return {
        "copied": statuses[Status.COPIED],
        **({"would_copy": statuses[Status.WOULD_COPY]} if dry_run else {}),
        "present": statuses[Status.PRESENT],
        "failed": statuses[Status.FAILED],
    }


def _image(image: ImageResult) -> dict[str, Any]:
    request = image.request
    document: dict[str, Any] = {
        "image": str(request.reference),
        "digest": None if image.digest is None else str(image.digest),
        "destination": image.destination,
        "status": str(image.status),
        "confirmed": image.confirmed,
        **_sourcing(image),
        "bytes": image.bytes,
        "seconds": round(image.seconds, 3),
        "error": image.error,
        "reason": None if image.reason is None else str(image.reason),
    }
    if image.resolved_from is not None:
        document["resolved_from"] = str(image.resolved_from)
    if image.parts:
        document["parts"] = [_part(part) for part in image.parts]
    if image.attached:
        document["attached"] = [_attached(one) for one in image.attached]
    if image.whole is not None:
        document["whole"] = image.whole
    if image.elsewhere:
        document["elsewhere"] = [
            {"digest": content.digest, "url": content.url, "fetched": content.fetched} for content in image.elsewhere
        ]
    return document | _asked(request)


def _asked(request: ImageRequest) -> dict[str, Any]:
    """What an image set says of an image."""
    document: dict[str, Any] = {}
    if request.catalog is not None:
        document["catalog"] = request.catalog
    if request.rebuilt_from is not None:
        document["rebuilt_from"] = str(request.rebuilt_from)
    if request.release is not None:
        document["release"] = request.release
    if request.catalog_source is not None:
        document["catalog_source"] = json.loads(request.catalog_source)
    if request.wanted_by:
        document["wanted_by"] = [
            {"catalog": who.catalog, "package": who.package, "channel": who.channel, "bundle": who.bundle}
            for who in request.wanted_by
        ]
    return document


def _part(part: PartResult) -> dict[str, Any]:
    return {
        "digest": str(part.digest),
        "platform": None if part.platform is None else str(part.platform),
        **_end(part),
    }


def _attached(one: AttachedResult) -> dict[str, Any]:
    return {
        "tag": one.tag,
        "digest": str(one.digest),
        "kind": str(one.kind),
        "subject": str(one.subject),
        **_end(one),
        **({"parts": [_part(part) for part in one.parts]} if one.parts else {}),
    }


def _end(one: UnitResult) -> dict[str, Any]:
    return {
        "status": str(one.status),
        **_sourcing(one),
        "bytes": one.bytes,
        "seconds": round(one.seconds, 3),
        "error": one.error,
    }


def _sourcing(one: ImageResult | UnitResult) -> dict[str, Any]:
    return {
        "served_by": None if one.served_by is None else _candidate(one.served_by),
        "attempts": [_attempt(attempt) for attempt in one.attempts],
    }


def _candidate(candidate: PullSource) -> dict[str, str]:
    location, kind = Location.of(candidate)
    return {"reference": str(candidate.reference), "location": location, "kind": kind}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        **_candidate(attempt.candidate),
        "outcome": str(attempt.outcome),
        "stage": None if attempt.stage is None else str(attempt.stage),
        "reason": None if attempt.reason is None else str(attempt.reason),
        "detail": attempt.detail,
        "seconds": round(attempt.seconds, 3),
    }
