"""The bytes of a layout are judged by their digests, and files that others left there are never waited for."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.rig.background import started, until
from tests.rig.copying import asked, configure, copy, entry, files_below, only, statuses
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import digest_of, make_image, make_index, make_random_layer

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

SHARED = make_random_layer("shared", 5000)
APP = make_image("app", layers=[SHARED])
OTHER = make_image("other", layers=[SHARED, make_random_layer("own", 1000)])
APP_NAME, OTHER_NAME = f"prod.invalid/ns/app@{APP.digest}", f"prod.invalid/ns/other@{OTHER.digest}"
BLOB = digest_of(SHARED.blob)


def claiming(image: Image, place: str, difference: int) -> Image:
    """The image, its manifest giving the config or the last layer so many bytes more than it has."""
    document = json.loads(image.manifest)
    descriptor = document["config"] if place == "config" else document["layers"][-1]
    descriptor["size"] += difference
    return replace(image, manifest=json.dumps(document).encode())


def blob_of(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


@pytest.mark.parametrize("difference", [1, -1], ids=["longer", "shorter"])
@pytest.mark.parametrize("place", ["config", "layer", "image-of-an-index"])
@pytest.mark.parametrize("options", [[], ["--no-plan"]], ids=["plan", "no-plan"])
def test_a_size_that_a_manifest_claims_is_its_sources_fault(
    skopeo_mirror: Program,
    mirror: Registry,
    second_mirror: Registry,
    place: str,
    difference: int,
    options: list[str],
) -> None:
    """docker-registry stores such a manifest. Every candidate gives the same: each is asked, and each is at fault."""
    if place == "image-of-an-index":
        index = make_index([APP])
        size = f'"size": {len(APP.manifest)}'
        wrong = replace(
            index, manifest=index.manifest.replace(size.encode(), f'"size": {len(APP.manifest) + difference}'.encode())
        )
        assert wrong.digest != index.digest
    else:
        wrong = claiming(APP, place, difference)
    mirror.push("ns/app", APP)
    for registry in (mirror, second_mirror):
        registry.push("ns/wrong", wrong)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host, second_mirror.host))
    copy(skopeo_mirror, APP_NAME, "oci:images")
    layout = skopeo_mirror.directory / "images"
    before = files_below(layout)
    name = f"prod.invalid/ns/wrong@{wrong.digest}"
    report = copy(skopeo_mirror, "--mirrors-only", *options, name, APP_NAME, "oci:images", status=1)
    assert statuses(report) == {name: "failed", APP_NAME: "present"}
    after = files_below(layout)
    assert {path: after[path] for path in before} == before
    failed = next(image for image in report["images"] if image["image"] == name)
    assert [(attempt["location"], attempt["reason"]) for attempt in failed["attempts"]] == [
        (mirror.host, "corrupt"),
        (second_mirror.host, "corrupt"),
    ]


@pytest.mark.parametrize("place", ["config", "layer"])
def test_it_is_the_sources_fault_in_a_directory_too(skopeo_mirror: Program, mirror: Registry, place: str) -> None:
    wrong = claiming(APP, place, 1)
    mirror.push("ns/app", wrong)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    arguments = ["--mirrors-only", f"prod.invalid/ns/app@{wrong.digest}", "dir:images"]
    failed = only(copy(skopeo_mirror, *arguments, status=1))
    assert [attempt["reason"] for attempt in failed["attempts"]] == ["corrupt"]
    assert not (skopeo_mirror.directory / "images").exists()


def test_a_registry_that_refuses_what_a_manifest_claims_is_not_at_fault(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    wrong = claiming(APP, "config", 1)
    mirror.push("ns/app", wrong)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    arguments = ["--mirrors-only", f"prod.invalid/ns/app@{wrong.digest}", f"docker://{destination.host}"]
    failed = only(copy(skopeo_mirror, *arguments, status=1))
    assert [attempt["reason"] for attempt in failed["attempts"]] == ["corrupt"]


def test_a_tag_from_a_mirror_that_has_no_layer_costs_nobody_a_layer(skopeo_mirror: Program, mirror: Registry) -> None:
    mirror.push("ns/app", APP)
    wrong = claiming(make_image("wrong", layers=[SHARED]), "layer", 1)
    with FaultyRegistry() as hostile:
        hostile.serve("app", wrong, "v1")
        del hostile.store.blobs["app", BLOB]
        configure(skopeo_mirror, entry("prod.invalid", mirror.host), entry("hostile.invalid", hostile.host))
        arguments = ["--mirrors-only", "-j1", APP_NAME, "hostile.invalid/app:v1", "oci:images"]
        report = copy(skopeo_mirror, *arguments, status=1)
    assert statuses(report) == {APP_NAME: "copied", "hostile.invalid/app:v1": "failed"}
    assert report["images"][1]["attempts"][-1]["reason"] == "corrupt"
    assert blob_of(skopeo_mirror.directory / "images", BLOB).read_bytes() == SHARED.blob


@pytest.mark.parametrize("damaged", ["corrupt", "fifo", "device"])
@pytest.mark.parametrize("options", [[], ["--no-plan"]], ids=["plan", "no-plan"])
def test_a_blob_that_went_bad_is_not_shared_but_brought_anew(
    skopeo_mirror: Program, mirror: Registry, damaged: str, options: list[str]
) -> None:
    mirror.push("ns/app", APP)
    mirror.push("ns/other", OTHER)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    copy(skopeo_mirror, APP_NAME, "oci:images")
    file = blob_of(skopeo_mirror.directory / "images", BLOB)
    file.unlink()
    if damaged == "fifo":
        os.mkfifo(file)
    elif damaged == "device":
        file.symlink_to("/dev/zero")
    else:
        file.write_bytes(SHARED.blob[:-1] + bytes([SHARED.blob[-1] ^ 1]))
    mirror.forget()
    copied = only(copy(skopeo_mirror, *options, OTHER_NAME, "oci:images"))
    assert (copied["status"], copied["confirmed"], copied["served_by"]["kind"]) == ("copied", True, "mirror")
    assert f"/v2/ns/other/blobs/{BLOB}" in asked(mirror, "blobs")
    assert file.read_bytes() == SHARED.blob  # the first image is mended by it, too


def test_a_good_blob_is_shared_without_asking(skopeo_mirror: Program, mirror: Registry) -> None:
    mirror.push("ns/app", APP)
    mirror.push("ns/other", OTHER)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    copy(skopeo_mirror, APP_NAME, "oci:images")
    mirror.forget()
    copied = only(copy(skopeo_mirror, OTHER_NAME, "oci:images"))
    assert copied["bytes"] == len(OTHER.manifest) + sum(map(len, OTHER.blobs.values())) - len(SHARED.blob)
    assert f"/v2/ns/other/blobs/{BLOB}" not in asked(mirror, "blobs")


def test_a_blob_that_went_bad_and_that_nobody_has_fails_the_image(skopeo_mirror: Program, mirror: Registry) -> None:
    mirror.push("ns/app", APP)
    with FaultyRegistry() as other:
        other.serve("ns/other", OTHER)
        del other.store.blobs["ns/other", BLOB]
        configure(
            skopeo_mirror, entry("prod.invalid/ns/app", f"{mirror.host}/ns/app"), entry("prod.invalid", other.host)
        )
        copy(skopeo_mirror, APP_NAME, "oci:images")
        layout = skopeo_mirror.directory / "images"
        blob_of(layout, BLOB).write_bytes(b"x" * len(SHARED.blob))
        before = (layout / "index.json").read_bytes()
        failed = only(copy(skopeo_mirror, "--mirrors-only", OTHER_NAME, "oci:images", status=1))
        assert [attempt["reason"] for attempt in failed["attempts"]] == ["not-found"]
        assert (layout / "index.json").read_bytes() == before
        mended = only(copy(skopeo_mirror, "--mirrors-only", APP_NAME, "oci:images"))
        assert mended["status"] == "copied"
        assert blob_of(layout, BLOB).read_bytes() == SHARED.blob


def open_files(pid: int) -> set[Path]:
    """Return what a process has open; what it closes meanwhile is left out."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(link.readlink())
    return found


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_a_signal_ends_the_reading_of_an_endless_blob(
    skopeo_mirror: Program, mirror: Registry, number: signal.Signals, status: int
) -> None:
    mirror.push("ns/app", APP)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    file = blob_of(skopeo_mirror.directory / "images", BLOB)
    file.parent.mkdir(parents=True)
    file.touch()
    os.truncate(file, 1 << 42)  # takes hours to read, and no space
    command = ["copy", "-r", "registries.conf", "--report=report.json", APP_NAME, "oci:images"]
    with started(skopeo_mirror, *command) as run:
        until(lambda: file.resolve() in open_files(run.process.pid))
        run.signal(number)
        assert run.wait().status == status
        run.wait_until_gone()
    report = json.loads((skopeo_mirror.directory / "report.json").read_bytes())
    assert only(report)["status"] == "failed"
    assert file.exists()


@pytest.mark.parametrize("target", ["docker", "oci:other", "dir:other"])
@pytest.mark.parametrize("what", ["manifest", "config", "layer"])
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_is_no_file_in_a_source_is_named_at_once(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, target: str, what: str, kind: str
) -> None:
    """A FIFO would be waited for, and a device read until the disk is full."""
    mirror.push("ns/app", APP)
    mirror.push("ns/other", OTHER)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    copy(skopeo_mirror, APP_NAME, OTHER_NAME, "oci:images")
    digest = {"manifest": APP.digest, "config": APP.config_digest or "", "layer": BLOB}[what]
    file = blob_of(skopeo_mirror.directory / "images", digest)
    file.unlink()
    if kind == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero")
    where = f"docker://{destination.host}" if target == "docker" else target
    report = copy(skopeo_mirror, "--from", "oci:images", "--stall-timeout=0", APP_NAME, OTHER_NAME, where, status=1)
    assert statuses(report) == {APP_NAME: "failed", OTHER_NAME: "failed" if what == "layer" else "copied"}
    error = report["images"][0]["error"]
    assert f"blobs/{digest.replace(':', '/')}: Is no regular file" in error


@pytest.mark.parametrize("file", ["index.json", "report.json"])
def test_what_is_no_file_on_the_command_line_is_refused(skopeo_mirror: Program, mirror: Registry, file: str) -> None:
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    (skopeo_mirror.directory / "images").mkdir()
    os.mkfifo(skopeo_mirror.directory / ("images/index.json" if file == "index.json" else file))
    commands = {
        "index.json": [
            ["copy", "--from", "oci:images", "dir:other"],
            ["copy", "-r", "registries.conf", APP_NAME, "oci:images"],
            ["catalog", "oci://images"],
        ],
        "report.json": [["redirect", "report.json"], ["redirect", "--format", "mapping", "report.json"]],
    }
    for command in commands[file]:
        run = skopeo_mirror(*command)
        assert (run.status, run.stdout) == (2, "")
        [line] = run.stderr.splitlines()
        assert file in line
        assert "Is no regular file" in line
