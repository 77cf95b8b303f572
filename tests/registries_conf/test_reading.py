"""Reading files: the main file and its drop-ins, what a path may be, strictness."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import InvalidConfiguration
from skopeo_mirror.registries_conf import toml
from skopeo_mirror.registries_conf.reading import dropin_files, examine, read

if TYPE_CHECKING:
    from pathlib import Path

QUAY = '[[registry]]\nlocation = "quay.io"\n'
MIRROR = '[[registry.mirror]]\nlocation = "m.test"\n'


def test_a_later_file_replaces_a_whole_entry(tmp_path: Path) -> None:
    files = [tmp_path / "a.conf", tmp_path / "b.conf"]
    files[0].write_text(QUAY + MIRROR + '[[registry]]\nlocation = "a.test"\n')
    files[1].write_text(QUAY + "blocked = true\n")
    configuration = read(files).configuration
    assert [registry.prefix for registry in configuration.registries] == ["a.test", "quay.io"]
    quay = configuration.registries[1]
    assert (quay.mirrors, quay.blocked) == ((), True)
    assert quay.position is not None
    assert (quay.position.file, quay.position.line) == (str(files[1]), 1)
    assert configuration.files == tuple(map(str, files))
    assert configuration.sha256 == hashlib.sha256(files[0].read_bytes() + files[1].read_bytes()).hexdigest()


def test_other_settings_are_merged_as_containers_image_does(tmp_path: Path) -> None:
    files = [tmp_path / "a.conf", tmp_path / "b.conf"]
    files[0].write_text(
        'short-name-mode = "disabled"\ncredential-helpers = ["pass"]\nunqualified-search-registries = ["a.test/"]\n'
        '[aliases]\na = "a.test/a"\nb = "a.test/b"\n'
    )
    files[1].write_text('short-name-mode = ""\ncredential-helpers = []\n[aliases]\na = "b.test/a"\n')
    assert read(files).configuration.others == {
        "short-name-mode": "disabled",
        "credential-helpers": [],
        "unqualified-search-registries": ["a.test"],
        "aliases": {"a": "b.test/a", "b": "a.test/b"},
    }


def test_dropins_are_those_that_end_in_conf_by_name(tmp_path: Path) -> None:
    for name in ("b.conf", "a.conf", "B.conf", "a b.conf", "é.conf", ".conf", "x.conf~", "readme.txt"):
        (tmp_path / name).touch()
    (tmp_path / "dir.conf").mkdir()
    (tmp_path / "link.conf").symlink_to("a.conf")
    names = [file.name for file in dropin_files(tmp_path)]
    assert names == [".conf", "B.conf", "a b.conf", "a.conf", "b.conf", "link.conf", "é.conf"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda _: None, "No such file", id="missing"),
        pytest.param(lambda path: path.mkdir(), "Is a directory", id="directory"),
        pytest.param(lambda path: path.symlink_to("nowhere"), "No such file", id="dangling link"),
        pytest.param(
            lambda path: path.write_bytes(b"x = '\xff'"), ":1:6: no TOML: not UTF-8: byte 0xff", id="not UTF-8"
        ),
        pytest.param(lambda path: path.write_bytes(b"#" * (toml.SIZE_LIMIT + 1)), "longer than 16 MiB", id="too long"),
    ],
)
def test_what_cannot_be_read_is_an_error(tmp_path: Path, make: object, says: str) -> None:
    file = tmp_path / "r.conf"
    assert callable(make)
    make(file)
    examination = examine([file])
    assert examination.configuration is None
    (problem,) = examination.problems
    assert str(problem).startswith(str(file))
    assert says in str(problem)


def test_an_unreadable_file_does_not_hide_the_problems_of_others(tmp_path: Path) -> None:
    (tmp_path / "b.conf").write_text("x = [")
    assert len(examine([tmp_path / "a.conf", tmp_path / "b.conf"]).problems) == 2


def test_links_and_fifos_are_read(tmp_path: Path) -> None:
    (tmp_path / "real.conf").write_text(QUAY + MIRROR)
    (tmp_path / "link.conf").symlink_to("real.conf")
    os.mkfifo(tmp_path / "fifo")
    writer = threading.Thread(target=(tmp_path / "fifo").write_text, args=[QUAY + MIRROR])
    writer.start()
    fifo = read([tmp_path / "fifo"]).configuration
    writer.join()
    assert fifo.registries == read([tmp_path / "link.conf"]).configuration.registries


def test_strict_refuses_warnings(tmp_path: Path) -> None:
    file = tmp_path / "r.conf"
    file.write_text(QUAY + "foo = 1\nbar = 2\n")
    assert len(read([file]).problems) == 2
    with pytest.raises(InvalidConfiguration) as caught:
        read([file], strict=True)
    assert [problem.split(": ")[1] for problem in caught.value.problems] == [
        "registry[0] (quay.io).foo",
        "registry[0] (quay.io).bar",
    ]


def test_all_errors_are_raised_together(tmp_path: Path) -> None:
    file = tmp_path / "r.conf"
    file.write_text(QUAY + 'insecure = "no"\nfoo = 1\n[[registry]]\n')
    with pytest.raises(InvalidConfiguration) as caught:
        read([file])
    assert len(caught.value.problems) == 2
