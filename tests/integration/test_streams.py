"""Streams that are closed, full, or of few letters: no run ends of it, and none loses its report."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import PLAIN, configure, entry, holds, pin_tag

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry


def in_shell(program: Program, *arguments: object, streams: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run with redirections as a shell has them; the exit status, and what is left of standard output and error."""
    done = subprocess.run(
        ["bash", "-c", f"{{ {shlex.join(program.command(*arguments))} {streams}; }} 2>&1"],
        cwd=program.directory,
        env=program.environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    return done.returncode, said


@pytest.mark.parametrize("json_", [pytest.param(False, id="lines"), pytest.param(True, id="document")])
@pytest.mark.parametrize(
    ("streams", "loses_results"),
    [
        pytest.param(">&-", True, id="stdout-closed"),
        pytest.param(">/dev/full", True, id="stdout-full"),
        pytest.param("2>&-", False, id="stderr-closed"),
        pytest.param("2>/dev/full", False, id="stderr-full"),
        pytest.param("<&- >&- 2>&-", True, id="all-closed"),
        pytest.param(">/dev/full 2>/dev/full", True, id="both-full"),
    ],
)
def test_a_copy_is_made_and_told_in_its_report(
    skopeo_mirror: Program,
    mirror: Registry,
    destination: Registry,
    image: Image,
    streams: str,
    loses_results: bool,
    json_: bool,
) -> None:
    """The lines are in the report too; a document that was asked for and is lost is a failure."""
    mirror.push("app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    status, said = in_shell(
        skopeo_mirror,
        *("copy", "-r", "registries.conf", PLAIN, "--report=report.json", "--failed-images=failed"),
        *(["--json"] if json_ else []),
        *(f"prod.invalid/app@{image.digest}", "prod.invalid/missing:v1", f"docker://{destination.host}"),
        streams=streams,
    )
    assert status == 1
    assert holds(destination, "app", pin_tag(image), image)
    report = json.loads((skopeo_mirror.directory / "report.json").read_text())
    assert (report["summary"]["copied"], report["summary"]["failed"]) == (1, 1)
    assert (skopeo_mirror.directory / "failed").read_text() == "prod.invalid/missing:v1\n"
    if loses_results and "2>" not in streams:
        assert ("error: standard output" if json_ else "warning: standard output") in said
    status, _ = in_shell(
        skopeo_mirror,
        *("copy", "-r", "registries.conf", PLAIN, *(["--json"] if json_ else [])),
        *(f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
        streams=streams,
    )
    assert status == int(json_ and loses_results)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--version"], id="version"),
        pytest.param(["--help"], id="help"),
        pytest.param(["copy", "--help"], id="help-of-copy"),
        pytest.param(["route", "-r", "registries.conf", "quay.io/a/b"], id="route"),
        pytest.param(["validate", "registries.conf"], id="validate"),
        pytest.param(["normalize", "registries.conf"], id="normalize"),
        pytest.param(["images", "quay.io/a/b"], id="images"),
    ],
)
@pytest.mark.parametrize(
    ("streams", "status", "words"),
    [
        pytest.param(">&-", 1, "error: standard output is closed; what should be there is lost\n", id="closed"),
        pytest.param(">/dev/full", 1, "No space left on device", id="full"),
        pytest.param("| true", 0, "", id="nobody-reads"),
        pytest.param(">/dev/null 2>&-", 0, "", id="stderr-closed"),
        pytest.param(">/dev/null 2>/dev/full", 0, "", id="stderr-full"),
    ],
)
def test_results_that_are_lost_are_a_failure(
    skopeo_mirror: Program, arguments: list[str], streams: str, status: int, words: str
) -> None:
    configure(skopeo_mirror, entry("prod.invalid", "mirror.invalid"))
    ended, said = in_shell(skopeo_mirror, *arguments, streams=f"{streams} && true")
    assert ended == status, said
    assert words in said


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", ">&- 2>&-"])
def test_an_error_that_nobody_can_read_keeps_its_status(skopeo_mirror: Program, streams: str) -> None:
    assert in_shell(skopeo_mirror, "images", "NO REFERENCE", streams=streams)[0] == 2
    assert in_shell(skopeo_mirror, "images", "--no-such-option", streams=streams)[0] == 2


def test_standard_input_that_is_closed_is_an_empty_list(skopeo_mirror: Program) -> None:
    status, said = in_shell(skopeo_mirror, "images", "-f", "-", "quay.io/a/b:v1", streams="<&-")
    assert status == 0
    assert said.splitlines() == [
        "warning: standard input is closed: there is nothing in it",
        "warning: standard input: names no image",
        "quay.io/a/b:v1",
    ]


@pytest.mark.parametrize(
    ("env", "tree"),
    [
        pytest.param({"PYTHONIOENCODING": "ascii"}, "`- 1. ", id="ascii"),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, "`- 1. ", id="latin-1"),
        pytest.param({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "`- 1. ", id="locale-c"),
        pytest.param({"LC_ALL": "C.UTF-8"}, "└─ 1. ", id="utf-8"),
    ],
)
def test_an_encoding_of_few_letters_is_written_in_those(
    skopeo_mirror: Program, mirror: Registry, image: Image, env: dict[str, str], tree: str
) -> None:
    mirror.push("app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    routed = in_shell(skopeo_mirror, "route", "-r", "registries.conf", "quay.io/a/b", streams="", env=env)
    assert routed[0] == 0
    assert tree in routed[1]
    copied = in_shell(
        skopeo_mirror,
        *("copy", "-r", "registries.conf", "-v", f"prod.invalid/app@{image.digest}", "oci:Dé", "--report=report.json"),
        streams="",
        env=env,
    )
    assert copied[0] == 0, copied[1]
    assert (skopeo_mirror.directory / "report.json").exists()
