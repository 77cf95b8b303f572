"""What most tests of `copy` do: write a registries.conf, run the tool with `--json`, look at who was asked."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .images import Image
    from .program import Program, Run
    from .registry import Registry

PLAIN = "--dest-tls-verify=false"
"""The registries of the rig speak plain HTTP, unless a test says otherwise."""


def report_schema() -> dict[str, Any]:
    """The JSON Schema beside the report, to which every report holds."""
    text = resources.files("skopeo_mirror.output").joinpath("report.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def hold_to_schema(report: object) -> None:
    """Raise ValidationError for what is no report; that the schema is one, which takes longer, test_report.py tells."""
    Draft202012Validator(report_schema()).validate(report)


def entry(location: str, *mirrors: str, secure: bool = False, **keys: object) -> str:
    """Write a `[[registry]]` table and its mirrors' locations; `insecure`, all of them, but for `secure`.

    `keys` are further keys of the registry, with underscores: `mirror_by_digest_only=True`.
    """
    insecure = str(not secure).lower()
    lines = [f'[[registry]]\nlocation = "{location}"\ninsecure = {insecure}']
    lines += [
        f"{key.replace('_', '-')} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
        for key, value in keys.items()
    ]
    lines += [f'[[registry.mirror]]\nlocation = "{mirror}"\ninsecure = {insecure}' for mirror in mirrors]
    return "\n".join(lines) + "\n"


def configure(program: Program, *entries: str) -> Path:
    """Write the entries to `registries.conf` in the program's directory."""
    file = program.directory / "registries.conf"
    file.write_text("\n".join(entries), encoding="utf-8")
    return file


def copy(
    program: Program,
    *arguments: object,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    status: int = 0,
) -> dict[str, Any]:
    """Copy through that registries.conf to where plain HTTP is fine; return the report, which holds to its schema."""
    run = program("copy", "-r", "registries.conf", "--json", PLAIN, *arguments, env=env, stdin=stdin)
    return report_of(run, status=status)


def report_of(run: Run, *, status: int = 0) -> dict[str, Any]:
    """Return the report of a run that ended with `status`."""
    assert run.status == status, run.stderr
    report = run.report
    hold_to_schema(report)
    return report


def noting_skopeo(program: Program) -> Path:
    """Return a wrapper of the real skopeo that notes its words and its environment in the file `noted`."""
    wrapper = program.directory / "noting-skopeo"
    wrapper.write_text('#!/bin/sh\n{ printf "%s\\n" "$@"; env; } >> noted\nexec skopeo "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    return wrapper


def only(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report's only image."""
    [image] = report["images"]
    assert isinstance(image, dict)
    return image


def statuses(report: dict[str, Any]) -> dict[str, str]:
    """Return the status of each image."""
    return {image["image"]: image["status"] for image in report["images"]}


def asked(registry: Registry, kind: str = "") -> list[str]:
    """Return the paths that were asked of a registry: all, or only its `manifests` or `blobs`."""
    return [request.path for request in registry.requests() if f"/{kind}" in request.path]


def holds(registry: Registry, repository: str, tag: str, image: Image) -> bool:
    """Tell whether the registry has the image under its tag, whole."""
    return registry.manifest(repository, tag) == image.manifest and all(
        registry.blob(repository, digest) == blob for digest, blob in image.blobs.items()
    )


def pin_tag(image: Image) -> str:
    """Return the tag of an image that was asked for by digest alone."""
    return f"pin-{image.digest.replace(':', '-')}"


def files_below(directory: Path) -> dict[str, bytes | None]:
    """Return every path below a directory with the file's content, None for a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }
