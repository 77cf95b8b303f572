"""What stands still is ended, what is slow is left alone, and the one that was waited for is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from skopeo_mirror.transfer.circuits import IMAGES
from tests.rig.copying import configure, copy, entry, holds, only, pin_tag
from tests.rig.faults import SLOW, Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import Layer, digest_of, make_image, make_random_layer

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

MANY = 14  # more than are looked at ahead of the copies


def with_reason(report: dict[str, Any], host: str, reason: str) -> list[str]:
    """Return the image of every attempt at `host` with that reason."""
    return [
        image["image"]
        for image in report["images"]
        for attempt in image["attempts"]
        if attempt["reason"] == reason and attempt["reference"].startswith(f"{host}/")
    ]


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        pytest.param("slow", make_random_layer("slow", 4 * SLOW), id="50-kB-a-second"),
        pytest.param("trickle", Layer(blob=b"a layer", diff_id=digest_of(b"a layer")), id="a-byte-a-second"),
    ],
)
def test_a_transfer_that_takes_longer_than_the_stall_timeout_completes(
    skopeo_mirror: Program, origin: Registry, destination: Registry, kind: str, layer: Layer
) -> None:
    large = make_image(kind, layers=[layer])
    origin.push("app", large)
    with FaultyRegistry(Fault(place=Place.LAYER, kind=kind)) as mirror:
        mirror.serve("app", large)
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        report = copy(
            skopeo_mirror, "--stall-timeout=3s", f"{origin.host}/app@{large.digest}", f"docker://{destination.host}"
        )
    image = only(report)
    assert [(attempt["kind"], attempt["outcome"]) for attempt in image["attempts"]] == [("mirror", "served")]
    assert origin.requests() == []
    assert holds(destination, "app", pin_tag(large), large)


@pytest.mark.parametrize(
    ("fault", "jobs"),
    [
        pytest.param(Fault(place=Place.CONNECT, kind="never-speak"), 4, id="black-hole"),
        pytest.param(Fault(place=Place.MANIFEST, kind="never-answer"), 4, id="manifests"),
        pytest.param(Fault(place=Place.LAYER, kind="never-answer"), 4, id="layers"),
        pytest.param(Fault(place=Place.LAYER, kind="never-answer"), 1, id="layers-one-by-one"),
    ],
)
def test_a_mirror_that_hangs_costs_a_few_images_their_time_and_not_all(
    skopeo_mirror: Program, origin: Registry, destination: Registry, fault: Fault, jobs: int
) -> None:
    """Those that were under way when enough had found out; the others leave it alone, and say so."""
    most = jobs + IMAGES - 1
    images = [make_image(f"image-{number}") for number in range(MANY)]
    with FaultyRegistry(fault) as mirror:
        for image in images:
            origin.push("app", image)
            mirror.serve("app", image)
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        report = copy(
            skopeo_mirror,
            *(f"-j{jobs}", "--stall-timeout=1s"),
            *(f"{origin.host}/app@{image.digest}" for image in images),
            f"docker://{destination.host}",
        )
    assert len(with_reason(report, mirror.host, "stalled")) <= most
    assert len(with_reason(report, mirror.host, "circuit-open")) >= MANY - most
    assert all(holds(destination, "app", pin_tag(image), image) for image in images)


def test_a_transfer_that_stands_still_while_uploading_is_the_sources_fault(
    skopeo_mirror: Program, origin: Registry, destination: Registry
) -> None:
    """The upload has begun and waits for the rest of the layer: the destination answers when it is asked."""
    large = make_image("large", size=1_000_000)
    origin.push("app", large)
    with FaultyRegistry(Fault(place=Place.LAYER, kind="stall")) as mirror:
        mirror.serve("app", large)
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        report = copy(
            skopeo_mirror, "--stall-timeout=1s", f"{origin.host}/app@{large.digest}", f"docker://{destination.host}"
        )
    assert [(attempt["kind"], attempt["reason"]) for attempt in only(report)["attempts"]] == [
        ("mirror", "stalled"),
        ("origin", None),
    ]


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        pytest.param("never-speak", ["destination"], id="and-says-nothing"),
        pytest.param("never-answer", ["stalled", "destination"], id="but-answers-questions"),
    ],
)
def test_a_destination_that_takes_nothing_is_at_fault_itself(
    skopeo_mirror: Program,
    mirror: Registry,
    second_mirror: Registry,
    origin: Registry,
    image: Image,
    kind: str,
    reasons: list[str],
) -> None:
    """Where it answers questions, the second candidate with which nothing moves tells that it is not the first."""
    for source in (mirror, second_mirror, origin):
        source.push("app", image)
    configure(skopeo_mirror, entry(origin.host, mirror.host, second_mirror.host))
    with FaultyRegistry(Fault(place=Place.UPLOAD, kind=kind)) as destination:
        report = copy(
            skopeo_mirror,
            *("--stall-timeout=1s", "--retries=0", f"{origin.host}/app@{image.digest}"),
            f"docker://{destination.host}",
            status=1,
        )
    failed = only(report)
    assert [attempt["reason"] for attempt in failed["attempts"]] == reasons
    assert failed["error"].startswith(f"docker://{destination.host}: ")
    assert origin.requests() == []


def test_a_bound_on_an_attempt_ends_it_although_it_moves(
    skopeo_mirror: Program, origin: Registry, destination: Registry, image: Image
) -> None:
    origin.push("app", image)
    with FaultyRegistry(Fault(place=Place.LAYER, kind="trickle")) as mirror:
        mirror.serve("app", image)
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        report = copy(
            skopeo_mirror, "--timeout=2500ms", f"{origin.host}/app@{image.digest}", f"docker://{destination.host}"
        )
    assert [(attempt["kind"], attempt["reason"]) for attempt in only(report)["attempts"]] == [
        ("mirror", "timeout"),
        ("origin", None),
    ]
