"""Results of images and runs that the views of them are shown with."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from skopeo_mirror.reference import Reference
from skopeo_mirror.request import ImageRequest, WantedBy
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import Attempt, Outcome
from skopeo_mirror.transfer.results import ImageResult, RunResult, Status
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
)
WANTED_BY = (WantedBy(catalog="c", package="p", channel="stable", bundle="p.v1"),)
WANTED = replace(COPIED, request=replace(COPIED.request, wanted_by=WANTED_BY))
WOULD_COPY = replace(COPIED, status=Status.WOULD_COPY)


def run_of(*images: ImageResult, dry_run: bool = False, stopped: str | None = None) -> RunResult:
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
        stopped=stopped,
    )
