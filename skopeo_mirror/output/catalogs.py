"""How machines and people see what an operator catalog has to offer (pure views of its listing)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = "skopeo-mirror/catalog/v1"
_HEADINGS = ("PACKAGE", "CHANNEL", "HEAD", "VERSION", "DEFAULT")


def catalog_document(reference: str, packages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the document of `catalog --json`, schema `skopeo-mirror/catalog/v1`.

    Each package has `name`, `default_channel` and `channels`; each channel `name`, `default`, `head`, `version`,
    `entries` (their number) and `problem` (why there is no head).
    """
    return {"schema": SCHEMA, "catalog": reference, "packages": list(packages)}


def catalog_table(document: Mapping[str, Any]) -> str:
    """Return one line a channel under a line of headings, in columns; a dash where there is nothing.

    The package stands on every line, so that the table can be searched line by line.
    """
    rows = [_HEADINGS]
    for package in document["packages"]:
        rows += [
            (
                package["name"],
                channel["name"],
                channel["head"] or f"({channel['problem']})",
                channel["version"] or "-",
                "default" if channel["default"] else "",
            )
            for channel in package["channels"]
        ] or [(package["name"], "-", "-", "-", "")]
    # A long problem must not push every line apart, so that the widths come from the other cells.
    widths = [
        max(len(row[column]) for row in rows if not row[column].startswith("(")) for column in range(len(_HEADINGS))
    ]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
