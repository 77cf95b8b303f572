"""What to tell people about an image that failed (pure)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from skopeo_mirror.skopeo.provenance import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.registries_conf.model import Registry
    from skopeo_mirror.registries_conf.routing import Skipped
    from skopeo_mirror.skopeo.provenance import Attempt

NO_ROOM_FOR_SIGNATURES: Final = (
    "an OCI layout cannot hold signatures, neither those that this host's registries.d makes skopeo copy "
    "(--remove-signatures copies the image without these) nor those of --sign-by"
)


def nobody_served(attempts: Sequence[Attempt], mirrors_only: bool, *, left_out: Sequence[Skipped] = ()) -> str:
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


def unauthorized(host: str, files: Sequence[str], used: str | None) -> str:
    """A registry that wants other credentials, or any: from which auth file skopeo took them, or in vain."""
    if used is not None:
        return (
            f"{host} did not accept the credentials in {used}: log in again (`skopeo login --authfile {used} {host}`)"
        )
    option = f"--authfile {files[0]} " if len(files) == 1 else ""
    return f"there are no credentials for {host} in {', '.join(files)}: log in (`skopeo login {option}{host}`)"


def certificates(host: str, directories: Sequence[str], used: str | None) -> str:
    """A registry whose certificate is not trusted, or that speaks no TLS: where its authority is looked for."""
    where = f"in {used}" if used is not None else f"in {', '.join(directories)} (none of which exists)"
    return (
        f"certificates of {host} are looked for {where} and among the system's: put its authority there (a .crt file) "
        "or, where plain HTTP or an unverified certificate will do, say so (of a source: insecure = true in "
        "registries.conf, of the destination: --dest-tls-verify=false)"
    )


def proxied(host: str, variables: Sequence[str]) -> str:
    """A registry that is asked through a proxy: what failed can be the proxy's."""
    return (
        f"requests to {host} go through the proxy that {' and '.join(variables)} name: look whether it lets them pass, "
        "or have NO_PROXY name the host"
    )


def served_by_tag_only(image: Reference, digest: Digest) -> str:
    """A tag that was served, and its digest is not: a copy asks for the digest, so that it cannot get anything else."""
    return (
        f"the tag of {image} is served, as {digest}, but not that digest: ask whoever runs the registry why (a proxy "
        "that keeps tags only, or a manifest that was deleted or replaced meanwhile)"
    )


def too_deep(path: str) -> str:
    """A destination that refuses a name, perhaps for the number of its path components."""
    return (
        f"if the registry takes no path of {path.count('/') + 1} components such as {path}, say how many it takes with "
        "--max-nested-paths N"
    )


def how_routed(image: Reference, registry: Registry | None) -> str:
    """What `route` would show of an image that is nowhere."""
    entry = "no entry of registries.conf matches"
    if registry is not None:
        entry = f"the entry with the prefix {registry.prefix} counts"
        if registry.position is not None:
            entry += f" ({registry.position})"
    return f"these are all the candidates that `skopeo-mirror route {image}` shows: {entry}"


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
        return too_many_files(error.strerror or str(error))
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error} (TMPDIR names the directory for temporary files)"


def too_many_files(words: str) -> str:
    """Too few file descriptors: no registry has a part in that."""
    return f"{words}: this machine's limit is reached; raise it (`ulimit -n`), or run fewer images at a time (--jobs)"


def ours(words: str) -> str:
    """What failed on this machine, and what to do about it."""
    if "too many open files" in words:
        return too_many_files(words)
    return f"on this machine: {words}"


def _one_line(text: str, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"
