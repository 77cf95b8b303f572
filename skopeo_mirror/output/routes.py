"""The routes of images, for machines (`route --json`) and for people (pure views)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.registries_conf.model import Registry
    from skopeo_mirror.registries_conf.routing import PullSource, Route

SCHEMA = "skopeo-mirror/route/v1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Routed:
    """One image with its route, or with the error for which it has none.

    `image` is as given, `registry` the entry that matched an image that has no route.
    """

    image: str
    reference: Reference
    route: Route | None = None
    registry: Registry | None = None
    error: str | None = None


def route_document(images: Iterable[Routed]) -> dict[str, Any]:
    """Return the document of `route --json`, schema `skopeo-mirror/route/v1`."""
    return {"schema": SCHEMA, "routes": [_entry(image) for image in images]}


def route_tree(image: Routed) -> str:
    """Return a person's view of one image: the entry that matched, every candidate, every mirror left out."""
    entry = _matched(image)
    reference = _reference(image)
    head = image.image if image.image == reference else f"{image.image} = {reference}"
    if image.route is None:
        return _tree(head, [entry, f"no route: {image.error}"])
    route = image.route
    numbered = [f"{number}. {_candidate(candidate)}" for number, candidate in enumerate(route.candidates, 1)]
    left_out = [f"left out: {skipped}" for skipped in route.skipped]
    return _tree(head, [entry, *numbered, *left_out])


def _entry(image: Routed) -> dict[str, Any]:
    registry = _registry(image)
    candidates = () if image.route is None else image.route.candidates
    skipped = () if image.route is None else image.route.skipped
    return {
        "image": image.image,
        "reference": _reference(image),
        "prefix": None if registry is None else registry.prefix,
        "candidates": [
            {
                "reference": str(candidate.reference),
                "location": candidate.location,
                "insecure": candidate.insecure,
                "kind": str(candidate.kind),
                "blocked": candidate.blocked,
            }
            for candidate in candidates
        ],
        "skipped": [{"location": one.location, "why": one.why} for one in skipped],
        "error": image.error,
    }


def _reference(image: Routed) -> str:
    return str(image.reference if image.route is None else image.route.reference)


def _registry(image: Routed) -> Registry | None:
    return image.registry if image.route is None else image.route.registry


def _matched(image: Routed) -> str:
    registry = _registry(image)
    if registry is None:
        return "no entry matches: pulled from where its name says"
    where = "" if registry.position is None else f" ({registry.position})"
    return f"prefix {registry.prefix}, the longest that matches{where}"


def _candidate(candidate: PullSource) -> str:
    marks = [f"{candidate.kind} {candidate.location}"] if candidate.location else [str(candidate.kind), "not rewritten"]
    if candidate.insecure:
        marks.append("insecure")
    if candidate.blocked:
        marks.append("blocked: not tried")
    return f"{candidate.reference}  ({', '.join(marks)})"


def _tree(head: str, leaves: list[str]) -> str:
    *most, last = leaves
    return "\n".join([head, *(f"├─ {leaf}" for leaf in most), f"└─ {last}"])
