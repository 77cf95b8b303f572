"""TOML as containers/image's reader (BurntSushi/toml) takes it: values, or the place of the error (pure)."""

from __future__ import annotations

import math
import re
import sys
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes; a file of 100,000 entries has half of that."""

TOML_1_1_LIMIT = 64 * 1024
"""Characters; a longer file must be plain TOML 1.0, for tomlkit takes minutes for some files of a megabyte."""

NESTING_LIMIT = 10_000
"""Levels of arrays and inline tables in each other."""

DOT_LIMIT = 50_000_000
"""Sum over the lines of the dots in each, squared: the standard reader takes that long for dotted keys (3 s)."""

_MARK = re.compile(rb"\xef\xbb\xbf|\xff\xfe|\xfe\xff")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_WIDE_BLANK = re.compile(r"[^\S\x00-\x7f]")  # outside of strings tomlkit takes these for blanks


class TomlError(Exception):
    """A text that is no TOML; `line` and `column` count from 1 and are None where they cannot be told."""

    def __init__(self, text: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.line = line
        self.column = column


def decode(content: bytes) -> str:
    """Return the text of a file, without its byte order mark; raise TomlError where it is no UTF-8.

    BurntSushi/toml drops the two bytes of a UTF-16 mark as well, and refuses control characters even in comments.
    """
    mark = _MARK.match(content)
    if mark is not None:
        content = content[mark.end() :]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        wrong = content[error.start]
        raise TomlError(f"not UTF-8: byte 0x{wrong:02x}", *_place(before, len(before))) from error
    forbidden = _FORBIDDEN.search(text)
    if forbidden is not None:
        name = f"U+{ord(forbidden[0][0]):04X}"
        raise TomlError(
            f"the character {name} is not allowed in TOML, which is UTF-8", *_place(text, forbidden.start())
        )
    return text


def has_mark(content: bytes) -> bool:
    """Whether a file begins with a byte order mark."""
    return _MARK.match(content) is not None


def parse(text: str) -> tuple[dict[str, Any], TomlError | None]:
    r"""Return the values of a TOML text; raise TomlError for what containers/image refuses.

    With them comes what readers of TOML 1.0 would say, where they would refuse it.

    The standard library reads TOML 1.0 and is fast; tomlkit reads what 1.1 adds (newlines and trailing commas in inline
    tables, `\e`, `\xHH`, times without seconds), and its errors are worded better.
    """
    if sum(line.count(".") ** 2 for line in text.split("\n")) > DOT_LIMIT:
        raise TomlError("there are lines with thousands of dots in them, more than is read")
    newer = None
    try:
        with _deep_recursion():
            values = tomllib.loads(text, parse_float=_float)
    except RecursionError as error:
        raise TomlError(f"nested deeper than {NESTING_LIMIT} levels") from error
    except ValueError as error:
        values = _parse_1_1(text, str(error))
        newer = TomlError(*_taken_apart(str(error), text))
    if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in _scalars(values)):
        raise TomlError("an integer does not fit in 64 bits")
    return values, newer


def _parse_1_1(text: str, complaint: str) -> dict[str, Any]:
    """Read with tomlkit what the standard library refused with `complaint`."""
    reason, line, column = _taken_apart(complaint, text)
    if len(text) > TOML_1_1_LIMIT:
        limit = TOML_1_1_LIMIT // 1024
        raise TomlError(f"{reason}, in plain TOML 1.0, which a file of more than {limit} KiB must be", line, column)
    try:
        if _WIDE_BLANK.search(text):
            tomlkit.parse(_WIDE_BLANK.sub("x", text))
        values = tomlkit.parse(text).unwrap()
    except ParseError as error:
        named = str(error).rpartition(" at line ")[0].removesuffix(".") or str(error)
        if "already exists" in named or (error.line, error.col) == (1, 0):  # its place is behind, or not known
            raise TomlError(named, line, column) from error
        if "'\\x00'" in named:
            raise TomlError("the file ends within a value or a header", *_place(text, len(text.rstrip()))) from error
        if "use \\u000" in named:
            named = "a string does not end on its line"
        raise TomlError(named, error.line, error.col + 1) from error
    except (TOMLKitError, RecursionError, ValueError) as error:
        raise TomlError(str(error) or reason, line, column) from error
    infinite = any(isinstance(value, float) and math.isinf(value) for value in _scalars(values))
    if infinite and not re.search(r"\binf\b", text):
        raise TomlError("a float is out of range")
    return values


def _taken_apart(complaint: str, text: str) -> tuple[str, int | None, int | None]:
    """Take reason, line and column from what the standard library says."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", complaint, re.DOTALL)
    if match is None:
        return complaint, None, None
    if match[2] is None:
        return match[1], *_place(text, len(text.rstrip()))
    return match[1], int(match[2]), int(match[3])


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value) and "inf" not in text:
        raise TomlError(f"the float {text} is out of range")
    return value


def _scalars(values: dict[str, Any]) -> Iterator[object]:
    """Every value that is no table and no array (without recursion: they may nest deep)."""
    pending: list[Any] = [values]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        else:
            yield value


def _place(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `index`."""
    line_start = text.rfind("\n", 0, index) + 1
    return text.count("\n", 0, index) + 1, index - line_start + 1


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Let the reader, which recurses in plain Python, go as deep as a file nests."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 4 * NESTING_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
