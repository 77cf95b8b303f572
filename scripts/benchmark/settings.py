"""The sizes and counts of the benchmark, each an option of the command line."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, field
from typing import Any

from scripts.benchmark.relay import Link


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that may be chosen; the defaults are what the bars are stated for. Sizes are bytes, times seconds.

    An option whose default is a tuple takes several values.
    """

    tool: str = _option(f"{shlex.quote(sys.executable)} -m skopeo_mirror", "command that starts skopeo-mirror")
    runs: int = _option(5, "runs of each contender, of which the median counts")
    patience: float = _option(90.0, "seconds that all runs of one contender may take; slower ones run less often")
    round_trip: float = _option(0.030, "round trip to either registry")
    connection_rate: float = _option(20e6, "bytes a second that one connection carries")
    total_rate: float = _option(50e6, "bytes a second that a registry's link carries in all")
    images: int = _option(60, "images that share base layers")
    bases: int = _option(3, "base layers that they share")
    base_size: int = _option(20_000_000, "bytes of a base layer")
    own_size: int = _option(566_000, "bytes of each image's own layer")
    jobs: int = _option(16, "copies at once")
    job_counts: tuple[int, ...] = _option((2, 4, 8, 16, 32), "copies at once, where numbers of them are compared")
    cores: tuple[int, ...] = _option(
        (len(os.sched_getaffinity(0)),), "cores that skopeo-mirror and its children have there, by taskset"
    )
    single_job_images: int = _option(60, "images where one job is measured over the network")
    tiny_images: int = _option(300, "images of a few kilobytes")
    tiny_jobs: int = _option(8, "copies of these at once")
    large_size: int = _option(1_000_000_000, "bytes of the one large image")
    indexes: int = _option(20, "multi-architecture images, of four architectures each")
    index_base_sizes: tuple[int, ...] = _option((4 << 20, 2 << 20, 1 << 20), "bytes of an architecture's base layers")
    index_own_size: int = _option(300 << 10, "bytes of the own layer of each of their images")
    growth_from: int = _option(
        250, "images of a few kilobytes in the smaller of two cold runs whose memory is compared"
    )
    growth_to: int = _option(2000, "images in the larger one")
    black_hole_images: int = _option(60, "images behind a mirror that accepts and never answers")
    stall_timeout: int = _option(3, "seconds after which a stall ends there")
    present_images: int = _option(1000, "images that a registry has already")
    listed_images: int = _option(10_000, "images that an OCI layout has already")
    bundles: int = _option(10_000, "bundles of an operator catalog")
    bundle_size: int = _option(20_000, "bytes of each of them")
    references: int = _option(10_000, "references to route; ten times as many show the growth")
    entries: int = _option(2000, "entries of the registries.conf that routes them; ten times as many show the growth")

    @property
    def link(self) -> Link:
        """The network between the contenders and either registry."""
        return Link(round_trip=self.round_trip, connection_rate=self.connection_rate, total_rate=self.total_rate)

    @property
    def tool_command(self) -> tuple[str, ...]:
        """The command that starts skopeo-mirror, in words."""
        return tuple(shlex.split(self.tool))
