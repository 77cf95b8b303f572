"""From images to jobs: what must not start is refused before any copy, all of it at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import InvalidInput, Unroutable
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.model import Configuration, Mirror, Registry
from skopeo_mirror.registries_conf.routing import Kind, Router
from skopeo_mirror.request import ImageRequest, WantedBy
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import Outcome
from skopeo_mirror.skopeo.settings import Access
from skopeo_mirror.transfer.auditing import without_captured
from skopeo_mirror.transfer.destination.directory import DirectoryDestination
from skopeo_mirror.transfer.destination.layout import LayoutDestination
from skopeo_mirror.transfer.destination.place import NamingRules
from skopeo_mirror.transfer.destination.registry import RegistryDestination
from skopeo_mirror.transfer.jobs import prepare
from skopeo_mirror.transfer.sourcing import Sourcing
from tests.transfer.pipelines import request
from tests.values import D1, D2

if TYPE_CHECKING:
    from pathlib import Path

    from skopeo_mirror.transfer.destination.place import Destination

REGISTRIES = (
    Registry(
        prefix="prod.test",
        location="prod.test",
        mirrors=(Mirror(location="a.test/x"), Mirror(location="d.test:5000/m")),
    ),
    Registry(prefix="blocked.test", location="blocked.test", blocked=True, mirrors=(Mirror(location="a.test/b"),)),
    Registry(prefix="dead-end.test", location="d.test:5000/m", mirrors=()),
    Registry(prefix="broken.test/app", location="only-a-host.test", mirrors=()),
)


def sourcing(*, mirrors_only: bool = False) -> Sourcing:
    return Sourcing(router=Router(Configuration(registries=REGISTRIES)), mirrors_only=mirrors_only)


def registry(**rules: bool) -> Destination:
    return RegistryDestination.parse(
        "d.test:5000/m",
        router=Router(Configuration()),
        access=Access(),
        given_tls_verify=None,
        rules=NamingRules(**rules),
    )


def wanted(*images: str) -> list[ImageRequest]:
    """`IMAGE` or `IMAGE=DESTINATION`."""
    parts = [image.partition("=") for image in images]
    return [ImageRequest(reference=Reference.parse(image), destination=own or None) for image, _, own in parts]


def problems(images: list[ImageRequest], destination: Destination) -> tuple[str, ...]:
    with pytest.raises(InvalidInput) as caught:
        prepare(images, sourcing(), destination)
    return caught.value.problems


def test_every_image_gets_its_place_in_order() -> None:
    jobs = prepare(wanted("h.test/b:1", "h.test/a:1", f"h.test/a@{D1}"), sourcing(), registry())
    assert [(job.number, job.place.name) for job in jobs] == [
        (0, "docker://d.test:5000/m/b:1"),
        (1, "docker://d.test:5000/m/a:1"),
        (2, f"docker://d.test:5000/m/a:pin-sha256-{D1.hex}"),
    ]


def test_duplicates_are_copied_once() -> None:
    (job,) = prepare(wanted("h.test/a:1", "docker://h.test/a:1", "h.test/a:1"), sourcing(), registry())
    assert str(job.image) == "h.test/a:1"


def test_an_image_can_name_its_own_destination() -> None:
    jobs = prepare(
        wanted("h.test/a:1=d.test:5000/other/b:2", f"h.test/a@{D1}=d.test:5000/other/b"), sourcing(), registry()
    )
    assert [job.place.name for job in jobs] == [
        "docker://d.test:5000/other/b:2",
        f"docker://d.test:5000/other/b:pin-sha256-{D1.hex}",
    ]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        pytest.param(["h.test/a:1", "i.test/a:1"], "both become docker://d.test:5000/m/a:1", id="two-hosts"),
        pytest.param(["h.test/a:1", f"h.test/a:1@{D1}"], "both become docker://d.test:5000/m/a:1", id="tag-and-digest"),
        pytest.param([f"h.test/a:1@{D1}", f"h.test/a:1@{D2}"], "would both become", id="two-digests-of-a-tag"),
        pytest.param(["h.test/a:1", "h.test/b:1=d.test:5000/m/a:1"], "would both become", id="own-destination"),
        pytest.param([f"h.test/a@{D1}", f"i.test/a@{D1}"], "would both become", id="same-digest-two-hosts"),
        pytest.param([f"h.test/a:1=d.test:5000/m/a@{D1}"], "has another digest", id="own-digest"),
        pytest.param(["my_host.test/a:1"], "is no registry host", id="no-host"),
    ],
)
def test_refuses_what_cannot_be_told_apart(images: list[str], words: str) -> None:
    (problem,) = problems(wanted(*images), registry())
    assert words in problem


def test_names_both_images_of_a_collision_and_the_way_out() -> None:
    (problem,) = problems(wanted("h.test/a:1", "i.test/a:1"), registry())
    assert "h.test/a:1 and i.test/a:1" in problem
    assert "--scoped" in problem
    assert len(prepare(wanted("h.test/a:1", "i.test/a:1"), sourcing(), registry(scoped=True))) == 2


def test_tells_every_problem_at_once() -> None:
    images = wanted("h.test/a:1", "i.test/a:1", "h.test/b:1", "i.test/b:1", "my_host.test/c", "h.test/fine:1")
    assert len(problems(images, registry())) == 3


def test_no_image_directory_lies_inside_another(tmp_path: Path) -> None:
    directory = DirectoryDestination(tmp_path, NamingRules())
    images = wanted("h.test/a:v1", "h.test/a/v1:v2", "h.test/a/v1/v2/c:1")
    first, second, third = problems(images, directory)
    assert "h.test/a/v1:v2 would lie inside h.test/a:v1" in first
    assert "h.test/a/v1/v2/c:1 would lie inside" in second
    assert "h.test/a/v1/v2/c:1 would lie inside" in third
    assert len(prepare(wanted("h.test/a:v1", "h.test/a/v2:v1"), sourcing(), directory)) == 2


def test_a_layout_holds_images_of_many_hosts(tmp_path: Path) -> None:
    assert len(prepare(wanted("h.test/a:1", "i.test/a:1"), sourcing(), LayoutDestination(tmp_path))) == 2


def test_what_the_destination_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (problem,) = problems(wanted("h.test/a:1"), LayoutDestination(tmp_path))
    assert "no OCI layout" in problem


def test_an_image_that_is_its_own_only_source_is_refused() -> None:
    (problem,) = problems(wanted("dead-end.test/app:1"), registry())
    assert "dead-end.test/app:1: its only candidate is its own destination" in problem


def test_an_image_that_cannot_be_routed_fails_in_its_turn() -> None:
    assert len(prepare(wanted("broken.test/app:1"), sourcing(), registry())) == 1
    with pytest.raises(Unroutable):
        sourcing().sources(request("broken.test/app:1"))


def test_the_destination_is_left_out_as_a_source() -> None:
    (job,) = prepare(wanted(f"prod.test/app@{D1}"), sourcing(), registry())
    found = job.sources
    assert [str(one.reference) for one in found.candidates] == [f"a.test/x/app@{D1}", f"prod.test/app@{D1}"]
    (skipped,) = found.skipped
    assert (skipped.outcome, skipped.reason) == (Outcome.SKIPPED, Reason.DESTINATION)
    assert skipped.detail == "it is the destination"
    assert str(skipped.candidate.reference) == f"d.test:5000/m/app@{D1}"


def test_only_the_very_place_is_left_out() -> None:
    (job,) = prepare(wanted(f"prod.test/app@{D1}"), sourcing(), registry(scoped=True))
    assert len(job.sources.candidates) == 3


def test_what_is_blocked_is_left_out() -> None:
    found = sourcing().sources(request("blocked.test/app:1"))
    assert [str(one.reference) for one in found.candidates] == ["a.test/b/app:1"]
    assert [one.reason for one in found.skipped] == [Reason.BLOCKED]


def test_mirrors_only_leaves_no_trace_of_the_origin() -> None:
    found = sourcing(mirrors_only=True).sources(request("prod.test/app:1"))
    assert [one.kind for one in found.candidates] == [Kind.MIRROR, Kind.MIRROR]
    assert found.skipped == ()
    assert sourcing(mirrors_only=True).sources(request("elsewhere.test/app:1")).candidates == ()


def test_what_lies_in_a_layout_comes_from_there_whatever_registries_conf_and_drop_ins_say(tmp_path: Path) -> None:
    wish = replace(request("prod.test/app:1"), layout=tmp_path, digest=D1)
    jobs = prepare([wish], sourcing(), registry())
    (job,) = without_captured(jobs, {"prod.test/app": "/etc/x.conf"})
    assert job.sources.from_layout
    (candidate,) = job.sources.at(D1).candidates
    assert (candidate.place, str(candidate.reference)) == (f"oci:{tmp_path}", f"prod.test/app@{D1}")


def test_sources_of_a_tag_are_asked_for_its_digest_and_those_of_a_digest_stay() -> None:
    tagged, pinned = (sourcing().sources(request(image)) for image in ("prod.test/app:1", f"prod.test/app@{D1}"))
    assert {one.reference.digest for one in tagged.at(D2).candidates} == {D2}
    assert tagged.at(None) is tagged
    assert pinned.at(D1) is pinned


def test_an_image_that_is_asked_for_twice_keeps_all_who_want_it() -> None:
    by = [WantedBy(catalog="c", package="p", channel="stable", bundle=bundle) for bundle in "ab"]
    first, second = (replace(request("h.test/a:1"), wanted_by=(one,)) for one in by)
    (job,) = prepare([first, second, first], sourcing(), registry())
    assert job.request.wanted_by == tuple(by)
