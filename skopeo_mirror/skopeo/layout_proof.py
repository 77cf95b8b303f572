"""The proof for an image that came from a layout: a copy of files, in which no registry but the destination had a part.

Pure. That the bytes are the layout's is proven by their digests, which skopeo compares while it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from skopeo_mirror.skopeo.debuglog import Died, Event, LeftElsewhere, Requested, Tried
from skopeo_mirror.skopeo.faults import Reason, Stage, blames_destination, reason_of, stage_of
from skopeo_mirror.skopeo.provenance import Attempt, Fault, Outcome, Provenance, last_words
from skopeo_mirror.skopeo.purposes import Purposes, in_words, repository_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.skopeo.layout_source import LayoutSource
    from skopeo_mirror.skopeo.provenance import Ending


def trace_layout(
    events: Sequence[Event],
    tail: Sequence[str],
    ending: Ending,
    *,
    candidate: LayoutSource,
    destination: Reference | None = None,
) -> Provenance:
    """What a run proves that was to copy from a layout; `destination` is the repository that was written to, if any."""
    seconds = ending.at - events[0].at if events else 0.0
    if ending.status == 0 and ending.reason is None:
        return Provenance(
            attempts=(Attempt(candidate=candidate, outcome=Outcome.SERVED, seconds=seconds),),
            server=candidate,
            doubt=_doubt(events, destination),
            pulled=None if destination is None else tuple(dict.fromkeys(_uploaded(events))),
            left=tuple(dict.fromkeys(event.digest for event in events if isinstance(event, LeftElsewhere))),
        )
    died = next((event for event in events if isinstance(event, Died)), None)
    error = last_words(ending, died, tail)
    words = error.replace(f"{candidate.blobs}/", "")  # a file of the layout's is not the destination's
    ended_while_pushing = ending.reason is not None and destination is not None  # files do not stall
    if ended_while_pushing or (ending.reason is None and blames_destination(words)):
        stage, reason, fault = Stage.WRITE, Reason.DESTINATION, Fault(reason=Reason.DESTINATION, detail=error)
    else:
        stage, reason, fault = stage_of(words, opened=True), ending.reason or reason_of(words), None
    failed = Attempt(
        candidate=candidate, outcome=Outcome.FAILED, stage=stage, reason=reason, detail=error, seconds=seconds
    )
    return Provenance(attempts=(failed,), fault=fault)


def _doubt(events: Sequence[Event], destination: Reference | None) -> str | None:
    """Why the log does not prove that everything came from the layout."""
    for event in events:
        if isinstance(event, Tried):
            return f"skopeo turned to {event.reference}, though the image was to come from a layout"
    ours = frozenset() if destination is None else frozenset({repository_of(destination)})
    strange = Purposes(repositories=ours).unexplained(events)
    return None if strange is None else f"{in_words(strange)}, though it was to come from a layout"


def _uploaded(events: Sequence[Event]) -> Iterator[str]:
    """The blobs that the destination did not have: the PUT that ends an upload names the digest."""
    for event in events:
        if isinstance(event, Requested) and event.method == "PUT" and "/blobs/uploads/" in event.url:
            yield from parse_qs(urlsplit(event.url).query).get("digest", [])
