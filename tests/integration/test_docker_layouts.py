"""Docker images in a layout: brought, carried to where no source is, and brought on, with the digests that they had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.test_destinations import blobs_below, index_of, names_in
from tests.rig.background import started, until
from tests.rig.copying import PLAIN, asked, configure, copy, entry, statuses
from tests.rig.faults import Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import DOCKER_LIST, DOCKER_MANIFEST, make_bases, make_image, make_operator, make_random_layer
from tests.rig.registry import Registry
from tests.rig.trees import blobs_of, holds_tree, layers_of, pulled, pulled_layers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig.images import Image
    from tests.rig.program import Program

BASES, OTHERS = make_bases("base"), make_bases("others")
MADE = {
    "ns/operator-0": make_operator("0", BASES, docker=True),
    "ns/operator-1": make_operator("1", BASES | {"arm64": OTHERS["arm64"]}, docker=True),
    "ns/single-0": make_image("single-0", layers=[*BASES["amd64"], make_random_layer("single-0", 500)], docker=True),
    "ns/single-1": make_image("single-1", layers=[*OTHERS["amd64"], make_random_layer("single-1", 500)], docker=True),
}
CONTENTS = {**blobs_of(*MADE.values()), **{part.digest: part.manifest for one in MADE.values() for part in one.walk()}}
TYPES = [DOCKER_LIST] * 2 + [DOCKER_MANIFEST] * 2


def names_of(made: dict[str, Image]) -> list[str]:
    return [f"prod.invalid/{name}:v1@{image.digest}" for name, image in made.items()]


def test_a_list_of_them_across_the_air_gap(skopeo_mirror: Program, tmp_path: Path, destination: Registry) -> None:
    layout = skopeo_mirror.directory / "images"
    moved = make_image("single-0, new", layers=[*BASES["amd64"], make_random_layer("new", 500)], docker=True)
    with Registry(tmp_path / "mirror") as mirror:
        for name, image in MADE.items():
            mirror.push(name, image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        report = copy(skopeo_mirror, *names_of(MADE), "oci:images")
        assert set(statuses(report).values()) == {"copied"}
        assert pulled_layers(mirror, *MADE.values()) == layers_of(*MADE.values())
        assert report["summary"]["bytes"] == sum(map(len, CONTENTS.values()))
        assert blobs_below(layout) == CONTENTS
        assert sorted(one["mediaType"] for one in index_of(layout)) == sorted(TYPES)

        mirror.forget()
        again = copy(skopeo_mirror, *names_of(MADE), "oci:images")
        assert (set(statuses(again).values()), again["changed"]) == ({"present"}, False)
        assert asked(mirror) == []

        tag = "prod.invalid/ns/single-0:v1"
        copy(skopeo_mirror, tag, "oci:images")
        mirror.push("ns/single-0", moved, "v1")
        mirror.forget()
        assert statuses(copy(skopeo_mirror, tag, "oci:images")) == {tag: "copied"}
        assert set(pulled(mirror)) == moved.blobs.keys() - CONTENTS.keys()
        assert names_in(layout) == sorted([*names_of(MADE), tag])
        assert next(one["digest"] for one in index_of(layout) if tag in one["annotations"].values()) == moved.digest

    configure(skopeo_mirror, "")
    onward = copy(skopeo_mirror, "--from", "oci:images", *names_of(MADE), f"docker://{destination.host}")
    assert set(statuses(onward).values()) == {"copied"}
    assert all(holds_tree(destination, name, "v1", image) for name, image in MADE.items())
    again = copy(skopeo_mirror, "--from", "oci:images", *names_of(MADE), f"docker://{destination.host}")
    assert set(statuses(again).values()) == {"present"}
    copy(skopeo_mirror, "--from", "oci:images", tag, f"docker://{destination.host}")
    assert holds_tree(destination, "ns/single-0", "v1", moved)


def held_layer(image: Image) -> str:
    """A layer for which no other image waits."""
    return list((image.children[1] if image.children else image).blobs)[-1]


@pytest.mark.parametrize("held", ["ns/operator-1", "ns/single-1"])
def test_killed_in_the_middle_and_run_again(skopeo_mirror: Program, held: str) -> None:
    layer = held_layer(MADE[held])
    layout = skopeo_mirror.directory / "images"
    with FaultyRegistry(Fault(place=Place.LAYER, kind="hold", of=layer)) as mirror:
        for name, image in MADE.items():
            mirror.serve(name, image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        names = names_of(MADE)
        late = names[[*MADE].index(held)]
        with started(skopeo_mirror, "copy", "-r", "registries.conf", PLAIN, *names, "oci:images") as run:
            until(lambda: (layout / "index.json").exists() and len(names_in(layout)) == len(MADE) - 1)
            until(lambda: any(request.path.endswith(layer) for request in mirror.requests()))
            run.process.kill()
            run.wait()
            run.wait_until_gone()
        assert names_in(layout) == sorted({*names} - {late})
        mirror.heal()
        mirror.forget()
        report = copy(skopeo_mirror, *names, "oci:images")
        assert statuses(report) == {name: "copied" if name == late else "present" for name in names}
        assert layer in pulled(mirror)
        assert set(pulled(mirror)) <= set(MADE[held].blobs)
    assert blobs_below(layout) == CONTENTS
    assert names_in(layout) == sorted(names)
