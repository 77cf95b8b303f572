from __future__ import annotations

import io
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.olm import documents
from skopeo_mirror.olm.documents import read_documents
from tests.olm.catalogs import as_json, as_yaml, sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

BUNDLE = {
    "schema": "olm.bundle",
    "name": "a.v1.0.0",
    "package": "a",
    "image": "quay.io/a:1",
    "properties": [
        {"type": "olm.gvk", "value": {"group": "x", "kind": "y", "version": "v1"}},
        {"value": {"packageName": "a", "version": "1.0.0"}, "type": "olm.package"},
        {"type": "olm.constraint", "value": "text"},
        {"type": "olm.csv.metadata", "value": {"description": 'a "quoted"\n---\ntext: {', "nested": [[{"name": "n"}]]}},
    ],
    "relatedImages": [{"name": "one", "image": "quay.io/b:1"}, {"name": "none", "image": ""}],
}
KEPT = {
    "schema": "olm.bundle",
    "name": "a.v1.0.0",
    "package": "a",
    "image": "quay.io/a:1",
    "properties": [
        {"type": "olm.gvk", "value": {"version": "v1"}},
        {"type": "olm.package", "value": {"version": "1.0.0"}},
        {"type": "olm.constraint", "value": None},
        {"type": "olm.csv.metadata", "value": {}},
    ],
    "relatedImages": [{"image": "quay.io/b:1"}, {"image": ""}],
}


class File(io.RawIOBase):
    """A file that hands out at most `step` bytes at once."""

    def __init__(self, content: bytes, step: int = 1 << 18) -> None:
        self.content = io.BytesIO(content)
        self._step = step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self.content.readinto(memoryview(buffer)[: self._step])


def read(content: bytes | str, step: int = 1 << 18) -> list[dict[str, Any]]:
    file = File(content if isinstance(content, bytes) else content.encode(), step)
    return list(read_documents(file, "/configs/x"))


@pytest.mark.parametrize("step", [1, 7, 1 << 18])
@pytest.mark.parametrize("written", [as_json, as_yaml], ids=["json", "yaml"])
def test_what_a_mirror_needs_is_kept(written: Callable[[list[dict[str, Any]]], bytes], step: int) -> None:
    assert read(written([BUNDLE, BUNDLE]), step) == [KEPT, KEPT]


def test_json_and_yaml_of_one_catalog_are_the_same() -> None:
    assert read(as_json(sample())) == read(as_yaml(sample()))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("\n \n", [], id="blank"),
        pytest.param("# nothing\n---\n---\n", [], id="empty-documents"),
        pytest.param(
            '{"name":"a"}{"name":"b"}\n\n{"name":"c"}', [{"name": "a"}, {"name": "b"}, {"name": "c"}], id="json"
        ),
        pytest.param('\n\t {"name": "a"}', [{"name": "a"}], id="json-after-blanks"),
        pytest.param('{"name": "Größe ☃"}', [{"name": "Größe ☃"}], id="json-utf-8"),
        pytest.param(
            '{"name": 1, "image": null, "entries": {}}',
            [{"name": None, "image": None, "entries": None}],
            id="json-other-types",
        ),
        pytest.param(
            "name: a\n---\nname: b\n...\n---\nname: c\n", [{"name": "a"}, {"name": "b"}, {"name": "c"}], id="yaml"
        ),
        pytest.param("name: 'Größe ☃'", [{"name": "Größe ☃"}], id="yaml-utf-8"),
        pytest.param(
            "name: 1.10\nimage: ~\npackage: 'null'\nentries: x\n",
            [{"name": "1.10", "image": None, "package": "null", "entries": None}],
            id="yaml-scalars",
        ),
        pytest.param(
            "name: |\n  a\n  b\nimage: >-\n  c\n  d\n", [{"name": "a\nb\n", "image": "c d"}], id="yaml-blocks"
        ),
        pytest.param("? [a, b]\n: c\nname: a\n", [{"name": "a"}], id="yaml-odd-key"),
        pytest.param(
            "name: {a: b}\nproperties: [{type: t, value: [1, {version: 2}]}, x]\n",
            [{"name": None, "properties": [{"type": "t", "value": None}, None]}],
            id="yaml-other-forms",
        ),
    ],
)
def test_documents(content: str, expected: list[dict[str, Any]]) -> None:
    assert read(content) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('{"a": 1}\n{"a": 1,\n"b" 2}', r"^/configs/x:3: no JSON: Expecting ':' delimiter$", id="json"),
        pytest.param('{"a": 1}\n{"a": ', r"^/configs/x:2: no JSON: Expecting value$", id="json-cut-off"),
        pytest.param('{"a": 1}\n[]', "/configs/x:2: expected an object", id="json-list"),
        pytest.param('{"a": 1} x', "no JSON", id="json-rest"),
        pytest.param('{"a":' + "[" * 200_000, "nested too deep", id="json-deep"),
        pytest.param('{"a":' + "9" * 5000 + "}", "no JSON", id="json-huge-number"),
        pytest.param(b'{"a": "\xff"}', "no JSON.*utf-8", id="json-no-utf-8"),
        pytest.param(b'{"a": "\xc3', "no JSON.*utf-8", id="json-cut-off-in-a-character"),
        pytest.param("a: 1\n---\na: [1\nb: 2\n", r"^/configs/x:4:2: no YAML: ", id="yaml"),
        pytest.param("# Read me\nSome text.\n", "/configs/x:2: expected a mapping", id="text"),
        pytest.param("- a\n", "/configs/x:1: expected a mapping", id="yaml-list"),
        pytest.param("a: " + "[" * 50_000, "nested more than 200 levels deep", id="yaml-deep"),
        pytest.param("a: " + "- " * 50_000, "no YAML|levels deep", id="yaml-deep-blocks"),
        pytest.param(b"a: \xff\n", "no YAML", id="yaml-no-utf-8"),
        pytest.param(b"a: b\0c\n", "no YAML", id="yaml-nul"),
        pytest.param(bytes(1000), "no YAML", id="zeros"),
        pytest.param("a: &a [x]\nname: *a\n", r"/configs/x:2: an alias", id="yaml-alias"),
    ],
)
def test_refused(content: str | bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(content)


BOMB = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(BOMB, id="at-the-top"),
        pytest.param(
            "schema: olm.bundle\nproperties:\n- value:\n" + BOMB.replace("\n", "\n    ").join(["    ", ""]),
            id="in-a-property",
        ),
        pytest.param("a: &a {x: y}\nb: &b {<<: [*a, *a]}\nname: {<<: [*b, *b]}\n", id="merge-keys"),
    ],
)
def test_an_alias_bomb_is_refused_in_little_memory(content: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match="an alias: write the value out in its place"):
            read(content)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "start",
    ['{"a": "', "a: '", "a: ", "# ", '{"a": [', "a:\n"],
    ids=["json", "quoted", "plain", "comment", "json-list", "blanks"],
)
def test_a_document_too_large_is_refused(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_LARGEST_DOCUMENT", 1 << 20)
    filler = {'{"a": [': b"1,", "a:\n": b" "}.get(start, b"x" * 50 + b" ")
    file = File(start.encode() + filler * (8 << 20 >> len(filler).bit_length() - 1))
    with pytest.raises(InvalidInput, match=r"larger than 1 MiB"):
        list(read_documents(file, "/configs/x"))
    assert file.content.tell() < 4 << 20


@pytest.mark.parametrize("written", [as_json, as_yaml], ids=["json", "yaml"])
def test_a_large_file_takes_the_memory_of_a_window(
    written: Callable[[list[dict[str, Any]]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "_LARGEST_DOCUMENT", 1 << 20)
    filler = {"type": "olm.csv.metadata", "value": {"description": "text " * 20_000}}
    content = written([{**BUNDLE, "properties": [filler]}]) * 100
    assert len(content) > 9 << 20
    file = File(content)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_documents(file, "/configs/x")) == 100
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()


def test_a_long_document_is_decoded_once_it_is_whole() -> None:
    document = {"name": "a", "description": "x" * (3 << 20)}
    assert read(json.dumps(document) * 2, step=100_000) == [{"name": "a"}] * 2
