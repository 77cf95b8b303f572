"""The page of the report, skopeo_mirror/output/README.md, has every field of the schema, in the schema's words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import skopeo_mirror
from skopeo_mirror.skopeo.faults import Reason
from tests.rig.copying import report_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(skopeo_mirror.__file__).parent / "output/README.md"


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of every field below a schema, with its description."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}", field["description"]
        yield from below(field, f"{path}{name}")


def below(field: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    root = report_schema()
    for alternative in field.get("oneOf", [field]):
        if "$ref" in alternative.get("items", {}):
            yield from fields(root["$defs"][alternative["items"]["$ref"].rpartition("/")[2]], f"{path}[].")
        elif "items" in alternative:
            yield from fields(alternative["items"], f"{path}[].")
        elif isinstance(alternative.get("additionalProperties"), dict):
            yield from fields(alternative["additionalProperties"], f"{path}.*.")
        else:
            yield from fields(alternative, f"{path}.")


def rows(heading: str) -> dict[str, str]:
    """Return the table below a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE))


def test_has_every_field() -> None:
    assert rows("Fields") == dict(fields(report_schema()))


def test_has_every_reason() -> None:
    assert list(rows("Reasons")) == [str(reason) for reason in Reason]
