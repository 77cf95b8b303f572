# ruff: noqa: INP001, S603, S607, T201 - a script for people: it prints, and starts the commands that it shows
"""Keeps README.md true: runs every command that it shows, and writes what they print back into it.

    scripts/readme            write what the commands print now
    scripts/readme --check    only say what is not true any more

What a fenced block is, its info string says:

    ```console                  `$ command` lines, each with its output; run from top to bottom, in one directory
    ```toml file=NAME           the file NAME of that directory, from there on
    ```sh tested-by=TEST        not run here, but shown by the test `tests/….py::test_…`

Registries, digests, versions and times are what a reader expects (`registry.example.com`, `sha256:62ac…`) and not what
they happen to be: `Stage` has the two tables. A line `…` stands for output that the page leaves out.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from scripts.ending import end_cleanly
from tests.rig.attached import attach
from tests.rig.certificates import make_certificates
from tests.rig.images import make_image, make_multi_architecture
from tests.rig.program import install
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP: Final = Path(__file__).parents[1]
README: Final = TOP / "README.md"
_BLOCK: Final = re.compile(
    r"^```(?P<kind>\w*)(?: (?P<key>[\w-]+)=(?P<value>\S+))?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
PASSWORD: Final = ("robot", "correct-horse")
"""What the registry asks for that the page calls private."""
_END: Final = "\x1e"
_LEFT_OUT: Final = "…"
# What is another number every time, and what the page says instead.
_ALIKE: Final = (
    (re.compile(r"\bin \d+\.\d s\b"), "in 0.3 s"),
    (re.compile(r'"seconds": [\d.]+'), '"seconds": 0.3'),
    (re.compile(r'"started": "[^"]*"'), '"started": "2026-01-01T00:00:00Z"'),
    (re.compile(r"skopeo \d[\w.-]* \(\S+\)"), "skopeo 1.9.3 (/usr/bin/skopeo)"),
    (re.compile(r'"path": "[^"]*",(\s+)"version": "[^"]*"'), r'"path": "/usr/bin/skopeo",\1"version": "1.9.3"'),
    (re.compile(r"\b[0-9a-f]{64}\b"), "0000…"),
)


class Untrue(Exception):  # noqa: N818 - reads better where it is caught
    """Something in the page that nothing vouches for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Where commands are run: a directory, an environment, and what the page calls what is there."""

    directory: Path
    environment: dict[str, str]
    names: dict[str, str]

    def real(self, text: str) -> str:
        """What the page says, as it is here."""
        for shown, is_here in self.names.items():
            text = text.replace(shown, is_here)
        return text

    def shown(self, text: str) -> str:
        """What is here, as the page says it."""
        for shown, is_here in self.names.items():
            text = text.replace(is_here, shown)
        for pattern, instead in _ALIKE:
            text = pattern.sub(instead, text)
        return text

    def run(self, commands: list[str]) -> list[str]:
        """What each of the commands prints, run one after the other by one shell, standard error included."""
        script = "".join(f"{self.real(command)}\n{{ s=$?; printf '{_END}'; (exit $s); }}\n" for command in commands)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        return [self.shown(output) for output in done.stdout.split(_END)[: len(commands)]]


@contextmanager
def stage() -> Iterator[Stage]:
    """Registries with certificates: a mirror that has the page's images, a destination, and one with a password."""
    with TemporaryDirectory(prefix="skopeo-mirror-readme-") as name:
        directory = Path(name)
        certificates = make_certificates(directory / "certificates")
        with (
            Registry(directory / "mirror", tls=certificates) as mirror,
            Registry(directory / "destination", tls=certificates) as destination,
            Registry(directory / "private", tls=certificates, htpasswd=PASSWORD) as private,
        ):
            app = make_image("app", size=1_000_000)
            many = make_multi_architecture("many")
            mirror.push("foo/app", app, "v1")
            mirror.push("foo/many", many, "v2")
            for child in many.children:
                attach(mirror, "foo/many", child, "sig")
            attach(mirror, "foo/many", many, "sbom")
            mirror.push("xx/busybox", app)
            programs, work = directory / "bin", directory / "work"
            for made in (programs, work, directory / "home"):
                made.mkdir()
            copytree(certificates.cert_dir, work / "certs")
            asked = json.dumps(dict(zip(("Username", "Secret"), PASSWORD, strict=True)))
            install(programs)
            helper = programs / "docker-credential-example"
            helper.write_text(f"#!/bin/sh\necho '{asked}'\n")
            helper.chmod(0o755)
            yield Stage(
                directory=work,
                environment={
                    "PATH": f"{programs}:{os.environ['PATH']}",
                    "HOME": str(directory / "home"),
                    "LANG": "C.UTF-8",
                    "SSL_CERT_FILE": str(certificates.authority),
                },
                names={
                    "internal.example.io": mirror.host,
                    "registry.example.com": destination.host,
                    "private.example.com": private.host,
                    "sha256:62ac…": app.digest,
                    "sha256-62ac…": app.digest.replace(":", "-"),
                    "sha256:9f1b…": many.digest,
                    "sha256-9f1b…": many.digest.replace(":", "-"),
                },
            )


def blocks(key: str, value: str) -> list[str]:
    """The bodies of the page's blocks with that in their info strings, in order."""
    page = README.read_text(encoding="utf-8")
    return [match["body"] for match in _BLOCK.finditer(page) if (match["key"], match["value"]) == (key, value)]


def renewed(page: str, stage: Stage) -> str:
    """The page with what its commands print now. Raises Untrue for a block that nothing vouches for."""
    check_outside(page)

    def renew(match: re.Match[str]) -> str:
        kind, key, value, body = match["kind"], match["key"], match["value"], match["body"]
        if key == "file":
            (stage.directory / value).write_text(stage.real(body), encoding="utf-8")
        elif key == "tested-by":
            check_test(value)
        elif kind == "console":
            return match[0].replace(body, transcript(body, stage))
        else:
            raise Untrue(f"a block that is neither console nor has file= or tested-by=:\n{match[0]}")
        return match[0]

    return _BLOCK.sub(renew, page)


def check_outside(page: str) -> None:
    """Refuse code that is no fenced block, for nothing here would look at it. Raises Untrue."""
    rest = _BLOCK.sub("", page)
    indented = re.search(r"^(?: {4}|\t)\S.*", rest, re.MULTILINE)
    if indented is not None:
        raise Untrue(f"an indented block; write a fenced one: {indented[0]}")
    if "```" in rest:
        raise Untrue("a fence without its other end")


def check_test(name: str) -> None:
    """Refuse a test that is not there: `tests/….py::test_…`, or a script. Raises Untrue."""
    file, _, function = name.partition("::")
    path = TOP / file
    if not path.is_file() or (function and f"def {function}(" not in path.read_text(encoding="utf-8")):
        raise Untrue(f"there is no test {name}")


def transcript(body: str, stage: Stage) -> str:
    """Run the commands of a console block again."""
    commands: list[str] = []
    outputs: list[str] = []
    for line in body.splitlines(keepends=True):
        if commands and commands[-1].endswith("\\\n") and not outputs[-1]:
            commands[-1] += line
        elif line.startswith("$ "):
            commands.append(line)
            outputs.append("")
        elif not commands:
            raise Untrue(f"a console block begins with `$ command`, not with {line!r}")
        else:
            outputs[-1] += line
    now = stage.run([command.removeprefix("$ ").rstrip("\n") for command in commands])
    return "".join(
        command + (said if _says(said, output) else output)
        for command, said, output in zip(commands, outputs, now, strict=True)
    )


def _says(said: str, output: str) -> bool:
    """Whether the page says what was printed, but for what it leaves out."""
    parts = re.split(rf"^{_LEFT_OUT}\n", said, flags=re.MULTILINE)
    return re.fullmatch("(?:.*\n)*".join(map(re.escape, parts)), output) is not None


def main() -> None:
    """Renew the page, or say what is not true in it."""
    end_cleanly()
    page = README.read_text(encoding="utf-8")
    try:
        with stage() as here:
            now = renewed(page, here)
    except Untrue as error:
        sys.exit(f"README.md: {error}")
    if now == page:
        return
    if "--check" in sys.argv[1:]:
        sys.exit("".join(difflib.unified_diff(page.splitlines(True), now.splitlines(True), "README.md", "as it is")))
    README.write_text(now, encoding="utf-8")
    print("README.md is renewed")


if __name__ == "__main__":
    main()
