"""Which registries.conf is in force, as options, variables and the host have it, and what it says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from skopeo_mirror.errors import SkopeoUnusable, UsageError
from skopeo_mirror.registries_conf.host import host_files
from skopeo_mirror.registries_conf.reading import dropin_files, read

if TYPE_CHECKING:
    from skopeo_mirror.cli.options import Conf
    from skopeo_mirror.output.console import Console
    from skopeo_mirror.registries_conf.model import Configuration

VERSION_WHERE_NONE_IS_FOUND = (1, 9)


def configuration(conf: Conf, console: Console | None, file: str | None = None) -> Configuration:
    """What `conf` names, or `file`; its warnings go to `console`. Raises InvalidConfiguration, UsageError."""
    examination = read(configuration_files(conf, file), strict=conf.strict)
    if console is not None:
        for warning in examination.problems:
            console.warning(str(warning))
    return examination.configuration


def configuration_files(conf: Conf, file: str | None = None) -> tuple[Path, ...]:
    """The files of the configuration in the order in which they are merged."""
    main = file or conf.registries_conf or os.environ.get("CONTAINERS_REGISTRIES_CONF")
    files = (Path(main),) if main else _host_files(conf.skopeo)
    if conf.registries_conf_dir is None:
        return files
    try:
        return (*(files if main else files[:1]), *dropin_files(Path(conf.registries_conf_dir)))
    except OSError as error:
        raise UsageError(f"--registries-conf-dir {conf.registries_conf_dir}: {error.strerror}") from error


def _host_files(skopeo: str | None) -> tuple[Path, ...]:
    """What the host's own tools read; which files those are depends on the installed skopeo."""
    from skopeo_mirror.skopeo.command import find  # noqa: PLC0415 - a file that is named needs no skopeo

    try:
        version = find(skopeo, os.environ).version_info
    except SkopeoUnusable:
        version = VERSION_WHERE_NONE_IS_FOUND
    return host_files(version=version, environment=os.environ)
