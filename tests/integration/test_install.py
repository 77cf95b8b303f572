"""The README's lines for a new machine, as they stand there, on new machines."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from scripts.readme import blocks
from tests.rig.debian import make_debian, out_of, run_in
from tests.rig.program import CHECKOUT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

CLONE: Final = "/srv/a checkout"
MIRROR_SET: Final = "tests/data/mirror-sets/real-17-openshift-oc.yaml"
REGISTRY_LINKS: Final = ("etc/systemd/system/*.wants/docker-registry*", "etc/rc[2345].d/S??docker-registry")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap and chroot take root"),
]


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def debian(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A Debian as it comes, with a clone of this checkout."""
    with tempfile.TemporaryDirectory(prefix="debian-", dir="/var/tmp") as directory:
        root = Path(directory) / request.param
        make_debian(root, request.param)
        aside = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*cache", ".hypothesis")
        shutil.copytree(CHECKOUT, f"{root}{CLONE}", ignore=aside)
        yield root


@pytest.fixture
def fresh(debian: Path) -> Iterator[Path]:
    """Such a machine for one test alone."""
    root = debian.with_name("fresh")
    out_of("cp", "-a", "--reflink=auto", debian, root)
    yield root
    shutil.rmtree(root)


def shown_by(test: str) -> str:
    """What the README shows and that test runs."""
    return "".join(blocks("tested-by", f"tests/integration/test_install.py::{test}"))


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def test_for_all_users(fresh: Path) -> None:
    out = said(run_in(fresh, shown_by("test_for_all_users"), directory=CLONE))
    assert "\nskopeo-mirror " in out
    assert "\nskopeo 1." in out
    assert "mirror:/var/lib/skopeo-mirror" in said(run_in(fresh, "getent passwd mirror | cut -d: -f1,6")).replace(
        "\n", ""
    )
    assert said(run_in(fresh, f"skopeo-mirror validate '{CLONE}/{MIRROR_SET}'", user="mirror"))
    page = said(run_in(fresh, "apt-get install -qq man-db >/dev/null; man skopeo-mirror"))
    assert "--stall-timeout DURATION" in page


def test_for_oneself(fresh: Path) -> None:
    said(run_in(fresh, shown_by("test_for_oneself"), directory=CLONE))
    out = said(run_in(fresh, f"skopeo-mirror --version; skopeo-mirror validate '{CLONE}/{MIRROR_SET}'"))
    assert out.startswith("skopeo-mirror ")


def test_the_quickstart(fresh: Path) -> None:
    """It installs what is missing in one go, and leaves no registry that starts with the machine."""
    refused = run_in(fresh, "scripts/quickstart", directory=CLONE, user="nobody")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr
    packages = refused.stderr.rpartition("install ")[2].split()

    done = run_in(fresh, "scripts/quickstart", directory=CLONE)
    assert '"changed": false' in said(done)
    assert f"Installing {' '.join(packages)}\n" in done.stderr
    assert done.stderr.count("Installing ") == 2, "packages, and .venv"
    assert [link for pattern in REGISTRY_LINKS for link in fresh.glob(pattern)] == []
    assert not (fresh / "usr/sbin/policy-rc.d").exists()
    assert list((fresh / "tmp").iterdir()) == []
