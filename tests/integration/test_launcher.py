"""The launcher: what it starts, how that ends, and that nothing outlives the tool or the launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.skopeo.command import COLLECTOR, Runs
from tests.rig.copying import configure, copy, entry
from tests.rig.skopeos import Noting
from tests.rig.trees import wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from skopeo_mirror.skopeo.supervision import Process
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

PATIENCE = 10.0  # seconds; a last resort


def test_no_thread_starts_while_the_interpreter_ends() -> None:
    """CPython 3.12.0 to 3.12.2 refuse it, with a traceback."""
    script = """if True:
        import atexit, os, threading
        from skopeo_mirror.skopeo.command import find

        def start(thread):
            raise RuntimeError("can't create new thread at interpreter shutdown")

        find(None, os.environ)
        atexit.register(setattr, threading.Thread, "start", start)
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def runs() -> Runs:
    return Runs(os.environ)


@contextmanager
def shell(runs: Runs, script: str) -> Iterator[tuple[Process, int]]:
    """Start a shell script; its process, and the descriptor to read its output from."""
    read, write = os.pipe()
    with open(os.devnull, "wb") as log:  # noqa: PTH123 - a descriptor is wanted
        process = runs.start(["/bin/sh", "-c", script], write, log.fileno())
    os.close(write)
    try:
        yield process, read
    finally:
        os.close(read)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} is still there")


@pytest.mark.parametrize(
    ("script", "status"),
    [
        pytest.param("exit 0", 0, id="success"),
        pytest.param("exit 7", 7, id="failure"),
        pytest.param("kill -9 $$", -9, id="signal"),
    ],
)
def test_tells_how_a_process_ended(runs: Runs, script: str, status: int) -> None:
    with shell(runs, script) as (process, _):
        assert process.wait() == status


def test_a_program_that_cannot_be_started_is_an_error(runs: Runs) -> None:
    with open(os.devnull, "wb") as log, pytest.raises(OSError, match="No such file"):  # noqa: PTH123
        runs.start(["/no/such/program"], log.fileno(), log.fileno())


@pytest.mark.parametrize(
    ("environment", "defaults", "has"),
    [
        pytest.param({}, COLLECTOR, "400", id="one-that-ends-soon"),
        pytest.param({}, {}, "none", id="one-that-stays"),
        pytest.param({"GOGC": "50"}, COLLECTOR, "50", id="the-environment-has-its-own"),
    ],
)
def test_the_environment_wins_over_defaults(environment: dict[str, str], defaults: Mapping[str, str], has: str) -> None:
    read, write = os.pipe()
    with open(read, "rb") as output, open(write, "wb") as ours:  # noqa: PTH123 - descriptors are wanted
        command = ["/bin/sh", "-c", "echo ${GOGC-none}"]
        Runs(environment).start(command, ours.fileno(), ours.fileno(), defaults=defaults)
        ours.close()
        assert output.read().decode() == f"{has}\n"


def test_a_skopeo_that_stays_collects_as_go_does_by_itself(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    noting = Noting(skopeo_mirror, holds="*", then='echo "${GOGC-none} $*" >> collectors')
    copy(skopeo_mirror, f"--skopeo={noting.path}", wanted(image), f"docker://{destination.host}")
    noted = (skopeo_mirror.directory / "collectors").read_text().splitlines()
    assert {line.split()[0] for line in noted if "image-proxy" in line} == {"none"}
    assert {line.split()[0] for line in noted if "image-proxy" not in line} == {COLLECTOR["GOGC"]}


def test_each_leads_a_group_of_its_own(runs: Runs) -> None:
    with shell(runs, "sleep 60") as (process, _):
        assert os.getpgid(process.pid) == process.pid
        runs.kill()
        assert process.wait() == -signal.SIGKILL


def test_what_does_not_heed_the_signal_that_ended_its_leader_is_ended(runs: Runs) -> None:
    with shell(runs, "(trap '' TERM; echo ready; sleep 60; sleep 60) & echo $!; wait") as (process, output):
        said = b""
        while said.count(b"\n") < 2:
            said += os.read(output, 100)
        child = next(int(word) for word in said.split() if word != b"ready")
        runs.stop()
        assert process.wait() == -signal.SIGTERM
        wait_until_gone(child)


def test_nothing_outlives_a_launcher_that_is_killed(runs: Runs) -> None:
    with shell(runs, "sleep 60") as (process, _):
        os.kill(parent_of(process.pid), signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        wait_until_gone(process.pid)
    with open(os.devnull, "wb") as log, pytest.raises(OSError, match=r"launcher|pipe|reset"):  # noqa: PTH123
        runs.start(["/bin/true"], log.fileno(), log.fileno())


def test_what_is_started_after_a_stop_is_ended(runs: Runs) -> None:
    runs.stop()
    with shell(runs, "sleep 60") as (process, _):
        assert process.wait() == -signal.SIGTERM
