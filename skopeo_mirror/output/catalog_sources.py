"""CatalogSources of OpenShift: what makes a cluster offer the operators of the catalogs at the destination (pure).

Form and names are oc-mirror v2's (openshift/oc-mirror, internal/pkg/clusterresources).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skopeo_mirror.reference import Reference

_SUFFIX: Final = 12  # characters of the tag, or of the digest that the tag was made of, that go into a name
_LONGEST: Final = 63  # characters of a DNS label


def catalog_sources(catalogs: Iterable[Reference]) -> str:
    """One document for each catalog, given by its place; empty where there is none."""
    names: Counter[str] = Counter()
    documents = []
    for place in sorted(set(catalogs), key=str):
        name = _name(place)
        names[name] += 1
        documents.append(_document(name if names[name] == 1 else f"{name}-{names[name]}", place))
    return "---\n".join(documents)


def _name(place: Reference) -> str:
    """`cs-REPOSITORY-TAG`, made a DNS label; of a tag that was made of a digest, the digest."""
    tag = re.sub(r"^pin-[a-z0-9]+-", "", place.tag or "0")[:_SUFFIX]
    name = f"cs-{place.path.rpartition('/')[2]}-{tag}".lower()
    return re.sub(r"[^a-z0-9-]", "-", name)[:_LONGEST].rstrip("-")


def _document(name: str, place: Reference) -> str:
    lines = [
        *("apiVersion: operators.coreos.com/v1alpha1", "kind: CatalogSource"),
        *("metadata:", f"  name: {name}", "  namespace: openshift-marketplace"),
        *("spec:", "  sourceType: grpc", f"  image: {json.dumps(str(place))}"),
    ]
    return "\n".join([*lines, ""])
