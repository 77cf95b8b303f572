# ruff: noqa: INP001, S603, T201 - a script for people: it prints, and starts the program that it shows
"""The main job for real: an image named after production comes from a mirror, and the tool says so.

Two registries on loopback: the mirror, which alone has the image, and the destination. Production need not exist.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scripts.ending import end_cleanly
from tests.rig.images import make_image, make_layer
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from tests.rig.images import Image

REDIRECT = """\
[[registry]]
location = "prodlocation.io/xx"
insecure = false
blocked = false
mirror-by-digest-only = true
prefix = ""
[[registry.mirror]]
location = "{mirror}/xx"
insecure = true  # this mirror speaks plain HTTP
"""


def main() -> None:
    """Show the job twice: first the mirror serves, then there is nothing left to do."""
    with (
        TemporaryDirectory(prefix="skopeo-mirror-quickstart-") as name,
        Registry(Path(name) / "mirror") as mirror,
        Registry(Path(name) / "destination") as destination,
    ):
        directory = Path(name)
        image = busybox()
        mirror.push("xx/busybox", image)
        heading("Two registries on this machine")
        print(f"the mirror, {mirror.host}, has xx/busybox@{image.digest}")
        print(f"the destination, {destination.host}, has nothing")

        heading("registries.conf: what is named after production is pulled from the mirror")
        redirect = REDIRECT.format(mirror=mirror.host)
        (directory / "registries.conf").write_text(redirect)
        print(redirect, end="")

        heading("Copy")
        reference = f"prodlocation.io/xx/busybox@{image.digest}"
        report = copy(directory, reference, f"docker://{destination.host}/example/test")
        [entry] = report["images"]
        asked = len(mirror.requests())

        heading("From its report: who served it, and how that is known")
        kept = ("image", "digest", "destination", "status", "confirmed", "served_by", "attempts")
        print(json.dumps({"summary": report["summary"], "images": [{key: entry[key] for key in kept}]}, indent=2))
        print(f"The mirror's access log has {asked} requests.")

        heading("Again: nothing moves")
        mirror.forget()
        again = copy(directory, reference, f"docker://{destination.host}/example/test")
        print(f'In the report: "changed": {json.dumps(again["changed"])}.')
        print(f"The mirror's access log has {len(mirror.requests())} requests.")

        served = entry["served_by"]["location"] == f"{mirror.host}/xx"
        if not served or again["changed"] or mirror.requests():
            sys.exit("This is not what should have happened.")


def busybox() -> Image:
    """Make an image of one layer: the statically linked busybox of this machine, as /bin/sh and a few others."""
    program = shutil.which("busybox")
    if program is None:
        sys.exit("there is no busybox here")
    links = {f"bin/{name}": "busybox" for name in ("sh", "ls", "cat", "echo")}
    return make_image("busybox", layers=[make_layer({"bin/busybox": Path(program).read_bytes()}, links)])


def copy(directory: Path, reference: str, destination: str) -> dict[str, Any]:
    """Show the command, run it, and return its report."""
    options = ["-r", "registries.conf", "--dest-tls-verify=false", "--report", "report.json"]
    command = ["skopeo-mirror", "copy", *options, reference, destination]
    print("$", shlex.join(command), flush=True)
    program = Path(sys.executable).with_name("skopeo-mirror")
    subprocess.run([program, *command[1:]], cwd=directory, check=True)
    report: dict[str, Any] = json.loads((directory / "report.json").read_bytes())
    return report


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n=== {text}\n", flush=True)


if __name__ == "__main__":
    end_cleanly()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
