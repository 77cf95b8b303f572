"""The benchmark's own parts: its network changes no byte, its check misses nothing, and it runs from end to end."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.benchmark import workload
from scripts.benchmark.publishing import missing, publish
from scripts.benchmark.relay import Link, relayed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.registry import Registry

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


def test_what_is_published_is_not_missing_until_the_registry_is_emptied(mirror: Registry, tmp_path: Path) -> None:
    load = workload.multi_architecture(tmp_path / "a", images=2, architectures=("amd64", "arm64"), base_size=1000)
    publish(load, mirror, "under/")
    assert missing(load, mirror, "under/") == []
    assert missing(load, mirror) != []
    mirror.empty()
    assert len(missing(load, mirror, "under/")) == 2 * (3 + 2 * 3)


def test_bench_prints_one_document_in_which_every_contender_brought_everything() -> None:
    sizes = ["--runs", "1", "--tiny-images", "4", "--images", "4", "--base-size", "50000", "--own-size", "1000"]
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benchmark", "--json", "--only", "version", "tiny", "many", "reused", *sizes],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr  # a bar may be missed on a busy machine
    document = json.loads(done.stdout)
    assert [scenario["error"] for scenario in document["scenarios"]] == ["", "", "", ""]
    tiny, many, reused = document["scenarios"][1:]
    assert [row["name"] for row in reused["rows"]] == ["first set", "second set"]
    assert {row["name"] for row in tiny["rows"]} == {"skopeo-mirror -j8", "xargs -P8 skopeo copy", "skopeo sync"}
    assert [row["phase"] for row in many["rows"]] == ["cold", "again", "cold", "again"]
    assert all(len(row["samples"]) == 1 for row in many["rows"])
