"""What is guessed of the next image of a list, by those before it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from skopeo_mirror.manifest import DOCKER_MANIFEST
from skopeo_mirror.transfer import source_proxies
from skopeo_mirror.transfer.source_proxies import Majority
from tests.values import image_index, image_manifest

PLAIN = image_manifest(b"config", b"layer")
INDEX = image_index(PLAIN)
DOCKER = json.dumps(json.loads(PLAIN) | {"mediaType": DOCKER_MANIFEST}).encode()
NOBODY_GAVE_ONE = b""


@pytest.mark.parametrize(
    ("read", "plain"),
    [
        pytest.param([PLAIN], True, id="plain"),
        pytest.param([INDEX], False, id="index"),
        pytest.param([DOCKER], False, id="docker"),
        pytest.param([PLAIN, INDEX], False, id="even"),
        pytest.param([PLAIN, INDEX, PLAIN], True, id="outvoted"),
        pytest.param([INDEX, DOCKER, PLAIN], False, id="still-outvoted"),
        pytest.param([NOBODY_GAVE_ONE], False, id="nothing-known"),
        pytest.param([NOBODY_GAVE_ONE, PLAIN, b"<html>"], True, id="what-is-no-manifest-does-not-count"),
    ],
)
def test_most_images_decide(read: list[bytes], *, plain: bool) -> None:
    majority = Majority()
    majority.is_plain()
    for manifest in read:
        majority.learn(manifest)
    assert majority.is_plain() is plain


@pytest.mark.parametrize("first", [pytest.param(PLAIN, id="plain"), pytest.param(INDEX, id="index")])
def test_the_first_settles_it_for_those_that_begin_with_it(first: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_proxies, "LONGEST_WAIT", 60.0)
    majority = Majority()
    assert majority.is_plain() is False  # and it does not wait
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(majority.is_plain) for _ in range(3)]
        assert wait(others, timeout=0.05).done == set()
        majority.learn(first)
        assert [other.result() for other in others] == [first == PLAIN] * 3


def test_nobody_waits_long_for_a_source_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_proxies, "LONGEST_WAIT", 0.01)
    majority = Majority()
    assert [majority.is_plain() for _ in range(3)] == [False] * 3
