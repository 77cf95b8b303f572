"""The benchmark's own parts: its network changes no byte, its check misses nothing, and it runs from end to end."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripts.benchmark import workload
from scripts.benchmark.publishing import missing, publish
from scripts.benchmark.relay import Link, relayed
from tests.rig.images import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.registry import Registry

pytestmark = pytest.mark.once

TOP = Path(__file__).parents[2]
CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def echo() -> Iterator[str]:
    """A server that reads one connection to its end, and only then sends it all back."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as received:
            connection.sendall(received.read())

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    "link",
    [
        pytest.param(Link(round_trip=0.01), id="delay"),
        pytest.param(Link(connection_rate=20e6), id="rate of a connection"),
        pytest.param(Link(total_rate=20e6), id="rate of all"),
        pytest.param(Link(round_trip=0.01, connection_rate=50e6, total_rate=20e6), id="all three"),
    ],
)
def test_relay_carries_every_byte_and_the_end_of_either_direction(echo: str, link: Link) -> None:
    with relayed(echo, link) as address:
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(CONTENT)
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as received:
                assert received.read() == CONTENT


def test_relay_answers_nothing_before_a_handshake_and_a_round_trip_have_passed(echo: str) -> None:
    """From below only: a busy machine makes it late, nothing makes it early."""
    with relayed(echo, Link(round_trip=0.1)) as address:
        host, _, port = address.partition(":")
        started = time.monotonic()
        with socket.create_connection((host, int(port)), timeout=20) as client, client.makefile("rb") as received:
            client.sendall(b"?")
            client.shutdown(socket.SHUT_WR)
            assert received.read() == b"?"
        assert time.monotonic() - started >= 0.2


def test_relay_closes_what_its_target_refuses(mirror: Registry) -> None:
    mirror.stop()
    with relayed(mirror.host, Link(round_trip=0.01)) as address:
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as client, client.makefile("rb") as received:
            assert received.read() == b""


@pytest.mark.parametrize(
    ("form", "top", "child"),
    [
        pytest.param(workload.OCI, OCI_INDEX, OCI_MANIFEST, id="oci"),
        pytest.param(workload.DOCKER, DOCKER_LIST, DOCKER_MANIFEST, id="docker"),
    ],
)
def test_what_is_published_is_not_missing_until_the_registry_is_emptied(
    mirror: Registry, tmp_path: Path, form: workload.Form, top: str, child: str
) -> None:
    load = workload.multi_architecture(
        tmp_path / "a", form=form, images=2, architectures=("amd64", "arm64"), base_sizes=(1000, 500), own_size=100
    )
    publish(load, mirror, "under/")
    assert missing(load, mirror, "under/") == []
    assert missing(load, mirror) != []
    for image in load.images:
        served = mirror.manifest(f"under/{image.repository}", image.digest)
        assert served is not None
        index = json.loads(served)
        assert index["mediaType"] == top
        assert [entry["mediaType"] for entry in index["manifests"]] == [child, child]
    mirror.empty()
    assert len(missing(load, mirror, "under/")) == 2 * (3 + 2 * 4)


def bench(*options: object) -> list[dict[str, Any]]:
    """The scenarios of one document, of one run each; every contender brought everything."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benchmark", "--json", "--runs", "1", *map(str, options)],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr  # a bar may be missed on a busy machine
    scenarios: list[dict[str, Any]] = json.loads(done.stdout)["scenarios"]
    assert [scenario["error"] for scenario in scenarios] == [""] * len(scenarios)
    return scenarios


def test_bench_prints_one_document_in_which_every_contender_brought_everything() -> None:
    sizes = ["--tiny-images", 4, "--images", 4, "--base-size", 50_000, "--own-size", 1000]
    _, tiny, many, reused = bench("--only", "version", "tiny", "many", "reused", *sizes)
    assert [row["name"] for row in reused["rows"]] == ["first set", "second set"]
    assert {row["name"] for row in tiny["rows"]} == {"skopeo-mirror -j8", "xargs -P8 skopeo copy", "skopeo sync"}
    assert [row["phase"] for row in many["rows"]] == ["cold", "again", "cold", "again"]
    assert all(len(row["samples"]) == 1 for row in many["rows"])


@pytest.mark.parametrize("form", ["", pytest.param("-docker", marks=pytest.mark.slow)])
def test_bench_copies_images_of_four_architectures_in_either_form(form: str) -> None:
    name = f"multi-architecture{form}"
    sizes = ["--indexes", 2, "--index-base-sizes", 50_000, 20_000, "--index-own-size", 1000]
    network, loopback = bench("--only", name, f"{name}-loopback", "--jobs", 4, "--round-trip", 0.005, *sizes)
    ours, theirs = "skopeo-mirror -j4", "xargs -P4 skopeo copy"
    assert [(row["name"], row["phase"]) for row in network["rows"]] == [
        (ours, "cold"),
        (ours, "again"),
        (theirs, "cold"),
        (theirs, "again"),
    ]
    assert [row["name"] for row in loopback["rows"]] == [ours, theirs]
    assert network["rows"][0]["samples"][0]["pulled"] > 4 * (70_000 + 2 * 1000)
    assert [(bar["unit"], bar["limit"]) for bar in network["bars"]] == [
        ("ratio", 0.80),
        ("ratio", 1.02),
        ("ratio", 0.55),
        ("requests", 0),
    ]
    assert [bar["limit"] for bar in loopback["bars"]] == [1.35, 1.02]
    counted = [network["bars"][1], network["bars"][3], loopback["bars"][1]]  # what no busy machine changes
    assert all(bar["met"] for bar in counted), counted


def test_bench_compares_numbers_of_jobs_on_numbers_of_cores() -> None:
    sizes = ["--images", 2, "--base-size", 1000, "--own-size", 1000, "--indexes", 1, "--index-base-sizes", 1000]
    tried = ["--job-counts", 1, 2, "--cores", 1, 100_000, "--round-trip", 0.001]
    for scenario in bench("--only", "jobs", "jobs-multi-architecture", *sizes, *tried):
        assert [row["name"] for row in scenario["rows"]] == ["-j1, 1 core", "-j2, 1 core"]
        assert "over 1 ms" in scenario["title"]
        [note] = scenario["notes"]
        assert note.startswith("100000 cores: this machine has ")


def test_bench_says_what_an_image_adds_to_the_peak_of_memory() -> None:
    [memory] = bench("--only", "memory", "--growth-from", 2, "--growth-to", 12)
    few, many = (row["samples"][0]["peak"] for row in memory["rows"])
    [bar] = memory["bars"]
    assert bar["value"] == pytest.approx((many - few) / 10 / 1000)
    assert (bar["limit"], bar["unit"]) == (6, "kB")
