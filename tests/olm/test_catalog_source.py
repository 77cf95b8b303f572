from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.olm.catalog_source import read_catalog_source

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\n"


def read(directory: Path, text: str) -> str:
    file = directory / "template.yaml"
    file.write_text(text, encoding="utf-8")
    return read_catalog_source(file)


def test_what_a_template_says_beyond_what_is_filled_in(tmp_path: Path) -> None:
    text = (
        HEAD
        + """\
metadata: {name: mine, namespace: other, labels: {team: "1"}}
spec:
  image: old.io/a:v1
  sourceType: grpc
  displayName: Ours
  priority: -100
  secrets: []
  address:
  grpcPodConfig: {tolerations: [{operator: Exists}], memoryTarget: 30Mi}
  updateStrategy: {registryPoll: {interval: 30m0s}}
  odd: [true, "true", 1.5, "1"]
"""
    )
    assert json.loads(read(tmp_path, text)) == {
        "metadata": {"labels": {"team": "1"}},
        "spec": {
            "displayName": "Ours",
            "priority": -100,
            "secrets": [],
            "address": None,
            "grpcPodConfig": {"tolerations": [{"operator": "Exists"}], "memoryTarget": "30Mi"},
            "updateStrategy": {"registryPoll": {"interval": "30m0s"}},
            "odd": [True, "true", 1.5, "1"],
        },
    }


def test_a_template_that_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD) == "{}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("[]", ["expected a mapping"], id="no-mapping"),
        pytest.param(
            "apiVersion: v1\nspec: []\n",
            [
                "apiVersion: expected operators.coreos.com/v1alpha1, not 'v1'",
                "kind: expected CatalogSource, not 'None'",
                "spec: expected a mapping",
            ],
            id="another-object",
        ),
        pytest.param(
            HEAD + "spec: {sourceType: internal}", ["spec.sourceType: expected grpc, not 'internal'"], id="type"
        ),
        pytest.param(HEAD + "spec: {configMap: x}", ["spec.configMap: the catalog is in an image"], id="config-map"),
        pytest.param("a: [", ["2:1: no YAML: "], id="no-yaml"),
    ],
)
def test_what_is_no_template_is_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InvalidInput) as raised:
        read(tmp_path, text)
    assert len(raised.value.problems) == len(words)
    for problem, start in zip(raised.value.problems, words, strict=True):
        assert problem.partition("template.yaml:")[2].lstrip().startswith(start)
