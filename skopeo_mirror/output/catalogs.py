"""How people and machines see what an operator catalog has to offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skopeo_mirror.inputs.listing import ListedPackage

SCHEMA = "skopeo-mirror/catalog/v1"
_HEADINGS = ("PACKAGE", "CHANNEL", "HEAD", "VERSION", "DEFAULT")


def as_table(packages: Iterable[ListedPackage]) -> str:
    """Return one line a channel under a line of headings, in columns; a dash where there is nothing.

    The package stands on every line, so that the table can be searched line by line.
    """
    rows = [_HEADINGS]
    for package in packages:
        rows += [
            (
                package.name,
                channel.name,
                channel.head or f"({channel.problem})",
                channel.version or "-",
                "default" if channel.default else "",
            )
            for channel in package.channels
        ] or [(package.name, "-", "-", "-", "")]
    # A long problem must not push every line apart, so that the widths come from the other cells.
    widths = [
        max(len(row[column]) for row in rows if not row[column].startswith("(")) for column in range(len(_HEADINGS))
    ]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def as_json(packages: Iterable[ListedPackage], reference: str) -> dict[str, Any]:
    """Return the listing of the catalog `reference` as a JSON value (schema `skopeo-mirror/catalog/v1`)."""
    return {
        "schema": SCHEMA,
        "catalog": reference,
        "packages": [
            {
                "name": package.name,
                "default_channel": package.default_channel,
                "channels": [
                    {
                        "name": channel.name,
                        "head": channel.head,
                        "version": channel.version,
                        "entries": channel.entries,
                        "problem": channel.problem,
                    }
                    for channel in package.channels
                ],
            }
            for package in packages
        ],
    }
