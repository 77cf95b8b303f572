"""Two runs at once into one directory: both come to their end, and nothing is lost."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.oci_layout import REF_NAME, read_index, ref_name
from tests.integration.test_ending import Where
from tests.rig.background import started, until
from tests.rig.copying import PLAIN, configure, copy, entry, statuses
from tests.rig.faults import Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import make_bases, make_image, make_operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.program import Program
    from tests.rig.registry import Registry

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


@pytest.mark.parametrize("kind", ["docker", "oci"])
def test_indexes_that_two_runs_bring_at_once_are_whole(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, kind: str
) -> None:
    """Image by image, the same ones, in another order."""
    bases = make_bases("base")
    images = [make_operator(f"{number}", bases) for number in range(3)]
    for image in images:
        mirror.push("app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    names = [f"prod.invalid/app@{image.digest}" for image in images]
    where = Where(kind, skopeo_mirror, destination)
    command = ("copy", "-r", "registries.conf", PLAIN, "-j3")
    with (
        started(skopeo_mirror, *command, *names, where.name) as one,
        started(skopeo_mirror, *command, *reversed(names), where.name) as two,
    ):
        ended = [run.wait() for run in (one, two)]
    assert [run.status for run in ended] == [0, 0], [run.stderr for run in ended]
    assert all(where.has(image) for image in images)
    assert where.strangers() == []
    assert set(statuses(copy(skopeo_mirror, *names, where.name)).values()) == {"present"}


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold a destination as a run does that publishes."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def waits_for_a_lock(pid: int) -> bool:
    """Tell whether a process waits for a lock that somebody else holds (proc(5), /proc/locks)."""
    return any(
        fields[1] == "->" and str(pid) in fields
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()
        if (fields := line.split())
    )


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_published_while_another_publishes(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, kind: str
) -> None:
    """What the other has written to the index meanwhile is still there afterwards."""
    image = make_image("image")
    mirror.push("app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    where = Where(kind, skopeo_mirror, destination)
    where.directory.mkdir()
    command = ("copy", "-r", "registries.conf", PLAIN, f"prod.invalid/app@{image.digest}", where.name)
    with started(skopeo_mirror, *command) as run:
        with held(where.directory):
            until(lambda: waits_for_a_lock(run.process.pid) or run.process.poll() is not None)
            assert run.process.poll() is None
            assert not where.has(image)
            if kind == "oci":
                others = {"digest": image.digest, "size": 1, "annotations": {REF_NAME: "others"}}
                (where.directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [others]}))
        ended = run.wait()
    assert ended.status == 0, ended.stderr
    assert where.has(image)
    if kind == "oci":
        index = read_index(where.directory) or {}
        assert [ref_name(found) for found in index["manifests"]] == ["others", f"prod.invalid/app@{image.digest}"]
