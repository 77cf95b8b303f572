"""What a catalog has to offer: its packages, their channels and the head of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skopeo_mirror.olm.channels import BrokenChannel, update_graph
from skopeo_mirror.olm.selection import bundle_versions

if TYPE_CHECKING:
    from skopeo_mirror.olm.file_based_catalog import Catalog, Channel, Package


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedChannel:
    """A channel; where it has no clear head, `head` and `version` are None and `problem` says why."""

    name: str
    default: bool
    head: str | None
    version: str | None
    entries: int
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedPackage:
    """A package and its channels in alphabetical order."""

    name: str
    default_channel: str | None
    channels: tuple[ListedChannel, ...]


def list_catalog(catalog: Catalog) -> tuple[ListedPackage, ...]:
    """List the packages of `catalog` in alphabetical order; a broken channel is listed with its problem."""
    return tuple(
        ListedPackage(
            name=package.name,
            default_channel=package.default_channel,
            channels=tuple(_listed(package, channel) for channel in package.channels.values()),
        )
        for package in catalog.packages.values()
    )


def _listed(package: Package, channel: Channel) -> ListedChannel:
    head, version, problem = None, None, None
    try:
        head = update_graph(channel, bundle_versions(package)).head
        version = package.bundles[head].version if head in package.bundles else None
    except BrokenChannel as error:
        problem = str(error)
    return ListedChannel(
        name=channel.name,
        default=channel.name == package.default_channel,
        head=head,
        version=version,
        entries=len(channel.entries),
        problem=problem,
    )
