"""The context of a command: its registries.conf, its skopeo, how it pulls; each made when it is needed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror import signals
from skopeo_mirror.errors import SkopeoUnusable, UsageError
from skopeo_mirror.files import called
from skopeo_mirror.registries_conf.host import host_files
from skopeo_mirror.registries_conf.problem import Position
from skopeo_mirror.registries_conf.reading import accepted, dropin_files, examine
from skopeo_mirror.registries_conf.routing import Router

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skopeo_mirror.cli.options import Conf, Pull
    from skopeo_mirror.output.console import Console
    from skopeo_mirror.registries_conf.model import Configuration
    from skopeo_mirror.registries_conf.reading import Examination
    from skopeo_mirror.skopeo.command import Skopeo
    from skopeo_mirror.skopeo.settings import Settings
    from skopeo_mirror.transfer.engine import Stop
    from skopeo_mirror.transfer.run import RunSettings
    from skopeo_mirror.transfer.sourcing import SourceFinder, Sourcing

VERSION_WHERE_NONE_IS_FOUND: Final = (1, 9)


@dataclass(frozen=True, kw_only=True)
class Context:
    """The surroundings of a command that knows of images."""

    conf: Conf
    pull: Pull
    console: Console
    log_dir: Path | None = None
    """It takes the logs of failed attempts."""
    redirects: bool = True
    """Otherwise (images come from a layout) warnings about registries.conf are nobody's concern."""

    @cached_property
    def configuration(self) -> Configuration:
        """The registries.conf in force, its warnings told once. Raises InvalidConfiguration, UsageError."""
        found = configuration(self.conf, self.console if self.redirects else None)
        return found.with_all_mirrors() if self.pull.all_mirrors else found

    @cached_property
    def router(self) -> Router:
        """What the configuration says of images."""
        return Router(self.configuration)

    @cached_property
    def sourcing(self) -> Sourcing:
        """Where images come from."""
        from skopeo_mirror.transfer.sourcing import Sourcing  # noqa: PLC0415 - `route` and `images` need none

        return Sourcing(router=self.router, mirrors_only=self.pull.mirrors_only)

    @cached_property
    def settings(self) -> Settings:
        """What skopeo is told when it pulls. Raises UsageError."""
        return replace(self.pull.settings, credential_helpers=self.configuration.credential_helpers)

    def run_settings(self, sourcing: SourceFinder) -> RunSettings:
        """How images are pulled from there. Raises UsageError, SkopeoUnusable."""
        from skopeo_mirror.transfer.run import RunSettings  # noqa: PLC0415 - as above

        return RunSettings(
            skopeo=self.skopeo,
            dropins=lambda: self.dropins,
            skopeo_settings=self.settings,
            configuration=self.configuration,
            sourcing=sourcing,
            retries=self.pull.retries,
            log_dir=self.log_dir,
        )

    @cached_property
    def skopeo(self) -> Skopeo:
        """The skopeo to run. Raises SkopeoUnusable."""
        from skopeo_mirror.skopeo.command import find  # noqa: PLC0415 - as above

        return find(self.conf.skopeo, os.environ)

    @cached_property
    def dropins(self) -> tuple[Path, ...]:
        """The drop-ins of this host, asked of skopeo once. Raises as `ambient_dropins` and `skopeo` do."""
        from skopeo_mirror.skopeo.dropins import ambient_dropins  # noqa: PLC0415 - as above

        return ambient_dropins(self.skopeo)

    @cached_property
    def stop(self) -> Stop:
        """The stop button of everything that the command runs."""
        from skopeo_mirror.transfer.engine import Stop  # noqa: PLC0415 - as above

        return Stop(runs=self.skopeo.runs)

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let signals press the stop button; raise Signalled when the block has ended then.

        A second SIGINT ends the program at once.
        """
        stop, console = self.stop, self.console

        def press(why: str) -> None:
            stop.now(why)
            console.notice("stopping; interrupt again to end at once")

        def kill() -> None:
            stop.runs.kill()
            console.leave()

        with signals.stopping(press, kill):
            yield


def configuration(conf: Conf, console: Console | None, file: str | None = None) -> Configuration:
    """What `conf` names, or `file`; its warnings go to `console`. Raises InvalidConfiguration, UsageError."""
    reading = accepted(examined(conf, file), strict=conf.strict)
    if console is not None:
        for warning in reading.problems:
            console.warning(str(warning))
    return reading.configuration


def examined(conf: Conf, file: str | None = None) -> Examination:
    """What `conf` names, or `file`, and what is wrong with it. Raises UsageError."""
    named = [file] if file else conf.registries_conf or _in_environment()
    files = tuple(map(Path, named)) or _host_files(conf.skopeo)
    if conf.registries_conf_dir is not None:
        try:
            files = (*(files if named else files[:1]), *dropin_files(Path(conf.registries_conf_dir)))
        except OSError as error:
            raise UsageError(f"--registries-conf-dir {conf.registries_conf_dir}: {error.strerror}") from error
    examination = examine(files)
    if len(named) > 1 and not examination.of_objects:
        text = "is a second registries.conf; only files of OpenShift objects may be several"
        problem = Position(file=called(named[1])).error("", text, "merge drop-ins with --registries-conf-dir DIR")
        examination = replace(examination, configuration=None, problems=(*examination.problems, problem))
    return examination


def _in_environment() -> list[str]:
    """The one file that a variable names; typer would split it at its blanks, as `-r` may be repeated."""
    variables = ("SKOPEO_MIRROR_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF")
    return [file for file in map(os.environ.get, variables) if file][:1]


def _host_files(skopeo: str | None) -> tuple[Path, ...]:
    """What the host's own tools read; which files those are depends on the installed skopeo."""
    from skopeo_mirror.skopeo.command import find  # noqa: PLC0415 - a file that is named needs no skopeo

    try:
        version = find(skopeo, os.environ).version_info
    except SkopeoUnusable:
        version = VERSION_WHERE_NONE_IS_FOUND
    return host_files(version=version, environment=os.environ)
