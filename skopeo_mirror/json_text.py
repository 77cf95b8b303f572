"""JSON that others wrote: one way to read it, and one error for whatever is wrong with it (pure)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class InvalidJson(ValueError):  # noqa: N818 - reads better where it is caught
    """A text that is no JSON, or none that is read here; the message says why."""


def parse_json(text: str | bytes, *, table: Callable[[list[tuple[str, Any]]], dict[str, Any]] | None = None) -> Any:
    """Read a document. Raises InvalidJson, also for nesting and for numbers that no honest document has.

    `table` makes an object of its pairs (default: a dict, of which the last pair of a key counts).
    """
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=table)
    except RecursionError as error:
        raise InvalidJson("it is nested too deep") from error
    except UnicodeDecodeError as error:
        raise InvalidJson("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise InvalidJson(str(error)) from error
    except ValueError as error:  # Python reads no integer of more than 4300 digits
        raise InvalidJson("it holds a number that is too long") from error


def object_at(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object that a document has under a key, an empty one where it has none."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _refuse(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is no JSON", name, 0)
