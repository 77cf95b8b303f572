"""The update graph of a channel: its head, and what lies in a range of versions.

The rules are those of opm and of the filter that oc-mirror v2 selects with (sherine-k/catalog-filter).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from skopeo_mirror.olm.semver import skip_range_contains

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from skopeo_mirror.olm.file_based_catalog import Channel, ChannelEntry
    from skopeo_mirror.olm.semver import Version, VersionBounds


class BrokenChannel(Exception):  # noqa: N818 - reads like what it says
    """A channel without one head; the message names the entries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """A channel's updates."""

    head: str
    replaces: Mapping[str, str]
    """What an entry replaces, by its name; those that replace nothing are left out."""
    skips: Mapping[str, tuple[str, ...]]


def update_graph(channel: Channel, versions: Mapping[str, Version]) -> Graph:
    """Find the head of `channel`: the entry that no other replaces or skips; raise BrokenChannel without exactly one.

    As opm does, `replaces` and `skips` decide. Where they leave several heads, those that lie in another entry's
    `skipRange` are skipped too (by `versions`, for each bundle's name its version).
    """
    names = [entry.name for entry in channel.entries]
    if not names:
        raise BrokenChannel("the channel has no entries")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise BrokenChannel(f"these entries are there twice: {', '.join(twice)}")
    replaces = {entry.name: entry.replaces for entry in channel.entries if entry.replaces}
    skips = {entry.name: entry.skips for entry in channel.entries}
    older = {entry.name: [name for name in (entry.replaces, *entry.skips) if name] for entry in channel.entries}
    try:
        TopologicalSorter(older).prepare()
    except CycleError as error:
        cycle = reversed(error.args[1])  # each is the successor of the next
        raise BrokenChannel(f"the updates go round in a circle: {' -> '.join(cycle)}") from error
    heads = _heads(names, replaces, skips)
    if len(heads) > 1:
        skips = {
            entry.name: (*entry.skips, *(head for head in heads if _covers(entry, head, versions)))
            for entry in channel.entries
        }
        heads = _heads(names, replaces, skips) or heads
    if len(heads) > 1:
        raise BrokenChannel(f"more than one head, for nothing replaces or skips these: {', '.join(heads)}")
    return Graph(head=heads[0], replaces=replaces, skips=skips)


def bundles_in_range(channel: Channel, bounds: VersionBounds, versions: Mapping[str, Version]) -> list[str]:
    """Select from the head down what `bounds` hold, and the bundles between them that updates pass through.

    The new head is the lowest bundle of the chain that has all bundles of the range at or below it, so that no second
    head arises. A range of one version is that version alone. Empty where nothing lies in the range; raises
    BrokenChannel as `update_graph` does.
    """
    if bounds.single is not None:
        return [entry.name for entry in channel.entries if versions.get(entry.name) == bounds.single]
    graph = update_graph(channel, versions)

    def inside(name: str) -> bool:
        return name in versions and bounds.contains(versions[name])

    chain = [graph.head]
    while older := graph.replaces.get(chain[-1]):
        chain.append(older)
    held = {name: [one for one in (name, *graph.skips.get(name, ())) if inside(one)] for name in chain}
    seen: set[str] = set()
    adding = []  # the bundles, from the oldest on, that have more of the range at or below them than the one before
    for name in reversed(chain):
        if not seen.issuperset(held[name]):
            adding.append(name)
            seen.update(held[name])
    if not adding:
        return []
    kept = chain[chain.index(adding[-1]) : chain.index(adding[0]) + 1]
    return list(dict.fromkeys(one for name in kept for one in (name, *held[name])))


def _heads(names: Iterable[str], replaces: Mapping[str, str], skips: Mapping[str, tuple[str, ...]]) -> list[str]:
    older = set(replaces.values()).union(*skips.values())
    return [name for name in names if name not in older]


def _covers(entry: ChannelEntry, name: str, versions: Mapping[str, Version]) -> bool:
    """Whether another entry lies in the `skipRange` of this one."""
    return name != entry.name and name in versions and skip_range_contains(entry.skip_range or "", versions[name])
