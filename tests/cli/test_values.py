"""What options can say, and which of skopeo's own may be handed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopeo_mirror.attached import AttachedKind
from skopeo_mirror.cli.options import Pull
from skopeo_mirror.cli.values import check_skopeo_options, parse_attached, parse_bool, parse_duration, parse_platforms
from skopeo_mirror.errors import UsageError
from skopeo_mirror.skopeo.supervision import Timeouts


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("90s", 90.0, id="seconds"),
        pytest.param("5m", 300.0, id="minutes"),
        pytest.param("1h30m", 5400.0, id="hours-and-minutes"),
        pytest.param("1.5h", 5400.0, id="fraction"),
        pytest.param(".5s", 0.5, id="no-zero-before"),
        pytest.param("5.s", 5.0, id="no-digit-after"),
        pytest.param("250ms", 0.25, id="milliseconds"),
        pytest.param("1m1m", 120.0, id="twice"),
        pytest.param("0", None, id="zero-is-no-bound"),
        pytest.param("0s", None, id="zero-with-unit"),
    ],
)
def test_reads_a_duration_as_go_does(text: str, seconds: float | None) -> None:
    assert parse_duration(text, "--timeout") == seconds


@pytest.mark.parametrize("text", ["90", "s", "5 m", "-5s", "1d", "1h30", "five", "1,5s", ".s", "s5", "1e3s", "∞"])
def test_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="--stall-timeout"):
        parse_duration(text, "--stall-timeout")


@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
def test_a_duration_is_the_sum_of_its_parts(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s", "--timeout") == hours * 3600 + minutes * 60 + seconds


def test_patience_is_unbounded_but_for_stalls() -> None:
    assert Pull(timeout=None, stall_timeout="60s").settings.timeouts == Timeouts(timeout=None, stall=60.0)
    assert Pull(timeout="2m", stall_timeout="0").settings.timeouts == Timeouts(timeout=120.0, stall=None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(pytest.param(text, True, id=text) for text in ("1", "t", "T", "true", "True", "TRUE")),
        *(pytest.param(text, False, id=text) for text in ("0", "f", "F", "false", "False", "FALSE")),
        pytest.param(None, None, id="not-given"),
    ],
)
def test_reads_a_boolean_as_go_does(text: str | None, value: bool | None) -> None:
    assert parse_bool(text, "--dest-tls-verify") is value


@pytest.mark.parametrize("text", ["", "yes", "no", "tRUE", "2", " true"])
def test_refuses_what_is_no_boolean(text: str) -> None:
    with pytest.raises(UsageError, match="--dest-tls-verify"):
        parse_bool(text, "--dest-tls-verify")


@pytest.mark.parametrize(
    ("texts", "platforms"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["linux/amd64", "linux/arm/v7"], ["linux/amd64", "linux/arm/v7"], id="in-their-order"),
        pytest.param(["linux/arm64", "linux/amd64", "Linux/aarch64"], ["linux/arm64", "linux/amd64"], id="each-once"),
    ],
)
def test_reads_platforms(texts: list[str], platforms: list[str]) -> None:
    assert [str(platform) for platform in parse_platforms(texts)] == platforms


@pytest.mark.parametrize("text", ["", "amd64", "linux/amd64,linux/arm64", "linux/", "linux/arm/v7/x", "linux/\x1b[31m"])
def test_refuses_what_is_no_platform(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--platform: .* is no platform: write OS/ARCH") as caught:
        parse_platforms(["linux/amd64", text])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "option",
    [
        "--retry-times=3",
        "--image-parallel-copies=2",
        "--sign-by=key",
        "--sign-passphrase-file=file",
        "--src-no-creds",
        "--dest-precompute-digests",
    ],
)
def test_hands_on_an_option_of_skopeos(option: str) -> None:
    assert check_skopeo_options([option]) == (option,)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        pytest.param("sig", {"sig"}, id="one"),
        pytest.param("att,sbom,att", {"att", "sbom"}, id="several"),
        pytest.param("all", set(AttachedKind), id="all"),
        pytest.param("all,sig", set(AttachedKind), id="all-and-one"),
    ],
)
def test_reads_what_comes_along(text: str, kinds: set[str]) -> None:
    assert parse_attached(text) == kinds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "''", id="nothing"),
        pytest.param("sig,,att", "''", id="empty-part"),
        pytest.param("sig, att", "' att'", id="blank"),
        pytest.param("SIG,sig,.sig", "'SIG', '.sig'", id="unknown"),
    ],
)
def test_refuses_what_is_no_kind_and_says_which_there_are(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_attached(text)
    assert str(caught.value) == f"--attached: {told} is no kind; write some of sig,att,sbom,referrers, or all"


def test_hands_on_options_in_their_order() -> None:
    options = ["--sign-by=key", "--retry-times=3"]
    assert check_skopeo_options(options) == tuple(options)


@pytest.mark.parametrize(
    "option",
    [
        "--registries-conf=x",
        "--registries-conf",
        "--src-tls-verify=false",
        "--dest-tls-verify=true",
        "--all",
        "--preserve-digests=false",
        "--digestfile=x",
        "--multi-arch=all",
        "--format=oci",
        "--authfile=x",
        "--policy=x",
        "--command-timeout=3s",
        "--dest-shared-blob-dir=x",
        "--dest-compress",
        "--additional-tag=x",
        "--debug",
    ],
)
def test_refuses_what_the_tool_owns(option: str) -> None:
    with pytest.raises(UsageError, match="belongs to the tool"):
        check_skopeo_options(["--sign-by=key", option])


@pytest.mark.parametrize(
    "option",
    [
        "--src-creds=user:hunter2",
        "--dest-creds=user:hunter2",
        "--creds=user:hunter2",
        "--dest-password=hunter2",
        "--src-password=hunter2",
        "--dest-username=hunter2",
        "--src-registry-token=hunter2",
        "--sign-passphrase=hunter2",
    ],
)
def test_refuses_a_secret_without_repeating_it(option: str) -> None:
    with pytest.raises(UsageError, match="secret") as caught:
        check_skopeo_options([option])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("option", ["-a", "-f=oci", "docker://a.test/b", "--", "---x", "", "-", "all", "--=x"])
def test_refuses_what_is_no_long_option(option: str) -> None:
    with pytest.raises(UsageError, match="is no long option"):
        check_skopeo_options([option])
