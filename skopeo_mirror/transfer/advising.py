"""Advice on an image that failed: the facts of this host and of registries.conf that explain it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.files import can_be_entered
from skopeo_mirror.skopeo.credential_files import auth_file_for, auth_files, certificate_directories
from skopeo_mirror.skopeo.faults import Reason, reason_of, refuses_credentials, refuses_name
from skopeo_mirror.skopeo.http_proxy import proxy_variables
from skopeo_mirror.skopeo.provenance import Outcome
from skopeo_mirror.transfer.explaining import signatures_refused, why_nobody_served
from skopeo_mirror.transfer.limits import refused_without_the_rest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.registries_conf.model import Registry
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
    advice: list[str] = []
    last = {attempt.candidate: attempt for attempt in attempts if attempt.outcome is Outcome.FAILED}
    for candidate, attempt in last.items():
        if candidate.host is not None:
            advice.append(_registry_advice(attempt.reason, candidate.host, scoped.settings.source, scoped))
    if resolved is not None and any(
        # that very manifest, rather than an image of an index, or a blob
        attempt.reason is Reason.NOT_FOUND and f"manifest {resolved} in " in attempt.detail
        for attempt in last.values()
    ):
        advice.append(
            f"the tag of {image} is served, as {resolved}, but not that digest: ask whoever runs the registry why (a "
            "proxy that keeps tags only, or a manifest that was deleted or replaced meanwhile)"
        )
    elif sources.route is not None and {attempt.reason for attempt in last.values()} == {Reason.NOT_FOUND}:
        advice.append(_how_routed(image, sources.route.registry))
    left_out = () if sources.route is None else sources.route.skipped
    told = why_nobody_served(attempts, sources.mirrors_only, left_out=left_out)
    return "; ".join(filter(None, [told, *dict.fromkeys(advice)]))


def destination_failed(
    name: str, repository: Reference | None, error: str, scoped: ScopedSkopeo, platforms: Sequence[Platform] = ()
) -> str:
    """Say what is wrong at the destination `name`, and what to look at next; `repository` is the image's there.

    `platforms`: of an index that was written only the images for these are there.
    """
    lacking = refused_without_the_rest(error, platforms)
    told = [f"{name}: {lacking or signatures_refused(error) or error}"]
    if repository is not None and not lacking:
        told.append(_registry_advice(reason_of(error), repository.domain, scoped.settings.destination, scoped))
        slashes = repository.path.count("/")
        if slashes > 1 and refuses_name(error) and not refuses_credentials(error):
            told.append(
                f"if the registry takes no path of {slashes + 1} components such as {repository.path}, say how many "
                "it takes with --max-nested-paths N"
            )
    return "; ".join(filter(None, told))


def _registry_advice(reason: Reason | None, host: str, access: Access, scoped: ScopedSkopeo) -> str:
    """What to do about a registry that refuses, or that is refused; empty where there is nothing to add."""
    environment = scoped.skopeo.environment
    proxied = proxy_variables(host, environment)
    if proxied and reason in _PERHAPS_THE_PROXY:
        return (
            f"requests to {host} go through the proxy that {' and '.join(proxied)} name: look whether it lets them "
            "pass, or have NO_PROXY name the host"
        )
    if reason is Reason.UNAUTHORIZED:
        files = auth_files(access.authfile, environment)
        used = auth_file_for(host, files)
        if used is not None:
            login = f"skopeo login --authfile {used} {host}"
            return f"{host} did not accept the credentials in {used}: log in again (`{login}`)"
        option = f"--authfile {files[0]} " if len(files) == 1 else ""
        where = ", ".join(map(str, files))
        return f"there are no credentials for {host} in {where}: log in (`skopeo login {option}{host}`)"
    if reason is Reason.TLS:
        directories = certificate_directories(access.cert_dir, host, environment)
        found = next((str(directory) for directory in directories if can_be_entered(directory)), None)
        where = found or f"{', '.join(map(str, directories))} (none of which exists)"
        return (
            f"certificates of {host} are looked for in {where} and among the system's: put its authority there (a .crt "
            "file) or, where plain HTTP or an unverified certificate will do, say so (of a source: insecure = true in "
            "registries.conf, or beside mirror sets an Image with insecureRegistries; of the destination: "
            "--dest-tls-verify=false)"
        )
    return ""


def _how_routed(image: Reference, registry: Registry | None) -> str:
    """What `route` would show of an image that is nowhere."""
    entry = "no entry of registries.conf matches"
    if registry is not None:
        entry = f"the entry with the prefix {registry.prefix} counts"
        if registry.position is not None:
            entry += f" ({registry.position})"
    return f"these are all the candidates that `skopeo-mirror route {image}` shows: {entry}"
