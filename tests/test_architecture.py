"""The arrows: who may import whom. The rooms are the folders and modules at the top of the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import skopeo_mirror

PACKAGE = Path(skopeo_mirror.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
# Each room with those that it may import:
# `cli -> output -> transfer -> skopeo -> registries_conf -> request, oci_layout, manifest -> reference -> errors`;
# `olm` and `lists` know neither skopeo nor registries_conf. `files`, `json_text` and `yaml_text` (YAML, loaded where
# a file of it is read alone) stand beside `reference`, `signals` and `streams` beside the program.
GROUND = {"errors", "reference", "platforms", "manifest", "files", "json_text", "attached"}
ARROWS = {
    "errors": set[str](),
    "files": {"errors"},
    "json_text": set[str](),
    "reference": {"errors"},
    "attached": {"reference"},
    "platforms": {"errors"},
    "manifest": {"errors", "reference", "json_text", "platforms"},
    "oci_layout": GROUND,
    "request": {"reference"},
    "shards": {"errors", "reference"},
    "lists": {"errors", "files", "reference", "request", "shards"},
    "spelling": set[str](),
    "yaml_text": {"errors", "reference"},
    "yaml_fields": {"errors", "reference", "spelling", "yaml_text"},
    "olm": GROUND | {"oci_layout", "request", "spelling", "yaml_text", "yaml_fields"},
    "registries_conf": GROUND | {"spelling", "yaml_text"},
    "skopeo": GROUND | {"oci_layout", "registries_conf"},
    "transfer": GROUND | {"oci_layout", "registries_conf", "skopeo", "request"},
    "output": GROUND | {"request", "registries_conf", "skopeo", "transfer", "streams"},
    "streams": set[str](),
    "signals": {"errors"},
    "cli": GROUND
    | {
        "registries_conf",
        "skopeo",
        "transfer",
        "output",
        "olm",
        "lists",
        "shards",
        "request",
        "signals",
    },
    "__main__": {"cli", "errors", "signals", "skopeo", "streams"},
    "__init__": set[str](),
}
# Values in, values out: no file, process or clock.
PURE = (
    "attached",
    "reference",
    "platforms",
    "json_text",
    "registries_conf.model",
    "registries_conf.routing",
    "registries_conf.scoping",
    "registries_conf.writing",
    "shards",
    "skopeo.converted",
    "skopeo.debuglog",
    "skopeo.faults",
    "skopeo.provenance",
    "skopeo.purposes",
    "transfer.elsewhere",
    "transfer.explaining",
    "transfer.failover",
    "transfer.limits",
    "transfer.news",
    "transfer.plan",
    "transfer.results",
    "transfer.schedule",
    "transfer.stages",
    "transfer.trees",
    "output.merged",
    "output.mirrored",
    "output.progress",
    "output.progress_words",
    "output.redirect_formats",
    "output.report",
    "output.report_fields",
    "output.summary",
    "output.tally",
    "output.text",
)
OUTSIDE = {"io", "os", "pathlib", "random", "sh", "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "time"}


def name_of(file: Path) -> str:
    """`transfer.destination.place`; a package is its own name."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return module.partition(".")[0]


def imports_of(file: Path) -> set[str]:
    """Every module that a file imports anywhere: at the top, in a function, for types only."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(file)} has a relative import"
            found.add(str(node.module))
            if node.module == "skopeo_mirror":
                found |= {f"skopeo_mirror.{alias.name}" for alias in node.names}
    return found


def rooms_imported_by(file: Path) -> set[str]:
    ours = {name.removeprefix("skopeo_mirror.") for name in imports_of(file) if name.startswith("skopeo_mirror.")}
    return {room_of(name) for name in ours if name != "__version__"} - {room_of(name_of(file))}


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_point_down(file: Path) -> None:
    assert rooms_imported_by(file) <= ARROWS[room_of(name_of(file))]


def test_olm_and_registries_conf_know_neither_skopeo_nor_each_other() -> None:
    assert not ARROWS["olm"] & {"skopeo", "registries_conf", "transfer"}
    assert not ARROWS["registries_conf"] & {"skopeo", "olm", "transfer"}


def test_nothing_imports_the_command_line() -> None:
    importers = {name_of(file) for file in MODULES if "cli" in rooms_imported_by(file)}
    assert importers == {"__main__"}


def test_there_is_one_door_to_the_tool() -> None:
    assert [name_of(file) for file in MODULES if "sh" in imports_of(file)] == ["skopeo.command"]


def test_nobody_starts_a_process_by_another_way() -> None:
    doors = {"subprocess", "multiprocessing", "pty", "asyncio.subprocess"}
    assert [name_of(file) for file in MODULES if imports_of(file) & doors] == []


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_touch_nothing_outside(module: str) -> None:
    file = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    assert not {name.partition(".")[0] for name in imports_of(file)} & OUTSIDE


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_every_module_says_first_what_it_is_for(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    told = ast.get_docstring(tree)
    assert told, f"{name_of(file)} has no docstring"
    assert told.splitlines()[0].endswith((".", "!", "?", ":", ";", ")", "`"))


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_no_module_keeps_what_belongs_nowhere(file: Path) -> None:
    assert file.stem not in {"common", "helpers", "misc", "util", "utils"}
