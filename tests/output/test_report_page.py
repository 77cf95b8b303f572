"""The page of the report, skopeo_mirror/output/README.md, has every field of the schema, in the schema's words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import skopeo_mirror
from skopeo_mirror.output.metrics import HELP
from skopeo_mirror.skopeo.faults import Reason
from tests.rig.copying import report_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(skopeo_mirror.__file__).parent / "output/README.md"


class Walk:
    """A walk through the schema; what several fields have in common is told once, below the first of them."""

    def __init__(self) -> None:
        self.definitions = dict(report_schema()["$defs"])

    def fields(self, schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
        """Yield the path of every field below a schema, with its description."""
        for name, field in self.resolved(schema).get("properties", {}).items():
            yield f"{path}{name}", field["description"]
            yield from self.below(field, f"{path}{name}")

    def below(self, field: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
        for alternative in field.get("oneOf", [field]):
            if "items" in alternative:
                yield from self.fields(alternative["items"], f"{path}[].")
            elif isinstance(alternative.get("additionalProperties"), dict):
                yield from self.fields(alternative["additionalProperties"], f"{path}.*.")
            else:
                yield from self.fields(alternative, f"{path}.")

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in schema:
            return schema
        found: dict[str, Any] = self.definitions.pop(schema["$ref"].rpartition("/")[2], {})
        return found


def rows(heading: str) -> dict[str, str]:
    """Return the table below a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*?) \|(?:$| )", section, re.MULTILINE))


def test_has_every_field() -> None:
    assert list(rows("Fields").items()) == list(Walk().fields(report_schema()))


def test_has_every_reason() -> None:
    assert list(rows("Reasons")) == [str(reason) for reason in Reason]


def test_has_every_metric() -> None:
    assert list(rows("Metrics").items()) == list(HELP.items())
