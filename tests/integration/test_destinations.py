"""What arrives at the three kinds of destination: whole, readable by other tools, and never half there."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.rig.copying import PLAIN, asked, configure, copy, entry, files_below, holds, only, pin_tag, statuses
from tests.rig.faults import Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import (
    DOCKER_LAYER,
    OCI_INDEX,
    digest_of,
    make_image,
    make_index,
    make_multi_architecture,
    make_random_layer,
)
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Podman
    from tests.rig.images import Image
    from tests.rig.program import Program

OCI_FORMS = [
    pytest.param(make_image("one"), id="oci"),
    pytest.param(make_multi_architecture("many"), id="oci-index"),
]
DOCKER_FORMS = [
    pytest.param(make_image("one", docker=True), id="docker"),
    pytest.param(make_multi_architecture("many", docker=True), id="docker-list"),
]
FORMS = OCI_FORMS + DOCKER_FORMS
MIXED_FORMS = [
    pytest.param(make_index([make_image("child", docker=True), make_image("other")]), id="oci-index-of-docker"),
    pytest.param(
        make_index([make_image("child"), make_image("other", docker=True)], docker=True), id="docker-list-of-oci"
    ),
]
DIRECTORIES = [pytest.param("oci:images", id="oci"), pytest.param("dir:images", id="dir")]


def raw_manifest(source: str, *options: str, directory: Path | None = None) -> bytes:
    """Let skopeo alone read a manifest."""
    return subprocess.run(
        ["skopeo", "inspect", "--raw", *options, source], cwd=directory, capture_output=True, check=True
    ).stdout


def blobs_below(layout: Path) -> dict[str, bytes]:
    """Return the blobs of an OCI layout by digest."""
    return {f"{file.parent.name}:{file.name}": file.read_bytes() for file in layout.glob("blobs/*/*")}


def index_of(layout: Path) -> list[dict[str, Any]]:
    """Return the entries of a layout."""
    entries: list[dict[str, Any]] = json.loads((layout / "index.json").read_bytes())["manifests"]
    return entries


def names_in(layout: Path) -> list[str]:
    """Return the names in a layout's index, sorted."""
    return sorted(entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index_of(layout))


class TestWhole:
    """Every form of image arrives with all architectures and the digest that was asked for."""

    @pytest.mark.parametrize("made", FORMS)
    def test_in_a_registry(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, podman: Podman, made: Image
    ) -> None:
        mirror.push("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        wanted = f"prod.invalid/ns/app@{made.digest}"
        assert only(copy(skopeo_mirror, wanted, f"docker://{destination.host}/copied"))["digest"] == made.digest
        for part in made.walk():
            assert destination.manifest("copied/ns/app", part.digest) == part.manifest
        assert holds(destination, "copied/ns/app", pin_tag(made), made)
        there = f"docker://{destination.host}/copied/ns/app@{made.digest}"
        assert raw_manifest(there, "--tls-verify=false") == made.manifest
        pulled = podman("pull", "--quiet", "--tls-verify=false", there)
        assert pulled.returncode == 0, pulled.stderr
        assert f"sha256:{pulled.stdout.strip()}" in {part.config_digest for part in made.walk()}

    @pytest.mark.parametrize("made", OCI_FORMS)
    def test_in_a_layout(self, skopeo_mirror: Program, mirror: Registry, podman: Podman, made: Image) -> None:
        mirror.push("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        tagged, pinned = f"prod.invalid/ns/app:v1@{made.digest}", f"prod.invalid/ns/app@{made.digest}"
        copy(skopeo_mirror, tagged, pinned, "oci:images")
        layout = skopeo_mirror.directory / "images"
        assert names_in(layout) == sorted([tagged, pinned])
        assert blobs_below(layout) == {
            **made.blobs,
            **{part.digest: part.manifest for part in made.walk()},
        }
        for name in (tagged, pinned):
            assert raw_manifest(f"oci:images:{name}", directory=skopeo_mirror.directory) == made.manifest
        pulled = podman("pull", "--quiet", f"oci:{layout}:{tagged}")
        assert pulled.returncode == 0, pulled.stderr

    @pytest.mark.parametrize("made", FORMS)
    def test_in_a_directory(self, skopeo_mirror: Program, mirror: Registry, made: Image) -> None:
        mirror.push("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        wanted = [f"prod.invalid/ns/app:v1@{made.digest}", f"prod.invalid/ns/app@{made.digest}"]
        copy(skopeo_mirror, *wanted, "dir:images")
        for tag in ("v1", pin_tag(made)):
            directory = skopeo_mirror.directory / "images/ns/app" / tag
            assert raw_manifest(f"dir:{directory}") == made.manifest
            assert {digest_of(file.read_bytes()) for file in directory.iterdir()} > set(made.blobs) | {
                part.digest for part in made.walk()
            }

    @pytest.mark.parametrize("options", [[], ["--no-plan"]], ids=["plan", "no-plan"])
    @pytest.mark.parametrize("made", DOCKER_FORMS + MIXED_FORMS)
    def test_docker_images_in_a_layout(
        self, skopeo_mirror: Program, mirror: Registry, made: Image, options: list[str]
    ) -> None:
        """They are kept as they are, and it is said, once, who finds them there by name."""
        mirror.push("ns/app", made)
        mirror.push("ns/other", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        wanted = [f"prod.invalid/ns/{name}@{made.digest}" for name in ("app", "other")]
        run = skopeo_mirror("copy", "-r", "registries.conf", *options, *wanted, "oci:images")
        assert run.status == 0, run.stderr
        assert run.stderr.count("skopeo 1.19") == (0 if made.media_type == OCI_INDEX else 1)
        layout = skopeo_mirror.directory / "images"
        assert blobs_below(layout) == {**made.blobs, **{part.digest: part.manifest for part in made.walk()}}
        assert {entry["mediaType"] for entry in index_of(layout)} == {made.media_type}
        mirror.forget()
        again = copy(skopeo_mirror, *wanted, "oci:images")
        assert set(statuses(again).values()) == {"present"}
        assert asked(mirror) == []

    @pytest.mark.parametrize("made", DOCKER_FORMS + MIXED_FORMS)
    @pytest.mark.parametrize("target", ["docker", "oci:out", "dir:out"])
    def test_docker_images_go_on_from_a_layout(
        self, skopeo_mirror: Program, tmp_path: Path, destination: Registry, made: Image, target: str
    ) -> None:
        """Moved elsewhere, every source stopped, and their digests are still what they were."""
        wanted = f"prod.invalid/ns/app:v1@{made.digest}"
        with Registry(tmp_path / "mirror") as mirror:
            mirror.push("ns/app", made)
            configure(skopeo_mirror, entry("prod.invalid", mirror.host))
            copy(skopeo_mirror, wanted, "oci:images")
        moved = (skopeo_mirror.directory / "images").rename(skopeo_mirror.directory / "moved")
        configure(skopeo_mirror, "")
        to = f"docker://{destination.host}" if target == "docker" else target
        gone_on = only(copy(skopeo_mirror, "--from", f"oci:{moved}", to))
        assert (gone_on["status"], gone_on["confirmed"], gone_on["digest"]) == ("copied", True, made.digest)
        if target == "docker":
            assert holds(destination, "ns/app", "v1", made)
            for part in made.walk():
                assert destination.manifest("ns/app", part.digest) == part.manifest
        elif target == "oci:out":
            assert blobs_below(skopeo_mirror.directory / "out") == blobs_below(moved)
        else:
            assert raw_manifest(f"dir:{skopeo_mirror.directory / 'out/ns/app/v1'}") == made.manifest

    @pytest.mark.parametrize("target", ["docker", "oci:out", "dir:out"])
    @pytest.mark.parametrize("options", [[], ["--no-plan"]], ids=["plan", "no-plan"])
    def test_what_no_skopeo_knows_in_a_docker_image_is_named_and_no_mirror_blamed(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, target: str, options: list[str]
    ) -> None:
        """An attestation that is typed as an image of Docker's, as some builders push it."""
        strange = make_image("strange", docker=True)
        toto = "application/vnd.in-toto+json"
        strange = replace(strange, manifest=strange.manifest.replace(DOCKER_LAYER.encode(), toto.encode()))
        made = make_index([make_image("one", docker=True), strange], docker=True)
        mirror.push("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        to = f"docker://{destination.host}" if target == "docker" else target
        failed = only(copy(skopeo_mirror, *options, f"prod.invalid/ns/app@{made.digest}", to, status=1))
        assert toto in failed["error"]
        assert "copies to no destination" in failed["error"]
        assert failed["attempts"] == []


@pytest.mark.parametrize("target", DIRECTORIES)
def test_nothing_but_the_images_is_left(skopeo_mirror: Program, mirror: Registry, image: Image, target: str) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    copy(skopeo_mirror, f"prod.invalid/ns/app@{image.digest}", target)
    assert {path.name for path in (skopeo_mirror.directory / "images").iterdir()} == (
        {"blobs", "index.json", "oci-layout"} if target.startswith("oci:") else {"ns"}
    )


def test_twenty_images_at_once_into_one_layout(skopeo_mirror: Program, mirror: Registry) -> None:
    """Parallel copies of skopeo alone into one layout lose entries."""
    shared = make_random_layer("shared", 50_000)
    made = [make_image(f"app-{n}", layers=[shared, make_random_layer(f"own-{n}", 1000)]) for n in range(20)]
    for number, image in enumerate(made):
        mirror.push(f"ns/app-{number}", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    wanted = [f"prod.invalid/ns/app-{number}@{image.digest}" for number, image in enumerate(made)]
    (skopeo_mirror.directory / "images.txt").write_text("\n".join(wanted))
    arguments = ["-j", "8", "-f", "images.txt", "oci:images"]
    assert copy(skopeo_mirror, *arguments)["summary"]["copied"] == 20

    layout = skopeo_mirror.directory / "images"
    assert names_in(layout) == sorted(wanted)
    assert blobs_below(layout) == {
        digest: blob for image in made for digest, blob in {**image.blobs, image.digest: image.manifest}.items()
    }
    mirror.forget()
    second = copy(skopeo_mirror, *arguments)
    assert (second["changed"], second["summary"]["present"]) == (False, 20)
    assert asked(mirror) == []


@pytest.mark.parametrize("target", DIRECTORIES)
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(place=Place.MANIFEST, kind="404"), id="no-manifest"),
        pytest.param(Fault(place=Place.CONNECT, kind="refuse"), id="no-registry"),
        pytest.param(Fault(place=Place.LAYER, kind="404"), id="no-layer"),
        pytest.param(Fault(place=Place.LAYER, kind="truncated"), id="half-a-layer"),
    ],
)
def test_a_copy_that_fails_leaves_what_was_there_whole(
    skopeo_mirror: Program, image: Image, target: str, fault: Fault
) -> None:
    with FaultyRegistry() as source:
        source.serve("ns/app", image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", source.host))
        copy(skopeo_mirror, "prod.invalid/ns/app:v1", target)
        directory = skopeo_mirror.directory / "images"
        before = files_below(directory)

        successor = make_image("successor")
        source.serve("ns/app", successor, "v1")
        source.fault = fault
        if fault.kind == "refuse":
            source.stop_listening()
        again = f"prod.invalid/ns/app:v1@{successor.digest}"
        failed = only(copy(skopeo_mirror, "--no-plan", "--retries=0", "--mirrors-only", again, target, status=1))
        assert (failed["status"], failed["digest"]) == ("failed", successor.digest)
        after = files_below(directory)
        assert {path: after[path] for path in before} == before  # of a layout the blobs that arrived may stay

        source.heal()
        copy(skopeo_mirror, again, target)
        source_of = f"{target}/ns/app/v1" if target.startswith("dir:") else f"{target}:{again}"
        assert raw_manifest(source_of, directory=skopeo_mirror.directory) == successor.manifest


@pytest.mark.parametrize("target", DIRECTORIES)
@pytest.mark.parametrize("harm", ["missing", "cut"])
def test_an_image_that_was_damaged_is_not_present(
    skopeo_mirror: Program, mirror: Registry, image: Image, target: str, harm: str
) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    arguments = [f"prod.invalid/ns/app@{image.digest}", target]
    copy(skopeo_mirror, *arguments)
    directory = skopeo_mirror.directory / "images"
    before = files_below(directory)
    [layer, _] = [digest for digest in image.blobs if digest != image.config_digest]
    [file] = directory.rglob(layer.removeprefix("sha256:"))
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])
    assert only(copy(skopeo_mirror, *arguments))["status"] == "copied"
    assert files_below(directory) == before


def test_a_layout_keeps_what_others_put_there(skopeo_mirror: Program, mirror: Registry, image: Image) -> None:
    other = make_image("other")
    mirror.push("ns/app", image)
    mirror.push("ns/other", other)
    layout = skopeo_mirror.directory / "images"
    subprocess.run(
        ["skopeo", "copy", "--src-tls-verify=false", f"docker://{mirror.host}/ns/other@{other.digest}",
         f"oci:{layout}:mine"],
        check=True, capture_output=True,
    )  # fmt: skip
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    wanted = f"prod.invalid/ns/app@{image.digest}"
    copy(skopeo_mirror, wanted, "oci:images")
    assert names_in(layout) == ["mine", wanted]
    assert raw_manifest(f"oci:{layout}:mine") == other.manifest


def test_a_name_that_skopeo_cannot_address_is_kept_with_a_warning(
    skopeo_mirror: Program, mirror: Registry, image: Image
) -> None:
    mirror.push("ns/a__b", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    wanted = f"prod.invalid/ns/a__b@{image.digest}"
    run = skopeo_mirror("copy", "-r", "registries.conf", wanted, "oci:images")
    assert run.status == 0, run.stderr
    assert names_in(skopeo_mirror.directory / "images") == [wanted]
    [warning] = [line for line in run.stderr.splitlines() if line.startswith("warning:")]
    assert "a__b" in warning


@pytest.mark.parametrize(
    ("target", "file", "words"),
    [
        pytest.param("oci:images", "images/holiday.jpg", "holiday.jpg", id="oci-directory-of-something-else"),
        pytest.param("oci:images", "images/index.json", "index.json", id="oci-broken-index"),
        pytest.param("oci:images", "images", "is no directory", id="oci-file"),
        pytest.param("oci:images/deeper", "images", "images", id="oci-below-a-file"),
        pytest.param("dir:images", "images", "is no directory", id="dir-file"),
        pytest.param("dir:images", "images/ns/app/v1/holiday.jpg", "holiday.jpg", id="dir-something-else"),
        pytest.param("dir:images", "images/ns/app/v1", "is no directory", id="dir-file-at-the-image"),
        pytest.param("dir:images", "images/ns/app", "is no directory", id="dir-file-on-the-way"),
        pytest.param("dir:images", "images/ns/app/manifest.json", "inside the image directory", id="dir-in-an-image"),
    ],
)
def test_what_is_not_ours_is_refused(
    skopeo_mirror: Program, mirror: Registry, image: Image, target: str, file: str, words: str
) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    path = skopeo_mirror.directory / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("precious")
    before = files_below(skopeo_mirror.directory)
    wanted = f"prod.invalid/ns/app:v1@{image.digest}"
    run = skopeo_mirror("copy", "-r", "registries.conf", PLAIN, wanted, target)
    assert run.status == 2
    [line] = run.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert files_below(skopeo_mirror.directory) == before
    assert asked(mirror) == []
