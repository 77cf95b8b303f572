from __future__ import annotations

import gzip
import tarfile
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.olm import layers
from skopeo_mirror.olm.layers import stream_tree
from tests.olm.catalogs import Member, layer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SPARSE = {"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": "0,0", "GNU.sparse.name": "configs/d"}
LINK, HARD_LINK, DIRECTORY = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


def file(name: str, content: str = "") -> Member:
    return Member(name=name, content=(content or name).encode())


def link(name: str, target: str, kind: bytes = LINK) -> Member:
    return Member(name=name, type=kind, target=target)


def read(tmp_path: Path, *contents: bytes, directory: str = "/configs") -> dict[str, str]:
    paths = []
    for number, content in enumerate(contents):
        path = tmp_path / "sha256" / f"{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return {found.path: found.read(1000).decode() for found in stream_tree(paths, directory)}


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        pytest.param([file("configs/a"), file("etc/x")], [], {"/configs/a": "configs/a"}, id="only-the-directory"),
        pytest.param(
            [file("./configs/a")],
            [file("/configs/b")],
            {"/configs/a": "./configs/a", "/configs/b": "/configs/b"},
            id="ways-to-write-it",
        ),
        pytest.param([file("configs/a", "old")], [file("configs/a", "new")], {"/configs/a": "new"}, id="upper-wins"),
        pytest.param([file("configs/a", "old"), file("configs/a", "new")], [], {"/configs/a": "new"}, id="later-wins"),
        pytest.param(
            [file("configs/a"), file("configs/b")], [file("configs/.wh.a")], {"/configs/b": "configs/b"}, id="whiteout"
        ),
        pytest.param(
            [file("configs/p/a"), file("configs/b")],
            [file("configs/.wh.p")],
            {"/configs/b": "configs/b"},
            id="whiteout-of-a-directory",
        ),
        pytest.param(
            [file("configs/a")],
            [file(".wh.configs"), file("configs/b")],
            {"/configs/b": "configs/b"},
            id="whiteout-of-the-whole",
        ),
        pytest.param(
            [file("configs/a")],
            [file("configs/b"), file(".wh.configs")],
            {"/configs/b": "configs/b"},
            id="whiteout-comes-later",
        ),
        pytest.param(
            [file("configs/a")],
            [file("configs/.wh..wh..opq"), file("configs/b")],
            {"/configs/b": "configs/b"},
            id="opaque",
        ),
        pytest.param(
            [file("configs/a")],
            [file(".wh..wh..opq"), file("configs/b")],
            {"/configs/b": "configs/b"},
            id="opaque-above",
        ),
        pytest.param(
            [file("configs/p/a"), file("configs/b")],
            [file("configs/p/.wh..wh..opq")],
            {"/configs/b": "configs/b"},
            id="opaque-below",
        ),
        pytest.param(
            [file("configs/p/a")], [file("configs/p", "file")], {"/configs/p": "file"}, id="file-over-directory"
        ),
        pytest.param(
            [file("configs/p", "file")],
            [Member(name="configs/p", type=DIRECTORY), file("configs/p/a")],
            {"/configs/p/a": "configs/p/a"},
            id="directory-over-file",
        ),
        pytest.param(
            [file("configs/p/a")],
            [Member(name="configs/p", type=DIRECTORY)],
            {"/configs/p/a": "configs/p/a"},
            id="directory-over-directory",
        ),
        pytest.param(
            [file("configs/a")],
            [file("etc/.wh.configs"), file(".wh.etc")],
            {"/configs/a": "configs/a"},
            id="whiteouts-elsewhere",
        ),
        pytest.param(
            [file("configs-old/a"), file("configs/a")], [], {"/configs/a": "configs/a"}, id="a-name-that-begins-alike"
        ),
        pytest.param(
            [file("configs/a"), Member(name="dev/null", type=tarfile.CHRTYPE)],
            [],
            {"/configs/a": "configs/a"},
            id="device-elsewhere",
        ),
        pytest.param(
            [Member(name=".", type=DIRECTORY), Member(name="configs", type=DIRECTORY), file("configs/a")],
            [],
            {"/configs/a": "configs/a"},
            id="directories-above",
        ),
    ],
)
@pytest.mark.parametrize("compress", [True, False], ids=["gzip", "plain"])
def test_layers_lie_over_each_other(
    tmp_path: Path, lower: Sequence[Member], upper: Sequence[Member], expected: dict[str, str], *, compress: bool
) -> None:
    assert read(tmp_path, layer(*lower, compress=compress), layer(*upper, compress=compress)) == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param([link("configs/a", "data/x"), file("configs/data/x", "X")], {"/configs/a": "X"}, id="to-a-file"),
        pytest.param([link("configs/p/a", "../x"), file("configs/x", "X")], {"/configs/p/a": "X"}, id="up-and-down"),
        pytest.param(
            [link("configs/p/a", "../../configs/x"), file("configs/x", "X")],
            {"/configs/p/a": "X"},
            id="out-and-in-again",
        ),
        pytest.param(
            [link("configs/a", "/configs/x"), file("configs/x", "X")], {"/configs/a": "X"}, id="absolute-but-inside"
        ),
        pytest.param(
            [link("configs/a", "..data/x"), link("configs/..data", "..1"), file("configs/..1/x", "X")],
            {"/configs/..1/x": "X"},
            id="through-a-link-to-a-directory",
        ),
        pytest.param(
            [file("configs/x", "X"), link("configs/a", "configs/x", HARD_LINK)], {"/configs/a": "X"}, id="hard"
        ),
        pytest.param([file("configs/p/x", "X"), link("configs/q", "p")], {"/configs/p/x": "X"}, id="to-a-directory"),
        pytest.param(
            [file("configs/p/x", "X"), link("configs/p/here", ".")], {"/configs/p/x": "X"}, id="to-its-own-directory"
        ),
    ],
)
def test_links_within_the_directory_are_honoured_and_each_file_is_read_once(
    tmp_path: Path, members: Sequence[Member], expected: dict[str, str]
) -> None:
    assert read(tmp_path, layer(*members)) == expected


def test_a_hard_link_reaches_the_layer_below(tmp_path: Path) -> None:
    below, above = (
        layer(file("configs/x", "X")),
        layer(link("configs/a", "configs/x", HARD_LINK), file("configs/.wh.x")),
    )
    assert read(tmp_path, below, above) == {"/configs/a": "X"}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        pytest.param([file("configs/../../etc/cron.d/x")], "leads out of its directory", id="dots"),
        pytest.param([file("../x"), file("configs/a")], "leads out of its directory", id="dots-elsewhere"),
        pytest.param(
            [link("configs/a", "/etc/passwd")],
            "/configs/a is a link that leads out of /configs, to /etc",
            id="absolute-link",
        ),
        pytest.param([link("configs/a", "../../../etc/passwd")], "leads out of /configs, to /etc", id="link-up"),
        pytest.param([link("configs/a", "..")], "leads out of /configs", id="link-to-above"),
        pytest.param(
            [link("configs/a", "b")], "/configs/a is a link to /configs/b, which is not there", id="link-to-nowhere"
        ),
        pytest.param([link("configs/a", "x/y"), file("configs/x")], "which is not there", id="link-through-a-file"),
        pytest.param([link("configs/a", "b"), link("configs/b", "a")], "leads round in a circle", id="loop"),
        pytest.param([link("configs/a", "a")], "leads round in a circle", id="link-to-itself"),
        pytest.param([link("configs/a", "a/a/a"), file("configs/b")], "leads round in a circle", id="growing-loop"),
        pytest.param([link("configs/a", "etc/shadow", HARD_LINK)], "no file of the catalog", id="hard-link-outside"),
        pytest.param(
            [file("etc/shadow"), link("configs/a", "etc/shadow", HARD_LINK)],
            "no file of the catalog",
            id="hard-link-to-a-file-outside",
        ),
        pytest.param([link("configs/a", "../etc/shadow", HARD_LINK)], "leads out of its directory", id="hard-link-up"),
        pytest.param([link("configs", "/etc")], "/configs is no directory", id="the-directory-is-a-link"),
        pytest.param(
            [link("configs/p", "/etc"), file("configs/p/a")], "/configs/p is no directory", id="file-through-a-link"
        ),
        pytest.param([file("configs")], "/configs is no directory", id="the-directory-is-a-file"),
        pytest.param(
            [Member(name="configs/d", type=tarfile.CHRTYPE)], "'configs/d' is a device", id="character-device"
        ),
        pytest.param([Member(name="configs/d", type=tarfile.BLKTYPE)], "'configs/d' is a device", id="block-device"),
        pytest.param([Member(name="configs/d", type=tarfile.FIFOTYPE)], "'configs/d' is a named pipe", id="named-pipe"),
        pytest.param([Member(name="configs/d", type=b"Z")], "unknown type", id="unknown-type"),
        pytest.param([Member(name="configs/d", headers=SPARSE)], "'configs/d' is a sparse file", id="sparse-file"),
        pytest.param([Member(name="x", headers={"path": "configs/a\0b"})], "has a NUL in it", id="nul-in-a-name"),
        pytest.param(
            [Member(name="configs/a", type=LINK, headers={"linkpath": "x\0y"})], "with a NUL in it", id="nul-in-a-link"
        ),
        pytest.param([Member(name="x", headers={"path": "configs/" + "a/" * 100})], "too deep directories", id="deep"),
        pytest.param([Member(name="x", headers={"comment": "x" * (1 << 20)})], "is no header", id="huge-header"),
        pytest.param([file("etc/x")], "the image has no /configs", id="no-directory"),
        pytest.param([file("configs/.indexignore", "x" * (1 << 17))], "larger than", id="huge-ignore-file"),
        pytest.param([file("configs/.indexignore", "x\n" * 2000)], "more than 1000 patterns", id="many-patterns"),
        pytest.param(
            [link("configs/.indexignore", "x"), file("configs/x")], "must be a file of that name", id="ignore-link"
        ),
    ],
)
def test_hostile_layers_are_refused(tmp_path: Path, members: Sequence[Member], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(tmp_path, layer(*members))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"\x28\xb5\x2f\xfd" + b"x" * 100, "compressed with zstd", id="zstd"),
        pytest.param(b"hello" * 1000, "no readable tar archive", id="no-tar"),
        pytest.param(b"", "no readable tar archive", id="empty"),
        pytest.param(layer(file("configs/a", "a" * 90_000))[:-200], "is damaged", id="gzip-cut-off"),
        pytest.param(
            layer(file("configs/a", "a" * 90_000), compress=False)[:50_000], "layer 0:0|tar archive", id="tar-cut-off"
        ),
        pytest.param(gzip.compress(b"x" * 100)[:15] + b"\xff" * 40, "is damaged|tar archive", id="gzip-corrupt"),
    ],
)
def test_damaged_layers_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(tmp_path, content)


def test_a_zip_bomb_is_refused_where_it_passes_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = layer(Member(name="usr/zeros", content=bytes(8 << 20)), file("configs/a"))
    monkeypatch.setattr(layers, "_FREE_EXPANSION", 4 << 20)
    with pytest.raises(InvalidInput, match="grows beyond 4 MiB when it is decompressed"):
        read(tmp_path, bomb)


def test_text_that_compresses_well_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_FREE_EXPANSION", 1000)
    text = "\n".join(f"line {number} of a catalog" for number in range(10_000))
    assert len(read(tmp_path, layer(file("configs/a", text)))) == 1


def test_a_tree_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_LARGEST_LISTING", 2000)
    with pytest.raises(InvalidInput, match="too many files"):
        read(tmp_path, *(layer(file(f"configs/{number}")) for number in range(20)))


def test_ignore_files_that_take_too_much_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_LARGEST_LISTING", 20_000)
    with pytest.raises(InvalidInput, match="too many files"):
        read(tmp_path, layer(*(file(f"configs/{number}/.indexignore", "#" * 9000) for number in range(3))))


def test_a_tree_too_large_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_LARGEST_TREE", 1 << 10)
    with pytest.raises(InvalidInput, match="holds more than"):
        read(tmp_path, layer(file("configs/a", "a" * 2000)))


@pytest.mark.parametrize("directory", ["/", "", ".", "/configs/../etc", "/a\0b"])
def test_a_label_that_names_no_directory_of_its_own_is_refused(tmp_path: Path, directory: str) -> None:
    with pytest.raises(InvalidInput, match=r"no directory of its own|leads out|NUL"):
        read(tmp_path, layer(file("configs/a")), directory=directory)


def test_ignored_files_are_left_out_also_links_that_lead_nowhere(tmp_path: Path) -> None:
    members = [
        file("configs/.indexignore", "*.md\n/old/\n# comment\n"),
        file("configs/README.md"),
        file("configs/old/a.yaml"),
        link("configs/x.md", "/etc/passwd"),
        file("configs/p/a.yaml"),
        file("configs/p/b.yaml"),
        file("configs/p/.indexignore", "b.*"),
    ]
    assert list(read(tmp_path, layer(*members))) == ["/configs/p/a.yaml"]
