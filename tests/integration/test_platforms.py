"""`--platform`: of an index only what was asked for, later the rest, and words where that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.test_destinations import blobs_below, names_in
from tests.rig.copying import asked, configure, copy, entry, only, statuses
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import (
    ARCHITECTURES,
    make_attestation,
    make_bases,
    make_image,
    make_index,
    make_multi_architecture,
    make_operator,
)
from tests.rig.trees import (
    blobs_of,
    digests_of,
    holds_tree,
    layers_of,
    part_statuses,
    parts_of,
    pulled,
    pulled_layers,
    wanted,
    weight_of,
)

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

AMD64 = ["--platform", "linux/amd64"]


@pytest.mark.parametrize("docker", [False, True], ids=["oci-index", "docker-list"])
def test_first_one_architecture_and_later_the_others_alone(
    skopeo_mirror: Program, mirror: Registry, docker: bool
) -> None:
    made = make_operator("app", make_bases("base"), docker=docker)
    amd64, *others = made.children
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    layout = skopeo_mirror.directory / "images"

    report = copy(skopeo_mirror, *AMD64, wanted(made), "oci:images")
    image = only(report)
    assert report["platforms"] == ["linux/amd64"]
    assert (image["status"], image["confirmed"], image["digest"]) == ("copied", True, made.digest)
    assert part_statuses(image) == {amd64.digest: "copied"}
    assert pulled_layers(mirror, amd64) == layers_of(amd64)
    assert set(pulled(mirror)) == amd64.blobs.keys()
    assert report["summary"]["bytes"] == len(made.manifest) + weight_of(amd64)
    assert names_in(layout) == [wanted(made)]
    assert blobs_below(layout) == {**amd64.blobs, amd64.digest: amd64.manifest, made.digest: made.manifest}
    assert not [path for path in asked(mirror, "manifests") if path.endswith(tuple(digests_of(others)))]

    mirror.forget()
    again = copy(skopeo_mirror, *AMD64, wanted(made), "oci:images")
    assert (only(again)["status"], again["changed"]) == ("present", False)
    assert asked(mirror) == []

    rest = copy(skopeo_mirror, wanted(made), "oci:images")
    assert "platforms" not in rest
    assert part_statuses(only(rest)) == {child.digest: "copied" for child in others} | {amd64.digest: "present"}
    assert pulled_layers(mirror, *others) == layers_of(*others)
    assert set(pulled(mirror)) == blobs_of(*others).keys()
    assert blobs_below(layout) == {**made.blobs, **{part.digest: part.manifest for part in made.walk()}}
    mirror.forget()
    for options in ([], AMD64):
        assert only(copy(skopeo_mirror, *options, wanted(made), "oci:images"))["status"] == "present"
    assert asked(mirror) == []


def test_into_a_registry_that_takes_it(skopeo_mirror: Program, mirror: Registry) -> None:
    made = make_operator("app", make_bases("base"))
    amd64, arm64, *_ = made.children
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    with FaultyRegistry() as taking:
        arguments = [wanted(made), f"docker://{taking.host}"]
        both = [*AMD64, "--platform", "linux/arm64"]
        assert part_statuses(only(copy(skopeo_mirror, *AMD64, *arguments))) == {amd64.digest: "copied"}
        assert taking.manifest("ns/app", "v1") == made.manifest
        assert {digest for _, digest in taking.store.blobs} == set(amd64.blobs)
        mirror.forget()
        assert only(copy(skopeo_mirror, *AMD64, *arguments))["status"] == "present"
        assert asked(mirror) == []
        assert part_statuses(only(copy(skopeo_mirror, *both, *arguments))) == {
            amd64.digest: "present",
            arm64.digest: "copied",
        }
        assert pulled(mirror) == sorted(arm64.blobs)
        mirror.forget()
        assert only(copy(skopeo_mirror, *arguments))["status"] == "copied"
        assert {digest for _, digest in taking.store.blobs} == set(made.blobs)
        mirror.forget()
        assert only(copy(skopeo_mirror, *both, *arguments))["status"] == "present"
        assert asked(mirror) == []


def test_a_registry_that_wants_all_is_named_with_what_to_do(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    """docker-registry is one, and skopeo's own words are about a conversion."""
    made = make_multi_architecture("app")
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    arguments = [wanted(made), f"docker://{destination.host}"]
    image = only(copy(skopeo_mirror, *AMD64, *arguments, status=1))
    assert (image["status"], image["confirmed"]) == ("failed", False)
    assert image["error"].startswith(f"docker://{destination.host}: ")
    assert "--platform" in image["error"]
    assert "oci:" in image["error"]
    assert destination.tags("ns/app") == []
    assert only(copy(skopeo_mirror, *arguments))["status"] == "copied"


def test_what_belongs_to_an_image_comes_along(skopeo_mirror: Program, mirror: Registry) -> None:
    amd64, arm64 = make_image("amd64"), make_image("arm64", architecture="arm64")
    about_amd64, about_arm64 = make_attestation(amd64), make_attestation(arm64)
    made = make_index([amd64, arm64, about_amd64, about_arm64])
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    image = only(copy(skopeo_mirror, *AMD64, wanted(made), "oci:images"))
    assert part_statuses(image) == dict.fromkeys(digests_of([amd64, about_amd64]), "copied")
    assert pulled(mirror) == sorted(blobs_of(amd64, about_amd64))


def test_an_index_inside_an_index_is_looked_into(skopeo_mirror: Program, mirror: Registry) -> None:
    inner = make_multi_architecture("inner")
    made = make_index([make_image("one", architecture="s390x"), inner])
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    image = only(copy(skopeo_mirror, *AMD64, wanted(made), "oci:images"))
    assert (image["status"], image["confirmed"]) == ("copied", True)
    assert pulled(mirror) == sorted(inner.children[0].blobs)
    there = blobs_below(skopeo_mirror.directory / "images").keys()
    assert there == {made.digest, inner.digest, inner.children[0].digest, *inner.children[0].blobs}


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--no-plan"]], ids=["copy", "dry-run", "no-plan"])
def test_an_image_that_has_none_of_them_fails_and_says_what_it_has(
    skopeo_mirror: Program, mirror: Registry, options: list[str]
) -> None:
    made = make_operator("app", make_bases("base"))
    other = make_multi_architecture("other")
    mirror.push("ns/app", made)
    mirror.push("ns/other", other)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    names = [wanted(made), f"prod.invalid/ns/other:v1@{other.digest}"]
    platforms = ["--platform=linux/ppc64le", "--platform", "windows/amd64"]
    report = copy(skopeo_mirror, *options, *platforms, *names, "oci:images", status=1)
    assert list(statuses(report).values()) == ["would-copy" if "--dry-run" in options else "copied", "failed"]
    failed = report["images"][1]
    assert all(text in failed["error"] for text in ("linux/ppc64le", "windows/amd64", "linux/amd64", "linux/arm64"))
    assert "failed" not in [attempt["outcome"] for attempt in failed["attempts"]]
    assert set(pulled(mirror)) <= set(made.blobs)
    if "--dry-run" not in options:
        assert names_in(skopeo_mirror.directory / "images") == names[:1]


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_a_single_image_is_copied_as_it_is(skopeo_mirror: Program, mirror: Registry, docker: bool) -> None:
    single = make_image("single", architecture="s390x", docker=docker)
    mirror.push("ns/app", single)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    image = only(copy(skopeo_mirror, *AMD64, wanted(single), "oci:images"))
    assert (image["status"], image["confirmed"], parts_of(image)) == ("copied", True, {})
    mirror.forget()
    assert only(copy(skopeo_mirror, *AMD64, wanted(single), "oci:images"))["status"] == "present"
    assert asked(mirror) == []


def test_a_dry_run_counts_what_was_asked_for(skopeo_mirror: Program, mirror: Registry) -> None:
    made = make_operator("app", make_bases("base"))
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    report = copy(skopeo_mirror, "--dry-run", *AMD64, wanted(made), "oci:images")
    assert only(report)["status"] == "would-copy"
    assert report["summary"]["bytes"] == len(made.manifest) + weight_of(made.children[0])
    copy(skopeo_mirror, *AMD64, wanted(made), "oci:images")
    assert only(copy(skopeo_mirror, "--dry-run", *AMD64, wanted(made), "oci:images"))["status"] == "present"
    rest = copy(skopeo_mirror, "--dry-run", wanted(made), "oci:images")
    assert rest["summary"]["bytes"] == len(made.manifest) + weight_of(*made.children[1:])


class TestFromALayout:
    @pytest.fixture
    def made(self, skopeo_mirror: Program, mirror: Registry) -> Image:
        made = make_operator("app", make_bases("base"), docker=True)
        mirror.push("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        return made

    def test_of_all_one_architecture_goes_on(self, skopeo_mirror: Program, mirror: Registry, made: Image) -> None:
        copy(skopeo_mirror, wanted(made), "oci:images")
        mirror.stop()
        amd64 = made.children[0]
        image = only(copy(skopeo_mirror, "--from", "oci:images", *AMD64, "oci:onward"))
        assert part_statuses(image) == {amd64.digest: "copied"}
        assert blobs_below(skopeo_mirror.directory / "onward") == {
            **amd64.blobs,
            amd64.digest: amd64.manifest,
            made.digest: made.manifest,
        }
        again = only(copy(skopeo_mirror, "--from", "oci:images", *AMD64, "oci:onward"))
        assert again["status"] == "present"

    def test_of_one_architecture_that_goes_on_and_all_fail(
        self, skopeo_mirror: Program, mirror: Registry, made: Image
    ) -> None:
        copy(skopeo_mirror, *AMD64, wanted(made), "oci:images")
        mirror.stop()
        amd64 = made.children[0]
        with FaultyRegistry() as taking:
            to = f"docker://{taking.host}"
            whole = only(copy(skopeo_mirror, "--from", "oci:images", to, status=1))
            assert whole["status"] == "failed"
            assert "3 of the 4 images of its index" in whole["error"]
            assert "--platform" in whole["error"]
            assert part_statuses(whole) == {
                child.digest: "copied" if child is amd64 else "failed" for child in made.children
            }
            assert taking.manifest("ns/app", "v1") is None
            image = only(copy(skopeo_mirror, "--from", "oci:images", *AMD64, to))
            assert (image["status"], image["confirmed"]) == ("copied", True)
            assert taking.manifest("ns/app", "v1") == made.manifest
            assert taking.manifest("ns/app", amd64.digest) == amd64.manifest


class TestRefused:
    def test_into_directories(self, skopeo_mirror: Program, mirror: Registry) -> None:
        made = make_multi_architecture("app")
        mirror.push("ns/app", made)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        run = skopeo_mirror("copy", "-r", "registries.conf", *AMD64, wanted(made), "dir:images")
        assert (run.status, run.stdout) == (2, "")
        [line] = run.stderr.splitlines()
        assert "--platform" in line
        assert "oci:" in line
        assert asked(mirror) == []
        assert not (skopeo_mirror.directory / "images").exists()

    @pytest.mark.parametrize("platform", ["amd64", "linux/", "linux/amd64/v1/x", "", "linux amd64"])
    def test_what_is_no_platform(self, skopeo_mirror: Program, platform: str) -> None:
        configure(skopeo_mirror, entry("prod.invalid", "mirror.invalid"))
        run = skopeo_mirror(
            "copy", "-r", "registries.conf", f"--platform={platform}", "prod.invalid/ns/app:v1", "oci:images"
        )
        assert (run.status, run.stdout) == (2, "")
        assert "--platform" in run.stderr


def test_platforms_that_are_all_there_are(skopeo_mirror: Program, mirror: Registry, destination: Registry) -> None:
    """Named one by one, and a registry that wants all takes it."""
    made = make_operator("app", make_bases("base"))
    mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    platforms = [f"--platform=linux/{architecture}" for architecture in (*ARCHITECTURES, "amd64")]
    report = copy(skopeo_mirror, *platforms, wanted(made), f"docker://{destination.host}")
    assert report["platforms"] == [f"linux/{architecture}" for architecture in ARCHITECTURES]
    assert holds_tree(destination, "ns/app", "v1", made)
