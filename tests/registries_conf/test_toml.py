"""TOML as BurntSushi/toml reads it: what is accepted, what is refused, and at which line and column."""

from __future__ import annotations

import pytest

from skopeo_mirror.registries_conf import toml


def read(content: bytes | str) -> object:
    return toml.parse(toml.decode(content.encode() if isinstance(content, str) else content))[0]


@pytest.mark.parametrize(
    ("content", "values"),
    [
        pytest.param(b"\xef\xbb\xbfx = 1\n", {"x": 1}, id="UTF-8 mark"),
        pytest.param(b"\xff\xfex = 1\n", {"x": 1}, id="UTF-16 mark alone is dropped"),
        pytest.param("x = 1\r\ny = 2\r\n", {"x": 1, "y": 2}, id="CRLF"),
        pytest.param('x = """\r\na"""', {"x": "a"}, id="CRLF after opening quotes"),
        pytest.param("x = 'a\tb'", {"x": "a\tb"}, id="tab in a string"),
        pytest.param("x = '\ufffd'", {"x": "\ufffd"}, id="replacement character"),
        pytest.param("a.b = 1\na.c = 2", {"a": {"b": 1, "c": 2}}, id="dotted keys"),
        pytest.param("a = {b = {c = [1]}}", {"a": {"b": {"c": [1]}}}, id="inline tables"),
        pytest.param("a = {b = 1,\n# why\nc = 2,\n}", {"a": {"b": 1, "c": 2}}, id="1.1: newlines in inline tables"),
        pytest.param(r'x = "\e\x41"', {"x": "\x1bA"}, id="1.1: escapes"),
        pytest.param("x = inf\ny = 0x7f\nz = 1_000", {"x": float("inf"), "y": 127, "z": 1000}, id="numbers"),
        pytest.param("x = 9223372036854775807", {"x": 2**63 - 1}, id="largest integer"),
    ],
)
def test_accepts(content: bytes | str, values: object) -> None:
    assert read(content) == values


@pytest.mark.parametrize("text", ["x = 1979-05-27", "x = 07:32:00", "x = 1979-05-27 07:32:00.5-07:00", "x = 07:32"])
def test_accepts_dates(text: str) -> None:
    assert read(text)


def test_accepts_deep_nesting() -> None:
    assert read("x = " + "[" * 5000 + "]" * 5000)


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        pytest.param("x = 1\nx = 2\n", 2, 6, id="key twice"),
        pytest.param("[a]\n[a]\n", 2, 3, id="table twice"),
        pytest.param("[a]\n[[a]]\n", 2, 4, id="table and array"),
        pytest.param("[[registry]\n", 1, 12, id="header not closed"),
        pytest.param("[[]]\n", 1, 3, id="empty header"),
        pytest.param("x = 1\ny = tru\n", 2, 8, id="no value"),
        pytest.param("x = 'a\n", 1, 7, id="string not closed"),
        pytest.param("x = [1,\n2", 2, 2, id="array not closed"),
        pytest.param('x = "q\\.io"', 1, 8, id="unknown escape"),
        pytest.param("x = 'a' y = 'b'", 1, 9, id="two on a line"),
        pytest.param("x = \u201cq\u201d", 1, 5, id="typographic quotes"),
        pytest.param("\u029e = 1", 1, 1, id="bare key outside ASCII"),
        pytest.param("a = 1\n\u00a0b = 2", 2, 1, id="no-break space"),
        pytest.param("a = [1, \u00a02,\n{b = 1,}]", 1, 9, id="no-break space in what only TOML 1.1 takes"),
        pytest.param("x = 1\n# \0\n", 2, 3, id="NUL in a comment"),
        pytest.param("x = 1\r# \n", 1, 6, id="carriage return alone"),
        pytest.param(b"x = 1\n# \xc0\xaf\n", 2, 3, id="overlong UTF-8"),
        pytest.param(b"x = '\xff'", 1, 6, id="no UTF-8"),
        pytest.param("x\0=\0", 1, 2, id="UTF-16"),
        pytest.param("x = 1\n\ufeff# y", 2, 1, id="mark in the middle"),
        pytest.param("x = 01", 1, 6, id="leading zero"),
        pytest.param("x = " + "9" * 5000, None, None, id="endless integer"),
        pytest.param("x = 9223372036854775808", None, None, id="integer beyond 64 bits"),
        pytest.param("x = 1e400", None, None, id="float out of range"),
        pytest.param("x = {y = 1e400,}", None, None, id="float out of range in TOML 1.1"),
        pytest.param("x = 1979-02-30", 1, 5, id="no such day"),
        pytest.param("x = " + "[" * 20000, None, None, id="nested beyond the limit"),
        pytest.param("a." * 20000 + "b = 1", None, None, id="dots beyond the limit"),
        pytest.param("x = {y = 1,}\n#" + "x" * toml.TOML_1_1_LIMIT, 1, 12, id="TOML 1.1 beyond the limit"),
    ],
)
def test_refuses(content: bytes | str, line: int | None, column: int | None) -> None:
    with pytest.raises(toml.TomlError) as caught:
        read(content)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert "\x00" not in caught.value.text
