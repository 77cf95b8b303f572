"""Content that lives outside every registry, at URLs that a manifest names: what a copy may do with it (pure)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.secrets import redacted_url
from skopeo_mirror.transfer.results import LivesElsewhere

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.provenance import Provenance
    from skopeo_mirror.transfer.plan import Elsewhere, Plan


def why_not(fetched: Sequence[Elsewhere], source: PullSource | None, *, mirrors_only: bool) -> str | None:
    """Why an image of which this would be fetched from its URLs is not to be copied, in words for people."""
    from_layout = source is not None and source.host is None
    if not fetched or not (mirrors_only or from_layout):
        return None
    what = ", ".join(f"{_kind(content)} {content.digest} from {_where(content.urls)}" for content in fetched)
    why = (
        "no registry is to be asked where an image comes from a layout" if from_layout else "--mirrors-only forbids it"
    )
    cure = (
        "its config is not where its manifest is; whoever made the image must push it again"
        if any(content.needed for content in fetched)
        else "docker:// and oci: leave such a layer where it is, dir: cannot"
    )
    return f"skopeo would fetch {what}: {why} ({cure}); nothing was asked of that URL"


def blamed(provenance: Provenance, contents: Iterable[Elsewhere]) -> Provenance:
    """The same run, told of a URL that gave nothing of use: skopeo words that as if the candidate had failed."""
    if provenance.server is not None or not provenance.attempts:
        return provenance
    *before, last = provenance.attempts
    for content in contents:
        if content.digest in last.detail and any(url in provenance.fetched for url in content.urls):
            told = f"{_kind(content)} {content.digest} could not be had from its own URL, {_where(content.urls)}"
            reason = last.reason if content.digest in (provenance.pulled or ()) else Reason.OTHER
            blame = replace(last, reason=reason, detail=f"{told}: {last.detail}")
            return replace(provenance, attempts=(*before, blame))
    return provenance


def as_told(
    plan: Plan | None, provenance: Provenance | None, *, brings_layers: bool, would: bool
) -> tuple[LivesElsewhere, ...]:
    """What is to be told of a copy that succeeded; `would`: of one that was not made."""
    if provenance is None:
        return ()
    if plan is None:
        return tuple(LivesElsewhere(digest=digest, url="", fetched=False) for digest in provenance.left)
    told: list[LivesElsewhere] = []
    for content in plan.elsewhere:
        stays = not (content.needed or brings_layers)
        used = next((url for url in content.urls if url in provenance.fetched), None)
        if stays or would or used is not None:  # else it came from the server after all: skopeo knows no such URL
            url = redacted_url(content.urls[0] if used is None else used)
            told.append(LivesElsewhere(digest=content.digest, url=url, fetched=not stays))
    return tuple(told)


def _kind(content: Elsewhere) -> str:
    return "the config" if content.needed else "the layer"


def _where(urls: tuple[str, ...]) -> str:
    more = f" (or {len(urls) - 1} more)" if len(urls) > 1 else ""
    return redacted_url(urls[0]) + more
