from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror import oci_layout
from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.manifest import digest_of
from skopeo_mirror.oci_layout import image_digest, open_image, read_manifest
from skopeo_mirror.reference import Digest
from tests.olm.catalogs import INDEX, REF_NAME, Document, write_blob, write_image, write_index

if TYPE_CHECKING:
    from pathlib import Path


def named(image: Document, name: str) -> Document:
    return {**image, "annotations": {REF_NAME: name}}


def on(image: Document, architecture: str) -> Document:
    return {**image, "platform": {"os": "linux", "architecture": architecture}}


def index_of(layout: Path, *images: Document) -> Document:
    return write_blob(layout, json.dumps({"mediaType": INDEX, "manifests": images}).encode(), mediaType=INDEX)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path


def label(layout: Path, name: str | None = None) -> str:
    return open_image(layout, name).labels["who"]


def image(layout: Path, who: str) -> Document:
    return write_image(layout, [who.encode()], {"who": who})


def test_the_only_image_needs_no_name(layout: Path) -> None:
    write_index(layout, named(image(layout, "one"), "quay.io/a:1"))
    assert label(layout) == "one"
    (layer,) = open_image(layout).layers
    assert layer.read_bytes() == b"one"


def test_one_of_many_is_found_by_its_name_and_by_its_digest(layout: Path) -> None:
    one, two = image(layout, "one"), image(layout, "two")
    write_index(layout, named(one, "quay.io/a:1"), named(two, "quay.io/a:2"), named(two, "quay.io/a:latest"))
    assert label(layout, "quay.io/a:2") == "two"
    assert label(layout, one["digest"]) == "one"


def test_one_of_many_must_be_named(layout: Path) -> None:
    write_index(layout, named(image(layout, "one"), "quay.io/a:1"), image(layout, "two"))
    with pytest.raises(InvalidInput, match=r"name one of the images in this layout \('quay.io/a:1', 'sha256:"):
        open_image(layout)
    with pytest.raises(InvalidInput, match=r"no images are called 'quay.io/a:3' \(there is 'quay.io/a:1', "):
        open_image(layout, "quay.io/a:3")


@pytest.mark.parametrize("nested", [True, False], ids=["index", "layout"])
@pytest.mark.parametrize(
    ("architectures", "expected"),
    [(["arm64", "amd64"], "amd64"), (["arm64", "s390x"], "arm64")],
    ids=["amd64", "the-first"],
)
def test_of_many_platforms_linux_amd64_or_the_first_is_taken(
    layout: Path, architectures: list[str], expected: str, *, nested: bool
) -> None:
    images = [on(image(layout, architecture), architecture) for architecture in architectures]
    write_index(layout, *([index_of(layout, *images)] if nested else images))
    assert label(layout) == expected


def test_a_layout_of_one_image_for_several_platforms_is_its_index(layout: Path) -> None:
    write_index(layout, *(on(image(layout, name), name) for name in ("amd64", "arm64")))
    content = (layout / "index.json").read_bytes()
    assert image_digest(layout) == digest_of(content)
    assert read_manifest(layout, digest_of(content)) == content
    with pytest.raises(FileNotFoundError):
        read_manifest(layout, digest_of(b"other"))


def test_an_image_for_one_platform_is_no_index(layout: Path) -> None:
    one = on(image(layout, "one"), "amd64")
    write_index(layout, one)
    assert image_digest(layout) == Digest.parse(str(one["digest"]))


@pytest.mark.parametrize("digest", ["x", ["x"]], ids=["text", "list"])
def test_what_another_platform_has_as_its_digest_does_not_matter(layout: Path, digest: object) -> None:
    write_index(layout, on(image(layout, "one"), "amd64"), {**on(image(layout, "two"), "arm64"), "digest": digest})
    assert image_digest(layout) == digest_of((layout / "index.json").read_bytes())


def test_images_for_the_same_platform_are_not_one(layout: Path) -> None:
    write_index(layout, *(on(image(layout, name), "amd64") for name in ("one", "two")))
    with pytest.raises(InvalidInput, match="name one of the images in this layout"):
        open_image(layout)


@pytest.mark.parametrize(
    ("absent", "expected"),
    [(["amd64"], "arm64"), (["arm64", "amd64"], "s390x"), (["arm64"], "amd64")],
    ids=["the-first-that-is", "the-last-that-is", "amd64"],
)
def test_of_many_platforms_one_that_is_there_is_taken(layout: Path, absent: list[str], expected: str) -> None:
    images = {name: on(image(layout, name), name) for name in ("arm64", "amd64", "s390x")}
    write_index(layout, index_of(layout, *images.values()))
    for name in absent:
        (layout / "blobs" / str(images[name]["digest"]).replace(":", "/")).unlink()
    assert label(layout) == expected


def test_of_an_index_without_any_of_its_images_one_is_named(layout: Path) -> None:
    one = on(image(layout, "one"), "amd64")
    write_index(layout, index_of(layout, one))
    (layout / "blobs" / str(one["digest"]).replace(":", "/")).unlink()
    with pytest.raises(InvalidInput, match=rf"blob {one['digest']} cannot be read: No such file"):
        open_image(layout)


def test_an_image_without_labels(layout: Path) -> None:
    write_index(layout, write_image(layout, []))
    assert open_image(layout).labels == {}


def test_indexes_are_not_followed_for_ever(layout: Path) -> None:
    index = image(layout, "one")
    for _ in range(6):
        index = index_of(layout, index)
    write_index(layout, index)
    with pytest.raises(InvalidInput, match="an index within an index"):
        open_image(layout)


def damage(layout: Path, image: Document) -> None:
    (layout / "blobs" / "sha256" / image["digest"].removeprefix("sha256:")).write_bytes(b"{}")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        pytest.param({"digest": "sha256:../../../etc/passwd"}, "is no digest", id="digest-that-is-a-path"),
        pytest.param({"digest": 5}, "'5' is no digest", id="digest-that-is-a-number"),
        pytest.param({}, "is no digest", id="no-digest"),
        pytest.param({"digest": f"sha256:{'0' * 64}"}, "cannot be read: No such file", id="no-blob"),
    ],
)
def test_bad_descriptors(layout: Path, manifest: Document, message: str) -> None:
    write_index(layout, manifest)
    with pytest.raises(InvalidInput, match=message):
        open_image(layout)


def test_a_blob_whose_bytes_miss_its_digest_is_refused(layout: Path) -> None:
    one = image(layout, "one")
    write_index(layout, one)
    damage(layout, one)
    with pytest.raises(InvalidInput, match=r"is damaged: its bytes have sha256:44136fa"):
        open_image(layout)


@pytest.mark.parametrize("what", ["index", "manifest", "layer"])
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_is_no_file_is_refused_at_once(layout: Path, what: str, kind: str) -> None:
    one = image(layout, "one")
    write_index(layout, one)
    (layer,) = open_image(layout).layers
    manifest = layout / "blobs" / "sha256" / one["digest"].removeprefix("sha256:")
    file = {"index": layout / "index.json", "manifest": manifest, "layer": layer}[what]
    file.unlink()
    if kind == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero")
    with pytest.raises(InvalidInput, match="cannot be read: Is no regular file"):
        open_image(layout)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"{", "is no JSON", id="no-json"),
        pytest.param(b"[]", "no JSON object", id="no-object"),
        pytest.param(b"{}", "`manifests` is missing", id="no-manifests"),
        pytest.param(b'{"manifests": []}', "the image index is empty", id="no-images"),
        pytest.param(b"[" * 100_000, "is no JSON", id="deep"),
        pytest.param(b"\xff", "is no JSON", id="no-utf-8"),
    ],
)
def test_bad_indexes(layout: Path, content: bytes, message: str) -> None:
    (layout / "index.json").write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        open_image(layout)


def test_an_index_that_is_larger_than_any(layout: Path) -> None:
    write_index(layout, image(layout, "one"))
    os.truncate(layout / "index.json", 129 << 20)
    with pytest.raises(InvalidInput, match=r"index\.json cannot be read: Is larger than 128 MiB"):
        open_image(layout)


def test_no_layout(layout: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no OCI layout: index\.json cannot be read: No such file"):
        open_image(layout / "nothing")


def test_too_many_layers(layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oci_layout, "_MOST_LAYERS", 2)
    write_index(layout, write_image(layout, [b"a", b"b", b"c"]))
    with pytest.raises(InvalidInput, match="3 layers: more than 2"):
        open_image(layout)
