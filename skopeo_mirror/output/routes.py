"""The routes of images, for machines (`route --json`) and for people (pure views)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skopeo_mirror.registries_conf.model import Registry
    from skopeo_mirror.registries_conf.problem import Position
    from skopeo_mirror.registries_conf.routing import PullSource, Route

SCHEMA = "skopeo-mirror/route/v1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Routed:
    """One image with its route."""

    image: str
    """As it was given."""
    route: Route
    """Without candidates where there is an error."""
    error: str | None = None
    """Why it cannot be routed."""


def route_document(images: Iterable[Routed]) -> dict[str, Any]:
    """Return the document of `route --json`, schema `skopeo-mirror/route/v1`."""
    return {"schema": SCHEMA, "routes": [_entry(image) for image in images]}


def route_tree(image: Routed) -> str:
    """Return a person's view of one image: the entry that matched, every candidate, every mirror left out."""
    route = image.route
    reference = str(route.reference)
    numbered = [f"{number}. {_source_line(candidate)}" for number, candidate in enumerate(route.candidates, 1)]
    left_out = [f"left out: {skipped}" for skipped in route.skipped]
    refused = [] if image.error is None else [f"no route: {image.error}"]
    *most, last = [_matched(route.registry), *numbered, *left_out, *refused]
    head = image.image if image.image == reference else f"{image.image} = {reference}"
    return "\n".join([head, *(f"├─ {leaf}" for leaf in most), f"└─ {last}"])


def _entry(image: Routed) -> dict[str, Any]:
    route = image.route
    return {
        "image": image.image,
        "reference": str(route.reference),
        "prefix": route.prefix,
        "candidates": [
            {
                "reference": str(candidate.reference),
                "location": candidate.location,
                "insecure": candidate.insecure,
                "kind": str(candidate.kind),
                "blocked": candidate.blocked,
                **_places(at=candidate.position, insecure_at=candidate.insecure_at, blocked_at=candidate.blocked_at),
            }
            for candidate in route.candidates
        ],
        "skipped": [
            {"location": skipped.location, "why": skipped.why, **_places(at=skipped.position)}
            for skipped in route.skipped
        ],
        "error": image.error,
        **_places(matched_at=None if route.registry is None else route.registry.position),
    }


def _places(**places: Position | None) -> dict[str, Any]:
    """The places that lie in an object, for machines."""
    return {
        name: {"file": place.file, "line": place.line, "object": place.object}
        for name, place in places.items()
        if place is not None and place.object
    }


def _matched(registry: Registry | None) -> str:
    if registry is None:
        return "no entry matches: pulled from where its name says"
    where = "" if registry.position is None else f" ({registry.position})"
    return f"prefix {registry.prefix}, the longest that matches{where}"


def _source_line(candidate: PullSource) -> str:
    marks = [f"{candidate.kind} {candidate.location}"] if candidate.location else [str(candidate.kind), "not rewritten"]
    if candidate.position is not None:
        marks[0] += f" of {candidate.position}"
    if candidate.insecure:
        marks.append(f"insecure{_by(candidate.insecure_at)}")
    if candidate.blocked:
        marks.append(f"blocked{_by(candidate.blocked_at)}: not tried")
    places = (candidate.position, candidate.insecure_at, candidate.blocked_at)
    between = ", " if places == (None, None, None) else "; "  # of a place there is a comma
    return f"{candidate.reference}  ({between.join(marks)})"


def _by(place: Position | None) -> str:
    return f" by {place}" if place is not None else ""
