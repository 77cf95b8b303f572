"""Manifests: what they refer to, and what is none."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopeo_mirror.manifest import InvalidManifest, digest_of, parse_manifest, unknown_type
from tests.values import D1, described, image_index, image_manifest


def test_an_image_refers_to_its_config_and_layers() -> None:
    manifest = parse_manifest(image_manifest(b"config", b"one", b"two"))
    assert [(str(blob.digest), blob.size) for blob in manifest.blobs] == [
        (entry["digest"], entry["size"]) for entry in map(described, (b"config", b"one", b"two"))
    ]
    assert manifest.children == ()
    assert manifest.media_type == ""


def test_an_index_refers_to_its_images() -> None:
    one, two = image_manifest(b"1"), image_manifest(b"2")
    manifest = parse_manifest(image_index(one, two))
    assert [child.digest for child in manifest.children] == [digest_of(one), digest_of(two)]
    assert manifest.blobs == ()


def test_an_artifact_may_have_no_layers() -> None:
    assert parse_manifest(b'{"schemaVersion": 2, "manifests": null}').children == ()
    assert len(parse_manifest(image_manifest(b"config")).blobs) == 1


def test_a_layer_that_lives_elsewhere_is_left_there_but_an_image_never_is() -> None:
    elsewhere = described(b"x") | {"urls": ["https://c.test/x"]}
    image = {"schemaVersion": 2, "config": described(b"config"), "layers": [elsewhere, described(b"y")]}
    assert len(parse_manifest(json.dumps(image).encode()).blobs) == 2
    index = {"schemaVersion": 2, "manifests": [elsewhere]}
    assert len(parse_manifest(json.dumps(index).encode()).children) == 1


def test_knows_what_lives_elsewhere() -> None:
    layer = described(b"x") | {"urls": ["https://c.test/x", ""]}
    config = described(b"config") | {"urls": ["https://c.test/config"]}
    manifest = parse_manifest(
        json.dumps({"schemaVersion": 2, "config": config, "layers": [layer, described(b"y")]}).encode()
    )
    assert [one.urls for one in manifest.elsewhere] == [("https://c.test/x", "")]
    assert [one.urls for one in manifest.blobs] == [("https://c.test/config",), ()]


@pytest.mark.parametrize("urls", [None, []], ids=["null", "empty"])
def test_a_layer_without_a_url_is_at_the_registry(urls: object) -> None:
    image = {"schemaVersion": 2, "config": described(b"config"), "layers": [described(b"x") | {"urls": urls}]}
    manifest = parse_manifest(json.dumps(image).encode())
    assert (len(manifest.blobs), manifest.elsewhere) == (2, ())


@pytest.mark.parametrize(
    "urls",
    [
        pytest.param("https://c.test/x", id="text"),
        pytest.param([5], id="number"),
        pytest.param([["https://c.test/x"]], id="nested"),
        pytest.param({"0": "https://c.test/x"}, id="table"),
    ],
)
def test_urls_are_a_list_of_them(urls: object) -> None:
    image = {"schemaVersion": 2, "config": described(b"config"), "layers": [described(b"x") | {"urls": urls}]}
    with pytest.raises(InvalidManifest, match=r"layers\[0\].urls is no list of URLs"):
        parse_manifest(json.dumps(image).encode())


@pytest.mark.parametrize(
    ("image", "key"),
    [
        pytest.param('"config": @, "layers": [{"digest": "x", "URLs": ["https://c.test/x"]}]', "URLs", id="urls"),
        pytest.param('"config": @, "layers": [{"url\u017f": ["https://c.test/x"]}]', "url\u017f", id="long-s"),
        pytest.param('"config": @, "Layers": []', "Layers", id="layers"),
        pytest.param('"config": @, "Config": {"urls": ["https://c.test/x"]}, "layers": []', "Config", id="config"),
        pytest.param('"Manifests": []', "Manifests", id="manifests"),
        pytest.param(
            '"config": @, "layers": [{"urls": ["https://c.test/x"]}], "layers": [@]', "layers", id="layers-twice"
        ),
        pytest.param('"config": @, "layers": [{"urls": ["https://c.test/x"], "urls": []}]', "urls", id="urls-twice"),
    ],
)
def test_what_can_be_read_in_two_ways_is_none(image: str, key: str) -> None:
    """For skopeo keys are the same in any case, and what comes second is read into what came first."""
    text = f'{{"schemaVersion": 2, {image}}}'.replace("@", json.dumps(described(b"config")))
    with pytest.raises(InvalidManifest, match=f"read in two ways, because of '{key}'"):
        parse_manifest(text.encode())


def test_annotations_may_be_called_anything() -> None:
    image = json.loads(image_manifest(b"config")) | {"annotations": {"URLs": "x", "Config": "y", "LAYERS": "z"}}
    assert len(parse_manifest(json.dumps(image).encode()).blobs) == 1


def test_keeps_the_media_type() -> None:
    image = json.loads(image_manifest(b"config")) | {"mediaType": "application/vnd.oci.image.manifest.v1+json"}
    assert parse_manifest(json.dumps(image).encode()).media_type == "application/vnd.oci.image.manifest.v1+json"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "is not JSON", id="nothing"),
        pytest.param(b"<html>login</html>", "it starts with '<html>login</html>'", id="html"),
        pytest.param(b"\xff\xfe\x00", "is not JSON", id="no-text"),
        pytest.param(b"[" * 200_000, "is not JSON", id="deep"),
        pytest.param(b'{"schemaVersion": ' + b"9" * 10_000 + b"}", "JSON", id="huge-number"),
        pytest.param(b"[]", "schemaVersion is not 2", id="list"),
        pytest.param(b"null", "schemaVersion is not 2", id="null"),
        pytest.param(b'{"schemaVersion": 1}', "schemaVersion is not 2", id="schema-1"),
        pytest.param(b'{"schemaVersion": 2}', "neither config nor manifests", id="empty"),
        pytest.param(b'{"schemaVersion": 2, "config": 3}', "config is no descriptor", id="config-number"),
        pytest.param(b'{"schemaVersion": 2, "config": {}}', "config has no digest and size", id="config-empty"),
        pytest.param(b'{"schemaVersion": 2, "manifests": {"a": 1}}', "manifests is no list", id="manifests-table"),
        pytest.param(b'{"schemaVersion": 2, "manifests": [null]}', r"manifests\[0\] is no descriptor", id="null-child"),
    ],
)
def test_says_what_is_wrong(content: bytes, words: str) -> None:
    with pytest.raises(InvalidManifest, match=words):
        parse_manifest(content)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"layers": ', '"layers": [], "layers": ', id="layers-twice"),
        pytest.param('"layers": ', '"Layers": ', id="capital"),
        pytest.param('"layers": ', '"layers": [], "LAYER\u017f": ', id="long-s"),
        pytest.param('"size": 5', '"size": 5, "Size": 6', id="size-of-a-descriptor"),
        pytest.param('"size": 5', '"size": 5, "urls": ["http://a.test/x"], "urls": []', id="urls-twice"),
        pytest.param('"size": 5', '"size": 5, "URLs": ["http://elsewhere.test/x"]', id="urls-of-a-descriptor"),
    ],
)
def test_what_go_would_read_otherwise_is_refused(old: str, new: str) -> None:
    """Go's encoding/json takes a key in any case for a field, and the last of several."""
    content = image_manifest(b"config", b"layer").decode()
    assert old in content
    with pytest.raises(InvalidManifest, match="can be read in two ways"):
        parse_manifest(content.replace(old, new).encode())


def test_what_stands_elsewhere_in_a_manifest_may_be_called_anything() -> None:
    image = json.loads(image_manifest(b"config")) | {"annotations": {"Size": "1", "size": "2"}, "x": {"Digest": 3}}
    assert len(parse_manifest(json.dumps(image).encode()).blobs) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("digest", "sha256:../../etc/passwd", id="path-for-a-digest"),
        pytest.param("digest", "md5:" + "0" * 32, id="unknown-algorithm"),
        pytest.param("digest", 3, id="number-for-a-digest"),
        pytest.param("size", -1, id="negative"),
        pytest.param("size", "3", id="text-for-a-size"),
        pytest.param("size", 3.5, id="fraction"),
        pytest.param("size", True, id="boolean"),
        pytest.param("size", 10**400, id="400-digits"),
        pytest.param("size", 1 << 63, id="beyond-64-bits"),
        pytest.param("size", None, id="no-size"),
    ],
)
def test_every_descriptor_must_be_one(key: str, value: object) -> None:
    image = json.loads(image_manifest(b"config", b"layer"))
    image["layers"][0][key] = value
    with pytest.raises(InvalidManifest, match=r"layers\[0\]"):
        parse_manifest(json.dumps(image).encode())


@pytest.mark.parametrize(
    ("algorithm", "digits"),
    [
        pytest.param("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", id="sha256"),
        pytest.param(
            "sha512",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            id="sha512",
        ),
    ],
)
def test_computes_a_digest(algorithm: str, digits: str) -> None:
    """The digests of `abc` are those of FIPS 180-4's examples."""
    assert str(digest_of(b"abc", algorithm)) == f"{algorithm}:{digits}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(str(D1)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["digest", "size", "urls", "config", "layers", "x"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(
    st.fixed_dictionaries({"schemaVersion": st.just(2)}, optional={"config": JSON, "layers": JSON, "manifests": JSON})
)
def test_no_document_is_another_exception(document: object) -> None:
    with suppress(InvalidManifest):
        parse_manifest(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("content", "unknown"),
    [
        pytest.param(
            b'{"mediaType": "application/vnd.example.odd+json"}', "application/vnd.example.odd+json", id="odd"
        ),
        pytest.param(b'{"mediaType": "application/vnd.oci.image.index.v1+json"}', None, id="known"),
        pytest.param(b'{"schemaVersion": 2}', None, id="none"),
        pytest.param(b'{"mediaType": 2}', None, id="no-text"),
        pytest.param(b'["mediaType"]', None, id="no-object"),
        pytest.param(b"<html>", None, id="no-json"),
    ],
)
def test_the_type_that_nobody_knows(content: bytes, unknown: str | None) -> None:
    assert unknown_type(content) == unknown
