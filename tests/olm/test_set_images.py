from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import CatalogUnavailable, InvalidInput
from skopeo_mirror.olm.imageset import AdditionalImage, ImageSet, OperatorCatalog
from skopeo_mirror.olm.set_images import additional_image, catalog_image, images_of_set, name_problems, select_images
from skopeo_mirror.reference import Digest, Reference
from skopeo_mirror.request import ImageRequest, WantedBy
from tests.olm.catalogs import MANIFEST, REF_NAME, write_image, write_index

if TYPE_CHECKING:
    from skopeo_mirror.olm.file_based_catalog import Catalog

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
    return replace(AdditionalImage.parse(name), target_repo=repo, target_tag=tag)


def requests(*names: str) -> list[ImageRequest]:
    return [additional_image(additional(name)) for name in names]


def test_every_image_is_there_once_with_all_who_want_it() -> None:
    other = OperatorCatalog(catalog="oci://other", layout=Path("other"))
    listed = images_of_set(
        ImageSet(),
        requests("quay.io/app", "quay.io/tool:v1"),
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
        ImageSet(), [], selected(("quay.io/a:v1", "a"), ("quay.io/b:v1", "b")), [catalog_image(CATALOG, ONE)] * 2
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
    listed = additional_image(image)
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
    found = images_of_set(ImageSet(), [], related, [catalog_image(CATALOG, ONE)])
    assert [str(image.reference) for image in found[:-1]] == listed


def test_blocked_images_are_left_out_by_their_own_names() -> None:
    image_set = ImageSet(blocked_images=(re.compile("io/a"), re.compile("index")))
    found = images_of_set(image_set, requests("quay.io/a:v1", "quay.io/b:v1"), [], [catalog_image(CATALOG, ONE)])
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


def test_two_images_of_one_name_are_told() -> None:
    one, other = (OperatorCatalog(catalog=f"oci://{path}", layout=Path(path)) for path in ("one/index", "other/index"))
    assert list(name_problems([catalog_image(one, ONE), catalog_image(other, ONE)])) == []
    assert list(name_problems([catalog_image(one, ONE), catalog_image(other, TWO)])) == [
        "oci://one/index and oci://other/index would have one name; set `targetCatalog`"
    ]


def test_an_image_in_a_layout_is_called_as_a_catalog_in_one_is(tmp_path: Path) -> None:
    digest = str(write_image(tmp_path / "tool", [])["digest"])
    write_index(tmp_path / "tool", {"mediaType": MANIFEST, "digest": digest})
    image = additional_image(replace(AdditionalImage.parse(f"oci://{tmp_path}/tool"), target_tag="v1"))
    assert (str(image.reference), str(image.named)) == ("localhost/tool:latest", "localhost/tool:v1")
    assert (str(image.digest), image.layout, image.catalog) == (digest, tmp_path / "tool", None)
    write_index(tmp_path / "tool", {"digest": digest, "annotations": {REF_NAME: "localhost/other:latest"}})
    with pytest.raises(InvalidInput, match="oci:///nowhere/other: no images are called 'localhost/another:latest'"):
        additional_image(
            replace(AdditionalImage.parse("oci:///nowhere/other"), target_repo="another"), tmp_path / "tool"
        )
    assert additional_image(AdditionalImage.parse("oci:///nowhere/other"), tmp_path / "tool").digest == image.digest


class TestEverythingWrongAtOnce:
    SET = ImageSet(
        additional_images=tuple(map(AdditionalImage.parse, ("oci:///nowhere/a", "quay.io/a:v1", "oci:///nowhere/b"))),
        operators=tuple(map(OperatorCatalog.parse, ("quay.io/one:v1", "quay.io/two:v1"))),
    )

    def test_of_images_and_catalogs(self) -> None:
        def read(operator: OperatorCatalog) -> tuple[Digest, Catalog]:
            raise InvalidInput([f"{operator.catalog}: is broken"])

        with pytest.raises(InvalidInput) as raised:
            select_images(self.SET, read, lambda _: pytest.fail("no release"), warn=pytest.fail)
        starts = [problem.split(": ")[0] for problem in raised.value.problems]
        assert starts == ["oci:///nowhere/a", "oci:///nowhere/b", "quay.io/one:v1", "quay.io/two:v1"]

    def test_of_catalogs_that_nobody_serves(self) -> None:
        def read(operator: OperatorCatalog) -> tuple[Digest, Catalog]:
            raise CatalogUnavailable(f"{operator.catalog}: nobody served it")

        with pytest.raises(CatalogUnavailable, match=r"quay.io/one:v1: nobody served it; quay.io/two:v1: nobody"):
            select_images(
                replace(self.SET, additional_images=()), read, lambda _: pytest.fail("no release"), warn=pytest.fail
            )
        with pytest.raises(InvalidInput) as raised:
            select_images(self.SET, read, lambda _: pytest.fail("no release"), warn=pytest.fail)
        assert len(raised.value.problems) == 4
