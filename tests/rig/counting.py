"""Real skopeo, and what it is started for."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Counting:
    """Real skopeo, started by a script that writes down what it is started for; `proxy` is done for a proxy instead.

    What one is asked of this host's own files, once a run, is not written down.
    """

    def __init__(self, directory: Path, proxy: str = "") -> None:
        self._log = directory / "started"
        self.path = directory / "counting-skopeo"
        real = shutil.which("skopeo")
        self.path.write_text(
            f'#!/bin/sh\ncase "$*" in *//nobody.invalid/*) exec {real} "$@";; esac\n'
            'for word; do case "$word" in inspect|copy|experimental-image-proxy) '
            f'echo "$word" >>"{self._log}"; break;; esac; done\n'
            f'case "$*" in *experimental-image-proxy*) {proxy or ":"};; esac\nexec {real} "$@"\n'
        )
        self.path.chmod(0o755)

    def started(self) -> list[str]:
        """Return what it was started for since the last time."""
        if not self._log.exists():
            return []
        words = self._log.read_text().split()
        self._log.unlink()
        return words
