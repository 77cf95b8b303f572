"""The overview of what a catalog has to offer, for machines and people: packages, channels and their heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skopeo_mirror.olm.channels import BrokenChannel, update_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skopeo_mirror.olm.file_based_catalog import Catalog, Channel, Package

SCHEMA = "skopeo-mirror/catalog/v1"
_HEADINGS = ("PACKAGE", "CHANNEL", "HEAD", "VERSION", "DEFAULT")


def catalog_document(reference: str, catalog: Catalog) -> dict[str, Any]:
    """Return the document of `catalog --json`, schema `skopeo-mirror/catalog/v1`.

    Each package has `name`, `default_channel` and `channels`; each channel `name`, `default`, `head`, `version`,
    `entries` (their number) and `problem` (why there is no head). All is in alphabetical order.
    """
    packages = [
        {
            "name": package.name,
            "default_channel": package.default_channel,
            "channels": tuple(_channel(package, channel) for channel in package.channels.values()),
        }
        for package in catalog.packages.values()
    ]
    return {"schema": SCHEMA, "catalog": reference, "packages": packages}


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
    widths = [max(len(cell) for cell in column if not cell.startswith("(")) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _channel(package: Package, channel: Channel) -> dict[str, Any]:
    head, problem = None, None
    try:
        head = update_graph(channel, package.versions).head
    except BrokenChannel as error:
        problem = str(error)
    bundle = package.bundles.get(head or "")
    return {
        "name": channel.name,
        "default": channel.name == package.default_channel,
        "head": head,
        "version": None if bundle is None else bundle.version,
        "entries": len(channel.entries),
        "problem": problem,
    }
