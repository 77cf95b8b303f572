"""The versions of the program and of the skopeo that it finds."""

from __future__ import annotations

import os

from skopeo_mirror import __version__
from skopeo_mirror.skopeo.discovery import find


def versions(skopeo: str | None) -> str:
    """Two lines; `skopeo` names the program, else the first on PATH is asked. Raises SkopeoUnusable."""
    found = find(skopeo, os.environ)
    return f"skopeo-mirror {__version__}\nskopeo {found.version} ({found.path})"
