"""The scenario of a large operator catalog, as YAML and as JSON, and the maker of such catalogs."""

from __future__ import annotations

import io
import itertools
import json
import random
import textwrap
from typing import TYPE_CHECKING, Any

from scripts.benchmark import workload
from scripts.benchmark.local import rounds
from scripts.benchmark.results import Bar, Outcome, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.benchmark.settings import Settings

BUNDLES_A_PACKAGE = 20
CONFIGS_LABEL = "operators.operatorframework.io.index.configs.v1"
PARAGRAPHS = 500  # enough of them that gzip finds few twice in its window, as in real catalogs
CPU_LIMIT, MEMORY_LIMIT = 60, 1000  # seconds and megabytes for YAML; a quarter for JSON

Document = dict[str, Any]


def catalog(settings: Settings, folder: Path) -> Outcome:
    """A large operator catalog, listed as JSON."""
    sources = {form: f"oci://{_layout(folder / form, form, settings)}" for form in ("yaml", "json")}
    commands = {form: [*settings.tool_command, "catalog", "--json", source] for form, source in sources.items()}
    rows = rounds(commands, 1, folder)
    bars = []
    for form, share in ("yaml", 1.0), ("json", 0.25):
        cpu, peak = rows[form].median("cpu"), rows[form].worst("peak") / 1e6
        bars += [
            Bar(what=f"{form}: CPU", value=cpu, limit=share * CPU_LIMIT, unit=Unit.SECONDS),
            Bar(what=f"{form}: peak memory", value=peak, limit=share * MEMORY_LIMIT, unit=Unit.MEGABYTES),
        ]
    size = settings.bundles * settings.bundle_size / 1e6
    title = f"catalog with {settings.bundles:,} bundles, {size:.0f} MB"
    return Outcome(name="catalog", title=title, rows=list(rows.values()), bars=bars)


def _layout(folder: Path, form: str, settings: Settings) -> Path:
    """An OCI layout of one catalog image."""
    make = workload.Maker(folder)
    layer = make.packed(_files(form, settings), level=1)
    labels = {CONFIGS_LABEL: "/configs"}
    workload.address(make.workload([make.manifest([layer], **labels)]))
    return folder


def _files(form: str, settings: Settings) -> Iterator[tuple[str, int, io.BytesIO]]:
    """One file a package."""
    source = random.Random(form)  # noqa: S311 - prose, not a secret
    paragraphs = [_paragraph(source) for _ in range(PARAGRAPHS)]
    for number in range(settings.bundles // BUNDLES_A_PACKAGE):
        documents = _package(f"operator-{number:04}", settings.bundle_size, paragraphs, source)
        write = _as_yaml if form == "yaml" else _as_json
        content = "".join(map(write, documents)).encode()
        yield f"configs/operator-{number:04}/catalog.{form}", len(content), io.BytesIO(content)


def _paragraph(source: random.Random) -> str:
    words = ("".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=source.randint(2, 10))) for _ in range(150))
    return textwrap.fill(" ".join(words), 100)


def _package(name: str, bundle_size: int, paragraphs: list[str], source: random.Random) -> Iterator[Document]:
    """A package with one channel, its bundles each replacing the one before."""
    bundles = [f"{name}.v1.{minor}.0" for minor in range(BUNDLES_A_PACKAGE)]
    entries = [{"name": bundles[0]}]
    entries += [{"name": bundle, "replaces": before} for before, bundle in itertools.pairwise(bundles)]
    yield {"schema": "olm.package", "name": name, "defaultChannel": "stable"}
    yield {"schema": "olm.channel", "package": name, "name": "stable", "entries": entries}
    for minor, bundle in enumerate(bundles):
        count = max(1, bundle_size // len(paragraphs[0]))
        image = f"{workload.ORIGIN}/{name}/bundle@sha256:{source.randbytes(32).hex()}"
        yield {
            "schema": "olm.bundle",
            "package": name,
            "name": bundle,
            "image": image,
            "properties": [
                {"type": "olm.package", "value": {"packageName": name, "version": f"1.{minor}.0"}},
                {"type": "olm.csv.metadata", "value": {"description": "\n".join(source.choices(paragraphs, k=count))}},
            ],
            "relatedImages": [
                {"name": "", "image": image},
                {"name": "operand", "image": f"{workload.ORIGIN}/{name}/operand@sha256:{source.randbytes(32).hex()}"},
            ],
        }


def _as_json(document: Document) -> str:
    return json.dumps(document, indent=4) + "\n"


def _as_yaml(document: Document) -> str:
    return "---\n" + _yaml(document, 0)


def _yaml(value: Any, indent: int) -> str:
    """Block YAML of what a catalog holds: mappings, lists of mappings, strings, long ones as literal blocks."""
    margin = " " * indent
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines.append(f"{margin}{key}:\n{_yaml(item, indent + 2)}")
        elif isinstance(item, list):
            entries = (f"{margin}- {_yaml(entry, indent + 2).lstrip()}" for entry in item)
            lines.append(f"{margin}{key}:\n{''.join(entries)}")
        elif "\n" in item:
            lines.append(f"{margin}{key}: |-\n{textwrap.indent(item, margin + '  ')}\n")
        else:
            lines.append(f"{margin}{key}: {json.dumps(item)}\n")
    return "".join(lines)
