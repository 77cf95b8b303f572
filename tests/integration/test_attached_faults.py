"""Who cannot tell what is attached, or cannot give it, fails it as he would fail an image; absent is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.test_attached import attached_of, names_asked, writes
from tests.rig.attached import attach, make_artifact, make_attachment, make_referrers, tag_of
from tests.rig.copying import configure, copy, entry, holds, only
from tests.rig.faults import FAULTS, Fault, Place, answers
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import make_image, make_multi_architecture
from tests.rig.trees import holds_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.program import Program
    from tests.rig.registry import Registry

ALL = "--attached=all"
SINGLE = make_image("single")
SIG = tag_of(SINGLE, "sig")
NAME = "prod.invalid/ns/app:v1"

TROUBLES = [
    pytest.param("401", "unauthorized", id="401"),
    pytest.param("429-retry-after", "rate-limited", id="429"),
    pytest.param("500", "server-error", id="500"),
    pytest.param("never-answer", "stalled", id="hangs"),
]
MORE_TROUBLES = [
    pytest.param("403", "unauthorized", id="403"),
    pytest.param("html", "corrupt", id="html"),
    pytest.param("close", "connection", id="closes"),
]
ABSENT = {
    "name-unknown": answers(404, b'{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]}'),
    "manifest-unknown": answers(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'),
    "bare-404": answers(404, b"", Content_Type="text/plain"),
    "html-404": answers(404, b"<html>Not Found</html>", Content_Type="text/html"),
    "not-found": answers(404, b'{"errors":[{"code":"NOT_FOUND","message":"artifact m/app:sha256-0.sig not found"}]}'),
}
TOLD = ["--stall-timeout=2s", "--retries=0"]


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, answer in ABSENT.items():
        monkeypatch.setitem(FAULTS[Place.MANIFEST], name, answer)
    monkeypatch.setitem(FAULTS[Place.MANIFEST], "close", lambda exchange: exchange.hang_up())


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    """Return a mirror that has an image and its signature."""
    with FaultyRegistry() as registry:
        registry.serve("m/app", SINGLE, "v1")
        attach(registry, "m/app", SINGLE, "sig")
        yield registry


def reasons(one: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return who was tried, and why he failed."""
    return [(attempt["location"], attempt["reason"]) for attempt in one["attempts"]]


@pytest.mark.parametrize(("kind", "reason"), [*TROUBLES, *MORE_TROUBLES])
def test_trouble_with_a_signature_sends_to_the_next_who_has_it(
    skopeo_mirror: Program,
    faulty: FaultyRegistry,
    second_mirror: Registry,
    destination: Registry,
    kind: str,
    reason: str,
) -> None:
    """Copied for the first time, and present."""
    second_mirror.push("m/app", SINGLE, "v1")
    signature = attach(second_mirror, "m/app", SINGLE, "sig")
    faulty.fault = Fault(place=Place.MANIFEST, kind=kind, of=SIG)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{faulty.host}/m", f"{second_mirror.host}/m"))
    arguments = [ALL, *TOLD, "--mirrors-only", NAME, f"docker://{destination.host}"]
    image = only(copy(skopeo_mirror, *arguments))
    assert (image["status"], image["confirmed"]) == ("copied", True)
    assert image["served_by"]["location"] == f"{faulty.host}/m"
    [told] = image["attached"]
    assert (told["tag"], told["status"]) == (SIG, "copied")
    assert told["served_by"]["location"] == f"{second_mirror.host}/m"
    assert holds(destination, "ns/app", SIG, signature)
    assert (f"{faulty.host}/m", reason) in reasons(image)

    again = only(copy(skopeo_mirror, *arguments))
    assert (again["status"], attached_of(again)) == ("present", {SIG: "present"})


@pytest.mark.parametrize(("kind", "reason"), TROUBLES)
def test_trouble_with_a_signature_that_no_other_has_fails_the_image(
    skopeo_mirror: Program,
    faulty: FaultyRegistry,
    second_mirror: Registry,
    destination: Registry,
    kind: str,
    reason: str,
) -> None:
    """Absent elsewhere does not tell that it is absent where the image is."""
    second_mirror.push("m/app", SINGLE, "v1")
    faulty.fault = Fault(place=Place.MANIFEST, kind=kind, of=SIG)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{faulty.host}/m", f"{second_mirror.host}/m"))
    arguments = [ALL, *TOLD, "--mirrors-only", NAME, f"docker://{destination.host}"]
    failed = only(copy(skopeo_mirror, *arguments, status=1))
    assert (failed["status"], failed["confirmed"]) == ("failed", False)
    assert SIG in failed["error"]
    assert reason in failed["error"]
    assert (f"{faulty.host}/m", reason) in reasons(failed)
    assert failed["reason"] == reason
    assert "v1" not in destination.tags("ns/app")

    faulty.heal()
    done = only(copy(skopeo_mirror, *arguments))
    assert (done["status"], attached_of(done)) == ("copied", {SIG: "copied"})
    faulty.fault = Fault(place=Place.MANIFEST, kind=kind, of=SIG)
    there = only(copy(skopeo_mirror, *arguments, status=1))
    assert SIG in there["error"]
    assert "v1" in destination.tags("ns/app")


@pytest.mark.parametrize("kind", list(ABSENT))
def test_absent_is_nothing_however_it_is_said(
    skopeo_mirror: Program, faulty: FaultyRegistry, second_mirror: Registry, destination: Registry, kind: str
) -> None:
    second_mirror.push("m/app", SINGLE, "v1")
    attach(second_mirror, "m/app", SINGLE, "sig")
    faulty.fault = Fault(place=Place.MANIFEST, kind=kind, of=SIG)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{faulty.host}/m", f"{second_mirror.host}/m"))
    for status in ("copied", "present"):
        image = only(copy(skopeo_mirror, ALL, NAME, f"docker://{destination.host}"))
        assert (image["status"], attached_of(image)) == (status, {})
    assert names_asked(second_mirror) == set()


def test_a_passing_fault_is_asked_again(skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry) -> None:
    faulty.fault = Fault(place=Place.MANIFEST, kind="503", of=SIG, times=2)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{faulty.host}/m"))
    image = only(copy(skopeo_mirror, ALL, "--mirrors-only", NAME, f"docker://{destination.host}"))
    assert (image["status"], attached_of(image)) == ("copied", {SIG: "copied"})


@pytest.mark.parametrize(
    ("place", "kind", "reason"),
    [
        pytest.param(Place.LAYER, "404", "not-found", id="layer-missing"),
        pytest.param(Place.LAYER, "corrupt", "corrupt", id="layer-corrupt"),
        pytest.param(Place.LAYER, "stall", "stalled", id="layer-stalls"),
        pytest.param(Place.CONFIG, "500", "server-error", id="config-500"),
    ],
)
def test_bad_content_of_a_signature_comes_from_the_next_or_fails_the_image(
    skopeo_mirror: Program,
    faulty: FaultyRegistry,
    second_mirror: Registry,
    destination: Registry,
    place: Place,
    kind: str,
    reason: str,
) -> None:
    signature = make_attachment(SINGLE, "sig")
    config, layer = signature.blobs
    faulty.fault = Fault(place=place, kind=kind, of=config if place is Place.CONFIG else layer)
    second_mirror.push("m/app", SINGLE, "v1")
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{faulty.host}/m", f"{second_mirror.host}/m"))
    arguments = [ALL, *TOLD, "--mirrors-only", NAME, f"docker://{destination.host}"]
    failed = only(copy(skopeo_mirror, *arguments, status=1))
    assert SIG in failed["error"]
    assert attached_of(failed) == {SIG: "failed"}
    assert (f"{faulty.host}/m", reason) in reasons(failed["attached"][0])
    assert failed["reason"] == reason
    assert destination.tags("ns/app") == []

    attach(second_mirror, "m/app", SINGLE, "sig", signature)
    image = only(copy(skopeo_mirror, *arguments))
    assert attached_of(image) == {SIG: "copied"}
    assert image["attached"][0]["served_by"]["location"] == f"{second_mirror.host}/m"
    assert holds(destination, "ns/app", SIG, signature)


@pytest.mark.parametrize("kind", ["401", "413", "500", "404"])
def test_a_destination_that_refuses_a_signature_fails_the_image(
    skopeo_mirror: Program, mirror: Registry, kind: str
) -> None:
    """The image's name does not appear there; what cannot be had of one image is no matter of the next."""
    other = make_image("other")
    mirror.push("m/app", SINGLE, "v1")
    mirror.push("m/other", other, "v1")
    attach(mirror, "m/app", SINGLE, "sig")
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    with FaultyRegistry(Fault(place=Place.SIGNATURE, kind=kind)) as refusing:
        arguments = [ALL, "--retries=0", NAME, "prod.invalid/ns/other:v1", f"docker://{refusing.host}"]
        report = copy(skopeo_mirror, *arguments, status=1)
        failed, well = report["images"]
        assert (failed["status"], well["status"]) == ("failed", "copied")
        assert SIG in failed["error"]
        assert attached_of(failed) == {SIG: "failed"}
        assert {reason for _, reason in reasons(failed["attached"][0])} == {"destination"}
        assert refusing.manifest("ns/app", "v1") is None
        refusing.heal()
        done = copy(skopeo_mirror, *arguments)["images"][0]
        assert (done["status"], attached_of(done)) == ("copied", {SIG: "copied"})
        assert refusing.manifest("ns/app", SIG) is not None


def test_a_name_does_not_move_where_its_signature_could_not(skopeo_mirror: Program, mirror: Registry) -> None:
    """A verifier would meet the new image without it."""
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    with FaultyRegistry() as refusing:
        arguments = [ALL, "--retries=0", NAME, f"docker://{refusing.host}"]
        for seed in ("old", "new"):
            made = make_multi_architecture(seed)
            mirror.push("m/app", made, "v1")
            for child in made.children:
                attach(mirror, "m/app", child, "sig")
            if seed == "old":
                assert only(copy(skopeo_mirror, *arguments))["status"] == "copied"
        new, old = made, refusing.manifest("ns/app", "v1")
        refusing.fault = Fault(place=Place.SIGNATURE, kind="500", of=tag_of(new.children[1], "sig"))
        failed = only(copy(skopeo_mirror, *arguments, status=1))
        assert attached_of(failed) == {
            tag_of(new.children[0], "sig"): "copied",
            tag_of(new.children[1], "sig"): "failed",
        }
        assert refusing.manifest("ns/app", "v1") == old
        refusing.heal()
        assert only(copy(skopeo_mirror, *arguments))["status"] == "copied"
        assert refusing.manifest("ns/app", "v1") == new.manifest


@pytest.mark.parametrize("has", ["it", "not"])
def test_an_artifact_that_is_missing_where_its_index_is(
    skopeo_mirror: Program, faulty: FaultyRegistry, second_mirror: Registry, destination: Registry, has: str
) -> None:
    referrers = make_referrers([make_artifact(SINGLE, seed=seed) for seed in ("one", "two")])
    missing = referrers.children[1]
    attach(faulty, "m/app", SINGLE, "referrers", referrers)
    del faulty.store.manifests["m/app", missing.digest]
    second_mirror.push("m/app", SINGLE, "v1")
    if has == "it":
        second_mirror.push("m/app", missing)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{faulty.host}/m", f"{second_mirror.host}/m"))
    arguments = [ALL, *TOLD, "--mirrors-only", NAME, f"docker://{destination.host}"]
    tag = tag_of(SINGLE, "referrers")
    if has == "it":
        assert attached_of(only(copy(skopeo_mirror, *arguments)))[tag] == "copied"
        assert holds_tree(destination, "ns/app", tag, referrers)
        assert writes(destination)[-1] == "v1"
    else:
        failed = only(copy(skopeo_mirror, *arguments, status=1))
        assert attached_of(failed)[tag] == "failed"
        assert missing.digest in failed["error"]
        assert tag in failed["error"]
        assert not {"v1", tag} & set(destination.tags("ns/app"))


def test_one_signature_that_is_missing_among_many_costs_the_others_nothing(
    skopeo_mirror: Program, faulty: FaultyRegistry, destination: Registry
) -> None:
    made = make_multi_architecture("app")
    faulty.serve("m/many", made, "v1")
    there = {tag_of(child, "sig"): attach(faulty, "m/many", child, "sig") for child in made.children}
    bad = tag_of(made.children[0], "sig")
    faulty.fault = Fault(place=Place.MANIFEST, kind="401", of=bad)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{faulty.host}/m"))
    names = ["prod.invalid/ns/many:v1", NAME]
    report = copy(skopeo_mirror, ALL, *TOLD, "--mirrors-only", *names, f"docker://{destination.host}", status=1)
    assert [image["status"] for image in report["images"]] == ["failed", "copied"]
    assert bad in report["images"][0]["error"]
    assert attached_of(report["images"][1]) == {SIG: "copied"}
    assert "v1" not in destination.tags("ns/many")
    faulty.heal()
    report = copy(skopeo_mirror, ALL, *names, f"docker://{destination.host}")
    assert attached_of(report["images"][0]).keys() == there.keys()
    assert all(holds(destination, "ns/many", tag, one) for tag, one in there.items())


class TestPresent:
    """Of an image that is there, whoever comes first and has it, or anything of it, is asked."""

    def test_a_mirror_that_is_down_is_passed_over(
        self, skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, destination: Registry
    ) -> None:
        for one in (mirror, second_mirror):
            one.push("m/app", SINGLE, "v1")
        attach(second_mirror, "m/app", SINGLE, "sig")
        configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m", f"{second_mirror.host}/m"))
        pinned = f"prod.invalid/ns/app:v1@{SINGLE.digest}"
        arguments = [ALL, "--mirrors-only", "--retries=0", pinned, f"docker://{destination.host}"]
        assert attached_of(only(copy(skopeo_mirror, *arguments))) == {}
        mirror.stop()
        image = only(copy(skopeo_mirror, *arguments))
        assert (image["status"], attached_of(image)) == ("copied", {SIG: "copied"})

    def test_where_nobody_answers_it_cannot_be_told(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry
    ) -> None:
        mirror.push("m/app", SINGLE, "v1")
        configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
        pinned = f"prod.invalid/ns/app:v1@{SINGLE.digest}"
        arguments = ["--mirrors-only", "--retries=0", pinned, f"docker://{destination.host}"]
        copy(skopeo_mirror, ALL, *arguments)
        mirror.stop()
        failed = only(copy(skopeo_mirror, ALL, *arguments, status=1))
        assert SIG in failed["error"]
        assert mirror.host in failed["error"]
        assert only(copy(skopeo_mirror, *arguments))["status"] == "present"
