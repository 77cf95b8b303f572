"""Manifests that follow others, each a unit of its own: who waits for which, and what they came to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from skopeo_mirror.transfer.jobs import Job
from skopeo_mirror.transfer.results import AttachedResult, ImageResult, PartResult, Status
from skopeo_mirror.transfer.stages import Finished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.transfer.stages import Awaiting

_Result = TypeVar("_Result", ImageResult, PartResult, AttachedResult)


@dataclass(kw_only=True, slots=True)
class _Tree:
    stage: Awaiting
    parts: list[Finished | Job]
    """What it follows, each a unit until it is at its end."""

    @property
    def ended(self) -> tuple[Finished, ...]:
        return tuple(part for part in self.parts if isinstance(part, Finished))


@dataclass(kw_only=True, slots=True)
class Trees:
    """What follows others, by its number; what several of one repository follow is one unit while it is under way."""

    _trees: dict[int, _Tree] = field(default_factory=dict)
    _waiting: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """By the place of a unit: who waits for it, each with its position there, whoever asked first first."""

    def follow(self, stage: Awaiting, units: Sequence[Job]) -> list[Job]:
        """Have a manifest wait for all of `units`; those that nobody is bringing yet."""
        number = stage.journey.job.number
        self._trees[number] = _Tree(stage=stage, parts=[*units])
        new = []
        for position, unit in enumerate(units):
            waiting = self._waiting.setdefault(unit.place.name, [])
            if not waiting:
                new.append(unit)
            waiting.append((number, position))
        return new

    def ended(self, part: Finished) -> tuple[list[tuple[Awaiting, tuple[Finished, ...]]], list[Job]]:
        """Take the end of a unit that others follow.

        Those that have all of theirs now, no longer known here; and the same image once more, where it failed and
        somebody waits for it who has other candidates.
        """
        unit = part.journey.job
        whole: list[tuple[Awaiting, tuple[Finished, ...]]] = []
        others: list[tuple[int, int]] = []
        again: list[Job] = []
        for number, position in self._waiting.pop(unit.place.name):
            tree = self._trees[number]
            waited_for = tree.parts[position]
            if part.result.error is not None and isinstance(waited_for, Job) and _elsewhere(waited_for, unit):
                others.append((number, position))
                again.append(waited_for)
                continue
            tree.parts[position] = part
            part = _brought_by_another(part)
            if len(parts := tree.ended) == len(tree.parts):
                whole.append((tree.stage, parts))
                del self._trees[number]
        if others:
            self._waiting[unit.place.name] = others
        return whole, again[:1]

    def leave(self, number: int) -> tuple[Finished | Job, ...]:
        """What a manifest follows, as far as that has come; it waits for nothing any more."""
        tree = self._trees.pop(number, None)
        return () if tree is None else tuple(tree.parts)


def _elsewhere(one: Job, other: Job) -> bool:
    """Whether a unit may come from other places for one than for the other."""
    return one.sources.candidates != other.sources.candidates


def _brought_by_another(part: Finished) -> Finished:
    """What a unit is for the second that waits for it: it was brought once."""
    result = part.result
    parts = tuple(map(_there, result.parts))
    attached = tuple(replace(_there(one), parts=tuple(map(_there, one.parts))) for one in result.attached)
    return replace(part, result=replace(_there(result), parts=parts, attached=attached))


def _there(result: _Result) -> _Result:
    if result.status is not Status.COPIED:
        return replace(result, bytes=0)
    return replace(result, status=Status.PRESENT, served_by=None, attempts=(), bytes=0)
