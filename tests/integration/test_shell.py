"""At home in the shell: completion, and help that can be read."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.rig.program import Program

COMPLETE = "_SKOPEO_MIRROR_COMPLETE"
WORDS = [
    pytest.param("skopeo-mirror r", ["route", "redirect"], id="command"),
    pytest.param("skopeo-mirror copy --max", ["--max-nested-paths"], id="option"),
    pytest.param("skopeo-mirror redirect --format i", ["idms", "itms"], id="value"),
]


@pytest.fixture
def bin_directory(skopeo_mirror: Program) -> str:
    """Return a PATH on which `skopeo-mirror` is found, as it is when it is installed."""
    directory = skopeo_mirror.directory / "bin"
    directory.mkdir()
    script = directory / "skopeo-mirror"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m skopeo_mirror "$@"\n')
    script.chmod(0o755)
    return f"{directory}:{skopeo_mirror.environment()['PATH']}"


@pytest.mark.parametrize(("words", "expected"), WORDS)
def test_bash_completes(skopeo_mirror: Program, bin_directory: str, words: str, expected: list[str]) -> None:
    """By the real bash, from the script that the program gives."""
    script = f"""
        eval "$({COMPLETE}=source_bash skopeo-mirror)"
        COMP_WORDS=({words})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        $(complete -p skopeo-mirror | sed 's/.*-F \\([^ ]*\\).*/\\1/') skopeo-mirror
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=skopeo_mirror.environment({"PATH": bin_directory}),
        cwd=skopeo_mirror.directory,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (expected, "")


@pytest.mark.parametrize(("words", "expected"), WORDS)
def test_zsh_and_fish_are_told_the_same(skopeo_mirror: Program, words: str, expected: list[str]) -> None:
    """By the questions that their scripts ask."""
    asked = {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    zsh = skopeo_mirror(env={COMPLETE: "complete_zsh", **asked})
    fish = skopeo_mirror(env={COMPLETE: "complete_fish", **asked})
    assert re.findall(r'^(?:_arguments \S+ \S*\(\()?"([^"]*)"', zsh.stdout, re.MULTILINE) == expected
    assert [line.partition("\t")[0] for line in fish.stdout.splitlines()] == expected


@pytest.mark.parametrize(
    ("shell", "registers"),
    [
        pytest.param("bash", "complete -o default -F _skopeo_mirror_completion skopeo-mirror", id="bash"),
        pytest.param("zsh", "compdef _skopeo_mirror_completion skopeo-mirror", id="zsh"),
        pytest.param("fish", "complete --command skopeo-mirror", id="fish"),
    ],
)
def test_each_shell_is_given_its_script(skopeo_mirror: Program, shell: str, registers: str) -> None:
    run = skopeo_mirror(env={COMPLETE: f"source_{shell}"})
    assert (run.status, run.stderr) == (0, "")
    assert registers in run.stdout


COMMANDS = ["copy", "route", "validate", "normalize", "pin", "images", "redirect"]


class TestHelp:
    def test_lists_every_command_with_its_whole_sentence(self, skopeo_mirror: Program) -> None:
        shown = skopeo_mirror("--help").stdout
        assert set(COMMANDS) <= set(re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2], re.MULTILINE))
        assert "..." not in shown.replace("[ARGS]...", "").replace("sha256:...", "")

    @pytest.mark.parametrize("command", ["", *COMMANDS])
    def test_fits_into_80_columns(self, skopeo_mirror: Program, command: str) -> None:
        run = skopeo_mirror(*command.split(), "--help", env={"COLUMNS": "80"})
        assert run.status == 0
        assert max(map(len, run.stdout.splitlines())) <= 80

    @pytest.mark.parametrize("command", COMMANDS)
    def test_ends_with_an_example_of_the_command(self, skopeo_mirror: Program, command: str) -> None:
        lines = skopeo_mirror(command, "--help").stdout.splitlines()
        assert lines[-2] == "Example:"
        assert lines[-1].startswith(f"  skopeo-mirror {command} ")
        assert not any("Example" in line for line in lines[:-2])

    def test_groups_the_options(self, skopeo_mirror: Program) -> None:
        shown = skopeo_mirror("copy", "--help").stdout
        assert shown.startswith("Usage: skopeo-mirror copy [OPTIONS] [IMAGE]... DESTINATION\n")
        headings = re.findall(r"^(\S.*):$", shown, re.MULTILINE)
        assert headings == ["Images", "registries.conf", "Destination", "Access", "Run", "Output", "Options", "Example"]
        assert "--mirrors-only" in shown.partition("\nregistries.conf:\n")[2].partition("\n\n")[0]
