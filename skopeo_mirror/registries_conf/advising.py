"""Warnings: what is legal in a registries.conf and surely not meant (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skopeo_mirror.registries_conf.interpreting import Contents
    from skopeo_mirror.registries_conf.lines import Lines
    from skopeo_mirror.registries_conf.problem import Problem


def advise(document: Mapping[str, Any], contents: Contents, *, file: str, lines: Lines) -> list[Problem]:
    """Return the warnings for one file."""
    return []
