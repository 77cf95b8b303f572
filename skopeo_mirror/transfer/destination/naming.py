"""What an image is called at the destination, and which names get in each other's way (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skopeo_mirror.reference import Reference

_HEX_IN_TAG = 64
"""Hex digits of a digest that go into a tag, which holds 128 characters at most; a sha512 digest is cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NamingRules:
    """`scoped` keeps the source host in the path; `max_nested_paths` limits its components (0: no limit)."""

    scoped: bool = False
    max_nested_paths: int = 0


def repository_path(base: str, image: Reference, rules: NamingRules) -> str:
    """The path of `image` below a destination whose own path is `base` (may be empty)."""
    parts = [part for part in base.split("/") if part]
    if rules.scoped:
        parts.append(_host_as_component(image.domain))
    parts += image.path.split("/")
    limit = rules.max_nested_paths
    if limit and len(parts) > limit:
        parts = [*parts[: limit - 1], "-".join(parts[limit - 1 :])]
    return "/".join(parts)


def tag_of(image: Reference) -> str:
    """The tag that keeps an image at the destination: its own, else one made of its digest, else `latest`.

    `pin-sha256-…`, because a registry may collect what has no tag; `sha256-…` belongs to the OCI referrers schema.
    """
    if image.tag is not None:
        return image.tag
    if image.digest is None:
        return "latest"
    return f"pin-{image.digest.algorithm}-{image.digest.hex[:_HEX_IN_TAG]}"


def _host_as_component(domain: str) -> str:
    """`Quay.io:443` as a path component: `quay.io-443`."""
    return re.sub(r"[^a-z0-9.]+", "-", domain.lower())
