"""Whether a registry has an image already: what counts as there, and who is asked how."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.manifest import OCI_INDEX, digest_of
from skopeo_mirror.platforms import Platform
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
    MANIFEST,
    Prepared,
    PreparedPool,
    doubted,
    manifest,
    no_manifest,
    nothing_came,
    presence_of,
    shelf,
)
from tests.values import D1, failed, image_index, image_manifest, index_by_platform, origin, run_of, served

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from skopeo_mirror.reference import Digest
    from skopeo_mirror.skopeo.scoped import Probe
    from skopeo_mirror.transfer.presence import Sighting

THERE = origin("d.test/m/app:v1")
PROVEN = ManifestReading(provenance=run_of(served(THERE)), opened=True, digest=str(DIGEST))
REFUSED = "dial tcp 1.2.3.4:443: connect: connection refused"


def find(skopeo: Prepared, reading: ManifestReading | None = None, digest: Digest = DIGEST) -> Sighting:
    place = Place(name="docker://d.test/m/app:v1", repository=Reference.parse("d.test/m/app:v1"))
    return presence_of(skopeo, pool=PreparedPool(reading=reading)).look(place, digest)


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


NAME = Reference.parse("d.test/m/app:v1")
PLACE = Place(name=f"docker://{NAME}", repository=NAME)
OTHER = image_manifest(b"other")
INDEX = index_by_platform({"linux/amd64": MANIFEST, "linux/arm64": OTHER})
AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
GONE = ManifestReading(provenance=run_of(failed(THERE, Reason.NOT_FOUND)))


def proven(content: bytes) -> ManifestReading:
    return replace(PROVEN, digest=str(digest_of(content)))


def part(content: bytes) -> Reference:
    """An image of an index in a registry: it has no name of its own."""
    return NAME.without_tag().pin(digest_of(content))


def registry(*gone: bytes) -> PreparedPool:
    """What skopeos that stay find where an index is with its images, but for some."""
    found: dict[Digest | None, ManifestReading] = {
        digest_of(content): GONE if content in gone else proven(content) for content in (MANIFEST, OTHER)
    }
    return PreparedPool(reading=PROVEN, readings=found)


def test_an_index_is_there_with_all_its_images() -> None:
    skopeo, pool = Prepared(there=[manifest(THERE, INDEX)]), registry()
    assert presence_of(skopeo, pool=pool).look(PLACE, digest_of(INDEX)).there
    assert pool.asked == [NAME, part(MANIFEST), part(OTHER)]
    assert [asked.reference for asked in skopeo.looked] == [NAME]


def chosen_for(content: bytes, *gone: bytes) -> PreparedPool:
    """What skopeos that stay find where they find `content` for the index, and not by itself."""
    return replace(registry(content, *gone), reading=replace(proven(content), chosen=True))


@pytest.mark.parametrize(("found", "other"), [(MANIFEST, OTHER), (OTHER, MANIFEST)], ids=["first", "last"])
def test_an_image_that_was_found_for_its_index_is_not_looked_for_again(found: bytes, other: bytes) -> None:
    for gone in ((), (other,)):
        pool = chosen_for(found, *gone)
        sighting = presence_of(Prepared(there=[manifest(THERE, INDEX)]), pool=pool).look(PLACE, digest_of(INDEX))
        assert sighting.there is (not gone)
        assert pool.asked == [NAME, part(other)]


def test_an_index_that_was_found_for_its_index_is_looked_into() -> None:
    outer = image_index(INDEX, media_type=OCI_INDEX)
    skopeo = Prepared(there=[manifest(THERE, outer), manifest(THERE, INDEX)])
    assert not presence_of(skopeo, pool=chosen_for(INDEX, MANIFEST, OTHER)).look(PLACE, digest_of(outer)).there


@pytest.mark.parametrize("gone", [MANIFEST, OTHER], ids=["first", "last"])
@pytest.mark.parametrize("platforms", [(), (AMD64,), (ARM64,), (AMD64, ARM64)], ids=str)
def test_an_index_is_there_with_the_images_that_are_asked_for(gone: bytes, platforms: tuple[Platform, ...]) -> None:
    lacks = AMD64 if gone == MANIFEST else ARM64
    presence = presence_of(Prepared(there=[manifest(THERE, INDEX)]), pool=registry(gone), platforms=platforms)
    sighting = presence.look(PLACE, digest_of(INDEX))
    assert (sighting.there, sighting.trouble) == (bool(platforms) and lacks not in platforms, None)


def test_an_index_without_an_image_that_was_asked_for_is_no_such_image() -> None:
    s390x = Platform.parse("linux/s390x")
    presence = presence_of(Prepared(there=[manifest(THERE, INDEX)]), pool=registry(), platforms=(s390x,))
    sighting = presence.look(PLACE, digest_of(INDEX))
    assert (sighting.there, sighting.trouble) == (False, None)


@pytest.mark.parametrize("platforms", [(), (AMD64,)], ids=str)
def test_an_index_of_nothing_is_there_with_nothing(platforms: tuple[Platform, ...]) -> None:
    empty = image_index()
    presence = presence_of(Prepared(there=[manifest(THERE, empty)]), pool=registry(), platforms=platforms)
    assert presence.look(PLACE, digest_of(empty)).there


def test_platforms_count_in_an_index_within_an_index() -> None:
    """What is said to be an index is read at once by who can; what is not asked for is not looked at."""
    outer = image_index(INDEX, media_type=OCI_INDEX)
    skopeo, pool = Prepared(there=[manifest(THERE, outer), manifest(THERE, INDEX)]), registry(OTHER)
    assert presence_of(skopeo, pool=pool, platforms=(AMD64,)).look(PLACE, digest_of(outer)).there
    assert pool.asked == [NAME, part(MANIFEST)]
    assert [asked.reference for asked in skopeo.looked] == [NAME, part(INDEX)]


def test_an_image_that_an_index_names_twice_is_looked_for_once() -> None:
    pool = registry()
    twice = image_index(MANIFEST, OTHER, MANIFEST)
    assert presence_of(Prepared(there=[manifest(THERE, twice)]), pool=pool).look(PLACE, digest_of(twice)).there
    assert sorted(map(str, pool.asked[1:])) == sorted(map(str, (part(MANIFEST), part(OTHER))))


def test_a_part_is_looked_for_as_an_image_is() -> None:
    skopeo, pool = Prepared(), registry(OTHER)
    presence = presence_of(skopeo, pool=pool)
    assert presence.look(presence.destination.part(PLACE, DIGEST), DIGEST).there
    assert not presence.look(presence.destination.part(PLACE, digest_of(OTHER)), digest_of(OTHER)).there
    assert pool.asked == [part(MANIFEST), part(OTHER)]
    assert skopeo.looked == []


def test_where_names_are_indexes_no_skopeo_is_asked_that_cannot_tell() -> None:
    """As long as most are; a part is mostly an image whatever they are."""
    skopeo, pool = Prepared(there=[manifest(THERE, INDEX), manifest(THERE, INDEX)]), registry()
    presence = presence_of(skopeo, pool=pool)
    for _ in range(2):
        assert presence.look(PLACE, digest_of(INDEX)).there
    assert pool.asked.count(NAME) == 1
    assert presence.look(presence.destination.part(PLACE, DIGEST), DIGEST).there
    assert len(skopeo.looked) == 2
    skopeo.there += [manifest(THERE)] * 2
    for _ in range(3):
        assert presence.look(PLACE, DIGEST).there
    assert pool.asked.count(NAME) == 2
    assert len(skopeo.looked) == 4


def test_what_is_not_there_teaches_nothing() -> None:
    skopeo, pool = Prepared(there=[manifest(THERE, OTHER)] * 2), registry()
    presence = presence_of(skopeo, pool=pool)
    for _ in range(2):
        assert not presence.look(PLACE, digest_of(INDEX)).there
    assert pool.asked == [NAME, NAME]


MANY = [image_manifest(b"many", str(number).encode()) for number in range(20)]
OF_MANY = image_index(*MANY)


class ManyAtOnce(PreparedPool):
    """Where nobody gets an answer for an image of an index before `together` have asked."""

    def __init__(self, together: int) -> None:
        super().__init__(reading=GONE)
        self._met = threading.Barrier(together, timeout=20)

    def read(self, image: Reference, *_: object, **__: object) -> ManifestReading | None:
        self.asked.append(image)
        if image.digest is None:
            return None
        self._met.wait()
        return replace(PROVEN, digest=str(image.digest))


def look_at_many(pool: PreparedPool, helpers: Executor | None) -> Sighting:
    presence = presence_of(Prepared(there=[manifest(THERE, OF_MANY)]), pool=pool)
    return replace(presence, helpers=helpers).look(PLACE, digest_of(OF_MANY))


@pytest.mark.parametrize("threads", [1, 2])
def test_many_images_of_an_index_are_looked_for_at_once(threads: int) -> None:
    pool = ManyAtOnce(together=2)
    with ThreadPoolExecutor(threads) as helpers:
        assert look_at_many(pool, helpers).there
    assert sorted(map(str, pool.asked[1:])) == sorted(str(part(content)) for content in MANY)


@pytest.mark.parametrize("helped", [True, False])
def test_who_looks_goes_on_alone_while_nobody_is_free(helped: bool) -> None:
    pool, free = ManyAtOnce(together=1), threading.Event()
    with ThreadPoolExecutor(1) as helpers:
        helpers.submit(free.wait)
        try:
            assert look_at_many(pool, helpers if helped else None).there
        finally:
            free.set()
    assert len(pool.asked) == 1 + len(MANY)


def test_what_a_helper_does_not_find_is_not_there() -> None:
    """Nobody asks on."""
    pool = PreparedPool(reading=GONE, readings={None: PROVEN})
    with ThreadPoolExecutor(2) as helpers:
        sighting = look_at_many(pool, helpers)
    assert (sighting.there, sighting.trouble) == (False, None)
    assert len(pool.asked) <= 1 + 3
