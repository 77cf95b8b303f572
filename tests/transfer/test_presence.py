"""Whether a registry has an image already: what counts as there, and who is asked how."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.routing import Kind
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import Provenance
from skopeo_mirror.skopeo.proxy_pool import ManifestReading
from skopeo_mirror.transfer.destination.place import Place
from tests.transfer.pipelines import (
    ABSENT,
    DIGEST,
    DOUBT,
    Prepared,
    doubted,
    manifest,
    no_manifest,
    nothing_came,
    presence_of,
    shelf,
)
from tests.values import D1, failed, image_manifest, origin, run_of, served

if TYPE_CHECKING:
    from skopeo_mirror.reference import Digest
    from skopeo_mirror.skopeo.scoped import Probe
    from skopeo_mirror.transfer.presence import Sighting

THERE = origin("d.test/m/app:v1")
PROVEN = ManifestReading(provenance=run_of(served(THERE)), opened=True, digest=str(DIGEST))
REFUSED = "dial tcp 1.2.3.4:443: connect: connection refused"


def find(skopeo: Prepared, reading: ManifestReading | None = None, digest: Digest = DIGEST) -> Sighting:
    place = Place(name="docker://d.test/m/app:v1", repository=Reference.parse("d.test/m/app:v1"))
    return presence_of(skopeo, reading=reading).look(place, digest)


def test_what_a_skopeo_that_stays_has_proven_is_there() -> None:
    skopeo = Prepared()
    sighting = find(skopeo, PROVEN)
    assert (sighting.there, sighting.trouble) == (True, None)
    assert skopeo.looked == []


@pytest.mark.parametrize(
    "provenance",
    [
        pytest.param(doubted(THERE), id="doubted"),
        pytest.param(Provenance(attempts=(), doubt=DOUBT), id="no-server"),
    ],
)
@pytest.mark.parametrize(
    ("answer", "there"), [pytest.param(manifest(THERE), True, id="there"), pytest.param(ABSENT, False, id="not-there")]
)
def test_what_it_has_not_proven_is_asked_of_another(provenance: Provenance, answer: Probe, there: bool) -> None:
    skopeo = Prepared(there=[answer])
    assert find(skopeo, replace(PROVEN, provenance=provenance)).there is there
    assert len(skopeo.looked) == 1


@pytest.mark.parametrize("answer", [pytest.param(True, id="there"), pytest.param(False, id="another-digest")])
def test_another_digest_than_wanted_is_asked_of_another(answer: bool) -> None:
    """Of an index it tells one of its images, and a Docker manifest it converts."""
    skopeo = Prepared(there=[manifest(THERE) if answer else manifest(THERE, image_manifest(b"other"))])
    assert find(skopeo, replace(PROVEN, digest=str(D1))).there is answer
    assert len(skopeo.looked) == 1


def test_what_it_did_not_find_is_not_there() -> None:
    skopeo = Prepared(there=[manifest(THERE)])
    sighting = find(skopeo, ManifestReading(provenance=run_of(failed(THERE, Reason.NOT_FOUND))))
    assert (sighting.there, sighting.trouble) == (False, None)
    assert skopeo.looked == []


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param(
            ManifestReading(provenance=run_of(failed(THERE, Reason.NOT_FOUND)), opened=True), id="a-part-is-missing"
        ),
        pytest.param(ManifestReading(provenance=run_of(failed(THERE, Reason.CONNECTION))), id="another-fault"),
        pytest.param(ManifestReading(provenance=nothing_came("no such file")), id="nobodys-fault"),
    ],
)
def test_what_it_cannot_tell_is_asked_of_another(reading: ManifestReading) -> None:
    skopeo = Prepared(there=[manifest(THERE)])
    assert find(skopeo, reading).there
    assert len(skopeo.looked) == 1


def test_one_that_was_ended_over_the_question_is_not_followed_by_another() -> None:
    skopeo = Prepared(there=[manifest(THERE)])
    sighting = find(
        skopeo, ManifestReading(provenance=run_of(failed(THERE, Reason.STALLED, detail="nothing")), ended=True)
    )
    assert (sighting.there, sighting.trouble) == (False, "nothing")
    assert skopeo.looked == []


@pytest.mark.parametrize(
    ("answer", "there", "trouble"),
    [
        pytest.param(manifest(THERE), True, None, id="there"),
        pytest.param(manifest(THERE, image_manifest(b"other")), False, None, id="another-digest"),
        pytest.param(ABSENT, False, None, id="not-found"),
        pytest.param(no_manifest(run_of(failed(THERE, Reason.CORRUPT))), False, None, id="something-else-is-there"),
        pytest.param(
            no_manifest(run_of(failed(THERE, Reason.CONNECTION, detail=REFUSED))), False, REFUSED, id="unreachable"
        ),
        pytest.param(
            no_manifest(run_of(failed(THERE, Reason.UNAUTHORIZED, detail="denied"))), False, "denied", id="refused"
        ),
        pytest.param(no_manifest(nothing_came("no policy")), False, "no policy", id="nobodys-fault"),
        pytest.param(no_manifest(Provenance(attempts=(), doubt=DOUBT)), False, DOUBT, id="doubted"),
    ],
)
def test_without_one_that_stays_a_skopeo_of_its_own_tells(answer: Probe, there: bool, trouble: str | None) -> None:
    sighting = find(Prepared(there=[answer]))
    assert (sighting.there, sighting.trouble) == (there, trouble)


@pytest.mark.parametrize(
    ("given", "insecure"),
    [
        pytest.param(True, False, id="verified"),
        pytest.param(None, False, id="not-said"),
        pytest.param(False, True, id="unverified"),
    ],
)
def test_the_destination_is_read_as_it_is_written(given: bool | None, insecure: bool) -> None:
    """Its certificates are verified, unless it was said that they are not; no mirror of it is asked."""
    skopeo = Prepared()
    repository = Reference.parse("d.test/m/app:v1")
    presence_of(skopeo, shelf(tls_verify=given)).read(repository)
    [asked] = skopeo.looked
    assert (asked.reference, asked.insecure, asked.blocked, asked.kind) == (repository, insecure, False, Kind.ORIGIN)
