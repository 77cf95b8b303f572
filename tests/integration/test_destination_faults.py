"""A fault of the destination's own costs no candidate, is named `destination`, and sends nobody to production."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import configure, copy, entry, only, pin_tag
from tests.rig.faults import UPLOAD_FAULTS, Fault, Place
from tests.rig.faulty import FaultyRegistry

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

ELSEWHERE = {"lie", "never-answer"}  # the last test here; test_stalls.py
FAULTS = [Fault(place=Place.UPLOAD, kind=kind) for kind in UPLOAD_FAULTS if kind not in ELSEWHERE] + [
    Fault(place=Place.CONNECT, kind=kind) for kind in ("refuse", "close", "never-speak")
]
PASSING = ["close", "429", "500", "502", "503", "close-midway"]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_no_candidate_is_blamed(
    skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, origin: Registry, image: Image, fault: Fault
) -> None:
    sources = (mirror, second_mirror, origin)
    for source in sources:
        source.push("app", image)
    configure(skopeo_mirror, entry(origin.host, mirror.host, second_mirror.host))
    with FaultyRegistry(fault) as destination:
        report = copy(
            skopeo_mirror,
            *("--stall-timeout=1s", "--retries=0", f"{origin.host}/app@{image.digest}"),
            f"docker://{destination.host}",
            status=1,
        )
        assert destination.manifest("app", pin_tag(image)) is None
    failed = only(report)
    assert {attempt["reason"] for attempt in failed["attempts"]} <= {"destination"} == {failed["reason"]}
    assert failed["error"].startswith(f"docker://{destination.host}: ")
    assert len(failed["attempts"]) == (fault.place is Place.UPLOAD)
    assert [source.requests() for source in (second_mirror, origin)] == [[], []]


@pytest.mark.parametrize("kind", PASSING)
def test_what_has_passed_is_copied_from_the_same_mirror(
    skopeo_mirror: Program, mirror: Registry, origin: Registry, image: Image, kind: str
) -> None:
    for source in (mirror, origin):
        source.push("app", image)
    configure(skopeo_mirror, entry(origin.host, mirror.host))
    with FaultyRegistry(Fault(place=Place.UPLOAD, kind=kind, times=1)) as destination:
        report = copy(skopeo_mirror, "--retries=1", f"{origin.host}/app@{image.digest}", f"docker://{destination.host}")
        assert destination.manifest("app", pin_tag(image)) == image.manifest
    copied = only(report)
    assert copied["served_by"]["location"] == mirror.host
    assert {attempt["reason"] for attempt in copied["attempts"]} <= {"destination", None}
    assert origin.requests() == []


@pytest.mark.parametrize("kind", ["401", "403", "413"])
def test_what_will_not_pass_is_not_tried_again(
    skopeo_mirror: Program, mirror: Registry, origin: Registry, image: Image, kind: str
) -> None:
    mirror.push("app", image)
    configure(skopeo_mirror, entry(origin.host, mirror.host))
    with FaultyRegistry(Fault(place=Place.UPLOAD, kind=kind)) as destination:
        report = copy(
            skopeo_mirror,
            *("--retries=2", f"{origin.host}/app@{image.digest}", f"docker://{destination.host}"),
            status=1,
        )
    assert [attempt["reason"] for attempt in only(report)["attempts"]] == ["destination"]


def test_a_destination_that_lies_about_the_digest_deceives_nobody(
    skopeo_mirror: Program, mirror: Registry, origin: Registry, image: Image
) -> None:
    """What counts is what is there: it is compared by its bytes, now and by the next run."""
    mirror.push("app", image)
    configure(skopeo_mirror, entry(origin.host, mirror.host))
    with FaultyRegistry(Fault(place=Place.UPLOAD, kind="lie")) as destination:
        command = (f"{origin.host}/app@{image.digest}", f"docker://{destination.host}")
        assert only(copy(skopeo_mirror, *command))["status"] == "copied"
        assert destination.manifest("app", pin_tag(image)) == image.manifest
        assert only(copy(skopeo_mirror, *command))["status"] == "present"
    assert origin.requests() == []
