"""What to do about an image that failed: the facts of this host and of registries.conf that explain it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.files import can_be_entered
from skopeo_mirror.skopeo.credential_files import auth_file_for, auth_files, certificate_directories
from skopeo_mirror.skopeo.faults import Reason, reason_of, refuses_credentials, refuses_name
from skopeo_mirror.skopeo.http_proxy import proxy_variables
from skopeo_mirror.skopeo.provenance import Outcome
from skopeo_mirror.transfer import explaining

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.skopeo.provenance import Attempt
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.skopeo.settings import Access
    from skopeo_mirror.transfer.sourcing import Sources


_PERHAPS_THE_PROXY = frozenset({Reason.CONNECTION, Reason.TIMEOUT, Reason.SERVER_ERROR, Reason.STALLED})


def nobody_served(
    image: Reference,
    sources: Sources,
    attempts: Sequence[Attempt],
    *,
    scoped: ScopedSkopeo,
    resolved: Digest | None = None,
) -> str:
    """Say of every candidate why it did not serve, and what to look at next (of a layout that is said already).

    `resolved` is what one of them gave for the tag of `image`, if there was anything to resolve.
    """
    advice: dict[str, None] = {}
    last = {attempt.candidate: attempt for attempt in attempts if attempt.outcome is Outcome.FAILED}
    for candidate, attempt in last.items():
        if candidate.host is not None:
            advice[registry_advice(attempt.reason, candidate.host, scoped.settings.source, scoped)] = None
    if resolved is not None and any(_lacks_manifest(attempt, resolved) for attempt in last.values()):
        advice[explaining.served_by_tag_only(image, resolved)] = None
    elif sources.route is not None and {attempt.reason for attempt in last.values()} == {Reason.NOT_FOUND}:
        advice[explaining.how_routed(image, sources.route.registry)] = None
    left_out = () if sources.route is None else sources.route.skipped
    told = explaining.nobody_served(attempts, sources.mirrors_only, left_out=left_out)
    return "; ".join(filter(None, [told, *advice]))


def destination_failed(name: str, repository: Reference | None, error: str, scoped: ScopedSkopeo) -> str:
    """Say what is wrong at the destination `name`, and what to look at next; `repository` is the image's there."""
    told = [f"{name}: {explaining.signatures_refused(error) or error}"]
    if repository is not None:
        told.append(registry_advice(reason_of(error), repository.domain, scoped.settings.destination, scoped))
        if repository.path.count("/") > 1 and refuses_name(error) and not refuses_credentials(error):
            told.append(explaining.too_deep(repository.path))
    return "; ".join(filter(None, told))


def registry_advice(reason: Reason | None, host: str, access: Access, scoped: ScopedSkopeo) -> str:
    """What to do about a registry that refuses, or that is refused; empty where there is nothing to add."""
    environment: Mapping[str, str] = scoped.skopeo.environment
    proxied = proxy_variables(host, environment)
    if proxied and reason in _PERHAPS_THE_PROXY:
        return explaining.proxied(host, proxied)
    if reason is Reason.UNAUTHORIZED:
        files = auth_files(access.authfile, environment)
        used = auth_file_for(host, files)
        return explaining.unauthorized(host, list(map(str, files)), None if used is None else str(used))
    if reason is Reason.TLS:
        directories = certificate_directories(access.cert_dir, host, environment)
        found = next((str(directory) for directory in directories if can_be_entered(directory)), None)
        return explaining.certificates(host, list(map(str, directories)), found)
    return ""


def _lacks_manifest(attempt: Attempt, digest: Digest) -> bool:
    """Whether that very manifest was not found, rather than an image of an index, or a blob."""
    return attempt.reason is Reason.NOT_FOUND and f"manifest {digest} in " in attempt.detail
