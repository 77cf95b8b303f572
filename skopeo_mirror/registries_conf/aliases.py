"""Short-name aliases of registries.conf: checked as containers/image does (shortnames.go), and not used."""

from __future__ import annotations

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.reference import Reference, shown, split_repository


def check(name: str, target: str) -> None:
    """Raise InvalidReference where `name` is no short name, or `target` is neither empty nor a full repository."""
    if _has_registry(name):
        raise InvalidReference(f"the short name {shown(name)} must not contain a registry")
    if not target:  # takes back the alias of an earlier file
        return
    if not _has_registry(target):
        raise InvalidReference(f"the alias {shown(target)} must contain registry and repository")
    Reference.parse(target)


def _has_registry(text: str) -> bool:
    host, _ = split_repository(text)
    return "." in host or ":" in host or host == "localhost"
