"""JSON of others: one error for whatever is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from skopeo_mirror.json_text import InvalidJson, parse_json


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(b"", "Expecting value", id="nothing"),
        pytest.param(b"{", "line 1", id="open"),
        pytest.param(b"\xff", "not UTF-8", id="no-text"),
        pytest.param("[" * 100_000, "nested too deep", id="deep"),
        pytest.param('{"a":' * 100_000, "nested too deep", id="deep-tables"),
        pytest.param("9" * 5000, "number that is too long", id="long-number"),
        pytest.param("NaN", "NaN is no JSON", id="nan"),
        pytest.param("[-Infinity]", "-Infinity is no JSON", id="infinity"),
    ],
)
def test_says_what_is_wrong(text: str | bytes, words: str) -> None:
    with pytest.raises(InvalidJson, match=words):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param('{"a": [1, "b", null, 1.5]}', {"a": [1, "b", None, 1.5]}, id="document"),
        pytest.param("\ufeff3".encode("utf-8"), 3, id="byte-order-mark"),
        pytest.param("9" * 400, int("9" * 400), id="400-digits"),
    ],
)
def test_reads_what_is_json(text: str | bytes, value: Any) -> None:
    assert parse_json(text) == value
