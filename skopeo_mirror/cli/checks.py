"""What a command is given, tried before anything is done: files and directories, and options beside arguments."""

from __future__ import annotations

import tempfile
from pathlib import Path

import typer

from skopeo_mirror.errors import UsageError
from skopeo_mirror.files import LARGEST_DOCUMENT, check_link, read_regular


def text_of(file: Path) -> str:
    """The text of a file that was named. Raises UsageError."""
    try:
        return read_regular(file, at_most=LARGEST_DOCUMENT).decode()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is not UTF-8") from error


def readable(*files: str | None) -> None:
    """Refuse files that skopeo could not read, before it fails with every image. Raises UsageError."""
    for file in files:
        if file is not None:
            try:
                with Path(file).open("rb"):
                    pass
            except OSError as error:
                raise UsageError(f"{file}: cannot be read: {error.strerror}") from error


def writable(*files: Path | None) -> None:
    """Refuse files that could not be written at the end. Raises UsageError; leaves nothing behind."""
    for file in files:
        if file is None:
            continue
        if file.is_dir():
            raise UsageError(f"{file}: is a directory; name a file")
        try:
            check_link(file)
            with tempfile.TemporaryFile(dir=file.parent):
                pass
        except OSError as error:
            raise UsageError(f"{file}: cannot be written: {error.strerror}") from error


def make_directory(directory: Path | None) -> None:
    """Make a directory for logs. Raises UsageError."""
    if directory is None:
        return
    try:
        check_link(directory)
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise UsageError(f"{directory}: cannot be written: {error.strerror}") from error


def refuse_beside(what: str, context: typer.Context, *names: str) -> None:
    """Refuse options that name what an argument names. Raises UsageError where one is typed; a variable may stand."""
    for parameter in context.command.params:
        if parameter.name in names and str(context.get_parameter_source(parameter.name)).endswith("COMMANDLINE"):
            raise UsageError(f"{max(parameter.opts, key=len)} beside {what}: both name what is read; give one of them")
