"""Indexes and their images as units: the index comes last, what is shared comes once, a fault costs one image."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.attached import AttachedKind
from skopeo_mirror.manifest import OCI_INDEX, digest_of
from skopeo_mirror.platforms import Platform
from skopeo_mirror.reference import Reference
from skopeo_mirror.skopeo.command import Runs
from skopeo_mirror.skopeo.faults import Reason, Stage
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.destination.place import Place
from skopeo_mirror.transfer.engine import Engine, Stop
from skopeo_mirror.transfer.failover import Tries
from skopeo_mirror.transfer.jobs import prepare
from skopeo_mirror.transfer.news import Ended, Settled
from skopeo_mirror.transfer.results import AttachedResult, ImageResult, PartResult, Status
from skopeo_mirror.transfer.sourcing import Sources
from skopeo_mirror.transfer.stages import Awaiting, Finished, Journey, Planned
from skopeo_mirror.transfer.trees import Trees
from tests.transfer.pipelines import A, B, O, manifest, no_manifest, rig
from tests.values import D1, failed, image_index, image_manifest, index_by_platform, job, run_of, served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.skopeo.provenance import Provenance
    from skopeo_mirror.skopeo.scoped import Probe
    from skopeo_mirror.transfer.jobs import Job
    from tests.transfer.pipelines import Rig


def divided(index: Job) -> Awaiting:
    """An index on its way, of which nothing else is looked at."""
    image, journey = index.image.pin(D1), Journey(job=index, started=0.0)
    return Awaiting(
        journey=journey,
        then=Planned(journey=journey, image=image, asked=image, tries=Tries("", (), Circuits(), 0)),
    )


def ended(unit: Job, error: str | None = None) -> Finished:
    status = Status.COPIED if error is None else Status.FAILED
    result = ImageResult(
        request=unit.request, digest=D1, destination="d", status=status, confirmed=error is None, error=error
    )
    return Finished(journey=Journey(job=unit, started=0.0), result=result)


ONE, TWO, THREE = (image_manifest(f"config {n}".encode(), b"layer") for n in range(3))
INDEX = image_index(ONE, TWO)
OTHER = image_index(ONE, THREE)
ITS = tuple(who.at(digest_of(ONE)) for who in (A, B, O))
"""The candidates of the first image."""
NOT_FOUND = no_manifest(run_of(*(failed(who, Reason.NOT_FOUND) for who in ITS)))
DAMAGED = run_of(*(failed(who, Reason.CORRUPT, Stage.BLOB) for who in ITS))


def pinned(content: bytes, name: str = "prod.test/app") -> str:
    return f"{name}@{digest_of(content)}"


def bring(bench: Rig, *images: str, fail_fast: bool = False) -> list[ImageResult]:
    """The results of a run."""
    requests = [replace(bench.begin().journey.job.request, reference=Reference.parse(image)) for image in images]
    jobs = deque(prepare(requests, bench.sourcing, bench.destination))
    stop = Stop(runs=Runs({}))
    bringing = Engine(pipeline=bench.pipeline, jobs=1, stop=stop, tell=lambda _: None, fail_fast=fail_fast)
    return bringing.run(jobs)


def bench_of(
    copies: Sequence[Provenance], probes: Sequence[Probe], *, dry_run: bool = False, platforms: Sequence[str] = ()
) -> Rig:
    asked = tuple(Platform.parse(one) for one in platforms)
    return rig(*copies, probes=probes, plans=True, dry_run=dry_run, platforms=asked)


def test_the_index_follows_its_images_under_its_name() -> None:
    bench = bench_of([run_of(served(A))] * 3, [manifest(A, content) for content in (INDEX, ONE, TWO)])
    [result] = bring(bench, pinned(INDEX))
    assert [place.name for place in bench.destination.published] == [
        f"docker://d.test/m/app@{digest_of(ONE)}",
        f"docker://d.test/m/app@{digest_of(TWO)}",
        f"docker://d.test/m/app:pin-sha256-{digest_of(INDEX).hex}",
    ]
    assert (result.status, result.confirmed, result.served_by) == (Status.COPIED, True, A)
    assert [(part.digest, part.status, part.served_by) for part in result.parts] == [
        (digest_of(ONE), Status.COPIED, A),
        (digest_of(TWO), Status.COPIED, A),
    ]


def test_an_image_that_two_indexes_share_is_brought_once() -> None:
    bench = bench_of([run_of(served(A))] * 5, [manifest(A, one) for one in (INDEX, ONE, TWO, OTHER, THREE)])
    bench.skopeo.there += [no_manifest(run_of(failed(O, Reason.NOT_FOUND)))] * 4 + [manifest(O, ONE)]
    results = bring(bench, pinned(INDEX), pinned(OTHER))
    assert [result.status for result in results] == [Status.COPIED] * 2
    names = [place.name for place in bench.destination.published]
    assert names.count(f"docker://d.test/m/app@{digest_of(ONE)}") == 1
    assert [part.status for part in results[1].parts] == [Status.PRESENT, Status.COPIED]


def test_for_the_second_who_waits_what_is_attached_was_there() -> None:
    trees, artifact = Trees(), PartResult(digest=D1, platform=None, status=Status.COPIED, bytes=3)
    referrers = AttachedResult(
        tag="t",
        digest=D1,
        kind=AttachedKind.REFERRERS,
        subject=D1,
        status=Status.COPIED,
        bytes=5,
        parts=(artifact,),
    )
    unit = job(pinned(ONE), number=2, place="unit")
    for number in (0, 1):
        trees.follow(divided(job(f"prod.test/i:v{number}", number)), [unit])
    done = ended(unit)
    whole, _ = trees.ended(replace(done, result=replace(done.result, bytes=9, attached=(referrers,))))
    [first], [second] = (parts for _, parts in whole)
    assert first.result.attached == (referrers,)
    [one] = second.result.attached
    [part] = one.parts
    assert (second.result.status, one.status, part.status) == (Status.PRESENT,) * 3
    assert (second.result.bytes, one.bytes, part.bytes) == (0, 0, 0)


def test_an_image_that_failed_for_one_index_may_come_for_another_from_elsewhere() -> None:
    place = Place(name="oci:d@1")
    there = Sources(reference=ITS[0].reference, candidates=(ITS[0],))
    first, same, other = (
        replace(job("prod.test/app", number, "oci:d@1"), sources=replace(there, candidates=(who,)), place=place)
        for number, who in enumerate((ITS[0], ITS[0], ITS[1]))
    )
    trees = Trees()
    indexes = [divided(job("prod.test/app:v1", number)) for number in range(3, 6)]
    begun = [trees.follow(index, [unit]) for index, unit in zip(indexes, (first, same, other), strict=True)]
    assert begun == [[first], [], []]
    complete, again = trees.ended(ended(first, error="not there"))
    assert ([index for index, _ in complete], again) == (indexes[:2], [other])
    complete, again = trees.ended(ended(other))
    assert ([index for index, _ in complete], again) == (indexes[2:], [])


def test_a_fault_costs_one_image_of_the_index() -> None:
    """The one that the first mirror has damaged comes from the second, the other and the index from the first."""
    copies = [
        run_of(failed(ITS[0], Reason.CORRUPT, Stage.BLOB)),
        run_of(served(B)),
        run_of(served(A)),
        run_of(served(A)),
    ]
    bench = bench_of(copies, [manifest(A, content) for content in (INDEX, ONE, TWO)])
    [result] = bring(bench, pinned(INDEX))
    assert (result.status, result.served_by) == (Status.COPIED, A)
    assert [part.served_by for part in result.parts] == [B, A]
    assert [attempt.reason for attempt in result.parts[0].attempts] == [Reason.CORRUPT, None]
    assert bench.skopeo.copied_from[1] == ITS[1:]


def test_without_one_of_its_images_the_index_does_not_come_and_the_others_do() -> None:
    bench = bench_of([DAMAGED, run_of(served(A))], [manifest(A, content) for content in (INDEX, ONE, TWO)])
    [result] = bring(bench, pinned(INDEX))
    assert (result.status, result.confirmed, result.served_by) == (Status.FAILED, False, None)
    assert f"1 of the 2 images of its index could not be copied: {digest_of(ONE)}: " in (result.error or "")
    assert result.reason is Reason.CORRUPT
    assert [part.status for part in result.parts] == [Status.FAILED, Status.COPIED]
    assert [place.name for place in bench.destination.published] == [f"docker://d.test/m/app@{digest_of(TWO)}"]


def test_an_index_one_of_whose_images_nobody_gives_by_digest_is_copied_whole() -> None:
    bench = bench_of([run_of(served(A))] * 2, [manifest(A, INDEX), NOT_FOUND, manifest(A, TWO)])
    [result] = bring(bench, pinned(INDEX))
    assert (result.status, result.served_by, result.parts) == (Status.COPIED, A, ())
    assert result.whole == f"no candidate gives {digest_of(ONE)} of its index by digest"


def test_a_dry_run_says_of_each_image_what_would_be() -> None:
    bench = bench_of([], [manifest(A, content) for content in (INDEX, ONE, TWO)], dry_run=True)
    [result] = bring(bench, pinned(INDEX))
    assert [part.status for part in result.parts] == [Status.WOULD_COPY] * 2
    assert (result.status, result.served_by) == (Status.WOULD_COPY, A)
    assert result.bytes == len(INDEX + ONE + TWO) + len(b"config 0" + b"config 1" + b"layer")
    assert bench.skopeo.copied_from == []


def test_to_fail_fast_starts_no_other_image_of_the_index() -> None:
    bench = bench_of([DAMAGED], [manifest(A, content) for content in (INDEX, ONE, TWO)])
    [result] = bring(bench, pinned(INDEX), fail_fast=True)
    assert "1 of the 2 images of its index could not be copied" in (result.error or "")
    assert [part.status for part in result.parts] == [Status.FAILED] * 2
    assert (result.parts[1].error or "").startswith("not copied: --fail-fast: ")
    assert len(bench.skopeo.copied_from) == 1


def test_what_has_come_is_told_of_an_index_that_the_stop_has_left() -> None:
    bench = bench_of([run_of(served(A))], [manifest(A, content) for content in (INDEX, ONE, TWO)])
    requests = [replace(bench.begin().journey.job.request, reference=Reference.parse(pinned(INDEX)))]
    stop = Stop(runs=Runs({}))
    bench.skopeo.on_copy = lambda: stop.finish("enough was seen")
    bringing = Engine(pipeline=bench.pipeline, jobs=1, stop=stop, tell=lambda _: None)
    [result] = bringing.run(deque(prepare(requests, bench.sourcing, bench.destination)))
    assert (result.status, result.error) == (Status.FAILED, "not copied: enough was seen")
    assert [(part.status, part.error) for part in result.parts] == [
        (Status.COPIED, None),
        (Status.FAILED, "not copied: enough was seen"),
    ]


@pytest.mark.parametrize("content", [pytest.param(image_index(), id="empty")])
def test_an_index_without_images_is_copied_as_it_is(content: bytes) -> None:
    bench = bench_of([run_of(served(A))], [manifest(A, content)])
    [result] = bring(bench, pinned(content))
    assert (result.status, result.parts, result.whole) == (Status.COPIED, (), None)


def test_an_index_in_an_index_comes_in_pieces_too() -> None:
    """Skopeo itself copies no such image whole (1.9.3, 1.18)."""
    outer = image_index(INDEX, THREE)
    bench = bench_of([run_of(served(A))] * 5, [manifest(A, content) for content in (outer, INDEX, ONE, TWO, THREE)])
    [result] = bring(bench, pinned(outer))
    assert result.status is Status.COPIED
    assert [part.digest for part in result.parts] == [digest_of(one) for one in (ONE, TWO, INDEX, THREE)]
    assert result.bytes == sum(map(len, (outer, INDEX, ONE, TWO, THREE)))
    assert [part.bytes for part in result.parts] == [len(one) for one in (ONE, TWO, INDEX, THREE)]


def test_only_the_images_for_a_platform_come() -> None:
    index = index_by_platform({"linux/amd64": ONE, "linux/arm64": TWO})
    probes = [manifest(A, index), manifest(A, TWO)]
    bench = bench_of([run_of(served(A))] * 2, probes, platforms=["linux/arm64"])
    [result] = bring(bench, pinned(index))
    assert (result.status, [str(part.platform) for part in result.parts]) == (Status.COPIED, ["linux/arm64"])


def test_an_index_without_an_image_for_a_platform_fails_and_says_what_it_has() -> None:
    index = index_by_platform({"linux/amd64": ONE, "linux/arm64": TWO})
    bench = bench_of([], [manifest(A, index)], platforms=["linux/s390x", "linux/ppc64le"])
    [result] = bring(bench, pinned(index))
    said = "its index has no image for linux/s390x or linux/ppc64le: it has linux/amd64, linux/arm64"
    assert (result.status, result.error) == (Status.FAILED, said)


def inner(**platforms: bytes) -> bytes:
    return index_by_platform({f"linux/{architecture}": content for architecture, content in platforms.items()})


def test_an_inner_index_that_has_nothing_for_a_platform_comes_alone() -> None:
    here, there = inner(amd64=ONE), inner(s390x=TWO)
    outer = image_index(here, there, media_type=OCI_INDEX)
    probes = [manifest(A, content) for content in (outer, here, ONE, there)]
    [result] = bring(bench_of([run_of(served(A))] * 4, probes, platforms=["linux/amd64"]), pinned(outer))
    assert result.status is Status.COPIED
    assert [part.digest for part in result.parts] == [digest_of(one) for one in (ONE, here, there)]


def test_inner_indexes_that_all_have_nothing_are_no_image() -> None:
    there = inner(s390x=TWO)
    outer = image_index(there, media_type=OCI_INDEX)
    bench = bench_of([run_of(served(A))], [manifest(A, outer), manifest(A, there)], platforms=["linux/amd64"])
    [result] = bring(bench, pinned(outer))
    assert "its index has no image for linux/amd64" in (result.error or "")


def test_the_news_tell_what_came_for_an_image_and_the_image_once() -> None:
    bench = bench_of([run_of(served(A))] * 3, [manifest(A, content) for content in (INDEX, ONE, TWO)])
    requests = [replace(bench.begin().journey.job.request, reference=Reference.parse(pinned(INDEX)))]
    jobs = deque(prepare(requests, bench.sourcing, bench.destination))
    news: list[object] = []
    Engine(pipeline=bench.pipeline, jobs=1, stop=Stop(runs=Runs({})), tell=news.append).run(jobs)
    assert {one.job.whole.number for one in news} == {0}  # type: ignore[attr-defined]
    assert [(type(one), one.job.number) for one in news if isinstance(one, Ended | Settled)] == [
        *((Ended, number) for number in (1, 2)),
        (Settled, 0),
    ]
