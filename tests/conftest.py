"""What all tests share: unit tests start no process."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("no-clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no-clock")  # how busy a machine is decides over no test

INTEGRATION = Path(__file__).parent / "integration"
DOORS = [(subprocess, "Popen"), *((os, name) for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system"))]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `scripts/test --all`."""
    parser.addoption("--start-anew", action="store_true", help="load the tool for each run, in place of forking it")


@pytest.fixture(autouse=True, scope="module")
def _no_process_outside_integration(request: pytest.FixtureRequest) -> Iterator[None]:
    if INTEGRATION in request.path.parents:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for module, name in DOORS:
            patch.setattr(module, name, _refuse)
        yield


def _refuse(*_: object, **__: object) -> NoReturn:
    pytest.fail("a unit test starts a process; tests that do belong into tests/integration")
