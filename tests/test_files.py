"""Files that are whole or not there, and directories that are gone with the run."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.files import (
    IrregularFile,
    TooLarge,
    check_link,
    hash_regular,
    home_directory,
    open_regular,
    private_directory,
    read_regular,
    size_of_regular,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def fail_to_replace(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_writes_a_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_atomically(tmp_path / "report.json", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"report.json": b"new"}


def test_writes_a_file_in_pieces(tmp_path: Path) -> None:
    write_atomically(tmp_path / "report.json", iter([b"n", b"", b"ew"]))
    assert (tmp_path / "report.json").read_bytes() == b"new"


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "any").write_bytes(b"")
    write_atomically(tmp_path / "report.json", b"new")
    assert mode(tmp_path / "report.json") == mode(tmp_path / "any")


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o640


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old"


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail_to_replace)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"report.json": b"old"}


def test_the_unfinished_file_can_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "area").mkdir()
    seen: list[list[str]] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append([path.name for path in tmp_path.iterdir()]))
    write_atomically(tmp_path / "index.json", b"new", via=tmp_path / "area")
    assert seen == [["area"]]
    assert list((tmp_path / "area").iterdir()) == []


def test_of_a_link_the_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("deep/real")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "deep/real").read_bytes() == b"new"


def test_what_is_no_regular_file_is_written_to_and_stays(tmp_path: Path) -> None:
    """As `--failed-images /dev/null` needs it; a FIFO of our own, so that broken code can break no device."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(fifo, b"new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert fifo.is_fifo()


def test_a_directory_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere/report.json", b"new")


def test_a_private_directory_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with private_directory(tmp_path) as directory:
        (directory / "deep").mkdir()
        (directory / "deep/file").write_bytes(b"x")
        assert directory.parent == tmp_path
        assert mode(directory) == 0o700
    assert list(tmp_path.iterdir()) == []


def test_a_private_directory_is_gone_after_an_error_too(tmp_path: Path) -> None:
    def fail() -> None:
        with private_directory(tmp_path):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_has_left_is_cleared_and_a_living_ones_is_not(tmp_path: Path) -> None:
    (tmp_path / ".skopeo-mirror-run-killed").mkdir()
    (tmp_path / "other").mkdir()
    with private_directory(tmp_path) as one, private_directory(tmp_path) as two:
        assert {path.name for path in tmp_path.iterdir()} == {one.name, two.name, "other"}


def test_what_another_user_has_left_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".skopeo-mirror-run-killed").mkdir()
    for who_am_i in ("getuid", "geteuid"):
        monkeypatch.setattr(os, who_am_i, lambda: tmp_path.stat().st_uid + 1)
    with private_directory(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".skopeo-mirror-run-killed"]


def test_the_umask_is_as_it_was(tmp_path: Path) -> None:
    before = os.umask(0o022)
    write_atomically(tmp_path / "report.json", b"new")
    mask = os.umask(before)
    assert mask == 0o022


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


@pytest.mark.parametrize("make", [fifo, device, unix_socket, pytest.param(Path.mkdir, id="directory")])
def test_what_is_no_file_is_never_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "x"
    make(path)
    for read in (open_regular, lambda it: read_regular(it, at_most=1), lambda it: hash_regular(it, "sha256")):
        with pytest.raises(IrregularFile) as raised:
            read(path)
        assert raised.value.filename == str(path)
        assert raised.value.strerror in {"Is no regular file", "Is a directory"}
    assert size_of_regular(path) is None


def test_reads_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(path)
    assert read_regular(tmp_path / "link", at_most=5) == b"12345"
    assert size_of_regular(tmp_path / "link") == 5
    with pytest.raises(TooLarge):
        read_regular(path, at_most=4)
    os.truncate(path, 1 << 40)
    with pytest.raises(TooLarge, match="Is larger than 4 MiB"):
        read_regular(path, at_most=4 << 20)


def test_a_file_that_grows_while_it_is_read_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")

    def smaller(handle: int) -> os.stat_result:
        found = list(os.stat(handle))
        found[6] = 1
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", smaller)
    with pytest.raises(TooLarge):
        read_regular(path, at_most=4)


def test_hashes_a_file_of_any_size_and_stops_when_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * 3_000_000)
    assert hash_regular(path, "sha512") == hashlib.sha512(b"x" * 3_000_000).hexdigest()
    answers = iter([False, True])
    with pytest.raises(InterruptedError):
        hash_regular(path, "sha256", stopped=lambda: next(answers))
    assert list(answers) == []


def test_what_a_killed_run_has_left_beside_a_file_is_cleared_by_the_next(tmp_path: Path) -> None:
    for name in ("report.json-dead", "other.json-dead"):
        (tmp_path / f".skopeo-mirror-file-{name}").write_bytes(b"half")
    with (tmp_path / ".skopeo-mirror-file-report.json-living").open("wb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        write_atomically(tmp_path / "report.json", b"new")
        assert {path.name for path in tmp_path.iterdir()} == {
            "report.json",
            ".skopeo-mirror-file-other.json-dead",
            ".skopeo-mirror-file-report.json-living",
        }


def test_an_error_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail_to_replace)
    with pytest.raises(OSError, match="No space left") as error:
        write_atomically(tmp_path / "report.json", b"new")
    assert error.value.filename == str(tmp_path / "report.json")


@pytest.mark.parametrize("path", ["link", "linked/report.json", "own", "fifo"])
@pytest.mark.parametrize("mode", [pytest.param(0o1777, id="shared"), pytest.param(0o755, id="not-shared")])
def test_what_a_stranger_planted_in_a_shared_directory_is_refused(tmp_path: Path, path: str, mode: int) -> None:
    """The stranger owns what is there, neither we nor the directory's owner do."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "victim").mkdir()
    (shared / "link").symlink_to(tmp_path / "victim/report.json")
    (shared / "linked").symlink_to(tmp_path / "victim")
    (tmp_path / "link").symlink_to("shared/link")
    (shared / "own").symlink_to(tmp_path / "link")
    os.mkfifo(shared / "fifo")
    shared.chmod(mode)
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for name in ("link", "linked", "fifo"):
        os.lchown(shared / name, 12345, 12345)
    if mode == 0o1777:
        with pytest.raises(PermissionError, match="planted"):
            check_link(shared / path)
        if path != "fifo":
            with pytest.raises(PermissionError, match="planted"):
                write_atomically(shared / path, b"x")
        assert list((tmp_path / "victim").iterdir()) == []
    else:
        check_link(shared / path)


def test_a_link_of_ones_own_in_a_shared_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    (tmp_path / "shared/link").symlink_to("../report.json")
    write_atomically(tmp_path / "shared/link", b"new")
    assert (tmp_path / "report.json").read_bytes() == b"new"


def test_a_home_that_nobody_knows_is_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for skopeo, which loads `.config/containers/registries.conf` then."""
    assert home_directory({"HOME": "/home/me"}) == Path("/home/me")
    assert home_directory({}) == Path(pwd.getpwuid(os.getuid()).pw_dir)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert home_directory({"HOME": ""}) == Path()
