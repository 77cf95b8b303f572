"""Fixtures of the integration tests: registries in their roles, the tool as a process, images, certificates."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.rig.certificates import Certificates, make_certificates
from tests.rig.images import Image, make_image
from tests.rig.preloaded import Preloaded
from tests.rig.program import Program
from tests.rig.registry import Pool, Registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Podman(Protocol):
    """Runs podman with the given arguments, `env` over the environment, on a storage that ends with the test."""

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]: ...


LONG = ("examples", "benchmark", "readme", "living_truth", "package")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left with it when the others are done."""
    items.sort(key=lambda item: item.path.stem.removeprefix("test_") not in LONG)


@pytest.fixture(autouse=True, scope="session")
def _as_in_the_foreground() -> None:
    """A background job of a script ignores these, and would hand that on to what the tests start."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Return registries to lend to one test after the other."""
    pool = Pool(tmp_path_factory.mktemp("registries"))
    yield pool
    pool.close()


@pytest.fixture
def mirror(registries: Pool) -> Iterator[Registry]:
    """Return the first mirror: empty, plain HTTP."""
    with registries.lend() as registry:
        yield registry


@pytest.fixture
def second_mirror(registries: Pool) -> Iterator[Registry]:
    with registries.lend() as registry:
        yield registry


@pytest.fixture
def origin(registries: Pool) -> Iterator[Registry]:
    """Return the original location."""
    with registries.lend() as registry:
        yield registry


@pytest.fixture
def destination(registries: Pool) -> Iterator[Registry]:
    with registries.lend() as registry:
        yield registry


@pytest.fixture(scope="session")
def preloaded(request: pytest.FixtureRequest) -> Iterator[Preloaded | None]:
    """Return what the tool is forked from; with `--start-anew` None: each run loads it, as users' do."""
    if request.config.getoption("start_anew"):
        yield None
        return
    with Preloaded(Program(directory=Path("/")).environment()) as loaded:
        yield loaded


@pytest.fixture
def skopeo_mirror(tmp_path: Path, preloaded: Preloaded | None) -> Program:
    """Return the tool, to be called with its arguments; it works in a directory that holds nothing but its home."""
    program = Program(directory=tmp_path / "work", preloaded=preloaded)
    program.home.mkdir(parents=True)
    return program


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def image() -> Image:
    """Return a small image: a config and two layers."""
    return make_image("small", layers=2)


@pytest.fixture
def podman() -> Iterator[Podman]:
    """Return podman on a vfs storage of its own, below /tmp: it refuses a run root of more than 50 characters."""
    directory = Path(tempfile.mkdtemp(prefix="podman-", dir="/tmp"))
    storage = ["--root", str(directory / "root"), "--runroot", str(directory / "run"), "--storage-driver", "vfs"]

    def run(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["podman", *storage, *arguments],
            env=os.environ | (env or {}),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    yield run
    subprocess.run(["chmod", "-R", "u+rwX", directory], check=True)  # layers hold directories that are not writable
    shutil.rmtree(directory)
