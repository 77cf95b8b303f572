"""Platforms: how they are written, and which of an index's images one asks for."""

from __future__ import annotations

import json

import pytest

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.manifest import ABOUT, OCI_INDEX, chosen, parse_manifest
from skopeo_mirror.platforms import Platform


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param("linux/amd64", "linux/amd64", id="plain"),
        pytest.param("Linux/AMD64", "linux/amd64", id="letter-case"),
        pytest.param("linux/x86_64", "linux/amd64", id="x86_64"),
        pytest.param("linux/aarch64", "linux/arm64", id="aarch64"),
        pytest.param("linux/armhf", "linux/arm/v7", id="armhf"),
        pytest.param("linux/arm/v6", "linux/arm/v6", id="variant"),
        pytest.param("windows/amd64", "windows/amd64", id="windows"),
    ],
)
def test_a_platform_as_it_is_written(written: str, meant: str) -> None:
    assert str(Platform.parse(written)) == meant


@pytest.mark.parametrize(
    "written", ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/amd64\n", "linux /amd64"]
)
def test_what_is_no_platform(written: str) -> None:
    with pytest.raises(InvalidReference, match="is no platform: write OS/ARCH"):
        Platform.parse(written)


@pytest.mark.parametrize(
    ("asked", "other", "takes"),
    [
        pytest.param("linux/arm64", "linux/arm64/v8", True, id="any-variant"),
        pytest.param("linux/arm64/v8", "linux/arm64", True, id="implied-variant"),
        pytest.param("linux/arm/v7", "linux/arm", True, id="arm-is-v7"),
        pytest.param("linux/arm/v6", "linux/arm", False, id="arm-is-not-v6"),
        pytest.param("linux/arm/v6", "linux/arm/v7", False, id="other-variant"),
        pytest.param("linux/amd64", "linux/arm64", False, id="other-architecture"),
        pytest.param("linux/amd64", "windows/amd64", False, id="other-system"),
        pytest.param("linux/ppc64le/power9", "linux/ppc64le", False, id="nothing-implied"),
    ],
)
def test_what_a_platform_takes(asked: str, other: str, *, takes: bool) -> None:
    assert Platform.parse(asked).takes(Platform.parse(other)) is takes


def index(*entries: dict[str, object]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}).encode()


def entry(number: int, platform: object = None, *, about: int | None = None, kind: str = "") -> dict[str, object]:
    digest = f"sha256:{number:064x}"
    found: dict[str, object] = {"digest": digest, "size": 5, "mediaType": kind}
    if platform is not None:
        system, _, architecture = str(platform).partition("/")
        found["platform"] = {"os": system, "architecture": architecture} if isinstance(platform, str) else platform
    if about is not None:
        found["annotations"] = {ABOUT: f"sha256:{about:064x}"}
    return found


@pytest.mark.parametrize(
    ("entries", "asked", "brought"),
    [
        pytest.param([entry(1, "linux/amd64"), entry(2, "linux/arm64")], [], [1, 2], id="all"),
        pytest.param([entry(1, "linux/amd64"), entry(2, "linux/arm64")], ["linux/arm64"], [2], id="one"),
        pytest.param([entry(1, "linux/amd64")], ["linux/s390x"], [], id="none"),
        pytest.param(
            [entry(1, "linux/amd64"), entry(2, "linux/arm64")], ["linux/arm64", "linux/amd64"], [1, 2], id="two"
        ),
        pytest.param(
            [
                entry(1, "linux/amd64"),
                entry(2, "linux/arm64"),
                entry(3, "unknown/unknown", about=1),
                entry(4, "unknown/unknown", about=2),
            ],
            ["linux/arm64"],
            [2, 4],
            id="what-is-tied-to-it",
        ),
        pytest.param([entry(1, "linux/amd64"), entry(2)], ["linux/amd64"], [1], id="of-no-platform"),
        pytest.param([entry(1, "linux/s390x"), entry(2, kind=OCI_INDEX)], ["linux/amd64"], [2], id="inner-index"),
        pytest.param(
            [entry(1, "linux/s390x", kind=OCI_INDEX)], ["linux/amd64"], [], id="inner-index-of-another-platform"
        ),
        pytest.param([entry(1, {"os": 5, "architecture": None}), entry(2, [])], ["linux/amd64"], [], id="odd"),
    ],
)
def test_the_chosen_images_of_an_index(entries: list[dict[str, object]], asked: list[str], brought: list[int]) -> None:
    children = parse_manifest(index(*entries)).children
    found = chosen(children, [Platform.parse(one) for one in asked])
    assert [int(child.digest.hex, 16) for child in found] == brought
