"""What is attached to an image comes along: from where the image came, unchanged, and before the image has its name."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.test_destinations import blobs_below, names_in
from tests.rig.attached import attach, make_artifact, make_attachment, make_referrers, tag_of
from tests.rig.copying import asked, configure, copy, entry, files_below, holds, only, statuses
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import make_bases, make_image, make_index, make_multi_architecture, make_operator
from tests.rig.signatures import REJECT, Lookaside, Signer, say_where_signatures_are, write_policy
from tests.rig.trees import holds_tree

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

ALL = "--attached=all"


def put(registry: Registry | FaultyRegistry, repository: str, made: Image) -> dict[str, Image]:
    """Store an index as `v1` with much that is attached, none of it to be signed itself; return that by its tags."""
    first, second = made.children[:2]
    push = registry.serve if isinstance(registry, FaultyRegistry) else registry.push
    push(repository, made, "v1")
    to = [(first, "sig"), (second, "sig"), (first, "att"), (second, "sbom"), (first, "referrers"), (made, "referrers")]
    return {tag_of(subject, kind): attach(registry, repository, subject, kind) for subject, kind in to}


def attached_of(image: dict[str, Any]) -> dict[str, str]:
    """Return what a report says that became of what is attached to an image, by tag, each of which is there once."""
    told = {one["tag"]: one["status"] for one in image.get("attached", [])}
    assert len(told) == len(image.get("attached", []))
    return told


def by_other_names(registry: Registry | FaultyRegistry) -> list[str]:
    """Return the paths that a registry was asked, without those of names that something attached would have."""
    paths = [request.path for request in registry.requests()]
    return [path for path in paths if "/manifests/sha256-" not in path and path != "/v2/"]


def names_asked(registry: Registry | FaultyRegistry) -> set[str]:
    """Return the names that something attached would have for which a registry was asked."""
    paths = [request.path for request in registry.requests()]
    return {path.rpartition("/")[2] for path in paths if "/manifests/sha256-" in path}


def writes(registry: Registry | FaultyRegistry) -> list[str]:
    """Return the names under which manifests were written to a registry, in order."""
    return [request.path.rpartition("/")[2] for request in registry.requests() if _writes_manifest(request)]


def _writes_manifest(request: Any) -> bool:
    return request.method == "PUT" and "/manifests/" in request.path and request.status == 201


@pytest.mark.parametrize(
    ("docker", "target"),
    [
        pytest.param(False, "docker", id="oci-index-to-registry"),
        pytest.param(True, "docker", id="docker-list-to-registry"),
        pytest.param(True, "oci", id="docker-list-to-layout"),
        pytest.param(False, "dir", id="oci-index-to-directories"),
    ],
)
def test_all_of_it_arrives_and_what_is_added_later(
    skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry, docker: bool, target: str
) -> None:
    made = make_multi_architecture("app", docker=docker)
    put(origin, "ns/app", made)
    there = put(mirror, "m/app", made)
    configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/m"))
    to = f"docker://{destination.host}/d" if target == "docker" else f"{target}:images"
    arguments = [ALL, f"{origin.host}/ns/app:v1@{made.digest}", to]

    def is_there(tag: str, one: Image) -> bool:
        if target == "docker":
            return holds_tree(destination, "d/ns/app", tag, one)
        if target == "dir":
            directory = skopeo_mirror.directory / "images/ns/app" / tag
            return (directory / "manifest.json").read_bytes() == one.manifest
        layout = skopeo_mirror.directory / "images"
        contents = {**one.blobs, **{part.digest: part.manifest for part in one.walk()}}
        named = [name for name in names_in(layout) if name.partition("@")[0].endswith(f":{tag}")]
        return len(named) == 1 and contents.items() <= blobs_below(layout).items()

    image = only(copy(skopeo_mirror, *arguments))
    assert (image["status"], image["confirmed"]) == ("copied", True)
    assert attached_of(image) == dict.fromkeys(there, "copied")
    for told in image["attached"]:
        assert told["digest"] == there[told["tag"]].digest
        assert told["served_by"]["location"] == f"{mirror.host}/m"
        assert told["tag"].startswith(told["subject"].replace(":", "-"))
    assert [tag for tag, one in {**there, "v1": made}.items() if not is_there(tag, one)] == []
    assert origin.requests() == []

    mirror.forget()
    destination.forget()
    again = copy(skopeo_mirror, *arguments)
    assert (only(again)["status"], again["changed"]) == ("present", False)
    assert attached_of(only(again)) == dict.fromkeys(there, "present")
    referrers = {one.digest for tag, one in there.items() for one in one.children}
    assert {path.rpartition("/")[2] for path in by_other_names(mirror)} <= referrers
    assert origin.requests() == []
    assert {request.method for request in destination.requests()} <= {"GET", "HEAD"}

    child = made.children[0]
    new = {
        tag_of(made, "sig"): attach(mirror, "m/app", made, "sig"),
        tag_of(child, "sig"): attach(mirror, "m/app", child, "sig", make_attachment(child, "sig", seed="another")),
    }
    later = copy(skopeo_mirror, *arguments)
    assert later["changed"]
    assert attached_of(only(later)) == {**dict.fromkeys(there, "present"), **dict.fromkeys(new, "copied")}
    assert all(is_there(tag, one) for tag, one in {**there, **new, "v1": made}.items())
    assert origin.requests() == []
    assert attached_of(only(copy(skopeo_mirror, *arguments))) == dict.fromkeys({**there, **new}, "present")


def test_a_name_appears_after_what_is_attached_to_it(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    """Also of what is attached and has a signature itself."""
    made = make_multi_architecture("app")
    put(mirror, "m/app", made)
    sbom = attach(mirror, "m/app", made, "sbom")
    attach(mirror, "m/app", sbom, "sig")
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    copy(skopeo_mirror, ALL, "prod.invalid/ns/app:v1", f"docker://{destination.host}")
    order = writes(destination)
    assert order[-1] == "v1"
    assert order.index(tag_of(sbom, "sig")) < order.index(tag_of(made, "sbom"))
    for child in made.children:
        assert order.index(tag_of(child, "sig")) < order.index("v1")


@pytest.mark.parametrize(
    ("docker", "by"), [(False, "tag"), (True, "digest"), (False, "both")], ids=["tag", "docker-digest", "both"]
)
def test_of_a_single_image(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, docker: bool, by: str
) -> None:
    single = make_image("single", docker=docker)
    mirror.push("m/app", single, "v1")
    there = {tag_of(single, kind): attach(mirror, "m/app", single, kind) for kind in ("sig", "att", "referrers")}
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    name = {"tag": ":v1", "digest": f"@{single.digest}", "both": f":v1@{single.digest}"}[by]
    arguments = [ALL, f"prod.invalid/ns/app{name}", f"docker://{destination.host}"]
    assert attached_of(only(copy(skopeo_mirror, *arguments))) == dict.fromkeys(there, "copied")
    assert all(holds(destination, "ns/app", tag, one) for tag, one in there.items())
    assert attached_of(only(copy(skopeo_mirror, *arguments))) == dict.fromkeys(there, "present")


def test_of_an_sbom_its_signature_and_of_an_attestation(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    single = make_image("single")
    mirror.push("m/app", single, "v1")
    there = {}
    for kind in ("sbom", "att"):
        one = there[tag_of(single, kind)] = attach(mirror, "m/app", single, kind)
        there[tag_of(one, "sig")] = attach(mirror, "m/app", one, "sig")
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    arguments = [ALL, "prod.invalid/ns/app:v1", f"docker://{destination.host}"]
    image = only(copy(skopeo_mirror, *arguments))
    assert attached_of(image) == dict.fromkeys(there, "copied")
    subjects = {told["tag"]: told["subject"] for told in image["attached"]}
    assert subjects[tag_of(single, "sbom")] == single.digest
    assert subjects[tag_of(there[tag_of(single, "sbom")], "sig")] == there[tag_of(single, "sbom")].digest
    assert all(holds(destination, "ns/app", tag, one) for tag, one in there.items())

    sbom = there[tag_of(single, "sbom")]
    moved = attach(mirror, "m/app", sbom, "sig", make_attachment(sbom, "sig", seed="another"))
    assert attached_of(only(copy(skopeo_mirror, *arguments))) == {
        **dict.fromkeys(there, "present"),
        **dict.fromkeys([tag_of(single, "sbom"), tag_of(sbom, "sig")], "copied"),
    }
    assert holds(destination, "ns/app", tag_of(sbom, "sig"), moved)


@pytest.mark.parametrize("kinds", ["sig", "att,sbom", "referrers"])
def test_only_the_kinds_that_are_asked_for(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, kinds: str
) -> None:
    made = make_multi_architecture("app")
    there = put(mirror, "m/app", made)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    image = only(copy(skopeo_mirror, f"--attached={kinds}", "prod.invalid/ns/app:v1", f"docker://{destination.host}"))
    among = {
        tag_of(subject, kind) for subject in (made, *made.children) for kind in kinds.split(",")
    }  # whoever they are attached to
    assert attached_of(image).keys() == among & there.keys()
    assert {tag for tag in destination.tags("ns/app") if tag != "v1"} == among & there.keys()
    attached = [part for one in there.values() for part in one.walk()]
    assert among <= names_asked(mirror) <= among | {tag_of(one, kind) for one in attached for kind in kinds.split(",")}
    assert kinds != "sig" or names_asked(mirror) == among  # nobody signs a signature


def test_without_the_option_nothing_is_asked_for(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    made = make_multi_architecture("app")
    put(mirror, "m/app", made)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    arguments = [f"prod.invalid/ns/app:v1@{made.digest}", f"docker://{destination.host}"]
    assert "attached" not in only(copy(skopeo_mirror, *arguments))
    assert {path.rpartition("/")[2] for path in asked(mirror, "manifests")} == {part.digest for part in made.walk()}
    assert names_asked(destination) == set()
    assert destination.tags("ns/app") == ["v1"]
    mirror.forget()
    assert only(copy(skopeo_mirror, *arguments))["status"] == "present"
    assert mirror.requests() == []


@pytest.mark.parametrize("target", ["docker", "oci"])
def test_a_dry_run_counts_and_writes_nothing(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, target: str
) -> None:
    made = make_multi_architecture("app")
    there = put(mirror, "m/app", made)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    to = f"docker://{destination.host}" if target == "docker" else "oci:images"
    arguments = [ALL, "prod.invalid/ns/app:v1", to]
    for _ in range(2):
        dry = copy(skopeo_mirror, "--dry-run", *arguments)
        assert (only(dry)["status"], dry["changed"]) == ("would-copy", True)
        assert attached_of(only(dry)) == dict.fromkeys(there, "would-copy")
        assert destination.tags("ns/app") == []
        assert {request.method for request in destination.requests()} <= {"GET", "HEAD"}
        assert not (skopeo_mirror.directory / "images").exists()
    done = copy(skopeo_mirror, "-j1", *arguments)
    repeated = len(b"{}")  # skopeo fetches a config each time, also that of two artifacts
    assert dry["summary"]["bytes"] == done["summary"]["bytes"] - repeated

    new = tag_of(made, "sig")
    attach(mirror, "m/app", made, "sig")
    dry = copy(skopeo_mirror, "--dry-run", *arguments)
    assert (only(dry)["status"], dry["changed"]) == ("would-copy", True)
    assert attached_of(only(dry)) == {**dict.fromkeys(there, "present"), new: "would-copy"}
    assert 0 < dry["summary"]["bytes"] < done["summary"]["bytes"]
    copy(skopeo_mirror, *arguments)
    dry = copy(skopeo_mirror, "--dry-run", *arguments)
    assert (only(dry)["status"], dry["changed"]) == ("present", False)


def test_what_the_destination_has_beyond_the_source_is_left(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    made = make_multi_architecture("app")
    there = put(mirror, "m/app", made)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    destination.push("ns/app", made, "v1")
    own = {tag_of(made, kind): attach(destination, "ns/app", made, kind) for kind in ("sig", "att")}
    image = only(copy(skopeo_mirror, ALL, "prod.invalid/ns/app:v1", f"docker://{destination.host}"))
    assert attached_of(image) == dict.fromkeys(there, "copied")
    assert all(holds_tree(destination, "ns/app", tag, one) for tag, one in {**there, **own}.items())


@pytest.mark.parametrize("what", ["image", "index", "others-referrers", "no-referrers", "some-of-others"])
def test_what_only_has_the_name_of_referrers_is_not_taken(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, what: str
) -> None:
    """`cosign copy` gives an image that name."""
    single, other = make_image("single"), make_image("other")
    mirror.push("m/app", single, "v1")
    artifacts = [make_artifact(other)]
    made = {
        "image": single,
        "index": make_multi_architecture("index"),
        "others-referrers": make_referrers(artifacts),
        "no-referrers": make_referrers([]),
        "some-of-others": make_referrers([make_artifact(single), *artifacts]),
    }[what]
    attach(mirror, "m/app", single, "referrers", made)
    there = {tag_of(single, "sig"): attach(mirror, "m/app", single, "sig")}
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    for status in ("copied", "present"):
        image = only(copy(skopeo_mirror, ALL, "prod.invalid/ns/app:v1", f"docker://{destination.host}"))
        assert (image["status"], attached_of(image)) == (status, dict.fromkeys(there, status))
    assert destination.tags("ns/app") == sorted([*there, "v1"])


def test_of_an_image_to_which_nothing_is_attached(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    made = make_multi_architecture("app")
    mirror.push("m/app", made, "v1")
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    for status in ("copied", "present"):
        image = only(copy(skopeo_mirror, ALL, "prod.invalid/ns/app:v1", f"docker://{destination.host}"))
        assert (image["status"], attached_of(image)) == (status, {})
    assert destination.tags("ns/app") == ["v1"]


def test_this_hosts_registries_d_rebuilds_none_of_it(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    made = make_multi_architecture("app")
    there = put(mirror, "m/app", made)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    enabled = {"use-sigstore-attachments": True}
    say_where_signatures_are(skopeo_mirror, {mirror.host: enabled, destination.host: enabled})
    for status in ("copied", "present"):
        image = only(copy(skopeo_mirror, ALL, "prod.invalid/ns/app:v1", f"docker://{destination.host}"))
        assert (image["status"], attached_of(image)) == (status, dict.fromkeys(there, status))
        assert all(holds_tree(destination, "ns/app", tag, one) for tag, one in there.items())


def test_several_images_have_each_their_own(skopeo_mirror: Program, mirror: Registry, destination: Registry) -> None:
    """Also where one image is part of two indexes: what is attached to it is brought once."""
    shared = make_multi_architecture("app")
    single = shared.children[0]
    put(mirror, "m/app", shared)
    mirror.push("m/app", single, "amd64")
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    names = ["prod.invalid/ns/app:v1", "prod.invalid/ns/app:amd64"]
    report = copy(skopeo_mirror, ALL, *names, f"docker://{destination.host}")
    assert statuses(report) == dict.fromkeys(names, "copied")
    assert {tag_of(single, kind) for kind in ("sig", "att", "referrers")} == attached_of(report["images"][1]).keys()
    assert sorted(writes(destination)) == sorted(set(writes(destination)) | ({*writes(destination)} & {single.digest}))
    assert writes(destination).count(tag_of(single, "sig")) == 1


def test_where_a_policy_demands_a_signature_of_the_image(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    """Nobody signs what is attached; an image that is present is judged anew, and all of it is told."""
    made = make_multi_architecture("app")
    there = put(mirror, "m/app", made)
    lookaside = Lookaside.of(skopeo_mirror)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    with Signer() as signer:
        for part in made.walk():
            signer.sign(part, "prod.invalid/ns/app:v1", lookaside, "m/app")
        policy = write_policy(skopeo_mirror, REJECT, {"prod.invalid/ns": signer.signed()})
        arguments = [ALL, "--policy", policy, "prod.invalid/ns/app:v1", f"docker://{destination.host}"]
        for status in ("copied", "present"):
            image = only(copy(skopeo_mirror, *arguments))
            assert (image["status"], attached_of(image)) == (status, dict.fromkeys(there, status))
        attach(mirror, "m/app", made, "sig")
        report = copy(skopeo_mirror, *arguments)
        assert (only(report)["status"], report["changed"]) == ("copied", True)
        assert attached_of(only(report)) == {**dict.fromkeys(there, "present"), tag_of(made, "sig"): "copied"}
        put(mirror, "m/unsigned", make_multi_architecture("unsigned"))
        copy(skopeo_mirror, *arguments[:-2], "prod.invalid/ns/unsigned:v1", arguments[-1], status=1)
        assert "v1" not in destination.tags("ns/unsigned")


@pytest.mark.parametrize("options", [["--scoped"], ["--max-nested-paths=2"], []], ids=["scoped", "nested", "named"])
def test_in_the_repository_of_the_image_whatever_that_is(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, options: list[str]
) -> None:
    made = make_multi_architecture("app")
    there = put(mirror, "m/a/b/app", made)
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    image = "prod.invalid/ns/a/b/app:v1"
    line = image if options else f"{image}={destination.host}/own/name:v1"
    (skopeo_mirror.directory / "list").write_text(line, encoding="utf-8")
    copy(skopeo_mirror, ALL, *options, "-f", "list", f"docker://{destination.host}")
    [repository] = destination.repositories()
    assert all(holds_tree(destination, repository, tag, one) for tag, one in {**there, "v1": made}.items())


@pytest.mark.parametrize(
    ("option", "made"),
    [
        # not read ahead, so copied whole, which skopeo cannot do with an index inside an index
        pytest.param("--no-plan", make_multi_architecture("app"), id="no-plan"),
        pytest.param("--log-dir=logs", make_index([make_image("one"), make_multi_architecture("in")]), id="log-dir"),
    ],
)
def test_where_no_manifest_is_read_ahead_or_no_skopeo_stays_to_read_it(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, option: str, made: Image
) -> None:
    mirror.push("m/app", made, "v1")
    there = {tag_of(part, "sig"): attach(mirror, "m/app", part, "sig") for part in made.walk()}
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    for status in ("copied", "present"):
        image = only(copy(skopeo_mirror, ALL, option, "prod.invalid/ns/app:v1", f"docker://{destination.host}"))
        assert (image["status"], attached_of(image)) == (status, dict.fromkeys(there, status))


class TestWhereItIsAskedFor:
    """At the location that gave the image; of an image that is present, at the first that has it or anything of it."""

    @pytest.fixture
    def single(self, skopeo_mirror: Program, mirror: Registry, second_mirror: Registry) -> Image:
        configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m", f"{second_mirror.host}/m"))
        return make_image("single")

    def test_absent_where_the_image_is_is_nothing(
        self, skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, destination: Registry, single: Image
    ) -> None:
        for one in (mirror, second_mirror):
            one.push("m/app", single, "v1")
        attach(second_mirror, "m/app", single, "sig")
        for status in ("copied", "present"):
            image = only(copy(skopeo_mirror, ALL, "prod.invalid/ns/app:v1", f"docker://{destination.host}"))
            assert (image["status"], attached_of(image)) == (status, {})
        assert names_asked(second_mirror) == set()

    def test_the_second_mirror_where_it_gave_the_image(
        self, skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, destination: Registry, single: Image
    ) -> None:
        second_mirror.push("m/app", single, "v1")
        there = {tag_of(single, "sig"): attach(second_mirror, "m/app", single, "sig")}
        arguments = [ALL, f"prod.invalid/ns/app@{single.digest}", f"docker://{destination.host}"]
        for status in ("copied", "present"):
            image = only(copy(skopeo_mirror, *arguments))
            assert (image["status"], attached_of(image)) == (status, dict.fromkeys(there, status))
        assert holds(destination, "ns/app", tag_of(single, "sig"), there[tag_of(single, "sig")])
        # the first has got it meanwhile, and nothing that is attached: that is what a new run would find
        mirror.push("m/app", single)
        assert attached_of(only(copy(skopeo_mirror, *arguments))) == {}
        # and of another kind
        there[tag_of(single, "att")] = attach(mirror, "m/app", single, "att")
        assert attached_of(only(copy(skopeo_mirror, *arguments))) == {tag_of(single, "att"): "copied"}
        assert destination.tags("ns/app")[-2:] == sorted(there)

    def test_production_is_never_asked_with_mirrors_only(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry
    ) -> None:
        single = make_image("single")
        origin.push("ns/app", single, "v1")
        attach(origin, "ns/app", single, "sig")
        mirror.push("m/app", single, "v1")
        configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/m"))
        arguments = [ALL, f"{origin.host}/ns/app:v1", f"docker://{destination.host}"]
        for options in (["--mirrors-only"], ["--mirrors-only", "--dry-run"], []):
            assert attached_of(only(copy(skopeo_mirror, *options, *arguments))) == {}
        assert origin.requests() == []


class TestThroughALayout:
    @pytest.fixture
    def made(self) -> Image:
        return make_operator("app", make_bases("base", layers=1))

    @pytest.fixture
    def there(self, skopeo_mirror: Program, mirror: Registry, made: Image) -> dict[str, Image]:
        """Have all of it in a layout that has been moved; the mirror is gone."""
        there = put(mirror, "m/app", made)
        sbom = attach(mirror, "m/app", made, "sbom")
        there |= {tag_of(made, "sbom"): sbom, tag_of(sbom, "sig"): attach(mirror, "m/app", sbom, "sig")}
        configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
        copy(skopeo_mirror, ALL, f"prod.invalid/ns/app:v1@{made.digest}", "oci:images")
        mirror.stop()
        shutil.move(skopeo_mirror.directory / "images", skopeo_mirror.directory / "moved")
        return there

    @pytest.mark.parametrize("options", [[], [ALL]], ids=["unasked", "asked"])
    def test_all_of_it_arrives(
        self,
        skopeo_mirror: Program,
        destination: Registry,
        made: Image,
        there: dict[str, Image],
        options: list[str],
    ) -> None:
        before = files_below(skopeo_mirror.directory / "moved")
        arguments = ["--from", "oci:moved", *options, f"docker://{destination.host}"]
        report = copy(skopeo_mirror, *arguments)
        assert attached_of(only(report)) == dict.fromkeys(there, "copied")
        assert all(told["served_by"]["kind"] == "layout" for told in only(report)["attached"])
        assert all(holds_tree(destination, "ns/app", tag, one) for tag, one in {**there, "v1": made}.items())
        assert writes(destination)[-1] == "v1"
        destination.forget()
        again = copy(skopeo_mirror, *arguments)
        assert (attached_of(only(again)), again["changed"]) == (dict.fromkeys(there, "present"), False)
        assert {request.method for request in destination.requests()} <= {"GET", "HEAD"}
        assert files_below(skopeo_mirror.directory / "moved") == before

    def test_an_image_that_is_named(
        self, skopeo_mirror: Program, destination: Registry, made: Image, there: dict[str, Image]
    ) -> None:
        arguments = ["--from", "oci:moved", f"prod.invalid/ns/app:v1@{made.digest}", f"docker://{destination.host}"]
        assert attached_of(only(copy(skopeo_mirror, *arguments))) == dict.fromkeys(there, "copied")

    def test_of_one_platform_what_is_attached_to_it_and_to_the_index(
        self, skopeo_mirror: Program, made: Image, there: dict[str, Image]
    ) -> None:
        theirs = {tag_of(made.children[1], kind) for kind in ("sig", "sbom")}
        wanted = {tag: one for tag, one in there.items() if tag not in theirs}
        with FaultyRegistry() as taking:
            arguments = ["--from", "oci:moved", "--platform=linux/amd64", f"docker://{taking.host}"]
            image = only(copy(skopeo_mirror, *arguments))
            assert attached_of(image) == dict.fromkeys(wanted, "copied")
            assert all(holds_tree(taking, "ns/app", tag, one) for tag, one in wanted.items())
            assert taking.manifest("ns/app", "v1") == made.manifest
            assert attached_of(only(copy(skopeo_mirror, *arguments))) == dict.fromkeys(wanted, "present")

    def test_onward_into_a_layout(self, skopeo_mirror: Program, there: dict[str, Image]) -> None:
        assert attached_of(only(copy(skopeo_mirror, "--from", "oci:moved", "oci:onward"))) == dict.fromkeys(
            there, "copied"
        )
        onward = names_in(skopeo_mirror.directory / "onward")
        assert sorted(onward) == sorted(names_in(skopeo_mirror.directory / "moved"))


@pytest.fixture
def typed(mirror: Registry) -> tuple[Image, Image]:
    """Return an image, and referrers to it whose types stand in their index, as the specification has it."""
    single = make_image("single")
    mirror.push("m/app", single, "v1")
    referrers = make_referrers([make_artifact(single, seed=seed) for seed in ("one", "two")], typed=True)
    attach(mirror, "m/app", single, "referrers", referrers)
    return single, referrers


@pytest.mark.parametrize("target", ["docker", "oci"])
def test_referrers_with_their_types_come_along_or_the_artifacts_do_and_the_cause_is_told(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, typed: tuple[Image, Image], target: str
) -> None:
    single, referrers = typed
    tag = tag_of(single, "referrers")
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/m"))
    to = f"docker://{destination.host}" if target == "docker" else "oci:images"
    run = skopeo_mirror(
        "copy", "-r", "registries.conf", "--json", "--dest-tls-verify=false", ALL, "prod.invalid/ns/app:v1", to
    )
    image = only(run.report)
    if target == "docker":
        assert all(destination.manifest("ns/app", one.digest) == one.manifest for one in referrers.children)
    else:
        contents = {one.digest: one.manifest for one in referrers.children}
        assert contents.items() <= blobs_below(skopeo_mirror.directory / "images").items()
    if run.status == 0:
        assert attached_of(image) == {tag: "copied"}
        assert target == "oci" or holds_tree(destination, "ns/app", tag, referrers)
        return
    assert image["status"] == "failed"
    assert tag in image["error"]
    assert "artifactType" in image["error"]
    assert run.report["skopeo"]["version"] in image["error"]
    assert attached_of(image) == {tag: "failed"}
    assert "v1" not in destination.tags("ns/app")
