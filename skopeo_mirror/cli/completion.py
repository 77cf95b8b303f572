"""Completion in the shell: typer's scripts, which ask the program what may follow, printed or put in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typer._completion_classes import completion_init
from typer._completion_shared import get_completion_script
from typer._completion_shared import install as _install

from skopeo_mirror.cli.options import Shell
from skopeo_mirror.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM: Final = "skopeo-mirror"
VARIABLE: Final = "_SKOPEO_MIRROR_COMPLETE"
"""What the scripts ask by."""

# zsh takes the file for the function that answers, and loads it at the first Tab, which typer's would not answer.
_FIRST_TAB: Final = """
[[ $funcstack[1] != _skopeo-mirror ]] || _skopeo_mirror_completion "$@"
"""


def answering() -> None:
    """Make ready for what a script asks."""
    completion_init()


def script(shell: Shell) -> str:
    """What a shell has to run, or to find as a file of its own."""
    text = get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell)
    return text + _FIRST_TAB if shell is Shell.ZSH else f"{text}\n"


def install(shell: Shell) -> Path:
    """Put the script where the shell's own start finds it, and return where. Raises OSError, UsageError."""
    try:
        _, file = _install(shell=shell, prog_name=PROGRAM, complete_var=VARIABLE)
    except (RuntimeError, UnicodeError) as error:  # no home directory, or a start file that is not UTF-8
        raise UsageError(f"{error}; put what --show-completion {shell} prints where {shell} reads it") from error
    file.write_text(script(shell), encoding="utf-8")
    return file
