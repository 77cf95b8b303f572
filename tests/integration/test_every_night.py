"""What the README has run every night: by cron, whose environment is all but empty, and by systemd."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from scripts.readme import blocks
from tests.rig.copying import configure, entry, holds, pin_tag
from tests.rig.program import install

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

FIELDS = 5  # minute, hour, day of month, month, day of week


@pytest.fixture
def here(skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image) -> Callable[[str], str]:
    """A machine with all in its place, but below a directory; and what the README says of a file, as it is here."""
    etc, home, programs = (skopeo_mirror.directory / name for name in ("etc", "home", "bin"))
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host), entry(destination.host))
    etc.mkdir()
    (skopeo_mirror.directory / "registries.conf").rename(etc / "registries.conf")
    (etc / "images.txt").write_text(f"prod.invalid/ns/app@{image.digest}\n")
    (etc / "auth.json").write_text("{}")
    programs.mkdir()
    install(programs)
    places = {
        "/etc/skopeo-mirror": str(etc),
        "/var/lib/skopeo-mirror": str(home),
        "/var/lib/prometheus/node-exporter": str(home),
        "/usr/local/bin": str(programs),
        "registry.example.com": destination.host,
        "User=mirror": "User=root",
    }

    def shown(name: str) -> str:
        [text] = blocks("file", name)
        for there, place in places.items():
            text = text.replace(there, place)
        return text

    (etc / "environment").write_text(shown("environment"))
    return shown


def run(program: Program, command: list[str], environment: dict[str, str]) -> None:
    """Run it with nothing but that environment; what is printed would be a mail."""
    done = subprocess.run(
        command,
        env={"HOME": str(program.home), "LOGNAME": "mirror", "SHELL": "/bin/sh", **environment},
        cwd=program.home,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def reported(program: Program) -> list[str]:
    report = json.loads((program.home / "report.json").read_bytes())
    return [image["status"] for image in report["images"]]


def test_by_cron(skopeo_mirror: Program, here: Callable[[str], str], destination: Registry, image: Image) -> None:
    lines = [line for line in here("cron").splitlines() if not line.startswith("#")]
    settings = [line for line in lines if re.match(r"\w+=", line)]
    [job] = [line for line in lines if line not in settings]
    user, command = job.split(maxsplit=FIELDS + 1)[FIELDS:]
    assert user == "mirror"
    assert "%" not in command, "cron takes it for the end of the line"
    environment = {"PATH": "/usr/bin:/bin"} | dict(line.split("=", 1) for line in settings)
    run(skopeo_mirror, ["/bin/sh", "-c", command], environment)
    assert reported(skopeo_mirror) == ["copied"]
    assert holds(destination, "mirror/ns/app", pin_tag(image), image)
    assert (skopeo_mirror.home / "failed.txt").read_text() == ""


def test_by_systemd(skopeo_mirror: Program, here: Callable[[str], str], destination: Registry, image: Image) -> None:
    unit = dict(line.split("=", 1) for line in here("skopeo-mirror.service").splitlines() if re.match(r"\w+=", line))
    lines = (skopeo_mirror.directory / "etc/environment").read_text().splitlines()
    assert unit["EnvironmentFile"] == str(skopeo_mirror.directory / "etc/environment")
    environment = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    run(skopeo_mirror, shlex.split(unit["ExecStart"]), environment | {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    assert reported(skopeo_mirror) == ["copied"]
    assert holds(destination, "mirror/ns/app", pin_tag(image), image)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_finds_no_fault_with_the_units(skopeo_mirror: Program, here: Callable[[str], str]) -> None:
    units: list[Path] = []
    for name in ("skopeo-mirror.service", "skopeo-mirror.timer"):
        units.append(skopeo_mirror.directory / name)
        units[-1].write_text(here(name))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
