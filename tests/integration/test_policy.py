"""The signature policy: an image is decided on as skopeo decides when it is asked the same thing."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.rig.copying import asked, configure, copy, entry, holds, only, pin_tag
from tests.rig.images import make_image, make_multi_architecture
from tests.rig.operators import make_catalog_image, make_operators
from tests.rig.registry import Registry
from tests.rig.signatures import ANYTHING, REJECT, Lookaside, Signer, say_where_signatures_are, write_policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.images import Image
    from tests.rig.program import Program

NAME = "prod.invalid/ns/app"
TAG = f"{NAME}:v1"


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with Signer() as signer:
        yield signer


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a registry for the table, which no cell writes to."""
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A policy: the default, the scopes, as whom the image is signed, and what is so accepted by tag and by digest."""

    by_tag: bool
    by_digest: bool
    default: dict[str, Any] = field(default_factory=lambda: ANYTHING)
    scopes: dict[str, dict[str, Any]] = field(default_factory=dict)
    signed_as: str | None = None
    identity: dict[str, Any] | None = None


RULES = {
    "reject": Rule(scopes={TAG: REJECT}, by_tag=False, by_digest=True),
    "signed and right": Rule(signed_as=TAG, by_tag=True, by_digest=True),
    "signed for another tag": Rule(signed_as=f"{NAME}:v0", by_tag=False, by_digest=True),
    "matchExact": Rule(signed_as=TAG, identity={"type": "matchExact"}, by_tag=True, by_digest=False),
    "matchRepository": Rule(signed_as=f"{NAME}:v0", identity={"type": "matchRepository"}, by_tag=True, by_digest=True),
    "remapIdentity": Rule(
        signed_as="vendor.test/pub/app:v1",
        identity={"type": "remapIdentity", "prefix": "prod.invalid/ns", "signedPrefix": "vendor.test/pub"},
        by_tag=True,
        by_digest=True,
    ),
    "one tag accepted": Rule(default=REJECT, scopes={TAG: ANYTHING}, by_tag=True, by_digest=False),
    "not signed": Rule(identity={"type": "matchRepository"}, by_tag=False, by_digest=False),
    "one digest rejected": Rule(scopes={"the digest": REJECT}, by_tag=True, by_digest=False),
}


def table() -> Iterator[Any]:
    for rule in RULES:
        for place in ("origin", "mirror"):
            for how in ("tag", "digest", "both"):
                yield pytest.param(rule, place, how, id=f"{rule}, {place}, {how}")


@pytest.mark.parametrize(("name", "place", "how"), [*table()])
def test_the_same_decision_as_skopeo(
    skopeo_mirror: Program, registry: Registry, signer: Signer, name: str, place: str, how: str
) -> None:
    rule = RULES[name]
    image = make_image(f"{name}, {place}, {how}")
    registry.push("ns/app", image, "v1")
    scopes = {scope.replace("the digest", f"{NAME}@{image.digest}"): one for scope, one in rule.scopes.items()}
    if rule.signed_as is not None or rule.identity is not None:
        scopes[NAME] = signer.signed(rule.identity)
    lookaside = Lookaside.of(skopeo_mirror)
    if rule.signed_as is not None:
        signer.sign(image, rule.signed_as, lookaside, "ns/app")
    policy = write_policy(skopeo_mirror, rule.default, scopes)
    if place == "origin":
        configure(
            skopeo_mirror, f'[[registry]]\nprefix = "prod.invalid"\nlocation = "{registry.host}"\ninsecure = true'
        )
    else:
        configure(skopeo_mirror, entry("prod.invalid", registry.host))
    reference = {"tag": TAG, "digest": f"{NAME}@{image.digest}", "both": f"{TAG}@{image.digest}"}[how]

    accepted = rule.by_tag if how == "tag" else rule.by_digest
    # skopeo takes no reference with both: of those the digest counts
    assert skopeo_accepts(skopeo_mirror, policy, reference.replace(":v1@", "@")) is accepted

    options = ["--retries=0", "--policy", policy]
    copied = only(copy(skopeo_mirror, *options, reference, "dir:images", status=0 if accepted else 1))
    if accepted:
        assert (copied["status"], copied["confirmed"], copied["digest"]) == ("copied", True, image.digest)
        assert copied["served_by"]["kind"] == place
    else:
        assert (copied["status"], copied["confirmed"]) == ("failed", False)
        assert "policy" in [attempt["reason"] for attempt in copied["attempts"]]
        assert "Source image rejected" in copied["error"]
        assert not (skopeo_mirror.directory / "images").exists()


def skopeo_accepts(program: Program, policy: str, reference: str) -> bool:
    command = ["skopeo", "--policy", policy, "--registries-conf", "registries.conf", "copy", "--all"]
    done = subprocess.run(
        [*command, "--remove-signatures", f"docker://{reference}", "dir:skopeos"],
        env=program.environment(),
        cwd=program.directory,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0 or "Source image rejected" in done.stderr, done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("all_signed", [True, False])
@pytest.mark.parametrize("how", ["tag", "digest"])
def test_all_of_an_index_is_judged(
    skopeo_mirror: Program, mirror: Registry, signer: Signer, all_signed: bool, how: str
) -> None:
    index = make_multi_architecture("signed")
    mirror.push("ns/app", index, "v1")
    lookaside = Lookaside.of(skopeo_mirror)
    parts = [*index.walk()] if all_signed else [index, index.children[0]]
    for part in parts:
        signer.sign(part, TAG, lookaside, "ns/app")
    policy = write_policy(skopeo_mirror, ANYTHING, {NAME: signer.signed()})
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    reference = TAG if how == "tag" else f"{NAME}@{index.digest}"
    assert skopeo_accepts(skopeo_mirror, policy, reference) is all_signed
    arguments = ["--retries=0", "--policy", policy, reference, "dir:images"]
    assert only(copy(skopeo_mirror, *arguments, status=0 if all_signed else 1))["confirmed"] is all_signed


@pytest.mark.parametrize("how", ["tag", "digest"])
def test_a_rejection_is_final(
    skopeo_mirror: Program, mirror: Registry, origin: Registry, signer: Signer, image: Image, how: str
) -> None:
    """What is signed wrongly at the mirror and rightly at the origin is rejected, as by skopeo."""
    for registry, signed_as in ((mirror, "other.test/app:v1"), (origin, TAG)):
        registry.push("ns/app", image, "v1")
        whose = signed_as.partition(".")[0]
        lookaside = Lookaside(directory=skopeo_mirror.directory / f"lookaside-of-{whose}")
        signer.sign(image, signed_as, lookaside, "ns/app")
        say_where_signatures_are(skopeo_mirror, {registry.host: lookaside.keys()}, whose)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host, origin.host))
    policy = write_policy(skopeo_mirror, ANYTHING, {NAME: signer.signed()})
    reference = TAG if how == "tag" else f"{NAME}@{image.digest}"
    assert not skopeo_accepts(skopeo_mirror, policy, reference)
    origin.forget()
    failed = only(copy(skopeo_mirror, "--policy", policy, "--remove-signatures", reference, "dir:images", status=1))
    assert [(attempt["location"], attempt["reason"]) for attempt in failed["attempts"]] == [
        (mirror.host, "policy"),
    ]
    assert failed["error"].startswith(f"the signature policy ({policy}) rejects what was served, and so no other ")
    assert f"mirror {mirror.host}/ns/app: policy (Source image rejected" in failed["error"]
    assert origin.requests() == []
    assert not (skopeo_mirror.directory / "images").exists()
    # and the origin's would have been accepted
    configure(skopeo_mirror, entry("prod.invalid", origin.host))
    copied = only(copy(skopeo_mirror, "--policy", policy, "--remove-signatures", reference, "dir:images"))
    assert copied["served_by"]["location"] == origin.host


class TestPresent:
    """What is there already is no way around the policy."""

    @pytest.fixture
    def there(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, signer: Signer, image: Image
    ) -> Program:
        """Return the tool with an image of two names at the destination, signed as its tag, and a policy for that."""
        mirror.push("ns/app", image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        for reference in (TAG, f"{NAME}@{image.digest}"):
            copy(skopeo_mirror, reference, f"docker://{destination.host}")
        signer.sign(image, TAG, Lookaside.of(skopeo_mirror), "ns/app")
        write_policy(skopeo_mirror, ANYTHING, {NAME: signer.signed()})
        return skopeo_mirror

    @pytest.mark.parametrize("how", ["tag", "digest"])
    def test_is_what_skopeo_accepts(
        self, there: Program, mirror: Registry, destination: Registry, image: Image, how: str
    ) -> None:
        reference = TAG if how == "tag" else f"{NAME}@{image.digest}"
        mirror.forget()
        options = ["--policy", "policy.json", "--remove-signatures"]
        report = copy(there, *options, reference, f"docker://{destination.host}")
        found = only(report)
        assert (found["status"], found["confirmed"], report["changed"]) == ("present", True, False)
        assert (found["served_by"], found["bytes"]) == (None, 0)
        assert asked(mirror, "manifests") != []
        assert asked(mirror, "blobs") == [f"/v2/ns/app/blobs/{image.config_digest}"]

    @pytest.mark.parametrize("how", ["tag", "digest"])
    @pytest.mark.parametrize("kind", ["reject", "another signature"])
    def test_is_not_what_it_rejects(
        self, there: Program, destination: Registry, signer: Signer, image: Image, how: str, kind: str
    ) -> None:
        exact = {"type": "exactReference", "dockerReference": f"{NAME}:v9"}
        write_policy(there, ANYTHING, {NAME: REJECT if kind == "reject" else signer.signed(exact)})
        reference = TAG if how == "tag" else f"{NAME}@{image.digest}"
        report = copy(
            there, "--retries=0", "--policy", "policy.json", reference, f"docker://{destination.host}", status=1
        )
        assert (only(report)["status"], report["changed"]) == ("failed", False)
        assert holds(destination, "ns/app", "v1" if how == "tag" else pin_tag(image), image)

    def test_in_a_layout_and_a_directory(self, there: Program, image: Image) -> None:
        for target in ("oci:images", "dir:directories"):
            options = ["--policy", "policy.json", "--remove-signatures", "--retries=0"]
            assert only(copy(there, *options, TAG, target))["status"] == "copied"
            before = snapshot(there.directory)
            report = copy(there, *options, TAG, target)
            assert (only(report)["status"], report["changed"]) == ("present", False)
            assert snapshot(there.directory) == before
            write_policy(there, ANYTHING, {TAG: REJECT})
            assert only(copy(there, *options, TAG, target, status=1))["status"] == "failed"
            assert snapshot(there.directory) == before
            write_policy(there, ANYTHING, {f"{NAME}@{image.digest}": REJECT})

    def test_where_nothing_is_demanded_no_source_is_asked(
        self, there: Program, mirror: Registry, destination: Registry, image: Image
    ) -> None:
        write_policy(there, ANYTHING, {TAG: REJECT})
        mirror.forget()
        options = ["--policy", "policy.json", "--remove-signatures"]
        report = copy(there, *options, f"{NAME}@{image.digest}", f"docker://{destination.host}")
        assert only(report)["status"] == "present"
        assert mirror.requests() == []


def snapshot(directory: Path) -> dict[str, int | bytes]:
    """Return every file that a run has published: its inode, or what it has in it where images share it."""
    return {
        str(path): path.read_bytes() if "blobs" in path.parts else path.stat().st_ino
        for target in ("images", "directories")
        for path in (directory / target).rglob("*")
        if path.is_file()
    }


class TestATagThatMoves:
    """A tag that is asked for as such is compared with what it was found to be."""

    @pytest.fixture
    def moving(self, skopeo_mirror: Program, mirror: Registry) -> Program:
        """Return the tool with a skopeo that lets the tag move before each of the first `MOVES` copies."""
        for number in range(4):
            mirror.push("ns/app", make_image(f"moving-{number}"), f"next-{number}")
        mirror.push("ns/app", make_image("moving"), "v1")
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        write_policy(skopeo_mirror, ANYTHING, {f"{NAME}:v2": REJECT, TAG: ANYTHING, f"{NAME}": REJECT})
        there = f"docker://{mirror.host}/ns/app"
        wrapper = skopeo_mirror.directory / "moving-skopeo"
        wrapper.write_text(
            "#!/bin/sh\n"
            'case "$*" in *" copy "*prod.invalid*)\n'
            "    count=$(cat moves || echo 0)\n"
            '    if [ "$count" -lt "$MOVES" ]; then\n'
            "        skopeo copy --insecure-policy --src-tls-verify=false --dest-tls-verify=false -q "
            f"{there}:next-$count {there}:v1\n"
            "        echo $((count + 1)) > moves\n"
            "    fi\n"
            "esac\n"
            'exec skopeo "$@"\n',
            encoding="utf-8",
        )
        wrapper.chmod(0o755)
        return skopeo_mirror

    @pytest.mark.parametrize("target", ["oci:images", "docker"])
    def test_once_is_resolved_again(self, moving: Program, destination: Registry, target: str) -> None:
        target = f"docker://{destination.host}" if target == "docker" else target
        arguments = ["--skopeo", "./moving-skopeo", "--policy", "policy.json", TAG, target]
        copied = only(copy(moving, *arguments, env={"MOVES": "1"}))
        assert (copied["status"], copied["digest"]) == ("copied", make_image("moving-0").digest)
        assert copied["resolved_from"] == TAG
        if target.startswith("docker"):
            assert holds(destination, "ns/app", "v1", make_image("moving-0"))

    def test_twice_is_a_failure(self, moving: Program) -> None:
        arguments = ["--skopeo", "./moving-skopeo", "--policy", "policy.json", TAG, "oci:images"]
        failed = only(copy(moving, *arguments, env={"MOVES": "2"}, status=1))
        assert failed["confirmed"] is False
        assert failed["error"] == (
            f"not confirmed: its tag has moved: skopeo wrote {make_image('moving-1').digest}, "
            f"not {make_image('moving-0').digest}"
        )
        assert not (moving.directory / "images/index.json").exists()

    def test_does_not_matter_to_what_is_accepted_by_digest(self, moving: Program) -> None:
        write_policy(moving, ANYTHING, {f"{NAME}:v2": REJECT})
        arguments = ["--skopeo", "./moving-skopeo", "--policy", "policy.json", TAG, "oci:images"]
        assert only(copy(moving, *arguments, env={"MOVES": "1"}))["digest"] == make_image("moving").digest


class TestWhatIsNoPolicy:
    """is told before anything is asked for."""

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            pytest.param("{", "is no policy.json", id="no JSON"),
            pytest.param('{"default": []}', "requirements must not be empty", id="no requirements"),
            pytest.param('{"default": [{"type": "signedBy", "keyType": "GPGKeys"}]}', "keyPath", id="no key"),
            pytest.param('{"default": [{"type": "unheardOf"}]}', "unheardOf", id="unknown"),
            pytest.param('{"default": [{"type": "reject"}], "transport": {}}', "transport", id="unknown key"),
        ],
    )
    @pytest.mark.parametrize("whose", ["given", "the user's"])
    def test_stops_the_run(
        self, skopeo_mirror: Program, mirror: Registry, image: Image, content: str, words: str, whose: str
    ) -> None:
        mirror.push("ns/app", image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        users = skopeo_mirror.home / ".config/containers/policy.json"
        users.parent.mkdir(parents=True)
        file = users if whose == "the user's" else skopeo_mirror.directory / "policy.json"
        file.write_text(content)
        options = [] if whose == "the user's" else ["--policy", str(file)]
        mirror.forget()
        run = skopeo_mirror("copy", "-r", "registries.conf", *options, TAG, "dir:images")
        assert run.status == 2
        assert run.stderr.startswith(f"error: {file}: ")
        assert words in run.stderr
        assert "--insecure-policy" in run.stderr
        assert mirror.requests() == []
        run = skopeo_mirror("copy", "-r", "registries.conf", "--insecure-policy", TAG, "dir:images")
        assert run.status == 0, run.stderr

    def test_the_users_own_policy_is_in_force(self, skopeo_mirror: Program, mirror: Registry, image: Image) -> None:
        mirror.push("ns/app", image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        users = skopeo_mirror.home / ".config/containers/policy.json"
        users.parent.mkdir(parents=True)
        users.write_text(json.dumps({"default": [ANYTHING], "transports": {"docker": {TAG: [REJECT]}}}))
        assert only(copy(skopeo_mirror, "--retries=0", TAG, "dir:images", status=1))["status"] == "failed"
        (skopeo_mirror.directory / "policy.json").write_text(json.dumps({"default": [ANYTHING]}))
        assert only(copy(skopeo_mirror, "--policy", "policy.json", TAG, "dir:images"))["status"] == "copied"


def test_a_dry_run_foretells_what_no_signature_can_help(skopeo_mirror: Program, mirror: Registry, image: Image) -> None:
    mirror.push("ns/app", image, "v1")
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    policy = write_policy(skopeo_mirror, ANYTHING, {TAG: REJECT})
    options = ["--dry-run", "--policy", policy, "dir:images"]
    failed = only(copy(skopeo_mirror, TAG, *options, status=1))
    assert failed["error"] == f"{policy} rejects {TAG}: skopeo would not copy it"
    assert only(copy(skopeo_mirror, f"{NAME}@{image.digest}", *options))["status"] == "would-copy"


@pytest.mark.parametrize("present", [True, False])
def test_what_comes_from_a_layout_is_judged_as_that(
    skopeo_mirror: Program, mirror: Registry, image: Image, present: bool
) -> None:
    mirror.push("ns/app", image, "v1")
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    copy(skopeo_mirror, TAG, "oci:layout")
    arguments = ["--policy", "policy.json", "--from", "oci:layout", "dir:images"]
    if present:
        copy(skopeo_mirror, "--insecure-policy", *arguments[2:])
    for scope, status in (("docker", 0), ("oci", 1)):
        policy = {"default": [ANYTHING], "transports": {scope: {"": [REJECT]}}}
        (skopeo_mirror.directory / "policy.json").write_text(json.dumps(policy))
        found = only(copy(skopeo_mirror, *arguments, status=status))
        assert found["confirmed"] is (status == 0)
        present = True


class TestCatalogs:
    """A catalog is an image, and judged as a whole."""

    CATALOG = make_catalog_image(make_operators("prod.invalid/op"))

    @pytest.fixture
    def work(self, skopeo_mirror: Program, mirror: Registry) -> Program:
        mirror.push("op/index", self.CATALOG, "v1")
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        return skopeo_mirror

    @pytest.mark.parametrize("default", [ANYTHING, REJECT], ids=["anything", "reject"])
    @pytest.mark.parametrize("tag", [ANYTHING, REJECT], ids=["anything", "reject"])
    def test_by_its_tag(self, work: Program, default: dict[str, Any], tag: dict[str, Any]) -> None:
        write_policy(work, default, {"prod.invalid/op/index:v1": tag})
        options = ["-r", "registries.conf", "--retries=0", "--policy", "policy.json"]
        run = work("catalog", *options, "prod.invalid/op/index:v1")
        assert run.status == (0 if tag == ANYTHING else 1), run.stderr
        assert ("gamma" in run.stdout) is (tag == ANYTHING)

    def test_by_its_digest(self, work: Program) -> None:
        index = f"prod.invalid/op/index@{self.CATALOG.digest}"
        options = ["-r", "registries.conf", "--retries=0", "--policy", "policy.json"]
        write_policy(work, REJECT, {index: ANYTHING})
        assert work("catalog", *options, index).status == 0
        write_policy(work, ANYTHING, {index: REJECT})
        assert work("catalog", *options, index).status == 1

    def test_where_nothing_is_demanded_one_image_of_it_is_enough(self, work: Program, mirror: Registry) -> None:
        mirror.forget()
        assert work("catalog", "-r", "registries.conf", "prod.invalid/op/index:v1").status == 0
        first, second = self.CATALOG.children
        assert [path for path in asked(mirror) if first.digest in path]
        assert not [path for path in asked(mirror) if second.digest in path]
