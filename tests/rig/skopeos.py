"""The real skopeo behind scripts: its runs are noted or held back, or its copies do not heed SIGTERM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .background import alive, until

if TYPE_CHECKING:
    from pathlib import Path

    from .program import Program


class Noting:
    """The real skopeo behind a script that notes the arguments of each run, and that can hold runs back."""

    def __init__(self, program: Program, *, holds: str | None = None, then: str = "sleep 1000") -> None:
        """A run with `holds` among its arguments does `then` before anything else."""
        self._noted = program.directory / "noted"
        self.path: Path = program.directory / "noting"
        held = f'case " $* " in *{holds}*) {then};; esac\n' if holds else ""
        script = f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{self._noted}"\n{held}exec skopeo "$@"\n'
        self.path.write_text(script, encoding="utf-8")
        self.path.chmod(0o755)

    def copies(self) -> list[str]:
        """Return the arguments of each copy so far, in order."""
        noted = self._noted.read_text(encoding="utf-8").splitlines() if self._noted.exists() else []
        return [arguments for arguments in noted if " copy " in f" {arguments} "]


class Stubborn:
    """skopeo, but its copies, and their children, do not heed SIGTERM."""

    def __init__(self, program: Program) -> None:
        self.path: Path = program.directory / "stubborn"
        self._home = f"HOME={program.home}"
        copies = "trap '' TERM; sleep 1000 & wait; sleep 1000"
        self.path.write_text(f'#!/bin/sh\ncase " $* " in *" copy "*) {copies};; esac\nexec skopeo "$@"\n')
        self.path.chmod(0o755)

    def wait(self) -> None:
        """Wait for a copy that is deaf by now: before its first words the script heeds signals as all do."""
        until(lambda: any("sleep 1000" in command for command in alive(self._home)))
