"""OpenShift's merging of mirror lists: one list a source (pure; `mergedMirrorSets` of openshift/runtime-utils)."""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def is_real(source: str, mirrors: Iterable[str]) -> bool:
    """Whether `mirrors` name another place than the source: otherwise OpenShift drops the entry."""
    return any(mirror != source for mirror in mirrors)


def merged(source: str, lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the mirrors of `source` in the order in which they are tried.

    The order within each list holds where that is possible; the source drops out where it comes last.
    """
    edges: list[tuple[str, str]] = []
    for mirrors in lists:
        if not is_real(source, mirrors):
            continue
        edges += pairwise(mirrors)
        if source not in mirrors:
            edges.append((mirrors[-1], source))
    order = in_order(edges)
    return tuple(order[:-1] if order and order[-1] == source else order)


def in_order(edges: Iterable[tuple[str, str]]) -> list[str]:
    """Sort the nodes topologically, breadth first, each batch by name; break loops at the first name that is left."""
    following: dict[str, set[str]] = {}
    waits_for: dict[str, int] = {}
    for one, other in edges:
        for node in (one, other):
            following.setdefault(node, set())
            waits_for.setdefault(node, 0)
        if other not in following[one]:
            following[one].add(other)
            waits_for[other] += 1
    left = dict.fromkeys(sorted(following))  # ordered by name
    names = list(left)
    heapq.heapify(names)
    queue = [node for node in names if not waits_for[node]]
    queue.sort()
    done: list[str] = []
    at = 0
    while left:
        if at == len(queue):
            while names[0] not in left:
                heapq.heappop(names)
            queue.append(names[0])
        node = queue[at]
        at += 1
        if node not in left:
            continue
        del left[node]
        done.append(node)
        ready = []
        for other in following[node]:
            waits_for[other] -= 1
            if not waits_for[other] and other in left:
                ready.append(other)
        queue += sorted(ready)
    return done
