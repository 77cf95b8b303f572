"""One image's registries.conf: its candidates in order and nothing else (pure).

Look-up goes by the longest prefix, so an entry whose prefix is a full repository name beats everything shorter that
the ambient drop-ins say. That holds for the image's own name and, through an entry of its own, for the physical
repository of each candidate and of the destination, which ambient `blocked` and `insecure` would otherwise reach.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from skopeo_mirror.registries_conf.routing import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.registries_conf.routing import Candidate


def scope(image: Reference, candidates: Sequence[Candidate], *, writes_to: Reference | None = None) -> str:
    """Render the TOML that makes skopeo pull `image` from exactly `candidates`, in that order.

    The last candidate stands as the entry's location, so leaving the origin out needs no `blocked`. `writes_to` is the
    destination's repository: its own `insecure` is passed to skopeo as an option, and its entry here unblocks it.
    A layout is no registry: of an image that comes from one, nothing but the destination is left.
    """
    candidates = _registries(candidates)
    if not candidates:
        return "" if writes_to is None else "\n".join([*_table(writes_to.name, writes_to.name, insecure=False), ""])
    *mirrors, last = candidates
    lines = _table(image.name, last.reference.name, insecure=last.insecure)
    for mirror in mirrors:
        lines += ["", "[[registry.mirror]]", f"location = {_quoted(mirror.reference.name)}"]
        if mirror.insecure:
            lines.append("insecure = true")
    # Two tables with one location must agree on `insecure`; a mirror's own is read from its mirror entry only.
    insecure_of = {last.reference.name: last.insecure}
    for repository in physical_repositories(candidates, writes_to):
        if repository != image.name:
            lines += ["", *_table(repository, repository, insecure=insecure_of.get(repository, False))]
    return "\n".join([*lines, ""])


def scope_destinations(insecure: Mapping[str, bool]) -> str:
    """Render the TOML for reading from repositories where they are, whatever mirrors they have elsewhere.

    `insecure` says of each repository whether its certificates go unverified.
    """
    tables = [_table(name, name, insecure=unverified) for name, unverified in insecure.items()]
    return "\n".join(line for table in tables for line in [*table, ""])


def physical_repositories(candidates: Iterable[Candidate], writes_to: Reference | None) -> list[str]:
    """The repositories that skopeo really talks to, once each, in order."""
    names = [candidate.reference.name for candidate in _registries(candidates)]
    if writes_to is not None:
        names.append(writes_to.name)
    return list(dict.fromkeys(names))


def scoped_prefixes(image: Reference, candidates: Iterable[Candidate], writes_to: Reference | None) -> list[str]:
    """The prefixes of all entries that `scope` writes."""
    candidates = _registries(candidates)
    return [*([image.name] if candidates else []), *physical_repositories(candidates, writes_to)]


def _registries(candidates: Iterable[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.kind is not Kind.LAYOUT]


def _table(prefix: str, location: str, *, insecure: bool) -> list[str]:
    lines = ["[[registry]]", f"prefix = {_quoted(prefix)}", f"location = {_quoted(location)}"]
    if insecure:
        lines.append("insecure = true")
    return lines


def _quoted(name: str) -> str:
    """A TOML basic string; names are ASCII without control characters, for which JSON's form is the same."""
    return json.dumps(name)
