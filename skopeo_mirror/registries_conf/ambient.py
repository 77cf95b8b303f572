"""The drop-ins that skopeo merges over the scoped file whatever it is told: found, and refused where they would win."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidConfiguration
from skopeo_mirror.registries_conf.reading import examine

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path


def check_dropins(files: Sequence[Path], prefixes: Collection[str]) -> None:
    """Refuse drop-ins that have exactly one of `prefixes`, those of the scoped files: nothing beats them.

    Raises InvalidConfiguration, which names file and prefix; also for an invalid drop-in, which skopeo would refuse.
    """
    problems: list[str] = []
    for file in files:
        examination = examine([file])
        problems += [str(problem) for problem in examination.errors]
        if examination.configuration is None:
            continue
        problems += [
            f"{file}: has an entry with exactly the prefix {registry.prefix}, which skopeo would take instead of the "
            "configuration in force (move the drop-in away, or give its prefix a namespace instead of the repository)"
            for registry in examination.configuration.registries
            if registry.prefix in prefixes
        ]
    if problems:
        raise InvalidConfiguration(problems)
