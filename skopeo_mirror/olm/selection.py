"""Selection of bundles from a catalog as an image set asks for it, and of the images that those are made of.

The rules are those of the filter that oc-mirror v2 selects with (sherine-k/catalog-filter, mirror-config/v1alpha1).
Two things differ, for the good: a package or channel that does not exist is an error, and a range that is one version
counts in each channel by itself.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.olm.channels import BrokenChannel, bundles_in_range, update_graph
from skopeo_mirror.olm.imageset import PackageSelection
from skopeo_mirror.olm.semver import NO_BOUNDS
from skopeo_mirror.reference import Reference, shown
from skopeo_mirror.request import ImageRequest, WantedBy, tagged
from skopeo_mirror.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skopeo_mirror.olm.file_based_catalog import Catalog, Channel, Package
    from skopeo_mirror.olm.imageset import OperatorCatalog
    from skopeo_mirror.olm.semver import VersionBounds


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What an image set selects from one catalog, and the warnings to print about it."""

    bundles: tuple[WantedBy, ...]
    """In the catalog's order."""
    images: tuple[ImageRequest, ...]
    """Those that the bundles are made of, in their order."""
    warnings: tuple[str, ...] = ()


def select(catalog: Catalog, wanted: OperatorCatalog) -> Selection:
    """Select from `catalog` what `wanted` asks for; raise InvalidInput with all problems at once."""
    problems: list[str] = []
    warnings: list[str] = []
    bundles: list[WantedBy] = []
    for selection in wanted.packages or [PackageSelection(name=name) for name in catalog.packages]:
        package = catalog.packages.get(selection.name)
        if package is None:
            hint = did_you_mean(selection.name, catalog.packages)
            problems.append(f"{wanted.catalog}: no package is called {shown(selection.name)}{hint}")
            continue
        try:
            bundles += _select_in(package, selection, wanted, warnings)
        except InvalidInput as error:
            problems += [f"{wanted.catalog}: package {package.name}: {problem}" for problem in error.problems]
    images = _images(catalog, bundles, problems)
    if problems:
        raise InvalidInput(problems)
    return Selection(bundles=tuple(bundles), images=images, warnings=tuple(warnings))


def heads_beyond(catalog: Catalog, selected: Iterable[WantedBy]) -> int:
    """How many bundles `catalog` offers as the heads of channels that are not among `selected`."""
    heads = set[tuple[str, str]]()
    for package in catalog.packages.values():
        for channel in package.channels.values():
            with suppress(BrokenChannel):
                heads.add((package.name, update_graph(channel, package.versions).head))
    return len(heads - {(by.package, by.bundle) for by in selected})


def _select_in(
    package: Package, selection: PackageSelection, wanted: OperatorCatalog, warnings: list[str]
) -> list[WantedBy]:
    """Select the bundles of one package, channel by channel; raise InvalidInput."""
    ranges = dict.fromkeys(package.channels, NO_BOUNDS)
    if wanted.packages:
        ranges = _ranges(package, selection, full=wanted.full)
    default = selection.default_channel or package.default_channel
    selected: list[WantedBy] = []
    problems: list[str] = []
    for name, bounds in ranges.items():
        channel = package.channels[name]
        try:
            names = _bundles(package, channel, bounds, full=wanted.full)
        except BrokenChannel as error:
            problems.append(f"channel {name}: {error}")
            continue
        selected += [
            WantedBy(catalog=wanted.catalog, package=package.name, channel=name, bundle=bundle) for bundle in names
        ]
        left_out, taken = _surprises(package, channel, bounds, names)
        if not names and name == default:
            hint = f"; pre-releases count only where a bound is one ({', '.join(left_out)})" if left_out else ""
            problems.append(f"channel {name}: nothing in the default channel lies in the range {bounds}{hint}")
        where = f"{wanted.catalog}: package {package.name}: channel {name}"
        if names and left_out:
            warnings.append(
                f"{where}: left out, for they are pre-releases and no bound of {bounds} is one: {', '.join(left_out)}"
            )
        if taken:
            warnings.append(
                f"{where}: taken though outside of {bounds}, for updates within it pass through: {', '.join(taken)}"
            )
    if not selected and not problems and wanted.packages:
        problems.append("no channel has anything in the range" if ranges else "it has no channels")
    if problems:
        raise InvalidInput(problems)
    return selected


def _ranges(package: Package, selection: PackageSelection, *, full: bool) -> dict[str, VersionBounds]:
    """Return the channels that are asked for, and the range that counts in each; raise InvalidInput."""
    problems = []
    channel_ranges = [channel for channel in selection.channels if channel.bounds]
    if full and (selection.bounds or channel_ranges):
        problems.append("`full` and a range of versions contradict each other")
    if selection.bounds and channel_ranges:
        names = ", ".join(channel.name for channel in channel_ranges)
        problems.append(f"a range for the package and one for a channel ({names}) contradict each other")
    problems += [
        f"no channel is called {shown(channel.name)}{did_you_mean(channel.name, package.channels)}"
        for channel in selection.channels
        if channel.name not in package.channels
    ]
    ranges = {channel.name: channel.bounds or selection.bounds for channel in selection.channels}
    ranges = ranges or dict.fromkeys(package.channels, selection.bounds)
    if selection.default_channel is not None and selection.default_channel not in ranges:
        hint = did_you_mean(selection.default_channel, ranges)
        problems.append(f"the defaultChannel {shown(selection.default_channel)} is none of the selected channels{hint}")
    elif selection.default_channel is None and package.default_channel not in (None, *ranges):
        problems.append(
            f"the default channel {package.default_channel} is left out: "
            "name it among `channels`, or set `defaultChannel`"
        )
    if problems:
        raise InvalidInput(problems)
    return ranges


def _bundles(package: Package, channel: Channel, bounds: VersionBounds, *, full: bool) -> list[str]:
    """Select the bundles of one channel; raise BrokenChannel for a channel whose head is not clear."""
    entries = [entry.name for entry in channel.entries]
    if full:
        names = entries
    elif not bounds:
        names = [update_graph(channel, package.versions).head]
    else:
        unversioned = [name for name in entries if name in package.bundles and name not in package.versions]
        if unversioned:
            raise BrokenChannel(f"no range can be told, for these have no semantic version: {', '.join(unversioned)}")
        names = bundles_in_range(channel, bounds, package.versions)
    if missing := [name for name in names if name not in package.bundles]:
        raise BrokenChannel(f"the catalog has no bundle for {', '.join(missing)}")
    return names


def _surprises(
    package: Package, channel: Channel, bounds: VersionBounds, selected: list[str]
) -> tuple[list[str], list[str]]:
    """Tell which pre-releases within `bounds` are left out, and what is taken although it lies outside."""
    versions = package.versions if bounds else {}
    entries = [entry.name for entry in channel.entries if entry.name in versions]
    left_out = [
        name
        for name in entries
        if name not in selected and not versions[name].is_release and bounds.spans(versions[name])
    ]
    return left_out, [name for name in selected if name in versions and not bounds.spans(versions[name])]


def _images(catalog: Catalog, bundles: Iterable[WantedBy], problems: list[str]) -> tuple[ImageRequest, ...]:
    wanted: dict[Reference, dict[WantedBy, None]] = {}
    for by in bundles:
        bundle = catalog.packages[by.package].bundles[by.bundle]
        for image in filter(None, (bundle.image, *bundle.related_images)):  # some catalogs have empty ones
            try:
                reference = Reference.parse(image)
            except InvalidReference as error:
                problem = f"{by.catalog}: package {by.package}: bundle {by.bundle}: {error}"
                if problem not in problems:
                    problems.append(problem)
            else:
                wanted.setdefault(reference, {})[by] = None
    return tuple(
        ImageRequest(text=str(reference), reference=tagged(reference), wanted_by=tuple(by))
        for reference, by in wanted.items()
    )
