"""`oci:DIR` without skopeo: what is present, what is refused, what is merged."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from skopeo_mirror import files
from skopeo_mirror.errors import DestinationRefused
from skopeo_mirror.files import write_atomically
from skopeo_mirror.manifest import OCI_INDEX, digest_of
from skopeo_mirror.oci_layout import REF_NAME, read_index
from skopeo_mirror.platforms import Platform
from skopeo_mirror.reference import Reference
from skopeo_mirror.transfer.destination import layout as layout_module
from skopeo_mirror.transfer.destination.layout import LayoutDestination
from skopeo_mirror.transfer.destination.place import Contradicted, Damaged
from tests.values import D1, described, hex_of, image_index, image_manifest, index_by_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skopeo_mirror.reference import Digest
    from skopeo_mirror.skopeo.scoped import Target

IMAGE = Reference.parse("quay.io/foo/app:v1")
MANIFEST = image_manifest(b"config", b"layer")
INDEX = image_index(MANIFEST)
DIGEST = digest_of(MANIFEST)


@pytest.fixture
def destination(tmp_path: Path) -> Iterator[LayoutDestination]:
    one = LayoutDestination(tmp_path / "images")
    one.open()
    yield one
    one.close()


def again(destination: LayoutDestination) -> LayoutDestination:
    """The same layout, as another run finds it."""
    return LayoutDestination(destination.directory)


def pretend_skopeo(
    target: Target, manifest: bytes = MANIFEST, *more: bytes, images: tuple[bytes, ...] = (b"config", b"layer")
) -> None:
    """Write what skopeo writes: blobs to the shared directory, the entry to the staged index."""
    blobs = Path(target.options[target.options.index("--dest-shared-blob-dir") + 1]) / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for content in (manifest, *images, *more):
        if not (blobs / hex_of(content)).exists():
            write_atomically(blobs / hex_of(content), content)
    staged = Path(target.name.removeprefix("oci:"))
    index = {"schemaVersion": 2, "manifests": [described(manifest) | {"mediaType": "x"}]}
    (staged / "index.json").write_text(json.dumps(index))


def copy(
    destination: LayoutDestination,
    image: Reference = IMAGE,
    manifest: bytes = MANIFEST,
    *more: bytes,
    pulled: tuple[bytes, ...] | None = None,
) -> None:
    with destination.writing(destination.place(image), digest_of(manifest)) as writing:
        pretend_skopeo(writing.target, manifest, *more)
        writing.publish(None if pulled is None else {str(digest_of(content)) for content in pulled})


def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the blobs that are compared from now on."""
    read: list[str] = []

    def hash_regular(path: Path, algorithm: str, **options: Any) -> str:
        read.append(path.name)
        return files.hash_regular(path, algorithm, **options)

    monkeypatch.setattr(layout_module, "hash_regular", hash_regular)
    return read


def blob(destination: LayoutDestination, content: bytes) -> Path:
    return destination.directory / "blobs/sha256" / hex_of(content)


def entries(destination: LayoutDestination) -> dict[str, Any]:
    """The entries by name, of which each may be there but once."""
    index = json.loads((destination.directory / "index.json").read_bytes())
    assert len({json.dumps(entry.get("annotations")) for entry in index["manifests"]}) == len(index["manifests"])
    return {entry.get("annotations", {}).get(REF_NAME): entry for entry in index["manifests"]}


def test_an_image_is_named_by_its_normalized_reference(destination: LayoutDestination) -> None:
    assert destination.place(Reference.parse("alpine:3")).entry == "docker.io/library/alpine:3"
    assert destination.place(Reference.parse(f"a.test/b@{D1}")).entry == f"a.test/b@{D1}"


def test_an_images_own_destination_is_refused(destination: LayoutDestination) -> None:
    with pytest.raises(DestinationRefused, match="destination of its own"):
        destination.place(IMAGE, "d.test/app:v1")


@pytest.mark.parametrize(
    ("name", "addressable"),
    [
        pytest.param("quay.io/foo/app:v1", True, id="tag"),
        pytest.param(f"a.test:5000/b@{D1}", True, id="digest"),
        pytest.param("a.test/b--c", True, id="two-dashes"),
        pytest.param("a.test/a__b", False, id="two-underscores"),
        pytest.param("a.test/a---b", False, id="three-dashes"),
    ],
)
def test_knows_which_names_skopeo_can_address(destination: LayoutDestination, name: str, addressable: bool) -> None:
    assert (destination.place(Reference.parse(name)).warning is None) is addressable


def test_a_path_with_a_colon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DestinationRefused, match="colon"):
        LayoutDestination(tmp_path / "a:b")


def test_an_image_is_there_once_it_is_published(destination: LayoutDestination) -> None:
    place = destination.place(IMAGE)
    assert not destination.holds(place, DIGEST)
    copy(destination)
    for run in (destination, again(destination)):
        assert run.holds(place, DIGEST)
        assert not run.holds(place, D1)
        assert not run.holds(run.place(Reference.parse("quay.io/foo/app:v2")), DIGEST)


def test_an_index_is_there_with_all_its_images(destination: LayoutDestination) -> None:
    copy(destination, IMAGE, INDEX, MANIFEST)
    assert again(destination).holds(destination.place(IMAGE), digest_of(INDEX))
    blob(destination, MANIFEST).unlink()
    assert not again(destination).holds(destination.place(IMAGE), digest_of(INDEX))


@pytest.mark.parametrize("damaged", [MANIFEST, b"config", b"layer"], ids=["manifest", "config", "layer"])
@pytest.mark.parametrize("how", [pytest.param(None, id="missing"), pytest.param(b"x", id="cut")])
def test_a_damaged_image_is_not_there(destination: LayoutDestination, damaged: bytes, how: bytes | None) -> None:
    copy(destination)
    blob(destination, damaged).unlink()
    if how is not None:
        blob(destination, damaged).write_bytes(how)
    assert not again(destination).holds(destination.place(IMAGE), DIGEST)


def test_a_blob_that_is_damaged_is_moved_away_and_nothing_published(destination: LayoutDestination) -> None:
    blob(destination, b"layer").parent.mkdir(parents=True)
    blob(destination, b"layer").write_bytes(b"x")
    with pytest.raises(Damaged):
        copy(destination)
    assert not blob(destination, b"layer").exists()
    assert blob(destination, b"config").exists()
    assert not (destination.directory / "index.json").exists()
    copy(destination)
    assert destination.holds(destination.place(IMAGE), DIGEST)


OTHER = image_manifest(b"config", b"other layer")
BY_PLATFORM = index_by_platform({"linux/amd64": MANIFEST, "linux/arm64": OTHER})
AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


def copy_part(destination: LayoutDestination, manifest: bytes, *more: bytes) -> None:
    """Copy one image of an index."""
    place = destination.part(destination.place(IMAGE), digest_of(manifest))
    with destination.writing(place, digest_of(manifest)) as writing:
        pretend_skopeo(writing.target, manifest, *more)
        writing.publish()


def copy_alone(destination: LayoutDestination, index: bytes, *platforms: Platform) -> None:
    """Copy an index without its images."""
    with destination.writing(destination.place(IMAGE), digest_of(index), platforms) as writing:
        pretend_skopeo(writing.target, index, images=())
        writing.publish()


def has_part(destination: LayoutDestination, digest: Digest, *platforms: Platform) -> bool | None:
    return destination.holds(destination.part(destination.place(IMAGE), digest), digest, platforms)


def test_a_part_is_there_without_a_name(destination: LayoutDestination) -> None:
    place = destination.part(destination.place(IMAGE), DIGEST)
    assert (place.name, place.entry, place.repository) == (f"{destination.name}@{DIGEST}", None, None)
    assert not has_part(destination, DIGEST)
    copy_part(destination, MANIFEST)
    assert has_part(again(destination), DIGEST)
    assert not has_part(again(destination), digest_of(OTHER))
    assert read_index(destination.directory) is None


@pytest.mark.parametrize("damaged", [MANIFEST, b"config", b"layer"], ids=["manifest", "config", "layer"])
@pytest.mark.parametrize("how", ["missing", "cut", "same-length"])
def test_a_damaged_part_is_not_there(destination: LayoutDestination, damaged: bytes, how: str) -> None:
    """Of the same length, too: its index will be published only with the right bytes."""
    copy_part(destination, MANIFEST)
    blob(destination, damaged).unlink()
    if how != "missing":
        blob(destination, damaged).write_bytes(b"x" * (1 if how == "cut" else len(damaged)))
    assert not has_part(again(destination), DIGEST)


def test_looking_for_a_part_ends_when_the_run_is_stopped(destination: LayoutDestination) -> None:
    copy_part(destination, MANIFEST)
    run = again(destination)
    with pytest.raises(InterruptedError):
        run.holds(run.part(run.place(IMAGE), DIGEST), DIGEST, stopped=lambda: True)


def test_an_index_follows_its_parts(destination: LayoutDestination, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compared when they came is not read again."""
    copy_part(destination, MANIFEST)
    copy_part(destination, OTHER, b"other layer")
    read = hashed(monkeypatch)
    copy_alone(destination, BY_PLATFORM)
    assert read == [hex_of(BY_PLATFORM)]
    assert again(destination).holds(destination.place(IMAGE), digest_of(BY_PLATFORM))


def test_an_index_is_not_published_without_its_parts(destination: LayoutDestination) -> None:
    copy_part(destination, MANIFEST)
    with pytest.raises(Damaged):
        copy_alone(destination, BY_PLATFORM)
    assert read_index(destination.directory) is None


def test_only_the_platforms_that_are_asked_for_have_to_be_there(destination: LayoutDestination) -> None:
    copy_part(destination, MANIFEST)
    copy_alone(destination, BY_PLATFORM, AMD64)
    run, place, digest = again(destination), destination.place(IMAGE), digest_of(BY_PLATFORM)
    assert run.holds(place, digest, (AMD64,))
    assert not run.holds(place, digest, (ARM64,))
    assert not run.holds(place, digest, (AMD64, ARM64))
    assert not run.holds(place, digest)
    assert not run.holds(place, digest, (Platform.parse("linux/s390x"),))
    blob(destination, b"layer").unlink()
    assert not again(destination).holds(place, digest, (AMD64,))


def test_platforms_count_in_an_index_within_an_index(destination: LayoutDestination) -> None:
    outer = image_index(BY_PLATFORM, media_type=OCI_INDEX)
    copy_part(destination, MANIFEST, BY_PLATFORM)
    assert has_part(destination, digest_of(BY_PLATFORM), AMD64)
    assert not has_part(destination, digest_of(BY_PLATFORM))
    copy_alone(destination, outer, AMD64)
    assert again(destination).holds(destination.place(IMAGE), digest_of(outer), (AMD64,))
    assert not again(destination).holds(destination.place(IMAGE), digest_of(outer))


def test_what_is_not_asked_for_stays_as_it_is(destination: LayoutDestination) -> None:
    """Even where it is damaged: nobody has looked."""
    copy_part(destination, OTHER, b"other layer")
    blob(destination, b"other layer").write_bytes(b"x")
    copy_part(destination, MANIFEST)
    copy_alone(destination, BY_PLATFORM, AMD64)
    assert blob(destination, b"other layer").read_bytes() == b"x"
    assert blob(destination, OTHER).read_bytes() == OTHER


def spoilt(content: bytes) -> bytes:
    """Other bytes of the same length that say the same."""
    return content.replace(b" ", b"\n", 1)


def copy_until_whole(destination: LayoutDestination, manifest: bytes, *more: bytes) -> None:
    """Copy, and once more if something damaged was in the way."""
    try:
        copy(destination, IMAGE, manifest, *more)
    except Damaged:
        copy(destination, IMAGE, manifest, *more)


@pytest.mark.parametrize("image", [pytest.param((MANIFEST,), id="image"), pytest.param((INDEX, MANIFEST), id="index")])
@pytest.mark.parametrize("position", [0, -1], ids=["itself", "its-image"])
def test_a_manifest_is_what_its_digest_says(
    destination: LayoutDestination, image: tuple[bytes, ...], position: int
) -> None:
    copy(destination, IMAGE, *image)
    blob(destination, image[position]).write_bytes(spoilt(image[position]))
    assert not again(destination).holds(destination.place(IMAGE), digest_of(image[0]))


@pytest.mark.parametrize(
    ("damaged", "how"),
    [
        pytest.param(INDEX, b"x", id="index-cut"),
        pytest.param(INDEX, spoilt(INDEX), id="index-spoilt"),
        pytest.param(MANIFEST, b"x", id="image-cut"),
        pytest.param(MANIFEST, spoilt(MANIFEST), id="image-spoilt"),
        pytest.param(b"config", b"x", id="config-cut"),
        pytest.param(b"layer", b"x", id="layer-cut"),
    ],
)
def test_what_is_damaged_of_an_index_is_mended(destination: LayoutDestination, damaged: bytes, how: bytes) -> None:
    """However deep it lies; skopeo takes a blob that is there for whole."""
    blob(destination, damaged).parent.mkdir(parents=True)
    blob(destination, damaged).write_bytes(how)
    copy_until_whole(destination, INDEX, MANIFEST)
    assert again(destination).holds(destination.place(IMAGE), digest_of(INDEX))
    assert blob(destination, damaged).read_bytes() == damaged


def claiming(manifest: bytes, key: str, position: int, size: int) -> bytes:
    """A manifest that gives one of its descriptors another size."""
    document = json.loads(manifest)
    document[key][position]["size"] = size
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("manifest", "more"),
    [
        pytest.param(claiming(MANIFEST, "layers", 0, 6), (), id="layer-longer"),
        pytest.param(claiming(MANIFEST, "layers", 0, 4), (), id="layer-shorter"),
        pytest.param(claiming(MANIFEST, "layers", 0, (1 << 63) - 1), (), id="layer-as-large-as-can-be-said"),
        pytest.param(image_manifest(b"config", b"layer").replace(b'"size": 6', b'"size": 7'), (), id="config-longer"),
        pytest.param(claiming(INDEX, "manifests", 0, 1), (MANIFEST,), id="image-of-an-index"),
        pytest.param(image_index(b"layer"), (), id="layer-as-an-image"),
        pytest.param(image_index(MANIFEST, b"config"), (MANIFEST,), id="config-as-an-image"),
        pytest.param(image_index(b"x" * (5 << 20)), (b"x" * (5 << 20),), id="something-large-as-an-image"),
    ],
)
def test_what_a_manifest_says_of_good_bytes_costs_nobody_these_bytes(
    destination: LayoutDestination, manifest: bytes, more: tuple[bytes, ...]
) -> None:
    copy(destination)
    before = {file: file.read_bytes() for file in destination.directory.rglob("*") if file.is_file()}
    with pytest.raises(Contradicted, match="its manifest "):
        copy(destination, Reference.parse("evil.test/app:v1"), manifest, *more)
    assert {file: file.read_bytes() for file in before} == before
    assert again(destination).holds(destination.place(IMAGE), DIGEST)


@pytest.mark.parametrize("corrupt", [b"config", b"layer"], ids=["config", "layer"])
def test_a_blob_of_the_right_length_is_shared_only_with_the_right_bytes(
    destination: LayoutDestination, corrupt: bytes
) -> None:
    copy(destination)
    other, name = image_manifest(b"config", b"layer", b"other"), Reference.parse("quay.io/foo/other:v1")
    blob(destination, corrupt).write_bytes(b"x" * len(corrupt))
    run = again(destination)
    assert run.holds(run.place(IMAGE), DIGEST)  # by its length, which is all that `present` looks at
    run.open()
    with pytest.raises(Damaged):
        copy(run, name, other, b"other")
    assert set(entries(run)) == {str(IMAGE)}
    copy(run, name, other, b"other")
    run.close()
    assert blob(destination, corrupt).read_bytes() == corrupt


def test_what_is_present_by_its_length_is_not_published_under_another_name(destination: LayoutDestination) -> None:
    copy(destination)
    blob(destination, b"layer").write_bytes(b"x" * len(b"layer"))
    run = again(destination)
    run.open()
    assert run.holds(run.place(IMAGE), DIGEST)
    with pytest.raises(Damaged):
        copy(run, Reference.parse("quay.io/foo/app:v2"))
    run.close()


def test_a_blob_is_read_once_and_not_at_all_where_skopeo_has_just_compared_it(
    destination: LayoutDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = hashed(monkeypatch)
    copy(destination, pulled=(b"layer",))
    assert sorted(read) == sorted(map(hex_of, (MANIFEST, b"config")))
    read.clear()
    run = again(destination)
    run.open()
    for number in range(3):
        copy(run, Reference.parse(f"quay.io/foo/app:v{number}"), pulled=())
    run.close()
    assert sorted(read) == sorted(map(hex_of, (MANIFEST, b"config", b"layer")))


def test_comparing_ends_when_the_run_is_stopped(destination: LayoutDestination) -> None:
    with destination.writing(destination.place(IMAGE), DIGEST) as writing:
        pretend_skopeo(writing.target)
        with pytest.raises(InterruptedError):
            writing.publish(None, lambda: True)
    assert not (destination.directory / "index.json").exists()


@pytest.mark.parametrize("what", ["fifo", "device"])
def test_what_is_no_file_is_moved_out_of_the_way(destination: LayoutDestination, what: str) -> None:
    file = blob(destination, b"layer")
    file.parent.mkdir(parents=True)
    if what == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero")
    with destination.writing(destination.place(IMAGE), DIGEST) as writing:
        pretend_skopeo(writing.target)
        with pytest.raises(Damaged):
            writing.publish()
    copy(destination)
    assert file.read_bytes() == b"layer"


def test_indexes_may_lie_deep_in_each_other(destination: LayoutDestination) -> None:
    nested = [MANIFEST]
    for _ in range(2000):
        nested.append(image_index(nested[-1]))
    copy(destination, IMAGE, nested[-1], *nested)
    assert again(destination).holds(destination.place(IMAGE), digest_of(nested[-1]))


def test_the_layout_is_one_that_other_tools_read(destination: LayoutDestination) -> None:
    copy(destination)
    destination.close()
    assert {path.name for path in destination.directory.iterdir()} == {"blobs", "index.json", "oci-layout"}
    assert json.loads((destination.directory / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((destination.directory / "index.json").read_bytes())
    assert index["schemaVersion"] == 2
    assert index["manifests"] == [
        described(MANIFEST) | {"mediaType": "x", "annotations": {REF_NAME: "quay.io/foo/app:v1"}}
    ]


def test_a_name_that_moves_has_one_entry(destination: LayoutDestination) -> None:
    other = Reference.parse("quay.io/foo/other:v1")
    newer = image_manifest(b"config")
    copy(destination)
    copy(destination, other)
    copy(destination, IMAGE, newer)
    assert {name: entry["digest"] for name, entry in entries(destination).items()} == {
        str(other): str(DIGEST),
        str(IMAGE): str(digest_of(newer)),
    }
    assert destination.holds(destination.place(IMAGE), digest_of(newer))


def test_what_others_wrote_is_kept(destination: LayoutDestination) -> None:
    strange = [{"digest": "sha256:nobody", "note": 1}, {"annotations": None}, {"annotations": {REF_NAME: "latest"}}, 7]
    index = {"schemaVersion": 2, "annotations": {"a": "b"}, "manifests": strange}
    (destination.directory / "index.json").write_text(json.dumps(index))
    copy(destination)
    written = json.loads((destination.directory / "index.json").read_bytes())
    assert written["manifests"][:4] == strange
    assert written["annotations"] == {"a": "b"}


def test_what_another_run_published_meanwhile_is_kept(destination: LayoutDestination) -> None:
    other = Reference.parse("quay.io/foo/other:v1")
    destination.check(destination.place(IMAGE))
    second = again(destination)
    second.open()
    copy(second, other)
    copy(destination)
    second.close()
    assert set(entries(destination)) == {str(IMAGE), str(other)}


def test_many_at_once_lose_nothing(destination: LayoutDestination) -> None:
    images = [Reference.parse(f"quay.io/foo/app:v{number}") for number in range(20)]
    second = again(destination)
    second.open()
    threads = [
        threading.Thread(target=copy, args=(run, image))
        for run, part in ((destination, images[::2]), (second, images[1::2]))
        for image in part
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    second.close()
    assert set(entries(destination)) == {str(image) for image in images}


def test_what_is_not_published_leaves_what_was_there(destination: LayoutDestination) -> None:
    copy(destination)
    before = (destination.directory / "index.json").read_bytes()
    with destination.writing(destination.place(IMAGE), D1) as writing:
        pretend_skopeo(writing.target, image_manifest(b"config"))
    assert (destination.directory / "index.json").read_bytes() == before
    assert destination.holds(destination.place(IMAGE), DIGEST)


def test_a_layout_of_another_image_is_not_published(destination: LayoutDestination) -> None:
    def copy_another() -> None:
        with destination.writing(destination.place(IMAGE), D1) as writing:
            pretend_skopeo(writing.target)
            writing.publish()

    with pytest.raises(DestinationRefused, match="nothing was published"):
        copy_another()
    assert not (destination.directory / "index.json").exists()


@pytest.mark.parametrize(
    "index",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="no-json"),
        pytest.param("[]", id="list"),
        pytest.param('"manifests"', id="string"),
        pytest.param("{}", id="no-manifests"),
        pytest.param('{"manifests": null}', id="null"),
        pytest.param('{"manifests": 3}', id="number"),
        pytest.param('{"manifests": "abc"}', id="text"),
        pytest.param('{"manifests": {"a": 1}}', id="table"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"manifests": [], "x": ' + "9" * 5000 + "}", id="huge-number"),
        pytest.param('{"manifests": [], "x": NaN}', id="no-number"),
        pytest.param("\xff", id="no-text"),
    ],
)
def test_refuses_an_index_that_it_cannot_read(destination: LayoutDestination, index: str) -> None:
    (destination.directory / "index.json").write_bytes(index.encode("latin-1"))
    with pytest.raises(DestinationRefused, match=r"index\.json cannot be read"):
        destination.check(destination.place(IMAGE))
    assert (destination.directory / "index.json").read_bytes() == index.encode("latin-1")


def test_refuses_an_index_that_is_no_file(destination: LayoutDestination) -> None:
    os.mkfifo(destination.directory / "index.json")
    with pytest.raises(DestinationRefused, match=r"index\.json cannot be read.*Is no regular file"):
        destination.check(destination.place(IMAGE))


@pytest.mark.parametrize(
    "value", [pytest.param("1e999", id="infinite"), pytest.param("[" * 900 + "]" * 900, id="deep")]
)
def test_an_index_that_cannot_be_written_again_stays(destination: LayoutDestination, value: str) -> None:
    """What others wrote is kept as it is, or not touched."""
    index = f'{{"manifests":[{{"x":{value}}}]}}'
    (destination.directory / "index.json").write_text(index)
    with suppress(DestinationRefused):
        copy(destination)
    written = (destination.directory / "index.json").read_text()
    assert written == index or f'{{"x":{value}}}' in written


def test_refuses_a_directory_that_holds_something_else(destination: LayoutDestination) -> None:
    (destination.directory / "notes.txt").write_text("x")
    with pytest.raises(DestinationRefused, match=r"is not empty and no OCI layout \(it holds 'notes\.txt'\)"):
        destination.check(destination.place(IMAGE))


@pytest.mark.parametrize("there", ["blobs", "oci-layout", ".lost+found"])
def test_an_interrupted_layout_is_taken_up_again(destination: LayoutDestination, there: str) -> None:
    (destination.directory / there).mkdir()
    destination.check(destination.place(IMAGE))


def test_there_may_be_nothing_yet(tmp_path: Path) -> None:
    assert read_index(tmp_path / "nothing") is None
    assert read_index(tmp_path) is None
