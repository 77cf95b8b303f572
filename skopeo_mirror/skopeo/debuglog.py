"""skopeo's debug log as events: what it tried, what failed, what it asked for, how it ended.

Logfmt as logrus writes it when standard error is no terminal; observed on skopeo 1.9.3, 1.18.0 and 1.22-dev.
Unknown lines are normal and passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from skopeo_mirror.skopeo.secrets import redacted

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.skopeo.supervision import Meter

LONGEST_LINE: Final = 64 * 1024
"""Bytes of one log line that are looked at; the rest of a longer line is dropped."""
LONGEST_TEXT: Final = 4096
"""Characters of an error that are kept."""
MOST_EVENTS: Final = 20_000
"""Events kept of one run; an image would need that many blobs to reach it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Logged:
    """Something that was logged."""

    at: float
    """When it was read, in seconds on the reader's clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried(_Logged):
    """skopeo turned to a candidate: `Trying to access "REFERENCE"`."""

    reference: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused(_Logged):
    """A candidate failed and skopeo went on: `Accessing "REFERENCE" failed: ERROR`."""

    reference: str
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Requested(_Logged):
    """An HTTP request that is about to be made."""

    method: str
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting(_Logged):
    """A 429 was answered and skopeo sleeps for `seconds`."""

    url: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Retried(_Logged):
    """skopeo's own retry: the sequence of candidates begins again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexRefused(_Logged):
    """The destination refused an index; skopeo's last words will be of the type that it tried next."""

    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Died(_Logged):
    """skopeo's last words."""

    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed(_Logged):
    """Signatures of an image are looked for, in a file of a lookaside or attached to it, or were found attached."""

    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookaside(_Logged):
    """Signatures of an image are looked for below `url`, as this host's registries.d says."""

    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftElsewhere(_Logged):
    """A layer that has URLs of its own was not copied: `Skipping foreign layer "DIGEST" copy to …`."""

    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Started(_Logged):
    """skopeo runs. In no log, told to who hears its events; `meter` tells what it has read."""

    meter: Meter


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap(_Logged):
    """The place of events that were too many to keep."""


Event = (
    Tried
    | Refused
    | Requested
    | Waiting
    | Retried
    | IndexRefused
    | Died
    | Signed
    | Lookaside
    | LeftElsewhere
    | Started
    | Gap
)

_PASSED_OVER: Final = re.compile(
    rb'time="[^"]*" level=(?!fatal)\w+ msg='
    rb'(?!"(?:Trying to |Accessing |GET |HEAD |POST |PUT |PATCH |DELETE |Too many |Failed, '
    rb'|Reading /|Looking for s|Found a s|Upload of | *Using \\"|Skipping foreign ))'
)
"""Log lines that no rule knows, two thirds of all; a new rule needs its first word here."""
_LINE: Final = re.compile(r'time="[^"]*" level=(?P<level>\w+) msg=(?P<msg>"(?:[^"\\]|\\.)*"|(?!")\S*)')
_RULES: Final[tuple[tuple[re.Pattern[str], Callable[..., Event]], ...]] = tuple(
    (re.compile(pattern, re.DOTALL), event)
    for event, pattern in (
        (Requested, r"(?P<method>GET|HEAD|POST|PUT|PATCH|DELETE) (?P<url>https?://\S+)"),
        (Tried, r"Trying to access (?P<reference>\".*\")"),
        (Refused, r"Accessing (?P<reference>\"(?:[^\"\\]|\\.)*\") failed: (?P<error>.*)"),
        (Waiting, r"Too many requests to (?P<url>\S+): sleeping for (?P<seconds>\d{1,6}(?:\.\d{1,9})?) seconds"),
        (Retried, r"Failed, retrying in "),
        (Signed, r"(?P<message>Reading /.*/signature-\d+\Z|(?:Looking for|Found a) sigstore attachment.*)"),
        (Lookaside, r' *Using "(?:lookaside|sigstore)(?:-staging)?" (?P<url>https?://\S+)'),
        (LeftElsewhere, r'Skipping foreign layer "(?P<digest>[^"\s]+)"'),
        (IndexRefused, r"Upload of manifest list type \S+ failed: (?P<error>.*)"),
    )
)
"""How a message of each event begins; the names of its groups are those of the event's fields."""
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_SIMPLE: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class LogReader:
    """A reader of a log in pieces of any size; memory is bounded whatever is fed."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        """What was understood so far, in order."""
        self.tail: list[str] = []
        """The last lines that were no log lines (a panic, say)."""
        self._line = bytearray()

    def feed(self, chunk: bytes, at: float) -> list[Event]:
        """Take the next bytes, read at `at` (seconds on any one clock); return the events that they completed."""
        found: list[Event] = []
        *complete, rest = chunk.split(b"\n")
        for part in complete:
            self._extend(part)
            found += self._end_line(at)
        self._extend(rest)
        return found

    def close(self, at: float) -> None:
        """Take what was read of an unfinished last line."""
        if self._line:
            self._end_line(at)

    def _extend(self, part: bytes) -> None:
        if len(self._line) < LONGEST_LINE:
            self._line += part[: LONGEST_LINE - len(self._line)]

    def _end_line(self, at: float) -> list[Event]:
        read, self._line = self._line, bytearray()
        if _PASSED_OVER.match(read):
            return []
        line = read.decode(errors="replace").rstrip("\r")
        message = parse_line(line)
        if message is None:
            if line.strip():
                self.tail = [*self.tail[-19:], redacted(line, LONGEST_TEXT)]
            return []
        event = interpret(*message, at)
        if event is None:
            return []
        if len(self.events) >= MOST_EVENTS:
            middle = MOST_EVENTS // 2
            if not isinstance(self.events[middle], Gap):
                self.events[middle] = Gap(at=at)
            del self.events[middle + 1]
        self.events.append(event)
        return [event]


def parse_line(line: str) -> tuple[str, str] | None:
    """The level and the unquoted message of a log line; None when it is no log line.

    A message that was cut in the middle (a very long line) is taken as far as it goes.
    """
    match = _LINE.match(line)
    if match is None:
        cut = re.match(r'time="[^"]*" level=(\w+) msg=(".*)', line)
        return None if cut is None else (cut[1], unquote(cut[2].rstrip("\\") + '"'))
    return match["level"], unquote(match["msg"])


def interpret(level: str, message: str, at: float) -> Event | None:
    """What a message says, if it is one of those that matter."""
    if level == "fatal":
        return Died(at=at, error=redacted(message, LONGEST_TEXT))
    for pattern, event in _RULES:
        if match := pattern.match(message):
            return event(at=at, **{name: _value(name, text) for name, text in match.groupdict().items()})
    return None


def _value(name: str, text: str) -> str | float:
    match name:
        case "reference":
            return unquote(text)[:LONGEST_TEXT]
        case "error":
            return redacted(text, LONGEST_TEXT)
        case "seconds":
            return float(text)
        case _:
            return text[:LONGEST_TEXT]


def unquote(text: str) -> str:
    r"""Undo Go's strconv.Quote (`\n`, `\xHH`, `\uHHHH`, `\UHHHHHHHH`, octal); text without quotes is returned as it is.

    What Go would never write is kept as it stands, so that no input raises.
    """
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':  # noqa: PLR2004 - a pair of quotes
        return text
    return _ESCAPE.sub(_unescape, text[1:-1])


def _unescape(match: re.Match[str]) -> str:
    byte, short, long, octal, simple = match.groups()
    if byte or octal:  # a byte of a string that was no valid UTF-8, unless it is ASCII
        value = int(byte, 16) if byte else int(octal, 8)
        return chr(value) if value < 0x80 else "\N{REPLACEMENT CHARACTER}"  # noqa: PLR2004 - ASCII
    if short or long:
        value = int(short or long, 16)
        return chr(value) if value < 0xD800 or 0xDFFF < value < 0x110000 else "\N{REPLACEMENT CHARACTER}"  # noqa: PLR2004
    return _SIMPLE.get(simple, simple)
