"""The parts of a list that hosts share among them (pure)."""

from __future__ import annotations

import hashlib
import heapq
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skopeo_mirror.errors import UsageError
from skopeo_mirror.reference import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_SHARDS = 99_999


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """The `index`-th (1-based) of `count` parts of a list: whole repositories, for their images share layers."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `I/N`. Raises UsageError."""
        match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text, re.ASCII)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"--shard {shown(text)}: write I/N with 1 <= I <= N <= 99999, for instance 2/3")
        return cls(index=int(match[1]), count=int(match[2]))

    @classmethod
    def asked(cls, text: str | None, index: int | None, count: int | None) -> Shard | None:
        """The part that `--shard`, or `--shard-index` (0-based) and `--shard-count`, ask for. Raises UsageError."""
        if text is not None:
            if index is not None or count is not None:
                raise UsageError("--shard beside --shard-index or --shard-count: both say which part; give one of them")
            return cls.parse(text)
        if index is None and count is None:
            return None
        if index is None or count is None:
            raise UsageError("--shard-index I and --shard-count N say together which part; give both")
        if not 0 <= index < count <= _MOST_SHARDS:
            raise UsageError(f"--shard-index {index} --shard-count {count}: 0 <= I < N <= {_MOST_SHARDS}")
        return cls(index=index + 1, count=count)

    def repositories(self, images: Mapping[str, int]) -> frozenset[str]:
        """Of a list with so many images of each repository, the repositories of this part.

        The largest first, each goes where its name's digest sends it, or, where that would exceed an even share, to
        the part that has the least so far. So parts are even as far as single repositories allow, the order of the
        list counts for nothing, and every host that has the whole list decides alike. It costs stability: where the
        list changes, those may move that have no room where their digests send them (of 1,000 repositories in three
        parts one in 15, in 50 parts one in four).
        """
        share = -(-sum(images.values()) // self.count)
        loads = [0] * self.count
        least = [(0, part) for part in range(self.count)]  # a heap; an entry counts while its load is the part's
        mine = set()
        for name, size in sorted(images.items(), key=lambda item: (-item[1], item[0])):
            part = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % self.count
            if loads[part] + size > share:
                while least[0][0] != loads[least[0][1]]:
                    heapq.heapreplace(least, (loads[least[0][1]], least[0][1]))
                part = least[0][1]
            loads[part] += size
            if part == self.index - 1:
                mine.add(name)
        return frozenset(mine)
