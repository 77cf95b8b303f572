"""What an image is called at the destination."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopeo_mirror.reference import Digest, Reference, tag_of
from skopeo_mirror.transfer.destination.place import NamingRules, repository_path

SHA512 = Digest(algorithm="sha512", hex="5" * 128)


@pytest.mark.parametrize(
    ("base", "image", "rules", "path"),
    [
        pytest.param("", "quay.io/foo/app:v1", NamingRules(), "foo/app", id="host-dropped"),
        pytest.param("example/test", "quay.io/foo/app", NamingRules(), "example/test/foo/app", id="base"),
        pytest.param("", "alpine", NamingRules(), "library/alpine", id="docker-short-form"),
        pytest.param("", "quay.io/foo/app", NamingRules(scoped=True), "quay.io/foo/app", id="scoped"),
        pytest.param("m", "quay.io:443/app", NamingRules(scoped=True), "m/quay.io-443/app", id="scoped-with-port"),
        pytest.param("", "Quay.IO/app", NamingRules(scoped=True), "quay.io/app", id="scoped-in-capitals"),
        pytest.param("", "h.test/a/b/c/d", NamingRules(max_nested_paths=2), "a/b-c-d", id="nested"),
        pytest.param("m", "h.test/a/b/c", NamingRules(max_nested_paths=3), "m/a/b-c", id="nested-under-base"),
        pytest.param("", "h.test/a/b", NamingRules(max_nested_paths=2), "a/b", id="nested-just-enough"),
        pytest.param("", "h.test/a/b", NamingRules(max_nested_paths=1), "a-b", id="nested-flat"),
        pytest.param("", "h.test/a/b", NamingRules(max_nested_paths=0), "a/b", id="no-limit"),
        pytest.param("", "h.test/a/b", NamingRules(scoped=True, max_nested_paths=2), "h.test/a-b", id="both"),
    ],
)
def test_names_the_repository(base: str, image: str, rules: NamingRules, path: str) -> None:
    assert repository_path(base, Reference.parse(image), rules) == path


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        pytest.param("h.test/a:v1", "v1", id="tag"),
        pytest.param(f"h.test/a:v1@sha256:{'a' * 64}", "v1", id="tag-and-digest"),
        pytest.param(f"h.test/a@sha256:{'a' * 64}", f"pin-sha256-{'a' * 64}", id="digest"),
        pytest.param(f"h.test/a@{SHA512}", f"pin-sha512-{'5' * 64}", id="sha512-cut-to-a-tags-length"),
        pytest.param("h.test/a", "latest", id="neither"),
    ],
)
def test_names_the_tag(image: str, tag: str) -> None:
    assert tag_of(Reference.parse(image)) == tag


HOSTS = st.sampled_from(["a.test", "A-b.test:80", "localhost", "1.2.3.4:5000", "xn--abc.test"])
PATHS = st.lists(st.from_regex(r"[a-z0-9]{1,3}([._-][a-z0-9]{1,3})?", fullmatch=True), min_size=1, max_size=5)


@given(HOSTS, PATHS, st.booleans(), st.integers(min_value=0, max_value=6))
def test_a_name_is_always_valid_and_relative(host: str, path: list[str], scoped: bool, limit: int) -> None:
    image = Reference.parse(f"{host}/{'/'.join(path)}")
    found = repository_path("", image, NamingRules(scoped=scoped, max_nested_paths=limit))
    assert Reference.parse_canonical(f"d.test/{found}").path == found
    assert not limit or found.count("/") < limit
