"""What a copy will have to bring."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.manifest import digest_of
from skopeo_mirror.transfer.plan import Elsewhere, plan_of
from tests.values import hex_of, image_index, image_manifest

if TYPE_CHECKING:
    from skopeo_mirror.reference import Digest

ONE = image_manifest(b"config 1", b"base", b"layer 1")
TWO = image_manifest(b"config 2", b"base", b"layer 2")
INDEX = image_index(ONE, TWO)


def nothing(digest: Digest) -> bytes | None:
    raise AssertionError(str(digest))


def test_an_image_brings_its_config_and_its_layers() -> None:
    plan = plan_of(ONE, nothing)
    assert plan is not None
    assert plan.blobs == {f"sha256:{hex_of(blob)}": len(blob) for blob in (b"config 1", b"base", b"layer 1")}
    assert plan.manifests == len(ONE)
    assert plan.bytes == len(ONE) + len(b"config 1" + b"base" + b"layer 1")


def test_an_index_brings_all_its_images_and_what_they_share_once() -> None:
    there = {digest_of(manifest): manifest for manifest in (ONE, TWO)}
    plan = plan_of(INDEX, there.get)
    assert plan is not None
    assert len(plan.blobs) == 5
    assert plan.manifests == len(INDEX + ONE + TWO)


def test_knows_which_layers_go_before_which_config() -> None:
    there = {digest_of(manifest): manifest for manifest in (ONE, TWO)}
    plan = plan_of(INDEX, there.get)
    assert plan is not None
    assert plan.layers == {
        f"sha256:{hex_of(config)}": {f"sha256:{hex_of(layer)}" for layer in (b"base", own)}
        for config, own in ((b"config 1", b"layer 1"), (b"config 2", b"layer 2"))
    }


def test_a_config_of_two_images_goes_after_the_layers_of_both() -> None:
    one, two = image_manifest(b"config", b"base", b"layer 1"), image_manifest(b"config", b"base", b"layer 2")
    plan = plan_of(image_index(one, two), {digest_of(manifest): manifest for manifest in (one, two)}.get)
    assert plan is not None
    assert plan.layers == {f"sha256:{hex_of(b'config')}": {f"sha256:{hex_of(b'base')}"}}


def test_what_lives_elsewhere_is_known_and_brought_by_nobody() -> None:
    manifest = json.loads(ONE)
    manifest["layers"][0]["urls"] = ["https://c.test/base"]
    windows = json.dumps(manifest).encode()
    manifest["config"]["urls"] = ["https://c.test/config"]
    odd = json.dumps(manifest).encode()
    plan = plan_of(image_index(windows, odd), {digest_of(one): one for one in (windows, odd)}.get)
    assert plan is not None
    base = Elsewhere(digest=f"sha256:{hex_of(b'base')}", urls=("https://c.test/base",))
    config = Elsewhere(digest=f"sha256:{hex_of(b'config 1')}", urls=("https://c.test/config",), needed=True)
    assert sorted(plan.elsewhere, key=str) == sorted((base, config), key=str)
    assert set(plan.blobs) == {f"sha256:{hex_of(blob)}" for blob in (b"config 1", b"layer 1")}


def test_there_may_be_more_images_than_are_read_ahead() -> None:
    there = {digest_of(manifest): manifest for manifest in (ONE, TWO)}
    assert plan_of(INDEX, there.get, most=1) is None
    assert plan_of(INDEX, there.get, most=2) is not None


def test_an_index_in_an_index() -> None:
    outer = image_index(INDEX)
    there = {digest_of(manifest): manifest for manifest in (ONE, TWO, INDEX)}
    plan = plan_of(outer, there.get)
    assert plan is not None
    assert plan.manifests == len(outer + INDEX + ONE + TWO)


def test_knows_an_index_within_an_index() -> None:
    there = {digest_of(manifest): manifest for manifest in (ONE, TWO, INDEX)}
    plans = [plan_of(content, there.get) for content in (ONE, INDEX, image_index(INDEX))]
    assert [plan is not None and plan.nested for plan in plans] == [False, False, True]


@pytest.mark.parametrize(
    ("fields", "extended"),
    [({}, False), ({"annotations": {}}, False), ({"artifactType": "x"}, True), ({"data": "e30="}, True)],
)
def test_knows_an_index_whose_descriptors_older_skopeos_do_not_know(
    fields: dict[str, object], *, extended: bool
) -> None:
    document = json.loads(INDEX)
    document["manifests"][1].update(fields)
    there = {digest_of(manifest): manifest for manifest in (ONE, TWO)}
    plan = plan_of(json.dumps(document).encode(), there.get)
    assert plan is not None
    assert plan.extended is extended


def test_without_an_images_manifest_there_is_no_plan() -> None:
    assert plan_of(INDEX, {digest_of(ONE): ONE}.get) is None
    assert plan_of(INDEX, {digest_of(ONE): ONE, digest_of(TWO): b"<html>"}.get) is None


def test_an_image_that_is_named_twice_is_read_once() -> None:
    read: list[Digest] = []

    def remember(digest: Digest) -> bytes:
        read.append(digest)
        return ONE

    plan = plan_of(image_index(ONE, ONE), remember)
    assert plan is not None
    assert read == [digest_of(ONE)]


@pytest.mark.parametrize(("claimed", "found"), [((0, 0), False), ((1, 0), True), ((0, -1), True)])
def test_knows_an_index_that_gives_an_image_another_size(claimed: tuple[int, int], *, found: bool) -> None:
    """Also where it names the image twice, and is right once."""
    document = json.loads(image_index(ONE, ONE))
    for entry, more in zip(document["manifests"], claimed, strict=True):
        entry["size"] += more
    plan = plan_of(json.dumps(document).encode(), {digest_of(ONE): ONE}.get)
    assert plan is not None
    assert (plan.contradicted is not None) is found
