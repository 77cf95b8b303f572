"""--filter-catalogs: the catalog at the destination offers what was selected, whatever it is made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.rig.copying import configure, copy, entry, files_below, pin_tag, statuses
from tests.rig.images import ARCHITECTURES
from tests.rig.operators import (
    make_catalog_image,
    make_operators,
    write_image_set,
)

if TYPE_CHECKING:
    from tests.rig.program import Program
    from tests.rig.registry import Registry

OPERATORS = make_operators("prod.invalid/op")
HEADS = {("gamma", "fast", "gamma.v3.5.0")}


@pytest.fixture
def work(skopeo_mirror: Program, mirror: Registry) -> Program:
    """Return the tool where prod.invalid is redirected to the mirror, which has every operator."""
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    OPERATORS.push(mirror, "op")
    return skopeo_mirror


def selecting(work: Program, catalog: str, more: str = "") -> str:
    return write_image_set(work, f"operators:\n- catalog: {catalog}\n{more}  packages: [{{name: gamma}}]\n")


def offered(work: Program, catalog: str) -> set[tuple[str, str, str]]:
    """Return packages, channels and heads, as our own reader finds them in a registry, or in a layout."""
    run = work("catalog", "--json", "-r", "plain.conf", "--insecure-policy", catalog)
    assert run.status == 0, run.stderr
    return {(one["name"], it["name"], it["head"]) for one in run.report["packages"] for it in one["channels"]}


def catalog_of(report: dict[str, Any]) -> dict[str, Any]:
    [found] = [image for image in report["images"] if "catalog" in image]
    return dict(found)


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_four_architectures_from_a_mirror(work: Program, mirror: Registry, destination: Registry, docker: bool) -> None:
    original = make_catalog_image(OPERATORS, docker=docker, architectures=ARCHITECTURES)
    mirror.push("op/index", original, "v1")
    command = ("--mirrors-only", "--filter-catalogs", "-c", selecting(work, "prod.invalid/op/index:v1"))
    target = f"docker://{destination.host}"
    mirror.forget()
    report = copy(work, *command, target)
    catalog = catalog_of(report)
    assert set(statuses(report).values()) == {"copied"}
    assert (catalog["rebuilt_from"], catalog["destination"]) == (original.digest, f"{target}/op/index:v1")
    assert catalog["served_by"]["location"] == "oci:rebuilt"
    pulled = [request.path for request in mirror.requests() if "/op/index/blobs/" in request.path]
    assert sorted(pulled) == sorted(f"/v2/op/index/blobs/{digest}" for digest in original.blobs)  # each of them once
    index = json.loads(destination.manifest("op/index", "v1") or b"")
    assert index["mediaType"] == original.media_type
    assert [one["platform"]["architecture"] for one in index["manifests"]] == list(ARCHITECTURES)
    (work.directory / "plain.conf").write_text(f'[[registry]]\nlocation = "{destination.host}"\ninsecure = true\n')
    assert offered(work, f"{destination.host}/op/index:v1") == HEADS
    again = copy(work, *command, target)
    assert (again["changed"], catalog_of(again)["digest"]) == (False, catalog["digest"])
    assert set(statuses(again).values()) == {"present"}


def test_by_digest_and_from_a_layout_across_the_air_gap(work: Program, mirror: Registry, destination: Registry) -> None:
    original = make_catalog_image(OPERATORS)
    mirror.push("op/index", original)
    name = f"prod.invalid/op/index@{original.digest}"
    copy(work, name, "oci:catalog")
    before = files_below(work.directory / "catalog")
    packages = "  packages: [{name: gamma}]\n"
    set_ = write_image_set(work, f"operators:\n- catalog: {name}\n{packages}- catalog: oci://catalog\n{packages}")
    filled = copy(work, "--filter-catalogs", "-c", set_, "oci:filled")
    digests = {image["catalog"]: image["digest"] for image in filled["images"] if "rebuilt_from" in image}
    assert [*digests] == [name, "oci://catalog"]
    assert len(set(digests.values())) == 1  # the same catalog, the same selection
    assert files_below(work.directory / "catalog") == before
    arrived = copy(work, "-c", set_, "--from", "oci:filled", f"docker://{destination.host}")
    assert {image["catalog"]: image["digest"] for image in arrived["images"] if "catalog" in image} == digests
    (work.directory / "plain.conf").write_text(f'[[registry]]\nlocation = "{destination.host}"\ninsecure = true\n')
    assert offered(work, f"{destination.host}/op/index:{pin_tag(original)}") == HEADS


def test_without_it_one_warning_counts_what_is_offered_beyond(work: Program, mirror: Registry) -> None:
    mirror.push("op/index", make_catalog_image(OPERATORS), "v1")
    set_ = selecting(work, "prod.invalid/op/index:v1")
    run = work("copy", "-r", "registries.conf", "-c", set_, "--dry-run", "dir:images")
    told = [line for line in run.stderr.splitlines() if "is copied whole" in line]
    start = "warning: prod.invalid/op/index:v1: is copied whole, and so offers 3 channel heads of which the images"
    assert [line.startswith(start) for line in told] == [True]


@pytest.mark.parametrize("more", [(), ("-c", "set.yaml", "--from", "oci:filled")], ids=["no-set", "from"])
def test_it_is_for_image_sets(work: Program, more: tuple[str, ...]) -> None:
    run = work("copy", "--filter-catalogs", *more, "example.com/app:v1", "dir:images")
    assert (run.status, "--filter-catalogs is for" in run.stderr) == (2, True)
