"""The canonical form: as expected, the same again, and with the same routes."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopeo_mirror.errors import InvalidConfiguration, Unroutable
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.model import Configuration
from skopeo_mirror.registries_conf.reading import interpret_files
from skopeo_mirror.registries_conf.routing import Route, Router
from skopeo_mirror.registries_conf.writing import normalized

D = "@sha256:" + "a1" * 32
WRITTEN = """\
Short-Name-Mode = 'permissive'
credential-helpers = []
registry = [{location = 'quay.io//', mirror = [{location = 'm.test/q/', insecure = true, pull-from-mirror = ''},
  {location = 'n.test', pull-from-mirror = 'digest-only'},]}, {prefix = '*.a.test', blocked = true}]
aliases.b = 'b.test/x'
aliases.a = 'a.test/\\x'
"""
NORMALIZED = """\
short-name-mode = "permissive"

[[registry]]
prefix = "*.a.test"
blocked = true

[[registry]]
prefix = "quay.io"
location = "quay.io"

[[registry.mirror]]
location = "m.test/q"
insecure = true

[[registry.mirror]]
location = "n.test"
pull-from-mirror = "digest-only"

[aliases]
"b" = "b.test/x"
"""


def configuration(*texts: str) -> Configuration:
    found = interpret_files([(f"{number}.conf", text.encode()) for number, text in enumerate(texts)]).configuration
    assert found is not None
    return found


def test_the_form() -> None:
    assert normalized(configuration(WRITTEN.replace("aliases.a = 'a.test/\\x'\n", ""))) == NORMALIZED


def test_nothing_is_nothing() -> None:
    assert normalized(Configuration()) == ""


def test_strings_are_escaped() -> None:
    odd = 'a"\\\n\x7f\u00e9\U0001f600'
    text = normalized(Configuration(others={"additional-layer-store-auth-helper": odd}))
    assert text.isascii()
    assert tomllib.loads(text) == {"additional-layer-store-auth-helper": odd}


def test_files_that_contradict_each_other_cannot_become_one() -> None:
    one = '[[registry]]\nprefix = "a.test"\nlocation = "l.test"\ninsecure = true\n'
    two = '[[registry]]\nprefix = "b.test"\nlocation = "l.test"\n'
    with pytest.raises(InvalidConfiguration, match=r"1\.conf: registry \(b\.test\)\.insecure: differs .* 0\.conf"):
        normalized(configuration(one, two))


places = st.sampled_from(["a.test", "b.test/x", "a.test/x/y", "c.a.test:5000", "docker.io", "m.test/q/", "reg"])
flags = st.sampled_from(["", "", "insecure = true\n", "insecure = false\n"])
uses = st.sampled_from(["", "", 'pull-from-mirror = "all"\n', 'pull-from-mirror = "tag-only"\n'])
mirrors = st.builds('[[registry.mirror]]\nlocation = "{}"\n{}{}'.format, places, flags, uses)
prefixes = st.just("") | st.builds('prefix = "{}"\n'.format, places | st.sampled_from(["*.test", "*.a.test", "/"]))
registries = st.builds(
    '[[registry]]\nlocation = "{}"\n{}{}{}'.format, places, prefixes, flags, st.lists(mirrors, max_size=3).map("".join)
)
files = st.lists(st.lists(registries, max_size=4).map("".join), min_size=1, max_size=3)
images = st.builds(
    "{}{}{}".format,
    st.sampled_from(["a.test", "b.test", "c.a.test", "c.a.test:5000", "docker.io"]),
    st.sampled_from(["/x", "/x/y", "/library/x", "/z"]),
    st.sampled_from(["", ":1", D]),
)


@given(files, st.lists(images, min_size=1, max_size=8))
def test_the_same_again_and_the_same_routes(texts: list[str], names: list[str]) -> None:
    before = interpret_files([(f"{number}.conf", text.encode()) for number, text in enumerate(texts)]).configuration
    if before is None:
        return
    try:
        text = normalized(before)
    except InvalidConfiguration:
        return
    after = configuration(text)
    assert normalized(after) == text
    for name in names:
        assert route(after, name) == route(before, name)


def route(given_configuration: Configuration, name: str) -> Route | None:
    try:
        return Router(given_configuration).route(Reference.parse(name))
    except Unroutable:
        return None
