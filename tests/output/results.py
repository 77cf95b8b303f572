"""Results of images and runs that the views of them are shown with."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from skopeo_mirror.attached import AttachedKind
from skopeo_mirror.platforms import Platform
from skopeo_mirror.reference import Digest, Reference
from skopeo_mirror.request import ImageRequest, WantedBy
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import Attempt, Outcome
from skopeo_mirror.transfer.results import AttachedResult, ImageResult, PartResult, RunResult, Status
from tests.values import D1, D2, candidate, failed, origin, served

MIRROR = candidate(f"a.test/x/app@{D1}")
ORIGIN = origin(f"prod.test/app@{D1}")
COPIED = ImageResult(
    request=ImageRequest(reference=Reference.parse(f"prod.test/app@{D1}")),
    digest=D1,
    destination=f"docker://d.test/m/app:pin-sha256-{D1.hex}",
    status=Status.COPIED,
    confirmed=True,
    served_by=ORIGIN,
    attempts=(failed(MIRROR, Reason.NOT_FOUND, detail="manifest unknown"), served(ORIGIN)),
    bytes=1000,
    seconds=1.23456,
)
PRESENT = ImageResult(
    request=ImageRequest(reference=Reference.parse("prod.test/app:v1")),
    digest=D2,
    destination="docker://d.test/m/app:v1",
    status=Status.PRESENT,
    confirmed=True,
    resolved_from=Reference.parse("prod.test/app:v1"),
)
FAILED = ImageResult(
    request=ImageRequest(reference=Reference.parse("prod.test/other:v1")),
    digest=None,
    destination="docker://d.test/m/other:v1",
    status=Status.FAILED,
    confirmed=False,
    attempts=(Attempt(candidate=MIRROR, outcome=Outcome.SKIPPED, reason=Reason.CIRCUIT_OPEN, detail="it is down"),),
    error="no candidate served it",
    reason=Reason.CIRCUIT_OPEN,
)
WANTED_BY = (WantedBy(catalog="c", package="p", channel="stable", bundle="p.v1"),)
WANTED = replace(COPIED, request=replace(COPIED.request, wanted_by=WANTED_BY))
AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
D3, D4, D5 = (Digest(algorithm="sha256", hex=digit * 64) for digit in "345")
BY_MIRROR = PartResult(
    digest=D3,
    platform=AMD64,
    status=Status.COPIED,
    served_by=MIRROR.at(D3),
    attempts=(served(MIRROR.at(D3)),),
    bytes=300,
    seconds=0.25,
)
BY_ORIGIN = PartResult(
    digest=D4,
    platform=ARM64,
    status=Status.COPIED,
    served_by=ORIGIN.at(D4),
    attempts=(failed(MIRROR.at(D4), Reason.NOT_FOUND, detail="manifest unknown"), served(ORIGIN.at(D4))),
    bytes=400,
)
THERE = PartResult(digest=D5, platform=None, status=Status.PRESENT)
IN_PARTS = replace(
    COPIED,
    served_by=MIRROR,
    attempts=(served(MIRROR),),
    parts=(BY_MIRROR, BY_ORIGIN, THERE),
    bytes=750,
)
"""An index of three images: the mirror has lost one, and another was there already; 50 bytes are its own."""
D6, D7 = (Digest(algorithm="sha256", hex=digit * 64) for digit in "67")
SIGNATURE = AttachedResult(
    tag=f"sha256-{D3.hex}.sig",
    digest=D6,
    kind=AttachedKind.SIG,
    subject=D3,
    status=Status.COPIED,
    served_by=ORIGIN.at(D6),
    attempts=(failed(MIRROR.at(D6), Reason.CORRUPT, detail="wrong bytes"), served(ORIGIN.at(D6))),
    bytes=20,
    seconds=0.5,
)
SBOM = AttachedResult(
    tag=f"sha256-{D1.hex}.sbom",
    digest=D7,
    kind=AttachedKind.SBOM,
    subject=D1,
    status=Status.COPIED,
    served_by=MIRROR.at(D7),
    attempts=(served(MIRROR.at(D7)),),
    bytes=10,
)
ARTIFACT = PartResult(
    digest=D4, platform=None, status=Status.COPIED, served_by=ORIGIN.at(D4), attempts=BY_ORIGIN.attempts, bytes=7
)
REFERRERS = replace(SBOM, tag=f"sha256-{D1.hex}", kind=AttachedKind.REFERRERS, parts=(ARTIFACT,), bytes=12)
"""The index from the mirror, its only artifact not."""
WITH_ATTACHED = replace(IN_PARTS, parts=(BY_MIRROR,), attached=(SIGNATURE, SBOM), bytes=380)
"""An index of one image, which is signed, and has an SBOM; the mirror's copy of the signature is damaged."""
WOULD_COPY = replace(COPIED, status=Status.WOULD_COPY)


def run_of(
    *images: ImageResult, dry_run: bool = False, stopped: str | None = None, platforms: tuple[Platform, ...] = ()
) -> RunResult:
    return RunResult(
        images=images,
        destination="docker://d.test/m",
        destination_tls_verify=True,
        dry_run=dry_run,
        started=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        seconds=12.3456,
        skopeo_path="/usr/bin/skopeo",
        skopeo_version="1.9.3",
        configuration_files=("registries.conf",),
        configuration_sha256="0" * 64,
        platforms=platforms,
        stopped=stopped,
    )
