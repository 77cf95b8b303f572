from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.olm.imageset import ImageSet
from skopeo_mirror.olm.release_selection import ReleaseSelection
from skopeo_mirror.olm.releases import Release, read_release, read_selected
from skopeo_mirror.olm.set_images import select_images
from skopeo_mirror.reference import Digest, Reference
from tests.olm.catalogs import Member, digest_of, layer, write_catalog
from tests.olm.releases import BOOT_IMAGES, DIRECTORY, REFERENCES, image_references, release_layers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from skopeo_mirror.request import ImageRequest

ART = "quay.io/openshift-release-dev/ocp-v4.0-art-dev"
OCP = "quay.io/openshift-release-dev/ocp-release"
DIGEST = Digest.parse(digest_of("release"))
COMPONENTS = {name: f"{ART}@{digest_of(name)}" for name in ("cli", "etcd", "machine-os")}
SAME = {**COMPONENTS, "coreos": COMPONENTS["machine-os"], "installer": COMPONENTS["cli"]}
KUBEVIRT = {name: f"{ART}@{digest_of(name)}" for name in ("x86_64", "aarch64")}


def write(directory: Path, layers: Sequence[bytes]) -> Path:
    return write_catalog(directory / "layout", *layers, labels={})


def test_a_release_is_read_from_its_layers(tmp_path: Path) -> None:
    release = read_release(write(tmp_path, release_layers("4.18.3", SAME, KUBEVIRT)))
    assert (release.version, release.architecture) == ("4.18.3", "x86_64")
    assert {name: str(image) for name, image in release.components.items()} == SAME
    assert release.kubevirt == {}, "nobody asked for it"


def test_boot_images_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    release = read_release(write(tmp_path, release_layers("4.18.3", SAME, KUBEVIRT, multi=True)), boot_images=True)
    assert {name: str(image) for name, image in release.kubevirt.items()} == KUBEVIRT
    assert release.architecture == "multi"


def references(**changes: object) -> bytes:
    return layer(Member(name=REFERENCES, content=json.dumps(image_references("4", COMPONENTS) | changes).encode()))


def tags(*tags: object) -> bytes:
    return references(spec={"tags": list(tags)})


PINNED = {"name": COMPONENTS["cli"]}


@pytest.mark.parametrize(
    ("layers", "problem"),
    [
        pytest.param(
            [layer(Member(name="bin/opm"))], "the image has no /release-manifests: it is no release image", id="none"
        ),
        pytest.param(
            [references(), layer(Member(name=f"{DIRECTORY}/.wh.image-references"), Member(name=f"{DIRECTORY}/a"))],
            f"the image has no /{REFERENCES}: it is no release image",
            id="removed",
        ),
        pytest.param([layer(Member(name=REFERENCES, content=b"{"))], f"/{REFERENCES} is no JSON: Expecting", id="json"),
        pytest.param([layer(Member(name=REFERENCES, content=b"[]"))], f"/{REFERENCES} holds no JSON object", id="list"),
        pytest.param(
            [layer(Member(name=REFERENCES, content=b" " * (5 << 20)))],
            f"/{REFERENCES} is larger than 4 MiB",
            id="large",
        ),
        pytest.param([references(kind="List")], "expected the kind ImageStream, not 'List'", id="kind"),
        pytest.param([references(spec={"tags": None})], "names no image", id="empty"),
        pytest.param([tags({"from": PINNED})], "spec.tags[0]: `name` is missing or no text", id="nameless"),
        pytest.param([tags(*[{"name": "a", "from": PINNED}] * 2)], "spec.tags[1]: 'a' is there twice", id="twice"),
        pytest.param([tags({"name": "a"})], "spec.tags[0]: 'a': the image reference is empty", id="imageless"),
        pytest.param(
            [tags({"name": "a", "from": {"name": "quay.io/a:1"}})],
            "spec.tags[0]: 'a': quay.io/a:1 has no digest",
            id="by-tag",
        ),
        pytest.param(
            [references(), layer(Member(name=BOOT_IMAGES, content=b"kind: ConfigMap\ndata: {other: x}\n"))],
            "`data.stream` is missing or no text",
            id="no-stream",
        ),
        pytest.param(
            [references(), layer(Member(name=BOOT_IMAGES, content=b"data: {stream: 'x'}\n"))],
            "data.stream is no JSON",
            id="stream",
        ),
    ],
)
def test_what_is_no_release_is_told(tmp_path: Path, layers: list[bytes], problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_release(write(tmp_path, layers), boot_images=True)
    assert problem in str(caught.value)


def test_a_problem_names_the_release(tmp_path: Path) -> None:
    layout = write(tmp_path, [layer(Member(name="bin/opm"))])
    selection = ReleaseSelection(release=f"{OCP}:4", reference=Reference.parse(f"{OCP}:4"))
    with pytest.raises(InvalidInput, match=rf"^{OCP}:4: no images are called '{OCP}:4'"):
        read_selected(selection, lambda _: pytest.fail("pulled"), layout)


def images(
    release: str, held: Path, *, kubevirt: bool = False, warnings: list[str] | None = None
) -> list[ImageRequest]:
    selection = ReleaseSelection(release=release, reference=Reference.parse(release), kubevirt=kubevirt)
    found: Release = read_release(held, boot_images=kubevirt)
    told: list[str] = [] if warnings is None else warnings
    asked = ImageSet(releases=(selection,))
    return [*select_images(asked, lambda _: pytest.fail("no catalog"), lambda _: (DIGEST, found), warn=told.append)]


def names(images: Sequence[ImageRequest]) -> list[str]:
    return [f"{one.named.path}:{one.named.tag}" for one in images if one.named is not None]


def test_each_image_comes_once_under_the_names_of_the_installer(tmp_path: Path) -> None:
    found = images(f"{OCP}:4.18.3-x86_64", write(tmp_path, release_layers("4.18.3", SAME)))
    assert [str(one.reference) for one in found] == [*COMPONENTS.values(), f"{OCP}:4.18.3-x86_64"]
    assert names(found) == [
        *(f"openshift/release:4.18.3-x86_64-{name}" for name in COMPONENTS),
        "openshift/release-images:4.18.3-x86_64",
    ]
    assert {one.release for one in found} == {f"{OCP}:4.18.3-x86_64"}
    assert [one.digest for one in found] == [None, None, None, DIGEST]


def test_one_by_digest_is_called_by_its_version(tmp_path: Path) -> None:
    found = images(f"{OCP}@{DIGEST}", write(tmp_path, release_layers("4.18.3", SAME, multi=True)))
    assert names(found)[::3] == ["openshift/release:4.18.3-multi-cli", "openshift/release-images:4.18.3-multi"]


@pytest.mark.parametrize(
    ("multi", "expected"),
    [
        pytest.param(False, {KUBEVIRT["x86_64"]: "kube-virt-container"}, id="x86_64"),
        pytest.param(
            True,
            {KUBEVIRT["x86_64"]: "kube-virt-container", KUBEVIRT["aarch64"]: "kube-virt-container-aarch64"},
            id="multi",
        ),
    ],
)
def test_kubevirt_images_are_components_too(tmp_path: Path, multi: bool, expected: dict[str, str]) -> None:
    held = write(tmp_path, release_layers("4.18.3", COMPONENTS, KUBEVIRT, multi=multi))
    found = images(f"{OCP}:4.18.3", held, kubevirt=True)[len(COMPONENTS) : -1]
    assert [str(one.reference) for one in found] == [*expected]
    assert names(found) == [f"openshift/release:4.18.3-{name}" for name in expected.values()]


def test_a_release_without_kubevirt_is_a_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    images(f"{OCP}:4.1.0", write(tmp_path, release_layers("4.1.0", COMPONENTS)), kubevirt=True, warnings=warnings)
    assert warnings == [f"{OCP}:4.1.0: names no KubeVirt image for x86_64"]


def test_a_component_whose_name_is_none_is_told(tmp_path: Path) -> None:
    held = write(tmp_path, release_layers("4.18.3", {"a b": COMPONENTS["cli"]}))
    with pytest.raises(InvalidInput, match=rf"^{OCP}:4: .*no image reference"):
        images(f"{OCP}:4", held)
