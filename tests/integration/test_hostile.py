"""What a hostile mirror, list or log can hold: refused or escaped, never executed, never raw on a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.rig.copying import PLAIN, configure, copy, entry, holds, only, pin_tag
from tests.rig.faults import FAULTS, Fault, Place, answers
from tests.rig.faulty import FaultyRegistry

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

ESCAPES: Final = "\x1b]0;owned\x07\x1b[31mred\x1b[0m \u202egnp.exe \x9b2J \r\x08"
"""Sets a terminal's title and colours, turns the text around, clears the screen, writes over what was there."""

TALKATIVE: Final = r"""#!/bin/sh
line=$(head -c 1000000 /dev/zero | tr '\0' x)
for number in $(seq 40); do
    printf '%s\n' "$line" "time=\"now\" level=debug msg=\"GET http://$line\"" >&2
done
exec skopeo "$@"
"""
NAMES = {
    "command-substitution": "$(touch owned)",
    "backticks": "`touch owned`",
    "semicolon": "prod.invalid/app; touch owned",
    "pipe": "prod.invalid/app|touch owned",
    "redirect": "prod.invalid/app>owned",
    "option": "--registries-conf=owned",
    "short-option": "-v",
    "option-in-the-path": "prod.invalid/--authfile/app:v1",
    "newline": "prod.invalid/app\nprod.invalid/other",
    "escapes": f"prod.invalid/{ESCAPES}:v1",
    "way-up": "prod.invalid/../../etc/passwd",
    "nul": "prod.invalid/app\0:v1",
    "format": "prod.invalid/{0.__class__}:%s%n",
    "environment": "prod.invalid/$HOME:v1",
    "glob": "prod.invalid/*",
    "other-transport": "dir:/etc",
    "endless": "prod.invalid/" + "a/" * 100_000,
}


def is_harmless(text: str) -> bool:
    """Tell whether a terminal does nothing with a text but show it, line by line."""
    return all(character.isprintable() for character in text.replace("\n", ""))


class TestNames:
    @pytest.mark.parametrize("name", [pytest.param(name, id=name_id) for name_id, name in NAMES.items()])
    def test_in_a_list_are_refused_before_anything_is_asked(
        self, skopeo_mirror: Program, mirror: Registry, image: Image, name: str
    ) -> None:
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        images = skopeo_mirror.directory / "images"
        images.write_bytes(f"prod.invalid/good@{image.digest}\n{name}\n".encode())
        run = skopeo_mirror("copy", "-r", "registries.conf", "-f", "images", "dir:copied")
        if name == NAMES["newline"]:  # two lines of a list
            assert run.status == 1
        else:
            assert (run.status, run.stdout) == (2, "")
            assert run.stderr.startswith("error: images:2: ")
            assert len(run.stderr) < 2000
            assert mirror.requests() == []
        assert is_harmless(run.stdout + run.stderr)
        assert {path.name for path in skopeo_mirror.directory.iterdir()} == {"home", "registries.conf", "images"}

    @pytest.mark.parametrize(
        "name",
        [pytest.param(name, id=name_id) for name_id, name in NAMES.items() if "\0" not in name and len(name) < 99],
    )
    def test_on_the_command_line_are_refused(
        self, skopeo_mirror: Program, mirror: Registry, image: Image, name: str
    ) -> None:
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        good = f"prod.invalid/good@{image.digest}"
        run = skopeo_mirror("copy", "-r", "registries.conf", "--", good, name, "dir:copied")
        assert (run.status, run.stdout) == (2, "")
        assert is_harmless(run.stderr)
        assert mirror.requests() == []
        assert {path.name for path in skopeo_mirror.directory.iterdir()} == {"home", "registries.conf"}


class TestAnswers:
    @pytest.mark.parametrize("kind", ["huge", "html", "junk-json", "redirect-loop"])
    @pytest.mark.parametrize("options", [pytest.param((), id="planned"), pytest.param(("--no-plan",), id="unplanned")])
    def test_to_a_tag_are_not_believed(
        self,
        skopeo_mirror: Program,
        origin: Registry,
        destination: Registry,
        image: Image,
        kind: str,
        options: tuple[str, ...],
    ) -> None:
        """No digest says beforehand what is right; the next candidate resolves the tag."""
        origin.push("app", image, "v1")
        with FaultyRegistry(Fault(place=Place.MANIFEST, kind=kind)) as mirror:
            mirror.serve("app", image, "v1")
            configure(skopeo_mirror, entry(origin.host, mirror.host))
            report = copy(skopeo_mirror, *options, f"{origin.host}/app:v1", f"docker://{destination.host}")
        copied = only(report)
        assert (copied["digest"], copied["served_by"]["kind"]) == (image.digest, "origin")
        assert holds(destination, "app", "v1", image)

    @pytest.mark.parametrize("options", [pytest.param((), id="planned"), pytest.param(("--no-plan",), id="unplanned")])
    def test_that_are_another_images_manifest_are_not_taken(
        self, skopeo_mirror: Program, destination: Registry, image: Image, options: tuple[str, ...]
    ) -> None:
        with FaultyRegistry(Fault(place=Place.MANIFEST, kind="wrong-bytes")) as mirror:
            mirror.serve("app", image)
            configure(skopeo_mirror, entry("prod.invalid", mirror.host))
            report = copy(
                skopeo_mirror,
                *(*options, "--mirrors-only", f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
                status=1,
            )
        assert [attempt["reason"] for attempt in only(report)["attempts"]] == ["corrupt"]
        assert destination.repositories() == []

    def test_with_escapes_reach_no_terminal(
        self, skopeo_mirror: Program, destination: Registry, image: Image, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = json.dumps({"errors": [{"code": "DENIED", "message": ESCAPES}]}, ensure_ascii=False).encode()
        monkeypatch.setitem(FAULTS[Place.MANIFEST], "403", answers(403, body))
        with FaultyRegistry(Fault(place=Place.MANIFEST, kind="403")) as mirror:
            mirror.serve("app", image)
            configure(skopeo_mirror, entry("prod.invalid", mirror.host))
            for options in (["-v"], ["--json"], ["--dry-run"]):
                run = skopeo_mirror(
                    *("copy", "-r", "registries.conf", PLAIN, "--mirrors-only", *options),
                    *(f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
                )
                assert run.status == 1
                assert "gnp.exe" in run.stdout + run.stderr
                assert is_harmless(run.stdout + run.stderr)

    def test_with_a_megabyte_of_words_are_cut(
        self, skopeo_mirror: Program, destination: Registry, image: Image, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = json.dumps({"errors": [{"code": "DENIED", "message": "so sorry " * 100_000}]}).encode()
        monkeypatch.setitem(FAULTS[Place.MANIFEST], "403", answers(403, body))
        with FaultyRegistry(Fault(place=Place.MANIFEST, kind="403")) as mirror:
            mirror.serve("app", image)
            configure(skopeo_mirror, entry("prod.invalid", mirror.host))
            command = (
                *("copy", "-r", "registries.conf", PLAIN, "--mirrors-only", "--report=report.json"),
                *(f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
            )
            run = skopeo_mirror(*command)
        assert run.status == 1
        assert len(run.stdout + run.stderr) < 5000
        report = json.loads((skopeo_mirror.directory / "report.json").read_text())
        [attempt] = only(report)["attempts"]
        assert attempt["reason"] == "unauthorized"
        assert len(attempt["detail"]) < 5000


def test_a_log_of_endless_lines_does_not_fill_the_memory(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
) -> None:
    """Real skopeo, after 80 lines of 1 MB: the error text of a hostile server is as long as it likes."""
    mirror.push("app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    talkative = skopeo_mirror.directory / "talkative"
    talkative.write_text(TALKATIVE)
    talkative.chmod(0o755)
    command = skopeo_mirror.command(
        *("copy", "-r", "registries.conf", PLAIN, f"--skopeo={talkative}", "--no-plan"),
        *(f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
    )
    # Measured from a small process: one that is forked from a large one counts the memory of that one, too.
    measuring = (
        "import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]); "
        "print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    measured = subprocess.run(
        [sys.executable, "-c", measuring, *command],
        cwd=skopeo_mirror.directory,
        env=skopeo_mirror.environment(),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    status, most = map(int, measured.stdout.split()[-2:])
    assert status == 0
    assert most < 120_000  # kB, the tool or any skopeo, whichever took more; half of it is Python itself
    assert holds(destination, "app", pin_tag(image), image)
