"""Whatever a file holds, reading it ends with a configuration or with problems, never with another exception."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skopeo_mirror.errors import InvalidReference, Unroutable
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.reading import interpret_files
from skopeo_mirror.registries_conf.routing import Router
from skopeo_mirror.registries_conf.writing import normalized

WORDS = [
    *"[]{}=.,#'\"\\\n\r\t \0",
    *('"""', "'''", "[[registry]]\n", "[[registry.mirror]]\n", "[registry]\n", "[aliases]\n", "[registries.search]\n"),
    *("location", "prefix", "mirror", "registry", "Registry", "blocked", "insecure", "pull-from-mirror", "registries"),
    *("= 'quay.io'\n", "= '*.a.test'\n", "= true\n", "= 1\n", "= []\n", "= {}\n", "= 'http://a'\n", "= 1979-05-27\n"),
    *(
        "1e400",
        "99999999999999999999",
        "0x",
        "inf",
        "nan",
        "07:32",
        "\\u00e9",
        "\\uD800",
        "\\x41",
        "\\e",
        "\ufeff",
        "é",
    ),
]
soup = st.lists(st.sampled_from(WORDS), max_size=40).map("".join).map(str.encode)
contents = st.one_of(
    st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode(errors="replace")), soup
)


@given(st.lists(contents, max_size=2))
@settings(max_examples=500)
def test_reading_ends_well(files: list[bytes]) -> None:
    examination = interpret_files([(f"{number}.conf", content) for number, content in enumerate(files)])
    assert all(str(problem) for problem in examination.problems)
    if examination.configuration is not None:
        normalized(examination.configuration)


@given(st.text(max_size=80) | soup.map(bytes.decode))
@settings(max_examples=300)
def test_references_end_well(text: str) -> None:
    with suppress(InvalidReference):
        reference = Reference.parse(text)
        assert Reference.parse(str(reference)) == reference


LONG = {
    "40,000 entries": b'[[registry]]\nlocation = "a.test"\n' * 40_000,
    "a thousand mirrors": b'[[registry]]\nlocation = "a.test"\n' + b'[[registry.mirror]]\nlocation = "m.test"\n' * 1000,
    "64 KiB in a location": b'[[registry]]\nlocation = "' + b"a" * 65536 + b'"\n',
    "64 KiB of components": b'[[registry]]\nlocation = "' + b"a/" * 32768 + b'b"\n',
    "10 MB of comment": b"#" * 10_000_000,
    "10 MB of one key": b"a" * 10_000_000,
    "10 MB of brackets": b"x = " + b"[" * 10_000_000,
    "10 MB of dots": b"a." * 5_000_000 + b"b = 1\n",
    "40,000 unknown keys": b"".join(b"k%d = 1\n" % number for number in range(40_000)),
    "40,000 wrong tables": b"".join(b"[[registry]]\nlocation = %d\n" % number for number in range(40_000)),
    "TOML 1.1 and 10 MB": b"x = {a = 1,}\n" + b"#\n" * 5_000_000,
    "TOML 1.1 and blank lines": b"x = {a = 1,}\n" + b"\n" * 60_000,
}


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in LONG.items()])
def test_a_long_file_is_read_or_refused(content: bytes) -> None:
    """None of them ends in a crash; quadratic costs would show as minutes here."""
    examination = interpret_files([("r.conf", content)])
    assert examination.configuration is not None or examination.problems
    if examination.configuration is not None:
        with suppress(Unroutable):
            Router(examination.configuration).route(Reference.parse("a.test/x"))
