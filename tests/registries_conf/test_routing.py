"""Routing beyond the truth table: the entry chosen, what is left out and why, and who is to blame."""

from __future__ import annotations

import pytest

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.model import Configuration, Mirror, PullFromMirror, Registry
from skopeo_mirror.registries_conf.problem import Position
from skopeo_mirror.registries_conf.routing import Kind, Router

D = "@sha256:" + "a1" * 32


def router(*registries: Registry) -> Router:
    return Router(Configuration(registries=registries))


def entry(prefix: str, *mirrors: Mirror, location: str | None = None, blocked: bool = False) -> Registry:
    where = prefix if location is None else location
    return Registry(prefix=prefix, location=where, mirrors=mirrors, blocked=blocked)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        pytest.param("quay.io/foo/bar", "quay.io/foo/bar", id="whole name"),
        pytest.param("quay.io/foo/bar/baz", "quay.io/foo/bar", id="longest"),
        pytest.param("quay.io/foo/bars", "quay.io/foo", id="ends at a slash"),
        pytest.param("quay.io:5000/foo", "quay.io", id="a port is a boundary too"),
        pytest.param("quay.iox/foo", None, id="no boundary"),
        pytest.param("a.ex.test/x", "*.ex.test", id="wildcard"),
        pytest.param("a.b.ex.test/x", "*.ex.test", id="any depth"),
        pytest.param("a.ex.test:5000/x", "*.ex.test", id="wildcard before a port"),
        pytest.param("ex.test/x", None, id="not the host itself"),
        pytest.param("a.ex.test.ex.test/x", None, id="only the first occurrence counts"),
        pytest.param("q.up.test/x", "*.up.test", id="the wildcard wins at equal length"),
        pytest.param("host.test/a.ex.test/x", None, id="hosts only"),
        pytest.param("quay.io/" + "foo/" * 80 + "x", None, id="longer than a name"),
    ],
)
def test_longest_prefix(name: str, prefix: str | None) -> None:
    prefixes = ["quay.io", "quay.io/foo", "quay.io/foo/bar", "*.ex.test", "*.up.test", "q.up.test"]
    found = router(*map(entry, prefixes)).lookup(name)
    assert (found.prefix if found else None) == prefix


@pytest.mark.parametrize(
    ("image", "routed"),
    [
        pytest.param("quay.io/x", "quay.io/x:latest", id="bare"),
        pytest.param("quay.io/x:1", "quay.io/x:1", id="tag"),
        pytest.param(f"quay.io/x{D}", f"quay.io/x{D}", id="digest"),
        pytest.param(f"quay.io/x:1{D}", f"quay.io/x{D}", id="tag and digest"),
    ],
)
def test_routes_what_is_pulled(image: str, routed: str) -> None:
    route = router(entry("quay.io", Mirror(location="m.test/q"))).route(Reference.parse(image))
    assert str(route.reference) == routed
    assert [str(one.reference) for one in route.candidates] == [routed.replace("quay.io", "m.test/q"), routed]


def test_a_wildcard_replaces_what_stands_for_the_host() -> None:
    route = router(entry("*.test", location="up.test")).route(Reference.parse("my_host.test/x:1"))
    assert [str(candidate.reference) for candidate in route.candidates] == ["up.test/x:1"]


def test_without_entry_it_comes_from_where_its_name_says() -> None:
    route = router().route(Reference.parse("quay.io/x:1"))
    (only,) = route.candidates
    assert (route.prefix, only.location, only.kind, only.blocked) == (None, "quay.io", Kind.ORIGIN, False)


@pytest.mark.parametrize(
    ("use", "by_digest_only", "image", "why"),
    [
        pytest.param("digest-only", False, "quay.io/x:1", "digest-only", id="digest-only, tag"),
        pytest.param("digest-only", False, f"quay.io/x{D}", None, id="digest-only, digest"),
        pytest.param("tag-only", False, "quay.io/x:1", None, id="tag-only, tag"),
        pytest.param("tag-only", False, f"quay.io/x:1{D}", "tag-only", id="tag-only, tag and digest"),
        pytest.param("all", True, "quay.io/x", "mirror-by-digest-only", id="mirror-by-digest-only, tag"),
        pytest.param("all", True, f"quay.io/x{D}", None, id="mirror-by-digest-only, digest"),
    ],
)
def test_says_why_a_mirror_is_left_out(use: str, by_digest_only: bool, image: str, why: str | None) -> None:
    registry = Registry(
        prefix="quay.io",
        location="quay.io",
        mirror_by_digest_only=by_digest_only,
        mirrors=(Mirror(location="m.test", pull_from_mirror=PullFromMirror(use)),),
    )
    route = router(registry).route(Reference.parse(image))
    assert [candidate.kind for candidate in route.candidates][:-1] == ([] if why else [Kind.MIRROR])
    assert [skipped.location for skipped in route.skipped] == (["m.test"] if why else [])
    assert all(why and why in skipped.why for skipped in route.skipped)


def test_blocked_is_looked_up_for_the_name_pulled_from() -> None:
    registries = [
        entry("quay.io", Mirror(location="m.test/q"), location="up.test", blocked=True),
        entry("m.test", blocked=True),
    ]
    route = router(*registries).route(Reference.parse("quay.io/x:1"))
    assert [candidate.blocked for candidate in route.candidates] == [True, False]


def test_a_bad_candidate_is_named_with_its_table() -> None:
    position = Position(file="r.conf", index=2, line=7)
    registry = Registry(
        prefix="quay.io/x", location="quay.io/x", mirrors=(Mirror(location="m.test"),), position=position
    )
    with pytest.raises(Unroutable) as caught:
        router(registry).route(Reference.parse("quay.io/x:1"))
    for part in ("quay.io/x:1", "r.conf: registry[2] (quay.io/x).mirror[0].location", "'m.test'", "'m.test:1'"):
        assert part in str(caught.value)


def test_a_bad_mirror_that_is_left_out_does_no_harm() -> None:
    mirror = Mirror(location="m.test", pull_from_mirror=PullFromMirror.DIGEST_ONLY)
    route = router(entry("quay.io/x", mirror)).route(Reference.parse("quay.io/x:1"))
    assert [str(candidate.reference) for candidate in route.candidates] == ["quay.io/x:1"]
