"""Whether registries.d may speak of an image: text in, yes or no; wrong on one side only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from skopeo_mirror.reference import Reference
from skopeo_mirror.skopeo.registries_d import RegistriesD

IMAGE = Reference.parse("registry.example.com:5000/team/app")
FEDORA = "default-docker:\n#  sigstore: file:///var/lib/containers/sigstore\n  lookaside-staging: file:///var/lib/x\n"
LOOKASIDE = "lookaside: https://registry.example.com/sigstore"


def reads(home: Path, *texts: str, system: tuple[Path, ...] = ()) -> RegistriesD:
    directory = home / ".config/containers/registries.d"
    directory.mkdir(parents=True)
    for number, text in enumerate(texts):
        (directory / f"{number}.yaml").write_text(text, encoding="utf-8")
    return RegistriesD.read({"HOME": str(home)}, system)


@pytest.mark.parametrize(
    ("text", "speaks"),
    [
        pytest.param(
            "docker:\n  registry.example.com:5000:\n    use-sigstore-attachments: true\n", True, id="attached"
        ),
        pytest.param("docker:\n  registry.example.com:5000:\n    use-cosign-attachments: true\n", True, id="old-word"),
        pytest.param(f"docker:\n  registry.example.com:5000/team:\n    {LOOKASIDE}\n", True, id="namespace"),
        pytest.param(f"docker:\n  '*.example.com':\n    {LOOKASIDE}\n", True, id="wildcard"),
        pytest.param(f"docker:\n  '*.com':\n    {LOOKASIDE}\n", True, id="short-wildcard"),
        pytest.param('{"docker": {"registry.example.com:5000": {"sigstore": "file:///x"}}}', True, id="json"),
        pytest.param("default-docker:\n  sigstore: https://sigs.test\n", True, id="default"),
        pytest.param(FEDORA, False, id="fedora"),
        pytest.param("docker:\n  registry.example.com:5000:\n    sigstore-staging: file:///x\n", False, id="staging"),
        pytest.param("docker:\n  other.test:\n    sigstore: https://sigs.test\n", False, id="another-host"),
        pytest.param(
            "# docker:\n#  registry.example.com:5000:\n#    sigstore: https://sigs.test\n", False, id="comment"
        ),
        pytest.param("", False, id="empty"),
    ],
)
def test_what_a_file_may_say_of_an_image(text: str, speaks: bool, tmp_path: Path) -> None:
    assert reads(tmp_path, text).may_speak_of(IMAGE) is speaks


def test_a_comment_ends_no_address(tmp_path: Path) -> None:
    """In YAML a comment needs white space before it."""
    text = "docker:\n  registry.example.com:5000: {x: https://sigs.test/#a, sigstore: https://sigs.test} # why\n"
    assert reads(tmp_path, text).may_speak_of(IMAGE)


def test_only_yaml_files_count(tmp_path: Path) -> None:
    directory = tmp_path / ".config/containers/registries.d"
    directory.mkdir(parents=True)
    (directory / "old.yaml.rpmsave").write_text("default-docker:\n  sigstore: https://sigs.test\n")
    assert RegistriesD.read({"HOME": str(tmp_path)}, ()).texts == ()


def test_a_file_that_cannot_be_read_may_say_anything(tmp_path: Path) -> None:
    directory = tmp_path / ".config/containers/registries.d"
    (directory / "odd.yaml").mkdir(parents=True)
    assert RegistriesD.read({"HOME": str(tmp_path)}, ()).may_speak_of(IMAGE)


def test_the_systems_files_and_those_of_xdg_count_too(tmp_path: Path) -> None:
    system, xdg = tmp_path / "etc", tmp_path / "xdg"
    for directory, host in ((system, "a.test"), (xdg / "containers/registries.d", "b.test")):
        directory.mkdir(parents=True)
        (directory / "x.yaml").write_text(f"docker:\n  {host}:\n    sigstore: https://sigs.test\n")
    found = RegistriesD.read({"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(xdg)}, (system,))
    assert [found.may_speak_of(Reference.parse(f"{host}/x")) for host in ("a.test", "b.test", "c.test")] == [
        True,
        True,
        False,
    ]


def test_the_store_that_skopeo_reads_where_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / f".local/share/containers/sigstore/team/app@sha256={'1' * 64}").mkdir(parents=True)
    found = RegistriesD.read({"HOME": str(tmp_path)}, ())
    assert found.may_speak_of(IMAGE)
    assert not found.may_speak_of(Reference.parse("registry.example.com:5000/team/apple"))
    assert not found.may_speak_of(Reference.parse("registry.example.com:5000/other/app"))


@pytest.mark.parametrize("raised", [PermissionError, OSError])
def test_a_store_of_somebody_elses_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: type[OSError]
) -> None:
    """Root's /var/lib/containers is closed to others where podman is in use, and skopeo does not look there then."""

    def closed(path: Path, *_: object, **__: object) -> NoReturn:
        raise raised(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "access", lambda *_: False)
    for look in ("is_dir", "stat", "exists"):
        monkeypatch.setattr(Path, look, closed)
    assert RegistriesD.read({"HOME": str(tmp_path)}, ()).stores == ()


def test_a_store_with_no_end_to_its_name_is_none() -> None:
    assert RegistriesD.read({"HOME": "/" + "x" * 300}, ()) == RegistriesD(texts=(), stores=())


def test_what_cannot_be_listed_in_a_store_may_have_signatures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".local/share/containers/sigstore/team").mkdir(parents=True)
    found = RegistriesD.read({"HOME": str(tmp_path)}, ())
    assert not found.may_speak_of(IMAGE)

    def closed(path: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", closed)
    assert found.may_speak_of(IMAGE)
