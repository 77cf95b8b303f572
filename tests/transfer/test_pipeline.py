"""One image on its way: what makes it copied, and everything that must keep it from being called so."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import DestinationRefused
from skopeo_mirror.manifest import digest_of
from skopeo_mirror.reference import Reference
from skopeo_mirror.skopeo.debuglog import Requested, Tried
from skopeo_mirror.skopeo.faults import Reason, Stage
from skopeo_mirror.skopeo.provenance import Outcome
from skopeo_mirror.transfer.destination.place import Contradicted, Damaged
from skopeo_mirror.transfer.results import Status
from skopeo_mirror.transfer.stages import Abandoned, Absent, Awaiting, Finished, Pinned, Planned, Retry
from tests.transfer.pipelines import (
    DIGEST,
    DOUBT,
    MANIFEST,
    NOBODY,
    PINNED,
    ROUTER,
    A,
    B,
    O,
    doubted,
    manifest,
    no_manifest,
    nothing_came,
    rig,
    shelf,
)
from tests.values import D1, candidate, failed, image_index, image_manifest, origin, run_of, served

if TYPE_CHECKING:
    from skopeo_mirror.skopeo.debuglog import Event
    from skopeo_mirror.skopeo.provenance import Provenance

TAGGED = Reference.parse("prod.test/app:v1")
CONFIG, LAYER = (f"sha256:{digest_of(blob).hex}" for blob in (b"config", b"layer"))
REFUSED = (
    'pinging container registry d.test: Get "https://d.test/v2/": dial tcp 1.2.3.4:443: connect: connection refused'
)
SOLE = Reference.parse(f"sole.test/app@{DIGEST}")
"""An image that has no mirror."""


def test_what_is_proven_is_copied_and_published_once() -> None:
    bench = rig(run_of(served(A)))
    result = bench.result()
    assert (result.status, result.confirmed, result.served_by, result.error) == (Status.COPIED, True, A, None)
    assert result.digest == DIGEST
    assert [place.name for place in bench.destination.published] == [result.destination]
    assert bench.skopeo.copied_from == [(A, B, O)]


@pytest.mark.parametrize(
    "doubtful",
    [
        pytest.param(doubted(ROUTER.route(SOLE).candidates[0]), id="server-not-proven"),
        pytest.param(NOBODY, id="no-server"),
    ],
)
def test_what_is_doubted_is_neither_copied_nor_published(doubtful: Provenance) -> None:
    bench = rig(doubtful)
    result = bench.result(SOLE)
    assert (result.status, result.confirmed, result.served_by) == (Status.FAILED, False, None)
    assert DOUBT in (result.error or "")
    assert result.reason is Reason.OTHER
    assert bench.destination.published == []


def test_nobody_served_and_nothing_is_published() -> None:
    bench = rig(run_of(*(failed(who, Reason.NOT_FOUND) for who in (A, B, O))))
    result = bench.result()
    assert (result.status, result.confirmed, result.served_by) == (Status.FAILED, False, None)
    assert all(who.reference.name in (result.error or "") for who in (A, B, O))
    assert result.reason is Reason.NOT_FOUND
    assert bench.destination.published == []


def test_who_cannot_be_got_past_is_dropped_and_the_rest_is_tried() -> None:
    bench = rig(run_of(failed(A, Reason.CORRUPT, Stage.BLOB)), run_of(served(B)))
    result = bench.result()
    assert bench.skopeo.copied_from == [(A, B, O), (B, O)]
    assert [(one.candidate, one.outcome) for one in result.attempts] == [(A, Outcome.FAILED), (B, Outcome.SERVED)]
    assert (result.status, result.served_by) == (Status.COPIED, B)
    assert len(bench.destination.published) == 1


def test_passing_trouble_of_every_candidate_is_worth_another_round() -> None:
    bench = rig(run_of(*(failed(who, Reason.CONNECTION) for who in (A, B, O))), run_of(served(A)), retries=1)
    step = bench.pipeline.copy(bench.planned())
    assert isinstance(step, Retry)
    assert isinstance(step.stage, Planned)
    assert 0 < step.pause <= 1
    again = bench.pipeline.copy(step.stage)
    assert isinstance(again, Finished)
    assert again.result.status is Status.COPIED
    assert [one.outcome for one in again.result.attempts] == [Outcome.FAILED] * 3 + [Outcome.SERVED]


def test_the_stop_leaves_an_image_where_it_was() -> None:
    bench = rig(run_of(failed(A, Reason.OTHER)))
    bench.skopeo.on_copy = bench.skopeo.stop
    assert isinstance(bench.go(), Abandoned)


def test_what_had_arrived_when_the_stop_came_has_arrived() -> None:
    bench = rig(run_of(served(A)))
    bench.skopeo.on_copy = bench.skopeo.stop
    assert bench.result().status is Status.COPIED


def test_the_stop_while_looking_leaves_it_too() -> None:
    bench = rig()
    bench.skopeo.stop()
    assert isinstance(bench.go(), Abandoned)


def test_what_is_there_is_there_whether_stopped_or_not() -> None:
    bench = rig(destination=shelf(whole=True))
    bench.skopeo.stop()
    assert bench.result().status is Status.PRESENT


@pytest.mark.parametrize("whole", [pytest.param(True, id="directory"), pytest.param(None, id="registry")])
def test_what_is_there_asks_no_source(whole: bool | None) -> None:
    bench = rig(there=[manifest(origin("d.test/m/app:v1"))], destination=shelf(whole=whole))
    result = bench.result()
    assert (result.status, result.confirmed, result.served_by, result.digest) == (Status.PRESENT, True, None, DIGEST)
    assert bench.skopeo.copied_from == bench.skopeo.probed == []
    assert bench.destination.published == []


@pytest.mark.parametrize("whole", [pytest.param(False, id="directory"), pytest.param(None, id="registry")])
def test_another_digest_is_not_the_image(whole: bool | None) -> None:
    other = manifest(origin("d.test/m/app:v1"), image_manifest(b"other"))
    bench = rig(run_of(served(A)), there=[other], destination=shelf(whole=whole))
    assert bench.result().status is Status.COPIED


def test_the_destination_is_looked_at_once() -> None:
    down = no_manifest(run_of(*(failed(who, Reason.CONNECTION) for who in (A, B, O))))
    bench = rig(probes=[down, manifest(A)], plans=True, retries=1)
    step = bench.look()
    assert isinstance(step, Retry)
    assert isinstance(step.stage, Absent)
    assert isinstance(bench.pipeline.look(step.stage), Planned)
    assert len(bench.skopeo.looked) == 1


def test_a_destination_that_cannot_tell_is_asked_again_and_is_lost_at_last() -> None:
    trouble = no_manifest(run_of(failed(origin("d.test/m/app:v1"), Reason.CONNECTION, detail=REFUSED)))
    bench = rig(there=[trouble, trouble], retries=1)
    first = bench.look()
    assert isinstance(first, Retry)
    assert isinstance(first.stage, Pinned)
    second = bench.pipeline.look(first.stage)
    assert isinstance(second, Finished)
    assert second.destination_lost
    assert REFUSED in (second.result.error or "")
    assert bench.skopeo.copied_from == []


@pytest.mark.parametrize(
    "why",
    [
        pytest.param(REFUSED, id="down"),
        pytest.param("uploading manifest v1 to d.test/m: manifest blob unknown: blob unknown to registry", id="lost"),
        pytest.param("writing blob: uploading layer to d.test: digest invalid: provided digest is not it", id="mixed"),
    ],
)
def test_trouble_of_the_destination_costs_no_candidate(why: str) -> None:
    fault = replace(run_of(failed(A, Reason.DESTINATION, Stage.WRITE, why)), fault=nothing_came(why).fault)
    bench = rig(fault, run_of(served(A)), retries=1)
    step = bench.pipeline.copy(bench.planned())
    assert isinstance(step, Retry)
    assert isinstance(step.stage, Planned)
    bench.pipeline.copy(step.stage)
    assert bench.skopeo.copied_from == [(A, B, O), (A, B, O)]


def test_an_index_that_is_refused_for_what_it_leads_to_is_not_tried_again() -> None:
    """A registry that wants all its images says the same as one that has lost what it took."""
    why = "uploading manifest v1 to d.test/m: manifest blob unknown: blob unknown to registry"
    fault = replace(run_of(failed(A, Reason.DESTINATION, Stage.WRITE, why)), fault=nothing_came(why).fault)
    bench = rig(fault, retries=1)
    step = bench.pipeline.copy(replace(bench.planned(), alone=True))
    assert isinstance(step, Finished)
    assert bench.skopeo.copied_from == [(A, B, O)]


@pytest.mark.parametrize(
    ("why", "lost"),
    [
        pytest.param(REFUSED, True, id="unreachable"),
        pytest.param(REFUSED, False, id="only-the-words-of-it"),
        pytest.param("writing blob: denied: you may not", False, id="refuses-this-image"),
        pytest.param("uploading blob: broken pipe", False, id="hung-up"),
    ],
)
def test_only_a_destination_that_nobody_reaches_ends_the_run(why: str, lost: bool) -> None:
    step = rig(nothing_came(why, unreachable=lost)).go()
    assert isinstance(step, Finished)
    assert step.destination_lost is lost
    assert (step.result.status, step.result.reason) == (Status.FAILED, Reason.DESTINATION)
    assert "docker://d.test/m: " in (step.result.error or "")
    assert why in (step.result.error or "")


def test_the_next_try_is_told_of_those_that_it_asks() -> None:
    """Not of who failed in an earlier round, nor, where the destination is in trouble, of any source."""
    down = [failed(who, Reason.CONNECTION) for who in (A, B, O)]
    gone = [failed(A, Reason.NOT_FOUND), failed(B, Reason.NOT_FOUND)]
    bench = rig(run_of(*down), run_of(*gone, down[2]), *[nothing_came(REFUSED)] * 3, retries=2)
    step = bench.pipeline.copy(bench.planned())
    hosts = []
    while isinstance(step, Retry) and isinstance(step.stage, Planned):
        hosts.append(step.hosts)
        step = bench.pipeline.copy(step.stage)
    assert hosts == [("a.test", "b.test", "prod.test"), ("prod.test",), (), ()]


def test_what_fails_on_nobodys_side_fails_the_image_and_loses_no_destination() -> None:
    step = rig(nothing_came("trust policy: no such file", Reason.POLICY)).go()
    assert isinstance(step, Finished)
    assert not step.destination_lost
    assert step.result.reason is Reason.POLICY
    assert step.result.error == "trust policy: no such file"


def test_what_was_damaged_at_the_destination_is_brought_again_once() -> None:
    bench = rig(run_of(served(A)), run_of(served(A)), destination=shelf(troubles=[Damaged("blobs were damaged")]))
    assert bench.result().status is Status.COPIED
    assert len(bench.destination.published) == 1


def test_what_stays_damaged_is_the_destinations_fault() -> None:
    troubles = [Damaged("blobs were damaged"), Damaged("blobs were damaged")]
    bench = rig(*[run_of(served(A))] * 3, destination=shelf(troubles=troubles))
    result = bench.result()
    assert (result.status, result.served_by) == (Status.FAILED, None)
    assert "blobs were damaged" in (result.error or "")
    assert len(bench.skopeo.copied_from) == 2
    assert bench.destination.published == []


def test_what_its_manifest_says_against_good_bytes_is_the_candidates_fault_and_the_next_is_asked() -> None:
    trouble = Contradicted("its manifest gives a blob 2 bytes; it has 1")
    bench = rig(run_of(served(A)), run_of(served(B)), destination=shelf(troubles=[trouble]))
    result = bench.result()
    assert bench.skopeo.copied_from == [(A, B, O), (B, O)]
    assert (result.status, result.served_by) == (Status.COPIED, B)
    blamed, _ = result.attempts
    assert (blamed.candidate, blamed.outcome, blamed.reason) == (A, Outcome.FAILED, Reason.CORRUPT)
    assert blamed.detail == str(trouble)
    assert len(bench.destination.published) == 1


def test_publishing_is_told_what_skopeo_has_brought_and_whether_the_run_is_being_stopped() -> None:
    bench = rig(replace(run_of(served(A)), pulled=(LAYER,)))
    bench.skopeo.on_copy = bench.skopeo.stop
    bench.result()
    assert bench.destination.told == [((LAYER,), True)]


def test_the_stop_in_the_middle_of_publishing_leaves_an_image_where_it_was() -> None:
    bench = rig(run_of(served(A)), destination=shelf(troubles=[InterruptedError()]))
    assert isinstance(bench.go(), Abandoned)
    assert bench.destination.published == []


@pytest.mark.parametrize(
    "trouble",
    [pytest.param(DestinationRefused("it is full"), id="refused"), pytest.param(OSError(28, "it is full"), id="disk")],
)
def test_what_cannot_be_published_is_not_copied(trouble: Exception) -> None:
    result = rig(run_of(served(A)), destination=shelf(troubles=[trouble])).result()
    assert (result.status, result.confirmed, result.served_by) == (Status.FAILED, False, None)
    assert "it is full" in (result.error or "")


STALLED = replace(run_of(failed(A, Reason.STALLED, Stage.BLOB, "nothing moved for 3 s")), uncertain=True)


def test_a_stalled_upload_is_the_sources_fault_where_the_destination_answers() -> None:
    bench = rig(STALLED, run_of(served(B)))
    result = bench.result()
    assert (result.status, result.served_by) == (Status.COPIED, B)
    assert bench.skopeo.copied_from == [(A, B, O), (B, O)]


def test_a_stalled_upload_is_the_destinations_fault_where_it_does_not_answer() -> None:
    down = no_manifest(run_of(failed(origin("d.test/m/app:v1"), Reason.CONNECTION, detail=REFUSED)))
    bench = rig(STALLED)
    bench.skopeo.on_copy = lambda: bench.skopeo.there.append(down)
    step = bench.go()
    assert isinstance(step, Finished)
    assert step.destination_lost
    assert [(one.stage, one.reason) for one in step.result.attempts] == [(Stage.WRITE, Reason.DESTINATION)]


def test_an_upload_that_stalls_with_a_second_candidate_is_the_destinations_fault() -> None:
    second = replace(run_of(failed(B, Reason.STALLED, Stage.BLOB, "nothing moved for 3 s")), uncertain=True)
    step = rig(STALLED, second).go()
    assert isinstance(step, Finished)
    assert [one.reason for one in step.result.attempts] == [Reason.STALLED, Reason.DESTINATION]
    assert "more than one candidate" in (step.result.error or "")


def test_a_stall_that_is_certain_asks_the_destination_nothing() -> None:
    bench = rig(replace(STALLED, uncertain=False), run_of(served(B)))
    assert bench.result().served_by == B
    assert len(bench.skopeo.looked) == 1


def test_a_tag_becomes_the_digest_that_a_candidate_gave() -> None:
    bench = rig(run_of(served(A)), probes=[manifest(candidate("a.test/x/app:v1"))])
    result = bench.result(TAGGED)
    assert (result.status, result.digest, result.resolved_from) == (Status.COPIED, DIGEST, TAGGED)
    assert [who.reference.name for who in bench.skopeo.probed[0]] == ["a.test/x/app", "b.test/y/app", "prod.test/app"]


def test_a_tag_that_nobody_has_fails_with_everybodys_words() -> None:
    everybody = ROUTER.route(TAGGED).candidates
    bench = rig(probes=[no_manifest(run_of(*(failed(who, Reason.NOT_FOUND) for who in everybody)))])
    result = bench.result(TAGGED)
    assert (result.status, result.digest, result.resolved_from) == (Status.FAILED, None, None)
    assert all(f"{who.reference.name}: not-found" in (result.error or "") for who in everybody)
    assert [one.candidate for one in result.attempts] == list(everybody)
    assert bench.skopeo.copied_from == []


@pytest.mark.parametrize("image", [pytest.param(TAGGED, id="resolving"), pytest.param(PINNED, id="planning")])
def test_what_is_doubted_beforehand_is_never_what_would_be_copied(image: Reference) -> None:
    """Each candidate is asked once, and its answer is doubted."""
    everybody = ROUTER.route(image).candidates
    bench = rig(probes=[no_manifest(doubted(who)) for who in everybody], plans=True, dry_run=True)
    result = bench.result(image)
    assert (result.status, result.confirmed, result.served_by) == (Status.FAILED, False, None)
    assert [(one.candidate, one.reason) for one in result.attempts] == [(who, Reason.OTHER) for who in everybody]
    assert "not confirmed: " in (result.error or "")
    assert bench.skopeo.copied_from == []


@pytest.mark.parametrize("image", [pytest.param(TAGGED, id="resolving"), pytest.param(PINNED, id="planning")])
def test_what_fails_beforehand_on_nobodys_side_fails_the_image(image: Reference) -> None:
    bench = rig(probes=[no_manifest(nothing_came("trust policy: no such file", Reason.POLICY))], plans=True)
    assert bench.result(image).error == "trust policy: no such file"


def test_who_failed_while_planning_is_not_asked_for_the_copy() -> None:
    read = run_of(failed(A, Reason.NOT_FOUND), served(B))
    bench = rig(run_of(served(B)), probes=[replace(manifest(B), provenance=read)], plans=True)
    result = bench.result()
    assert bench.skopeo.copied_from == [(B, O)]
    assert [one.candidate for one in result.attempts] == [A, B]


def test_a_dry_run_copies_nothing_and_counts_what_would_move_once() -> None:
    bench = rig(probes=[manifest(A), manifest(A)], dry_run=True)
    first, second = (bench.pipeline.look(bench.begin(number=number)) for number in range(2))
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    assert (first.result.status, first.result.served_by, first.result.confirmed) == (Status.WOULD_COPY, A, True)
    assert first.result.bytes == len(MANIFEST) + len(b"config") + len(b"layer")
    assert second.result.bytes == len(MANIFEST)
    assert bench.skopeo.copied_from == []


def test_skopeo_is_told_how_the_destination_keeps_an_image_as_it_is() -> None:
    bench = rig(run_of(served(A)), probes=[manifest(A)], plans=True, destination=shelf(form=("--format", "v2s2")))
    assert bench.result().status is Status.COPIED
    assert bench.skopeo.copied_with == [("--format", "v2s2")]


def test_what_was_not_read_ahead_is_read_where_skopeo_would_change_an_index() -> None:
    """And copied again by the same candidates, nobody blamed, once skopeo can be told how it is kept."""
    refused = run_of(failed(A, Reason.OTHER, detail="Manifest list must be converted to type"))
    bench = rig(refused, run_of(served(A)), probes=[manifest(A)], destination=shelf(form=("--format", "v2s2")))
    result = bench.result()
    assert (result.status, result.served_by) == (Status.COPIED, A)
    assert result.attempts == (served(A),)
    assert bench.skopeo.copied_from == [(A, B, O)] * 2
    assert bench.skopeo.copied_with == [(), ("--format", "v2s2")]


@pytest.mark.parametrize(
    ("pulled", "blobs"),
    [
        pytest.param((LAYER,), len(b"layer"), id="what-was-pulled"),
        pytest.param((), 0, id="all-there-already"),
        pytest.param(None, len(b"layer") + len(b"config"), id="not-known"),
        pytest.param((f"sha256:{'0' * 64}",), 0, id="not-the-images"),
    ],
)
def test_an_image_costs_what_was_pulled(pulled: tuple[str, ...] | None, blobs: int) -> None:
    copied = replace(run_of(served(A)), pulled=pulled)
    assert rig(copied, probes=[manifest(A)], plans=True).result().bytes == len(MANIFEST) + blobs


def test_a_failed_copy_costs_nothing() -> None:
    gone = run_of(*(failed(who, Reason.NOT_FOUND) for who in (A, B, O)))
    assert rig(gone, probes=[manifest(A)], plans=True).result().bytes == 0


def test_an_image_that_was_captured_has_nowhere_to_come_from() -> None:
    result = rig(captured={"prod.test/app": "/etc/x.conf"}).result()
    assert result.status is Status.FAILED
    assert "/etc/x.conf" in (result.error or "")


def test_what_is_left_at_the_end_says_why() -> None:
    bench = rig()
    journey = bench.begin().journey
    result = bench.pipeline.abandon(journey.job, journey, "interrupted").result
    assert (result.status, result.confirmed, result.error) == (Status.FAILED, False, "not copied: interrupted")
    assert result.reason is Reason.OTHER


def test_a_planned_image_brings_its_layers() -> None:
    bench = rig(probes=[manifest(A)], plans=True)
    assert bench.planned().weight.shared.keys() == {CONFIG, LAYER}


def test_an_image_that_is_not_planned_waits_for_nobody() -> None:
    bench = rig()
    assert bench.planned().weight.shared.keys() == frozenset()


def asked(url: str, method: str = "HEAD") -> Event:
    return Requested(at=0.0, method=method, url=url)


@pytest.mark.parametrize(
    ("event", "landed"),
    [
        pytest.param(asked(f"https://d.test/v2/m/app/blobs/{CONFIG}"), {LAYER}, id="turns-to-the-config"),
        pytest.param(asked(f"https://d.test/v2/m/app/blobs/{CONFIG}", "GET"), set(), id="reads-it"),
        pytest.param(asked(f"https://d.test/v2/m/app/blobs/{LAYER}"), set(), id="turns-to-a-layer"),
        pytest.param(asked(f"https://d.test/v2/m/other/blobs/{CONFIG}"), set(), id="another-repository"),
        pytest.param(asked(f"https://a.test/v2/m/app/blobs/{CONFIG}"), set(), id="another-host"),
        pytest.param(asked("https://d.test/v2/"), set(), id="no-content"),
        pytest.param(Tried(at=0.0, reference="d.test/m/app"), set(), id="no-request"),
    ],
)
def test_layers_have_landed_when_skopeo_turns_to_the_config(event: Event, landed: set[str]) -> None:
    bench = rig(probes=[manifest(A)], plans=True)
    assert bench.pipeline.landed(bench.planned(), event) == landed


def test_of_an_image_that_is_not_planned_nothing_is_known_to_have_landed() -> None:
    bench = rig()
    assert bench.pipeline.landed(bench.planned(), asked(f"https://d.test/v2/m/app/blobs/{CONFIG}")) == frozenset()


def test_an_index_is_divided_into_its_images() -> None:
    index = image_index(MANIFEST)
    pinned = Reference.parse("prod.test/app").pin(digest_of(index))
    bench = rig(probes=[manifest(A, index)], plans=True)
    step = bench.look(pinned)
    assert isinstance(step, Awaiting)
    assert [child.digest for child in step.children] == [DIGEST]
    (unit,) = bench.pipeline.units(step, itertools.count(7))
    assert (unit.number, unit.image, unit.whole) == (7, PINNED, step.journey.job)
    assert unit.place.name == f"docker://d.test/m/app@{DIGEST}"


def test_a_digest_that_is_known_beforehand_is_not_looked_up() -> None:
    bench = rig(run_of(served(A)))
    job = bench.begin(TAGGED).journey.job
    step = bench.pipeline.look(bench.pipeline.begin(replace(job, request=replace(job.request, digest=D1))))
    assert bench.skopeo.probed == []
    assert isinstance(step, Planned)
    assert step.image == TAGGED.pin(D1)
