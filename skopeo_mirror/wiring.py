"""From options to the values that the wings work with."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from skopeo_mirror.errors import SkopeoMirrorError, SkopeoUnusable, UsageError
from skopeo_mirror.files import LARGEST_DOCUMENT, check_link, home_directory, read_regular
from skopeo_mirror.inputs.lists import Listed, Shard, read_images
from skopeo_mirror.registries_conf.host import host_files
from skopeo_mirror.registries_conf.reading import Severity, dropin_files, read
from skopeo_mirror.signals import Signalled, ending, heeded
from skopeo_mirror.skopeo.finding import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from skopeo_mirror.output.console import Console
    from skopeo_mirror.registries_conf.model import Configuration
    from skopeo_mirror.skopeo.command import Skopeo
    from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
    from skopeo_mirror.transfer.stopping import Stop

VERSION_WHERE_NONE_IS_FOUND = (1, 9)


def images(
    arguments: Sequence[str], files: Sequence[str], shard: str | None, layout: LayoutSourcing | None = None
) -> tuple[Listed, ...]:
    """The images of the command line and of the lists, or the shard of them. Raises InvalidInput, UsageError.

    Where nothing is named, it is all of `layout`, if there is one.
    """
    if layout is not None and not arguments and not files:
        found = tuple(Listed(text=str(image), reference=image) for image in layout.images())
    else:
        found = read_images(arguments, files)
    return shard_of(found, shard)


def shard_of(images: Sequence[Listed], shard: str | None) -> tuple[Listed, ...]:
    """The shard of a list, or all of it. Raises UsageError."""
    if shard is None:
        return tuple(images)
    part = Shard.parse(shard)
    return tuple(listed for listed in images if part.keeps(listed.reference))


def list_lines(listed: Listed, *, verbose: bool) -> Iterator[str]:
    """An image as `images` prints it, for `-f` to read; what is no reference, and who wants it, are comments."""
    yield str(listed.reference) if listed.layout is None else f"# {listed.catalog} (a catalog in a layout: -c takes it)"
    if verbose:
        yield from (f"    # {by.catalog}: {by.package}, {by.channel}, {by.bundle}" for by in listed.wanted_by)


def configuration(
    file: str | None,
    dropins: str | None,
    *,
    strict: bool,
    skopeo: str | None,
    console: Console,
    all_mirrors: bool = False,
) -> Configuration:
    """The registries.conf in force, as CONTRACT says; its warnings go to `console`. Raises InvalidConfiguration."""
    examination = read(configuration_files(file, dropins, skopeo=skopeo), strict=strict)
    for problem in examination.problems:
        if problem.severity is Severity.WARNING:
            console.warning(str(problem))
    assert examination.configuration is not None  # noqa: S101 - `read` has raised otherwise
    found = examination.configuration
    return found.with_all_mirrors() if all_mirrors else found


def configuration_files(file: str | None, dropins: str | None, *, skopeo: str | None) -> tuple[Path, ...]:
    """The files of the configuration in the order in which they are merged."""
    main = file or os.environ.get("CONTAINERS_REGISTRIES_CONF")
    files = (Path(main),) if main else _host_files(skopeo)
    if dropins is None:
        return files
    try:
        return (*(files if main else files[:1]), *dropin_files(Path(dropins)))
    except OSError as error:
        raise UsageError(f"--registries-conf-dir {dropins}: {error.strerror}") from error


def files_to_validate(
    given: Sequence[Path], file: str | None, dropins: str | None, *, skopeo: str | None
) -> tuple[Path, ...]:
    """The files that were named, a directory standing for its drop-ins; else the configuration in force."""
    if not given:
        return configuration_files(file, dropins, skopeo=skopeo)
    return tuple(one for path in given for one in (dropin_files(path) if path.is_dir() else (path,)))


def _host_files(skopeo: str | None) -> tuple[Path, ...]:
    """What the host's own tools read; which files those are depends on the installed skopeo."""
    try:
        version = find(skopeo, os.environ).version_info
    except SkopeoUnusable:
        version = VERSION_WHERE_NONE_IS_FOUND
    return host_files(home=home_directory(os.environ), version=version)


def text_of(file: Path) -> str:
    """The text of a file that was named. Raises UsageError."""
    try:
        return read_regular(file, at_most=LARGEST_DOCUMENT).decode()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is not UTF-8") from error


def check_files(*files: str | None) -> None:
    """Refuse files that skopeo could not read, before it fails with every image. Raises UsageError."""
    for file in files:
        if file is not None:
            try:
                with Path(file).open("rb"):
                    pass
            except OSError as error:
                raise UsageError(f"{file}: cannot be read: {error.strerror}") from error


def check_writable(*files: Path | None) -> None:
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


@contextmanager
def stopped_by_signals(stop: Stop, console: Console) -> Iterator[None]:
    """Let signals press the stop button; raise Signalled when the block has ended then.

    A second SIGINT ends the program at once.
    """
    received: list[int] = []

    def press(number: int, _: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            stop.runs.kill()
            console.leave()
            os._exit(128 + number)
        received.append(number)
        stop.now(str(Signalled(number)))
        console.notice("stopping; interrupt again to end at once")

    before = {number: signal.signal(number, press) for number in heeded()}
    try:
        yield
    except SkopeoMirrorError:
        if not received:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise ending(Signalled(received[0]))


def usable_skopeo(path: str | None) -> Skopeo:
    """The skopeo to run. Raises SkopeoUnusable."""
    return find(path, os.environ)
