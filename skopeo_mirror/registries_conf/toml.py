"""TOML as containers/image's reader (BurntSushi/toml) takes it: values, or the place of the error (pure)."""

from __future__ import annotations

import math
import sys
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import KeyAlreadyPresent, ParseError, TOMLKitError

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes; a file of 100,000 entries has half of that."""

TOML_1_1_LIMIT = 1024 * 1024
"""Bytes; a longer file must be plain TOML 1.0, for which there is a faster reader."""

_NESTING_LIMIT = 10_000
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class TomlError(Exception):
    """A text that is no TOML; `line` and `column` count from 1 and are None where they cannot be told."""

    def __init__(self, text: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.line = line
        self.column = column
        self.advice = ""


def decode(content: bytes) -> str:
    """Return the text of a file, without its byte order mark; raise TomlError where it is no UTF-8.

    BurntSushi/toml drops the two bytes of a UTF-16 mark as well, and takes U+FFFD for a decoding error.
    """
    for mark in (_UTF8_MARK, *_UTF16_MARKS):
        if content.startswith(mark):
            content = content[len(mark) :]
            break
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        wrong = content[error.start]
        raise TomlError(f"not UTF-8: byte 0x{wrong:02x}", *_place(before, len(before))) from error
    for character, name in (
        ("\0", "a NUL byte (the file may be UTF-16)"),
        ("\ufffd", "the replacement character U+FFFD"),
    ):
        index = text.find(character)
        if index >= 0:
            raise TomlError(f"the file has {name} in it; TOML must be UTF-8 text", *_place(text, index))
    return text


def parse(text: str) -> dict[str, Any]:
    r"""Return the values of a TOML text; raise TomlError for what containers/image refuses.

    The standard library reads TOML 1.0 and is fast; tomlkit reads what 1.1 adds (newlines and trailing commas in inline
    tables, `\e`, `\xHH`, times without seconds), and its errors are worded better.
    """
    try:
        with _deep_recursion():
            values = tomllib.loads(text, parse_float=_float)
    except RecursionError as error:
        raise TomlError(f"nested deeper than {_NESTING_LIMIT} levels") from error
    except ValueError as error:
        values = _parse_1_1(text, str(error))
    _check_integers(values)
    return values


def _parse_1_1(text: str, complaint: str) -> dict[str, Any]:
    if len(text) > TOML_1_1_LIMIT:
        raise TomlError(f"not plain TOML 1.0, which a file longer than {TOML_1_1_LIMIT} bytes must be: {complaint}")
    try:
        return tomlkit.parse(text).unwrap()
    except ParseError as error:
        raise TomlError(_reason(error), error.line, error.col + 1) from error
    except KeyAlreadyPresent as error:
        raise TomlError(str(error)) from error
    except (TOMLKitError, RecursionError, ValueError) as error:
        raise TomlError(str(error) or complaint) from error


def _reason(error: ParseError) -> str:
    return str(error).rpartition(" at line ")[0] or str(error)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value) and "inf" not in text:
        raise ValueError(f"the float {text} is out of range")
    return value


def _check_integers(values: dict[str, Any]) -> None:
    pending: list[Any] = [values]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise TomlError(f"the integer {value} does not fit in 64 bits")


def _place(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `index`."""
    line_start = text.rfind("\n", 0, index) + 1
    return text.count("\n", 0, index) + 1, index - line_start + 1


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Let the reader, which recurses in plain Python, go as deep as a file nests."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 4 * _NESTING_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
