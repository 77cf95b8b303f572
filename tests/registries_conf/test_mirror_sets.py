"""Mirror sets: upstream's own rows and real files, read as OpenShift reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from skopeo_mirror.registries_conf.mirror_sets.conversion import converted, is_nested
from skopeo_mirror.registries_conf.mirror_sets.merging import in_order, is_real, merged
from skopeo_mirror.registries_conf.mirror_sets.objects import Objects, read_objects
from skopeo_mirror.registries_conf.model import Configuration, PullFromMirror, Registry
from skopeo_mirror.registries_conf.problem import errors
from skopeo_mirror.registries_conf.reading import interpret_files
from skopeo_mirror.registries_conf.writing import normalized

DATA = Path(__file__).parent.parent / "data" / "mirror-sets"
KINDS = {
    "idms": ("ImageDigestMirrorSet", "imageDigestMirrors"),
    "itms": ("ImageTagMirrorSet", "imageTagMirrors"),
    "icsp": ("ImageContentSourcePolicy", "repositoryDigestMirrors"),
}


def rows(name: str) -> list[Any]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def objects(row: dict[str, Any]) -> bytes:
    items: list[Any] = [
        {"kind": kind, "metadata": {"name": f"{key}-{number}"}, "spec": {name: entries}}
        for key, (kind, name) in KINDS.items()
        for number, entries in enumerate(row[key])
    ]
    scopes = {"insecureRegistries": row["insecure"], "blockedRegistries": row["blocked"]}
    items.append({"kind": "Image", "metadata": {"name": "cluster"}, "spec": {"registrySources": scopes}})
    return json.dumps({"kind": "List", "items": items}).encode()


def told(registry: Registry) -> dict[str, Any]:
    def mirror(one: Any) -> dict[str, Any]:
        found = {"location": one.location}
        if one.pull_from_mirror is not PullFromMirror.ALL:
            found["pull-from-mirror"] = str(one.pull_from_mirror)
        return found | ({"insecure": True} if one.insecure else {})

    key = "location" if registry.location else "prefix"
    flags = {name: True for name in ("insecure", "blocked") if getattr(registry, name)}
    return {key: registry.prefix, **flags, "mirrors": [mirror(one) for one in registry.mirrors]}


def sorted_rows(registries: list[Any]) -> list[Any]:
    return sorted(registries, key=lambda one: str(one.get("prefix") or one["location"]))


@pytest.mark.parametrize("row", rows("edit-registries.jsonl"), ids=lambda row: row["name"])
def test_makes_what_openshift_makes(row: dict[str, Any]) -> None:
    found = Objects()
    read_objects("objects.yaml", objects(row), found)
    assert not errors(found.problems)
    registries = sorted(converted(found)[0], key=lambda one: one.prefix)  # one row clashes, which is refused before
    assert [told(one) for one in registries] == sorted_rows(row["registries"])
    text = normalized(Configuration(registries=tuple(registries)))
    again = interpret_files([("registries.conf", text.encode())])
    assert again.configuration is not None
    assert again.configuration.registries == tuple(registries)


@pytest.mark.parametrize("row", rows("real-expected.jsonl"), ids=lambda row: row["file"])
def test_real_files(row: dict[str, Any]) -> None:
    found = interpret_files([(row["file"], (DATA / row["file"]).read_bytes())])
    assert bool(found.errors) == bool(row["error"]), found.errors
    if found.configuration is not None:
        assert [told(one) for one in found.configuration.registries] == sorted_rows(row["registries"])


@pytest.mark.parametrize("row", rows("validate.jsonl"), ids=str)
def test_refuses_what_openshift_refuses(row: dict[str, Any]) -> None:
    if "allowed" in str(row["error"]):
        pytest.skip("allowedRegistries are no redirects")
    found = interpret_files([("objects.yaml", objects({"itms": [], **row}))])
    assert bool(found.errors) == bool(row["error"])


@pytest.mark.parametrize("row", rows("topo.jsonl"), ids=lambda row: row["name"])
def test_order(row: dict[str, Any]) -> None:
    assert "".join(in_order([(one, other) for one, other in row["edges"]])) == row["order"]


@pytest.mark.parametrize("row", rows("merged-mirrors.jsonl"), ids=lambda row: row["name"])
def test_merging(row: dict[str, Any]) -> None:
    lists: dict[str, list[list[str]]] = {}
    for entries in row["objects"]:
        for entry in entries:
            if is_real(entry["source"], entry["mirrors"]):
                lists.setdefault(entry["source"], []).append(entry["mirrors"])
    expected = {one["source"]: tuple(one["mirrors"]) for one in row["merged"]}
    assert {source: merged(source, given) for source, given in lists.items()} == expected


@pytest.mark.parametrize("row", [row for row in rows("scopes.jsonl") if row["rule"] == "nested"], ids=str)
def test_nesting(row: dict[str, Any]) -> None:
    assert is_nested(*row["args"]) == row["expected"]


def test_toml_and_objects_do_not_mix() -> None:
    found = interpret_files([("a.yaml", b"kind: ImageDigestMirrorSet\nspec: {}\n"), ("b.conf", b"[[registry]]\n")])
    assert "do not mix" in str(found.errors[0])
