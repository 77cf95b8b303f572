from __future__ import annotations

import re
from pathlib import Path

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.olm.imageset import AdditionalImage, ImageSet, OperatorCatalog
from skopeo_mirror.olm.set_images import catalog_image, check_names, images_of_set
from skopeo_mirror.reference import Digest, Reference
from skopeo_mirror.request import ImageRequest, WantedBy

ONE, TWO = (Digest(algorithm="sha256", hex=digit * 64) for digit in "12")
CATALOG = OperatorCatalog(catalog="quay.io/index:v1", reference=Reference.parse("quay.io/index:v1"))


def by(bundle: str, catalog: str = "quay.io/index:v1") -> WantedBy:
    return WantedBy(catalog=catalog, package="p", channel="c", bundle=bundle)


def selected(*images: tuple[str, str], operator: OperatorCatalog = CATALOG) -> list[ImageRequest]:
    """Return what was selected: each image with the bundle that wants it."""
    return [
        ImageRequest(reference=Reference.parse(image), wanted_by=(by(bundle, operator.catalog),))
        for image, bundle in images
    ]


def additional(name: str, repo: str | None = None, tag: str | None = None) -> AdditionalImage:
    return AdditionalImage(reference=Reference.parse(name), target_repo=repo, target_tag=tag)


def test_every_image_is_there_once_with_all_who_want_it() -> None:
    other = OperatorCatalog(catalog="oci://other", layout=Path("other"))
    listed = images_of_set(
        ImageSet(additional_images=(additional("quay.io/app"), additional("quay.io/tool:v1"))),
        [
            *selected(("quay.io/app:latest", "a"), ("quay.io/b:v1", "b")),
            *selected(("quay.io/b:v1", "c"), operator=other),
        ],
        [catalog_image(CATALOG, ONE), catalog_image(other, ONE)],
    )
    assert [(str(image.reference), [who.bundle for who in image.wanted_by]) for image in listed] == [
        ("quay.io/app:latest", ["a"]),
        ("quay.io/tool:v1", []),
        ("quay.io/b:v1", ["b", "c"]),
        ("quay.io/index:v1", []),
        ("localhost/other:latest", []),
    ]
    assert [(image.catalog, image.digest, image.layout) for image in listed[-2:]] == [
        ("quay.io/index:v1", ONE, None),
        ("oci://other", ONE, Path("other")),
    ]


def test_a_catalog_that_is_asked_for_twice_is_copied_once() -> None:
    listed = images_of_set(
        ImageSet(), selected(("quay.io/a:v1", "a"), ("quay.io/b:v1", "b")), [catalog_image(CATALOG, ONE)] * 2
    )
    assert [str(image.reference) for image in listed] == ["quay.io/a:v1", "quay.io/b:v1", "quay.io/index:v1"]


@pytest.mark.parametrize(
    ("image", "named"),
    [
        pytest.param(additional("quay.io/a:v1"), None, id="as-it-is"),
        pytest.param(additional("quay.io/a:v1", repo="m/n"), "quay.io/m/n:v1", id="repository"),
        pytest.param(additional("quay.io/a:v1", tag="x"), "quay.io/a:x", id="tag"),
        pytest.param(additional("quay.io/a", repo="m/n", tag="x"), "quay.io/m/n:x", id="both"),
        pytest.param(additional(f"quay.io/a@{ONE}", repo="m/n"), f"quay.io/m/n@{ONE}", id="digest"),
    ],
)
def test_targets_replace_path_and_tag(image: AdditionalImage, named: str | None) -> None:
    [listed] = images_of_set(ImageSet(additional_images=(image,)), [], [])
    assert (None if listed.named is None else str(listed.named)) == named


@pytest.mark.parametrize(
    ("images", "listed"),
    [
        pytest.param(
            [f"q.io/a:v1@{ONE}", f"q.io/a:v1@{TWO}"], [f"q.io/a@{ONE}", f"q.io/a@{TWO}"], id="two-digests-of-one-tag"
        ),
        pytest.param(["q.io/a:v1", f"q.io/a:v1@{TWO}"], ["q.io/a:v1", f"q.io/a@{TWO}"], id="a-tag-and-a-digest-of-it"),
        pytest.param([f"q.io/a:v1@{ONE}", f"q.io/a:v2@{ONE}"], [f"q.io/a:v1@{ONE}", f"q.io/a:v2@{ONE}"], id="two-tags"),
        pytest.param(
            [f"q.io/a:v1@{ONE}", f"q.io/b:v1@{TWO}"], [f"q.io/a:v1@{ONE}", f"q.io/b:v1@{TWO}"], id="two-names"
        ),
    ],
)
def test_a_tag_is_kept_where_it_is_for_one_digest(images: list[str], listed: list[str]) -> None:
    related = selected(*((image, "a") for image in images))
    found = images_of_set(ImageSet(), related, [catalog_image(CATALOG, ONE)])
    assert [str(image.reference) for image in found[:-1]] == listed


def test_blocked_images_are_left_out_by_their_own_names() -> None:
    image_set = ImageSet(
        additional_images=(additional("quay.io/a:v1"), additional("quay.io/b:v1")),
        blocked_images=(re.compile("io/a"), re.compile("index")),
    )
    found = images_of_set(image_set, [], [catalog_image(CATALOG, ONE)])
    assert [str(image.reference) for image in found] == ["quay.io/b:v1"]


@pytest.mark.parametrize(
    ("path", "target", "name"),
    [
        pytest.param("some/catalog", None, "localhost/catalog:latest", id="last-part"),
        pytest.param("some/catalog/", None, "localhost/catalog:latest", id="slash"),
        pytest.param("some/catalog", "mine/other", "localhost/mine/other:latest", id="target"),
        pytest.param("some/Catalog", "mine/other", "localhost/mine/other:latest", id="target-for-want-of-a-name"),
    ],
)
def test_a_catalog_from_a_layout_is_called_as_podman_calls_local_images(
    path: str, target: str | None, name: str
) -> None:
    operator = OperatorCatalog(catalog=f"oci://{path}", layout=Path(path), target_catalog=target)
    assert str(operator.called()) == name


@pytest.mark.parametrize("path", ["Catalog", "a:b", "a@b", "/"])
def test_a_path_that_makes_no_name_needs_a_target(path: str) -> None:
    with pytest.raises(InvalidInput, match="is no name for a repository; set `targetCatalog`"):
        OperatorCatalog(catalog=f"oci://{path}", layout=Path(path)).called()


def test_two_catalogs_of_one_name_are_refused() -> None:
    one, other = (OperatorCatalog(catalog=f"oci://{path}", layout=Path(path)) for path in ("one/index", "other/index"))
    check_names([catalog_image(one, ONE), catalog_image(other, ONE)])
    with pytest.raises(InvalidInput, match="oci://one/index and oci://other/index would have one name"):
        check_names([catalog_image(one, ONE), catalog_image(other, TWO)])
