"""Runs the tool as its users do: a process of its own, with a home directory and an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .preloaded import can_start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .preloaded import Preloaded

CHECKOUT = Path(__file__).parents[2]


def install(directory: Path) -> Path:
    """Write `skopeo-mirror` there, as an installed program is: one file to run, which finds the checkout itself."""
    script = directory / "skopeo-mirror"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{CHECKOUT}" exec "{sys.executable}" -m skopeo_mirror "$@"\n')
    script.chmod(0o755)
    return script


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """How a run ended and what it wrote."""

    status: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """Return the JSON document on standard output (`--json`)."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """The tool in a directory of its own: `home` is HOME, the working directory is `directory`.

    Called, it is forked from `preloaded` where there is one and that makes no difference; `command` always starts anew.
    """

    directory: Path
    preloaded: Preloaded | None = None

    @property
    def home(self) -> Path:
        """Return the home directory, where a test puts a user's own files."""
        return self.directory / "home"

    def environment(self, overrides: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a run: nothing of the developer's but the paths that find the programs."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONWARNINGS": "error",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "SKOPEO_MIRROR_HEARTBEAT": "0",  # a slow machine's runs say no more than a fast one's
            **(overrides or {}),
        }

    def command(self, *arguments: object) -> list[str]:
        """Return the command line, for tests that start it themselves."""
        return [sys.executable, "-m", "skopeo_mirror", *map(str, arguments)]

    def __call__(
        self,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float | None = 300,
    ) -> Run:
        """Run to the end; `env` is laid over the clean environment, `timeout` (seconds) is a test's last resort."""
        if self.preloaded is not None and can_start(env or {}, stdin or ""):
            done = self.preloaded.run(
                [str(argument) for argument in arguments],
                env=self.environment(env),
                cwd=self.directory,
                stdin=stdin or "",
                timeout=timeout,
            )
            return Run(status=done.returncode, stdout=done.stdout, stderr=done.stderr)
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment(env),
            cwd=self.directory,
            input=stdin if stdin is not None else "",
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        return Run(status=done.returncode, stdout=done.stdout, stderr=done.stderr)
