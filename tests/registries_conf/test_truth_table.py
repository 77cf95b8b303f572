"""The truth table: what containers/image did with some hundred configurations, this project does too."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from skopeo_mirror.errors import InvalidConfiguration, InvalidReference, Unroutable
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.reading import dropin_files, read
from skopeo_mirror.registries_conf.routing import Router

CASES = Path(__file__).parent.parent / "data/registries-conf/cases.jsonl"
REFUSALS = {"config": InvalidConfiguration, "ref": InvalidReference, "sources": Unroutable}


def cases() -> list[Any]:
    rows = map(json.loads, CASES.read_text(encoding="utf-8").splitlines())
    return [pytest.param(row["case"], row["expected"], id=row["case"]["id"]) for row in rows]


def written(case: dict[str, Any], directory: Path) -> list[Path]:
    """Write the case's files, main file first; the main file may be missing on purpose."""
    main = directory / "registries.conf"
    dropins = directory / "registries.conf.d"
    dropins.mkdir()
    if "conf" in case and case["conf"] is not None:
        main.write_bytes(case["conf"].encode())
    elif case.get("conf_b64") is not None:
        main.write_bytes(base64.b64decode(case["conf_b64"]))
    for name, text in case.get("dropins", {}).items():
        (dropins / name).write_bytes(text.encode())
    for name, text in case.get("dropins_b64", {}).items():
        (dropins / name).write_bytes(base64.b64decode(text))
    return [main, *dropin_files(dropins)]


def sources(case: dict[str, Any], files: list[Path]) -> tuple[str | None, list[dict[str, Any]]]:
    configuration = read(files).configuration
    assert configuration is not None
    route = Router(configuration).route(Reference.parse(case["ref"]))
    return route.prefix, [
        {
            "reference": str(candidate.reference),
            "location": candidate.location,
            "insecure": candidate.insecure,
            "blocked": candidate.blocked,
        }
        for candidate in route.candidates
    ]


@pytest.mark.parametrize(("case", "expected"), cases())
def test_routes_as_containers_image_does(case: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    files = written(case, tmp_path)
    if expected["stage"] in REFUSALS:
        with pytest.raises(REFUSALS[expected["stage"]]):
            sources(case, files)
        return
    prefix, found = sources(case, files)
    wanted = expected["sources"]
    if expected["stage"] == "transport":  # skopeo refuses tag plus digest; this project pulls by the digest
        tag = Reference.parse(case["ref"]).tag
        wanted = [source | {"reference": source["reference"].replace(f":{tag}@", "@")} for source in wanted]
    if expected["prefix"] is None:
        wanted = [source | {"location": Reference.parse(case["ref"]).domain} for source in wanted]
    assert prefix == expected["prefix"]
    assert found == wanted
