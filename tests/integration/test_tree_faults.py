"""A fault costs one image of an index, and never a name that points at half of it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.test_destinations import blobs_below, names_in
from tests.rig.background import started, until
from tests.rig.copying import PLAIN, configure, copy, entry, only, report_of, statuses
from tests.rig.faults import Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import (
    make_bases,
    make_image,
    make_index,
    make_multi_architecture,
    make_operator,
    make_random_layer,
)
from tests.rig.skopeos import Noting
from tests.rig.trees import (
    TARGETS,
    digests_of,
    holds_tree,
    layers_of,
    named,
    part_statuses,
    parts_of,
    pulled,
    pulled_layers,
    wanted,
    weight_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.background import Background
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

OPERATOR = make_operator("app", make_bases("base"))
ODD_TYPE = "application/vnd.example.odd.v1+json"
DOCKER_OPERATOR = make_operator("docker app", make_bases("base"), docker=True)


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    """Return a mirror with a fault to be set."""
    with FaultyRegistry() as registry:
        yield registry


def own_layer(image: Image) -> str:
    """The layer of an operator's image that no other has."""
    return list(image.blobs)[-1]


def has_name(program: Program, target: str, destination: Registry) -> bool:
    """Whether anything at the destination has the name of the index, or any other."""
    if target == "docker":
        return destination.tags("ns/app") != []
    layout = program.directory / "images"
    return (layout / "index.json").exists() and names_in(layout) != []


def told(part: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(attempt["location"], attempt["outcome"], attempt["reason"]) for attempt in part["attempts"]]


@pytest.mark.parametrize(
    ("made", "target", "place", "kind", "reason"),
    [
        pytest.param(OPERATOR, "docker", Place.MANIFEST, "404", "not-found", id="manifest-missing"),
        pytest.param(OPERATOR, "docker", Place.MANIFEST, "wrong-bytes", "corrupt", id="manifest-of-another"),
        pytest.param(DOCKER_OPERATOR, "oci", Place.MANIFEST, "wrong-bytes", "corrupt", id="docker-manifest-of-another"),
        pytest.param(DOCKER_OPERATOR, "oci", Place.MANIFEST, "503", "server-error", id="manifest-503"),
        pytest.param(OPERATOR, "docker", Place.LAYER, "404", "not-found", id="layer-missing"),
        pytest.param(DOCKER_OPERATOR, "oci", Place.LAYER, "404", "not-found", id="docker-layer-missing"),
        pytest.param(OPERATOR, "oci", Place.LAYER, "corrupt", "corrupt", id="layer-corrupt"),
        pytest.param(OPERATOR, "docker", Place.LAYER, "429", "rate-limited", id="layer-429"),
        pytest.param(OPERATOR, "docker", Place.LAYER, "stall", "stalled", id="layer-stalled"),
        pytest.param(DOCKER_OPERATOR, "docker", Place.CONFIG, "truncated", "connection", id="config-truncated"),
    ],
)
def test_one_bad_image_at_the_first_mirror_alone_comes_from_the_second(
    skopeo_mirror: Program,
    faulty: FaultyRegistry,
    second_mirror: Registry,
    destination: Registry,
    made: Image,
    target: str,
    place: Place,
    kind: str,
    reason: str,
) -> None:
    bad = made.children[1]
    of = {Place.MANIFEST: bad.digest, Place.LAYER: own_layer(bad), Place.CONFIG: bad.config_digest}[place]
    faulty.serve("ns/app", made)
    faulty.fault = Fault(place=place, kind=kind, of=of)
    second_mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", faulty.host, second_mirror.host))
    stall = ["--stall-timeout=2s"] if kind == "stall" else []
    report = copy(skopeo_mirror, *stall, wanted(made), named(target, destination))
    image = only(report)
    assert (image["status"], image["confirmed"]) == ("copied", True)
    assert image["served_by"]["location"] == faulty.host
    parts = parts_of(image)
    for child in made.children:
        part = parts[child.digest]
        from_whom = second_mirror if child is bad else faulty
        assert part["served_by"]["reference"] == f"{from_whom.host}/ns/app@{child.digest}"
        if child is bad:
            assert told(part) == [(faulty.host, "failed", reason), (second_mirror.host, "served", None)]
        else:
            assert told(part) == [(faulty.host, "served", None)]
    assert set(pulled(second_mirror)) <= set(bad.blobs)
    served_by = report["summary"]["served_by"]
    assert served_by.keys() == {faulty.host, second_mirror.host}
    assert served_by[second_mirror.host]["bytes"] == parts[bad.digest]["bytes"]
    if target == "docker":
        assert holds_tree(destination, "ns/app", "v1", made)
    else:
        contents = {part.digest: part.manifest for part in made.walk()}
        assert blobs_below(skopeo_mirror.directory / "images") == {**made.blobs, **contents}


@pytest.mark.parametrize("kind", ["404", "wrong-bytes"])
def test_where_the_index_is_bad_all_of_it_comes_from_the_second(
    skopeo_mirror: Program, faulty: FaultyRegistry, second_mirror: Registry, destination: Registry, kind: str
) -> None:
    faulty.serve("ns/app", OPERATOR)
    faulty.fault = Fault(place=Place.MANIFEST, kind=kind, of=OPERATOR.digest)
    second_mirror.push("ns/app", OPERATOR)
    configure(skopeo_mirror, entry("prod.invalid", faulty.host, second_mirror.host))
    image = only(copy(skopeo_mirror, wanted(OPERATOR), named("docker", destination)))
    reason = {"404": "not-found", "wrong-bytes": "corrupt"}[kind]
    assert told(image) == [(faulty.host, "failed", reason), (second_mirror.host, "served", None)]
    for part in parts_of(image).values():
        assert told(part) == [(second_mirror.host, "served", None)]
    assert holds_tree(destination, "ns/app", "v1", OPERATOR)


def test_a_mirror_that_is_down_costs_a_few_images(
    skopeo_mirror: Program, second_mirror: Registry, destination: Registry
) -> None:
    """As with single images: then it is not asked for the others."""
    second_mirror.push("ns/app", OPERATOR)
    with FaultyRegistry(Fault(place=Place.CONNECT, kind="refuse")) as down:
        configure(skopeo_mirror, entry("prod.invalid", down.host, second_mirror.host))
        image = only(copy(skopeo_mirror, wanted(OPERATOR), named("docker", destination)))
    assert (image["status"], image["confirmed"]) == ("copied", True)
    assert {part["served_by"]["location"] for part in parts_of(image).values()} == {second_mirror.host}
    assert holds_tree(destination, "ns/app", "v1", OPERATOR)


def test_a_destination_that_goes_in_the_middle_stops_the_run(skopeo_mirror: Program, mirror: Registry) -> None:
    other = make_operator("other", make_bases("other"))
    mirror.push("ns/app", OPERATOR)
    mirror.push("ns/other", other)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    names = [wanted(OPERATOR), f"prod.invalid/ns/other:v1@{other.digest}"]
    with FaultyRegistry(Fault(place=Place.UPLOAD, kind="refuse")) as gone:
        report = copy(skopeo_mirror, "-j1", "--retries=0", *names, f"docker://{gone.host}", status=1)
    assert "the destination cannot be reached" in report["stopped"]
    assert statuses(report) == dict.fromkeys(names, "failed")
    first = parts_of(report["images"][0])
    assert first.keys() == digests_of(OPERATOR.children)
    assert {part["status"] for part in first.values()} == {"failed"}
    assert {attempt["reason"] for part in first.values() for attempt in part["attempts"]} <= {"destination"}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_that_nobody_has_fails_the_index(
    skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry, target: str
) -> None:
    """Nor can it be had with all the rest, which is tried."""
    missing = OPERATOR.children[2]
    with FaultyRegistry() as second:
        for registry in (faulty, second):
            registry.serve("ns/app", OPERATOR)
            del registry.store.manifests["ns/app", missing.digest]
        configure(skopeo_mirror, entry("prod.invalid", faulty.host, second.host))
        noting = Noting(skopeo_mirror)
        arguments = [f"--skopeo={noting.path}", "--mirrors-only", wanted(OPERATOR), named(target, destination)]
        image = only(copy(skopeo_mirror, *arguments, status=1))
        assert (image["status"], image["confirmed"]) == ("failed", False)
        assert missing.digest in image["error"]
        assert f"linux/{missing.architecture}" in image["whole"]
        assert {(attempt["location"], attempt["reason"]) for attempt in image["attempts"]} == {
            (faulty.host, "not-found"),
            (second.host, "not-found"),
        }
        assert parts_of(image) == {}
        assert any(" --all " in run and f"@{OPERATOR.digest}" in run for run in noting.copies())
        assert not has_name(skopeo_mirror, target, destination)
        second.serve("ns/app", OPERATOR)
        assert only(copy(skopeo_mirror, *arguments))["status"] == "copied"


def test_a_layer_that_nobody_has_fails_its_image_and_the_index(
    skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry
) -> None:
    """The other images are there, without a name; the next run brings the rest."""
    bad = OPERATOR.children[2]
    faulty.serve("ns/app", OPERATOR)
    faulty.fault = Fault(place=Place.LAYER, kind="corrupt", of=own_layer(bad))
    configure(skopeo_mirror, entry("prod.invalid", faulty.host))
    arguments = ["--mirrors-only", wanted(OPERATOR), named("docker", destination)]
    image = only(copy(skopeo_mirror, *arguments, status=1))
    assert (image["status"], image["confirmed"]) == ("failed", False)
    assert f"linux/{bad.architecture}" in image["error"]
    assert part_statuses(image) == {child.digest: "failed" if child is bad else "copied" for child in OPERATOR.children}
    part = parts_of(image)[bad.digest]
    assert told(part) == [(faulty.host, "failed", "corrupt")]
    assert "Digest did not match" in part["error"]
    assert not has_name(skopeo_mirror, "docker", destination)
    faulty.heal()
    faulty.forget()
    mended = only(copy(skopeo_mirror, *arguments))
    assert part_statuses(mended) == {
        child.digest: "copied" if child is bad else "present" for child in OPERATOR.children
    }
    assert set(pulled(faulty)) <= {own_layer(bad), bad.config_digest}
    assert holds_tree(destination, "ns/app", "v1", OPERATOR)


def test_a_failing_index_costs_the_others_nothing(
    skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry
) -> None:
    other = make_operator("other", make_bases("base"))
    bad = OPERATOR.children[0]
    faulty.serve("ns/app", OPERATOR)
    faulty.serve("ns/other", other)
    faulty.fault = Fault(place=Place.LAYER, kind="404", of=own_layer(bad))
    configure(skopeo_mirror, entry("prod.invalid", faulty.host))
    names = [wanted(OPERATOR), f"prod.invalid/ns/other:v1@{other.digest}"]
    report = copy(skopeo_mirror, "-j1", "--mirrors-only", *names, named("docker", destination), status=1)
    assert statuses(report) == dict(zip(names, ["failed", "copied"], strict=True))
    assert holds_tree(destination, "ns/other", "v1", other)
    assert destination.tags("ns/app") == []


def test_every_failed_attempt_at_an_image_has_its_log(
    skopeo_mirror: Program, faulty: FaultyRegistry, second_mirror: Registry, destination: Registry
) -> None:
    bad = OPERATOR.children[3]
    faulty.serve("ns/app", OPERATOR)
    faulty.fault = Fault(place=Place.LAYER, kind="corrupt", of=own_layer(bad))
    configure(skopeo_mirror, entry("prod.invalid", faulty.host, second_mirror.host))
    arguments = ["--mirrors-only", "--log-dir=logs", wanted(OPERATOR), named("docker", destination)]
    image = only(copy(skopeo_mirror, *arguments, status=1))
    kept = [file for file in (skopeo_mirror.directory / "logs").iterdir() if "Digest did not match" in file.read_text()]
    assert len(kept) == 1
    assert bad.digest.removeprefix("sha256:") in kept[0].name
    assert f"logs/{kept[0].name}" in json.dumps(parts_of(image)[bad.digest])


class TestBadInput:
    @pytest.mark.parametrize("docker", [False, True], ids=["oci-index", "docker-list"])
    def test_an_image_that_is_named_twice_is_copied_once(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, docker: bool
    ) -> None:
        one, two = (make_image(name, docker=docker) for name in ("one", "two"))
        made = make_index([one, two, one], docker=docker)
        mirror.push("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        image = only(copy(skopeo_mirror, wanted(made), named("docker", destination)))
        assert (image["status"], image["confirmed"]) == ("copied", True)
        assert part_statuses(image) == dict.fromkeys(digests_of([one, two]), "copied")
        assert pulled_layers(mirror, made) == layers_of(made)
        assert holds_tree(destination, "ns/app", "v1", made)

    @pytest.mark.parametrize(
        "there", [pytest.param(290, id="few-new"), pytest.param(0, id="all-new", marks=pytest.mark.slow)]
    )
    def test_three_hundred_images(self, skopeo_mirror: Program, faulty: FaultyRegistry, there: int) -> None:
        base = make_random_layer("base", 1000)
        made = make_index([make_image(f"{number}", layers=[base]) for number in range(300)])
        faulty.serve("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", faulty.host))
        with FaultyRegistry() as destination:
            for child in made.children[:there]:
                destination.serve("ns/app", child)
            image = only(copy(skopeo_mirror, wanted(made), f"docker://{destination.host}"))
            assert holds_tree(destination, "ns/app", "v1", made)
        assert (image["status"], image["confirmed"]) == ("copied", True)
        assert part_statuses(image) == {
            child.digest: "present" if number < there else "copied" for number, child in enumerate(made.children)
        }

    @pytest.mark.parametrize("target", TARGETS)
    def test_an_index_inside_an_index(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, target: str
    ) -> None:
        """Which `skopeo copy --all` cannot copy."""
        inner = make_multi_architecture("inner")
        made = make_index([make_image("one"), inner])
        mirror.push("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        arguments = [wanted(made), named(target, destination)]
        image = only(copy(skopeo_mirror, *arguments))
        assert (image["status"], image["confirmed"]) == ("copied", True)
        assert (
            part_statuses(image).items()
            >= {child.digest: "copied" for child in (made.children[0], *inner.children)}.items()
        )
        if target == "docker":
            assert holds_tree(destination, "ns/app", "v1", made)
        else:
            contents = {part.digest: part.manifest for part in made.walk()}
            assert blobs_below(skopeo_mirror.directory / "images") == {**made.blobs, **contents}
            assert names_in(skopeo_mirror.directory / "images") == [wanted(made)]
        mirror.forget()
        assert only(copy(skopeo_mirror, *arguments))["status"] == "present"
        assert mirror.requests() == []

    @pytest.mark.parametrize(
        ("like", "options"),
        [
            pytest.param("an image", [], id="like-an-image"),
            pytest.param("an image", ["--no-plan"], id="like-an-image-no-plan"),
            pytest.param("nothing else", [], id="like-nothing-else"),
        ],
    )
    def test_an_image_of_a_type_that_nobody_knows(
        self, skopeo_mirror: Program, faulty: FaultyRegistry, like: str, options: list[str]
    ) -> None:
        """No skopeo copies it; every mirror has the same, and none is at fault."""
        odd = make_image("odd")
        strange = {"mediaType": ODD_TYPE, "schemaVersion": 2}
        content = json.dumps(json.loads(odd.manifest) | strange if like == "an image" else strange).encode()
        made = make_index([make_image("one"), replace(odd, manifest=content, media_type=ODD_TYPE)])
        with FaultyRegistry() as second:
            for registry in (faulty, second):
                registry.serve("ns/app", made)
            configure(skopeo_mirror, entry("prod.invalid", faulty.host, second.host))
            image = only(copy(skopeo_mirror, *options, "--mirrors-only", wanted(made), "oci:images", status=1))
            assert second.requests() == []
        assert image["status"] == "failed"
        assert f"{ODD_TYPE!r}, which no skopeo copies" in image["error"]
        assert "failed" not in [attempt["outcome"] for attempt in image["attempts"]]
        assert not (skopeo_mirror.directory / "images/index.json").exists()

    @pytest.mark.parametrize(
        ("docker", "target"),
        [
            pytest.param(False, "docker", id="oci-index-to-registry"),
            pytest.param(True, "oci", id="docker-list-to-layout"),
        ],
    )
    def test_an_index_without_images(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, target: str, docker: bool
    ) -> None:
        made = make_index([], docker=docker)
        mirror.push("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        arguments = [wanted(made), named(target, destination)]
        image = only(copy(skopeo_mirror, *arguments))
        assert (image["status"], image["confirmed"], parts_of(image)) == ("copied", True, {})
        if target == "docker":
            assert destination.manifest("ns/app", "v1") == made.manifest
        else:
            assert blobs_below(skopeo_mirror.directory / "images") == {made.digest: made.manifest}
        mirror.forget()
        assert only(copy(skopeo_mirror, *arguments))["status"] == "present"
        assert mirror.requests() == []


class TestSourceWithoutDigests:
    """A source that serves an index and, when they are read ahead, not the images of it."""

    def test_is_asked_for_the_whole(
        self, skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry
    ) -> None:
        made = make_multi_architecture("app")
        faulty.serve("ns/app", made)
        faulty.fault = Fault(place=Place.MANIFEST, kind="404", of=made.children[1].digest)
        configure(skopeo_mirror, entry("prod.invalid", faulty.host))
        noting = Noting(skopeo_mirror, holds=f"--all*{made.digest}", then="while ! [ -e go ]; do sleep 0.02; done")
        command = ("copy", "-r", "registries.conf", "--json", PLAIN, f"--skopeo={noting.path}", "--mirrors-only")
        with started(skopeo_mirror, *command, wanted(made), named("docker", destination)) as run:
            until(lambda: any(made.digest in copying for copying in noting.copies()) or run.process.poll() is not None)
            faulty.heal()
            (skopeo_mirror.directory / "go").touch()
            ended = run.wait()
        image = only(report_of(ended))
        assert (image["status"], image["confirmed"], parts_of(image)) == ("copied", True, {})
        assert "linux/arm64" in image["whole"]
        assert "index-only" not in " ".join(noting.copies())
        assert holds_tree(destination, "ns/app", "v1", made)


class TestRateLimits:
    def test_of_one_image_is_waited_out_where_nobody_else_is_left(
        self, skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry
    ) -> None:
        limited = OPERATOR.children[0]
        faulty.serve("ns/app", OPERATOR)
        faulty.fault = Fault(place=Place.LAYER, kind="429-retry-after", times=6, of=own_layer(limited))
        configure(skopeo_mirror, entry("prod.invalid", faulty.host))
        arguments = ["--mirrors-only", "--retries=1", wanted(OPERATOR), named("docker", destination)]
        image = only(copy(skopeo_mirror, *arguments))
        assert (image["status"], image["confirmed"]) == ("copied", True)
        assert told(parts_of(image)[limited.digest])[-1] == (faulty.host, "served", None)
        assert sum(request.status == 429 for request in faulty.requests()) == 6
        assert set(pulled(faulty)) == set(OPERATOR.blobs)  # what else the run that was ended had begun, is begun anew

    def test_of_an_images_manifest_are_waited_out_too(
        self, skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry
    ) -> None:
        made = make_multi_architecture("app")
        faulty.serve("ns/app", made)
        faulty.fault = Fault(place=Place.MANIFEST, kind="429-retry-after", times=2, of=made.children[1].digest)
        configure(skopeo_mirror, entry("prod.invalid", faulty.host))
        image = only(copy(skopeo_mirror, "--mirrors-only", wanted(made), named("docker", destination)))
        assert (image["status"], image["confirmed"]) == ("copied", True)
        assert holds_tree(destination, "ns/app", "v1", made)


@pytest.mark.parametrize(
    ("made", "target"),
    [
        pytest.param(OPERATOR, "docker", id="oci-index-to-registry"),
        pytest.param(DOCKER_OPERATOR, "oci", id="docker-list-to-layout"),
    ],
)
def test_killed_between_images_and_index_leaves_no_name(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, made: Image, target: str
) -> None:
    """All images are there, and skopeo is about to bring the index; the next run asks for nothing else."""
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    noting = Noting(skopeo_mirror, holds="index-only")
    arguments = [wanted(made), named(target, destination)]
    with started(skopeo_mirror, "copy", "-r", "registries.conf", PLAIN, f"--skopeo={noting.path}", *arguments) as run:
        until(lambda: any("index-only" in copying for copying in noting.copies()) or run.process.poll() is not None)
        assert run.process.poll() is None
        run.process.kill()
        run.wait()
        run.wait_until_gone()
    assert not has_name(skopeo_mirror, target, destination)
    mirror.forget()
    image = only(copy(skopeo_mirror, *arguments))
    assert (image["status"], image["confirmed"]) == ("copied", True)
    assert part_statuses(image) == dict.fromkeys(digests_of(made.children), "present")
    assert pulled(mirror) == []
    assert has_name(skopeo_mirror, target, destination)


@contextmanager
def before_the_index(program: Program, target: str, destination: Registry, made: Image) -> Iterator[Background]:
    """A run whose images are all there, and whose skopeo is about to bring the index, once there is a file `go`."""
    noting = Noting(program, holds="index-only", then="while ! [ -e go ]; do sleep 0.02; done")
    command = ("copy", "-r", "registries.conf", "--json", PLAIN, f"--skopeo={noting.path}")
    with started(program, *command, wanted(made), named(target, destination)) as run:
        until(lambda: any("index-only" in copying for copying in noting.copies()) or run.process.poll() is not None)
        yield run


def test_an_index_that_its_images_mirror_has_lost_comes_from_the_second(
    skopeo_mirror: Program, faulty: FaultyRegistry, second_mirror: Registry, destination: Registry
) -> None:
    faulty.serve("ns/app", OPERATOR)
    second_mirror.push("ns/app", OPERATOR)
    configure(skopeo_mirror, entry("prod.invalid", faulty.host, second_mirror.host))
    with before_the_index(skopeo_mirror, "docker", destination, OPERATOR) as run:
        faulty.fault = Fault(place=Place.MANIFEST, kind="404", of=OPERATOR.digest)
        (skopeo_mirror.directory / "go").touch()
        report = report_of(run.wait())
    image = only(report)
    assert told(image) == [(faulty.host, "failed", "not-found"), (second_mirror.host, "served", None)]
    assert {part["served_by"]["location"] for part in parts_of(image).values()} == {faulty.host}
    assert {where: served["bytes"] for where, served in report["summary"]["served_by"].items()} == {
        faulty.host: weight_of(*OPERATOR.children),
        second_mirror.host: len(OPERATOR.manifest),
    }
    assert holds_tree(destination, "ns/app", "v1", OPERATOR)


@pytest.mark.parametrize("lost", ["manifest", "layer"])
def test_an_image_that_was_removed_before_its_index_came_is_brought_again(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, lost: str
) -> None:
    """Images of an index that is under way have no name in a layout: who cleans it up would take them for rubbish."""
    mirror.push("ns/app", OPERATOR)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    bad = OPERATOR.children[1]
    digest = bad.digest if lost == "manifest" else own_layer(bad)
    with before_the_index(skopeo_mirror, "oci", destination, OPERATOR) as run:
        (skopeo_mirror.directory / "images/blobs" / digest.replace(":", "/")).unlink()
        (skopeo_mirror.directory / "go").touch()
        image = only(report_of(run.wait()))
    assert (image["status"], image["confirmed"]) == ("copied", True)
    assert part_statuses(image) == {
        child.digest: "copied" if child is bad else "present" for child in OPERATOR.children
    }
    contents = {part.digest: part.manifest for part in OPERATOR.walk()}
    assert blobs_below(skopeo_mirror.directory / "images") == {**OPERATOR.blobs, **contents}


@pytest.mark.parametrize("target", TARGETS)
def test_killed_in_the_middle_leaves_no_name_and_the_next_run_brings_what_is_missing(
    skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry, target: str
) -> None:
    held = OPERATOR.children[1]
    others = [child for child in OPERATOR.children if child is not held]
    faulty.serve("ns/app", OPERATOR)
    faulty.fault = Fault(place=Place.LAYER, kind="hold", of=own_layer(held))
    configure(skopeo_mirror, entry("prod.invalid", faulty.host))
    arguments = [wanted(OPERATOR), named(target, destination)]
    with started(skopeo_mirror, "copy", "-r", "registries.conf", PLAIN, *arguments) as run:
        until(lambda: arrived(skopeo_mirror.directory / "images", target, destination, others))
        until(lambda: any(request.path.endswith(own_layer(held)) for request in faulty.requests()))
        run.process.kill()
        run.wait()
        run.wait_until_gone()
    assert not has_name(skopeo_mirror, target, destination)
    faulty.heal()
    faulty.forget()
    image = only(copy(skopeo_mirror, *arguments))
    assert (image["status"], image["confirmed"]) == ("copied", True)
    assert part_statuses(image) == {
        child.digest: "copied" if child is held else "present" for child in OPERATOR.children
    }
    assert set(pulled(faulty)) <= set(held.blobs)
    if target == "docker":
        assert holds_tree(destination, "ns/app", "v1", OPERATOR)
    else:
        contents = {part.digest: part.manifest for part in OPERATOR.walk()}
        layout = skopeo_mirror.directory / "images"
        assert blobs_below(layout) == {**OPERATOR.blobs, **contents}
        assert {path.name for path in layout.iterdir()} == {"blobs", "index.json", "oci-layout"}


def arrived(layout: Path, target: str, destination: Registry, children: list[Image]) -> bool:
    """Whether images are at the destination, by their digests alone."""
    if target == "docker":
        return all(destination.manifest("ns/app", child.digest) is not None for child in children)
    there = blobs_below(layout)
    return all(child.digest in there and child.blobs.keys() <= there.keys() for child in children)


class TestStop:
    def test_on_a_signal_says_of_each_image_what_became_of_it(
        self, skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry
    ) -> None:
        """Three images of the index are done, one is held; the index never began, nor did another."""
        held = OPERATOR.children[1]
        others = [child for child in OPERATOR.children if child is not held]
        faulty.serve("ns/app", OPERATOR)
        faulty.fault = Fault(place=Place.LAYER, kind="hold", of=own_layer(held))
        configure(skopeo_mirror, entry("prod.invalid", faulty.host))
        command = ("copy", "-r", "registries.conf", PLAIN, "--report=report.json", "--failed-images=failed")
        with started(skopeo_mirror, *command, wanted(OPERATOR), named("docker", destination)) as run:
            until(lambda: arrived(skopeo_mirror.directory, "docker", destination, others))
            until(lambda: any(request.path.endswith(own_layer(held)) for request in faulty.requests()))
            copies = f" docker://{destination.host}/ns/app@"  # the others' may still have to end
            until(lambda: len([command for command in run.left() if copies in command]) == 1)
            run.process.terminate()
            ended = run.wait()
            assert run.left() == []
        assert (ended.status, ended.stdout.count("\n")) == (143, 1), ended.stderr
        assert "Traceback" not in ended.stderr
        report = json.loads((skopeo_mirror.directory / "report.json").read_text())
        image = only(report)
        assert (image["status"], image["confirmed"]) == ("failed", False)
        assert image["error"] == f"not copied: {report['stopped']}"
        found = parts_of(image)
        assert {digest: part["error"] for digest, part in found.items() if part["status"] == "failed"} == {
            held.digest: image["error"]
        }
        for digest, part in found.items():
            assert part["status"] != "copied" or destination.manifest("ns/app", digest) is not None
            assert (part["status"] == "failed") is (part["error"] is not None)
        assert (skopeo_mirror.directory / "failed").read_text().split() == [wanted(OPERATOR)]
        assert destination.tags("ns/app") == []
        faulty.heal()
        again = only(copy(skopeo_mirror, wanted(OPERATOR), named("docker", destination)))
        assert part_statuses(again) == {
            child.digest: "copied" if child is held else "present" for child in OPERATOR.children
        }

    def test_after_the_first_failure_tells_of_every_image(
        self, skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry
    ) -> None:
        made = {"app": OPERATOR, **{name: make_operator(name, make_bases("base")) for name in ("b", "c")}}
        bad = OPERATOR.children[0]
        for name, image in made.items():
            faulty.serve(f"ns/{name}", image)
        faulty.fault = Fault(place=Place.LAYER, kind="404", of=own_layer(bad))
        configure(skopeo_mirror, entry("prod.invalid", faulty.host))
        names = [f"prod.invalid/ns/{name}:v1@{image.digest}" for name, image in made.items()]
        options = ["--fail-fast", "-j1", "--mirrors-only"]
        report = copy(skopeo_mirror, *options, *names, named("docker", destination), status=1)
        assert report["stopped"] == f"--fail-fast: {names[0]} failed"
        first, *rest = report["images"]
        assert first["status"] == "failed"
        assert parts_of(first)[bad.digest]["status"] == "failed"
        assert first["error"] != f"not copied: {report['stopped']}"
        assert rest[-1]["status"] == "failed"
        assert rest[-1]["error"] == f"not copied: {report['stopped']}"
        for image in report["images"]:
            repository = image["destination"].rpartition("/ns/")[2].removesuffix(":v1")
            assert (image["status"] == "copied") is (destination.tags(f"ns/{repository}") == ["v1"])
            for digest, part in parts_of(image).items():
                assert part["status"] != "copied" or destination.manifest(f"ns/{repository}", digest) is not None
