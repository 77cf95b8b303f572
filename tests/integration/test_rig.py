"""The rig itself: images that real tools accept, registries that say who asked, faults that do what they say."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import configure, entry, files_below
from tests.rig.faults import FAULTS, Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import make_image, make_layer, make_multi_architecture
from tests.rig.registry import Pool, Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import Podman
    from tests.rig.certificates import Certificates
    from tests.rig.images import Image
    from tests.rig.program import Program

ENDLESS = {"never-speak", "never-answer", "stall", "trickle", "hold", "redirect-loop", "429", "429-retry-after"}
"""Faults that cost skopeo more than a moment; one test shows that they hold it up."""


def pull(source: str, directory: Path, *options: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Let skopeo alone pull `source` (plain HTTP is fine) into `directory`."""
    command = ["skopeo", "copy", "--all", "--preserve-digests", "--insecure-policy"]
    trust = options or ("--src-tls-verify=false",)
    return subprocess.run(
        [*command, *trust, f"docker://{source}", f"dir:{directory}"],
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


FORMS = [
    pytest.param(make_image("one"), id="oci"),
    pytest.param(make_image("two", docker=True), id="docker"),
    pytest.param(make_multi_architecture("three"), id="oci-index"),
    pytest.param(make_multi_architecture("four", docker=True), id="docker-list"),
    pytest.param(make_image("five", layers=[make_layer({"bin/sh": b"#!"}, {"bin/ash": "sh"})]), id="own-layer"),
]


@pytest.mark.parametrize("made", FORMS)
def test_skopeo_accepts_every_form_of_image(mirror: Registry, tmp_path: Path, made: Image) -> None:
    mirror.push("some/app", made, "v1")
    done = pull(f"{mirror.host}/some/app@{made.digest}", tmp_path / "pulled")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pulled" / "manifest.json").read_bytes() == made.manifest
    assert mirror.manifest("some/app", "v1") == made.manifest
    assert mirror.manifest("some/app", "v2") is None
    assert (mirror.tags("some/app"), mirror.tags("none")) == (["v1"], [])
    assert mirror.repositories() == ["some/app"]


@pytest.mark.parametrize("made", FORMS)
def test_what_is_stored_is_what_docker_registry_stores(tmp_path: Path, made: Image) -> None:
    with Registry(tmp_path / "ours") as ours, Registry(tmp_path / "its") as its:
        ours.push("some/app", made, "v1")
        arguments = ["skopeo", "copy", "--all", "--preserve-digests", "--insecure-policy", "--src-tls-verify=false"]
        to = ["--dest-tls-verify=false", f"docker://{ours.host}/some/app:v1", f"docker://{its.host}/some/app:v1"]
        subprocess.run([*arguments, *to], capture_output=True, check=True)
    stored, by_it = (
        {file: content for file, content in files_below(tmp_path / whose / "storage").items() if content is not None}
        for whose in ("ours", "its")
    )
    assert stored == by_it


def test_podman_accepts_what_skopeo_does_not_look_at(mirror: Registry, podman: Podman, image: Image) -> None:
    mirror.push("app", image, "v1")
    pulled = podman("pull", "--quiet", "--tls-verify=false", f"{mirror.host}/app:v1")
    assert pulled.returncode == 0, pulled.stderr
    assert pulled.stdout.strip() == str(image.config_digest).removeprefix("sha256:")


def test_a_registry_tells_who_asked_for_what(mirror: Registry, tmp_path: Path, image: Image) -> None:
    mirror.push("app", image)
    assert mirror.requests() == []
    pull(f"{mirror.host}/app@{image.digest}", tmp_path / "pulled")
    asked = mirror.requests()
    assert all(request.user_agent.startswith("skopeo/") for request in asked)
    [manifest] = [request for request in asked if "/manifests/" in request.path]
    assert (manifest.method, manifest.status, manifest.size) == ("GET", 200, len(image.manifest))
    assert manifest.path == f"/v2/app/manifests/{image.digest}"
    blobs = {request.path.rpartition("/")[2]: request.size for request in asked if "/blobs/" in request.path}
    assert blobs == {digest: len(blob) for digest, blob in image.blobs.items()}
    mirror.forget()
    assert mirror.requests() == []


def test_a_registry_restarts_on_its_port_with_what_it_had(mirror: Registry, tmp_path: Path, image: Image) -> None:
    mirror.push("app", image, "v1")
    mirror.stop()
    assert "connection refused" in pull(f"{mirror.host}/app:v1", tmp_path / "refused").stderr
    mirror.start()
    assert pull(f"{mirror.host}/app:v1", tmp_path / "pulled").returncode == 0


def test_a_registry_keeps_strangers_out(tmp_path: Path, image: Image) -> None:
    with Registry(tmp_path / "closed", htpasswd=("user", "secret")) as closed:
        closed.push("app", image, "v1")
        stranger = pull(f"{closed.host}/app:v1", tmp_path / "stranger")
        known = pull(
            f"{closed.host}/app:v1", tmp_path / "known", "--src-tls-verify=false", "--src-creds", "user:secret"
        )
    assert "authentication required" in stranger.stderr
    assert known.returncode == 0, known.stderr


def test_tls_is_trusted_through_the_authority_alone(tmp_path: Path, image: Image, certificates: Certificates) -> None:
    with Registry(tmp_path / "tls", tls=certificates) as registry, FaultyRegistry(tls=certificates) as faulty:
        registry.push("app", image, "v1")
        faulty.serve("app", image, "v1")
        for number, host in enumerate((registry.host, faulty.host)):
            trusting = f"--src-cert-dir={certificates.cert_dir}"
            assert pull(f"{host}/app:v1", tmp_path / f"trusted-{number}", trusting).returncode == 0
            doubting = pull(f"{host}/app:v1", tmp_path / f"doubted-{number}", "--src-tls-verify=true")
            assert "certificate signed by unknown authority" in doubting.stderr


def test_a_faulty_registry_without_fault_is_a_registry(mirror: Registry, tmp_path: Path) -> None:
    """What one registry serves, skopeo pushes into the other, back and forth."""
    made = make_multi_architecture("healthy")
    with FaultyRegistry() as healthy:
        mirror.push("app", made, "v1")
        copy = ["skopeo", "copy", "--all", "--preserve-digests", "--insecure-policy"]
        plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]
        there = [f"docker://{mirror.host}/app:v1", f"docker://{healthy.host}/app:v1"]
        back = [f"docker://{healthy.host}/app:v1", f"docker://{mirror.host}/again:v1"]
        for way in (there, back):
            subprocess.run([*copy, *plain, *way], check=True, capture_output=True)
        assert healthy.manifest("app", "v1") == made.manifest == mirror.manifest("again", "v1")
        assert {request.status for request in healthy.requests()} <= {200, 201, 202, 404}
        assert pull(f"{healthy.host}/app:v1", tmp_path / "pulled").returncode == 0


def source_cells() -> list[object]:
    """Every fault at every place of a source, but those that take their time and those that do no harm."""
    places = (Place.CONNECT, Place.MANIFEST, Place.CONFIG, Place.LAYER)
    return [
        pytest.param(Fault(place=place, kind=kind), id=f"{place}-{kind}")
        for place in places
        for kind in FAULTS[place]
        if kind not in ENDLESS | {"slow", "huge"}
    ]


@pytest.mark.parametrize("fault", source_cells())
def test_a_fault_at_the_source_fails_the_pull(tmp_path: Path, image: Image, fault: Fault) -> None:
    with FaultyRegistry(fault) as faulty:
        faulty.serve("app", image)
        done = pull(f"{faulty.host}/app@{image.digest}", tmp_path / "pulled")
        asked = [request.path for request in faulty.requests()]
    assert done.returncode != 0
    match fault.place:
        case Place.CONNECT:
            assert asked == []
        case Place.MANIFEST:
            assert not any("/blobs/" in path for path in asked)
        case Place.CONFIG | Place.LAYER:
            assert any("/blobs/" in path for path in asked)


@pytest.mark.parametrize("kind", ["401-challenge", "413", "500", "close", "close-midway", "refuse"])
def test_a_fault_at_an_upload_fails_the_push(mirror: Registry, image: Image, kind: str) -> None:
    mirror.push("app", image, "v1")
    with FaultyRegistry(Fault(place=Place.UPLOAD, kind=kind)) as faulty:
        command = ["skopeo", "copy", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false"]
        done = subprocess.run(
            [*command, f"docker://{mirror.host}/app:v1", f"docker://{faulty.host}/app:v1"],
            capture_output=True,
            check=False,
        )
        assert done.returncode != 0
        assert faulty.manifest("app", "v1") is None


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(place=Place.CONNECT, kind="never-speak"), id="connect-never-speak"),
        pytest.param(Fault(place=Place.MANIFEST, kind="never-answer"), id="manifest-never-answer"),
        pytest.param(Fault(place=Place.CONFIG, kind="never-speak"), id="config-never-speak"),
        pytest.param(Fault(place=Place.LAYER, kind="stall"), id="layer-stall"),
        pytest.param(Fault(place=Place.LAYER, kind="trickle"), id="layer-trickle"),
        pytest.param(Fault(place=Place.MANIFEST, kind="429-retry-after"), id="manifest-429-retry-after"),
    ],
)
def test_an_endless_fault_holds_skopeo_up(tmp_path: Path, image: Image, fault: Fault) -> None:
    with FaultyRegistry(fault) as faulty:
        faulty.serve("app", image)
        with pytest.raises(subprocess.TimeoutExpired):
            pull(f"{faulty.host}/app@{image.digest}", tmp_path / "pulled", timeout=0.7)


def test_a_fault_strikes_as_often_as_it_is_told_and_heals(tmp_path: Path, image: Image) -> None:
    with FaultyRegistry(Fault(place=Place.MANIFEST, kind="503", times=1)) as faulty:
        faulty.serve("app", image)
        source = f"{faulty.host}/app@{image.digest}"
        assert pull(source, tmp_path / "first").returncode != 0
        assert pull(source, tmp_path / "second").returncode == 0
        faulty.fault = Fault(place=Place.MANIFEST, kind="refuse")
        assert pull(source, tmp_path / "third").returncode != 0
        faulty.heal()
        assert pull(source, tmp_path / "fourth").returncode == 0


def test_a_fault_of_one_digest_spares_the_others(tmp_path: Path) -> None:
    index = make_multi_architecture("partly")
    sound, struck = index.children
    for place, digest in ((Place.MANIFEST, struck.digest), (Place.CONFIG, struck.config_digest)):
        with FaultyRegistry(Fault(place=place, kind="404", of=digest)) as faulty:
            faulty.serve("app", index)
            assert pull(f"{faulty.host}/app@{sound.digest}", tmp_path / f"{place}-sound").returncode == 0
            assert pull(f"{faulty.host}/app@{struck.digest}", tmp_path / f"{place}-struck").returncode != 0


def test_a_slow_transfer_completes(tmp_path: Path) -> None:
    large = make_image("large", size=20_000)
    with FaultyRegistry(Fault(place=Place.LAYER, kind="slow")) as faulty:
        faulty.serve("app", large)
        assert pull(f"{faulty.host}/app@{large.digest}", tmp_path / "pulled").returncode == 0


def test_nothing_is_left_of_a_faulty_registry(tmp_path: Path, image: Image, certificates: Certificates) -> None:
    before = threading.active_count()
    with FaultyRegistry(Fault(place=Place.CONNECT, kind="never-speak"), tls=certificates) as faulty:
        with pytest.raises(subprocess.TimeoutExpired):
            pull(f"{faulty.host}/app@{image.digest}", tmp_path / "pulled", timeout=0.5)
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_a_misspelt_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="there are refuse, close, never-speak"):
        Fault(place=Place.CONNECT, kind="404")


def test_the_images_are_what_they_say(image: Image) -> None:
    manifest = json.loads(image.manifest)
    sizes = {entry["digest"]: entry["size"] for entry in [manifest["config"], *manifest["layers"]]}
    assert sizes == {digest: len(blob) for digest, blob in image.blobs.items()}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param(["--version"], 0, id="version"),
        pytest.param(["route", "-r", "registries.conf", "quay.io/a/b"], 0, id="route"),
        pytest.param(["images", "-f", "-"], 0, id="standard-input"),
        pytest.param(["copy", "--no-such-option", "quay.io/a/b", "oci:D"], 2, id="usage"),
        pytest.param(["copy", "quay.io/a/b", "oci:D"], 2, id="variable"),
    ],
)
def test_a_forked_run_is_like_one_that_starts(skopeo_mirror: Program, arguments: list[str], status: int) -> None:
    configure(skopeo_mirror, entry("quay.io", "mirror.invalid"))
    env = {"SKOPEO_MIRROR_JOBS": "none"}
    forked, started = (
        program(*arguments, env=env, stdin="quay.io/from/stdin\n")
        for program in (skopeo_mirror, replace(skopeo_mirror, preloaded=None))
    )
    assert forked.status == status, forked.stderr
    assert forked == started


def test_a_forked_run_that_takes_too_long_is_killed(skopeo_mirror: Program) -> None:
    asleep = skopeo_mirror.directory / "asleep"
    asleep.write_text("#!/bin/sh\nexec sleep 60\n")
    asleep.chmod(0o755)
    with pytest.raises(subprocess.TimeoutExpired):
        skopeo_mirror("--version", env={"SKOPEO_MIRROR_SKOPEO": str(asleep)}, timeout=0.5)


class TestPool:
    @pytest.fixture
    def pool(self, tmp_path: Path) -> Iterator[Pool]:
        pool = Pool(tmp_path)
        yield pool
        pool.close()

    def test_what_was_lent_comes_back_empty(self, pool: Pool, tmp_path: Path, image: Image) -> None:
        with pool.lend() as first, pool.lend() as second:
            assert first.host != second.host
            second.push("app", image, "v1")
            pull(f"{second.host}/app:v1", tmp_path / "pulled")
            assert second.requests() != []
        with pool.lend() as one, pool.lend() as other:
            assert {one.host, other.host} == {first.host, second.host}
            assert one.repositories() == other.repositories() == []
            assert one.requests() == other.requests() == []

    def test_what_was_stopped_does_not_come_back(self, pool: Pool) -> None:
        with pool.lend() as stopped:
            stopped.stop()
        with pool.lend() as lent:
            assert lent is not stopped

    def test_what_somebody_is_connected_to_does_not_come_back(self, pool: Pool) -> None:
        with ExitStack() as stack:
            with pool.lend() as busy:
                connection = stack.enter_context(closing(http.client.HTTPConnection(busy.host)))
                connection.request("GET", "/v2/")
                connection.getresponse().read()  # it is accepted now, and stays open
            with pool.lend() as lent:
                assert lent is not busy
