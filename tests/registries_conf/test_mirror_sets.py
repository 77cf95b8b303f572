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


@pytest.mark.parametrize("row", [row for row in rows("scopes.jsonl") if row["rule"] == "nested"], ids=str)
def test_nesting(row: dict[str, Any]) -> None:
    scope, outer = row["args"]
    assert (outer in around(scope)) == row["expected"]


def entries(*entries: str, kind: str = "ImageDigestMirrorSet", beside: str = "") -> str:
    """Write an object with these entries, and with another line in its spec."""
    listed = "".join(f"    - {{{one}}}\n" for one in entries)
    name = {"ImageDigestMirrorSet": "imageDigestMirrors", "ImageTagMirrorSet": "imageTagMirrors"}[kind]
    return f"kind: {kind}\nmetadata: {{name: a}}\nspec:\n  {name}:\n{listed}{beside}"


GOOD = "source: prod.test/ns, mirrors: [m.test/ns]"


@pytest.mark.parametrize(
    ("text", "line", "words", "is_error"),
    [
        (entries(GOOD, beside="  mirrorSourcePolicy: NeverContactSource\n"), 6, "beside the list", False),
        (entries("source: 'prod.test/ns:v1', mirrors: [m.test/ns]"), 5, "without tag and digest", True),
        (entries(f"{GOOD}, mirrorSourcePolicy: [a]"), 5, "expected AllowContactingSource or", True),
        (entries(f"{GOOD}, mirrorSourcePolicy: NeverContactSources"), 5, "NeverContactSource", True),
        (entries(f"{GOOD}, mirorSourcePolicy: NeverContactSource"), 5, "mirrorSourcePolicy", False),
        (entries(GOOD).replace("imageDigestMirrors", "imageTagMirrors"), 4, "is the list of ImageTagMirrorSet", False),
        (entries(GOOD).replace("DigestMirrorSet", "DigestMirrorset"), 1, "did you mean", True),
        ("kind: Image\nspec:\n  registrySources: [prod.test]\n", 3, "expected a mapping of lists", True),
        ("kind: Image\nspec:\n  registrySources:\n    insecureRegistries: prod.test\n", 4, "expected a list", True),
        ("imageDigestSources:\n- source: prod.test\n", 1, "install-config.yaml", True),
        ("kind: ImageDigestMirrorSet\nspec: [\n", None, "", True),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int | None, words: str, is_error: bool) -> None:
    found = interpret_files([("sets.yaml", text.encode())])
    told = [problem for problem in found.problems if words in str(problem)]
    assert told, found.problems
    assert line is None or line in {problem.line for problem in told}
    assert bool(found.errors) == is_error
    assert (found.configuration is None) == is_error


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


def test_toml_and_objects_do_not_mix() -> None:
    found = interpret_files([("a.yaml", b"kind: ImageDigestMirrorSet\nspec: {}\n"), ("b.conf", b"[[registry]]\n")])
    assert "do not mix" in str(found.errors[0])
