"""Releases of an image set: every image comes from the mirrors, and lies where OpenShift's installer looks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from tests.integration.test_copy import FIRST_CONFIGURATION, SECOND_CONFIGURATION, replaced
from tests.rig.copying import asked, configure, copy, entry, holds, statuses
from tests.rig.images import make_image
from tests.rig.operators import make_catalog_image, make_operators, write_image_set
from tests.rig.registry import Registry
from tests.rig.releases import ART, KUBEVIRT, OCP, make_components, make_payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.certificates import Certificates
    from tests.rig.program import Program
    from tests.rig.releases import Payload

RELEASE, COMPONENT = "openshift/release-images", "openshift/release"


def is_there(registry: Registry, path: str, tag: str, payload: Payload) -> bool:
    """Tell whether the release, and each component under the first of its names, is below `path` with this tag."""
    named = {f"{tag}-{name}": image for name, image in payload.once().items()}
    return (
        holds(registry, f"{path}{RELEASE}", tag, payload.image)
        and registry.tags(f"{path}{COMPONENT}") == sorted(named)
        and all(holds(registry, f"{path}{COMPONENT}", name, image) for name, image in named.items())
    )


@pytest.fixture
def secure(tmp_path: Path, certificates: Certificates) -> Iterator[list[Registry]]:
    """Run a mirror and production, over TLS."""
    with (
        Registry(tmp_path / "internal", tls=certificates) as internal,
        Registry(tmp_path / "production", tls=certificates) as production,
    ):
        yield [internal, production]


@pytest.mark.parametrize(
    ("configuration", "namespace", "path", "components"),
    [
        pytest.param(FIRST_CONFIGURATION, "/xx", "xx/", 4, id="first"),
        pytest.param(SECOND_CONFIGURATION, "", "abcd/", 190, id="second-whole", marks=pytest.mark.slow),
    ],
)
def test_all_comes_from_the_mirror_of_users_configurations_and_again_nothing_changes(
    skopeo_mirror: Program,
    secure: list[Registry],
    certificates: Certificates,
    destination: Registry,
    configuration: str,
    namespace: str,
    path: str,
    components: int,
) -> None:
    """A release, and an operator's catalog. The mirrors are for digests alone.

    OpenShift's releases have 190 names, some of them of one image.
    """
    internal, production = secure
    names = [f"component-{number:03}" for number in range(components - components // 19)]
    same = {f"machine-os-{number}": names[number % 3] for number in range(components - len(names))}
    payload = make_payload(f"{production.host}{namespace}", "4.18.3", make_components(names, same=same))
    payload.push(internal, path)
    operators = make_operators(f"{production.host}{namespace or '/op'}")
    catalog = make_catalog_image(operators)
    below = f"{path}{'' if namespace else 'op'}".rstrip("/")
    operators.push(internal, below)
    internal.push(f"{below}/catalog", catalog)
    hosts = dict.fromkeys(("quay.io", "prodlocation.io"), production.host) | {"prod.com": "prod.invalid"}
    hosts |= dict.fromkeys(("preprodlocation.com", "internal.example.io"), internal.host)
    configure(skopeo_mirror, replaced(configuration, hosts))
    release = f"{production.host}{namespace}/{OCP}@{payload.image.digest}"
    index = f"{operators.name}/catalog@{catalog.digest}"
    offered = f"operators: [{{catalog: '{index}', packages: [{{name: beta}}]}}]"
    set_ = write_image_set(skopeo_mirror, f"platform: {{release: '{release}'}}\n{offered}")
    common = ["--src-cert-dir", certificates.cert_dir, "-c", set_, f"docker://{destination.host}/example"]

    report = copy(skopeo_mirror, *common)
    selected = {index, *operators.of("beta", "0.6.0")}
    assert selected < {image["image"] for image in report["images"]}
    assert (len(payload.components), len(report["images"])) == (components, len(names) + 1 + len(selected))
    assert set(statuses(report).values()) == {"copied"}
    assert all(image["served_by"]["reference"].startswith(f"{internal.host}/{path}") for image in report["images"])
    assert is_there(destination, "example/", "4.18.3-x86_64", payload)

    again = copy(skopeo_mirror, *common)
    assert (again["changed"], set(statuses(again).values())) == (False, {"present"})
    assert asked(production) == []


@pytest.fixture
def work(skopeo_mirror: Program, mirror: Registry) -> Program:
    """Return the tool where quay.io is redirected to the mirror."""
    configure(skopeo_mirror, entry("quay.io", mirror.host))
    return skopeo_mirror


@pytest.fixture(scope="module")
def payload() -> Payload:
    components = make_components(["cli", "etcd"], same={"cli-artifacts": "cli"})
    return make_payload("quay.io", "4.18.3", components, kubevirt=make_image("kubevirt"))


CHANNEL = """
platform:
  architectures: [amd64]
  channels: [{name: stable-4.18, minVersion: 4.18.3, maxVersion: 4.18.3}]
  kubeVirtContainer: true
"""


def test_one_version_of_a_channel_is_copied_and_redirected(
    work: Program, mirror: Registry, destination: Registry, payload: Payload
) -> None:
    payload.push(mirror, tag="4.18.3-x86_64")
    set_ = write_image_set(work, CHANNEL)
    release = f"quay.io/{OCP}:4.18.3-x86_64"
    listed = work("images", "-v", "-r", "registries.conf", "-c", set_).stdout.splitlines()
    assert listed[::2] == [*(f"quay.io/{ART}@{image.digest}" for image in payload.once().values()), release]
    assert set(listed[1::2]) == {f"    # {release}"}

    report = copy(work, "-c", set_, "--report", "report.json", f"docker://{destination.host}/example")
    assert {image["release"] for image in report["images"]} == {release}
    assert {image["served_by"]["kind"] for image in report["images"]} == {"mirror"}
    assert set(payload.once()) == {"cli", "etcd", KUBEVIRT}
    assert is_there(destination, "example/", "4.18.3-x86_64", payload)

    [idms] = YAML(typ="safe").load_all(work("redirect", "--format", "idms", "report.json").stdout)
    assert idms["metadata"]["name"] == "idms-release-0"
    assert {one["source"]: one["mirrors"] for one in idms["spec"]["imageDigestMirrors"]} == {
        f"quay.io/{OCP}": [f"{destination.host}/example/{RELEASE}"],
        f"quay.io/{ART}": [f"{destination.host}/example/{COMPONENT}"],
    }


def test_releases_cross_the_gap_in_a_layout(work: Program, mirror: Registry, destination: Registry) -> None:
    """Two that share a component, one of them for several architectures, and by its digest."""
    shared = make_components(["cli"])
    first = make_payload("quay.io", "4.18.3", {**shared, **make_components(["etcd"])})
    second = make_payload(
        "quay.io", "4.18.4", {**shared, **make_components(["etcd"], "new ")}, architectures=("amd64", "arm64")
    )
    first.push(mirror, tag="4.18.3-x86_64")
    second.push(mirror)
    channel = "channels: [{name: stable-4.18, minVersion: 4.18.3, maxVersion: 4.18.3}]"
    set_ = write_image_set(work, f"platform: {{release: 'quay.io/{OCP}@{second.image.digest}', {channel}}}")
    carried = copy(work, "-c", set_, "oci:images")
    assert len(carried["images"]) == 5
    mirror.stop()
    report = copy(work, "--from", "oci:images", "-c", set_, f"docker://{destination.host}")
    assert set(statuses(report).values()) == {"copied"}
    assert {image["served_by"]["kind"] for image in report["images"]} == {"layout"}
    assert destination.tags(RELEASE) == ["4.18.3-x86_64", "4.18.4-multi"]
    for payload, tag in ((first, "4.18.3-x86_64"), (second, "4.18.4-multi")):
        assert holds(destination, RELEASE, tag, payload.image)
        assert all(holds(destination, COMPONENT, f"{tag}-{one}", image) for one, image in payload.components.items())


def test_what_cannot_be_read_is_told(work: Program, mirror: Registry, destination: Registry) -> None:
    mirror.push(OCP, make_image("no release"), "4.18.3-x86_64")
    set_ = write_image_set(work, CHANNEL)
    arguments = ["copy", "-r", "registries.conf", "--retries=0", "--mirrors-only", "-c", set_]
    run = work(*arguments, f"docker://{destination.host}")
    assert (run.status, run.stdout) == (2, "")
    assert f"quay.io/{OCP}:4.18.3-x86_64: the image has no /release-manifests: it is no release image" in run.stderr
    mirror.empty()
    run = work(*arguments, f"docker://{destination.host}")
    assert run.status == 1
    assert f"quay.io/{OCP}:4.18.3-x86_64: the release could not be pulled: no mirror served it" in run.stderr
    assert destination.repositories() == []
