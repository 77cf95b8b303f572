"""Error texts, as skopeo wrote them, and what they mean."""

from __future__ import annotations

import pytest

from skopeo_mirror.skopeo.debuglog import Died, Refused
from skopeo_mirror.skopeo.faults import (
    HOST_IS_DOWN,
    PASSING,
    Reason,
    Stage,
    blames_destination,
    connection_lost,
    is_ours,
    reason_of,
    refuses_credentials,
    stage_of,
)
from tests.skopeo.golden import events_of, log_of

DIGEST = "sha256:5e069c3b9da836774013cfe67bbfec0986febae4791ea650895ee1f691ae4dce"
GOT = "sha256:0000000000000000000000000000000000000000000000000000000000000000"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(
            f"reading manifest {DIGEST} in 127.0.0.1:5603/empty/tiny: manifest unknown: manifest unknown",
            Reason.NOT_FOUND,
            id="manifest-unknown",
        ),
        pytest.param(f'reading blob {DIGEST}: fetching blob: StatusCode: 404, ""', Reason.NOT_FOUND, id="blob-404"),
        pytest.param(
            f"reading blob {DIGEST}: invalid status code returned when fetching blob 404 (Not Found)",
            Reason.NOT_FOUND,
            id="blob-404-of-1.9.3",
        ),
        pytest.param("name unknown: repository name not known to registry", Reason.NOT_FOUND, id="name-unknown"),
        pytest.param("unauthorized: authentication required", Reason.UNAUTHORIZED, id="401"),
        pytest.param("denied: requested access to the resource is denied", Reason.UNAUTHORIZED, id="denied"),
        pytest.param('StatusCode: 403, "no"', Reason.UNAUTHORIZED, id="403"),
        pytest.param("unable to retrieve auth token: invalid username/password", Reason.UNAUTHORIZED, id="token"),
        pytest.param(f"reading blob {DIGEST}: fetching blob: toomanyrequests: x", Reason.RATE_LIMITED, id="429-words"),
        pytest.param('StatusCode: 429, ""', Reason.RATE_LIMITED, id="429"),
        pytest.param("received unexpected HTTP status: 500 Internal Server Error", Reason.SERVER_ERROR, id="500"),
        pytest.param("received unexpected HTTP status: 502 Bad Gateway", Reason.SERVER_ERROR, id="502"),
        pytest.param('StatusCode: 503, "x"', Reason.SERVER_ERROR, id="503"),
        pytest.param("invalid status code from registry 504 (Gateway Timeout)", Reason.SERVER_ERROR, id="504"),
        pytest.param(
            'pinging container registry 127.0.0.1:5699: Get "http://127.0.0.1:5699/v2/": '
            "dial tcp 127.0.0.1:5699: connect: connection refused",
            Reason.CONNECTION,
            id="refused",
        ),
        pytest.param("read tcp 127.0.0.1:1->127.0.0.1:2: connection reset by peer", Reason.CONNECTION, id="reset"),
        pytest.param("dial tcp: lookup a.test: no such host", Reason.CONNECTION, id="no-such-host"),
        pytest.param("dial tcp 10.0.0.1:443: connect: no route to host", Reason.CONNECTION, id="no-route"),
        pytest.param('Get "http://a.test/v2/": EOF', Reason.CONNECTION, id="closed"),
        pytest.param("writing blob: happened during read: unexpected EOF", Reason.CONNECTION, id="truncated"),
        pytest.param('Get "/x": stopped after 10 redirects', Reason.CONNECTION, id="redirect-loop"),
        pytest.param("x509: certificate signed by unknown authority", Reason.TLS, id="unknown-authority"),
        pytest.param("http: server gave HTTP response to HTTPS client", Reason.TLS, id="plain-http"),
        pytest.param("remote error: tls: handshake failure", Reason.TLS, id="handshake"),
        pytest.param("net/http: TLS handshake timeout", Reason.TIMEOUT, id="handshake-timeout"),
        pytest.param('Get "http://a.test/v2/": context deadline exceeded', Reason.TIMEOUT, id="deadline"),
        pytest.param("dial tcp 10.0.0.1:443: i/o timeout", Reason.TIMEOUT, id="io-timeout"),
        pytest.param(
            f"Manifest does not match provided manifest digest {DIGEST}",
            Reason.CORRUPT,
            id="manifest-of-another-digest",
        ),
        pytest.param(
            f"writing blob: happened during read: Digest did not match, expected {DIGEST}, got {GOT}",
            Reason.CORRUPT,
            id="blob-of-another-digest",
        ),
        pytest.param(
            f"writing blob: Size mismatch when copying {DIGEST}, expected 193, got 192",
            Reason.CORRUPT,
            id="config-of-another-size",
        ),
        pytest.param(
            'writing blob: Patch "http://d.test/v2/x/blobs/uploads/1?_state=a": net/http: HTTP/1.x transport '
            "connection broken: http: ContentLength=193 with Body length 192",
            Reason.CORRUPT,
            id="config-of-another-size-to-a-registry",
        ),
        pytest.param("invalid character '<' looking for beginning of value", Reason.CORRUPT, id="html"),
        pytest.param("unexpected end of JSON input", Reason.CORRUPT, id="half-a-json"),
        pytest.param(
            "Source image rejected: Running image docker://a.test/b is rejected by policy.", Reason.POLICY, id="policy"
        ),
        pytest.param("A signature was required, but no signature exists", Reason.POLICY, id="signature"),
        pytest.param(
            "registry a.test/b is blocked in /tmp/scoped/a.conf or /etc/containers/registries.conf.d",
            Reason.BLOCKED,
            id="blocked",
        ),
        pytest.param("something that no skopeo has said yet", Reason.OTHER, id="unknown"),
        pytest.param("", Reason.OTHER, id="nothing"),
    ],
)
def test_gives_the_reason(error: str, reason: Reason) -> None:
    assert reason_of(error) is reason


@pytest.mark.parametrize(
    "repository",
    [
        pytest.param("a.test/enix/x509-certificate-exporter", id="certificate"),
        pytest.param("a.test/denied/forbidden", id="denied"),
        pytest.param("a.test/tools/toomanyrequests", id="toomanyrequests"),
        pytest.param("a.test/eof/broken-unmarshal", id="eof"),
        pytest.param("trust-policy.json.test/policy.json/x", id="policy"),
        pytest.param("a.test:5000/unauthorized", id="unauthorized"),
    ],
)
def test_the_name_of_an_image_is_no_reason(repository: str) -> None:
    assert reason_of(f"reading manifest {DIGEST} in {repository}: manifest unknown") is Reason.NOT_FOUND
    assert reason_of(f"reading manifest v1 in {repository}: something new") is Reason.OTHER


LOUD = (
    "no space left on device",
    "cache: read-only file system",
    "uploading: dial tcp 10.9.9.9:443: connect: connection refused",
    "dial tcp: lookup registry-1.docker.io: no such host",
    "writing manifest: x509: certificate",
    "Source image rejected: toomanyrequests",
    "too many open files",
    "getting username and password: i/o timeout",
)
"""What a registry can write in an answer, for skopeo to repeat."""


@pytest.mark.parametrize("words", LOUD)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param("reading manifest v1 in a.test/b: manifest unknown: {}", Reason.NOT_FOUND, id="code"),
        pytest.param("reading manifest v1 in a.test/b: denied: {}", Reason.UNAUTHORIZED, id="code-of-403"),
        pytest.param("reading manifest v1 in a.test/b: unknown: {}", Reason.OTHER, id="unknown-code"),
        pytest.param(
            "reading manifest v1 in a.test/b: errors:\ndenied: a\nunknown: {}\n", Reason.UNAUTHORIZED, id="two"
        ),
        pytest.param(
            "reading manifest v1 in a.test/b: StatusCode: 404, <html>{}", Reason.NOT_FOUND, id="body-of-1.9.3"
        ),
        pytest.param('reading manifest v1 in a.test/b: StatusCode: 403, "<a>{}"', Reason.UNAUTHORIZED, id="body"),
        pytest.param("reading manifest v1 in a.test/b: StatusCode: 400, {}", Reason.OTHER, id="body-of-400"),
        pytest.param("received unexpected HTTP status: 500 {}", Reason.SERVER_ERROR, id="beside-the-status"),
        pytest.param(f"reading blob {DIGEST}: fetching blob: blob unknown: {{}}", Reason.NOT_FOUND, id="blob"),
        pytest.param("pinging container registry a.test: unknown: {}", Reason.OTHER, id="ping"),
        pytest.param("reading blob {}: Error fetching blob: 404", Reason.OTHER, id="digest-of-a-manifest"),
        pytest.param("Unimplemented manifest MIME type {}", Reason.CORRUPT, id="content-type"),
        pytest.param('bad Content-Length "{}"', Reason.OTHER, id="header"),
        pytest.param(
            'Get "http://a.test/x": failed to parse Location header "http://[{}": missing \']\' in host',
            Reason.OTHER,
            id="redirect",
        ),
    ],
)
def test_what_a_registry_writes_decides_nothing(error: str, reason: Reason, words: str) -> None:
    told = error.format(words)
    assert reason_of(told) is reason
    assert not blames_destination(told)
    assert not connection_lost(told)
    assert not is_ours(told)


def test_what_a_registry_writes_may_say_that_it_has_nothing() -> None:
    assert reason_of("reading manifest v1 in a.test/b: unknown: File not found.") is Reason.NOT_FOUND


@pytest.mark.parametrize("words", [*LOUD, "happened during read"])
def test_a_destination_that_refuses_stays_to_blame_whatever_it_writes(words: str) -> None:
    assert blames_destination(
        f"writing blob: initiating layer upload to /v2/b/blobs/uploads/ in d.test: denied: {words}"
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param("writing blob: open /srv/x: too many open files", id="descriptors"),
        pytest.param("dial tcp: lookup a.test: socket: too many open files", id="descriptors-for-a-socket"),
        pytest.param(
            'getting username and password: reading JSON file "/x": unmarshaling JSON at "/x": unexpected end',
            id="auth-file",
        ),
        pytest.param('error getting credentials - err: exec: "docker-credential-x": not found', id="helper"),
    ],
)
def test_knows_what_fails_on_this_machine(error: str) -> None:
    assert is_ours(error)


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        pytest.param("reading manifest v1 in a.test/b: unauthorized: authentication required", True, id="401"),
        pytest.param("unable to retrieve auth token: invalid username/password: unauthorized: x", True, id="token"),
        pytest.param("x509: certificate signed by unknown authority", True, id="certificate"),
        pytest.param("denied: requested access to the resource is denied", False, id="perhaps-not-there"),
        pytest.param("unauthorized: access to the requested resource is not authorized", False, id="quay"),
        pytest.param("manifest unknown", False, id="not-there"),
    ],
)
def test_tells_refused_credentials_from_a_repository_that_is_not_there_yet(error: str, *, refused: bool) -> None:
    assert refuses_credentials(error) is refused


@pytest.mark.parametrize(
    "error",
    [
        'Get "https://a.test/v2/": Proxy Authentication Required',
        'Get "https://a.test/v2/": Forbidden',
        'Get "https://a.test/v2/": Service Unavailable',
        "pinging container registry a.test: invalid status code from registry 407 (Proxy Authentication Required)",
        "pinging container registry a.test: StatusCode: 407, <html>",
        'Get "https://a.test/v2/": proxyconnect tcp: dial tcp 127.0.0.1:3128: connect: connection refused',
    ],
)
def test_the_answer_of_a_proxy_is_the_connections_fault(error: str) -> None:
    assert reason_of(error) is Reason.CONNECTION


@pytest.mark.parametrize("version", ["1.9.3", "1.22-dev"])
@pytest.mark.parametrize(
    ("case", "reasons"),
    [
        pytest.param("served-by-third", [Reason.CONNECTION, Reason.NOT_FOUND], id="served-by-third"),
        pytest.param("hangsec", [Reason.TIMEOUT], id="hangsec"),
        pytest.param("m429", [Reason.RATE_LIMITED], id="m429"),
        pytest.param("m429ra", [Reason.RATE_LIMITED], id="m429ra"),
        pytest.param("b429", [Reason.RATE_LIMITED], id="b429"),
        pytest.param("ct", [Reason.TIMEOUT] * 4, id="ct"),
    ],
)
def test_gives_the_reasons_of_real_logs(version: str, case: str, reasons: list[Reason]) -> None:
    errors = [event.error for event in events_of(log_of(version, case)) if isinstance(event, Refused | Died)]
    assert [reason_of(error) for error in errors] == reasons


@pytest.mark.parametrize(
    ("error", "stage", "destination"),
    [
        pytest.param(f"reading blob {DIGEST}: fetching blob: x", Stage.BLOB, False, id="blob"),
        pytest.param(f"reading config blob {DIGEST}: x", Stage.BLOB, False, id="config"),
        pytest.param(
            f"Manifest does not match provided manifest digest {DIGEST}", Stage.MANIFEST, False, id="manifest"
        ),
        pytest.param(
            f"writing blob: Size mismatch when copying {DIGEST}, expected 193, got 192",
            Stage.BLOB,
            False,
            id="size-that-a-manifest-claims",
        ),
        pytest.param(
            'writing blob: Patch "http://d.test/v2/x": net/http: HTTP/1.x transport connection broken: '
            "http: ContentLength=191 with Body length 192",
            Stage.BLOB,
            False,
            id="size-that-a-manifest-claims-to-a-registry",
        ),
        pytest.param(
            f'copying image 1/2 from manifest list: writing blob: Patch "http://d.test/v2/x": readfrom tcp: '
            f"happened during read: Digest did not match, expected {DIGEST}, got {GOT}",
            Stage.BLOB,
            False,
            id="corrupt-source-worded-as-destination",
        ),
        pytest.param(
            'writing blob: Patch "http://d.test/v2/x": readfrom tcp: happened during read: unexpected EOF',
            Stage.BLOB,
            False,
            id="truncated-source-worded-as-destination",
        ),
        pytest.param(
            'writing blob: Patch "http://d.test/v2/x": write tcp: broken pipe',
            Stage.WRITE,
            True,
            id="destination-closes",
        ),
        pytest.param('writing blob: Patch "http://d.test/v2/x": EOF', Stage.WRITE, True, id="destination-eof"),
        pytest.param(
            "writing blob: initiating layer upload to /v2/x/blobs/uploads/ in d.test: unauthorized",
            Stage.WRITE,
            True,
            id="destination-401",
        ),
        pytest.param(
            "writing manifest: uploading manifest v1 to d.test/x: StatusCode: 500", Stage.WRITE, True, id="manifest-500"
        ),
        pytest.param(
            "Can not copy signatures to oci:/x:: Pushing signatures for OCI images is not supported",
            Stage.WRITE,
            True,
            id="no-room-for-signatures",
        ),
        pytest.param("creating signature: Invalid value", Stage.WRITE, True, id="cannot-sign"),
        pytest.param(
            "Cannot determine canonical Docker reference for destination dir:/x", Stage.WRITE, True, id="sign-as-what"
        ),
        pytest.param('reading signatures: Get "https://sigs.test/x": EOF', Stage.BLOB, False, id="signature-not-read"),
        pytest.param(
            "trying to reuse blob at destination: checking whether a blob x exists in d.test/x: pinging container "
            "registry d.test: connection refused",
            Stage.WRITE,
            True,
            id="destination-down",
        ),
        pytest.param("writing blob: write /x/oci-put-blob1: no space left on device", Stage.WRITE, True, id="full"),
        pytest.param(
            "writing blob: happened during read: write /var/tmp/x: no space left on device",
            Stage.WRITE,
            True,
            id="full-tmp",
        ),
        pytest.param("writing blob: open /x/oci-put-blob1: permission denied", Stage.WRITE, True, id="no-permission"),
        pytest.param(
            f'reading blob {DIGEST}: fetching blob: denied: Permission denied for "x"',
            Stage.BLOB,
            False,
            id="source-403",
        ),
        pytest.param(
            f"copying image 1/2 from manifest list: reading manifest {DIGEST} in a.test/mountpoint/x: manifest unknown",
            Stage.MANIFEST,
            False,
            id="an-images-name",
        ),
        pytest.param("something that no skopeo has said yet", Stage.BLOB, False, id="unknown"),
    ],
)
def test_tells_the_sides_apart(error: str, stage: Stage, destination: bool) -> None:
    assert blames_destination(error) is destination
    assert stage_of(error, opened=True) is stage


def test_before_a_manifest_was_read_it_is_the_manifest() -> None:
    assert stage_of("writing blob: broken pipe", opened=False) is Stage.MANIFEST


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        pytest.param('Patch "http://d.test/": dial tcp 10.0.0.1:80: connect: connection refused', True, id="refused"),
        pytest.param('pinging container registry d.test: Get "https://d.test/v2/": EOF', True, id="hangs-up-at-once"),
        pytest.param('writing blob: Patch "http://d.test/v2/x/blobs/uploads/1": EOF', False, id="hangs-up-later"),
        pytest.param("nothing moved for 60 s; skopeo was at: GET https://d.test/v2/", True, id="stalled"),
        pytest.param("dial tcp: i/o timeout", True, id="timeout"),
        pytest.param("unauthorized", False, id="unauthorized"),
        pytest.param("StatusCode: 500", False, id="server-error"),
        pytest.param("happened during read: unexpected EOF", False, id="the-source"),
    ],
)
def test_knows_a_destination_that_cannot_be_reached(error: str, lost: bool) -> None:
    assert connection_lost(error) is lost


def test_what_holds_for_a_host_may_pass_but_for_certificates() -> None:
    assert {Reason.TLS} == HOST_IS_DOWN - PASSING
    assert not PASSING & {Reason.NOT_FOUND, Reason.UNAUTHORIZED, Reason.CORRUPT, Reason.POLICY, Reason.BLOCKED}
