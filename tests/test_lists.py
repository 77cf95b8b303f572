"""Image lists: what a line can be, and that every bad one is told at once."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skopeo_mirror.errors import InvalidInput, InvalidReference, UsageError
from skopeo_mirror.lists import Shard, parse_line, read_images
from skopeo_mirror.reference import Reference
from tests.values import D1

if TYPE_CHECKING:
    from pathlib import Path


def listed(content: bytes, directory: Path) -> list[str]:
    file = directory / "images.txt"
    file.write_bytes(content)
    return [str(one.reference) for one in read_images([], [str(file)])]


def problems(*files: object, arguments: tuple[str, ...] = ()) -> tuple[str, ...]:
    with pytest.raises(InvalidInput) as caught:
        read_images(arguments, [str(file) for file in files])
    return caught.value.problems


@pytest.mark.parametrize(
    ("content", "images"),
    [
        pytest.param(b"", [], id="empty"),
        pytest.param(b"a.test/b:1\na.test/c:1\n", ["a.test/b:1", "a.test/c:1"], id="two-lines"),
        pytest.param(b"a.test/b:1", ["a.test/b:1"], id="no-newline"),
        pytest.param(b"a.test/b:1\r\n\r\na.test/c:1\r\n", ["a.test/b:1", "a.test/c:1"], id="crlf"),
        pytest.param(b"\n  \n\t\n  a.test/b:1  \n", ["a.test/b:1"], id="blanks"),
        pytest.param(b"# all\na.test/b:1 # this\n  # none\n", ["a.test/b:1"], id="comments"),
        pytest.param(b"\xef\xbb\xbfa.test/b:1\n", ["a.test/b:1"], id="byte-order-mark"),
        pytest.param(b"docker://a.test/b:1\n", ["a.test/b:1"], id="transport"),
        pytest.param(b"alpine:3\n", ["docker.io/library/alpine:3"], id="short-form"),
        pytest.param(b"alpine\n", ["docker.io/library/alpine:latest"], id="no-tag"),
        pytest.param(b"a.test/b:1\na.test/c:1\na.test/b:1\n", ["a.test/b:1", "a.test/c:1"], id="duplicates"),
        pytest.param(b"alpine\ndocker.io/library/alpine:latest\n", ["docker.io/library/alpine:latest"], id="one-image"),
        pytest.param(f"a.test/b:1@{D1}\n".encode(), [f"a.test/b:1@{D1}"], id="tag-and-digest"),
    ],
)
def test_reads_a_list(content: bytes, images: list[str], tmp_path: Path) -> None:
    assert listed(content, tmp_path) == images


def test_arguments_come_before_files_each_image_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a.test/c:1\na.test/b:1\n")
    (tmp_path / "two").write_text("a.test/d:1\na.test/c:1\n")
    found = read_images(["a.test/b:1"], [str(tmp_path / "one"), str(tmp_path / "two")])
    assert [str(one.reference) for one in found] == ["a.test/b:1", "a.test/c:1", "a.test/d:1"]


def test_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a.test/b:1\n")))
    assert [str(one.reference) for one in read_images([], ["-"])] == ["a.test/b:1"]


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        pytest.param('"a.test/b:1"', "a.test/b:1", id="quotes"),
        pytest.param("'a.test/b:1',", "a.test/b:1", id="quotes-and-a-comma"),
        pytest.param(f"a.test/b@{D1},", f"a.test/b@{D1}", id="comma"),
        pytest.param("image: a.test/b:1", "a.test/b:1", id="yaml"),
        pytest.param('- image: "a.test/b:1"', "a.test/b:1", id="yaml-in-a-list"),
        pytest.param("- a.test/b:1", "a.test/b:1", id="item"),
        pytest.param('"image": "a.test:5000/b:1",', "a.test:5000/b:1", id="json"),
        pytest.param('["a.test/b:1"]', "a.test/b:1", id="json-list"),
        pytest.param("docker pull a.test/b:1", "a.test/b:1", id="docker-pull"),
        pytest.param("FROM a.test/b:1", "a.test/b:1", id="dockerfile"),
        pytest.param("'a.test/b:1=d.test/b'", "a.test/b:1=d.test/b", id="its-own-destination"),
        pytest.param("a.test/b:1 a.test/c:1", None, id="two"),
        pytest.param("docker pull a.test/B", None, id="no-reference"),
        pytest.param("- " * 2000 + "a.test/b", None, id="long"),
    ],
)
def test_says_what_to_write_for_a_reference_that_stands_in_something(
    line: str, bare: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "images.txt"
    file.write_text(f"{line}\n")
    (problem,) = problems(file)
    assert problem.startswith(f"{file}:1: ")
    assert problem.partition("; write ")[2] == (bare or "")
    if bare is not None:
        file.write_text(bare)
        assert len(read_images([], [str(file)])) == 1


def test_an_argument_that_is_a_file_is_taken_for_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alpine").mkdir()
    (tmp_path / "images.txt").write_text("a.test/b:1\n")
    for argument in ("images.txt", "./images.txt", str(tmp_path / "images.txt")):
        (problem,) = problems(arguments=(argument, "alpine"))
        assert problem.startswith(f"'{argument}' is a file here; name a list with -f FILE")
    assert len(read_images(["alpine", "images.txt:latest"], ["images.txt"])) == 3


@pytest.mark.parametrize("content", ["", "# none\n\n", "\ufeff\r\n"])
def test_warns_of_a_list_that_names_no_image(content: str, tmp_path: Path) -> None:
    file, other = tmp_path / "empty.txt", tmp_path / "images.txt"
    file.write_text(content, encoding="utf-8")
    other.write_text("a.test/b:1\n")
    told: list[str] = []
    read_images([], [str(file), str(other)], warn=told.append)
    assert told == [f"{file}: names no image"]


def test_keeps_how_an_image_was_written_where_that_is_not_its_reference() -> None:
    found = read_images(["a.test/b:1", "docker://a.test/c:1", "d"], [])
    assert [one.text for one in found] == [None, "docker://a.test/c:1", "d"]


@pytest.mark.parametrize(
    ("line", "reference", "destination"),
    [
        pytest.param("a.test/b:1", "a.test/b:1", None, id="no-destination"),
        pytest.param(f"a.test/b@{D1}=d.test/m/b", f"a.test/b@{D1}", "d.test/m/b", id="as-oc-mirror-writes"),
        pytest.param("a.test/b:1 = docker://d.test/b:2", "a.test/b:1", "d.test/b:2", id="blanks-and-transport"),
    ],
)
def test_a_line_can_name_its_destination(line: str, reference: str, destination: str | None) -> None:
    found = parse_line(line)
    assert str(found.reference) == reference
    assert found.destination == destination


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("a.test/b:1=", id="empty-destination"),
        pytest.param("=d.test/b:1", id="empty-source"),
        pytest.param("a.test/b:1=d.test/B", id="bad-destination"),
        pytest.param("a.test/b:1=d.test/b=c", id="two-destinations"),
        pytest.param("a.test/B:1", id="capitals"),
        pytest.param(f"@{D1}", id="no-name"),
        pytest.param(str(D1), id="nothing-but-a-digest"),
        pytest.param("a.test/b@sha256:12", id="bad-digest"),
        pytest.param("a.test/" + "b" * 300, id="long-name"),
        pytest.param("--foo", id="option"),
        pytest.param("a.test/$(reboot)", id="shell"),
        pytest.param("a.test/b;reboot", id="semicolon"),
        pytest.param("a.test/b c.test/d", id="two-on-a-line"),
        pytest.param("oci:/tmp/x", id="another-transport"),
        pytest.param("https://a.test/b", id="url"),
        pytest.param("a.test/\x1b[31mb", id="terminal-escape"),
        pytest.param("a.test/\x00b", id="nul"),
    ],
)
def test_refuses_a_line(line: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_line(line)
    assert str(caught.value).isprintable()


def test_tells_every_bad_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"a.test/B\r\na.test/fine:1\n# x\n@sha256:12\n")
    (tmp_path / "two").write_bytes(b"\xef\xbb\xbf\xff\n--foo # comment\n")
    found = problems(tmp_path / "one", tmp_path / "two", tmp_path / "none", arguments=("a.test/C",))
    beginnings = {
        "'a.test/C' is no image reference",
        f"{tmp_path}/one:1: 'a.test/B' is no image reference",
        f"{tmp_path}/one:4: '@sha256:12' is no image reference",
        f"{tmp_path}/two:1: is not UTF-8",
        f"{tmp_path}/two:2: '--foo' is no image reference",
        f"{tmp_path}/none: cannot be read: No such file or directory",
    }
    assert {beginning for beginning in beginnings for problem in found if problem.startswith(beginning)} == beginnings
    assert len(found) == len(beginnings)


def test_a_directory_is_no_list(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path)
    assert problem == f"{tmp_path}: cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        pytest.param("a.test/b:1\n", "blanks", id="newline-at-the-end"),
        pytest.param(" a.test/b:1", "blanks", id="blank-before"),
        pytest.param("a.test/b:1\t", "blanks", id="tab"),
        pytest.param("a.test/b:1\u00a0", "blanks", id="no-break-space"),
        pytest.param("a.test/b:1\u2028", "blanks", id="line-separator"),
        pytest.param("a.test/b:1\x07", "the character U+0007", id="bell"),
        pytest.param("a.test/b:1\u200b", "the character U+200B", id="zero-width"),
        pytest.param("a.test/b:1=c.test/d", "a line of a list; read it with -f FILE", id="its-own-destination"),
        pytest.param("=", "a line of a list", id="equals"),
    ],
)
def test_an_argument_is_taken_to_the_letter(argument: str, says: str) -> None:
    (problem,) = problems(arguments=(argument,))
    assert says in problem
    assert problem.isprintable()


@pytest.mark.parametrize("odd", ["\x0b", "\x0c", "\x1c", "\x85", "\u00a0", "\u2028", "\u3000"])
def test_a_line_is_trimmed_of_blanks_tabs_and_returns_alone(odd: str, tmp_path: Path) -> None:
    assert listed(b" \t a.test/b:1 \t \r\r\n", tmp_path) == ["a.test/b:1"]
    file = tmp_path / "odd.txt"
    file.write_text(f"a.test/b:1{odd}\n{odd}a.test/b:1\na.test/b:1{odd}# no comment\n", encoding="utf-8")
    assert [problem.split(": ")[0] for problem in problems(file)] == [f"{file}:1", f"{file}:2", f"{file}:3"]


def test_a_password_is_not_repeated() -> None:
    (problem,) = problems(arguments=("https://user:hunter2@a.test/B",))
    assert "hunter2" not in problem


def complaints(arguments: list[str], files: list[str]) -> tuple[str, ...]:
    """What is wrong with a list; where nothing is, each image of it can be read back."""
    try:
        found = read_images(arguments, files)
    except InvalidInput as error:
        return error.problems
    assert all(Reference.parse(str(one.reference)) == one.reference for one in found)
    return ()


LINES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [b"a.test/b:1", b"a.test/b:1=d.test/c", b"# c", b"\r", f"x@{D1}".encode(), b"docker://", b"=", b"a#b"]
    ),
)


@given(st.lists(LINES, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_list_is_another_exception(tmp_path: Path, lines: list[bytes]) -> None:
    file = tmp_path / "images.txt"
    file.write_bytes(b"\n".join(lines))
    assert all(problem.startswith(f"{file}:") and problem.isprintable() for problem in complaints([], [str(file)]))


@given(st.text(max_size=60))
def test_no_argument_is_another_exception(text: str) -> None:
    assert all(problem.isprintable() for problem in complaints([text], []))


REFERENCES = st.from_regex(r"[a-c]\.test/[a-z0-9]{1,8}:[0-9]", fullmatch=True).map(Reference.parse)


@given(st.sets(REFERENCES, max_size=30), st.integers(min_value=1, max_value=5))
def test_every_image_belongs_to_exactly_one_shard(references: set[Reference], count: int) -> None:
    shards = [Shard(index=index, count=count) for index in range(1, count + 1)]
    assert all(sum(shard.keeps(reference) for shard in shards) == 1 for reference in references)


def test_shards_are_the_same_on_every_host() -> None:
    """Fixed by the digest of the name: a release that changed them would make hosts of two versions lose images."""
    references = [Reference.parse(f"a.test/app:{number}") for number in range(12)]
    first = Shard.parse("1/3")
    assert [reference.tag for reference in references if first.keeps(reference)] == ["0", "1", "3", "4"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "0/3",
        "4/3",
        "-1/3",
        "1/0",
        "1/3/5",
        "a/b",
        "1 / 3",
        "1.5/3",
        pytest.param("1/" + "9" * 5000, id="thousands-of-digits"),
    ],
)
def test_refuses_a_shard(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)
