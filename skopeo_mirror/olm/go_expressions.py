"""Regular expressions as Go reads them, RE2's (https://github.com/google/re2/wiki/Syntax), to search ASCII texts with.

What Python reads otherwise is translated where that keeps the meaning, and refused by name elsewhere. What an
expression captures, and how much it matches, does not count: only whether it is found.
"""

from __future__ import annotations

import re
import string
import warnings
from typing import Final

_CLASSES: Final = {
    "alnum": string.ascii_letters + string.digits,
    "alpha": string.ascii_letters,
    "ascii": "".join(map(chr, range(128))),
    "blank": " \t",
    "cntrl": "".join(map(chr, [*range(32), 127])),
    "digit": string.digits,
    "graph": "".join(map(chr, range(33, 127))),
    "lower": string.ascii_lowercase,
    "print": "".join(map(chr, range(32, 127))),
    "punct": string.punctuation,
    "space": string.whitespace,
    "upper": string.ascii_uppercase,
    "word": string.ascii_letters + string.digits + "_",
    "xdigit": string.hexdigits,
}
_BEYOND_ASCII: Final = "\\x80-\\U0010ffff"
_MOST_REPEATS: Final = 1000
_REPEAT: Final = re.compile(r"\{(0|[1-9][0-9]*)(?:,(0|[1-9][0-9]*)?)?\}")
_FLAGS: Final = re.compile(r"\(\?([imsU]*)(-[imsU]+)?([:)])")
_NAMED: Final = re.compile(r"\(\?P?<\w+>")
_POSIX: Final = re.compile(r"\[:(\^?)([^\]:]*):\]")
_HEX: Final = re.compile(r"\\x(?:\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{2}))")
_SAME: Final = "dDsSwW"


def compile_go(text: str) -> re.Pattern[str]:
    """Compile an expression of Go's. Raises ValueError, which says what is wrong with it, or what is not read here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python warns of what it may read otherwise one day
            return re.compile(_Expression(text).translated(), re.ASCII)
    except (re.error, Warning, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error


class _Expression:
    """An expression, and how far it has been read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def translated(self) -> str:
        """The whole of it as Python writes it."""
        parts: list[str] = []
        leading = _FLAGS.match(self._text)
        if leading and leading[3] == ")":
            self._at = leading.end()
            flags = "".join(flag for flag in "ims" if flag in leading[1] and flag not in (leading[2] or ""))
            parts += [f"(?{flags})"] if flags else []
        repeated = False
        while self._at < len(self._text):
            if (repeat := self._repeat()) is None:
                parts.append(self._next())
                repeated = False
            elif repeated:
                raise ValueError(f"`{repeat}` repeats what is repeated already")
            else:
                parts.append(repeat)
                repeated = True
        return "".join(parts)

    def _repeat(self) -> str | None:
        """A repetition, lazy or not."""
        found = self._text[self._at] if self._text[self._at] in "*+?" else None
        if counted := _REPEAT.match(self._text, self._at):
            found = counted[0]
            if max(int(counted[1]), int(counted[2] or 0)) > _MOST_REPEATS:
                raise ValueError(f"`{found}` repeats more than {_MOST_REPEATS} times")
        if found is not None:
            self._at += len(found)
            if self._text.startswith("?", self._at):
                self._at += 1
        return found

    def _next(self) -> str:
        """What stands next and is no repetition."""
        match self._text[self._at]:
            case "\\":
                return self._quoted() if self._text.startswith("\\Q", self._at) else self._escape(outside=True)
            case "[":
                return self._class()
            case "(":
                return self._group()
            case "{" | "}" | "]" as literal:
                self._at += 1
                return "\\" + literal
            case other:
                self._at += 1
                return other

    def _quoted(self) -> str:
        quoted, _, _ = self._text[self._at + 2 :].partition("\\E")
        self._at = min(self._at + 2 + len(quoted) + 2, len(self._text))
        return re.escape(quoted)

    def _group(self) -> str:
        if not self._text.startswith("(?", self._at):
            self._at += 1
            return "(?:"
        if named := _NAMED.match(self._text, self._at):
            self._at = named.end()
            return "(?:"
        if (flags := _FLAGS.match(self._text, self._at)) and flags[3] == ":":
            self._at = flags.end()
            return _flags(flags)
        if flags:
            raise ValueError(f"`{flags[0]}` is read at the beginning alone: write `{flags[0][:-1]}:...)`")
        raise ValueError(f"`{self._text[self._at : self._at + 3]}` is nothing that Go knows")

    def _escape(self, *, outside: bool) -> str:
        """An escape, outside of a class or in one."""
        if code := _HEX.match(self._text, self._at):
            self._at = code.end()
            return f"\\U{int(code[1] or code[2], 16):08x}"
        escape = self._text[self._at : self._at + 2]
        letter = escape[1:]
        self._at += 2
        if letter in {*_SAME, *"afnrtv"} or (outside and letter in {"A", "b", "B"}):
            return escape
        if outside and letter == "z":
            return "\\Z"
        if letter and letter.isascii() and not letter.isalnum():
            return re.escape(letter)
        if letter in {"p", "P"}:
            raise ValueError(f"`{escape}`, a class of Unicode's, is not read here: names of images are ASCII")
        raise ValueError(f"`{escape}` is nothing that Go knows" if letter else "it ends with a single `\\`")

    def _class(self) -> str:
        start = self._at
        self._at += 1
        parts = ["["]
        if self._text.startswith("^", self._at):
            self._at += 1
            parts.append("^")
        first = True
        while first or not self._text.startswith("]", self._at):
            if self._at >= len(self._text):
                raise ValueError(f"`{self._text[start:]}` has no `]`")
            first = False
            if posix := _POSIX.match(self._text, self._at):
                self._at = posix.end()
                parts.append(_posix(posix))
                continue
            low = self._member()
            parts.append(low)
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at) and not _is_set(low):
                self._at += 1
                if self._at >= len(self._text):
                    raise ValueError(f"`{self._text[start:]}` has no `]`")
                parts += ["-", self._member()]
        self._at += 1
        return "".join([*parts, "]"])

    def _member(self) -> str:
        if self._text[self._at] == "\\":
            return self._escape(outside=False)
        self._at += 1
        member = self._text[self._at - 1]
        return "\\" + member if member in "[]^-&|~" else member


def _is_set(member: str) -> bool:
    return len(member) == 2 and member[1] in _SAME  # noqa: PLR2004 - a backslash and its letter


def _flags(group: re.Match[str]) -> str:
    """The beginning of a group with flags, without greed."""
    on, off = group[1].replace("U", ""), (group[2] or "").replace("U", "")
    return f"(?{on}{off if off != '-' else ''}:"


def _posix(found: re.Match[str]) -> str:
    """A class by its name, within brackets."""
    members = _CLASSES.get(found[2])
    if members is None:
        raise ValueError(f"`{found[0]}` is no class: there are {', '.join(_CLASSES)}")
    if not found[1]:
        return "".join(map(re.escape, members))
    return "".join(re.escape(one) for one in _CLASSES["ascii"] if one not in members) + _BEYOND_ASCII
