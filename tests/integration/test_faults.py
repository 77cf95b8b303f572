"""Every fault at the first mirror, by what is healthy behind it: the image arrives, and the report names the fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.rig.faults import FAULTS, Fault, Place
from tests.rig.faulty import FaultyRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig.certificates import Certificates
    from tests.rig.images import Image
    from tests.rig.program import Program, Run
    from tests.rig.registry import Registry

# What is slow but alive serves; it is no fault.
ALIVE = {"slow", "hold"}
# The rig has them, but they take longer than a table can wait; `test_stalls.py` has them.
SLOW = {"trickle"}

REASONS: dict[str, str] = {
    "refuse": "connection",
    "close": "connection",
    "never-speak": "stalled",
    "never-answer": "stalled",
    "stall": "stalled",
    "401": "unauthorized",
    "401-challenge": "unauthorized",
    "403": "unauthorized",
    "404": "not-found",
    "429": "rate-limited",
    "429-retry-after": "rate-limited",
    "500": "server-error",
    "502": "server-error",
    "503": "server-error",
    "html": "corrupt",
    "redirect-loop": "connection",
    "junk-json": "corrupt",
    "wrong-bytes": "corrupt",
    "corrupt": "corrupt",
    "huge": "corrupt",
    "truncated": "connection",
    "short": "corrupt",
}

SOURCE_FAULTS = [
    Fault(place=place, kind=kind)
    for place in (Place.CONNECT, Place.MANIFEST, Place.CONFIG, Place.LAYER)
    for kind in FAULTS[place]
    if kind not in ALIVE | SLOW
]
# skopeo waits half a minute on these when nobody else is left.
WAITED_OUT = {"429"}


def redirect(directory: Path, *mirrors: str, origin: str) -> Path:
    """Write a registries.conf that sends `origin`/app to the mirrors, all of them insecure."""
    file = directory / "registries.conf"
    tables = [f'[[registry]]\nlocation = "{origin}/app"\ninsecure = true\n']
    tables += [f'[[registry.mirror]]\nlocation = "{mirror}/app"\ninsecure = true\n' for mirror in mirrors]
    file.write_text("".join(tables))
    return file


def copied(run: Run, destination: Registry, image: Image) -> dict[str, Any]:
    """Return the one image of a report, after looking that it arrived."""
    (entry,) = run.report["images"]
    assert run.status == 0, run.stderr
    assert entry["status"] == "copied"
    assert destination.manifest("app", f"pin-sha256-{image.digest.removeprefix('sha256:')}") == image.manifest
    return dict(entry)


def failed_attempt(entry: dict[str, Any], host: str) -> dict[str, Any]:
    """Return the first failed attempt at a host."""
    return next(
        dict(attempt)
        for attempt in entry["attempts"]
        if attempt["outcome"] == "failed" and attempt["reference"].startswith(host)
    )


@pytest.mark.parametrize("fault", SOURCE_FAULTS, ids=str)
@pytest.mark.parametrize("healthy", ["second-mirror", "origin-only"])
def test_healthy_candidate_serves_in_place_of_a_faulty_mirror(
    fault: Fault,
    healthy: str,
    skopeo_mirror: Program,
    tmp_path: Path,
    second_mirror: Registry,
    origin: Registry,
    destination: Registry,
    image: Image,
) -> None:
    behind = second_mirror if healthy == "second-mirror" else origin
    behind.push("app", image)
    with FaultyRegistry(fault) as faulty:
        faulty.serve("app", image)
        conf = redirect(tmp_path, faulty.host, second_mirror.host, origin=origin.host)
        run = skopeo_mirror(
            *("copy", "--json", "-r", conf, "--stall-timeout=1s", "--dest-tls-verify=false"),
            *(f"{origin.host}/app@{image.digest}", f"docker://{destination.host}"),
        )
    entry = copied(run, destination, image)
    assert entry["served_by"]["reference"] == f"{behind.host}/app@{image.digest}"
    assert failed_attempt(entry, faulty.host)["reason"] == REASONS[fault.kind]
    assert bool(origin.requests()) == (healthy == "origin-only")


@pytest.mark.parametrize("fault", [fault for fault in SOURCE_FAULTS if fault.kind not in WAITED_OUT], ids=str)
def test_without_a_healthy_candidate_the_reason_is_named(
    fault: Fault,
    skopeo_mirror: Program,
    tmp_path: Path,
    second_mirror: Registry,
    origin: Registry,
    destination: Registry,
    image: Image,
) -> None:
    with FaultyRegistry(fault) as faulty:
        faulty.serve("app", image)
        conf = redirect(tmp_path, faulty.host, second_mirror.host, origin=origin.host)
        run = skopeo_mirror(
            *("copy", "--json", "-r", conf, "--stall-timeout=1s", "--retries=0", "--dest-tls-verify=false"),
            *(f"{origin.host}/app@{image.digest}", f"docker://{destination.host}"),
        )
    (entry,) = run.report["images"]
    assert (run.status, entry["status"]) == (1, "failed")
    assert failed_attempt(entry, faulty.host)["reason"] == REASONS[fault.kind]
    assert [failed_attempt(entry, host.host)["reason"] for host in (second_mirror, origin)] == ["not-found"] * 2
    assert destination.tags("app") == []


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(place=place, kind=kind), id=f"{place}-{kind}")
        for place, kind in (
            (Place.CONNECT, "close"),
            (Place.CONNECT, "never-speak"),
            (Place.MANIFEST, "wrong-bytes"),
            (Place.MANIFEST, "503"),
            (Place.MANIFEST, "401"),
            (Place.MANIFEST, "never-answer"),
            (Place.CONFIG, "404"),
            (Place.LAYER, "corrupt"),
            (Place.LAYER, "truncated"),
            (Place.LAYER, "stall"),
        )
    ],
)
def test_faults_over_tls(
    fault: Fault,
    skopeo_mirror: Program,
    tmp_path: Path,
    certificates: Certificates,
    origin: Registry,
    destination: Registry,
    image: Image,
) -> None:
    origin.push("app", image)
    with FaultyRegistry(fault, tls=certificates) as faulty:
        faulty.serve("app", image)
        conf = tmp_path / "registries.conf"
        conf.write_text(
            f'[[registry]]\nlocation = "{origin.host}/app"\ninsecure = true\n'
            f'[[registry.mirror]]\nlocation = "{faulty.host}/app"\n'
        )
        run = skopeo_mirror(
            *("copy", "--json", "-r", conf, "--stall-timeout=1s", "--dest-tls-verify=false"),
            *("--src-cert-dir", certificates.cert_dir),
            *(f"{origin.host}/app@{image.digest}", f"docker://{destination.host}"),
        )
    entry = copied(run, destination, image)
    assert failed_attempt(entry, faulty.host)["reason"] == REASONS[fault.kind]
