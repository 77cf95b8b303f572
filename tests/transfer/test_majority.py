"""What is guessed of the next image of a list, by those before it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from skopeo_mirror.transfer import majority as module
from skopeo_mirror.transfer.majority import Majority


@pytest.mark.parametrize(
    ("learnt", "likely"),
    [
        pytest.param([], False, id="nothing"),
        pytest.param([True], True, id="of-it"),
        pytest.param([False], False, id="another"),
        pytest.param([True, False], False, id="even"),
        pytest.param([True, False, True], True, id="outvoted"),
        pytest.param([False, False, True], False, id="still-outvoted"),
        pytest.param([None], False, id="nothing-known"),
        pytest.param([None, True, None], True, id="what-is-not-known-does-not-count"),
    ],
)
def test_most_images_decide(learnt: list[bool | None], *, likely: bool) -> None:
    majority = Majority()
    for one in learnt:
        majority.learn(of_it=one)
    assert majority.is_likely() is likely


@pytest.mark.parametrize("first", [True, False, None])
def test_the_first_settles_it_for_those_that_begin_with_it(first: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT", 60.0)
    majority = Majority()
    assert majority.is_likely(waits=True) is False  # and it does not wait
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(majority.is_likely, waits=True) for _ in range(3)]
        assert wait(others, timeout=0.05).done == set()
        majority.learn(of_it=first)
        assert [other.result() for other in others] == [first is True] * 3


def test_nobody_waits_long_for_a_source_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.01)
    majority = Majority()
    assert [majority.is_likely(waits=True) for _ in range(3)] == [False] * 3
