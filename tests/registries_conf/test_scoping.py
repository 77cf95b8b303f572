"""One image's registries.conf, read back as TOML and routed: exactly its candidates, in order, and nothing else."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.reading import read
from skopeo_mirror.registries_conf.routing import Kind, PullSource, Router
from skopeo_mirror.registries_conf.scoping import (
    Together,
    physical_repositories,
    scope,
    scope_destinations,
    scoped_prefixes,
)
from tests.values import D1, candidate, origin

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = Reference.parse(f"prod.test/ns/app@{D1}")
A = candidate(f"a.test/x/app@{D1}")
B = candidate(f"b.test:5000/y/app@{D1}", insecure=True)
O = origin(f"prod.test/ns/app@{D1}")  # noqa: E741 - the origin, beside A and B


def test_is_written_for_people_too() -> None:
    assert scope(IMAGE, [A, B, O], writes_to=Reference.parse("d.test/m/app:v1")) == (
        "[[registry]]\n"
        'prefix = "prod.test/ns/app"\n'
        'location = "prod.test/ns/app"\n'
        "\n"
        "[[registry.mirror]]\n"
        'location = "a.test/x/app"\n'
        "\n"
        "[[registry.mirror]]\n"
        'location = "b.test:5000/y/app"\n'
        "insecure = true\n"
        "\n"
        "[[registry]]\n"
        'prefix = "a.test/x/app"\n'
        'location = "a.test/x/app"\n'
        "\n"
        "[[registry]]\n"
        'prefix = "b.test:5000/y/app"\n'
        'location = "b.test:5000/y/app"\n'
        "\n"
        "[[registry]]\n"
        'prefix = "d.test/m/app"\n'
        'location = "d.test/m/app"\n'
    )


@pytest.mark.parametrize(
    "candidates",
    [
        pytest.param((O,), id="origin"),
        pytest.param((A,), id="one-mirror"),
        pytest.param((A, B, O), id="all"),
        pytest.param((A, B), id="mirrors-only"),
        pytest.param((B, A), id="insecure-first"),
        pytest.param((O, A, B), id="origin-put-off"),
    ],
)
def test_skopeo_will_try_exactly_these(candidates: tuple[PullSource, ...], tmp_path: Path) -> None:
    assert tried(candidates, tmp_path) == [(str(one.reference), one.insecure) for one in candidates]


def tried(
    candidates: tuple[PullSource, ...], directory: Path, writes_to: Reference | None = None
) -> list[tuple[str, bool]]:
    file = directory / "registries.conf"
    file.write_text(scope(IMAGE, candidates, writes_to=writes_to))
    configuration = read([file]).configuration
    assert configuration is not None
    route = Router(configuration).route(IMAGE)
    assert not any(one.blocked for one in route.candidates)
    return [(str(one.reference), one.insecure) for one in route.candidates]


def test_nothing_shorter_can_outrank_it() -> None:
    """Every repository that skopeo talks to has an entry with its full name: it beats each shorter ambient one."""
    writes_to = Reference.parse("d.test/m/app:v1")
    prefixes = {table["prefix"] for table in tomllib.loads(scope(IMAGE, [A, B, O], writes_to=writes_to))["registry"]}
    assert prefixes == {"prod.test/ns/app", "a.test/x/app", "b.test:5000/y/app", "d.test/m/app"}


def test_an_image_that_leaves_the_origin_out_does_not_name_it_as_a_place() -> None:
    tables = tomllib.loads(scope(IMAGE, [A, B]))["registry"]
    assert all(table["location"] != "prod.test/ns/app" for table in tables)


def test_has_no_prefix_twice_where_two_mirrors_yield_one_reference() -> None:
    twin = candidate(str(A.reference), insecure=True)
    tables = tomllib.loads(scope(IMAGE, [A, twin, A], writes_to=A.reference))["registry"]
    assert [table["prefix"] for table in tables] == ["prod.test/ns/app", "a.test/x/app"]


def test_what_comes_from_a_layout_names_nothing_but_the_destination() -> None:
    destination = Reference.parse("d.test/m/app:v1")
    assert scope(IMAGE, [], writes_to=destination) == (
        '[[registry]]\nprefix = "d.test/m/app"\nlocation = "d.test/m/app"\n'
    )
    assert scope(IMAGE, []) == ""
    assert scoped_prefixes(IMAGE, [], destination) == ["d.test/m/app"]
    assert scoped_prefixes(IMAGE, [A], destination) == [IMAGE.name, "a.test/x/app", "d.test/m/app"]


def test_lists_each_physical_repository_once_in_order() -> None:
    writes_to = Reference.parse("d.test/m/app:v1")
    assert physical_repositories([A, O, A], writes_to) == ["a.test/x/app", "prod.test/ns/app", "d.test/m/app"]
    assert physical_repositories([A], None) == ["a.test/x/app"]


REPOSITORIES = st.sampled_from(["prod.test/ns/app", "a.test/x/app", "b.test:5000/y", "d.test/m/app"])
CANDIDATES = st.lists(
    st.builds(
        lambda name, insecure: candidate(f"{name}@{D1}", insecure=insecure, kind=Kind.MIRROR),
        REPOSITORIES,
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
).map(tuple)


@given(CANDIDATES, st.none() | REPOSITORIES.map(Reference.parse))
def test_every_scoped_file_is_valid_and_exact(
    tmp_path_factory: pytest.TempPathFactory, candidates: tuple[PullSource, ...], writes_to: Reference | None
) -> None:
    """Two tables that disagree about one location would be refused: containers/image calls that a conflict."""
    found = tried(candidates, tmp_path_factory.getbasetemp(), writes_to)
    assert found == [(str(one.reference), one.insecure) for one in candidates]


class TestTogether:
    """One file for many images: each is routed there as in a file of its own, or is not in it."""

    OTHER = Reference.parse(f"prod.test/ns/other@{D1}")

    def routed(self, text: str, image: Reference, tmp_path: Path) -> list[str]:
        file = tmp_path / "together.conf"
        file.write_text(text)
        configuration = read([file]).configuration
        assert configuration is not None
        return [str(found.reference) for found in Router(configuration).route(image).candidates]

    def written(self, routes: list[tuple[Reference, list[PullSource]]]) -> Together:
        together = Together()
        assert "".join(together.rendered(routes))
        return together

    def test_routes_each_image_as_a_file_of_its_own_would(self, tmp_path: Path) -> None:
        elsewhere = candidate(f"c.test/z/other@{D1}")
        together = Together()
        text = "".join(together.rendered([(IMAGE, [A, B, O]), (self.OTHER, [elsewhere]), (IMAGE, [A, B, O])]))
        assert self.routed(text, IMAGE, tmp_path) == [str(one.reference) for one in (A, B, O)]
        assert self.routed(text, self.OTHER, tmp_path) == [str(elsewhere.reference)]
        assert together.has(IMAGE, [A, B, O])
        assert together.has(self.OTHER, [elsewhere])

    def test_has_a_route_only_as_a_whole(self) -> None:
        together = self.written([(IMAGE, [A, B, O])])
        assert not together.has(IMAGE, [A, O])
        assert not together.has(IMAGE, [B, A, O])
        assert not together.has(self.OTHER, [A, B, O])

    def test_leaves_out_what_would_need_another_entry(self) -> None:
        together = self.written([(IMAGE, [A, O]), (IMAGE, [B, O])])
        assert together.has(IMAGE, [A, O])
        assert not together.has(IMAGE, [B, O])

    def test_leaves_out_an_image_that_is_the_mirror_of_another(self) -> None:
        """Its own mirrors would be those of the other's mirror."""
        mirror = A.reference
        together = self.written([(IMAGE, [A, O]), (mirror, [B, A])])
        assert together.has(IMAGE, [A, O])
        assert not together.has(mirror, [B, A])

    def test_leaves_out_what_would_make_one_location_both_secure_and_insecure(self) -> None:
        """containers/image refuses such a file as a whole."""
        secure, insecure = candidate(f"a.test/x/app@{D1}"), candidate(f"a.test/x/app@{D1}", insecure=True)
        together = self.written([(IMAGE, [secure]), (self.OTHER, [insecure])])
        assert together.has(IMAGE, [secure])
        assert not together.has(self.OTHER, [insecure])

    def test_of_nothing_is_nothing(self) -> None:
        assert [*Together().rendered([]), *scope_destinations({})] == []

    def test_reads_destinations_where_they_are(self, tmp_path: Path) -> None:
        text = "".join(scope_destinations({"d.test/m/app": False, "d.test/m/other": True}))
        assert tomllib.loads(text)["registry"] == [
            {"prefix": "d.test/m/app", "location": "d.test/m/app"},
            {"prefix": "d.test/m/other", "location": "d.test/m/other", "insecure": True},
        ]
        image = Reference.parse("d.test/m/app:v1")
        assert self.routed(text, image, tmp_path) == ["d.test/m/app:v1"]
