"""At home in the shell: completion, and help that can be read."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.rig.program import install

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.rig.program import Program

WORDS = {
    "skopeo-mirror r": {"route", "redirect"},
    "skopeo-mirror copy --max": {"--max-nested-paths"},
    "skopeo-mirror redirect --format i": {"idms", "itms"},
}
"""What is typed, and what may follow."""


@pytest.fixture
def shell(skopeo_mirror: Program) -> Callable[..., str]:
    """Return what runs a script in a shell that finds `skopeo-mirror`, as it is when it is installed."""
    directory = skopeo_mirror.directory / "bin"
    directory.mkdir()
    install(directory)
    path = f"{directory}:{skopeo_mirror.environment()['PATH']}"

    def run(*command: str) -> str:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        done = subprocess.run(
            command,
            env=skopeo_mirror.environment({"PATH": path, "TERM": "dumb"}),
            cwd=skopeo_mirror.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout

    return run


def test_bash_completes(shell: Callable[..., str]) -> None:
    """By the script that the program gives."""
    script = """
        eval "$(skopeo-mirror --show-completion bash)"
        function=$(complete -p skopeo-mirror | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        for typed; do
            COMP_WORDS=($typed)
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            $function skopeo-mirror
            echo "${COMPREPLY[@]}"
        done
    """
    said = shell("bash", "--norc", "-c", script, "bash", *WORDS)
    assert [set(line.split()) for line in said.splitlines()] == list(WORDS.values())


def test_fish_completes(shell: Callable[..., str]) -> None:
    script = """
        skopeo-mirror --show-completion fish | source
        for typed in $argv
            string join -- " " (complete -C $typed | string replace -r "\\t.*" "")
        end
    """
    said = shell("fish", "--no-config", "-c", script, *WORDS)
    assert [set(line.split()) for line in said.splitlines()] == list(WORDS.values())


@pytest.mark.parametrize("way", ["install", "eval"])
def test_zsh_completes_at_the_first_tab(shell: Callable[..., str], way: str) -> None:
    """On a terminal of zsh's own, where a script is loaded by the Tab that it has to answer, or beforehand."""
    begins = {
        "install": "source ~/.zshrc",
        "eval": 'autoload -Uz compinit; compinit -u -D; eval "$(skopeo-mirror --show-completion zsh)"',
    }
    prepared = """
        [[ $1 != install ]] || skopeo-mirror --install-completion zsh >/dev/null
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell "$2; PS1=; echo rea''dy"
        zpty -r -m shell said '*ready*'
        zpty -w -n shell $'skopeo-mirror copy --max\\t'
        zpty -r -m shell said '*--max-nested-paths*' && echo completed
    """
    assert shell("zsh", "-f", "-c", prepared, "zsh", way, begins[way]) == "completed\n"


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_is_installed_for_the_shell_that_is_named(skopeo_mirror: Program, name: str) -> None:
    """Whatever shell runs the program."""
    skopeo_mirror.home.mkdir(exist_ok=True)
    run = skopeo_mirror("--install-completion", name)
    assert (run.status, run.stderr) == (0, "")
    file = Path(run.stdout.removeprefix("installed ").partition(";")[0])
    assert file.is_relative_to(skopeo_mirror.home)
    assert file.read_text() == skopeo_mirror("--show-completion", name).stdout


def test_a_start_file_that_cannot_be_read_is_left_alone(skopeo_mirror: Program) -> None:
    skopeo_mirror.home.mkdir(exist_ok=True)
    file = skopeo_mirror.home / ".bashrc"
    file.write_bytes(b"# caf\xe9\n")
    run = skopeo_mirror("--install-completion", "bash")
    assert (run.status, file.read_bytes()) == (2, b"# caf\xe9\n")
    assert run.stderr.endswith("; put what --show-completion bash prints where bash reads it\n")


def test_another_shell_is_refused(skopeo_mirror: Program) -> None:
    run = skopeo_mirror("--show-completion", "tcsh")
    assert run.status == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in run.stderr


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
        options = ["Images", "registries.conf", "Destination", "Access", "Run", "Output", "Options"]
        assert headings == [*options, "Environment", "Example"]
        assert "--mirrors-only" in shown.partition("\nregistries.conf:\n")[2].partition("\n\n")[0]
