"""Stage, then publish: what is visible when, and one at a time."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import DestinationRefused
from skopeo_mirror.transfer.destination import staging
from skopeo_mirror.transfer.destination.directory import DirectoryDestination
from skopeo_mirror.transfer.destination.place import NamingRules
from skopeo_mirror.transfer.destination.staging import StagedDestination, publish_directory

if TYPE_CHECKING:
    from pathlib import Path


def staged(directory: Path) -> StagedDestination:
    return DirectoryDestination(directory, NamingRules())


def test_a_staging_area_is_private_inside_and_gone_afterwards(tmp_path: Path) -> None:
    one = staged(tmp_path)
    one.open()
    with one.area() as area, one.area() as other:
        assert area.is_relative_to(tmp_path)
        assert area != other
        (top,) = tmp_path.iterdir()
        assert top.name.startswith(".")
        assert stat.S_IMODE(top.stat().st_mode) == 0o700
        (area / "x").write_text("x")
    assert not area.exists()
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_what_was_made_for_nothing_is_removed(tmp_path: Path) -> None:
    one = staged(tmp_path / "a/b/c")
    one.open()
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_what_holds_something_stays(tmp_path: Path) -> None:
    one = staged(tmp_path / "a/b/c")
    one.open()
    (tmp_path / "a/b/other").mkdir()
    one.close()
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["other"]


def test_what_was_there_before_stays(tmp_path: Path) -> None:
    one = staged(tmp_path)
    one.open()
    one.close()
    assert tmp_path.exists()


def test_a_root_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DestinationRefused, match="cannot be written to"):
        staged(tmp_path / "file/images").open()


def test_what_a_killed_run_has_left_is_cleared_and_a_living_ones_is_not(tmp_path: Path) -> None:
    (tmp_path / ".skopeo-mirror-run-dead").mkdir()
    (tmp_path / ".skopeo-mirror-run-dead/x").write_text("x")
    living = staged(tmp_path)
    living.open()
    (kept,) = tmp_path.iterdir()
    following = staged(tmp_path)
    following.open()
    assert kept.exists()
    assert not (tmp_path / ".skopeo-mirror-run-dead").exists()
    following.close()
    living.close()


def test_a_link_is_not_followed_while_clearing(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root/.skopeo-mirror-run-x").symlink_to(tmp_path / "precious")
    one = staged(tmp_path / "root")
    one.open()
    one.close()
    assert (tmp_path / "precious").exists()


def test_one_thread_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    one = staged(tmp_path)
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with one.locked():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80


def test_another_run_waits_for_the_lock(tmp_path: Path) -> None:
    """Two runs, as two staging areas in two threads: flock(2) holds between open files, not between processes."""
    entered = threading.Event()

    def other_run() -> None:
        with staged(tmp_path).locked():
            entered.set()

    thread = threading.Thread(target=other_run)
    with staged(tmp_path).locked():
        thread.start()
        assert not entered.wait(0.05)
    thread.join()
    assert entered.is_set()


def test_the_lock_leaves_no_file_and_is_free_afterwards(tmp_path: Path) -> None:
    with staged(tmp_path).locked():
        pass
    assert list(tmp_path.iterdir()) == []
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)


@pytest.mark.parametrize("swaps", [pytest.param(True, id="swap"), pytest.param(False, id="file-system-without-swap")])
@pytest.mark.parametrize("there", [pytest.param(True, id="replaces"), pytest.param(False, id="new")])
def test_publishes_a_directory(swaps: bool, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not swaps:
        monkeypatch.setattr(staging, "_exchanged", lambda *_: False)
    staged, place = tmp_path / "staged", tmp_path / "a/b"
    staged.mkdir()
    (staged / "file").write_text("new")
    if there:
        place.mkdir(parents=True)
        (place / "file").write_text("old")
        (place / "more").write_text("old")
    publish_directory(staged, place)
    assert {path.name: path.read_text() for path in place.iterdir()} == {"file": "new"}
    assert staged.exists() is there
    assert not there or (staged / "file").read_text() == "old"


def test_what_was_there_is_there_until_its_successor_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One exchange, no renames one after the other: between two of them there would be nothing at the place."""
    staged, place = tmp_path / "staged", tmp_path / "place"
    for directory in (staged, place):
        directory.mkdir()
        (directory / "file").write_text(directory.name)

    def refuse(*_: object) -> None:
        pytest.fail("something is moved away before its successor is there")

    monkeypatch.setattr(type(tmp_path), "rename", refuse)
    monkeypatch.setattr(os, "rename", refuse)
    publish_directory(staged, place)
    assert [(directory / "file").read_text() for directory in (staged, place)] == ["place", "staged"]


@pytest.mark.parametrize(
    ("number", "swaps"),
    [
        pytest.param(errno.ENOSYS, False, id="kernel-without-it"),
        pytest.param(errno.EINVAL, False, id="file-system-without-it"),
        pytest.param(errno.EACCES, None, id="forbidden"),
    ],
)
def test_only_what_cannot_swap_is_done_in_steps(
    number: int, swaps: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else is wrong would be wrong with a rename, too, and leave nothing at the place."""
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(renameat2=lambda *_: -1))
    monkeypatch.setattr(ctypes, "get_errno", lambda: number)
    staged, place = tmp_path / "staged", tmp_path / "place"
    staged.mkdir()
    place.mkdir()
    (place / "old").touch()
    if swaps is None:
        with pytest.raises(OSError, match=os.strerror(number)):
            publish_directory(staged, place)
    else:
        publish_directory(staged, place)
    assert (place / "old").exists() is (swaps is None)
