"""Errors that help: each is provoked for real, and says what to do."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import PLAIN, configure, copy, entry, only
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.certificates import Certificates
    from tests.rig.images import Image
    from tests.rig.program import Program

SECRET = "not-for-your-eyes"


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Registry]:
    """Return a registry that asks for a password."""
    with Registry(tmp_path / "closed", htpasswd=("somebody", SECRET)) as registry:
        yield registry


@pytest.fixture
def secure(tmp_path: Path, certificates: Certificates) -> Iterator[Registry]:
    """Return a registry with a certificate that nobody trusts by itself."""
    with Registry(tmp_path / "secure", tls=certificates) as registry:
        yield registry


def auth_file(path: Path, host: str, password: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    credentials = base64.b64encode(f"somebody:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": credentials}}}))


class TestUnauthorized:
    @pytest.fixture
    def command(self, skopeo_mirror: Program, closed: Registry, image: Image) -> list[str]:
        closed.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", closed.host))
        return ["--mirrors-only", f"prod.invalid/ns/app@{image.digest}"]

    def test_without_credentials_says_where_they_are_looked_for(
        self, skopeo_mirror: Program, closed: Registry, destination: Registry, command: list[str]
    ) -> None:
        failed = only(copy(skopeo_mirror, *command, f"docker://{destination.host}", status=1))
        assert failed["attempts"][0]["reason"] == "unauthorized"
        assert f"there are no credentials for {closed.host} in /run/containers/" in failed["error"]
        assert f"{skopeo_mirror.home}/.docker/config.json" in failed["error"]
        assert f"`skopeo login {closed.host}`" in failed["error"]

    @pytest.mark.parametrize("how", ["option", "variable", "home"])
    def test_with_the_wrong_ones_says_which_file_they_are_from(
        self, skopeo_mirror: Program, closed: Registry, destination: Registry, command: list[str], how: str
    ) -> None:
        file = skopeo_mirror.home / (".config/containers/auth.json" if how == "home" else "my-auth.json")
        auth_file(file, closed.host, "mistyped")
        options = ["--src-authfile", str(file)] if how == "option" else []
        env = {"REGISTRY_AUTH_FILE": str(file)} if how == "variable" else {}
        report = copy(skopeo_mirror, *options, *command, f"docker://{destination.host}", env=env, status=1)
        assert f"{closed.host} did not accept the credentials in {file}" in only(report)["error"]
        assert "mistyped" not in json.dumps(report)

        auth_file(file, closed.host, SECRET)
        report = copy(skopeo_mirror, *options, *command, f"docker://{destination.host}", env=env)
        assert only(report)["status"] == "copied"

    def test_at_the_destination_too(
        self, skopeo_mirror: Program, mirror: Registry, closed: Registry, image: Image
    ) -> None:
        mirror.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        file = skopeo_mirror.home / "empty.json"
        file.write_text("{}")
        wanted = f"prod.invalid/ns/app@{image.digest}"
        failed = only(copy(skopeo_mirror, "--dest-authfile", file, wanted, f"docker://{closed.host}", status=1))
        assert f"docker://{closed.host}: " in failed["error"]
        assert f"there are no credentials for {closed.host} in {file}" in failed["error"]
        assert f"`skopeo login --authfile {file} {closed.host}`" in failed["error"]


class TestTls:
    @pytest.fixture
    def wanted(self, skopeo_mirror: Program, secure: Registry, image: Image) -> str:
        secure.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", secure.host, secure=True))
        return f"prod.invalid/ns/app@{image.digest}"

    def test_says_where_certificates_are_looked_for_and_finds_them_there(
        self, skopeo_mirror: Program, secure: Registry, destination: Registry, wanted: str, certificates: Certificates
    ) -> None:
        target = f"docker://{destination.host}"
        failed = only(copy(skopeo_mirror, "--mirrors-only", wanted, target, status=1))
        assert failed["attempts"][0]["reason"] == "tls"
        directory = skopeo_mirror.home / ".config/containers/certs.d" / secure.host
        assert (
            f"certificates of {secure.host} are looked for in {directory}, /etc/containers/certs.d/" in failed["error"]
        )
        assert "insecure = true" in failed["error"]

        directory.mkdir(parents=True)
        failed = only(copy(skopeo_mirror, "--mirrors-only", wanted, target, status=1))
        assert f"certificates of {secure.host} are looked for in {directory} and among the system's" in failed["error"]

        (directory / "ca.crt").write_bytes(certificates.authority.read_bytes())
        assert only(copy(skopeo_mirror, "--mirrors-only", wanted, target))["status"] == "copied"

    def test_names_the_directory_that_was_given(
        self, skopeo_mirror: Program, secure: Registry, destination: Registry, wanted: str, tmp_path: Path
    ) -> None:
        options = ["--mirrors-only", "--src-cert-dir", str(tmp_path)]
        failed = only(copy(skopeo_mirror, *options, wanted, f"docker://{destination.host}", status=1))
        assert f"certificates of {secure.host} are looked for in {tmp_path} and among the system's" in failed["error"]

    def test_at_the_destination_too(
        self, skopeo_mirror: Program, mirror: Registry, secure: Registry, image: Image
    ) -> None:
        mirror.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        wanted = f"prod.invalid/ns/app@{image.digest}"
        run = skopeo_mirror("copy", "-r", "registries.conf", wanted, f"docker://{secure.host}")
        assert run.status == 1
        assert f"certificates of {secure.host} are looked for in " in run.stdout
        assert "--dest-tls-verify=false" in run.stdout


class TestNotFound:
    def test_on_every_candidate_says_what_route_would_show(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry, image: Image
    ) -> None:
        configure(skopeo_mirror, entry("elsewhere.invalid"), entry(f"{origin.host}/ns", f"{mirror.host}/ns"))
        wanted = f"{origin.host}/ns/app@{image.digest}"
        failed = only(copy(skopeo_mirror, wanted, f"docker://{destination.host}", status=1))
        assert f"`skopeo-mirror route {wanted}` shows: the entry with the prefix {origin.host}/ns" in failed["error"]
        assert "(registries.conf:5)" in failed["error"]
        shown = skopeo_mirror("route", "-r", "registries.conf", wanted).stdout
        for attempt in failed["attempts"]:
            assert attempt["reference"] in shown

    def test_also_where_no_entry_matches(
        self, skopeo_mirror: Program, secure: Registry, certificates: Certificates
    ) -> None:
        configure(skopeo_mirror, entry("elsewhere.invalid"))
        wanted = f"{secure.host}/ns/app:v1"
        run = skopeo_mirror("pin", "-r", "registries.conf", "--src-cert-dir", certificates.cert_dir, wanted)
        assert run.status == 1
        assert f"`skopeo-mirror route {wanted}` shows: no entry of registries.conf matches" in run.stderr

    def test_is_not_said_where_a_candidate_failed_for_another_reason(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
    ) -> None:
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        wanted = f"prod.invalid/ns/app@{image.digest}"
        failed = only(copy(skopeo_mirror, "--retries=0", wanted, f"docker://{destination.host}", status=1))
        assert "skopeo-mirror route" not in failed["error"]


class TestSkopeo:
    @pytest.mark.parametrize(
        ("options", "env"),
        [
            pytest.param(["--skopeo", "/nowhere/skopeo"], {}, id="option"),
            pytest.param([], {"SKOPEO_MIRROR_SKOPEO": "/nowhere/skopeo"}, id="variable"),
            pytest.param([], {"PATH": "/nowhere"}, id="path"),
        ],
    )
    def test_that_is_missing_is_told_how_to_get(
        self, skopeo_mirror: Program, image: Image, options: list[str], env: dict[str, str]
    ) -> None:
        configure(skopeo_mirror, entry("prod.invalid"))
        wanted = f"prod.invalid/ns/app@{image.digest}"
        run = skopeo_mirror("copy", "-r", "registries.conf", PLAIN, *options, wanted, "dir:images", env=env)
        assert (run.status, run.stdout) == (3, "")
        for how in ("apt install skopeo", "dnf install skopeo", "apk add skopeo", "brew install skopeo"):
            assert how in run.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        pytest.param(["copi"], "Did you mean 'copy'?", id="command"),
        pytest.param(["redirekt"], "Did you mean 'redirect'?", id="another-command"),
        pytest.param(["copy", "--mirror-only"], "Did you mean '--mirrors-only', '--all-mirrors'?", id="option"),
        pytest.param(["--versoin"], "Did you mean '--version'?", id="option-of-the-program"),
        pytest.param(["redirect", "--format", "imds", "r.json"], "'idms'", id="format"),
    ],
)
def test_what_is_misspelt_is_told_what_was_meant(skopeo_mirror: Program, arguments: list[str], meant: str) -> None:
    run = skopeo_mirror(*arguments)
    assert (run.status, run.stdout) == (2, "")
    assert meant in run.stderr
