"""Across the air gap: a layout that one run filled is carried away and pushed by another, every source stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.rig.copying import PLAIN, asked, configure, copy, entry, files_below, holds, only, statuses
from tests.rig.faults import Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import digest_of, make_image, make_multi_architecture, make_random_layer
from tests.rig.program import Program
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = make_random_layer("shared", 50_000)
APP = make_image("app", layers=[SHARED, make_random_layer("own", 1000)])
MANY = make_multi_architecture("many")
ODD = make_image("odd", layers=[SHARED])
PINNED = f"prod.invalid/ns/app@{APP.digest}"
TAGGED = "prod.invalid/ns/many:v1"
UNADDRESSABLE = f"prod.invalid/ns/a__b:v2@{ODD.digest}"
IMAGES = {PINNED: APP, TAGGED: MANY, UNADDRESSABLE: ODD}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout that a run has filled with three images; the registry that they came from is gone."""
    directory = tmp_path_factory.mktemp("filled")
    program = Program(directory=directory)
    program.home.mkdir()
    with Registry(directory / "mirror") as mirror:
        for name, image in {"app": APP, "many": MANY, "a__b": ODD}.items():
            mirror.push(f"ns/{name}", image, "v1" if image is MANY else None)
        configure(program, entry("prod.invalid", mirror.host))
        copy(program, *IMAGES, "oci:layout")
    return directory / "layout"


@pytest.fixture
def carried(skopeo_mirror: Program, filled: Path) -> Path:
    """That layout, carried to where no registries.conf says anything."""
    configure(skopeo_mirror, "")
    return Path(shutil.copytree(filled, skopeo_mirror.directory / "media" / "carried here"))


def push(program: Program, layout: Path, *arguments: object, status: int = 0) -> dict[str, Any]:
    return copy(program, "--from", f"oci:{layout}", *arguments, status=status)


def blob_of(layout: Path, content: bytes) -> Path:
    return layout / "blobs" / "sha256" / digest_of(content).removeprefix("sha256:")


def test_all_of_it_arrives_with_its_names_and_digests_and_the_second_time_it_is_there(
    skopeo_mirror: Program, carried: Path, destination: Registry
) -> None:
    report = push(skopeo_mirror, carried, f"docker://{destination.host}/in")
    assert statuses(report) == dict.fromkeys(IMAGES, "copied")
    for image in report["images"]:
        made = IMAGES[image["image"]]
        assert image["digest"] == made.digest
        assert image["confirmed"]
        assert image["served_by"] == {
            "reference": f"{image['image'].partition('@')[0].removesuffix(':v1').removesuffix(':v2')}@{made.digest}",
            "location": f"oci:{carried}",
            "kind": "layout",
        }
        assert [attempt["outcome"] for attempt in image["attempts"]] == ["served"]
        repository, _, tag = image["destination"].removeprefix(f"docker://{destination.host}/").partition(":")
        assert holds(destination, repository, tag, made)
    assert report["summary"]["served_by"] == {f"oci:{carried}": {"images": 3, "bytes": report["summary"]["bytes"]}}
    again = push(skopeo_mirror, carried, f"docker://{destination.host}/in")
    assert statuses(again) == dict.fromkeys(IMAGES, "present")
    assert not again["changed"]


def test_of_what_was_left_out_a_registry_has_the_last_word(
    skopeo_mirror: Program, carried: Path, destination: Registry
) -> None:
    """A docker-registry takes no index of which images are absent; skopeo's own last words are of something else."""
    arguments = ["--platform", "linux/amd64", TAGGED, f"docker://{destination.host}"]
    failed = only(push(skopeo_mirror, carried, *arguments, status=1))
    assert "this registry takes an index only together with all its images" in failed["error"]
    assert "must be converted" not in failed["error"]
    assert [(part["platform"], part["status"]) for part in failed["parts"]] == [("linux/amd64", "copied")]
    assert destination.tags("ns/many") == []


def test_only_the_named_images(skopeo_mirror: Program, carried: Path, destination: Registry) -> None:
    report = push(skopeo_mirror, carried, PINNED, f"docker://{destination.host}")
    assert statuses(report) == {PINNED: "copied"}
    assert destination.repositories() == ["ns/app"]


def test_a_tag_says_what_it_was_resolved_to(skopeo_mirror: Program, carried: Path, destination: Registry) -> None:
    image = only(push(skopeo_mirror, carried, TAGGED, f"docker://{destination.host}"))
    assert (image["resolved_from"], image["digest"]) == (TAGGED, MANY.digest)
    assert destination.tags("ns/many") == ["v1"]


@pytest.mark.parametrize("target", ["oci:other", "dir:other"])
def test_into_a_directory(skopeo_mirror: Program, carried: Path, target: str) -> None:
    report = push(skopeo_mirror, carried, target)
    assert statuses(report) == dict.fromkeys(IMAGES, "copied")
    whole = {digest for made in IMAGES.values() for digest in made.blobs}
    there = {content for content in files_below(skopeo_mirror.directory / "other").values() if content is not None}
    assert whole <= {digest_of(content) for content in there}
    assert statuses(push(skopeo_mirror, carried, target)) == dict.fromkeys(IMAGES, "present")


def test_what_moved_is_counted(skopeo_mirror: Program, carried: Path, destination: Registry) -> None:
    """A layer that two images of one repository share is uploaded once."""
    first = only(push(skopeo_mirror, carried, PINNED, f"docker://{destination.host}"))
    assert first["bytes"] == len(APP.manifest) + sum(map(len, APP.blobs.values()))
    (skopeo_mirror.directory / "list").write_text(f"{UNADDRESSABLE}={destination.host}/ns/app:v2\n")
    second = only(push(skopeo_mirror, carried, "-f", "list", destination_of(first)))
    assert second["bytes"] == len(ODD.manifest) + sum(map(len, ODD.blobs.values())) - len(SHARED.blob)


def destination_of(image: dict[str, Any]) -> str:
    return str(image["destination"]).rpartition("/ns/")[0]


def test_a_layout_that_cannot_be_written_to_will_do_and_stays_as_it_is(
    skopeo_mirror: Program, carried: Path, destination: Registry
) -> None:
    before = files_below(carried)
    for path in [carried, *carried.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    report = push(skopeo_mirror, carried, f"docker://{destination.host}")
    for path in [carried, *carried.rglob("*")]:
        path.chmod(0o755)
    assert statuses(report) == dict.fromkeys(IMAGES, "copied")
    assert files_below(carried) == before


def remove(file: Path) -> None:
    file.unlink()


def corrupt(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


CONFIG, LAYER = APP.blobs[APP.config_digest or ""], list(APP.blobs.values())[-1]


@pytest.mark.parametrize("target", ["docker", "oci:other", "dir:other"])
@pytest.mark.parametrize(
    ("content", "damage", "stage", "reason"),
    [
        pytest.param(LAYER, remove, "blob", "not-found", id="layer-missing"),
        pytest.param(LAYER, corrupt, "blob", "corrupt", id="layer-corrupt"),
        pytest.param(LAYER, cut, "blob", "corrupt", id="layer-cut"),
        pytest.param(CONFIG, remove, "blob", "not-found", id="config-missing"),
        pytest.param(CONFIG, corrupt, "blob", "corrupt", id="config-corrupt"),
        pytest.param(APP.manifest, remove, "manifest", "not-found", id="manifest-missing"),
        pytest.param(APP.manifest, corrupt, "manifest", "corrupt", id="manifest-corrupt"),
    ],
)
def test_a_damaged_image_fails_and_the_others_arrive(
    skopeo_mirror: Program,
    carried: Path,
    destination: Registry,
    target: str,
    content: bytes,
    damage: Callable[[Path], None],
    stage: str,
    reason: str,
) -> None:
    damage(blob_of(carried, content))
    where = f"docker://{destination.host}" if target == "docker" else target
    report = push(skopeo_mirror, carried, where, status=1)
    assert statuses(report) == {PINNED: "failed", TAGGED: "copied", UNADDRESSABLE: "copied"}
    failed = next(image for image in report["images"] if image["image"] == PINNED)
    [attempt] = failed["attempts"]
    assert (attempt["stage"], attempt["reason"], attempt["kind"]) == (stage, reason, "layout")
    assert f"layout oci:{carried}: {reason}" in failed["error"]
    assert destination.tags("ns/app") == []


@pytest.mark.parametrize("options", [["--no-plan"], []], ids=["no-plan", "plan"])
def test_a_manifest_of_another_digest_is_never_pushed(
    skopeo_mirror: Program, carried: Path, destination: Registry, options: list[str]
) -> None:
    """Skopeo would push it: with oci: it does not compare the digest of the manifest that the index names."""
    file = blob_of(carried, APP.manifest)
    file.write_bytes(file.read_bytes().replace(b"\n", b" "))
    image = only(push(skopeo_mirror, carried, *options, PINNED, f"docker://{destination.host}", status=1))
    assert image["attempts"][-1]["reason"] == "corrupt"
    assert asked(destination, "manifests") == [f"/v2/ns/app/manifests/pin-{APP.digest.replace(':', '-')}"]


def test_a_damaged_image_of_an_index(skopeo_mirror: Program, carried: Path, destination: Registry) -> None:
    remove(blob_of(carried, MANY.children[1].manifest))
    report = push(skopeo_mirror, carried, f"docker://{destination.host}", status=1)
    assert statuses(report) == {PINNED: "copied", TAGGED: "failed", UNADDRESSABLE: "copied"}
    failed = next(image for image in report["images"] if image["image"] == TAGGED)
    assert [part["status"] for part in failed["parts"]] == ["copied", "failed"]
    assert failed["parts"][1]["attempts"][-1]["reason"] == "not-found"


def test_an_image_that_is_not_in_it_fails_in_its_turn(
    skopeo_mirror: Program, carried: Path, destination: Registry
) -> None:
    stranger = f"prod.invalid/ns/other@{APP.digest}"
    report = push(skopeo_mirror, carried, stranger, PINNED, f"docker://{destination.host}", status=1)
    assert statuses(report) == {stranger: "failed", PINNED: "copied"}
    assert "not-found" in report["images"][0]["error"]
    assert "no image of that name" in report["images"][0]["error"]


def test_a_dry_run_says_what_would_move_and_writes_nothing(
    skopeo_mirror: Program, carried: Path, destination: Registry
) -> None:
    report = push(skopeo_mirror, carried, "--dry-run", f"docker://{destination.host}")
    assert statuses(report) == dict.fromkeys(IMAGES, "would-copy")
    assert destination.repositories() == []


def test_registries_conf_plays_no_part_for_the_sources(
    skopeo_mirror: Program, carried: Path, destination: Registry, second_mirror: Registry
) -> None:
    configure(skopeo_mirror, entry("prod.invalid", second_mirror.host, blocked=True))
    report = push(skopeo_mirror, carried, "--mirrors-only", f"docker://{destination.host}")
    assert statuses(report) == dict.fromkeys(IMAGES, "copied")
    assert second_mirror.requests() == []


def test_registries_conf_still_speaks_for_the_destination(
    skopeo_mirror: Program, carried: Path, destination: Registry
) -> None:
    configure(skopeo_mirror, entry(destination.host, blocked=True))
    run = skopeo_mirror("copy", "-r", "registries.conf", "--from", f"oci:{carried}", f"docker://{destination.host}")
    assert run.status == 2
    assert "blocked in registries.conf" in run.stderr


def test_a_destination_that_is_down_is_not_the_layouts_fault(
    skopeo_mirror: Program, carried: Path, destination: Registry
) -> None:
    destination.stop()
    image = only(push(skopeo_mirror, carried, "--retries=0", PINNED, f"docker://{destination.host}", status=1))
    assert image["error"].startswith(f"docker://{destination.host}: ")
    assert "connection refused" in image["error"]
    assert image["attempts"] == []


@pytest.mark.parametrize("kind", ["403", "500"])
def test_a_destination_that_takes_no_upload_is_not_the_layouts_fault(
    skopeo_mirror: Program, carried: Path, kind: str
) -> None:
    with FaultyRegistry(Fault(place=Place.UPLOAD, kind=kind)) as refusing:
        image = only(push(skopeo_mirror, carried, "--retries=0", PINNED, f"docker://{refusing.host}", status=1))
        assert image["error"].startswith(f"docker://{refusing.host}: ")
    [attempt] = image["attempts"]
    assert (attempt["kind"], attempt["outcome"]) == ("layout", "failed")
    assert (attempt["stage"], attempt["reason"]) == ("write", "destination")


@pytest.mark.parametrize("already", [False, True], ids=["copied", "present"])
def test_its_report_redirects_others_to_the_destination(
    skopeo_mirror: Program, carried: Path, destination: Registry, already: bool
) -> None:
    where = f"docker://{destination.host}/in"
    if already:
        push(skopeo_mirror, carried, PINNED, where)
    push(skopeo_mirror, carried, "--report", "report.json", PINNED, where)
    run = skopeo_mirror("redirect", "--format", "mapping", "report.json")
    pinned_there = f"{destination.host}/in/ns/app:pin-{APP.digest.replace(':', '-')}"
    assert (run.status, run.stdout) == (0, f"{PINNED}={pinned_there}\n")


def test_a_shard_of_it(skopeo_mirror: Program, carried: Path, destination: Registry) -> None:
    parts = [
        push(skopeo_mirror, carried, "--dry-run", "--shard", f"{part}/2", f"docker://{destination.host}")
        for part in (1, 2)
    ]
    assert sorted(image for part in parts for image in statuses(part)) == sorted(IMAGES)


def no_layout(layout: Path) -> None:
    shutil.rmtree(layout)


def no_index(layout: Path) -> None:
    (layout / "index.json").write_text("{")


def strange_name(layout: Path) -> None:
    index = json.loads((layout / "index.json").read_bytes())
    index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "latest"
    (layout / "index.json").write_text(json.dumps(index))


def one_name_twice(layout: Path) -> None:
    index = json.loads((layout / "index.json").read_bytes())
    (layout / "index.json").write_text(json.dumps({**index, "manifests": index["manifests"] * 2}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(no_layout, "there is no OCI image layout", id="none"),
        pytest.param(no_index, "its index.json cannot be read", id="unreadable"),
        pytest.param(strange_name, "is called 'latest', which is no full image reference", id="strange-name"),
        pytest.param(one_name_twice, "2 images are called", id="one-name-twice"),
    ],
)
def test_a_layout_that_cannot_be_used_is_refused_at_once(
    skopeo_mirror: Program, carried: Path, destination: Registry, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(carried)
    run = skopeo_mirror(
        "copy", "-r", "registries.conf", PLAIN, "--from", f"oci:{carried}", f"docker://{destination.host}"
    )
    assert run.status == 2
    assert words in run.stderr
    assert destination.requests() == []


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        pytest.param("dir:x", "write oci:DIR", id="transport"),
        pytest.param("oci:", "write oci:DIR", id="nothing"),
    ],
)
def test_what_is_no_layout_is_refused(skopeo_mirror: Program, layout: str, words: str) -> None:
    run = skopeo_mirror("copy", "--from", layout, "docker://localhost:1")
    assert run.status == 2
    assert words in run.stderr


def test_a_layout_is_not_copied_onto_itself(skopeo_mirror: Program, carried: Path) -> None:
    run = skopeo_mirror("copy", "--from", f"oci:{carried}", "oci:media/../media/carried here")
    assert run.status == 2
    assert "the very layout" in run.stderr


def test_who_has_no_redirect_is_not_warned_of_it(skopeo_mirror: Program, carried: Path, destination: Registry) -> None:
    run = skopeo_mirror(
        "copy", "-r", "registries.conf", PLAIN, "--from", f"oci:{carried}", PINNED, f"docker://{destination.host}"
    )
    assert run.status == 0
    assert "warning" not in run.stderr
    assert f"from oci:{carried} (layout) to docker://" in run.stdout


def test_drop_ins_of_this_machine_do_not_redirect_the_destination(
    skopeo_mirror: Program, carried: Path, destination: Registry
) -> None:
    """What skopeo pushes to is what the report says, whatever the ambient configuration blocks."""
    dropins = skopeo_mirror.home / ".config/containers/registries.conf.d"
    dropins.mkdir(parents=True)
    (dropins / "blocked.conf").write_text(f'[[registry]]\nlocation = "{destination.host}"\nblocked = true\n')
    report = push(skopeo_mirror, carried, PINNED, f"docker://{destination.host}")
    assert statuses(report) == {PINNED: "copied"}
