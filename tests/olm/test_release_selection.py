from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.olm.imageset import ImageSet, parse_imageset

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: mirror.openshift.io/v2alpha1\nkind: ImageSetConfiguration\nmirror: {platform: "
OCP = "quay.io/openshift-release-dev/ocp-release"
SERVICE = "known to OpenShift's update service alone: use oc-mirror, or"
ENDS = f"the ends are {OCP}:4.18.3-x86_64, {OCP}:4.18.9-x86_64"
ONE = f"{SERVICE} set minVersion and maxVersion to one version, in a channel for each release"


def at(version: str, **fields: str) -> str:
    """A channel whose ends are one version."""
    more = "".join(f", {name}: {value}" for name, value in fields.items())
    return f"{{name: stable, minVersion: {version}, maxVersion: {version}{more}}}"


def parse(directory: Path, platform: str, *, skip: bool = False) -> ImageSet:
    file = directory / "set.yaml"
    file.write_text(HEAD + platform + "}\n")
    return parse_imageset(file, skip_unsupported=skip)


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        pytest.param("{}", [], id="nothing"),
        pytest.param("{graph: false, channels: []}", [], id="nothing-of-all"),
        pytest.param("{release: 'quay.io/x/release:4'}", ["quay.io/x/release:4"], id="release"),
        pytest.param(
            "{channels: [{name: stable-4.18, minVersion: 4.18.3, maxVersion: 4.18.3}]}",
            [f"{OCP}:4.18.3-x86_64"],
            id="version",
        ),
        pytest.param(
            "{architectures: [amd64, arm64, ppc64le, s390x, multi], "
            "channels: [{name: a, type: ocp, minVersion: 4.18.3, maxVersion: 4.18.3}]}",
            [f"{OCP}:4.18.3-{one}" for one in ("x86_64", "aarch64", "ppc64le", "s390x", "multi")],
            id="architectures",
        ),
        pytest.param(
            "{channels: [{name: a, minVersion: 4.18.3, maxVersion: 4.18.3, shortestPath: true, full: true}, "
            "{name: a, minVersion: 4.17.0-rc.1, maxVersion: 4.17.0-rc.1}, "
            "{name: b, minVersion: 4.18.3, maxVersion: 4.18.3}]}",
            [f"{OCP}:4.18.3-x86_64", f"{OCP}:4.17.0-rc.1-x86_64"],
            id="channels",
        ),
        pytest.param(
            "{architectures: [amd64], "
            "channels: [{name: a, type: okd, minVersion: 4.15.0-0.okd-2024, maxVersion: 4.15.0-0.okd-2024}]}",
            ["quay.io/openshift/okd:4.15.0-0.okd-2024"],
            id="okd",
        ),
    ],
)
def test_the_release_images_that_are_asked_for(tmp_path: Path, platform: str, expected: list[str]) -> None:
    releases = parse(tmp_path, platform).releases
    assert [release.release for release in releases] == expected
    assert [str(release.reference) for release in releases] == expected
    assert not any(release.kubevirt for release in releases)


def test_kubevirt_is_asked_for_with_every_release(tmp_path: Path) -> None:
    [release] = parse(tmp_path, "{release: 'quay.io/x/release:4', kubeVirtContainer: true}").releases
    assert release.kubevirt


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        pytest.param(
            "{graph: true}", [f"graph: not supported: the update graph is {SERVICE} leave it out"], id="graph"
        ),
        pytest.param(
            "{graph: true, release: 'quay.io/x/release:4', channels: [{name: a, maxVersion: 4.18.9}]}",
            [
                f"graph: not supported: the update graph is {SERVICE} leave it out",
                f"channels[0]: not supported: which releases a channel has is {ONE}",
            ],
            id="graph-and-what-it-alone-knows",
        ),
        pytest.param(
            f"{{platforms: [{{os: linux, architecture: amd64}}], channels: [{at('4.18.3')}]}}",
            ["platforms: not supported: set `architectures` instead, to `multi` for --platform to take a part of"],
            id="platforms",
        ),
        pytest.param(
            "{channels: [{name: a, minVersion: 4.18.3, maxVersion: 4.18.9}]}",
            [
                f"channels[0]: not supported: what lies between 4.18.3 and 4.18.9 is {ONE}; {ENDS}",
            ],
            id="range",
        ),
        pytest.param(
            "{channels: [{name: a, maxVersion: 4.18.9, full: true}, {name: b, shortestPath: true}, {name: c}]}",
            [
                f"channels[0]: not supported: which releases a channel has is {ONE}",
                f"channels[0].full: not supported: the releases on the way are {SERVICE} name each",
                f"channels[1]: not supported: which releases a channel has is {ONE}",
                f"channels[1].shortestPath: not supported: the releases on the way are {SERVICE} name each",
                f"channels[2]: not supported: which releases a channel has is {ONE}",
            ],
            id="no-ends",
        ),
        pytest.param(
            "{channels: [{minVersion: 4.18, maxVersion: new}, {name: x, type: rhel, zone: 4}], "
            "architectures: [x86_64, []], release: 'quay.io/A', kubeVirtContainer: 1, helm: 2}",
            [
                "helm: unknown field",
                "architectures: expected a text, as number 2 of the list",
                "architectures: expected amd64, arm64, ppc64le, s390x, multi, not 'x86_64'",
                "channels[0].name: missing",
                "channels[0].minVersion: '4.18' is no version of a release (as 4.18.3)",
                "channels[0].maxVersion: 'new' is no version of a release (as 4.18.3)",
                "channels[1].zone: unknown field",
                "channels[1].type: expected ocp or okd, not 'rhel'",
                "kubeVirtContainer: expected true or false, not '1'",
                "release: 'quay.io/A' is no image reference: the repository must be lower case",
            ],
            id="wrong",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, platform: str, expected: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(tmp_path, platform)
    found = [problem.partition("mirror.platform.")[2] for problem in caught.value.problems]
    assert sorted(found) == sorted(expected)


def test_what_is_refused_can_be_passed_over(tmp_path: Path) -> None:
    image_set = parse(
        tmp_path,
        "{graph: true, channels: [{name: a, full: true}, {name: b, minVersion: 4.18.3, maxVersion: 4.18.3}]}",
        skip=True,
    )
    assert [release.release for release in image_set.releases] == [f"{OCP}:4.18.3-x86_64"]
    assert [warning.partition(": ")[2].partition(":")[0] for warning in image_set.warnings] == [
        "mirror.platform.channels[0]",
        "mirror.platform.channels[0].full",
        "mirror.platform.graph",
    ]


@pytest.mark.parametrize(
    ("releases", "warnings"),
    [
        pytest.param("release: 'quay.io/x/release:4'", [], id="release"),
        pytest.param(f"channels: [{at('4.18.3')}]", [], id="channel"),
        pytest.param(
            f"channels: [{at('4.9.7')}, {at('4.10.3')}, {at('4.1.2', type='okd')}]",
            [
                f"channels: only these are copied; what lies on the way from 4.9.7 to 4.10.3 is {SERVICE} name it",
            ],
            id="channels",
        ),
        pytest.param(f"channels: [{at('4.18.3')}, {at('4.18.3')}]", [], id="the-same"),
    ],
)
def test_releases_that_are_all_named_come_without_the_graph(tmp_path: Path, releases: str, warnings: list[str]) -> None:
    found = [one.partition("mirror.platform.")[2] for one in parse(tmp_path, f"{{graph: true, {releases}}}").warnings]
    assert found == [f"graph: passed over: the update graph is {SERVICE} leave it out", *warnings]


def test_what_has_no_effect_is_a_warning(tmp_path: Path) -> None:
    release = "{release: 'quay.io/x/release:4', architectures: [amd64]}"
    [warning] = parse(tmp_path, release).warnings
    assert warning.endswith("mirror.platform.architectures: has no effect: it is for channels")
    channel = "{channels: [{name: a, minVersion: 4.18.3, maxVersion: 4.18.3, full: true}]}"
    [warning] = parse(tmp_path, channel).warnings
    assert warning.endswith("full: has no effect: minVersion and maxVersion are one release")
