"""Each byte once: an image waits while another brings a layer that both have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skopeo_mirror.transfer.schedule import Schedule


def planned(*images: str) -> Schedule:
    """Images 0, 1, 2 …, each letter of a text a layer."""
    schedule = Schedule()
    for number, layers in enumerate(images):
        schedule.add(number, layers)
    return schedule


def all_taken(schedule: Schedule) -> list[int]:
    return list(iter(schedule.take, None))


def test_images_that_share_nothing_start_in_order() -> None:
    assert all_taken(planned("a", "b", "c")) == [0, 1, 2]


def test_an_image_without_a_plan_waits_for_nobody() -> None:
    assert all_taken(planned("", "")) == [0, 1]


def test_an_image_waits_while_its_layer_is_under_way_and_others_go_ahead() -> None:
    schedule = planned("bx", "by", "z")
    assert all_taken(schedule) == [0, 2]
    assert len(schedule) == 1


def test_who_waited_starts_when_the_layer_is_there() -> None:
    schedule = planned("ab", "ac", "ad")
    assert all_taken(schedule) == [0]
    schedule.finished(0, arrived=True)
    assert all_taken(schedule) == [1, 2]


def test_a_layer_that_has_landed_is_waited_for_no_more_though_its_image_is_under_way() -> None:
    schedule = planned("ab", "ac", "bd")
    assert all_taken(schedule) == [0]
    schedule.landed(0, "a")
    assert all_taken(schedule) == [1]
    schedule.finished(0, arrived=False)
    assert all_taken(schedule) == [2]
    schedule.finished(1, arrived=False)
    schedule.add(3, "ac")
    schedule.add(4, "ae")
    assert all_taken(schedule) == [3, 4]


def test_a_layer_that_another_image_brings_does_not_land_with_this_one() -> None:
    schedule = planned("a", "b", "b")
    assert all_taken(schedule) == [0, 1]
    schedule.landed(0, "ab")
    assert all_taken(schedule) == []


def test_a_layer_that_did_not_arrive_is_brought_by_the_next() -> None:
    schedule = planned("ab", "ac", "ad")
    assert schedule.take() == 0
    schedule.finished(0, arrived=False)
    assert all_taken(schedule) == [1]
    schedule.finished(1, arrived=True)
    assert all_taken(schedule) == [2]


def test_what_has_landed_is_waited_for_no_more() -> None:
    schedule = planned("ab")
    schedule.take()
    schedule.finished(0, arrived=True)
    schedule.add(1, "ab")
    schedule.add(2, "ab")
    assert all_taken(schedule) == [1, 2]


def test_an_image_can_come_back() -> None:
    schedule = planned("a")
    assert schedule.take() == 0
    schedule.finished(0, arrived=False)
    assert schedule.take() is None
    schedule.add(0, "a")
    assert schedule.take() == 0


@given(st.lists(st.tuples(st.sets(st.sampled_from("abcd")), st.booleans()), max_size=12))
def test_no_layer_is_brought_by_two_and_everybody_gets_a_turn(images: list[tuple[set[str], bool]]) -> None:
    schedule = planned(*("".join(sorted(layers)) for layers, _ in images))
    under_way: list[int] = []
    landed: set[str] = set()
    finished: list[int] = []
    while len(finished) < len(images):
        under_way += all_taken(schedule)
        missing = [layer for number in under_way for layer in images[number][0] - landed]
        assert len(missing) == len(set(missing))
        number = under_way.pop(0)
        layers, arrived = images[number]
        schedule.finished(number, arrived=arrived)
        finished.append(number)
        if arrived:
            landed |= layers
    assert len(schedule) == 0
    assert sorted(finished) == list(range(len(images)))
