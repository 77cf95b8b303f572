"""What people are told where a registry does not take what skopeo has."""

from __future__ import annotations

import pytest

from skopeo_mirror.platforms import Platform
from skopeo_mirror.transfer.limits import refused_without_the_rest

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
TO = "uploading manifest v1 to 127.0.0.1:5000/p/app"
UNKNOWN = f"{TO}: manifest blob unknown: blob unknown to registry"
TWO_UNKNOWN = f"{TO}: errors:\nmanifest blob unknown: blob unknown to registry\nmanifest blob unknown: blob unknown"


@pytest.mark.parametrize(
    ("error", "sure"),
    [
        pytest.param(UNKNOWN, True, id="docker-registry"),
        pytest.param(TWO_UNKNOWN, True, id="docker-registry-two"),
        pytest.param(f"{TO}: blob unknown: blob unknown to registry", True, id="gitea-nexus"),
        pytest.param(f"{TO}: manifest unknown: manifest unknown", True, id="manifest-unknown"),
        pytest.param(f"{TO}: manifest invalid: manifest invalid", False, id="quay"),
        pytest.param(f'{TO}: StatusCode: 404, ""', True, id="no-words"),
        pytest.param(f'{TO}: StatusCode: 400, "<html>"', False, id="a-page"),
    ],
)
def test_a_registry_that_wants_all_images_of_an_index(error: str, sure: bool) -> None:
    told = refused_without_the_rest(error, (AMD64, ARM64))
    assert told.startswith("this registry takes" if sure else "perhaps this registry takes")
    assert "only those for linux/amd64, linux/arm64 were asked for: copy without --platform, or to oci:DIR" in told
    assert told.endswith(error)
    assert refused_without_the_rest(error, ()) == ""


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(f"{TO}: denied: requested access to the resource is denied", id="denied"),
        pytest.param(f"{TO}: StatusCode: 500, manifest blob unknown: x", id="another-status"),
        pytest.param(f"{TO}: toomanyrequests: manifest blob unknown: x", id="another-code"),
        pytest.param("writing blob: uploading layer: blob unknown: blob unknown to registry", id="a-layer"),
        pytest.param("reading manifest v1 in a.test/app: manifest unknown: manifest unknown", id="read-not-written"),
        pytest.param(f'Put "http://d.test/v2/app/manifests/v1": {UNKNOWN}'.replace(TO, "EOF"), id="no-answer"),
    ],
)
def test_what_else_a_registry_may_say(error: str) -> None:
    assert refused_without_the_rest(error, (AMD64,)) == ""
