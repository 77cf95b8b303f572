"""`--log-dir`: a file a failed attempt, found by the image's name and by the error, without secrets."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import PLAIN, configure, entry
from tests.rig.faults import FAULTS, Answer, Fault, Place, answers
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import make_image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

SECRET = "hunter2hunter2"


@pytest.fixture
def logs(skopeo_mirror: Program) -> Path:
    return skopeo_mirror.directory / "logs"


def files_of(logs: Path) -> list[Path]:
    return sorted(logs.iterdir())


def test_nothing_failed_and_nothing_is_kept(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, logs: Path, image: Image
) -> None:
    """That an image is not there yet is no failure."""
    mirror.push("app", image, "v1")
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    run = skopeo_mirror(
        *("copy", "-r", "registries.conf", PLAIN, "--log-dir=logs", "prod.invalid/app:v1"),
        f"docker://{destination.host}",
    )
    assert run.status == 0, run.stderr
    assert files_of(logs) == []


def test_each_failed_attempt_has_a_file_that_the_error_names(
    skopeo_mirror: Program, origin: Registry, destination: Registry, logs: Path, image: Image
) -> None:
    """A corrupt layer at the mirror, and nothing at the origin: two attempts, after the manifest was read."""
    with FaultyRegistry(Fault(place=Place.LAYER, kind="corrupt")) as mirror:
        mirror.serve("app", image)
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        run = skopeo_mirror(
            *("copy", "-r", "registries.conf", PLAIN, "--log-dir=logs", "--retries=0"),
            *(f"{origin.host}/app@{image.digest}", f"docker://{destination.host}"),
        )
    assert run.status == 1
    kept = files_of(logs)
    assert len(kept) == 2
    assert all("app" in file.name and image.digest.removeprefix("sha256:") in file.name for file in kept)
    assert [
        fault for file in kept for fault in ("Digest did not match", "manifest unknown") if fault in file.read_text()
    ]
    for file in kept:
        assert f"logs/{file.name}" in run.stdout
        assert 'level=debug msg="' in file.read_text()


def test_a_mirror_that_failed_has_a_file_where_another_served(
    skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, destination: Registry, logs: Path, image: Image
) -> None:
    second_mirror.push("app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host, second_mirror.host))
    run = skopeo_mirror(
        *("copy", "-r", "registries.conf", PLAIN, "--log-dir=logs"),
        *(f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
    )
    assert run.status == 0, run.stderr
    [file] = files_of(logs)
    assert "manifest unknown" in file.read_text()


def echo_credentials(registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a registry that wants credentials, and that says in its refusal which it was given."""
    healthy = registry.store.answer

    def answer(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        given = headers.get("Authorization")
        if given is None:
            return Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="bench"'})
        if "/manifests/" not in path:
            return healthy(method, path, headers, body)
        message = f"not let in: Authorization: {given} as in https://robot:{SECRET}@bench.test/"
        return Answer(status=403, body=json.dumps({"errors": [{"code": "DENIED", "message": message}]}).encode())

    monkeypatch.setattr(registry.store, "answer", answer)


def test_no_secret_is_in_it(
    skopeo_mirror: Program, destination: Registry, logs: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the password nor its base64 form, although skopeo sent it and was told so."""
    with FaultyRegistry() as closed:
        echo_credentials(closed, monkeypatch)
        auth = base64.b64encode(f"robot:{SECRET}".encode()).decode()
        (skopeo_mirror.directory / "auth.json").write_text(json.dumps({"auths": {closed.host: {"auth": auth}}}))
        configure(skopeo_mirror, entry("prod.invalid", closed.host))
        run = skopeo_mirror(
            *("copy", "-r", "registries.conf", PLAIN, "--log-dir=logs", "--mirrors-only", "--src-authfile=auth.json"),
            *("-v", "--report=report.json", f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
        )
    assert run.status == 1
    text = "".join(file.read_text() for file in files_of(logs))
    report = (skopeo_mirror.directory / "report.json").read_text()
    for told in (text, run.stdout, report):
        assert "not let in: " in told
    for told in (text, run.stdout, run.stderr, report):
        assert SECRET not in told
        assert auth not in told


def test_a_signed_address_is_in_it_without_its_signature(
    skopeo_mirror: Program,
    destination: Registry,
    logs: Path,
    image: Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A registry that keeps its layers elsewhere sends an address that opens them to anybody, and skopeo tells it."""
    elsewhere = answers(307, Location=f"http://127.0.0.1:1/layer?X-Amz-Signature={SECRET}&part=2")
    monkeypatch.setitem(FAULTS[Place.LAYER], "403", elsewhere)
    with FaultyRegistry(Fault(place=Place.LAYER, kind="403")) as mirror:
        mirror.serve("app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        run = skopeo_mirror(
            *("copy", "-r", "registries.conf", PLAIN, "--log-dir=logs", "--mirrors-only", "--report=report.json"),
            *("--retries=0", "-v", f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
        )
    assert run.status == 1
    text = "".join(file.read_text() for file in files_of(logs))
    assert "http://127.0.0.1:1/layer?X-Amz-Signature=***&part=2" in text
    assert "connection refused" in run.stdout
    report = (skopeo_mirror.directory / "report.json").read_text()
    assert not [where for where in (text, run.stdout, run.stderr, report) if SECRET in where]


def test_names_are_told_apart(skopeo_mirror: Program, mirror: Registry, destination: Registry, logs: Path) -> None:
    """Many images, several attempts each, at once: no file is written over by another."""
    images = [make_image(f"image-{number}") for number in range(4)]
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    run = skopeo_mirror(
        *("copy", "-r", "registries.conf", PLAIN, "--log-dir=logs", "--mirrors-only"),
        *(f"prod.invalid/app@{image.digest}" for image in images),
        f"docker://{destination.host}",
    )
    assert run.status == 1
    names = " ".join(file.name for file in files_of(logs))
    assert [names.count(image.digest.removeprefix("sha256:")) for image in images] == [1] * len(images)
