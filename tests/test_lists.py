"""Image lists: what a line can be, and that every bad one is told at once."""

from __future__ import annotations

import io
import sys
from collections import Counter
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skopeo_mirror.errors import InvalidInput, InvalidReference, UsageError
from skopeo_mirror.lists import parse_line, part_of, read_images, read_part
from skopeo_mirror.reference import Reference
from skopeo_mirror.shards import Shard
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


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("# mine\nkind: ImageSetConfiguration\nmirror: {}\n", 2, id="kind"),
        pytest.param("apiVersion: mirror.openshift.io/v2alpha1\nkind: ImageSetConfiguration\n", 1, id="version"),
        pytest.param("---\nspec:\n  imageDigestMirrors: []\n", 1, id="document"),
    ],
)
def test_says_once_where_other_yaml_goes(text: str, line: int, tmp_path: Path) -> None:
    file, other = tmp_path / "set.yaml", tmp_path / "list"
    file.write_text(text)
    other.write_text("a.test/B\n")
    found = problems(file, other)
    assert "is YAML, no list of images; name an image set with -c FILE, OpenShift's mirror sets with -r" in found[0]
    assert [problem.partition(": ")[0] for problem in found] == [f"{file}:{line}", f"{other}:1"]


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


REPOSITORIES = st.dictionaries(
    st.from_regex(r"[a-c]\.test/[a-z0-9]{1,8}", fullmatch=True), st.integers(min_value=1, max_value=40), max_size=30
)


def shards(count: int) -> list[Shard]:
    return [Shard(index=index, count=count) for index in range(1, count + 1)]


def a_list(repositories: int, images: int) -> list[str]:
    """A list with a few large repositories and many small ones, as lists are."""
    random = Random(1)
    sizes = [int(random.lognormvariate(0, 1.2)) + 1 for _ in range(repositories)]
    total = sum(sizes)
    sizes = [min(max(1, size * images // total), images // 100) for size in sizes]
    for number in range(images - sum(sizes)):
        sizes[number % repositories] += 1
    return [f"a.test/team-{n % 7}/app-{n}:{tag}" for n, size in enumerate(sizes) for tag in range(size)]


def counted(lines: list[str]) -> Counter[str]:
    return Counter(line.rpartition(":")[0] for line in lines)


@given(REPOSITORIES, st.integers(min_value=1, max_value=5))
def test_every_repository_belongs_to_exactly_one_shard(images: dict[str, int], count: int) -> None:
    found = [name for shard in shards(count) for name in shard.repositories(images)]
    assert sorted(found) == sorted(images)


@given(REPOSITORIES, st.integers(min_value=1, max_value=5))
def test_the_order_of_a_list_counts_for_nothing(images: dict[str, int], count: int) -> None:
    turned = dict(reversed(images.items()))
    assert all(shard.repositories(images) == shard.repositories(turned) for shard in shards(count))


@pytest.mark.parametrize("count", [2, 3, 10, 50])
def test_shards_are_even(count: int) -> None:
    images = counted(a_list(1000, 10_000))
    assert (len(images), images.total()) == (1000, 10_000)
    loads = [sum(images[name] for name in shard.repositories(images)) for shard in shards(count)]
    even = images.total() / count
    assert 0.9 * even <= min(loads) <= max(loads) <= 1.1 * even


def test_a_repository_that_is_more_than_a_part_has_one_to_itself() -> None:
    images = {"a.test/large": 100} | {f"a.test/small-{number}": 1 for number in range(20)}
    parts = [shard.repositories(images) for shard in shards(3)]
    assert {"a.test/large"} in parts
    assert sorted(map(len, parts)) == [1, 10, 10]


def test_few_repositories_move_when_a_list_grows() -> None:
    images = counted(a_list(1000, 10_000))
    before = [shard.repositories(images) for shard in shards(50)]
    after = [shard.repositories(images | {"a.test/team-1/app-8": 99, "a.test/new": 3}) for shard in shards(50)]
    stayed = sum(len(one & other) for one, other in zip(before, after, strict=True))
    assert stayed >= 0.75 * len(images)


def test_shards_are_the_same_on_every_host() -> None:
    """A release that changed them would make hosts of two versions lose images."""
    images = {f"a.test/app-{number}": 1 + number % 3 for number in range(12)}
    found = [sorted(name.removeprefix("a.test/app-") for name in shard.repositories(images)) for shard in shards(3)]
    assert found == [["1", "5", "8"], ["11", "2", "4"], ["0", "10", "3", "6", "7", "9"]]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_shard_is_read_as_it_would_be_cut_from_the_whole(count: int, tmp_path: Path) -> None:
    file = tmp_path / "images.txt"
    lines = [*a_list(20, 60), f"alpine@{D1}", "docker://a.test/b:1", "a.test/b:1=d.test/e:2", "alpine:3", "a.test/b:1"]
    file.write_text("".join(f"{line}\n" for line in [*lines, *lines[:10]]))
    whole = read_images(["a.test/c:1"], [str(file)])
    parts = [read_part(["a.test/c:1"], [str(file)], shard) for shard in shards(count)]
    assert parts == [part_of(whole, shard) for shard in shards(count)]
    assert {image for part in parts for image in part.images} == {*whole}
    assert [image for image in whole if image in parts[0].images] == [*parts[0].images]
    assert {part.whole for part in parts} == {parts[0].whole}
    assert parts[0].whole is not None
    assert parts[0].whole.images == len(whole)


def test_lists_of_the_same_images_are_the_same() -> None:
    (one, *others) = (
        part_of(read_images(images, []), Shard(index=1, count=2)).whole
        for images in (["a.test/b:1", "alpine"], ["docker.io/library/alpine:latest", "a.test/b:1"], ["a.test/b:1"])
    )
    assert [one == other for other in others] == [True, False]


def test_a_bad_line_is_told_by_every_shard(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a.test/b:1\na.test/B\n")
    with pytest.raises(InvalidInput) as caught:
        read_part([], [str(tmp_path / "one")], Shard(index=2, count=2))
    assert caught.value.problems[0].startswith(f"{tmp_path}/one:2: 'a.test/B'")


@pytest.mark.parametrize(
    ("asked", "shard"),
    [
        pytest.param((None, None, None), None, id="all"),
        pytest.param(("2/3", None, None), "2/3", id="from-one"),
        pytest.param((None, 0, 3), "1/3", id="from-nought"),
        pytest.param((None, 2, 3), "3/3", id="the-last"),
    ],
)
def test_two_ways_to_ask_for_a_shard(asked: tuple[str | None, int | None, int | None], shard: str | None) -> None:
    found = Shard.asked(*asked)
    assert (None if found is None else str(found)) == shard


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        pytest.param(("1/3", 0, None), "give one of them", id="both-ways"),
        pytest.param((None, 0, None), "give both", id="no-count"),
        pytest.param((None, None, 3), "give both", id="no-index"),
        pytest.param((None, 3, 3), "0 <= I < N", id="from-one"),
    ],
)
def test_refuses_half_a_shard(asked: tuple[str | None, int | None, int | None], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Shard.asked(*asked)


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
