"""Purposes of the requests in skopeo's log: nothing is read that the route does not explain (pure).

Only what is read (GET) counts: an upload goes where the destination sends it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from skopeo_mirror.skopeo.debuglog import Lookaside, Requested
from skopeo_mirror.skopeo.secrets import redacted_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.skopeo.debuglog import Event

DOCKER_HUB: Final = {"docker.io": "registry-1.docker.io"}
"""containers/image talks to another host than the one that it names."""

_CONTENT: Final = re.compile(
    r"https?://(?P<host>[^/?#]+)/v2/(?P<path>[^?#]+)/(?P<kind>manifests|blobs)/(?P<name>(?!uploads)[^/?#]+)(?:[?#].*)?"
)
_PINGS: Final = frozenset({"/v2/", "/v1/_ping"})
# Of a repository, beside its manifests and blobs; the last is the signatures of OpenShift's own registry.
_OF_A_REPOSITORY: Final = re.compile(
    r"/v2/(?P<one>.+)/(?:blobs/uploads/.*|tags/list|referrers/.*)|/extensions/v2/(?P<other>.+)/signatures/.*"
)
_SIGNATURE: Final = re.compile(r"(?P<path>.+)@[a-z0-9]+=[0-9a-f]+/signature-\d+")


class Content(NamedTuple):
    """A manifest or a blob that a request asks for."""

    host: str
    path: str
    """That of the repository."""
    kind: str
    """`manifests` or `blobs`."""
    name: str
    """A digest, or a tag."""

    @property
    def repository(self) -> tuple[str, str]:
        """The repository as `repository_of` names it."""
        return self[:2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Purposes:
    """The purposes that a run may have: what it may read."""

    repositories: frozenset[tuple[str, str]]
    """Each a host and a path."""
    elsewhere: tuple[str, ...] = ()
    """The URLs of content that is in no registry."""

    def unexplained(self, events: Iterable[Event]) -> Requested | None:
        """The first request to a place that nothing explains.

        The servers that give out tokens are told by what they are asked for, a scope that names the repository; those
        that keep signatures by the log, in which skopeo says where this host's registries.d has it look.
        """
        lookasides: list[str] = []
        for event in events:
            if isinstance(event, Lookaside):
                lookasides.append(event.url)
            elif isinstance(event, Requested) and event.method == "GET" and not self._explains(event.url, lookasides):
                return event
        return None

    def fetched(self, requests: Iterable[Requested]) -> tuple[str, ...]:
        """The URLs of `elsewhere` that were read."""
        read = {_address(request.url) for request in requests if request.method == "GET"}
        return tuple(url for url in self.elsewhere if _address(url) in read)

    def _explains(self, url: str, lookasides: Sequence[str]) -> bool:
        if _address(url) in {_address(known) for known in self.elsewhere}:
            return True
        content = content_of(url)
        if content is not None:
            return content.repository in self.repositories
        parts = split_url(url)
        if parts.path in _PINGS and any(parts.netloc == host for host, _ in self.repositories):
            return True
        found = _OF_A_REPOSITORY.fullmatch(parts.path)
        if found is not None and (parts.netloc, found["one"] or found["other"]) in self.repositories:
            return True
        return self._is_for_a_token(parts) or self._is_a_signature(url, lookasides)

    def _is_for_a_token(self, parts: SplitResult) -> bool:
        scopes = {f"repository:{path}" for _, path in self.repositories}
        return any(scope.rpartition(":")[0] in scopes for scope in parse_qs(parts.query).get("scope", ()))

    def _is_a_signature(self, url: str, lookasides: Sequence[str]) -> bool:
        host, path = _address(url)
        for base_host, base_path in map(_address, lookasides):
            base = f"{base_path.rstrip('/')}/"
            if host == base_host and path.startswith(base):
                found = _SIGNATURE.fullmatch(path.removeprefix(base))
                if found is not None and any(found["path"] == known for _, known in self.repositories):
                    return True
        return False


def in_words(request: Requested) -> str:
    """What was read from where, as a person needs to know it."""
    content = content_of(request.url)
    if content is None:
        return f"skopeo read {redacted_url(request.url)}"
    return f"skopeo read {content.name} from {content.host.rpartition('@')[2]}/{content.path}"


def host_of(reference: Reference) -> str:
    """The host that skopeo talks to."""
    return DOCKER_HUB.get(reference.domain, reference.domain)


def repository_of(reference: Reference) -> tuple[str, str]:
    """A repository as requests name it."""
    return host_of(reference), reference.path


def content_of(url: str) -> Content | None:
    """What is asked for at a URL, where that is content."""
    found = _CONTENT.fullmatch(url)
    return None if found is None else Content(**found.groupdict())


def _address(url: str) -> tuple[str, str]:
    """Where a URL leads, however it is spelled: skopeo logs it in its own spelling, and without the password."""
    parts = split_url(url)
    return parts.netloc.rpartition("@")[2].lower(), unquote(parts.path)


def split_url(url: str) -> SplitResult:
    """The parts of a URL; of none of it where it is no URL."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
