"""The redirect, used: others pull the production name from the destination, also on the host that mirrors."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import PLAIN, asked, configure, copy, entry, holds, only, statuses
from tests.rig.images import make_image, make_multi_architecture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Podman
    from tests.rig.program import Program
    from tests.rig.registry import Registry

REPORT = ("--report", "report.json")


def drop_in(program: Program, *reports: str) -> Path:
    """Install the redirect where containers' tools look for drop-ins; return the file."""
    run = program("redirect", *reports)
    assert run.status == 0, run.stderr
    file = program.home / ".config/containers/registries.conf.d/mirror.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(run.stdout)
    return file


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        pytest.param([], "@{digest}", id="digest"),
        pytest.param([], ":v1", id="tag"),
        pytest.param(["--max-nested-paths", "2"], "@{digest}", id="renamed"),
    ],
)
def test_podman_pulls_the_production_name_from_the_destination(
    skopeo_mirror: Program,
    mirror: Registry,
    origin: Registry,
    destination: Registry,
    podman: Podman,
    options: list[str],
    suffix: str,
) -> None:
    image = make_image("small", layers=2)
    mirror.push("ns/app", image, "v1")
    configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns"))
    wanted = f"{origin.host}/ns/app{suffix.format(digest=image.digest)}"
    copy(skopeo_mirror, *REPORT, *options, wanted, f"docker://{destination.host}/example")
    file = drop_in(skopeo_mirror, "report.json")
    destination.forget()
    mirror.forget()
    pulled = podman("pull", "--quiet", wanted, env={"CONTAINERS_REGISTRIES_CONF": str(file)})
    assert pulled.returncode == 0, pulled.stderr
    assert {path.rpartition("/")[2] for path in asked(destination, "blobs")} == set(image.blobs)
    assert asked(origin) == asked(mirror) == []


def test_on_the_mirroring_host_further_runs_work(
    skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry
) -> None:
    images = {name: make_image(name) for name in ("before", "after")}
    for name, image in images.items():
        mirror.push(f"ns/{name}", image)
    configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns"))
    wanted = {name: f"{origin.host}/ns/{name}@{image.digest}" for name, image in images.items()}
    target = f"docker://{destination.host}"
    copy(skopeo_mirror, *REPORT, wanted["before"], target)
    drop_in(skopeo_mirror, "report.json")

    report = copy(skopeo_mirror, *wanted.values(), target)
    assert statuses(report) == {wanted["before"]: "present", wanted["after"]: "copied"}
    assert report["images"][1]["served_by"]["location"] == f"{mirror.host}/ns"
    assert asked(origin) == []


def test_on_the_mirroring_host_an_entry_for_one_repository_spoils_no_run(
    skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry
) -> None:
    """Nothing outranks it, so that repository alone cannot be pulled; what is there already need not be."""
    images = {name: make_image(name) for name in ("app", "new", "other")}
    mirror.push("ns/app", images["app"])
    mirror.push("ns/app", images["new"])
    mirror.push("ns/other", images["other"])
    configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns"))
    app, new, other = (
        f"{origin.host}/ns/{repository}@{images[name].digest}"
        for repository, name in (("app", "app"), ("app", "new"), ("other", "other"))
    )
    arguments = ["--max-nested-paths", "1", *REPORT]
    copy(skopeo_mirror, *arguments, app, f"docker://{destination.host}")
    file = drop_in(skopeo_mirror, "report.json")
    assert f'"{origin.host}/ns/app"' in file.read_text()

    report = copy(skopeo_mirror, *arguments, app, new, other, f"docker://{destination.host}", status=1)
    assert statuses(report) == {app: "present", new: "failed", other: "copied"}
    assert f"{file} redirects {origin.host}/ns/app to the destination itself" in report["images"][1]["error"]
    assert asked(origin) == []


def test_on_the_mirroring_host_the_destination_is_no_candidate(
    skopeo_mirror: Program, origin: Registry, destination: Registry
) -> None:
    """The drop-in is all that the host has: its one mirror is the destination."""
    images = {name: make_image(name) for name in ("before", "after")}
    for name, image in images.items():
        origin.push(f"ns/{name}", image)
    conf = configure(skopeo_mirror, entry(origin.host))
    wanted = {name: f"{origin.host}/ns/{name}@{image.digest}" for name, image in images.items()}
    target = f"docker://{destination.host}"
    copy(skopeo_mirror, *REPORT, wanted["before"], target)
    directory = drop_in(skopeo_mirror, "report.json").parent

    # the drop-in stands for the whole namespace, so it must say of the origin what the main file says of it
    (directory / "mirror.conf").write_text(
        (directory / "mirror.conf").read_text().replace("mirror-by", "insecure = true\nmirror-by", 1)
    )
    options = ["-r", str(conf), "--registries-conf-dir", str(directory), PLAIN, "--json"]
    run = skopeo_mirror("copy", *options, wanted["after"], target)
    assert run.status == 0, run.stderr
    copied = only(run.report)
    assert [(attempt["outcome"], attempt["reason"]) for attempt in copied["attempts"]] == [
        ("skipped", "destination"),
        ("served", None),
    ]
    assert copied["served_by"]["kind"] == "origin"


@pytest.mark.parametrize("suffix", ["@{digest}", ":v1"], ids=["digest", "tag"])
def test_of_what_was_copied_for_one_platform_the_others_cannot_be_pulled_as_it_says(
    skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry, suffix: str
) -> None:
    """No docker-registry takes an index of which images are absent, so the one is deleted, and the report changed."""
    many = make_multi_architecture("many")
    for registry in (mirror, origin):
        registry.push("ns/many", many, "v1")
    configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns"))
    wanted = f"{origin.host}/ns/many{suffix.format(digest=many.digest)}"
    copy(skopeo_mirror, *REPORT, wanted, f"docker://{destination.host}/example")
    destination.delete("example/ns/many", many.children[1].digest)
    report = json.loads((skopeo_mirror.directory / "report.json").read_text())
    report["images"][0]["parts"] = [{"digest": many.children[0].digest, "platform": "linux/amd64", "status": "copied"}]
    (skopeo_mirror.directory / "some.json").write_text(json.dumps(report | {"platforms": ["linux/amd64"]}))

    told = skopeo_mirror("redirect", "some.json").stderr
    assert told.startswith("warning: 1 image was copied for a few platforms alone (linux/amd64): ")
    assert skopeo_mirror("redirect", "report.json").stderr == ""
    file = drop_in(skopeo_mirror, "some.json")
    assert f"#   {origin.host}/ns/many: linux/amd64\n" in file.read_text()
    origin.forget()
    for architecture, words in (("amd64", ""), ("arm64", f"in {destination.host}/example/ns/many: manifest unknown")):
        skopeo = ["skopeo", "--registries-conf", str(file), f"--override-arch={architecture}", "copy", "--quiet"]
        target = f"dir:{skopeo_mirror.directory / architecture}"
        pulled = subprocess.run([*skopeo, f"docker://{wanted}", target], capture_output=True, text=True, check=False)
        assert (pulled.returncode == 0) is (architecture == "amd64"), pulled.stderr
        assert words in pulled.stderr
    assert asked(origin) == []


def test_the_mapping_is_read_back(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, second_mirror: Registry
) -> None:
    image = make_image("small")
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/ns"))
    wanted = f"prod.invalid/ns/app@{image.digest}"
    copy(skopeo_mirror, *REPORT, wanted, f"docker://{destination.host}/x")
    mapping = skopeo_mirror("redirect", "--format", "mapping", "report.json").stdout
    tag = f"pin-{image.digest.replace(':', '-')}"
    assert mapping == f"{wanted}={destination.host}/x/ns/app:{tag}\n"

    report = copy(skopeo_mirror, "-f", "-", f"docker://{second_mirror.host}", stdin=mapping)
    assert statuses(report) == {wanted: "present"}
    report = copy(
        skopeo_mirror,
        "-f",
        "-",
        f"docker://{second_mirror.host}",
        stdin=mapping.replace(destination.host, second_mirror.host),
    )
    assert statuses(report) == {wanted: "copied"}
    assert holds(second_mirror, "x/ns/app", tag, image)


def test_without_a_confirmed_image_it_redirects_nothing_and_says_so(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/ns"))
    wanted = f"prod.invalid/ns/app@{make_image('small').digest}"
    copy(skopeo_mirror, *REPORT, "--mirrors-only", "--retries=0", wanted, f"docker://{destination.host}", status=1)
    run = skopeo_mirror("redirect", "report.json")
    assert run.status == 0
    assert "no image is confirmed" in run.stderr
    assert "[[registry]]" not in run.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "report.json: cannot be read: No such file or directory", id="missing"),
        pytest.param(b"\xff", "report.json: is not UTF-8", id="not-text"),
        pytest.param(b"{}", "report.json: is no report of a kind that is known here", id="no-report"),
    ],
)
def test_what_is_no_report_is_refused(skopeo_mirror: Program, content: bytes | None, words: str) -> None:
    if content is not None:
        (skopeo_mirror.directory / "report.json").write_bytes(content)
    run = skopeo_mirror("redirect", "report.json")
    assert (run.status, run.stdout) == (2, "")
    assert run.stderr.startswith(f"error: {words}")
