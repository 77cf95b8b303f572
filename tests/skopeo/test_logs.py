"""`--log-dir`: what is kept, and that no secret is in it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopeo_mirror.skopeo.logs import LogDirectory
from skopeo_mirror.skopeo.secrets import redacted_url, without_queries, without_secrets
from tests.skopeo.golden import log_of

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"hunter2"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"GET https://user:hunter2@a.test/v2/", id="url-password"),
        pytest.param(b"GET https://hunter2@a.test/v2/", id="url-user"),
        pytest.param(b"GET https://user:x@hunter2@a.test/v2/", id="at-in-the-password"),
        pytest.param(b"GET https://a.test/token?service=x&refresh_token=hunter2&scope=y", id="query-token"),
        pytest.param(b"GET https://s3.test/b?X-Amz-Signature=hunter2&X-Amz-Date=1", id="s3-signature"),
        pytest.param(b"GET https://s3.test/b?X-Amz-Credential=hunter2", id="s3-credential"),
        pytest.param(b"GET https://s3.test/b?X-Amz-Security-Token=hunter2", id="s3-token"),
        pytest.param(b"GET https://blob.test/b?sv=1&sig=hunter2&se=2", id="azure"),
        pytest.param(b"PATCH https://d.test/v2/x/blobs/uploads/1?_state=hunter2", id="upload-state"),
        pytest.param(b"Authorization: Bearer hunter2", id="bearer"),
        pytest.param(b'"Authorization": "Basic hunter2"', id="basic-in-json"),
        pytest.param(b"authorization=hunter2", id="authorization"),
        pytest.param(b'{"auth": "hunter2"}', id="auth-file"),
        pytest.param(b'msg="{\\"access_token\\":\\"hunter2\\"}"', id="escaped-json"),
        pytest.param(b'{"password" : "hunter2"}', id="password"),
        pytest.param(b"manifest unknown: rejected Basic hunter2hunter2=", id="basic-that-a-registry-repeats"),
        pytest.param(b"denied: no scope for bearer eyJhunter2.hunter2hunter2", id="bearer-that-a-registry-repeats"),
        pytest.param(b"denied: eyJhunter2hunter2.hunter2hunter2.hunter2", id="web-token"),
        pytest.param(b"denied: no user:hunter2 here", id="user-and-password"),
        pytest.param(b"GET https://cdn.test/b?Policy=hunter2&Expires=1", id="cloudfront-policy"),
        pytest.param(b"GET https://cdn.test/b?Expires=1&Key-Pair-Id=hunter2", id="cloudfront-key"),
        pytest.param(b"GET https://storage.test/b?X-Goog-Credential=hunter2", id="google"),
        pytest.param(b'msg="StatusCode: 404, \\"try a?b=c\\\\u0026Signature=hunter2\\""', id="in-a-body"),
        pytest.param(b"denied: Signature=hunter2", id="signature-alone"),
    ],
)
def test_removes_a_secret(line: bytes) -> None:
    cleaned = without_secrets(line)
    assert SECRET not in cleaned
    assert b"***" in cleaned


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"GET https://a.test/v2/ns/app/manifests/sha256:5e06", id="url"),
        pytest.param(b"reading manifest in a.test/app@sha256:5e06: manifest unknown", id="digest"),
        pytest.param(b"No credentials for a.test/app found", id="no-credentials"),
        pytest.param(b"unauthorized: authentication required", id="unauthorized"),
        pytest.param(b"unable to retrieve auth token: invalid username/password: denied: x", id="wrong-password"),
        pytest.param(b"Requesting bearer token: invalid status code from registry 403 (Forbidden)", id="no-token"),
        pytest.param(b"Basic authentication is required", id="basic"),
        pytest.param(b"GET https://a.test/v2/?ns=docker.io", id="query"),
    ],
)
def test_leaves_the_rest_alone(line: bytes) -> None:
    assert without_secrets(line) == line


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("https://c.test/x/y", "https://c.test/x/y", id="plain"),
        pytest.param("https://u:hunter2@c.test:8443/x", "https://***@c.test:8443/x", id="password"),
        pytest.param("https://hunter2@c.test/x", "https://***@c.test/x", id="user"),
        pytest.param("https://u:hunt@er2@c.test/x", "https://***@c.test/x", id="at-in-the-password"),
        pytest.param("https://c.test/x?t=hunter2&u=1", "https://c.test/x?***", id="query"),
        pytest.param("https://c.test/x#hunter2", "https://c.test/x?***", id="fragment"),
        pytest.param("https://c.test/a/@scope/x", "https://c.test/a/@scope/x", id="at-in-the-path"),
        pytest.param("https://u:hunter2/x@c.test/x", "https://***", id="slash-in-the-password"),
        pytest.param("https://[::1]:80/x", "https://[::1]:80/x", id="address"),
        pytest.param("u:hunter2@c.test", "***@c.test", id="no-scheme"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_url_is_told_without_what_opens_it(url: str, told: str) -> None:
    assert redacted_url(url) == told


def test_the_queries_of_known_urls_are_secrets() -> None:
    urls = ["https://c.test/x?t=hunter2#y", "https://c.test/y", "https://c.test/z?1"]
    line = b"GET https://c.test/x?t=hunter2 took 1 s"
    assert without_queries(line, urls) == b"GET https://c.test/x?*** took 1 s"


def test_keeps_a_log_without_the_queries_of_known_urls(tmp_path: Path) -> None:
    logs = LogDirectory(tmp_path, tmp_path)
    with logs.begin() as log:
        log.write(b"GET https://c.test/x?t=hunter2\n")
        path = logs.keep(log, "a.test/ns/app", ["https://c.test/x?t=hunter2"])
    assert path.read_bytes() == b"GET https://c.test/x?***\n"


def test_finds_each_of_several_secrets() -> None:
    line = b'GET https://u:hunter2@a.test/?token=hunter2&a=b&password=hunter2 {"auth":"hunter2"}'
    assert without_secrets(line) == b'GET https://***@a.test/?token=***&a=b&password=*** {"auth":"***"}'


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"token", id="query-name"),
        pytest.param(b"http://", id="scheme"),
        pytest.param(b"authorization", id="header"),
        pytest.param(b'"auth', id="json"),
        pytest.param(b"?key", id="question-marks"),
    ],
)
def test_the_cost_of_a_line_does_not_explode(piece: bytes) -> None:
    """A mirror can make skopeo log a megabyte: this would take minutes if the cost grew with its square."""
    line = b"GET https://a.test/?" + piece * (500_000 // len(piece))
    assert without_secrets(line) == line


@given(st.binary(max_size=300))
def test_no_line_is_an_exception(line: bytes) -> None:
    without_secrets(line)


def test_keeps_a_log_without_its_secrets(tmp_path: Path) -> None:
    logs = LogDirectory(tmp_path, tmp_path)
    with logs.begin() as log:
        log.write(log_of("1.9.3", "served-by-third") + b"GET https://user:hunter2@a.test/\n")
        path = logs.keep(log, "a.test/ns/app@sha256:5e06")
    kept = path.read_bytes()
    assert kept.startswith(b'time="2026-11-24')
    assert SECRET not in kept
    assert b"_state=***" in kept
    assert kept.count(b"\n") == log_of("1.9.3", "served-by-third").count(b"\n") + 1


def test_names_a_log_so_that_it_is_found(tmp_path: Path) -> None:
    logs = LogDirectory(tmp_path, tmp_path)
    names = []
    for _ in range(2):
        with logs.begin() as log:
            names.append(logs.keep(log, "a.test:5000/ns/app@sha256:5e06").name)
    assert names == ["a.test_5000_ns_app@sha256_5e06.1.log", "a.test_5000_ns_app@sha256_5e06.2.log"]


def test_logs_of_earlier_runs_and_planted_links_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a.test_app.7.log").write_bytes(b"of an earlier run")
    logs, other = LogDirectory(tmp_path, tmp_path), LogDirectory(tmp_path, tmp_path)
    (tmp_path / "a.test_app.8.log").symlink_to("victim")
    with logs.begin() as log:
        names = [one.keep(log, "a.test/app").name for one in (logs, other, logs)]
    assert names == ["a.test_app.9.log", "a.test_app.10.log", "a.test_app.11.log"]
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert (tmp_path / "a.test_app.7.log").read_bytes() == b"of an earlier run"


def test_no_name_leaves_the_directory(tmp_path: Path) -> None:
    logs = LogDirectory(tmp_path / "logs", tmp_path)
    (tmp_path / "logs").mkdir()
    with logs.begin() as log:
        path = logs.keep(log, "../../" + "x" * 500 + "/é\n\x1b[31m")
    assert path.parent == tmp_path / "logs"
    assert len(path.name) < 255
    assert path.name.isascii()
    assert path.name.isprintable()


def test_nothing_is_left_of_a_log_that_is_not_kept(tmp_path: Path) -> None:
    with LogDirectory(tmp_path, tmp_path).begin() as log:
        log.write(b"x")
        assert not any(stat.S_ISREG(path.stat().st_mode) for path in tmp_path.iterdir())
