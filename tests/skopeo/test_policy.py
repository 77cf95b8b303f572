"""The signature policy: whose requirements apply to an image, and what is no policy at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.reference import Reference
from skopeo_mirror.skopeo.policy import Policy, parse_policy, policy_file, read_policy
from tests.values import D1, D2

ANYTHING = {"type": "insecureAcceptAnything"}
REJECT = {"type": "reject"}
SIGNED = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/key"}


def policy(default: dict[str, str], transport: str = "docker", /, **transports: Any) -> Policy:
    """`default`, and the scopes of a transport, each with the kind of its one requirement."""
    scopes = {scope: [{"type": kind}] for scope, kind in transports.get("scopes", {}).items()}
    document = {"default": [default], "transports": {transport: scopes}}
    return parse_policy(json.dumps(document).encode(), "policy.json")


def kinds(found: Policy, image: str) -> tuple[str, ...]:
    return found.of_image(Reference.parse(image)).types


IMAGE = "a.b.test:5000/ns/app:v1"


@pytest.mark.parametrize(
    ("image", "scope", "matches"),
    [
        pytest.param(IMAGE, IMAGE, True, id="the tag"),
        pytest.param(IMAGE, "a.b.test:5000/ns/app:v2", False, id="another tag"),
        pytest.param("a.b.test/app", "a.b.test/app:latest", True, id="no tag is latest"),
        pytest.param(f"a.b.test/app@{D1}", f"a.b.test/app@{D1}", True, id="the digest"),
        pytest.param(f"a.b.test/app@{D1}", f"a.b.test/app@{D2}", False, id="another digest"),
        pytest.param(f"a.b.test/app:v1@{D1}", f"a.b.test/app@{D1}", True, id="tag and digest: the digest"),
        pytest.param(f"a.b.test/app:v1@{D1}", "a.b.test/app:v1", False, id="tag and digest: not the tag"),
        pytest.param(IMAGE, "a.b.test:5000/ns/app", True, id="the repository"),
        pytest.param(IMAGE, "a.b.test:5000/ns", True, id="a namespace"),
        pytest.param(IMAGE, "a.b.test:5000/n", False, id="no namespace"),
        pytest.param(IMAGE, "a.b.test:5000", True, id="the host"),
        pytest.param(IMAGE, "a.b.test", False, id="the host has a port"),
        pytest.param(IMAGE, "*.b.test", True, id="a wildcard, whatever the port"),
        pytest.param(IMAGE, "*.test", True, id="a shorter wildcard"),
        pytest.param(IMAGE, "*.a.b.test", False, id="not the host itself"),
        pytest.param(IMAGE, "*", False, id="no wildcard for all"),
        pytest.param(IMAGE, "", True, id="the transport's default"),
        pytest.param("alpine:3", "docker.io/library/alpine:3", True, id="docker.io spelled out"),
        pytest.param("alpine:3", "alpine:3", False, id="docker.io as people write it"),
    ],
)
def test_a_scope_and_what_it_matches(image: str, scope: str, matches: bool) -> None:
    found = policy(REJECT, scopes={scope: "signedBy"})
    assert kinds(found, image) == (("signedBy",) if matches else ("reject",))


def test_the_most_specific_scope_counts() -> None:
    scopes = [IMAGE, "a.b.test:5000/ns/app", "a.b.test:5000/ns", "a.b.test:5000", "*.b.test", "*.test", ""]
    for count in range(len(scopes)):
        left = {scope: str(number) for number, scope in enumerate(scopes) if number >= count}
        assert kinds(policy(REJECT, scopes=left), IMAGE) == (str(count),)


def test_other_transports_are_others() -> None:
    found = policy(ANYTHING, "docker-daemon", scopes={"": "reject"})
    assert kinds(found, IMAGE) == ("insecureAcceptAnything",)


@pytest.mark.parametrize(
    ("scope", "matches"),
    [
        pytest.param("/srv/layouts/a", True, id="itself"),
        pytest.param("/srv/layouts", True, id="a parent"),
        pytest.param("/srv/lay", False, id="no parent"),
        pytest.param("/", False, id="not the root"),
        pytest.param("", True, id="the transport's default"),
    ],
)
def test_a_layout_has_the_scopes_of_its_directory(scope: str, matches: bool) -> None:
    found = policy(ANYTHING, "oci", scopes={scope: "reject"}).of_layout(Path("/srv/layouts/a"))
    assert found.reject is matches
    assert policy(REJECT, "docker", scopes={"": ANYTHING["type"]}).of_layout(Path("/srv")).reject


@pytest.mark.parametrize(
    ("default", "scope", "image", "expected"),
    [
        pytest.param(ANYTHING, None, "h.test/app:v1", False, id="anything"),
        pytest.param(ANYTHING, "h.test/app:v1", "h.test/app:v1", True, id="the tag"),
        pytest.param(ANYTHING, "h.test/app:v1", f"h.test/app:v1@{D1}", False, id="by digest the tag does not count"),
        pytest.param(ANYTHING, f"h.test/app@{D1}", "h.test/app:v1", True, id="the digest that the tag has"),
        pytest.param(ANYTHING, f"h.test/app@{D2}", "h.test/app:v1", False, id="another digest"),
        pytest.param(ANYTHING, "h.test/other", "h.test/app:v1", False, id="another image"),
        pytest.param(REJECT, None, f"h.test/app@{D1}", True, id="the default"),
    ],
)
def test_has_a_say(default: dict[str, str], scope: str | None, image: str, expected: bool) -> None:
    found = policy(default, scopes={} if scope is None else {scope: "signedBy"})
    assert found.has_a_say(Reference.parse(image), D1) is expected


def test_has_a_say_where_only_the_tag_is_accepted() -> None:
    found = policy(REJECT, scopes={"h.test/app:v1": ANYTHING["type"]})
    assert found.has_a_say(Reference.parse("h.test/app:v1"), D1)


@pytest.mark.parametrize(
    ("requirements", "anything", "reject"),
    [
        pytest.param([ANYTHING], True, False, id="anything"),
        pytest.param([ANYTHING, ANYTHING], True, False, id="twice"),
        pytest.param([ANYTHING, SIGNED], False, False, id="and signed"),
        pytest.param([SIGNED, REJECT], False, True, id="reject beside others"),
        pytest.param([], False, False, id="none"),
        pytest.param("insecureAcceptAnything", False, False, id="no list"),
        pytest.param(["insecureAcceptAnything"], False, False, id="no object"),
        pytest.param(None, False, False, id="null"),
    ],
)
def test_only_what_accepts_anything_accepts_anything(requirements: object, anything: bool, reject: bool) -> None:
    found = parse_policy(json.dumps({"default": requirements}).encode(), "policy.json")
    assert (found.default.accept_anything, found.default.reject) == (anything, reject)
    assert found.is_trivial is anything


def test_a_policy_is_trivial_only_as_a_whole() -> None:
    assert policy(ANYTHING, "atomic", scopes={"x": ANYTHING["type"]}).is_trivial
    assert not policy(ANYTHING, "atomic", scopes={"x": "reject"}).is_trivial


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"default: []", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"\xff\xfe\xfd", id="no text"),
        pytest.param(b'{"transports": []}', id="transports"),
        pytest.param(b'{"transports": {"docker": ["x"]}}', id="scopes"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_what_is_no_policy_is_told_in_words(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "policy.json"
    file.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read_policy(file)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{file}: is no policy.json: ")
    assert "--insecure-policy" in problem


def test_what_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: No such file or directory"):
        read_policy(tmp_path / "policy.json")
    with pytest.raises(InvalidInput, match="is no regular file"):
        read_policy(tmp_path)


def test_the_users_own_comes_before_the_systems(tmp_path: Path) -> None:
    assert policy_file({"HOME": str(tmp_path)}) == "/etc/containers/policy.json"
    own = tmp_path / ".config/containers/policy.json"
    own.parent.mkdir(parents=True)
    own.touch()
    assert policy_file({"HOME": str(tmp_path)}) == str(own)
