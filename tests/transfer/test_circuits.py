"""A fault costs once: when a host is left alone, and when it is tried again. The clock is a number."""

from __future__ import annotations

import pytest

from skopeo_mirror.transfer.circuits import IMAGES, LONGEST_OPEN, PAUSE, Circuits


def opened() -> Circuits:
    """Circuits in which `a.test` was down for enough images, the last at second 0."""
    circuits = Circuits()
    for number in range(IMAGES):
        circuits.failed("a.test", f"image-{number}", 0.0)
    return circuits


def test_a_host_is_tried_until_it_failed_for_enough_images() -> None:
    circuits = Circuits()
    for number in range(IMAGES):
        assert not circuits.is_open("a.test", "other", 0.0)
        circuits.failed("a.test", f"image-{number}", 0.0)
    assert circuits.is_open("a.test", "other", 0.0)


def test_one_image_alone_opens_no_circuit() -> None:
    circuits = Circuits()
    for _ in range(10):
        circuits.failed("a.test", "image", 0.0)
    assert not circuits.is_open("a.test", "other", 0.0)


def test_other_hosts_are_not_touched() -> None:
    assert not opened().is_open("b.test", "other", 0.0)
    assert not opened().is_open("a.test:8443", "other", 0.0)


def test_after_the_pause_one_image_tries() -> None:
    circuits = opened()
    assert circuits.is_open("a.test", "one", PAUSE - 0.1)
    assert not circuits.is_open("a.test", "one", PAUSE)
    assert circuits.is_open("a.test", "other", PAUSE)
    assert circuits.is_open("a.test", "other", PAUSE + 1)
    assert not circuits.is_open("a.test", "one", PAUSE + 1)


def test_a_host_that_answers_is_back() -> None:
    circuits = opened()
    circuits.answered("a.test")
    assert not circuits.is_open("a.test", "other", 0.0)
    circuits.failed("a.test", "image", 0.0)
    assert not circuits.is_open("a.test", "other", 0.0)


def test_images_that_were_under_way_when_it_opened_lengthen_no_pause() -> None:
    circuits = opened()
    for number in range(20):
        circuits.failed("a.test", f"under-way-{number}", 1.0)
    assert not circuits.is_open("a.test", "other", 1.0 + PAUSE)


@pytest.mark.parametrize(
    ("trials", "pause"),
    [
        pytest.param(0, PAUSE, id="at-first"),
        pytest.param(1, PAUSE * 2, id="one-trial"),
        pytest.param(2, PAUSE * 4, id="two-trials"),
        pytest.param(20, LONGEST_OPEN, id="capped"),
    ],
)
def test_each_failed_trial_doubles_the_pause(trials: int, pause: float) -> None:
    circuits = opened()
    now = 0.0
    for number in range(trials):
        now += LONGEST_OPEN
        assert not circuits.is_open("a.test", f"trial-{number}", now)
        circuits.failed("a.test", f"trial-{number}", now)
    assert circuits.is_open("a.test", "other", now + pause - 0.1)
    assert not circuits.is_open("a.test", "other", now + pause)


def test_a_manifest_says_nothing_of_a_host_that_hangs_over_its_blobs() -> None:
    circuits = Circuits()
    for number in range(IMAGES):
        circuits.failed("a.test", f"image-{number}", 0.0, blobs=True)
        circuits.answered("a.test", blobs=False)
    assert circuits.is_open("a.test", "other", 0.0)
    circuits.answered("a.test", blobs=True)
    assert not circuits.is_open("a.test", "other", 0.0)
