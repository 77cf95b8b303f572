"""`dir:DIR` without skopeo: what is present, what is refused, what is published."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import DestinationRefused
from skopeo_mirror.manifest import digest_of
from skopeo_mirror.reference import Reference
from skopeo_mirror.transfer.destination.directory import DirectoryDestination
from skopeo_mirror.transfer.destination.place import Contradicted, NamingRules
from tests.values import D1, hex_of, image_index, image_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = Reference.parse("quay.io/foo/app:v1")
MANIFEST = image_manifest(b"config", b"layer")
INDEX = image_index(MANIFEST)
DIGEST = digest_of(MANIFEST)


@pytest.fixture
def destination(tmp_path: Path) -> Iterator[DirectoryDestination]:
    one = DirectoryDestination(tmp_path / "images", NamingRules())
    one.open()
    yield one
    one.close()


def write_image(directory: Path, manifest: bytes = MANIFEST, *children: bytes) -> None:
    """Write what skopeo writes."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "version").write_text("Directory Transport Version: 1.1\n")
    (directory / "manifest.json").write_bytes(manifest)
    for child in children:
        (directory / f"{hex_of(child)}.manifest.json").write_bytes(child)
    for blob in (b"config", b"layer"):
        (directory / hex_of(blob)).write_bytes(blob)


def test_names_a_directory_an_image(destination: DirectoryDestination) -> None:
    pinned = Reference.parse(f"quay.io/foo/app@{D1}")
    assert destination.place(IMAGE).path == destination.directory / "foo/app/v1"
    assert destination.place(IMAGE).name == f"dir:{destination.directory}/foo/app/v1"
    assert destination.place(pinned).path == destination.directory / f"foo/app/pin-sha256-{D1.hex}"


def test_an_images_own_destination_is_refused(destination: DirectoryDestination) -> None:
    with pytest.raises(DestinationRefused, match="destination of its own"):
        destination.place(IMAGE, "d.test/app:v1")


def test_a_whole_image_is_there(destination: DirectoryDestination) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    write_image(place.path)
    assert destination.holds(place, DIGEST)
    assert not destination.holds(place, D1)
    assert not destination.holds(destination.place(Reference.parse("quay.io/foo/app:v2")), DIGEST)


def test_a_whole_index_is_there(destination: DirectoryDestination) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    write_image(place.path, INDEX)
    assert not destination.holds(place, digest_of(INDEX))
    write_image(place.path, INDEX, MANIFEST)
    assert destination.holds(place, digest_of(INDEX))


@pytest.mark.parametrize(
    ("manifest", "children"),
    [
        pytest.param(MANIFEST.replace(b'"size": 5', b'"size": 6'), (), id="layer-longer"),
        pytest.param(MANIFEST.replace(b'"size": 6', b'"size": 5'), (), id="config-shorter"),
        pytest.param(image_index(b"{}"), (b"{}",), id="no-image-as-an-image"),
    ],
)
def test_what_a_manifest_says_against_good_bytes_is_its_sources_fault(
    destination: DirectoryDestination, manifest: bytes, children: tuple[bytes, ...]
) -> None:
    place = destination.place(IMAGE)
    with destination.writing(place, digest_of(manifest)) as writing:
        write_image(Path(writing.target.name.removeprefix("dir:")), manifest, *children)
        with pytest.raises(Contradicted, match="its manifest "):
            writing.publish()
    assert place.path is not None
    assert not place.path.exists()


@pytest.mark.parametrize("name", ["manifest.json", hex_of(b"layer")])
def test_what_is_no_file_is_no_part_of_an_image(destination: DirectoryDestination, name: str) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    write_image(place.path)
    (place.path / name).unlink()
    os.mkfifo(place.path / name)
    assert not destination.holds(place, DIGEST)


def test_newer_skopeos_name_a_blob_by_its_algorithm(destination: DirectoryDestination) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    write_image(place.path)
    (place.path / hex_of(b"layer")).rename(place.path / f"sha256-{hex_of(b'layer')}")
    assert destination.holds(place, DIGEST)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("manifest.json", None, id="manifest-missing"),
        pytest.param("manifest.json", MANIFEST + b"\n", id="manifest-changed"),
        pytest.param("manifest.json", b"<html>", id="manifest-junk"),
        pytest.param(hex_of(b"layer"), None, id="layer-missing"),
        pytest.param(hex_of(b"layer"), b"lay", id="layer-cut"),
        pytest.param(hex_of(b"config"), None, id="config-missing"),
    ],
)
def test_a_damaged_image_is_not_there(destination: DirectoryDestination, name: str, content: bytes | None) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    write_image(place.path)
    (place.path / name).unlink()
    if content is not None:
        (place.path / name).write_bytes(content)
    assert not destination.holds(place, DIGEST)


def test_publishes_what_was_staged(destination: DirectoryDestination) -> None:
    place = destination.place(IMAGE)
    with destination.writing(place, DIGEST) as writing:
        transport, _, staged = writing.target.name.partition(":")
        write_image(destination.directory / staged)
        assert place.path is not None
        assert not place.path.exists()
        writing.publish()
    assert transport == "dir"
    assert destination.holds(place, DIGEST)


def test_what_was_there_is_replaced_as_a_whole(destination: DirectoryDestination) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    write_image(place.path)
    (place.path / "signature-1").write_bytes(b"of the old one")
    newer = image_manifest(b"config")
    with destination.writing(place, digest_of(newer)) as writing:
        write_image(destination.directory / writing.target.name.removeprefix("dir:"), newer)
        assert destination.holds(place, DIGEST)
        writing.publish()
    assert destination.holds(place, digest_of(newer))
    assert not (place.path / "signature-1").exists()


def test_what_is_not_published_leaves_what_was_there(destination: DirectoryDestination) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    write_image(place.path)
    with destination.writing(place, D1) as writing:
        write_image(destination.directory / writing.target.name.removeprefix("dir:"), image_manifest(b"config"))
    assert destination.holds(place, DIGEST)


def test_an_incomplete_image_is_not_published(destination: DirectoryDestination) -> None:
    place = destination.place(IMAGE)

    def copy_half() -> None:
        with destination.writing(place, DIGEST) as writing:
            staged = destination.directory / writing.target.name.removeprefix("dir:")
            write_image(staged)
            (staged / hex_of(b"layer")).unlink()
            writing.publish()

    with pytest.raises(DestinationRefused, match="incomplete"):
        copy_half()
    assert place.path is not None
    assert not place.path.exists()


def test_nothing_but_images_is_left(destination: DirectoryDestination) -> None:
    with destination.writing(destination.place(IMAGE), DIGEST) as writing:
        write_image(destination.directory / writing.target.name.removeprefix("dir:"))
        writing.publish()
    destination.close()
    assert [path.name for path in destination.directory.iterdir()] == ["foo"]


@pytest.mark.parametrize(
    ("there", "words"),
    [
        pytest.param("foo/app/v1/notes.txt", "holds 'notes.txt', which would be lost", id="a-strangers-file"),
        pytest.param("foo/app/v1/v2/manifest.json", "holds 'v2'", id="an-image-inside"),
        pytest.param("foo/app/v1", "is there already and is no directory", id="a-file"),
        pytest.param("foo/app", "is no directory", id="a-file-above"),
        pytest.param("foo/app/manifest.json", "would lie inside the image directory", id="an-image-above"),
    ],
)
def test_refuses_a_place_where_something_would_be_lost(
    destination: DirectoryDestination, there: str, words: str
) -> None:
    file = destination.directory / there
    file.parent.mkdir(parents=True)
    file.write_text("x")
    with pytest.raises(DestinationRefused, match=words):
        destination.check(destination.place(IMAGE))
    assert file.read_text() == "x"


def test_what_skopeo_wrote_may_be_replaced(destination: DirectoryDestination) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    write_image(place.path, INDEX, MANIFEST)
    for name in ("signature-1", f"{'a' * 64}.signature-2", f"sha512-{'b' * 128}"):
        (place.path / name).write_bytes(b"x")
    destination.check(place)


def test_a_stranger_that_came_meanwhile_is_not_lost(destination: DirectoryDestination) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    notes = place.path / "notes.txt"

    def copy_while_somebody_writes() -> None:
        with destination.writing(place, DIGEST) as writing:
            write_image(destination.directory / writing.target.name.removeprefix("dir:"))
            notes.parent.mkdir(parents=True)
            notes.write_text("x")
            writing.publish()

    with pytest.raises(DestinationRefused, match="would be lost"):
        copy_while_somebody_writes()
    assert notes.read_text() == "x"


def publish(destination: DirectoryDestination, image: Reference) -> None:
    place = destination.place(image)
    destination.check(place)
    with destination.writing(place, DIGEST) as writing:
        write_image(destination.directory / writing.target.name.removeprefix("dir:"))
        writing.publish()


def test_another_hosts_image_of_that_path_is_not_replaced(destination: DirectoryDestination) -> None:
    other = Reference.parse("other.io/foo/app:v1")
    publish(destination, IMAGE)
    publish(destination, IMAGE)
    with pytest.raises(DestinationRefused, match=r"holds an image of quay.io/foo/app, .*--scoped"):
        destination.check(destination.place(other))
    assert destination.holds(destination.place(IMAGE), DIGEST)


def test_another_hosts_image_of_that_digest_is_the_same(destination: DirectoryDestination) -> None:
    publish(destination, Reference.parse(f"quay.io/foo/app@{DIGEST}"))
    publish(destination, Reference.parse(f"other.io/foo/app@{DIGEST}"))


def test_what_skopeo_wrote_over_it_is_nobodys(destination: DirectoryDestination) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    write_image(place.path)
    publish(destination, Reference.parse("other.io/foo/app:v1"))


@pytest.mark.parametrize("names", [["version"], ["signature-1"], ["version", "manifest.json"], ["a" * 64]])
def test_files_that_are_only_called_as_skopeos_are_not_lost(
    destination: DirectoryDestination, names: list[str]
) -> None:
    place = destination.place(IMAGE)
    assert place.path is not None
    place.path.mkdir(parents=True)
    for name in names:
        (place.path / name).write_text("my notes")
    with pytest.raises(DestinationRefused, match="skopeo did not write"):
        destination.check(place)
