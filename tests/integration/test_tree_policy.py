"""Where a policy asks for more than anything of an image, skopeo decides on all of it, and no image comes in parts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.rig.attached import attach, tag_of
from tests.rig.copying import configure, copy, entry, holds, only
from tests.rig.images import make_image, make_multi_architecture
from tests.rig.registry import Registry
from tests.rig.signatures import ANYTHING, REJECT, Lookaside, Signer, write_policy
from tests.rig.skopeos import Noting
from tests.rig.trees import digests_of, holds_tree, part_statuses, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.program import Program

NAME = "prod.invalid/ns/app"
TAG = f"{NAME}:v1"
SIGNED: dict[str, Any] = {"type": "signed"}
"""Stands for the requirement of the test's own key."""
INDEX = make_multi_architecture("app")
CHILD = INDEX.children[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A policy, how the image is asked for, and whether skopeo accepts it."""

    default: dict[str, Any] = field(default_factory=lambda: ANYTHING)
    scopes: dict[str, dict[str, Any]] = field(default_factory=dict)
    by: str = TAG
    accepted: bool = True


BY_DIGEST = f"{NAME}@{INDEX.digest}"
ASK_FOR_MORE = {
    "its tag": Rule(scopes={TAG: SIGNED}),
    "its repository": Rule(scopes={NAME: SIGNED}),
    "its repository, by digest": Rule(scopes={NAME: SIGNED}, by=BY_DIGEST),
    "its repository, by both": Rule(scopes={NAME: SIGNED}, by=f"{TAG}@{INDEX.digest}"),
    "its namespace": Rule(scopes={"prod.invalid/ns": SIGNED}),
    "its host": Rule(scopes={"prod.invalid": SIGNED}),
    "its host's parent": Rule(scopes={"*.invalid": SIGNED}),
    "all registries": Rule(scopes={"": SIGNED}),
    "everything": Rule(default=SIGNED),
    "everything, and its digest alone is accepted": Rule(default=SIGNED, scopes={BY_DIGEST: ANYTHING}),
    "everything but its tag": Rule(default=REJECT, scopes={TAG: ANYTHING}),
    "its digest": Rule(scopes={BY_DIGEST: REJECT}),
    "an image of it": Rule(scopes={f"{NAME}@{CHILD.digest}": REJECT}),
    "an image of it, by digest": Rule(scopes={f"{NAME}@{CHILD.digest}": REJECT}, by=BY_DIGEST),
    "its repository, which is rejected": Rule(scopes={NAME: REJECT}, accepted=False),
    "its tag, which is rejected": Rule(scopes={TAG: REJECT}, accepted=False),
}
SAMPLE = {"its tag", "its repository, by digest", "everything", "an image of it", "its tag, which is rejected"}
ASK_FOR_NOTHING = {
    "others": Rule(default=ANYTHING, scopes={"prod.invalid/other": REJECT, "elsewhere.invalid": SIGNED}),
    "everything but its repository": Rule(default=REJECT, scopes={NAME: ANYTHING}),
    "another tag": Rule(scopes={f"{NAME}:v2": REJECT}),
}


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with Signer() as signer:
        yield signer


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a mirror that no test writes to."""
    with Registry(tmp_path_factory.mktemp("mirror")) as registry:
        registry.push("ns/app", INDEX, "v1")
        yield registry


def policy_of(program: Program, signer: Signer, rule: Rule) -> str:
    def meant(requirement: dict[str, Any]) -> dict[str, Any]:
        return signer.signed() if requirement is SIGNED else requirement

    scopes = {scope: meant(requirement) for scope, requirement in rule.scopes.items()}
    return write_policy(program, meant(rule.default), scopes)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(rule, id=name, marks=() if name in SAMPLE else pytest.mark.slow)
        for name, rule in ASK_FOR_MORE.items()
    ],
)
def test_no_image_comes_in_parts(
    skopeo_mirror: Program, source: Registry, destination: Registry, signer: Signer, rule: Rule
) -> None:
    lookaside = Lookaside.of(skopeo_mirror)
    for part in INDEX.walk():
        signer.sign(part, TAG, lookaside, "ns/app")
    configure(skopeo_mirror, entry("prod.invalid", source.host))
    noting = Noting(skopeo_mirror)
    image = only(
        copy(
            skopeo_mirror,
            *("--policy", policy_of(skopeo_mirror, signer, rule), "--remove-signatures", "--retries=0"),
            *(f"--skopeo={noting.path}", rule.by, f"docker://{destination.host}"),
            status=0 if rule.accepted else 1,
        )
    )
    assert (image["status"], image["confirmed"]) == (("copied", True) if rule.accepted else ("failed", False))
    assert parts_of(image) == {}
    copies = [run for run in noting.copies() if not run.endswith("copy docker:// docker://")]
    assert copies
    assert all(" --all " in run for run in copies)
    assert not any("--multi-arch" in run for run in copies)
    if rule.accepted and rule.by == TAG:
        assert holds_tree(destination, "ns/app", "v1", INDEX)
    if not rule.accepted:
        assert "Source image rejected" in image["error"]
        assert destination.repositories() == []


@pytest.mark.parametrize("rule", [pytest.param(rule, id=name) for name, rule in ASK_FOR_NOTHING.items()])
def test_where_it_asks_nothing_of_the_image_it_does(
    skopeo_mirror: Program, source: Registry, destination: Registry, signer: Signer, rule: Rule
) -> None:
    configure(skopeo_mirror, entry("prod.invalid", source.host))
    policy = policy_of(skopeo_mirror, signer, rule)
    image = only(copy(skopeo_mirror, "--policy", policy, rule.by, f"docker://{destination.host}"))
    assert part_statuses(image) == dict.fromkeys(digests_of(INDEX.children), "copied")
    assert holds_tree(destination, "ns/app", "v1", INDEX)


def test_an_unsigned_image_of_a_signed_index_is_no_way_around(
    skopeo_mirror: Program, source: Registry, signer: Signer
) -> None:
    lookaside = Lookaside.of(skopeo_mirror)
    for part in (INDEX, INDEX.children[0]):
        signer.sign(part, TAG, lookaside, "ns/app")
    configure(skopeo_mirror, entry("prod.invalid", source.host))
    policy = write_policy(skopeo_mirror, ANYTHING, {NAME: signer.signed()})
    arguments = ["--policy", policy, "--remove-signatures", "--retries=0", TAG, "oci:images"]
    image = only(copy(skopeo_mirror, *arguments, status=1))
    assert (image["status"], parts_of(image)) == ("failed", {})
    assert not (skopeo_mirror.directory / "images/index.json").exists()


@pytest.mark.parametrize("accepted", [True, False])
def test_of_a_layout_it_is_the_transports_own_that_counts(
    skopeo_mirror: Program, source: Registry, destination: Registry, accepted: bool
) -> None:
    configure(skopeo_mirror, entry("prod.invalid", source.host))
    copy(skopeo_mirror, TAG, "oci:images")
    policy = skopeo_mirror.directory / "policy.json"
    of_layouts = [ANYTHING if accepted else REJECT]
    policy.write_text(json.dumps({"default": [REJECT], "transports": {"oci": {"": of_layouts}}}))
    noting = Noting(skopeo_mirror)
    arguments = ["--policy", policy, f"--skopeo={noting.path}", "--retries=0", "--from", "oci:images"]
    image = only(copy(skopeo_mirror, *arguments, f"docker://{destination.host}", status=0 if accepted else 1))
    if accepted:
        assert part_statuses(image) == dict.fromkeys(digests_of(INDEX.children), "copied")
    else:
        assert (image["status"], parts_of(image)) == ("failed", {})
        assert not any("--multi-arch" in run for run in noting.copies())
        assert destination.repositories() == []


def test_platforms_do_not_go_with_it(skopeo_mirror: Program, source: Registry, signer: Signer) -> None:
    """Only a copy of the whole is decided on by skopeo: that it cannot be less is said, and nothing is copied."""
    lookaside = Lookaside.of(skopeo_mirror)
    for part in INDEX.walk():
        signer.sign(part, TAG, lookaside, "ns/app")
    configure(skopeo_mirror, entry("prod.invalid", source.host))
    policy = write_policy(skopeo_mirror, ANYTHING, {NAME: signer.signed()})
    arguments = ["--policy", policy, "--remove-signatures", "--platform=linux/amd64", TAG, "oci:images"]
    image = only(copy(skopeo_mirror, *arguments, status=1))
    assert (image["status"], parts_of(image)) == ("failed", {})
    assert policy in image["error"]
    assert "--platform" in image["error"]
    assert not (skopeo_mirror.directory / "images").exists()


def test_what_is_attached_to_an_image_is_no_matter_of_policy(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    """Nobody signs a signature: where an image is accepted, what is attached to it comes along."""
    image = make_image("single")
    mirror.push("ns/app", image, "v1")
    signature = attach(mirror, "ns/app", image, "sig")
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    options = ["--policy", write_policy(skopeo_mirror, REJECT, {TAG: ANYTHING}), "--attached=sig"]
    for expected in ("copied", "present"):
        report = copy(skopeo_mirror, *options, TAG, f"docker://{destination.host}")
        assert [one["status"] for one in (only(report), *only(report)["attached"])] == [expected, expected]
    assert holds(destination, "ns/app", tag_of(image, "sig"), signature)
