"""Who served: real logs of both old and new skopeos, and logs that prove less than they seem to."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skopeo_mirror.reference import Reference
from skopeo_mirror.skopeo.debuglog import (
    Died,
    Event,
    Gap,
    IndexRefused,
    LeftElsewhere,
    Lookaside,
    Refused,
    Requested,
    Retried,
    Tried,
    Waiting,
)
from skopeo_mirror.skopeo.faults import Reason, Stage
from skopeo_mirror.skopeo.provenance import Ending, Fault, Outcome, Provenance, last_trouble, trace
from tests.skopeo.golden import CONFIG, DIGEST, LAYER, VERSIONS, events_of, log_of
from tests.values import D1, candidate, origin

A = candidate(f"a.test/x/app@{D1}")
B = candidate(f"b.test/y/app@{D1}")
O = origin(f"prod.test/app@{D1}")  # noqa: E741 - the origin, beside A and B
ROUTE = (A, B, O)
DESTINATION = Reference.parse("d.test/m/app:pin")
DONE = Ending(at=9.0, status=0)
FATAL = Ending(at=9.0, status=1)
SIGNALLED = -15

DEAD = candidate(f"127.0.0.1:5699/dead/tiny@{DIGEST}")
EMPTY = candidate(f"127.0.0.1:5603/empty/tiny@{DIGEST}")
HEALTHY = candidate(f"127.0.0.1:5602/ns/tiny@{DIGEST}")
HEALTHY_ORIGIN = origin(f"127.0.0.1:5601/ns/tiny@{DIGEST}")


def tried(name: object, at: float = 0.0) -> Tried:
    return Tried(at=at, reference=str(name))


def refused(name: object, error: str = "manifest unknown", at: float = 0.0) -> Refused:
    return Refused(at=at, reference=str(name), error=error)


def asked(path: str, host: str = "a.test", method: str = "GET") -> Requested:
    return Requested(at=0.0, method=method, url=f"https://{host}/v2/{path}")


MANIFEST_OF_A = asked(f"x/app/manifests/{D1}")
MANIFEST_OF_B = asked(f"y/app/manifests/{D1}", "b.test")
BLOB_OF_A = asked("x/app/blobs/sha256:aa")
UPLOAD = asked("m/app/blobs/uploads/1", "d.test", "PATCH")


def traced(*events: Event, ending: Ending = DONE, tail: tuple[str, ...] = ()) -> Provenance:
    return trace(events, tail, candidates=ROUTE, ending=ending, digest=D1, destination=DESTINATION)


def told(provenance: Provenance) -> list[tuple[object, ...]]:
    return [(one.candidate, one.outcome, one.stage, one.reason) for one in provenance.attempts]


def faulty(place: str, port: int = 5610) -> Reference:
    return Reference.parse(f"127.0.0.1:{port}/{place}/tiny@{DIGEST}")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_log_shows_that_the_third_served(version: str) -> None:
    destination = Reference.parse(f"127.0.0.1:5603/out/tiny{'9' if version == '1.9.3' else 'm'}:v1")
    found = trace(
        events_of(log_of(version, "served-by-third")),
        (),
        candidates=(DEAD, EMPTY, HEALTHY),
        ending=DONE,
        digest=DIGEST,
        destination=destination,
    )
    assert found.server == HEALTHY
    assert found.doubt is None
    assert found.fault is None
    assert told(found) == [
        (DEAD, Outcome.FAILED, Stage.MANIFEST, Reason.CONNECTION),
        (EMPTY, Outcome.FAILED, Stage.MANIFEST, Reason.NOT_FOUND),
        (HEALTHY, Outcome.SERVED, None, None),
    ]
    assert set(found.pulled or ()) == {CONFIG, LAYER}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("case", "first", "reason", "retry_after"),
    [
        pytest.param("hangsec", "127.0.0.1:5611/h/tiny", Reason.TIMEOUT, 0.0, id="never-answers-tls"),
        pytest.param("m429", "127.0.0.1:5610/m429/tiny", Reason.RATE_LIMITED, 16.0, id="429"),
        pytest.param("m429ra", "127.0.0.1:5610/m429ra/tiny", Reason.RATE_LIMITED, 1.0, id="429-retry-after"),
    ],
)
def test_a_real_log_shows_that_the_second_served(
    version: str, case: str, first: str, reason: Reason, retry_after: float
) -> None:
    mirror = candidate(f"{first}@{DIGEST}")
    candidates = (mirror, HEALTHY, HEALTHY_ORIGIN)
    found = trace(events_of(log_of(version, case)), (), candidates=candidates, ending=DONE, digest=DIGEST)
    assert found.server == HEALTHY
    assert found.doubt is None
    assert told(found) == [
        (mirror, Outcome.FAILED, Stage.MANIFEST, reason),
        (HEALTHY, Outcome.SERVED, None, None),
    ]
    assert found.retry_after == retry_after


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("case", "first", "stage"),
    [
        pytest.param("hang", "127.0.0.1:5611/h/tiny", Stage.MANIFEST, id="never-speaks"),
        pytest.param("mhang", "127.0.0.1:5610/mhang/tiny", Stage.MANIFEST, id="manifest-hangs"),
        pytest.param("bhang", "127.0.0.1:5610/bhang/tiny", Stage.BLOB, id="blob-hangs"),
    ],
)
def test_a_real_log_shows_who_stalled(version: str, case: str, first: str, stage: Stage) -> None:
    mirror = candidate(f"{first}@{DIGEST}")
    ending = Ending(at=9.0, status=SIGNALLED, reason=Reason.STALLED, complaint="nothing moved for 3 s")
    found = trace(events_of(log_of(version, case)), (), candidates=(mirror, HEALTHY), ending=ending, digest=DIGEST)
    assert told(found) == [(mirror, Outcome.FAILED, stage, Reason.STALLED)]
    assert found.attempts[0].detail == "nothing moved for 3 s"
    assert found.server is None
    assert found.fault is None
    assert not found.uncertain


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_log_shows_a_rate_limit_on_a_blob(version: str) -> None:
    mirror = candidate(f"127.0.0.1:5610/b429/tiny@{DIGEST}")
    log = events_of(log_of(version, "b429"))
    found = trace(log, (), candidates=(mirror, HEALTHY), ending=FATAL, digest=DIGEST)
    assert told(found) == [(mirror, Outcome.FAILED, Stage.BLOB, Reason.RATE_LIMITED)]
    assert found.attempts[0].detail.startswith(f"reading blob {LAYER}: ")
    assert found.retry_after == 16.0
    assert not found.yielded


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_log_shows_that_nobody_served(version: str) -> None:
    hanging = candidate(f"127.0.0.1:5611/h/tiny@{DIGEST}")
    candidates = (hanging, HEALTHY, HEALTHY_ORIGIN)
    found = trace(events_of(log_of(version, "ct")), (), candidates=candidates, ending=FATAL, digest=DIGEST)
    assert told(found) == [(one, Outcome.FAILED, Stage.MANIFEST, Reason.TIMEOUT) for one in candidates]
    assert found.server is None
    assert found.fault is None


def test_the_first_may_serve() -> None:
    found = traced(tried(A.reference, at=2.0), MANIFEST_OF_A, BLOB_OF_A, BLOB_OF_A, UPLOAD)
    assert found.server == A
    assert found.doubt is None
    assert found.pulled == ("sha256:aa",)
    assert [one.seconds for one in found.attempts] == [7.0]
    assert not found.failed


@pytest.mark.parametrize(
    "events",
    [
        pytest.param((), id="empty-log"),
        pytest.param((MANIFEST_OF_A,), id="nobody-tried"),
        pytest.param((tried(A.reference), MANIFEST_OF_A, refused(A.reference)), id="the-last-one-failed"),
        pytest.param((tried(f"evil.test/app@{D1}"), MANIFEST_OF_A), id="server-not-in-the-route"),
        pytest.param((tried(A.reference), MANIFEST_OF_A, Retried(at=0.0)), id="begun-again"),
    ],
)
def test_success_alone_proves_no_server(events: tuple[Event, ...]) -> None:
    found = traced(*events)
    assert found.server is None
    assert found.doubt is not None
    assert found.failed


@pytest.mark.parametrize(
    ("events", "doubt"),
    [
        pytest.param((), "shows no request for the manifest", id="no-request"),
        pytest.param((BLOB_OF_A,), "shows no request for the manifest", id="blobs-only"),
        pytest.param((asked("x/app/manifests/v1"),), "shows no request for the manifest", id="another-manifest"),
        pytest.param((asked(f"x/app/manifests/{D1}", method="HEAD"),), "no request for the manifest", id="asked-only"),
        pytest.param((MANIFEST_OF_B,), "shows no request for the manifest", id="asked-another-candidate"),
        pytest.param(
            (asked(f"x/other/manifests/{D1}"),), "a.test/x/other, which is not in the route", id="another-repository"
        ),
        pytest.param(
            (MANIFEST_OF_A, asked("x/app/blobs/sha256:aa", "cdn.test")),
            "sha256:aa from cdn.test/x/app, which is not in the route",
            id="a-blob-from-a-stranger",
        ),
        pytest.param(
            (asked(f"x/app/manifests/{D1}", "a.test:8443"),), "a.test:8443/x/app, which is not in", id="another-port"
        ),
    ],
)
def test_requests_that_do_not_fit_are_a_doubt(events: tuple[Event, ...], doubt: str) -> None:
    found = traced(tried(A.reference), *events)
    assert found.doubt is not None
    assert doubt in found.doubt
    assert found.failed


def got(url: str, method: str = "GET") -> Requested:
    return Requested(at=0.0, method=method, url=url)


SIGNATURES = Lookaside(at=0.0, url="https://sigs.test/store/")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://cdn.test/layer", id="another-host"),
        pytest.param("https://cdn.test/v2/", id="a-ping-of-a-stranger"),
        pytest.param("https://cdn.test/v1/_ping", id="an-old-ping-of-a-stranger"),
        pytest.param("https://a.test/layer", id="another-path-of-the-server"),
        pytest.param("https://a.test/v2/x/other/tags/list", id="another-repository"),
        pytest.param("https://a.test/v2/x/app/other/manifests/v1", id="a-repository-below"),
        pytest.param("https://a.test@cdn.test/v2/", id="the-host-as-a-user"),
        pytest.param("https://cdn.test/?https://a.test/v2/", id="the-host-in-a-query"),
        pytest.param("https://cdn.test/token?service=a.test", id="a-token-for-nothing"),
        pytest.param("https://cdn.test/token?scope=repository:x/other:pull", id="a-token-for-another-repository"),
        pytest.param(
            "https://cdn.test/v2/x/manifests/token?scope=repository:x/app:pull", id="a-token-that-looks-like-content"
        ),
        pytest.param(f"https://sigs.test/x/app@sha256={D1.hex}/signature-1", id="signatures-outside-the-lookaside"),
        pytest.param(
            f"https://sigs.test/store/x/other@sha256={D1.hex}/signature-1", id="signatures-of-another-repository"
        ),
        pytest.param("https://sigs.test/store/layer", id="no-signature"),
        pytest.param(
            f"https://sigs.test/evilx/x/app@sha256={D1.hex}/signature-1", id="signatures-beside-the-lookaside"
        ),
        pytest.param("https://sigs.test/storehouse/layer", id="a-name-that-begins-alike"),
        pytest.param("http://[", id="no-url"),
    ],
)
def test_whatever_its_path_a_request_that_nothing_explains_is_a_doubt(url: str) -> None:
    found = traced(SIGNATURES, tried(A.reference), MANIFEST_OF_A, BLOB_OF_A, got(url))
    assert found.doubt is not None
    assert "which is not in the route" in found.doubt


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://a.test/v2/", id="ping"),
        pytest.param("http://b.test/v1/_ping", id="old-ping"),
        pytest.param("https://auth.test/token?scope=repository%3Ax%2Fapp%3Apull&service=a.test", id="token"),
        pytest.param("https://auth.test/a?account=me&scope=repository:m/app:pull,push", id="token-for-the-destination"),
        pytest.param("https://a.test/v2/auth?scope=repository%3Ax%2Fapp%3Apull", id="token-of-the-server-itself"),
        pytest.param(f"https://sigs.test/store/x/app@sha256={D1.hex}/signature-1", id="lookaside"),
        pytest.param(f"https://a.test/v2/x/app/manifests/sha256-{D1.hex}.sig", id="sigstore-attachment"),
        pytest.param(f"https://a.test/extensions/v2/x/app/signatures/{D1}", id="openshifts-signatures"),
        pytest.param("https://a.test/v2/x/app/tags/list", id="tags"),
    ],
)
def test_what_registries_tokens_and_signatures_need_is_no_doubt(url: str) -> None:
    found = traced(SIGNATURES, tried(A.reference), MANIFEST_OF_A, got(url))
    assert found.doubt is None


def test_signatures_are_looked_for_only_where_the_log_says_so() -> None:
    signature = got(f"https://sigs.test/store/x/app@sha256={D1.hex}/signature-1")
    assert traced(tried(A.reference), MANIFEST_OF_A, signature).doubt is not None


def test_what_was_not_kept_proves_nothing() -> None:
    found = traced(tried(A.reference), MANIFEST_OF_A, Gap(at=0.0), BLOB_OF_A)
    assert found.doubt is not None
    assert "more requests than are kept" in found.doubt


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH"])
def test_uploads_go_where_the_destination_sends_them(method: str) -> None:
    assert traced(tried(A.reference), MANIFEST_OF_A, got("https://storage.test/upload/1", method)).doubt is None


@pytest.mark.parametrize(
    ("known", "logged"),
    [
        pytest.param("https://cdn.test/layer", "https://cdn.test/layer", id="plain"),
        pytest.param("https://u:p@cdn.test/a b?sig=s", "https://u:xxxxx@cdn.test/a%20b?sig=s", id="as-go-spells-it"),
        pytest.param("https://CDN.test/v2/w/blobs/sha256:cc", "https://CDN.test/v2/w/blobs/sha256:cc", id="a-registry"),
    ],
)
def test_content_that_lives_elsewhere_is_told_and_is_not_the_servers(known: str, logged: str) -> None:
    events = (tried(A.reference), MANIFEST_OF_A, BLOB_OF_A, got(logged))
    assert traced(*events).doubt is not None
    found = trace(events, (), candidates=ROUTE, ending=DONE, digest=D1, elsewhere=[known, "https://other.test/"])
    assert (found.server, found.doubt) == (A, None)
    assert found.fetched == (known,)
    assert found.pulled == ("sha256:aa",)


def test_no_error_has_the_query_of_a_layers_url() -> None:
    url = "https://u:p@cdn.test/a?t=hunter2"
    died = Died(at=0.0, error=f"fetching {url}: not found")
    found = trace(
        (tried(A.reference), died), (), candidates=ROUTE, ending=FATAL, digest=D1, elsewhere=[url, "https://b.test/"]
    )
    assert found.attempts[0].detail == "fetching https://u:p@cdn.test/a?***: not found"
    doubtful = traced(tried(A.reference), MANIFEST_OF_A, got(url)).doubt
    assert doubtful == "skopeo read https://***@cdn.test/a?***, which is not in the route"


def test_knows_the_layers_that_were_left_where_they_are() -> None:
    left = LeftElsewhere(at=0.0, digest="sha256:cc")
    found = traced(tried(A.reference), MANIFEST_OF_A, left, left)
    assert (found.doubt, found.left, found.fetched) == (None, ("sha256:cc",), ())


def test_a_doubt_is_counted_against_the_candidate_that_raised_it() -> None:
    found = traced(tried(A.reference), refused(A.reference), tried(B.reference), MANIFEST_OF_B, got("https://c.test/x"))
    words = "not confirmed: skopeo read https://c.test/x, which is not in the route"
    assert told(found.disbelieved()) == [
        (A, Outcome.FAILED, Stage.MANIFEST, Reason.NOT_FOUND),
        (B, Outcome.FAILED, Stage.MANIFEST, Reason.OTHER),
    ]
    assert found.disbelieved().attempts[-1].detail == words
    assert (found.disbelieved().server, found.disbelieved().doubt, found.disbelieved().fault) == (None, None, None)
    assert last_trouble(found) == found.doubt == words.removeprefix("not confirmed: ")
    [*_, kept] = found.logged_in("x.log").disbelieved().attempts
    assert kept.log == "x.log"


def test_a_doubt_after_blobs_is_one_of_the_blobs() -> None:
    found = traced(tried(A.reference), MANIFEST_OF_A, BLOB_OF_A, got("https://c.test/x"))
    assert told(found.disbelieved()) == [(A, Outcome.FAILED, Stage.BLOB, Reason.OTHER)]


def test_a_doubt_that_no_candidate_raised_is_a_fault() -> None:
    found = traced(tried(f"evil.test/app@{D1}")).disbelieved()
    assert found.attempts == ()
    assert found.fault is not None
    assert "it names evil.test/app" in found.fault.detail
    assert found.fault.reason is Reason.OTHER


def test_who_is_proven_is_believed() -> None:
    found = traced(tried(A.reference), MANIFEST_OF_A)
    assert found.disbelieved() is found


def test_requests_to_the_destination_are_no_doubt() -> None:
    to_destination = (
        asked("", "d.test"),
        asked("m/app/blobs/sha256:aa", "d.test", "HEAD"),
        asked("m/app/manifests/pin", "d.test"),
        asked("m/app/blobs/uploads/1", "d.test"),
        asked("m/app/manifests/pin", "d.test", "PUT"),
    )
    found = traced(tried(A.reference), MANIFEST_OF_A, BLOB_OF_A, *to_destination, UPLOAD)
    assert found.doubt is None
    assert found.pulled == ("sha256:aa",)


def test_a_blob_may_come_from_another_candidate() -> None:
    """A later skopeo may read single blobs elsewhere than the manifest: within the route that is no doubt."""
    found = traced(tried(A.reference), MANIFEST_OF_A, BLOB_OF_A, asked("y/app/blobs/sha256:bb", "b.test"))
    assert found.server == A
    assert found.doubt is None
    assert found.pulled == ("sha256:aa", "sha256:bb")


def test_what_was_asked_of_a_failed_candidate_proves_nothing() -> None:
    found = traced(tried(A.reference), MANIFEST_OF_A, refused(A.reference), tried(B.reference))
    assert found.server == B
    assert found.doubt is not None
    twin = candidate(f"a.test/x/app@{D1}", insecure=True)
    events = (tried(A.reference), MANIFEST_OF_A, BLOB_OF_A, refused(A.reference), tried(twin.reference))
    found = trace(events, (), candidates=(A, twin), ending=DONE, digest=D1)
    assert found.server == twin
    assert found.doubt is not None
    assert found.pulled == ()


def test_a_tag_is_proven_by_the_request_for_the_tag() -> None:
    tagged = candidate("a.test/x/app:v1")
    events = (tried("a.test/x/app:v1"), asked("x/app/manifests/v1"))
    assert trace(events, (), candidates=[tagged], ending=DONE, digest=None).doubt is None
    other = (tried("a.test/x/app:v1"), asked("x/app/manifests/v2"))
    assert trace(other, (), candidates=[tagged], ending=DONE, digest=None).doubt is not None


def test_docker_hub_answers_from_another_host() -> None:
    hub = origin(f"docker.io/library/app@{D1}")
    events = (tried(hub.reference), asked(f"library/app/manifests/{D1}", "registry-1.docker.io"))
    assert trace(events, (), candidates=[hub], ending=DONE, digest=D1).doubt is None


def test_two_mirrors_may_yield_one_reference() -> None:
    twin = candidate(f"a.test/x/app@{D1}", insecure=True)
    route = (A, twin, O)
    events = (tried(A.reference), refused(A.reference), tried(A.reference), MANIFEST_OF_A)
    found = trace(events, (), candidates=route, ending=DONE, digest=D1)
    assert found.server is not None
    assert found.server.insecure
    assert told(found) == [
        (A, Outcome.FAILED, Stage.MANIFEST, Reason.NOT_FOUND),
        (twin, Outcome.SERVED, None, None),
    ]


def test_skopeos_own_retry_begins_with_the_first() -> None:
    twin = candidate(f"a.test/x/app@{D1}", insecure=True)
    once = (tried(A.reference), refused(A.reference), tried(A.reference), refused(A.reference))
    events = (*once, Retried(at=0.0), tried(A.reference), MANIFEST_OF_A)
    found = trace(events, (), candidates=(A, twin), ending=DONE, digest=D1)
    assert found.server == A
    assert found.doubt is None


def test_attempts_stand_in_the_order_of_the_route() -> None:
    events = [event for one in ROUTE for event in (tried(one.reference), refused(one.reference))]
    found = traced(*events, Died(at=0.0, error="initializing source"), ending=FATAL)
    assert [one.candidate for one in found.attempts] == list(ROUTE)
    assert found.fault is None


@pytest.mark.parametrize(
    ("error", "stage", "reason"),
    [
        pytest.param("Manifest does not match provided manifest digest", Stage.MANIFEST, Reason.CORRUPT, id="manifest"),
        pytest.param(
            'writing blob: Patch "http://d.test/x": happened during read: Digest did not match',
            Stage.BLOB,
            Reason.CORRUPT,
            id="blob",
        ),
        pytest.param("something that no skopeo has said yet", Stage.BLOB, Reason.OTHER, id="unknown"),
    ],
)
def test_a_fault_of_the_source_costs_the_candidate(error: str, stage: Stage, reason: Reason) -> None:
    found = traced(tried(A.reference), MANIFEST_OF_A, BLOB_OF_A, Died(at=0.0, error=error), ending=FATAL)
    assert told(found) == [(A, Outcome.FAILED, stage, reason)]
    assert found.attempts[0].detail == error
    assert found.fault is None


def test_a_fault_of_the_destination_is_nobodys() -> None:
    error = "writing blob: initiating layer upload to /v2/m/app/blobs/uploads/ in d.test: unauthorized"
    found = traced(tried(A.reference), MANIFEST_OF_A, Died(at=0.0, error=error), ending=FATAL)
    assert told(found) == [(A, Outcome.FAILED, Stage.WRITE, Reason.DESTINATION)]
    assert found.fault == Fault(reason=Reason.DESTINATION, detail=error)


PING_OF_THE_DESTINATION = Requested(at=0.0, method="GET", url="https://d.test/v2/")
UNREACHABLE = (
    'trying to reuse blob sha256:aa: pinging container registry: Get "https://d.test/v2/": dial tcp: no such host'
)


@pytest.mark.parametrize(
    ("last", "error", "unreachable"),
    [
        pytest.param(PING_OF_THE_DESTINATION, UNREACHABLE, True, id="asked-and-gone"),
        pytest.param(BLOB_OF_A, UNREACHABLE, False, id="only-the-words"),
        pytest.param(UPLOAD, "writing blob: initiating layer upload to x: denied: dial tcp", False, id="it-answers"),
    ],
)
def test_the_destination_is_unreachable_where_it_was_asked(last: Event, error: str, *, unreachable: bool) -> None:
    found = traced(tried(A.reference), MANIFEST_OF_A, last, Died(at=2.0, error=error), ending=FATAL)
    assert found.fault == Fault(reason=Reason.DESTINATION, detail=error, unreachable=unreachable)


def test_what_fails_on_this_machine_is_nobodys() -> None:
    broken = 'getting username and password: reading JSON file "/home/me/auth.json": unexpected end of JSON input'
    found = traced(
        *(tried(A.reference), refused(A.reference, broken), tried(B.reference), refused(B.reference, broken)),
        *(tried(O.reference), Died(at=2.0, error=broken)),
        ending=FATAL,
    )
    assert found.attempts == ()
    assert found.fault == Fault(reason=Reason.OTHER, detail=broken)


CONVERTED = 'Manifest list must be converted to type "x" to be written to destination, but we cannot modify it: "y"'


def test_an_index_that_skopeo_would_change_is_not_the_destinations_fault() -> None:
    found = traced(tried(A.reference), MANIFEST_OF_A, UPLOAD, Died(at=2.0, error=CONVERTED), ending=FATAL)
    assert told(found) == [(A, Outcome.FAILED, Stage.MANIFEST, Reason.OTHER)]
    assert found.fault is None


def test_an_index_that_the_destination_refused_is_told_in_its_words() -> None:
    words = "uploading manifest pin to d.test/m/app: manifest blob unknown: blob unknown to registry"
    found = traced(
        *(tried(A.reference), MANIFEST_OF_A, UPLOAD, IndexRefused(at=1.0, error=words), Died(at=2.0, error=CONVERTED)),
        ending=FATAL,
    )
    assert told(found) == [(A, Outcome.FAILED, Stage.WRITE, Reason.DESTINATION)]
    assert found.fault == Fault(reason=Reason.DESTINATION, detail=words)


def test_what_fails_before_any_candidate_is_nobodys() -> None:
    found = traced(Died(at=0.0, error="trust policy: no such file"), ending=FATAL)
    assert found.attempts == ()
    assert found.fault == Fault(reason=Reason.POLICY, detail="trust policy: no such file")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        pytest.param(2, "exit status 2", id="exit"),
        pytest.param(-9, "signal 9", id="killed"),
    ],
)
def test_a_silent_end_is_told(status: int, words: str) -> None:
    ending = Ending(at=9.0, status=status)
    found = traced(tried(A.reference), MANIFEST_OF_A, ending=ending, tail=("panic: x", "goroutine 1"))
    assert words in found.attempts[0].detail
    assert "panic: x\ngoroutine 1" in found.attempts[0].detail


@pytest.mark.parametrize(
    ("last", "uncertain"),
    [
        pytest.param(UPLOAD, True, id="while-uploading"),
        pytest.param(asked("m/app/manifests/pin", "d.test", "PUT"), True, id="while-writing-the-manifest"),
        pytest.param(BLOB_OF_A, False, id="while-pulling"),
        pytest.param(MANIFEST_OF_A, False, id="while-reading-the-manifest"),
    ],
)
def test_a_stall_while_uploading_is_uncertain(last: Event, uncertain: bool) -> None:
    ending = Ending(at=9.0, status=SIGNALLED, reason=Reason.STALLED, complaint="nothing moved")
    assert traced(tried(A.reference), MANIFEST_OF_A, last, ending=ending).uncertain is uncertain


ANNOUNCED = asked("m/app/blobs/uploads/", "d.test", "POST")
BEGUN = asked("m/app/blobs/uploads/1", "d.test", "PATCH")
MOUNT = asked("m/app/blobs/uploads/?from=m%2Fother&mount=sha256%3Aaa", "d.test", "POST")


@pytest.mark.parametrize(
    ("events", "owed"),
    [
        pytest.param((ANNOUNCED,), True, id="announced"),
        pytest.param((ANNOUNCED, BEGUN, ANNOUNCED), True, id="the-second-of-two"),
        pytest.param((ANNOUNCED, BEGUN), False, id="begun"),
        pytest.param((ANNOUNCED, BEGUN, MOUNT), False, id="another-is-mounted"),
        pytest.param((MOUNT, ANNOUNCED, BEGUN), False, id="could-not-be-mounted"),
        pytest.param((asked("y/app/blobs/uploads/", "d.test", "POST"),), False, id="another-repository"),
        pytest.param((asked("m/app/blobs/uploads/", "a.test", "POST"),), False, id="another-host"),
        pytest.param((), False, id="nothing"),
    ],
)
def test_an_upload_that_was_announced_and_never_begun_is_owed_by_the_destination(
    events: tuple[Event, ...], owed: bool
) -> None:
    """A mount is an announcement only where it is no mount after all, and then another follows."""
    ending = Ending(at=9.0, status=SIGNALLED, reason=Reason.STALLED, complaint="nothing moved")
    found = traced(tried(A.reference), MANIFEST_OF_A, *events, BLOB_OF_A, ending=ending)
    assert (found.fault is not None) is owed
    assert [one.reason for one in found.attempts] == [Reason.DESTINATION if owed else Reason.STALLED]


def test_the_destination_can_be_found_guilty_afterwards() -> None:
    ending = Ending(at=9.0, status=SIGNALLED, reason=Reason.STALLED, complaint="nothing moved")
    found = traced(tried(A.reference), MANIFEST_OF_A, UPLOAD, ending=ending).blaming_destination("it does not answer")
    assert told(found) == [(A, Outcome.FAILED, Stage.WRITE, Reason.DESTINATION)]
    assert found.fault == Fault(reason=Reason.DESTINATION, detail="it does not answer")
    assert not found.uncertain


def test_a_run_that_was_ended_at_a_rate_limit_has_yielded() -> None:
    waiting = Waiting(at=0.0, url=MANIFEST_OF_A.url, seconds=2.0)
    ending = Ending(at=9.0, status=SIGNALLED, reason=Reason.RATE_LIMITED, complaint="too many requests")
    found = traced(tried(A.reference), MANIFEST_OF_A, waiting, ending=ending)
    assert told(found) == [(A, Outcome.FAILED, Stage.MANIFEST, Reason.RATE_LIMITED)]
    assert found.yielded
    assert found.retry_after == 2.0


@pytest.mark.parametrize("theirs", [pytest.param(False, id="the-sources"), pytest.param(True, id="the-destinations")])
def test_a_rate_limit_is_of_whoever_said_so_whatever_other_layers_were_at(theirs: bool) -> None:
    waiting = Waiting(at=0.0, url=ANNOUNCED.url if theirs else BLOB_OF_A.url, seconds=2.0)
    ending = Ending(at=9.0, status=SIGNALLED, reason=Reason.RATE_LIMITED, complaint="too many requests")
    found = traced(tried(A.reference), MANIFEST_OF_A, BLOB_OF_A, waiting, ANNOUNCED, ending=ending)
    assert (found.fault is not None) is theirs
    assert [one.reason for one in found.attempts] == [Reason.DESTINATION if theirs else Reason.RATE_LIMITED]


def test_status_0_of_a_run_that_was_ended_is_no_success() -> None:
    ending = Ending(at=9.0, status=0, reason=Reason.TIMEOUT, complaint="not done after 1 s")
    assert traced(tried(A.reference), MANIFEST_OF_A, ending=ending).server is None


NO_URL = Requested(at=0.0, method="PUT", url="http://[/v2/x/manifests/y")
EVENTS = st.sampled_from(
    [
        *(tried(one.reference) for one in ROUTE),
        *(refused(one.reference) for one in ROUTE),
        tried("evil.test/app:v1"),
        refused("evil.test/app:v1"),
        MANIFEST_OF_A,
        BLOB_OF_A,
        UPLOAD,
        NO_URL,
        Waiting(at=0.0, url="http://[", seconds=2.0),
        Retried(at=0.0),
        Died(at=0.0, error="x"),
    ]
)
ENDINGS = st.sampled_from([DONE, FATAL, Ending(at=9.0, status=-9, reason=Reason.STALLED, complaint="x")])


@given(st.lists(EVENTS, max_size=12), ENDINGS)
@example([tried(A.reference), MANIFEST_OF_A, NO_URL], DONE)
@example([tried(A.reference), MANIFEST_OF_A, NO_URL], FATAL)
def test_every_log_has_one_outcome(events: list[Event], ending: Ending) -> None:
    """Somebody served, or it is said why not: a doubt, a fault, or a failed attempt."""
    found = traced(*events, ending=ending)
    if ending == DONE:
        assert (found.server is not None) or (found.doubt is not None)
    else:
        assert found.server is None
        assert found.fault is not None or any(one.outcome is Outcome.FAILED for one in found.attempts)
    if found.server is not None and found.doubt is None:
        assert found.server in ROUTE
        assert found.attempts[[one.candidate for one in found.attempts].index(found.server)].outcome is Outcome.SERVED
