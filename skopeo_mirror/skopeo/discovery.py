"""The skopeo that is used: found on PATH or where it is said to be, and asked for its version."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror import __version__
from skopeo_mirror.errors import SkopeoUnusable
from skopeo_mirror.skopeo.command import Runs, Skopeo
from skopeo_mirror.skopeo.supervision import Timeouts, Transcript

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST: Final = (1, 9)
HOW_TO_GET: Final = (
    "install it (Debian, Ubuntu: apt install skopeo; Fedora, RHEL: dnf install skopeo; Alpine: apk add skopeo; "
    "macOS: brew install skopeo), or name one with --skopeo PATH"
)

# containers/image would merge these over the scoped file, or take one instead of it.
FOREIGN_CONFIGURATION: Final = ("CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE")


def find(named: str | None, environment: Mapping[str, str]) -> Skopeo:
    """The skopeo at a path, or the first on PATH that has that name, after asking for its version.

    Raises SkopeoUnusable when there is none, when it does not start, or when it is older than 1.9.
    """
    name = named or "skopeo"
    path = environment.get("PATH", os.defpath) or os.pathsep  # an empty one is this directory
    found = name if os.sep in name else shutil.which(name, os.F_OK, path)  # what is no program is told below
    if found is None:
        here = f" (the file in this directory is ./{name})" if Path(name).exists() else ""
        raise SkopeoUnusable(f"{name}: not found on PATH{here}; {HOW_TO_GET}")
    if not Path(found).exists():
        raise SkopeoUnusable(f"{found}: no such file; {HOW_TO_GET}")
    if not os.access(found, os.X_OK) or Path(found).is_dir():
        raise SkopeoUnusable(f"{found}: is not an executable program; {HOW_TO_GET}")
    inherited = {name: value for name, value in environment.items() if name not in FOREIGN_CONFIGURATION}
    skopeo = Skopeo(path=found, version="", environment=inherited, runs=Runs(inherited))
    tail = Transcript(limit=2000)
    run = skopeo.run(["--version"], watcher=tail, timeouts=Timeouts(stall=30.0))
    said = run.output.decode(errors="replace").strip()
    match = re.fullmatch(r"skopeo version (\d+\.\d+\S*)( .*)?", said)
    if run.status != 0 or match is None:
        words = (tail.text or said or "no output").splitlines()[0][:200]
        raise SkopeoUnusable(f"{found}: does not answer `--version` as skopeo does: {words}; {HOW_TO_GET}")
    skopeo = replace(skopeo, version=match[1])
    if skopeo.version_info < OLDEST:
        raise SkopeoUnusable(f"{found}: is skopeo {skopeo.version}; 1.9 or newer is needed; {HOW_TO_GET}")
    return skopeo


def versions(named: str | None) -> str:
    """The version of the program, and that of the skopeo that it finds, a line each. Raises as `find`."""
    found = find(named, os.environ)
    return f"skopeo-mirror {__version__}\nskopeo {found.version} ({found.path})"
