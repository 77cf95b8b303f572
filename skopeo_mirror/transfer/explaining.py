"""What to tell people about an image that failed (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.skopeo.provenance import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.skopeo.provenance import Attempt


def nobody_served(attempts: Sequence[Attempt], mirrors_only: bool) -> str:
    """Say of every candidate why it did not serve, in order, each once, the last word on it counts."""
    last = {attempt.candidate: attempt for attempt in attempts if attempt.outcome is not Outcome.SERVED}
    told = "; ".join(describe(attempt) for attempt in last.values())
    if not last:
        return (
            "no mirror is configured for it, and --mirrors-only leaves out the origin" if mirrors_only else "no source"
        )
    return f"no mirror served it (--mirrors-only): {told}" if mirrors_only else f"no candidate served it: {told}"


def describe(attempt: Attempt) -> str:
    """One attempt in one line: where, what, and skopeo's own words."""
    where = f"{attempt.candidate.kind} {attempt.candidate.reference.name}"
    what = "skipped" if attempt.outcome is Outcome.SKIPPED else attempt.reason or "failed"
    log = "" if attempt.log is None else f" [log: {attempt.log}]"
    return f"{where}: {what} ({_one_line(attempt.detail)}){log}"


def temporary_trouble(error: OSError) -> str:
    """A failure on this host, outside the destination: most often the temporary directory."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error} (TMPDIR names the directory for temporary files)"


def _one_line(text: str, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"
