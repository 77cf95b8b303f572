"""Explanations of why an image failed, for people (pure)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import words_of
from skopeo_mirror.skopeo.provenance import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skopeo_mirror.manifest import Descriptor
    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.registries_conf.routing import Skipped
    from skopeo_mirror.skopeo.provenance import Attempt

NO_ROOM_FOR_SIGNATURES: Final = (
    "an OCI layout cannot hold signatures, neither those that this host's registries.d makes skopeo copy "
    "(--remove-signatures copies the image without these) nor those of --sign-by"
)

OF_SOME_PLATFORMS: Final = "a layout that was filled with --platform has the images for that alone; {}"


def why_nobody_served(attempts: Sequence[Attempt], mirrors_only: bool, *, left_out: Sequence[Skipped] = ()) -> str:
    """Say of every candidate why it did not serve, in order, each once, the last word on it counts.

    `left_out` are the mirrors that are not for such a pull.
    """
    last = {attempt.candidate: attempt for attempt in attempts if attempt.outcome is not Outcome.SERVED}
    told = "; ".join(describe(attempt) for attempt in last.values())
    others = "; ".join(f"not asked: {skipped}" for skipped in left_out)
    if not last:
        none = "no mirror that is configured for it may serve it" if left_out else "no mirror is configured for it"
        told = f"{none}, and --mirrors-only leaves out the origin" if mirrors_only else "no source"
    else:
        told = f"no mirror served it (--mirrors-only): {told}" if mirrors_only else f"no candidate served it: {told}"
    return "; ".join(filter(None, [told, others]))


def has_none(asked: Sequence[Platform], children: Iterable[Descriptor]) -> str:
    """An index none of whose images is for a platform that was asked for."""
    has = dict.fromkeys(str(child.platform) for child in children if child.about is None and child.platform)
    told = ", ".join(has) or "none that names a platform"
    return f"its index has no image for {' or '.join(map(str, asked))}: it has {told}"


def rejected_by(policy: str | None, attempt: Attempt) -> str:
    """An image that the signature policy rejects as one candidate has it: skopeo asks no other, and so it is final."""
    named = "" if policy is None else f" ({policy})"
    return (
        f"the signature policy{named} rejects what was served, and so no other candidate is asked: {describe(attempt)}"
    )


def describe(attempt: Attempt) -> str:
    """One attempt in one line: where, what, and skopeo's own words."""
    where = f"{attempt.candidate.kind} {attempt.candidate.place}"
    what = "skipped" if attempt.outcome is Outcome.SKIPPED else attempt.reason or "failed"
    log = "" if attempt.log is None else f" [log: {attempt.log}]"
    return f"{where}: {what} ({_one_line(attempt.detail)}){log}"


def signatures_refused(error: str) -> str:
    """A destination that takes no signatures, in words for people; empty where something else is wrong."""
    if "signatures for OCI images is not supported" in error or "Docker reference for destination oci:" in error:
        return NO_ROOM_FOR_SIGNATURES
    if "Docker reference for destination dir:" in error:
        return "skopeo cannot tell as what to sign an image in a directory (--sign-by): leave that to the next registry"
    if "writing sigstore attachments is disabled by configuration" in error:
        return (
            f"{error}: this host's registries.d makes skopeo copy the image's signatures, and not attach them there; "
            "say use-sigstore-attachments: true for its host too, or copy without them (--remove-signatures)"
        )
    return ""


def temporary_trouble(error: OSError) -> str:
    """A failure on this host, outside the destination: most often the temporary directory."""
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return _too_many_files(error.strerror or str(error))
    return f"{words_of(error)} (TMPDIR names the directory for temporary files)"


def ours(words: str) -> str:
    """What failed on this machine, and what to do about it."""
    if "too many open files" in words:
        return _too_many_files(words)
    return f"on this machine: {words}"


def _too_many_files(words: str) -> str:
    return f"{words}: this machine's limit is reached; raise it (`ulimit -n`), or run fewer images at a time (--jobs)"


def _one_line(text: str, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"
