"""What people and machines are told of what is attached, on real copies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.rig.attached import attach, make_artifact, make_referrers, tag_of
from tests.rig.copying import PLAIN, asked, configure, copy, entry, holds, only, statuses
from tests.rig.images import make_multi_architecture
from tests.rig.signatures import say_where_signatures_are
from tests.rig.trees import holds_tree

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

ALL = "--attached=all"
REPORT = ("--report", "report.json")


def signed_index(registry: Registry, repository: str = "ns/many") -> Image:
    """Push an index of which each image is signed, and which has an SBOM."""
    many = make_multi_architecture("many")
    registry.push(repository, many, "v1")
    for child in many.children:
        attach(registry, repository, child, "sig")
    attach(registry, repository, many, "sbom")
    return many


def test_the_lines_of_a_run_say_what_came_along(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    many = signed_index(mirror)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    image, there = f"prod.invalid/ns/many:v1@{many.digest}", f"docker://{destination.host}/ns/many:v1"
    command = ["copy", "-r", "registries.conf", PLAIN, image, f"docker://{destination.host}"]
    env = {"SKOPEO_MIRROR_ATTACHED": "all"}
    counted = f"{len(many.children) + 1} attached"

    run = skopeo_mirror(*command, "--dry-run", env=env)
    assert run.stdout == f"would-copy {image} from {mirror.host}/ns/many (mirror) to {there}, {counted}\n"
    assert f"{counted}: {len(many.children) + 1} would-copy\n" in run.stderr
    run = skopeo_mirror(*command, "-v", env=env)
    assert run.stdout == f"copied {image} from {mirror.host}/ns/many (mirror) to {there}, {counted}\n"
    assert f"{counted}: {len(many.children) + 1} copied\n" in run.stderr
    assert f"  sbom of {many.digest}: copied\n    mirror {mirror.host}/ns/many: served in " in run.stderr
    assert "  sig of linux/amd64: copied\n" in run.stderr
    run = skopeo_mirror(*command, env=env)
    assert run.stdout == f"present {image} at {there}, {counted}\n"
    assert f"{counted}: {len(many.children) + 1} present\n" in run.stderr
    attach(mirror, "ns/many", many, "att")
    run = skopeo_mirror(*command, env=env)
    told = f"{len(many.children) + 2} attached (1 copied, {len(many.children) + 1} present)"
    assert run.stdout == f"copied {image} from {mirror.host}/ns/many (mirror) to {there}, {told}\n"


def test_the_report_has_it_and_the_mapping_brings_it_back(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, second_mirror: Registry
) -> None:
    many = signed_index(mirror)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    image = f"prod.invalid/ns/many:v1@{many.digest}"
    report = copy(skopeo_mirror, *REPORT, ALL, image, f"docker://{destination.host}/x")
    count = len(many.children) + 1
    assert report["summary"]["attached"] == {"copied": count, "present": 0, "failed": 0}
    assert report["summary"]["bytes"] == report["summary"]["served_by"][mirror.host]["bytes"] == only(report)["bytes"]
    told = {one["tag"]: (one["subject"], one["served_by"]["location"]) for one in only(report)["attached"]}
    assert told == {
        **{tag_of(child, "sig"): (child.digest, mirror.host) for child in many.children},
        tag_of(many, "sbom"): (many.digest, mirror.host),
    }

    plain = copy(skopeo_mirror, image, f"docker://{destination.host}/x")
    (skopeo_mirror.directory / "plain.json").write_text(json.dumps(plain))
    for format_ in ("registries-conf", "idms", "itms"):
        redirects = [
            skopeo_mirror("redirect", "--format", format_, file).stdout for file in ("report.json", "plain.json")
        ]
        assert redirects[0] == redirects[1]
    mapping = skopeo_mirror("redirect", "--format", "mapping", "report.json").stdout
    assert {line.rpartition(":")[2] for line in mapping.splitlines()} == {"v1", *told}
    again = copy(skopeo_mirror, "-f", "-", f"docker://{second_mirror.host}", stdin=mapping)
    assert set(statuses(again).values()) == {"present"}
    mapping = mapping.replace(destination.host, second_mirror.host)
    again = copy(skopeo_mirror, "-f", "-", f"docker://{second_mirror.host}", stdin=mapping)
    assert set(statuses(again).values()) == {"copied"}
    assert all(second_mirror.manifest("x/ns/many", tag) == destination.manifest("x/ns/many", tag) for tag in told)


def test_artifacts_that_refer_to_an_image_are_told_one_by_one(
    skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, destination: Registry, image: Image
) -> None:
    """The first mirror has lost one, which is proven to come from the second."""
    referrers = make_referrers([make_artifact(image, seed=seed) for seed in ("one", "two")])
    for registry in (mirror, second_mirror):
        registry.push("ns/app", image)
        attach(registry, "ns/app", image, "referrers", referrers)
    mirror.delete("ns/app", referrers.children[1].digest)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host, second_mirror.host))
    report = copy(skopeo_mirror, ALL, f"prod.invalid/ns/app@{image.digest}", f"docker://{destination.host}")
    [told] = only(report)["attached"]
    assert (told["kind"], told["served_by"]["location"]) == ("referrers", mirror.host)
    assert {part["digest"]: part["served_by"]["location"] for part in told["parts"]} == {
        referrers.children[0].digest: mirror.host,
        referrers.children[1].digest: second_mirror.host,
    }
    assert set(report["summary"]["served_by"]) == {mirror.host, second_mirror.host}
    assert holds_tree(destination, "ns/app", tag_of(image, "referrers"), referrers)


def test_from_a_layout_it_comes_without_being_asked_for_and_is_no_image_of_its_own(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    many = signed_index(mirror)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    image = f"prod.invalid/ns/many:v1@{many.digest}"
    copy(skopeo_mirror, ALL, image, "oci:images")
    mirror.forget()
    report = copy(skopeo_mirror, "--from=oci:images", f"docker://{destination.host}")
    assert statuses(report) == {image: "copied"}
    assert {(one["status"], one["served_by"]["kind"]) for one in only(report)["attached"]} == {("copied", "layout")}
    assert len(only(report)["attached"]) == len(many.children) + 1
    assert asked(mirror) == []
    report = copy(skopeo_mirror, "--from=oci:images", "--attached=sbom", f"docker://{destination.host}/sbom")
    assert [one["kind"] for one in only(report)["attached"]] == ["sbom"]


def test_signatures_come_as_they_are_though_this_host_would_have_skopeo_write_them_anew(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
) -> None:
    mirror.push("ns/app", image)
    signature = attach(mirror, "ns/app", image, "sig")
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    there = {"use-sigstore-attachments": True}
    say_where_signatures_are(skopeo_mirror, {mirror.host: there, destination.host: there})
    arguments = ["--attached=sig", f"prod.invalid/ns/app@{image.digest}", f"docker://{destination.host}"]
    assert only(copy(skopeo_mirror, *arguments))["status"] == "copied"
    assert holds(destination, "ns/app", tag_of(image, "sig"), signature)
    assert only(copy(skopeo_mirror, *arguments))["status"] == "present"
