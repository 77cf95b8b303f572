"""What fails on this machine, or at its proxy, is not blamed on a registry."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import PLAIN, configure, copy, entry, only
from tests.rig.faulty import FaultyRegistry
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.images import Image
    from tests.rig.program import Program

BROKEN = {
    "cut": '{"auths": {"a.test": {"auth": "c2VjcmV0',
    "empty": "",
    "list": "[]",
    "auths-list": '{"auths": []}',
    "entry-text": '{"auths": {"a.test": "c2VjcmV0"}}',
}


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Registry]:
    """Return a registry that asks for a password."""
    with Registry(tmp_path / "closed", htpasswd=("somebody", "right")) as registry:
        yield registry


@pytest.fixture
def command(skopeo_mirror: Program, mirror: Registry, image: Image) -> list[str]:
    """Return the words that copy an image that the mirror has."""
    mirror.push("app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    return ["--mirrors-only", "--retries=0", f"prod.invalid/app@{image.digest}"]


class TestAuthFiles:
    @pytest.mark.parametrize("content", [pytest.param(text, id=name) for name, text in BROKEN.items()])
    @pytest.mark.parametrize("where", ["option", "variable", "docker", "runtime"])
    def test_a_broken_one_is_named_before_anything_is_asked(
        self, skopeo_mirror: Program, mirror: Registry, command: list[str], content: str, where: str
    ) -> None:
        names = {"docker": "home/.docker/config.json", "runtime": "run/containers/auth.json"}
        file = skopeo_mirror.directory / names.get(where, "auth.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        options = ["--authfile", str(file)] if where == "option" else []
        env = {
            "variable": {"REGISTRY_AUTH_FILE": str(file)},
            "runtime": {"XDG_RUNTIME_DIR": str(skopeo_mirror.directory / "run")},
        }.get(where, {})
        run = skopeo_mirror("copy", "-r", "registries.conf", *options, *command, "dir:copied", env=env)
        assert run.status == 2
        assert run.stderr.startswith(f"error: {file}: ")
        assert "c2VjcmV0" not in run.stderr
        assert mirror.requests() == []

    def test_a_helper_that_is_missing_is_named_with_its_file(
        self, skopeo_mirror: Program, mirror: Registry, command: list[str]
    ) -> None:
        file = skopeo_mirror.directory / "auth.json"
        file.write_text(json.dumps({"credHelpers": {mirror.host: "nowhere", "a.test": "other"}}), encoding="utf-8")
        run = skopeo_mirror("copy", "-r", "registries.conf", "--src-authfile", file, *command, "dir:copied")
        assert run.status == 2
        assert run.stderr == (
            f"error: {file}: names the credential helper docker-credential-nowhere for {mirror.host}, "
            "which is not found on PATH\n"
        )
        assert mirror.requests() == []
        assert not (skopeo_mirror.directory / "copied").exists()

    def test_what_the_run_does_not_use_is_not_looked_at(
        self, skopeo_mirror: Program, mirror: Registry, command: list[str]
    ) -> None:
        """Reading ends at the first file that has an entry; another host's helper is another's."""
        docker = skopeo_mirror.home / ".docker/config.json"
        docker.parent.mkdir()
        docker.write_text("{", encoding="utf-8")
        first = skopeo_mirror.directory / "run/containers/auth.json"
        first.parent.mkdir(parents=True)
        first.write_text(
            json.dumps({"auths": {mirror.host: {"auth": "YTpi"}}, "credHelpers": {"a.test": "nowhere"}}),
            encoding="utf-8",
        )
        env = {"XDG_RUNTIME_DIR": str(skopeo_mirror.directory / "run")}
        assert only(copy(skopeo_mirror, *command, "dir:copied", env=env))["status"] == "copied"

    def test_pin_names_it_too(self, skopeo_mirror: Program, mirror: Registry, command: list[str]) -> None:
        assert command
        file = skopeo_mirror.directory / "auth.json"
        file.write_text("{", encoding="utf-8")
        run = skopeo_mirror("pin", "-r", "registries.conf", "--authfile", file, "prod.invalid/app:v1")
        assert (run.status, run.stdout) == (2, "")
        assert f"{file}: is no JSON (line 1, column 2)" in run.stderr
        assert mirror.requests() == []


class TestADryRun:
    @pytest.mark.parametrize("known", ["none", "wrong", "right"])
    def test_says_that_the_destination_refuses_the_credentials(
        self, skopeo_mirror: Program, closed: Registry, command: list[str], known: str
    ) -> None:
        file = skopeo_mirror.directory / "auth.json"
        encoded = {"wrong": "c29tZWJvZHk6d3Jvbmc=", "right": "c29tZWJvZHk6cmlnaHQ="}.get(known)
        file.write_text(
            json.dumps({"auths": {} if encoded is None else {closed.host: {"auth": encoded}}}), encoding="utf-8"
        )
        options = ["--dry-run", "--dest-authfile", str(file), *command]
        report = copy(skopeo_mirror, *options, f"docker://{closed.host}/x", status=0 if known == "right" else 1)
        image = only(report)
        if known == "right":
            assert image["status"] == "would-copy"
        else:
            assert image["error"].startswith(f"docker://{closed.host}/x: ")
            assert "log in" in image["error"]


class TestProxies:
    """A host of another machine, for no proxy is asked for this one's."""

    def test_its_refusal_is_the_connections_fault(self, skopeo_mirror: Program) -> None:
        configure(skopeo_mirror, entry("prod.invalid", "mirror.invalid", secure=True))
        with FaultyRegistry() as proxy:  # it answers 501 to CONNECT
            env = {"HTTPS_PROXY": f"http://bob:secret@{proxy.host}"}
            report = copy(
                skopeo_mirror, "--mirrors-only", "--retries=0", "prod.invalid/app:v1", "dir:copied", env=env, status=1
            )
        failed = only(report)
        assert [attempt["reason"] for attempt in failed["attempts"]] == ["connection"]
        assert "the proxy that HTTPS_PROXY name" in failed["error"]
        assert "NO_PROXY" in failed["error"]
        assert "secret" not in json.dumps(report)

    def test_one_that_is_down_is_named(self, skopeo_mirror: Program, mirror: Registry) -> None:
        mirror.stop()
        configure(skopeo_mirror, entry("prod.invalid", "mirror.invalid"))
        env = {"HTTP_PROXY": f"http://{mirror.host}", "HTTPS_PROXY": f"http://{mirror.host}"}
        report = copy(
            skopeo_mirror, "--mirrors-only", "--retries=0", "prod.invalid/app:v1", "dir:copied", env=env, status=1
        )
        assert "the proxy that HTTPS_PROXY and HTTP_PROXY name" in only(report)["error"]

    def test_none_is_named_where_no_proxy_is_asked(self, skopeo_mirror: Program, mirror: Registry) -> None:
        mirror.stop()
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        env = {"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"}
        report = copy(
            skopeo_mirror, "--mirrors-only", "--retries=0", "prod.invalid/app:v1", "dir:copied", env=env, status=1
        )
        assert [attempt["reason"] for attempt in only(report)["attempts"]] == ["connection"]
        assert "PROXY" not in only(report)["error"]


def limited(program: Program, soft: int, hard: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["prlimit", f"--nofile={soft}:{hard}", "--", *program.command(*arguments)],
        env=program.environment(),
        cwd=program.directory,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


class TestFileDescriptors:
    def test_a_soft_limit_is_raised(self, skopeo_mirror: Program, mirror: Registry, image: Image) -> None:
        """Each skopeo under way takes four or more of the tool's."""
        for number in range(24):
            mirror.push(f"app{number}", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        images = [f"prod.invalid/app{number}@{image.digest}" for number in range(24)]
        run = limited(
            skopeo_mirror, 48, 4096, "copy", "-r", "registries.conf", PLAIN, "-j24", "--mirrors-only", *images, "dir:d"
        )
        assert run.returncode == 0, run.stderr

    def test_a_hard_limit_is_named_and_no_mirror_blamed(
        self, skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, image: Image
    ) -> None:
        for number in range(24):
            mirror.push(f"app{number}", image)
            second_mirror.push(f"app{number}", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host, second_mirror.host))
        images = [f"prod.invalid/app{number}@{image.digest}" for number in range(24)]
        run = limited(
            skopeo_mirror,
            *(40, 40, "copy", "-r", "registries.conf", "--json", "-j24", "--mirrors-only", "--retries=0"),
            *(*images, "dir:d"),
        )
        assert run.returncode == 1, run.stderr
        report = json.loads(run.stdout)
        failed = [one for one in report["images"] if one["status"] == "failed"]
        assert failed
        assert all("ulimit -n" in one["error"] for one in failed), [one["error"] for one in failed]
        assert [one["attempts"] for one in failed if one["attempts"]] == []
