"""Templates of CatalogSources (operators.coreos.com/v1alpha1), which `targetCatalogSourceTemplate` names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.files import read_regular
from skopeo_mirror.reference import shown
from skopeo_mirror.yaml_text import plain_value, read_yaml_document

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST: Final = 1 << 16  # bytes
_HEAD: Final = {"apiVersion": "operators.coreos.com/v1alpha1", "kind": "CatalogSource"}


def read_catalog_source(file: Path) -> str:
    """Read a template: its `metadata` and `spec`, as JSON.

    What a redirect fills in (name, namespace, image, `sourceType: grpc`) is not part of it.
    Raises OSError, and InvalidInput for what is no template of a CatalogSource that pulls an image.
    """
    template = plain_value(read_yaml_document(read_regular(file, at_most=_LARGEST), str(file)))
    if not isinstance(template, dict):
        raise InvalidInput([f"{file}: expected a mapping"])
    problems = [
        f"{name}: expected {known}, not {shown(str(template.get(name)))}"
        for name, known in _HEAD.items()
        if template.get(name) != known
    ]
    tables: dict[str, dict[str, Any]] = {}
    for name in ("metadata", "spec"):
        table = template.get(name)
        tables[name] = table if isinstance(table, dict) else {}
        if not isinstance(table, dict | None):
            problems.append(f"{name}: expected a mapping")
    spec = tables["spec"]
    if spec.get("sourceType") not in (None, "", "grpc"):
        problems.append(f"spec.sourceType: expected grpc, not {shown(str(spec['sourceType']))}")
    if spec.get("configMap"):
        problems.append("spec.configMap: the catalog is in an image, not in a ConfigMap")
    if problems:
        raise InvalidInput(f"{file}: {problem}" for problem in problems)
    kept: dict[str, Any] = {
        "metadata": {key: value for key, value in tables["metadata"].items() if key in {"labels", "annotations"}},
        "spec": {key: value for key, value in spec.items() if key not in {"sourceType", "image", "configMap"}},
    }
    return json.dumps({key: value for key, value in kept.items() if value})
