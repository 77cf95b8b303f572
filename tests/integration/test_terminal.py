"""What a run looks like: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.output.text import human_bytes
from tests.rig.background import started
from tests.rig.copying import PLAIN, configure, entry
from tests.rig.faults import SLOW, Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import make_image
from tests.rig.skopeos import Stubborn
from tests.rig.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

BAR = "[━╌]{4,}"
GOOD = make_image("good")


@pytest.fixture
def hanging(image: Image) -> Iterator[FaultyRegistry]:
    """Return a mirror that gives manifests and never a layer."""
    with FaultyRegistry(Fault(place=Place.LAYER, kind="never-answer")) as registry:
        registry.serve("slow/app", image)
        yield registry


def on_terminal(program: Program, *arguments: object, columns: int, **environment: str) -> Terminal:
    """Start the tool there; `environment` is laid over the clean one."""
    command, variables = program.command(*arguments), program.environment(environment)
    return Terminal(command, columns=columns, environment=variables, cwd=program.directory)


def two_images(program: Program, mirror: Registry, *entries: str) -> list[str]:
    """Return arguments for `copy`: one image that is copied, one that fails."""
    mirror.push("good/app", GOOD)
    configure(program, entry("good.invalid", mirror.host), *entries)
    options = ["-r", "registries.conf", PLAIN, "--mirrors-only", "--report", "report.json", "--retries", "0"]
    return [*options, f"good.invalid/good/app@{GOOD.digest}", f"good.invalid/missing/app@{GOOD.digest}"]


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
    command = ("copy", *arguments, slow, f"docker://{destination.host}")
    with on_terminal(skopeo_mirror, *command, columns=before, TERM="xterm-256color", **no_color) as terminal:
        shown = terminal.wait_for(
            rf"^{BAR} 2/3 images, 1 failed.*\n(  waiting for .*\n)?"
            rf"  \S+/app@[0-9a-f]{{8}} from {hanging.host}, [\d.]+ k?B of "  # of the longer name, what fits
        )
        assert "failed good.invalid/missing/app@" in shown
        row = f"copied good/app@{GOOD.digest.removeprefix('sha256:')[:8]} from {mirror.host} (mirror)"
        assert re.search(rf"^{re.escape(row)}(, [\d.]+ kB, [\d.]+ s)?$", shown, re.MULTILINE)

        terminal.resize(after)
        shown = terminal.wait_for(rf"^[━╌]{{{'5,28' if after == 60 else '30,'}}} 2/3 images")
        assert len(re.findall(rf"^{BAR}", shown, re.MULTILINE)) == 1
        cursor = [terminal.screen.cursor_shown]

        terminal.interrupt()
        assert terminal.wait() == 130
        shown = terminal.screen.text()
        assert [*cursor, terminal.screen.cursor_shown] == [False, True]
        assert not re.search(rf"^{BAR}", shown, re.MULTILINE)  # gone; what it stood under is still there
        assert "failed good.invalid/missing/app@" in shown
        assert re.search(rf"^  {BAR} {mirror.host} \(mirror\): 1 image, ", shown, re.MULTILINE)
        assert "1 failed:" in shown
        assert "stopped early: interrupted; 1 image not copied" in shown
        assert "failed slow.invalid" not in shown
        assert shown.rstrip().endswith("error: interrupted")
        colored = re.search(r"\x1b\[[\d;]*3[0-7]m", terminal.screen.raw)
        assert (colored is None) == bool(no_color)
    report = json.loads((skopeo_mirror.directory / "report.json").read_bytes())
    assert [image["status"] for image in report["images"]] == ["copied", "failed", "failed"]


def test_a_second_interrupt_ends_it_at_once_and_leaves_the_terminal_as_it_was(
    skopeo_mirror: Program, mirror: Registry, hanging: FaultyRegistry, destination: Registry, image: Image
) -> None:
    deaf = Stubborn(skopeo_mirror)
    arguments = two_images(skopeo_mirror, mirror, entry("slow.invalid", hanging.host))
    slow = f"slow.invalid/slow/app@{image.digest}"
    command = ("copy", "--skopeo", deaf.path, *arguments, slow, f"docker://{destination.host}")
    with on_terminal(skopeo_mirror, *command, columns=80, TERM="xterm") as terminal:
        terminal.wait_for(f"^{BAR} 1/3 images, 1 failed")
        deaf.wait()
        terminal.interrupt()
        terminal.wait_for("^stopping; interrupt again to end at once$")
        cursor = [terminal.screen.cursor_shown]
        terminal.interrupt()
        assert terminal.wait() == 130
        assert [*cursor, terminal.screen.cursor_shown] == [False, True]


def test_a_large_image_is_seen_to_come(skopeo_mirror: Program, destination: Registry) -> None:
    """Its bytes grow, the time that is left shrinks, and in the end they are those of the report."""
    large = make_image("large", size=4 * SLOW)
    with FaultyRegistry(Fault(place=Place.LAYER, kind="slow")) as mirror:
        mirror.serve("app", large)
        configure(skopeo_mirror, entry("slow.invalid", mirror.host))
        options = ("-r", "registries.conf", PLAIN, "--report", "report.json")
        command = ("copy", *options, f"slow.invalid/app@{large.digest}", f"docker://{destination.host}")
        with on_terminal(skopeo_mirror, *command, columns=120, TERM="xterm") as terminal:
            assert terminal.wait() == 0
            raw = terminal.screen.raw
    moved = human_bytes(json.loads((skopeo_mirror.directory / "report.json").read_bytes())["summary"]["bytes"])
    frames = re.findall(r"(\d)/1 images,(?: (\d+:\d+) left,)? ([\d.]+) (B|kB) of ([\d.]+ kB)", raw)
    done = [float(number) * (1000 if unit == "kB" else 1) for _, _, number, unit, _ in frames]
    assert len(set(done)) > 5
    assert done == sorted(done)
    left = [one for _, one, *_ in frames if one]
    assert max(left) > left[-1]
    assert {total for *_, total in frames} == {moved}
    assert (frames[-1][0], f"{frames[-1][2]} {frames[-1][3]}") == ("1", moved)
    assert re.search(rf"  app@\w{{8}} from {mirror.host}, [\d.]+ kB of {moved}, [\d.]+ kB/s", raw)


def test_where_nobody_watches_it_says_whom_it_waits_for(
    skopeo_mirror: Program, hanging: FaultyRegistry, destination: Registry, image: Image
) -> None:
    """A line now and then on standard error, until the end of the run; the document stands alone on the other."""
    with FaultyRegistry(Fault(place=Place.MANIFEST, kind="429")) as limiting:
        configure(skopeo_mirror, entry("slow.invalid", hanging.host), entry("busy.invalid", limiting.host))
        options = ("-r", "registries.conf", PLAIN, "--mirrors-only", "--json", "--heartbeat=500ms", "--retries=0")
        images = (f"slow.invalid/slow/app@{image.digest}", "busy.invalid/app:v1")
        with started(skopeo_mirror, "copy", *options, *images, f"docker://{destination.host}") as run:
            assert run.process.stderr is not None
            wanted = {
                f"waiting for {hanging.host}: silent for ",
                f"waiting for {limiting.host}: too many requests (429)",
            }
            lines: list[str] = []
            while not all(any(words in line for line in lines) for words in wanted):
                lines.append(run.process.stderr.readline())
                assert lines[-1], lines
            run.signal(signal.SIGINT)
            ended = run.wait()
    assert any(
        re.match(r"after 0:0\d: 0/2 images, .*[\d.]+ k?B of ~?[\d.]+ kB.*; reading ahead: ", line) for line in lines
    ), lines
    assert not set("\x1b\r━") & set("".join(lines))
    assert [image["status"] for image in ended.report["images"]] == ["failed", "failed"]


def test_a_terminal_that_knows_ascii_alone_is_told_nothing_else(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    arguments = two_images(skopeo_mirror, mirror)
    command = ("copy", *arguments, f"docker://{destination.host}")
    with on_terminal(skopeo_mirror, *command, columns=80, TERM="xterm", LANG="C") as terminal:
        assert terminal.wait() == 1
        assert re.search("  [=-]{12} ", terminal.screen.raw)
        assert terminal.screen.raw.isascii()


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
    command = ("copy", *arguments, *options, f"docker://{destination.host}")
    with on_terminal(skopeo_mirror, *command, columns=columns, **environment) as terminal:
        assert terminal.wait() == 1
        assert not set("\x1b━") & set(terminal.screen.raw)
        assert "failed good.invalid/missing/app@" in terminal.screen.raw
        assert ("copied good/app@" in terminal.screen.raw) == (options == [])


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
