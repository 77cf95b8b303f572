"""The package as people get it: built from a clean tree, installed where nothing else is, and at work from there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_copy import FIRST_CONFIGURATION, replaced
from tests.rig.copying import PLAIN, configure, holds, pin_tag
from tests.rig.program import CHECKOUT, Program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig.images import Image
    from tests.rig.registry import Registry


def out_of(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command and return what it prints; where it fails, say what it said."""
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def make_environment(directory: Path) -> Path:
    """Make an empty virtual environment; return the directory of its programs."""
    out_of(sys.executable, "-m", "venv", directory)
    return directory / "bin"


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone has that a build needs."""
    directory = tmp_path_factory.mktemp("clone") / "skopeo-mirror"
    directory.mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(CHECKOUT / name, directory)
    shutil.copytree(CHECKOUT / "skopeo_mirror", directory / "skopeo_mirror", ignore=shutil.ignore_patterns("*.pyc"))
    return directory


@pytest.fixture(scope="module")
def tools(clean: Path) -> Path:
    """The programs of an environment that can build."""
    programs = make_environment(clean.parent / "tools")
    out_of(programs / "pip", "install", "hatchling")
    return programs


@pytest.fixture(scope="module")
def wheel(clean: Path, tools: Path) -> Path:
    out_of(tools / "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", clean.parent, clean)
    [built] = clean.parent.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def sdist(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of this checkout, unpacked."""
    directory = tmp_path_factory.mktemp("sdist")
    script = "import sys; from hatchling.build import build_sdist; build_sdist(sys.argv[1])"
    out_of(tools / "python", "-c", script, directory, cwd=CHECKOUT)
    [archive] = directory.glob("*.tar.gz")
    out_of("tar", "--extract", "--file", archive, "--directory", directory)
    return archive.with_name(archive.name.removesuffix(".tar.gz"))


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The program in an environment that has nothing but the wheel and what it asks for."""
    programs = make_environment(wheel.parent / "environment")
    out_of(programs / "pip", "install", wheel)
    return programs / "skopeo-mirror"


def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = CHECKOUT / "skopeo_mirror"
    [manual] = {name for name in packed if not name.startswith("skopeo_mirror/")}
    assert manual.endswith(".data/data/share/man/man1/skopeo-mirror.1")
    assert packed - {manual} == {
        str(file.relative_to(CHECKOUT))
        for file in package.rglob("*")
        if file.is_file() and file.suffix not in {".pyc", ".1"}
    }
    assert {"skopeo_mirror/py.typed", "skopeo_mirror/output/report.schema.json"} <= packed


def test_the_metadata_say_what_a_package_index_shows(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Name"] == "skopeo-mirror"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).startswith("# skopeo-mirror")
    asked = [text for text in metadata.get_all("Requires-Dist") or [] if "extra ==" not in text]
    assert {re.split(r"[<>=]", text)[0] for text in asked} == {"sh", "tomlkit", "typer"}


def test_nothing_compiled_comes_along(installed: Path) -> None:
    """So that it installs, and starts fast, on every machine that has a Python."""
    assert list(installed.parents[1].glob("lib/*/site-packages/typer"))
    assert not list(installed.parents[1].rglob("*.so"))


def test_quickstart(
    installed: Path, skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
) -> None:
    """What scripts/quickstart shows, with the program that `pip install` gives."""
    mirror.push("xx/app", image)
    redirect = replaced(FIRST_CONFIGURATION, {"preprodlocation.com": mirror.host})
    configure(
        skopeo_mirror, redirect.replace(f'"{mirror.host}/xx"\ninsecure = false', f'"{mirror.host}/xx"\ninsecure = true')
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(skopeo_mirror.home), "PYTHONWARNINGS": "error"}
    wanted = f"prodlocation.io/xx/app@{image.digest}"
    command = ["copy", "-r", "registries.conf", PLAIN, wanted, f"docker://{destination.host}/test"]
    said = out_of(installed, *command, env=environment, cwd=skopeo_mirror.directory)
    assert said.startswith(f"copied {wanted} from {mirror.host}/xx/app (mirror) to ")
    assert holds(destination, "test/xx/app", pin_tag(image), image)
    assert out_of(installed, *command, env=environment, cwd=skopeo_mirror.directory).startswith("present ")


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man")
def test_man_shows_its_page(installed: Path) -> None:
    """It is found by the program's place on PATH alone."""
    environment = {"PATH": f"{installed.parent}:{os.environ['PATH']}", "LANG": "C.UTF-8", "MANWIDTH": "80"}
    shown = " ".join(out_of("man", "skopeo-mirror", env=environment).split())
    assert "--stall-timeout DURATION" in shown
    assert "SKOPEO_MIRROR_RETRIES=5" in shown


def test_the_source_distribution_has_all_that_its_tests_need(sdist: Path) -> None:
    mine = {file.relative_to(sdist) for file in sdist.rglob("*")}
    for top in ("skopeo_mirror", "tests", "scripts", "containers", ".ci"):
        there = {file.relative_to(CHECKOUT) for file in (CHECKOUT / top).rglob("*") if "__pycache__" not in file.parts}
        assert there - mine == set()
    assert not {file for file in mine if file.parts[0].startswith(".venv") or file.suffix == ".pyc"}


@pytest.mark.slow  # it loads every test
def test_the_tests_of_the_source_distribution_can_be_collected(sdist: Path) -> None:
    listed = out_of(sys.executable, "-m", "pytest", "--collect-only", "-qq", cwd=sdist)
    here = out_of(sys.executable, "-m", "pytest", "--collect-only", "-qq", cwd=CHECKOUT)
    assert listed == here


@pytest.mark.slow  # pipx comes from the network; that the package installs, the others tell
def test_pipx(clean: Path, tmp_path: Path) -> None:
    programs = make_environment(tmp_path / "pipx")
    out_of(programs / "pip", "install", "pipx")
    places = {"PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    out_of(programs / "pipx", "install", clean, env={**os.environ, **places})
    assert out_of(tmp_path / "bin" / "skopeo-mirror", "--version").startswith("skopeo-mirror ")
