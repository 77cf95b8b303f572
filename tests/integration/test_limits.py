"""How much is asked of whom: rate limits, retries, hosts that are down, a destination that is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from skopeo_mirror.transfer.circuits import IMAGES
from tests.rig.copying import configure, copy, entry, only, pin_tag
from tests.rig.faults import FAULTS, Fault, Place, answers
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import make_image

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

MANIFEST_429 = Fault(place=Place.MANIFEST, kind="429")


def told(report: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return the host and the reason of each attempt of the only image, in order."""
    return [(attempt["reference"].partition("/")[0], attempt["reason"]) for attempt in only(report)["attempts"]]


def limited(registry: FaultyRegistry) -> int:
    """Return how many requests were answered with 429."""
    return sum(request.status == 429 for request in registry.requests())


class TestRateLimits:
    @pytest.mark.parametrize("place", [Place.MANIFEST, Place.CONFIG, Place.LAYER])
    def test_yields_to_the_next_at_once(
        self, skopeo_mirror: Program, origin: Registry, destination: Registry, image: Image, place: Place
    ) -> None:
        """By itself skopeo would have asked five times, in 30 s."""
        origin.push("app", image)
        with FaultyRegistry(Fault(place=place, kind="429")) as mirror:
            mirror.serve("app", image)
            configure(skopeo_mirror, entry(origin.host, mirror.host))
            report = copy(skopeo_mirror, f"{origin.host}/app@{image.digest}", f"docker://{destination.host}")
            assert told(report) == [(mirror.host, "rate-limited"), (origin.host, None)]
            assert limited(mirror) <= (2 if place is Place.LAYER else 1)  # two layers are asked for at once

    def test_the_limited_one_comes_last(
        self, skopeo_mirror: Program, second_mirror: Registry, origin: Registry, destination: Registry, image: Image
    ) -> None:
        with FaultyRegistry(Fault(place=Place.MANIFEST, kind="429", times=1)) as mirror:
            mirror.serve("app", image)
            configure(skopeo_mirror, entry(origin.host, mirror.host, second_mirror.host))
            report = copy(skopeo_mirror, f"{origin.host}/app@{image.digest}", f"docker://{destination.host}")
            assert told(report) == [
                (mirror.host, "rate-limited"),
                (second_mirror.host, "not-found"),
                (origin.host, "not-found"),
                (mirror.host, None),
            ]

    def test_what_the_server_asks_for_is_waited_for_where_nobody_else_is_left(
        self, skopeo_mirror: Program, destination: Registry, image: Image, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The wait is no stall, and no failed attempt: skopeo says that it waits."""
        monkeypatch.setitem(FAULTS[Place.MANIFEST], "429-retry-after", answers(429, Retry_After="3"))
        with FaultyRegistry(Fault(place=Place.MANIFEST, kind="429-retry-after", times=1)) as origin:
            origin.serve("app", image)
            configure(skopeo_mirror, entry(origin.host))
            report = copy(
                skopeo_mirror,
                *("--stall-timeout=1s", f"{origin.host}/app@{image.digest}", f"docker://{destination.host}"),
            )
            assert told(report) == [(origin.host, None)]
            assert limited(origin) == 1

    def test_the_servers_wish_is_respected(self, skopeo_mirror: Program, destination: Registry, image: Image) -> None:
        """By skopeo, which says so, and by the next round."""
        with FaultyRegistry(Fault(place=Place.MANIFEST, kind="429-retry-after", times=5)) as origin:
            origin.serve("app", image)
            configure(skopeo_mirror, entry(origin.host))
            run = skopeo_mirror(
                *("copy", "-r", "registries.conf", "--dest-tls-verify=false", "--retries=1", "--log-dir=logs"),
                *(f"{origin.host}/app@{image.digest}", f"docker://{destination.host}"),
            )
        assert run.status == 0, run.stderr
        logs = "".join(log.read_text() for log in (skopeo_mirror.directory / "logs").iterdir())
        assert "sleeping for 1.000000 seconds" in logs
        assert "sleeping for 2.000000 seconds" not in logs
        assert "trying again in 1 s" in run.stderr

    @pytest.mark.slow
    def test_without_a_wish_skopeo_waits_half_a_minute(
        self, skopeo_mirror: Program, destination: Registry, image: Image
    ) -> None:
        with FaultyRegistry(Fault(place=Place.MANIFEST, kind="429", times=4)) as origin:
            origin.serve("app", image)
            configure(skopeo_mirror, entry(origin.host))
            report = copy(
                skopeo_mirror,
                *("--stall-timeout=3s", f"{origin.host}/app@{image.digest}", f"docker://{destination.host}"),
            )
            assert told(report) == [(origin.host, None)]
            assert limited(origin) == 4


class TestRetries:
    @pytest.mark.parametrize(
        ("kind", "rounds"),
        [
            pytest.param(kind, rounds, id=kind)
            for kind, rounds in {
                **dict.fromkeys(("500", "502", "503", "close", "never-answer"), 2),
                **dict.fromkeys(("401", "403", "404", "wrong-bytes", "html"), 1),
            }.items()
        ],
    )
    def test_only_what_may_pass_gets_another_round(
        self, skopeo_mirror: Program, destination: Registry, image: Image, kind: str, rounds: int
    ) -> None:
        with FaultyRegistry(Fault(place=Place.LAYER, kind=kind)) as origin:
            origin.serve("app", image)
            configure(skopeo_mirror, entry(origin.host))
            report = copy(
                skopeo_mirror,
                *("--retries=1", "--stall-timeout=1s", f"{origin.host}/app@{image.digest}"),
                f"docker://{destination.host}",
                status=1,
            )
            configs = [request for request in origin.requests() if request.path.endswith(str(image.config_digest))]
            manifests = [request for request in origin.requests() if "/manifests/" in request.path]
        assert len(only(report)["attempts"]) == rounds
        assert len(manifests) == 1 + rounds  # one for the plan
        assert len(configs) <= rounds

    def test_another_round_finds_what_has_passed(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
    ) -> None:
        """Every candidate has had its turn before."""
        with FaultyRegistry(Fault(place=Place.MANIFEST, kind="503", times=1)) as origin:
            origin.serve("app", image)
            configure(skopeo_mirror, entry(origin.host, mirror.host))
            report = copy(skopeo_mirror, f"{origin.host}/app@{image.digest}", f"docker://{destination.host}")
            assert told(report) == [
                (mirror.host, "not-found"),
                (origin.host, "server-error"),
                (origin.host, None),
            ]


class TestCircuits:
    @pytest.mark.parametrize("kind", [pytest.param("refuse", id="refuses"), pytest.param("close", id="hangs-up")])
    def test_a_host_that_is_down_is_left_alone(
        self, skopeo_mirror: Program, origin: Registry, destination: Registry, kind: str
    ) -> None:
        images = [make_image(f"image-{number}") for number in range(6)]
        for image in images:
            origin.push("app", image)
        with FaultyRegistry(Fault(place=Place.CONNECT, kind=kind)) as mirror:
            configure(skopeo_mirror, entry(origin.host, mirror.host))
            report = copy(
                skopeo_mirror,
                *("-j1", *(f"{origin.host}/app@{image.digest}" for image in images), f"docker://{destination.host}"),
            )
        reasons = [attempt["reason"] for image in report["images"] for attempt in image["attempts"]]
        assert reasons.count("connection") == IMAGES
        assert reasons.count("circuit-open") == len(images) - IMAGES
        skipped = [
            attempt for image in report["images"] for attempt in image["attempts"] if attempt["outcome"] == "skipped"
        ]
        assert {(attempt["reference"].partition("/")[0], attempt["reason"]) for attempt in skipped} == {
            (mirror.host, "circuit-open")
        }

    def test_it_is_tried_where_it_is_all_that_is_left(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry
    ) -> None:
        """Also where others were left at first: the origin, which is down, and the mirror, which has nothing."""
        images = [make_image(f"image-{number}") for number in range(4)]
        with FaultyRegistry(Fault(place=Place.CONNECT, kind="refuse")) as origin:
            configure(skopeo_mirror, entry(origin.host, mirror.host))
            report = copy(
                skopeo_mirror,
                *("-j1", "--retries=0", *(f"{origin.host}/app@{image.digest}" for image in images)),
                f"docker://{destination.host}",
                status=1,
            )
        for image in report["images"]:
            last: dict[str, Any] = {attempt["kind"]: attempt["reason"] for attempt in image["attempts"]}
            assert last == {"mirror": "not-found", "origin": "connection"}

    def test_a_host_that_is_back_serves_those_that_have_nobody_else(
        self, skopeo_mirror: Program, destination: Registry
    ) -> None:
        """It hangs up on the first images, and is well again; nobody waits out the pause of its circuit."""
        images = [make_image(f"image-{number}") for number in range(6)]
        with FaultyRegistry(Fault(place=Place.CONNECT, kind="close", times=8)) as origin:
            for image in images:
                origin.serve("app", image)
            configure(skopeo_mirror, entry(origin.host))
            report = copy(
                skopeo_mirror,
                *("-j1", "--retries=0", *(f"{origin.host}/app@{image.digest}" for image in images)),
                f"docker://{destination.host}",
                status=1,
            )
        assert [image["status"] for image in report["images"]][-1] == "copied"
        assert len([image for image in report["images"] if image["status"] == "failed"]) >= IMAGES


class TestLostDestination:
    @pytest.mark.parametrize(
        "kind", [pytest.param("refuse", id="refuses"), pytest.param("never-speak", id="never-speaks")]
    )
    def test_a_destination_that_is_gone_stops_the_run(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry, kind: str
    ) -> None:
        images = [make_image(f"image-{number}") for number in range(8)]
        for image in images:
            mirror.push("app", image)
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        with FaultyRegistry(Fault(place=Place.CONNECT, kind=kind)) as destination:
            report = copy(
                skopeo_mirror,
                *("-j2", "--stall-timeout=1s", "--retries=1"),
                *(f"{origin.host}/app@{image.digest}" for image in images),
                f"docker://{destination.host}",
                status=1,
            )
        assert "the destination cannot be reached" in report["stopped"]
        assert [image["status"] for image in report["images"]] == ["failed"] * len(images)
        asked = [image for image in report["images"] if image["error"].startswith(f"docker://{destination.host}: ")]
        assert 1 <= len(asked) <= 2
        assert all(
            image["error"].startswith("not copied: the destination") for image in report["images"] if image not in asked
        )
        assert origin.requests() == []
        assert not any("/blobs/" in request.path for request in mirror.requests())

    def test_a_destination_that_goes_in_the_middle_stops_the_run(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry
    ) -> None:
        images = [make_image(f"image-{number}") for number in range(8)]
        for image in images:
            mirror.push("app", image)
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        with FaultyRegistry(Fault(place=Place.UPLOAD, kind="refuse")) as destination:
            report = copy(
                skopeo_mirror,
                *("-j1", "--retries=1", *(f"{origin.host}/app@{image.digest}" for image in images)),
                f"docker://{destination.host}",
                status=1,
            )
        assert "the destination cannot be reached" in report["stopped"]
        reasons = {attempt["reason"] for image in report["images"] for attempt in image["attempts"]}
        assert reasons <= {"destination"}
        assert origin.requests() == []

    def test_a_destination_that_is_back_in_time_is_not_lost(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry, image: Image
    ) -> None:
        mirror.push("app", image)
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        with FaultyRegistry(Fault(place=Place.UPLOAD, kind="503", times=1)) as destination:
            report = copy(skopeo_mirror, f"{origin.host}/app@{image.digest}", f"docker://{destination.host}")
            assert destination.manifest("app", pin_tag(image)) == image.manifest
        assert told(report) == [(mirror.host, "destination"), (mirror.host, None)]
        assert origin.requests() == []

    @pytest.mark.parametrize("kind", ["close", "close-midway", "503"])
    def test_a_destination_that_does_not_take_one_image_is_not_lost(
        self, skopeo_mirror: Program, mirror: Registry, kind: str
    ) -> None:
        """It hangs up on the first, for its size, say."""
        images = [make_image(f"image-{number}") for number in range(3)]
        for image in images:
            mirror.push("app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        with FaultyRegistry(Fault(place=Place.UPLOAD, kind=kind, times=1)) as destination:
            report = copy(
                skopeo_mirror,
                *("-j1", "--retries=0", *(f"prod.invalid/app@{image.digest}" for image in images)),
                f"docker://{destination.host}",
                status=1,
            )
        assert report["stopped"] is None
        assert [image["status"] for image in report["images"]] == ["failed", "copied", "copied"]
