"""`normalize`: a registries.conf in canonical form, mirror sets as one."""

from __future__ import annotations

import typer

from skopeo_mirror.cli.checks import refuse_beside
from skopeo_mirror.cli.context import configuration
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import Conf, argument
from skopeo_mirror.output.console import Console
from skopeo_mirror.registries_conf.writing import normalized


@command()
def normalize(
    *,
    context: typer.Context,
    file: str | None = argument("[FILE]"),
    conf: Conf,
) -> None:
    """Print the configuration as a registries.conf in canonical form, as every skopeo from 1.9 on reads it.

    Drop-ins are merged; mirror sets become what OpenShift makes of them.

    Example: skopeo-mirror normalize registries.conf
    """
    if file is not None:
        refuse_beside("FILE", context, "registries_conf")
    console = Console()
    console.result(normalized(configuration(conf, console, file)).rstrip("\n"))
