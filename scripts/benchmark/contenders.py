"""The command lines that bring the same images to the same place: this tool's, and what people do with skopeo alone."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from scripts.benchmark.workload import Image


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What every contender is given: images, a registries.conf that redirects them, `host:port/path` to fill.

    Lists and scripts that a contender needs are written to `folder`; `tool` is how skopeo-mirror is started.
    """

    images: tuple[Image, ...]
    registries_conf: Path
    destination: str
    folder: Path
    tool: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A name for the table, and the command line for a task."""

    name: str
    command: Callable[[Task], Sequence[str]]


def registries_conf(file: Path, origin: str, *mirrors: str) -> Path:
    """Write a registries.conf in which plain-HTTP mirrors stand before `origin`."""
    lines = ["[[registry]]", f'prefix = "{origin}"', f'location = "{origin}"']
    for mirror in mirrors:
        lines += ["[[registry.mirror]]", f'location = "{mirror}"', "insecure = true"]
    file.write_text("\n".join(lines) + "\n")
    return file


def ours(jobs: int, *options: str, name: str | None = None) -> Contender:
    """`skopeo-mirror copy` with so many jobs."""

    def command(task: Task) -> Sequence[str]:
        listed = task.folder / "images.txt"
        listed.write_text("".join(f"{image.reference}\n" for image in task.images))
        return [
            *(*task.tool, "copy", "-j", str(jobs), "--insecure-policy", "--dest-tls-verify=false"),
            *("-r", str(task.registries_conf), "-f", str(listed), *options),
            f"docker://{task.destination}",
        ]

    return Contender(name=name or f"skopeo-mirror -j{jobs}", command=command)


def loop() -> Contender:
    """A shell loop over `skopeo copy`."""

    def command(task: Task) -> Sequence[str]:
        copy = shlex.join(_skopeo_copy(task))
        return ["sh", "-ec", f'while read -r image target; do {copy} "$image" "$target"; done < "$0"', _pairs(task)]

    return Contender(name="skopeo copy, loop", command=command)


def xargs(processes: int) -> Contender:
    """`skopeo copy` under `xargs -P`."""

    def command(task: Task) -> Sequence[str]:
        return ["xargs", "-a", _pairs(task), "-P", str(processes), "-n2", *_skopeo_copy(task)]

    return Contender(name=f"xargs -P{processes} skopeo copy", command=command)


def sync() -> Contender:
    """`skopeo sync` from a YAML file; it drops all but the last component of an image's path."""

    def command(task: Task) -> Sequence[str]:
        hosts: dict[str, list[str]] = {}
        parents = set()
        for image in task.images:
            host, _, repository = image.reference.partition("@")[0].partition("/")
            hosts.setdefault(host, []).append(f'    {repository}: ["{image.digest}"]\n')
            parents.add(repository.rpartition("/")[0])
        (parent,) = parents
        listed = task.folder / "sync.yaml"
        listed.write_text("".join(f"{host}:\n  images:\n" + "".join(images) for host, images in hosts.items()))
        return [
            *_skopeo(task, "sync"),
            *("--src", "yaml", "--dest", "docker", str(listed), f"{task.destination}/{parent}"),
        ]

    return Contender(name="skopeo sync", command=command)


def _skopeo(task: Task, verb: str) -> list[str]:
    settings = ["--insecure-policy", "--registries-conf", str(task.registries_conf)]
    return ["skopeo", *settings, verb, "--all", "--preserve-digests", "--dest-tls-verify=false"]


def _skopeo_copy(task: Task) -> list[str]:
    return [*_skopeo(task, "copy"), "--quiet"]


def _pairs(task: Task) -> str:
    listed = task.folder / "pairs.txt"
    listed.write_text(
        "".join(
            f"docker://{image.reference} docker://{task.destination}/{image.repository}:{image.tag}\n"
            for image in task.images
        )
    )
    return str(listed)
