"""Checks of what a command is given, before anything is done: files and directories, options beside arguments."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from skopeo_mirror.errors import UsageError
from skopeo_mirror.files import LARGEST_DOCUMENT, STANDARD_INPUT, check_link, read_regular


def text_of(file: Path) -> str:
    """The text of a file that was named. Raises UsageError."""
    with _refusing(file, "read"):
        content = read_regular(file, at_most=LARGEST_DOCUMENT)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is not UTF-8") from error


def readable(*files: str | None) -> None:
    """Refuse files that skopeo could not read, before it fails with every image. Raises UsageError."""
    for file in files:
        if file is not None:
            with _refusing(file, "read"):
                Path(file).open("rb").close()


def writable(*files: Path | None) -> None:
    """Refuse files that could not be written at the end. Raises UsageError; leaves nothing behind."""
    for file in filter(None, files):
        if file.is_dir():
            raise UsageError(f"{file}: is a directory; name a file")
        with _refusing(file, "written"):
            check_link(file)
            tempfile.TemporaryFile(dir=file.parent).close()


def make_directory(directory: Path | None) -> None:
    """Make a directory for logs. Raises UsageError."""
    if directory is None:
        return
    with _refusing(directory, "written"):
        check_link(directory)
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()


@contextmanager
def _refusing(file: Path | str, done: str) -> Iterator[None]:
    """Say of an OSError of the block that the file cannot be read, or written."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{file}: cannot be {done}: {error.strerror}") from error


def one_reads_standard_input(values: Mapping[str, Any]) -> None:
    """Refuse `-` twice among the files that a command reads: the second would find nothing. Raises UsageError."""
    read = [values.get(name) or () for name in ("images_from", "registries_conf", "files", "file")]
    files = [str(one) for given in read for one in ([given] if isinstance(given, str) else given)]
    if files.count(STANDARD_INPUT) > 1:
        raise UsageError("-: standard input can be read once; give one of its two readers a file")


def refuse_beside(what: str, context: typer.Context, *names: str) -> None:
    """Refuse options that name what an argument names. Raises UsageError where one is typed; a variable may stand."""
    for parameter in context.command.params:
        if parameter.name in names and str(context.get_parameter_source(parameter.name)).endswith("COMMANDLINE"):
            raise UsageError(f"{max(parameter.opts, key=len)} beside {what}: both name what is read; give one of them")
