"""The scripts for people where something is missing, refused, or ended early: a line of words, and nothing left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.rig.background import alive, until
from tests.rig.program import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = ("quickstart", "test", "bench", "readme")
WITHIN = 30.0  # seconds; it takes one


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment that has what the scripts' first lines need and, but for /usr/sbin, nothing else."""
    (tmp_path / "bin").mkdir()
    for name in ("bash", "env", "dirname", "readlink", "nproc"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / "bin" / name).symlink_to(found)
    return {"PATH": f"{tmp_path}/bin"}


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody can read, with what a clone has."""
    with tempfile.TemporaryDirectory(prefix="public-", dir="/var/tmp") as directory:
        checkout = Path(directory) / "checkout"
        shutil.copytree(CHECKOUT / "scripts", checkout / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(CHECKOUT / "pyproject.toml", checkout)
        Path(directory).chmod(0o755)
        yield checkout


def run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> tuple[int, str]:
    """Return the exit status and what was said on standard error."""
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, encoding="utf-8", check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_all_that_is_missing_is_named_in_one_line(bare: dict[str, str], script: str) -> None:
    status, words = run(CHECKOUT / "scripts" / script, env=bare)
    assert (status, words.count("\n")) == (1, 1), words
    assert words.startswith(f"{script}: please install what is missing here: skopeo docker-registry ")
    packages = words.split()
    assert len(packages) == len(set(packages))
    assert "util-linux" in packages


def test_a_link_to_a_script_is_the_script(bare: dict[str, str], tmp_path: Path) -> None:
    link = tmp_path / "try-it"
    link.symlink_to(CHECKOUT / "scripts" / "quickstart")
    status, words = run(link, env=bare, cwd=tmp_path)
    assert (status, "please install what is missing here" in words) == (1, True), words


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_checkout_that_belongs_to_somebody_else(public: Path) -> None:
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    status, words = run(*nobody, public / "scripts" / "readme")
    assert (status, words.count("\n")) == (1, 1), words
    assert words == f"readme: {public}: .venv cannot be made there; copy the checkout to a directory of your own\n"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.readme", "--check"],
        cwd=CHECKOUT,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until(lambda: list(temporary.glob("*/mirror/storage/*")), WITHIN)  # its registries run by then
            process.send_signal(number)
            assert process.wait(WITHIN) == 128 + number
        finally:
            process.kill()
    assert list(temporary.iterdir()) == []
    until(lambda: not alive(f"={temporary}/"), WITHIN)  # the kernel ends one that was just being started
