"""Mirror sets: upstream's own rows and real files, read as OpenShift reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.mirror_sets.conversion import around, converted
from skopeo_mirror.registries_conf.mirror_sets.merging import in_order, is_real, merged
from skopeo_mirror.registries_conf.mirror_sets.objects import Objects, read_objects
from skopeo_mirror.registries_conf.model import Configuration, PullFromMirror, Registry
from skopeo_mirror.registries_conf.problem import errors
from skopeo_mirror.registries_conf.reading import interpret_files
from skopeo_mirror.registries_conf.routing import Router
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


SCOPES = rows("scopes.jsonl")


@pytest.mark.parametrize("row", [row for row in SCOPES if row["rule"] == "nested"], ids=str)
def test_nesting(row: dict[str, Any]) -> None:
    scope, outer = row["args"]
    assert (outer in around(scope)) == row["expected"]


@pytest.mark.parametrize("row", [row for row in SCOPES if row["rule"] == "valid-scope"], ids=lambda row: row["args"][0])
def test_scopes_are_valid(row: dict[str, Any]) -> None:
    for lists in ({"insecure": row["args"], "blocked": []}, {"insecure": [], "blocked": row["args"]}):
        found = interpret_files([("objects.yaml", objects({"idms": [], "itms": [], "icsp": [], **lists}))])
        assert bool(found.errors) is not row["expected"]


BLOCKED = "(a candidate was refused as blocked)"
ROUTES = rows("routes.jsonl")


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row["name"])
def test_routes_that_skopeo_took(row: dict[str, Any]) -> None:
    entries = {
        key: [[{**entry, "mirrorSourcePolicy": entry.pop("policy")} for entry in row[key]]] for key in ("idms", "itms")
    }
    found = interpret_files([("sets.yaml", objects({**entries, "icsp": [], "insecure": [], "blocked": []}))])
    assert bool(found.errors) == bool(row["validate"])
    assert found.configuration is not None
    assert [told(one) for one in found.configuration.registries] == sorted_rows(row["registries"])
    for asked, expected in row["routes"].items():
        reference = Reference.parse(asked)
        if expected[0].startswith("ERROR"):
            with pytest.raises(Unroutable):
                Router(found.configuration).route(reference)
            continue
        candidates = Router(found.configuration).route(reference).candidates
        assert [str(one.reference) for one in candidates] == [one for one in expected if one != BLOCKED]
        assert any(one.blocked for one in candidates) == (BLOCKED in expected)


NAMES = st.sampled_from(["a.test", "a.test/n", "a.test/n/app", "b.test/n", "c.test"])
ENTRIES = st.builds(
    lambda source, mirrors, never: {
        "source": source,
        "mirrors": mirrors,
        "mirrorSourcePolicy": "NeverContactSource" if never else "",
    },
    NAMES,
    st.lists(NAMES, max_size=3),
    st.just(False) | st.booleans(),
)


@given(
    digests=st.lists(ENTRIES, max_size=4),
    tags=st.lists(ENTRIES, max_size=4),
    insecure=st.lists(NAMES, max_size=2),
    blocked=st.lists(NAMES, max_size=2),
    name=NAMES,
)
def test_routes_as_its_own_normal_form(
    digests: list[Any], tags: list[Any], insecure: list[str], blocked: list[str], name: str
) -> None:
    row = {"idms": [digests], "itms": [tags], "icsp": [], "insecure": insecure, "blocked": blocked}
    found = interpret_files([("sets.yaml", objects(row))]).configuration
    assume(found is not None)
    assert found is not None
    again = interpret_files([("registries.conf", normalized(found).encode())])
    assert again.configuration is not None, again.problems
    for asked in (f"{name}/x/app:v1", f"{name}/x/app@sha256:{'0' * 64}", f"{name}/app:v1"):
        reference = Reference.parse_canonical(asked)
        assert told_route(found, reference) == told_route(again.configuration, reference)


def told_route(configuration: Configuration, reference: Reference) -> list[tuple[str, bool, bool]] | str:
    try:
        candidates = Router(configuration).route(reference).candidates
    except Unroutable as error:
        return str(error).partition(":")[0]
    return [(str(one.reference), one.insecure, one.blocked) for one in candidates]
