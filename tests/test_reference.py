"""Image references: what docker/reference takes, normalizes and refuses."""

from __future__ import annotations

import pytest

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.reference import Digest, PinnedReference, Reference, is_domain, shown, split_repository

D256 = "sha256:" + "a1" * 32
D384 = "sha384:" + "a1" * 48
D512 = "sha512:" + "a1" * 64


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        pytest.param("alpine", "docker.io/library/alpine", id="short"),
        pytest.param("alpine:3", "docker.io/library/alpine:3", id="short with tag"),
        pytest.param("org/app", "docker.io/org/app", id="organization"),
        pytest.param("docker.io/alpine", "docker.io/library/alpine", id="docker.io without library"),
        pytest.param("index.docker.io/alpine", "docker.io/library/alpine", id="legacy host"),
        pytest.param("localhost/app", "localhost/app", id="localhost is a host"),
        pytest.param("registry:5000/app", "registry:5000/app", id="a port makes a host"),
        pytest.param("host.test:5000", "docker.io/library/host.test:5000", id="a lone host is an image with a tag"),
        pytest.param("Quay.IO/app", "Quay.IO/app", id="hosts may have capitals"),
        pytest.param("quay.io/a/b/c:T_1.x-y", "quay.io/a/b/c:T_1.x-y", id="deep path"),
        pytest.param("docker://quay.io/a", "quay.io/a", id="transport"),
        pytest.param(f"quay.io/a@{D256}", f"quay.io/a@{D256}", id="sha256"),
        pytest.param(f"quay.io/a@{D384}", f"quay.io/a@{D384}", id="sha384"),
        pytest.param(f"quay.io/a:t@{D512}", f"quay.io/a:t@{D512}", id="sha512 with tag"),
        pytest.param("quay.io/a__b/c--d.e_f", "quay.io/a__b/c--d.e_f", id="separators"),
        pytest.param("my_host.test/img", "my_host.test/img", id="a host that is no host name passes for a path"),
    ],
)
def test_reads_and_normalizes(text: str, normalized: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == normalized
    assert Reference.parse_canonical(normalized) == reference


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "empty", id="nothing"),
        pytest.param(f"@{D256}", "digest but no repository", id="only a digest"),
        pytest.param("quay.io/Foo", "lower case", id="upper case path"),
        pytest.param("Foo/bar", "lower case", id="upper case organization"),
        pytest.param("a1" * 32, "image ID", id="64 hex digits"),
        pytest.param("quay.io/" + "n" * 248, "more than 255", id="256 characters"),
        pytest.param("q" * 70000, "longer than any", id="64 KiB"),
        pytest.param("quay.io/a:" + "t" * 129, "no image reference", id="tag of 129 characters"),
        pytest.param("quay.io/a@sha256:a1", "no image reference", id="short digest"),
        pytest.param("quay.io/a@sha256:" + "a1" * 31, "64 lower case hex digits", id="digest of 62 digits"),
        pytest.param("quay.io/a@sha256:" + "A1" * 32, "64 lower case hex digits", id="digest in capitals"),
        pytest.param("quay.io/a@md5:" + "a1" * 32, "algorithm must be one of", id="unknown algorithm"),
        pytest.param(f"quay.io/a@{D256}:t", "no image reference", id="tag after digest"),
        pytest.param("[::1]:5000/a", "IPv6", id="IPv6"),
        pytest.param("https://quay.io/a", "scheme", id="URL"),
        pytest.param("oci:/tmp/a", "no image reference", id="another transport"),
        pytest.param("quay.io/", "no repository follows", id="no repository"),
        pytest.param("quay.io/a b", "blanks", id="blank"),
        pytest.param("quay.io/a\n", "blanks", id="newline at the end"),
        pytest.param("quay.io/a___b", "no image reference", id="three underscores"),
        pytest.param("quay.io/-a", "no image reference", id="leading dash"),
        pytest.param("host.test./a", "no image reference", id="dot at the end of the host"),
        pytest.param("ünï.test/a", "no image reference", id="host outside ASCII"),
        pytest.param("quay.io/a:\u0661", "no image reference", id="digit outside ASCII"),
    ],
)
def test_refuses(text: str, says: str) -> None:
    with pytest.raises(InvalidReference, match=says):
        Reference.parse(text)


@pytest.mark.parametrize("text", ["alpine", "docker.io/alpine", "docker://quay.io/a", "mirror/ns/x:1"])
def test_canonical_refuses_what_would_be_changed(text: str) -> None:
    with pytest.raises(InvalidReference):
        Reference.parse_canonical(text)


def test_255_characters_are_a_name() -> None:
    assert len(Reference.parse("quay.io/" + "n" * 247).name) == 255


def test_pinning_keeps_the_tag_and_replaces_the_digest() -> None:
    digest = Digest.parse(D512)
    pinned = Reference.parse(f"quay.io/a:t@{D256}").pin(digest)
    assert isinstance(pinned, PinnedReference)
    assert str(pinned) == f"quay.io/a:t@{D512}"
    assert str(pinned.without_tag()) == f"quay.io/a@{D512}"


def test_digest_is_its_text() -> None:
    digest = Digest.parse(D384)
    assert (digest.algorithm, len(digest.hex), str(digest)) == ("sha384", 96, D384)


@pytest.mark.parametrize("text", ["a.test", "a.test:5000", "localhost", "A-b.test", "127.0.0.1:1"])
def test_domain(text: str) -> None:
    assert is_domain(text)


@pytest.mark.parametrize("text", ["", "a.test/", "a.test:", "[::1]", "*.a.test", "a_b", "a.test\n"])
def test_no_domain(text: str) -> None:
    assert not is_domain(text)


def test_splits_a_bare_repository_without_normalizing() -> None:
    assert split_repository("org/app") == ("org", "app")
    assert split_repository("app") == ("", "app")


def test_a_message_shows_neither_passwords_nor_novels() -> None:
    assert "secret" not in shown("user:secret@m.test/x")
    assert "secret" not in shown("https://user:secret@m.test/x")
    assert shown(f"quay.io/a:t@{D256}") == f"'quay.io/a:t@{D256}'"
    assert len(shown("x" * 70000)) < 300


def test_digests_share_the_name_of_their_algorithm() -> None:
    """A list can have thousands."""
    one, other = (Digest.parse(f"sha256:{digit * 64}") for digit in "12")
    assert one.algorithm is other.algorithm
