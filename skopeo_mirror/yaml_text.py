"""YAML in bounded time and memory, with line numbers: the one place that imports a YAML library.

PyYAML rather than ruamel.yaml: libyaml hands out events with their lines at 50 MB a second, so that a catalog of 200 MB
is passed over without being built and no alias is ever expanded; ruamel.yaml does that in Python, 20 times slower.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast

from skopeo_mirror.errors import InvalidInput, UsageError
from skopeo_mirror.reference import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    import yaml
except ImportError:  # the extra `olm` is not installed
    yaml = None  # type: ignore[assignment]  # every public function asks for it by name

FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
"""What is true and false where it is not quoted."""

_DEEPEST = 200  # levels: libyaml's time grows with the square of the depth of `[[[[`, and its composer crashes on it
_MOST_ALIASES = 100
_MOST_ALIASED = 100_000  # values that aliases stand for, together: those that stand for others multiply
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A value of a document and the line and column, from 1, that it stands at."""

    value: str | tuple[Node, ...] | dict[str, Field] | None
    """A text, the items of a list, the fields of a mapping, or nothing."""
    line: int
    column: int = 0
    quoted: bool = False
    """Whether it is "true" and not true."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """The value of a mapping's field, and the line and column that the field's name stands at."""

    node: Node
    line: int
    column: int = 0


def read_yaml(
    source: IO[bytes], name: str, shape: dict[str, Any] | None, *, largest_document: int
) -> Iterator[dict[str, Any]]:
    """Yield what `shape` keeps of each document, a mapping; the rest is passed over without being built.

    A shape is `str` (a text), a list of one shape, or a mapping from keys to shapes; a value of another form is None.
    Without one, all of each document, as JSON has it. Empty documents are passed over.
    Raises InvalidInput, beginning with `name` and a line, also for aliases, and for a document of more than
    `largest_document` bytes; UsageError where the library is missing.
    """
    bounded = _BoundedSource(source, name, largest_document)
    events = _events(cast("IO[bytes]", bounded), name)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            bounded.taken = 0
        elif isinstance(event, yaml.MappingStartEvent) and shape is None:
            yield plain_value(_node(event, events, name, _Anchors()))
        elif isinstance(event, yaml.MappingStartEvent):
            yield _keep(event, events, shape)
        elif isinstance(event, yaml.NodeEvent) and not (isinstance(event, yaml.ScalarEvent) and _text(event) is None):
            raise InvalidInput([f"{name}:{_line(event)}: expected a mapping"])


def read_yaml_document(text: bytes, name: str) -> Node:
    """Build the one document that `text` holds; raise InvalidInput and UsageError as `read_yaml` does.

    A few aliases are honoured: people write image sets by hand.
    """
    documents = [*read_yaml_documents(text, name)]
    if len(documents) != 1:
        raise InvalidInput([f"{name}: expected one YAML document, found {len(documents)}"])
    return documents[0]


def read_yaml_documents(text: bytes, name: str) -> Iterator[Node]:
    """Build every document that `text` holds, as `read_yaml_document` does one; raise when it is that one's turn."""
    events = _events(text, name, most_aliases=_MOST_ALIASES)
    anchors = _Anchors()
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            anchors.nodes.clear()
        elif isinstance(event, yaml.NodeEvent):
            yield _node(event, events, name, anchors)


def plain_value(node: Node) -> Any:
    """A node's value as JSON has it; what is not quoted may be a number, true, false or nothing."""
    if isinstance(node.value, dict):
        return {key: plain_value(item.node) for key, item in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain_value(item) for item in node.value]
    if node.value is None or node.quoted:
        return node.value
    if node.value in FLAGS:
        return FLAGS[node.value]
    if _INTEGER.fullmatch(node.value):
        return int(node.value)
    return float(node.value) if _FLOAT.fullmatch(node.value) else node.value


@dataclass(kw_only=True, slots=True)
class _Anchors:
    """What the aliases of a document may stand for."""

    nodes: dict[str, tuple[Node, int]] = field(default_factory=dict)
    """Each with the number of nodes that it consists of."""
    built: int = 0
    """The nodes so far, those that aliases stand for included."""
    aliased: int = 0
    """Those that aliases stand for."""


class _BoundedSource:
    """A stream that no document may take more than `limit` bytes of."""

    def __init__(self, source: IO[bytes], name: str, limit: int) -> None:
        self._source, self._name, self._limit = source, name, limit
        self.taken = 0

    def read(self, size: int) -> bytes:
        chunk = self._source.read(size)
        self.taken += len(chunk)
        if self.taken > self._limit:
            raise InvalidInput([f"{self._name}: a document is larger than {self._limit >> 20} MiB"])
        return chunk


def _events(source: IO[bytes] | bytes, name: str, *, most_aliases: int = 0) -> Iterator[yaml.Event]:
    """The events of a text that costs no more than its size: what would is refused."""
    if yaml is None:
        raise UsageError(
            "image sets, mirror sets and YAML catalogs need PyYAML: pip install PyYAML, or for the system's Python "
            "(Debian, Ubuntu: apt install python3-yaml)"
        )
    depth = aliases = 0
    try:
        for event in yaml.parse(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(event, yaml.ScalarEvent):  # most of them
                yield event
                continue
            depth += _step(event)
            aliases += isinstance(event, yaml.AliasEvent)
            if depth > _DEEPEST:
                raise InvalidInput([f"{name}:{_line(event)}: nested more than {_DEEPEST} levels deep"])
            if aliases > most_aliases:
                found = f"more than {most_aliases} aliases" if most_aliases else "an alias"
                raise InvalidInput([f"{name}:{_line(event)}: {found}: write the value out in its place"])
            yield event
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
        raise InvalidInput([f"{place}: no YAML: {error.problem}"]) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise InvalidInput([f"{name}: no YAML: {shown(str(error))}"]) from error


def _keep(event: yaml.Event, events: Iterator[yaml.Event], shape: Any) -> Any:
    """Build what `shape` keeps of the node that begins with `event`, and read on to the node's end."""
    if isinstance(event, yaml.ScalarEvent):
        return _text(event) if shape is str else None
    if isinstance(event, yaml.SequenceStartEvent) and isinstance(shape, list):
        return [_keep(item, events, shape[0]) for item in _until(yaml.SequenceEndEvent, events)]
    if isinstance(event, yaml.MappingStartEvent) and isinstance(shape, dict):
        kept = {}
        for key in _until(yaml.MappingEndEvent, events):
            name = _keep(key, events, str)
            value = _keep(next(events), events, shape.get(name))
            if name in shape:
                kept[name] = value
        return kept
    depth = _step(event)
    while depth:
        if not isinstance(event := next(events), yaml.ScalarEvent):  # most are, and it need not be asked for its step
            depth += _step(event)
    return None


def _node(event: yaml.Event, events: Iterator[yaml.Event], name: str, anchors: _Anchors) -> Node:
    """Build the node that begins with `event`, and read on to its end."""
    value: Any = None
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors.nodes:
            raise InvalidInput([f"{name}:{_line(event)}: *{event.anchor} stands for nothing that was written before"])
        node, size = anchors.nodes[event.anchor]
        anchors.built += size
        anchors.aliased += size
        if anchors.aliased > _MOST_ALIASED:
            told = f"aliases stand for more than {_MOST_ALIASED} values: write fewer"
            raise InvalidInput([f"{name}:{_line(event)}: {told}"])
        return node
    before = anchors.built
    anchors.built += 1
    if isinstance(event, yaml.ScalarEvent):
        value = _text(event)
    elif isinstance(event, yaml.SequenceStartEvent):
        value = tuple(_node(item, events, name, anchors) for item in _until(yaml.SequenceEndEvent, events))
    else:
        value = {}
        for item in _until(yaml.MappingEndEvent, events):
            key = _node(item, events, name, anchors)
            if not isinstance(key.value, str):
                raise InvalidInput([f"{name}:{key.line}: the name of a field must be a text"])
            if key.value in value:
                raise InvalidInput([f"{name}:{key.line}: {shown(key.value)} is written twice"])
            value[key.value] = Field(line=key.line, column=key.column, node=_node(next(events), events, name, anchors))
    quoted = isinstance(event, yaml.ScalarEvent) and not event.implicit[0]
    column = 0 if event.start_mark is None else event.start_mark.column + 1
    node = Node(value=value, line=_line(event), column=column, quoted=quoted)
    if anchor := getattr(event, "anchor", None):
        anchors.nodes[anchor] = node, anchors.built - before
    return node


def _step(event: yaml.Event) -> int:
    """Tell by how many levels `event` leads deeper."""
    return isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)


def _until(end: type[yaml.Event], events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    while not isinstance(event := next(events), end):
        yield event


def _text(event: yaml.ScalarEvent) -> str | None:
    return None if event.implicit[0] and event.value in _NULLS else event.value


def _line(event: yaml.Event) -> int:
    return 0 if event.start_mark is None else event.start_mark.line + 1
