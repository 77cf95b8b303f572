"""An index is copied image by image: each once, each told of, and its name is there when all of them are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.test_destinations import blobs_below, names_in
from tests.rig.copying import asked, configure, copy, entry, only, statuses
from tests.rig.images import (
    digest_of,
    make_attestation,
    make_bases,
    make_image,
    make_index,
    make_multi_architecture,
    make_operator,
    make_random_layer,
)
from tests.rig.skopeos import Noting
from tests.rig.trees import (
    TARGETS,
    blobs_of,
    digests_of,
    holds_tree,
    layers_of,
    named,
    part_statuses,
    parts_of,
    pulled,
    pulled_bytes,
    pulled_layers,
    wanted,
    weight_of,
)

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry


def is_whole(program: Program, target: str, destination: Registry, name: str, made: Image) -> bool:
    """Whether an index is at the destination under its name, `ns/…:v1`, with all that is in it."""
    if target == "docker":
        return holds_tree(destination, name, "v1", made)
    layout = program.directory / "images"
    there = blobs_below(layout)
    contents = {**made.blobs, **{part.digest: part.manifest for part in made.walk()}}
    return f"prod.invalid/{name}:v1@{made.digest}" in names_in(layout) and contents.items() <= there.items()


def served(part: dict[str, Any]) -> list[tuple[str, str]]:
    return [(attempt["outcome"], attempt["location"]) for attempt in part["attempts"]]


@pytest.mark.parametrize(
    ("docker", "target", "options"),
    [
        pytest.param(False, "docker", [], id="oci-index-to-registry"),
        pytest.param(True, "docker", ["-j1"], id="docker-list-to-registry-one-at-a-time"),
        pytest.param(False, "oci", ["-j1"], id="oci-index-to-layout-one-at-a-time"),
        pytest.param(True, "oci", [], id="docker-list-to-layout"),
    ],
)
def test_operators_arrive_image_by_image(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, docker: bool, target: str, options: list[str]
) -> None:
    """Four architectures that share their base layers: every byte is asked for once, and the second time none."""
    bases = make_bases("base")
    made = {f"ns/operator-{number}": make_operator(f"{number}", bases, docker=docker) for number in range(3)}
    names = {}
    for name, image in made.items():
        mirror.push(name, image)
        names[f"prod.invalid/{name}:v1@{image.digest}"] = image
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    arguments = [*options, *names, named(target, destination)]
    report = copy(skopeo_mirror, *arguments)

    for image in report["images"]:
        index = names[image["image"]]
        assert (image["status"], image["confirmed"], image["digest"]) == ("copied", True, index.digest)
        assert image["served_by"]["location"] == mirror.host
        assert image.get("whole") is None
        parts = parts_of(image)
        assert parts.keys() == digests_of(index.children)
        for child in index.children:
            part = parts[child.digest]
            assert (part["platform"], part["status"], part["error"]) == (f"linux/{child.architecture}", "copied", None)
            assert part["served_by"]["reference"].endswith(f"@{child.digest}")
            assert served(part) == [("served", mirror.host)]
            assert part["bytes"] >= len(child.manifest)
        assert image["bytes"] == len(index.manifest) + sum(part["bytes"] for part in parts.values())
    assert all(is_whole(skopeo_mirror, target, destination, name, image) for name, image in made.items())
    assert pulled_layers(mirror, *made.values()) == layers_of(*made.values())
    assert set(pulled(mirror)) == blobs_of(*made.values()).keys()
    if not docker:
        assert pulled_bytes(mirror) == sum(map(len, blobs_of(*made.values()).values()))
    summary = report["summary"]
    assert summary["bytes"] == weight_of(*made.values())
    assert summary["served_by"].keys() == {mirror.host}
    assert (summary["served_by"][mirror.host]["images"], summary["served_by"][mirror.host]["bytes"]) == (
        3,
        summary["bytes"],
    )

    mirror.forget()
    again = copy(skopeo_mirror, *arguments)
    assert (set(statuses(again).values()), again["changed"]) == ({"present"}, False)
    assert asked(mirror) == []


def test_an_index_is_asked_for_alone_and_its_images_by_their_digests(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    """And a tag appears with the index alone: no image of it leaves a tag of its own."""
    made = make_multi_architecture("app")
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    noting = Noting(skopeo_mirror)
    copy(
        skopeo_mirror,
        f"--skopeo={noting.path}",
        wanted(made),
        f"docker://{destination.host}",
    )
    runs = noting.copies()
    assert len(runs) == 3
    assert all(" --preserve-digests " in run for run in runs)
    for child in made.children:
        [run] = [run for run in runs if f"@{child.digest}" in run]
        assert run.endswith(f"docker://{destination.host}/ns/app@{child.digest}")
    assert " --multi-arch=index-only " in runs[-1]
    assert runs[-1].endswith(f"docker://{destination.host}/ns/app:v1")
    assert destination.tags("ns/app") == ["v1"]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_of_two_indexes_is_copied_once(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, target: str
) -> None:
    """A rebuilt operator whose build for one architecture came out the same."""
    shared = make_image("shared")
    made = {tag: make_index([shared, make_image(tag, architecture="arm64")]) for tag in ("v1", "v2", "v3")}
    for image in made.values():
        mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    noting = Noting(skopeo_mirror)
    names = [wanted(image, tag) for tag, image in made.items()]
    report = copy(skopeo_mirror, f"--skopeo={noting.path}", *names, named(target, destination))
    assert set(statuses(report).values()) == {"copied"}
    assert all(image["confirmed"] for image in report["images"])
    assert pulled(mirror) == sorted(blobs_of(*made.values()))
    assert len([run for run in noting.copies() if shared.digest in run]) == 1
    found = [part_statuses(image) for image in report["images"]]
    assert {statuses[shared.digest] for statuses in found} <= {"copied", "present"}
    assert report["summary"]["bytes"] == weight_of(*made.values())
    if target == "docker":
        assert destination.tags("ns/app") == ["v1", "v2", "v3"]
        assert all(holds_tree(destination, "ns/app", tag, image) for tag, image in made.items())


@pytest.mark.parametrize("target", TARGETS)
def test_an_index_of_all_that_there_is(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, target: str
) -> None:
    """Docker's images among OCI's, an attestation, and the same image for two platforms in one list with others."""
    amd64, arm64 = make_image("amd64", docker=True), make_image("arm64", architecture="arm64")
    made = make_index([amd64, make_attestation(amd64), arm64, make_attestation(arm64)])
    single = make_image("single")
    mirror.push("ns/app", made)
    mirror.push("ns/single", single)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    names = [wanted(made), f"prod.invalid/ns/single:v1@{single.digest}"]
    report = copy(skopeo_mirror, *names, named(target, destination))
    of_index, of_single = report["images"]
    assert part_statuses(of_index) == dict.fromkeys(digests_of(made.children), "copied")
    assert [part["platform"] for part in parts_of(of_index).values()].count("linux/amd64") == 1
    assert parts_of(of_single) == {}
    assert is_whole(skopeo_mirror, target, destination, "ns/app", made)


@pytest.mark.parametrize(
    ("docker", "target"),
    [
        pytest.param(False, "docker", id="oci-index-in-registry"),
        pytest.param(True, "oci", id="docker-list-in-layout"),
    ],
)
def test_of_an_index_that_lost_an_image_only_that_is_brought(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, docker: bool, target: str
) -> None:
    made = make_operator("app", make_bases("base"), docker=docker)
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    arguments = [wanted(made), named(target, destination)]
    copy(skopeo_mirror, *arguments)
    lost = made.children[2]
    layout = skopeo_mirror.directory / "images"
    own = [digest for digest in lost.blobs if digest != lost.config_digest][-1]
    if target == "docker":
        destination.delete("ns/app", lost.digest)
    else:
        (layout / "blobs" / own.replace(":", "/")).unlink()
    mirror.forget()
    mended = only(copy(skopeo_mirror, *arguments))
    assert (mended["status"], mended["confirmed"]) == ("copied", True)
    assert part_statuses(mended) == {child.digest: "copied" if child is lost else "present" for child in made.children}
    assert set(pulled(mirror)) <= set(lost.blobs)
    if target == "oci":
        assert own in pulled(mirror)
    assert is_whole(skopeo_mirror, target, destination, "ns/app", made)
    mirror.forget()
    assert only(copy(skopeo_mirror, *arguments))["status"] == "present"
    assert asked(mirror) == []


@pytest.mark.parametrize("target", TARGETS)
def test_images_that_are_there_already_are_not_brought_again(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, target: str
) -> None:
    """A tag moves to an index that has one new image."""
    bases = make_bases("base")
    old = make_operator("old", bases)
    changed = make_image("new-s390x", layers=[*bases["s390x"], make_random_layer("new", 500)], architecture="s390x")
    new = make_index([*old.children[:3], changed])
    for image in (old, new):
        mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    copy(skopeo_mirror, wanted(old), named(target, destination))
    mirror.forget()
    report = copy(skopeo_mirror, wanted(new), named(target, destination))
    assert part_statuses(only(report)) == {
        child.digest: "copied" if child is changed else "present" for child in new.children
    }
    assert pulled(mirror) == sorted(set(changed.blobs) - set(old.blobs))
    assert is_whole(skopeo_mirror, target, destination, "ns/app", new)


@pytest.mark.parametrize("target", TARGETS)
def test_a_dry_run_says_what_would_move_and_writes_nothing(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, target: str
) -> None:
    bases = make_bases("base")
    made = {f"ns/operator-{number}": make_operator(f"{number}", bases) for number in range(2)}
    for name, image in made.items():
        mirror.push(name, image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    names = [f"prod.invalid/{name}:v1@{image.digest}" for name, image in made.items()]
    report = copy(skopeo_mirror, "--dry-run", *names, named(target, destination))
    assert statuses(report) == dict.fromkeys(names, "would-copy")
    assert report["summary"]["bytes"] == weight_of(*made.values())
    assert pulled(mirror) == []
    assert destination.repositories() == []
    assert not (skopeo_mirror.directory / "images").exists()


@pytest.mark.parametrize("docker", [False, True], ids=["oci-index", "docker-list"])
def test_an_index_goes_on_from_a_layout_image_by_image(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, docker: bool
) -> None:
    made = make_operator("app", make_bases("base"), docker=docker)
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    copy(skopeo_mirror, wanted(made), "oci:images")
    mirror.stop()
    report = copy(skopeo_mirror, "--from", "oci:images", f"docker://{destination.host}")
    image = only(report)
    assert (image["status"], image["confirmed"]) == ("copied", True)
    assert part_statuses(image) == dict.fromkeys(digests_of(made.children), "copied")
    assert {part["served_by"]["kind"] for part in parts_of(image).values()} == {"layout"}
    assert holds_tree(destination, "ns/app", "v1", made)
    lost = made.children[1]
    destination.delete("ns/app", lost.digest)
    mended = only(copy(skopeo_mirror, "--from", "oci:images", f"docker://{destination.host}"))
    assert part_statuses(mended) == {child.digest: "copied" if child is lost else "present" for child in made.children}


def test_without_reading_ahead_an_index_is_copied_whole(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    made = make_multi_architecture("app")
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    noting = Noting(skopeo_mirror)
    copied = only(
        copy(skopeo_mirror, "--no-plan", f"--skopeo={noting.path}", wanted(made), f"docker://{destination.host}")
    )
    assert parts_of(copied) == {}
    assert ["--all" in run for run in noting.copies()] == [True]
    assert holds_tree(destination, "ns/app", "v1", made)


def test_a_directory_takes_an_index_whole(skopeo_mirror: Program, mirror: Registry) -> None:
    made = make_multi_architecture("app")
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    copied = only(copy(skopeo_mirror, wanted(made), "dir:images"))
    assert (copied["status"], parts_of(copied)) == ("copied", {})
    there = {digest_of(file.read_bytes()) for file in (skopeo_mirror.directory / "images/ns/app/v1").iterdir()}
    assert set(made.blobs) | digests_of(made.walk()) <= there
