"""Two runs at once into one directory: both come to their end, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.bench.background import started, until
from tests.integration.bench.copying import PLAIN, configure, copy, entry, statuses
from tests.integration.bench.faults import Fault, Place
from tests.integration.bench.faulty import FaultyRegistry
from tests.integration.bench.images import make_image
from tests.integration.test_ending import Where

if TYPE_CHECKING:
    from tests.integration.bench.program import Program
    from tests.integration.bench.registry import Registry

KINDS = ["oci", "dir"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_publishes_while_another_is_under_way(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, kind: str
) -> None:
    """The first has published one image and is held in the next; the second brings both, and one more."""
    first, held, third = (make_image(name) for name in ("first", "held", "third"))
    for image in (first, third):
        mirror.push("app", image)
    where = Where(kind, skopeo_mirror, destination)
    with FaultyRegistry(Fault(place=Place.LAYER, kind="hold", times=1)) as holding:
        holding.serve("app", held)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host, holding.host))
        names = {image.digest: f"prod.invalid/app@{image.digest}" for image in (first, held, third)}
        command = ("copy", "-r", "registries.conf", PLAIN, names[first.digest], names[held.digest], where.name)
        with started(skopeo_mirror, *command) as run:
            until(lambda: where.has(first) and any("/blobs/" in request.path for request in holding.requests()))
            report = copy(skopeo_mirror, *names.values(), where.name)
            assert set(statuses(report).values()) == {"present", "copied"}
            assert run.process.poll() is None
            holding.heal()
            ended = run.wait()
    assert ended.status == 0, ended.stderr
    assert all(where.has(image) for image in (first, held, third))
    assert where.strangers() == []


@pytest.mark.parametrize("kind", KINDS)
def test_runs_that_start_together_lose_nothing(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, kind: str
) -> None:
    """Three lists that overlap."""
    images = [make_image(f"image-{number}") for number in range(9)]
    for image in images:
        mirror.push("app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    names = [f"prod.invalid/app@{image.digest}" for image in images]
    where = Where(kind, skopeo_mirror, destination)
    command = ("copy", "-r", "registries.conf", PLAIN, "-j3")
    with (
        started(skopeo_mirror, *command, *names[:5], where.name) as one,
        started(skopeo_mirror, *command, *names[2:7], where.name) as two,
        started(skopeo_mirror, *command, *reversed(names[4:]), where.name) as three,
    ):
        ended = [run.wait() for run in (one, two, three)]
    assert [run.status for run in ended] == [0, 0, 0], [run.stderr for run in ended]
    assert all(where.has(image) for image in images)
    assert where.strangers() == []
