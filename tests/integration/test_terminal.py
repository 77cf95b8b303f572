"""What a run looks like: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import PLAIN, configure, entry
from tests.rig.faults import Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import make_image
from tests.rig.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

BAR = "[━╌]{4,}"


@pytest.fixture
def hanging(image: Image) -> Iterator[FaultyRegistry]:
    """Return a mirror that gives manifests and never a layer."""
    with FaultyRegistry(Fault(place=Place.LAYER, kind="never-answer")) as registry:
        registry.serve("slow/app", image)
        yield registry


def two_images(program: Program, mirror: Registry, *entries: str) -> list[str]:
    """Return arguments for `copy`: one image that is copied, one that fails."""
    good = make_image("good")
    mirror.push("good/app", good)
    configure(program, entry("good.invalid", mirror.host), *entries)
    options = ["-r", "registries.conf", PLAIN, "--mirrors-only", "--report", "report.json", "--retries", "0"]
    return [*options, f"good.invalid/good/app@{good.digest}", f"good.invalid/missing/app@{good.digest}"]


@pytest.mark.parametrize(("before", "after"), [pytest.param(60, 200, id="wider"), pytest.param(200, 60, id="narrower")])
@pytest.mark.parametrize("no_color", [pytest.param({}, id="color"), pytest.param({"NO_COLOR": "1"}, id="no-color")])
def test_on_a_terminal_progress_is_live_until_an_interrupt(
    skopeo_mirror: Program,
    mirror: Registry,
    hanging: FaultyRegistry,
    destination: Registry,
    image: Image,
    before: int,
    after: int,
    no_color: dict[str, str],
) -> None:
    arguments = two_images(skopeo_mirror, mirror, entry("slow.invalid", hanging.host))
    slow = f"slow.invalid/slow/app@{image.digest}"
    command = skopeo_mirror.command("copy", *arguments, slow, f"docker://{destination.host}")
    environment = skopeo_mirror.environment({"TERM": "xterm-256color", **no_color})
    with Terminal(command, columns=before, environment=environment, cwd=skopeo_mirror.directory) as terminal:
        shown = terminal.wait_for(
            rf"^{BAR} 2/3 images, 1 failed.*\n  slow/app@[0-9a-f]{{8}} from {hanging.host}/slow/app$"
        )
        assert "failed good.invalid/missing/app@" in shown
        assert "copied good.invalid/good/app@" in shown

        terminal.resize(after)
        shown = terminal.wait_for(rf"^[━╌]{{{'5,20' if after == 60 else '30,'}}} 2/3 images")
        assert len(re.findall(rf"^{BAR}", shown, re.MULTILINE)) == 1
        cursor = [terminal.screen.cursor_shown]

        terminal.interrupt()
        assert terminal.wait() == 130
        shown = terminal.screen.text()
        assert [*cursor, terminal.screen.cursor_shown] == [False, True]
        assert not re.search(rf"^{BAR}", shown, re.MULTILINE)  # gone; what it stood under is still there
        assert "failed good.invalid/missing/app@" in shown
        assert re.search(rf"^  {BAR} {mirror.host} \(mirror\): 1 image, ", shown, re.MULTILINE)
        assert "2 failed:" in shown
        assert shown.rstrip().endswith("error: interrupted")
        colored = re.search(r"\x1b\[[\d;]*3[0-7]m", terminal.screen.raw)
        assert (colored is None) == bool(no_color)
    report = json.loads((skopeo_mirror.directory / "report.json").read_bytes())
    assert [image["status"] for image in report["images"]] == ["copied", "failed", "failed"]


def test_a_second_interrupt_ends_it_at_once_and_leaves_the_terminal_as_it_was(
    skopeo_mirror: Program, mirror: Registry, hanging: FaultyRegistry, destination: Registry, image: Image
) -> None:
    deaf = skopeo_mirror.directory / "skopeo"
    deaf.write_text(
        '#!/bin/sh\ncase " $* " in *" copy "*) trap \'\' TERM; sleep 1000 & wait;; esac\nexec skopeo "$@"\n'
    )
    deaf.chmod(0o755)
    arguments = two_images(skopeo_mirror, mirror, entry("slow.invalid", hanging.host))
    slow = f"slow.invalid/slow/app@{image.digest}"
    command = skopeo_mirror.command("copy", "--skopeo", deaf, *arguments, slow, f"docker://{destination.host}")
    environment = skopeo_mirror.environment({"TERM": "xterm"})
    with Terminal(command, columns=80, environment=environment, cwd=skopeo_mirror.directory) as terminal:
        terminal.wait_for(f"^{BAR} 1/3 images, 1 failed")
        terminal.interrupt()
        terminal.wait_for("^stopping; interrupt again to end at once$")
        cursor = [terminal.screen.cursor_shown]
        terminal.interrupt()
        assert terminal.wait() == 130
        assert [*cursor, terminal.screen.cursor_shown] == [False, True]


@pytest.mark.parametrize("columns", [60, 200])
@pytest.mark.parametrize(
    ("options", "environment"),
    [
        pytest.param([], {"TERM": "dumb"}, id="dumb"),
        pytest.param(["-q"], {"TERM": "xterm"}, id="quiet"),
    ],
)
def test_on_a_terminal_that_wants_none_there_is_no_escape_sequence(
    skopeo_mirror: Program,
    mirror: Registry,
    destination: Registry,
    columns: int,
    options: list[str],
    environment: dict[str, str],
) -> None:
    arguments = two_images(skopeo_mirror, mirror)
    command = skopeo_mirror.command("copy", *arguments, *options, f"docker://{destination.host}")
    environment = skopeo_mirror.environment(environment)
    with Terminal(command, columns=columns, environment=environment, cwd=skopeo_mirror.directory) as terminal:
        assert terminal.wait() == 1
        assert not set("\x1b━") & set(terminal.screen.raw)
        assert "failed good.invalid/missing/app@" in terminal.screen.raw
        assert ("copied good.invalid/good/app@" in terminal.screen.raw) == (options == [])


@pytest.mark.parametrize("columns", ["60", "200"])
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="plain"),
        pytest.param(["-v"], id="verbose"),
        pytest.param(["--json"], id="json"),
    ],
)
def test_on_a_pipe_there_is_no_escape_byte_and_no_wrapped_line(
    skopeo_mirror: Program,
    mirror: Registry,
    destination: Registry,
    columns: str,
    arguments: list[str],
) -> None:
    environment = {"COLUMNS": columns, "TERM": "xterm-256color", "FORCE_COLOR": "1"}
    images = two_images(skopeo_mirror, mirror)
    run = skopeo_mirror("copy", *images, *arguments, f"docker://{destination.host}", env=environment)
    assert run.status == 1
    assert "\x1b" not in run.stdout + run.stderr
    assert "\r" not in run.stdout + run.stderr
    lines = (run.stderr if "--json" in arguments else run.stdout).splitlines()
    [failed] = [line for line in lines if line.startswith("failed good.invalid/missing/app@")]
    assert f"{mirror.host}/missing/app: not-found" in failed


@pytest.mark.parametrize("columns", ["60", "200"])
@pytest.mark.parametrize("command", ["--help", "copy --help", "copy --jobs many", "copi", "copy --jsn"])
def test_help_and_usage_errors_are_plain_on_a_pipe(skopeo_mirror: Program, columns: str, command: str) -> None:
    run = skopeo_mirror(*command.split(), env={"COLUMNS": columns, "TERM": "xterm-256color", "FORCE_COLOR": "1"})
    assert not set("\x1b╭│╰") & set(run.stdout + run.stderr)
