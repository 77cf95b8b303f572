"""A hostile environment changes nothing: what skopeo reads besides the registries.conf that it was given."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import PLAIN, asked, configure, copy, entry, holds, noting_skopeo, only, pin_tag
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.images import Image
    from tests.rig.program import Program

DROP_INS = ".config/containers/registries.conf.d"


def drop_in(program: Program, content: str) -> Path:
    """Have a drop-in of the user's own."""
    file = program.home / DROP_INS / "99-hostile.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    return file


class TestHostility:
    """The image comes from the mirror that the given registries.conf names, and from nowhere else."""

    @pytest.fixture
    def wrong(self, second_mirror: Registry, image: Image) -> Registry:
        """Return a registry that would serve whatever is redirected to it."""
        for repository in ("ns/app", "app", "copied/ns/app", "xx/app"):
            second_mirror.push(repository, image, pin_tag(image))
        return second_mirror

    @pytest.mark.parametrize(
        "ambient",
        [
            pytest.param([entry("prod.invalid", "{wrong}")], id="shorter-prefix"),
            pytest.param([entry("prod.invalid/ns", "{wrong}/ns")], id="namespace"),
            pytest.param([entry("prod.invalid/ns/app/deeper", "{wrong}")], id="longer-prefix"),
            pytest.param([entry(host, blocked=True) for host in ("prod.invalid", "{mirror}", "{to}")], id="blocked"),
            pytest.param([entry("{mirror}/xx", blocked=True), entry("{to}/copied", blocked=True)], id="blocked-path"),
            pytest.param([entry("{mirror}", "{wrong}"), entry("{to}", "{wrong}")], id="mirrors-of-both-ends"),
            pytest.param([entry("{mirror}", secure=True), entry("{to}", secure=True)], id="secure-both-ends"),
        ],
    )
    def test_of_drop_ins(
        self,
        skopeo_mirror: Program,
        mirror: Registry,
        destination: Registry,
        wrong: Registry,
        image: Image,
        ambient: list[str],
    ) -> None:
        hosts = {"wrong": wrong.host, "mirror": mirror.host, "to": destination.host}
        drop_in(skopeo_mirror, "".join(ambient).format_map(hosts))
        assert_served_by_the_mirror(skopeo_mirror, mirror, destination, image)
        assert asked(wrong) == []

    @pytest.mark.parametrize("variable", ["CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE"])
    def test_of_variables(
        self,
        skopeo_mirror: Program,
        mirror: Registry,
        destination: Registry,
        wrong: Registry,
        image: Image,
        variable: str,
    ) -> None:
        hostile = skopeo_mirror.directory / "hostile.conf"
        hostile.write_text(entry("prod.invalid/ns/app", f"{wrong.host}/ns/app") + entry(mirror.host, blocked=True))
        env = {variable: str(hostile), "SKOPEO_MIRROR_SKOPEO": str(noting_skopeo(skopeo_mirror))}
        assert_served_by_the_mirror(skopeo_mirror, mirror, destination, image, env=env)
        assert asked(wrong) == []
        assert f"{variable}=" not in (skopeo_mirror.directory / "noted").read_text()


def assert_served_by_the_mirror(
    program: Program, mirror: Registry, destination: Registry, image: Image, env: dict[str, str] | None = None
) -> None:
    """Copy to a registry, twice, and resolve the tag that it has at the mirror."""
    mirror.push("xx/app", image, "v1")
    configure(program, entry("prod.invalid/ns", f"{mirror.host}/xx"))
    arguments = [f"prod.invalid/ns/app@{image.digest}", f"docker://{destination.host}/copied"]
    copied = only(copy(program, *arguments, env=env))
    assert copied["served_by"]["location"] == f"{mirror.host}/xx"
    assert holds(destination, "copied/ns/app", pin_tag(image), image)
    assert only(copy(program, *arguments, env=env))["status"] == "present"
    pinned = program("pin", "-r", "registries.conf", "prod.invalid/ns/app:v1", env=env)
    assert pinned.stdout == f"prod.invalid/ns/app:v1@{image.digest}\n"


def test_ambient_insecure_does_not_lower_the_destination(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
) -> None:
    """The destination speaks plain HTTP, which nobody has allowed."""
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    drop_in(skopeo_mirror, entry(destination.host) + entry(f"{destination.host}/ns"))
    run = skopeo_mirror(
        "copy", "-r", "registries.conf", "--retries=0", f"prod.invalid/ns/app@{image.digest}",
        f"docker://{destination.host}",
    )  # fmt: skip
    assert run.status == 1
    assert asked(destination) == []


def test_the_given_registries_conf_speaks_for_the_destination(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
) -> None:
    mirror.push("ns/app", image)
    arguments = ["copy", "-r", "registries.conf", f"prod.invalid/ns/app@{image.digest}", f"docker://{destination.host}"]
    configure(skopeo_mirror, entry("prod.invalid", mirror.host), entry(destination.host, blocked=True))
    refused = skopeo_mirror(*arguments)
    assert refused.status == 2
    assert f"{destination.host} is blocked in registries.conf" in refused.stderr

    configure(skopeo_mirror, entry("prod.invalid", mirror.host), entry(destination.host))
    assert skopeo_mirror(*arguments).status == 0
    assert holds(destination, "ns/app", pin_tag(image), image)


def test_the_given_registries_conf_blocks_candidates(
    skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, origin: Registry, image: Image
) -> None:
    for registry in (mirror, second_mirror, origin):
        registry.push("ns/app", image)
    configure(
        skopeo_mirror,
        entry(origin.host, mirror.host, second_mirror.host, blocked=True),
        entry(mirror.host, blocked=True),
    )
    copied = only(copy(skopeo_mirror, f"{origin.host}/ns/app@{image.digest}", "dir:images"))
    assert copied["served_by"]["location"] == second_mirror.host
    assert [
        (attempt["location"], attempt["reason"]) for attempt in copied["attempts"] if attempt["outcome"] == "skipped"
    ] == [(mirror.host, "blocked"), (origin.host, "blocked")]
    assert asked(mirror) == asked(origin) == []


@pytest.mark.parametrize("command", ["copy", "pin"])
@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("prod.invalid/ns/app", id="image"),
        pytest.param("{mirror}/xx/app", id="mirror"),
        pytest.param("{to}/ns/app", id="destination"),
    ],
)
def test_a_drop_in_with_exactly_the_repository_is_refused_by_name(
    skopeo_mirror: Program,
    mirror: Registry,
    destination: Registry,
    image: Image,
    prefix: str,
    command: str,
) -> None:
    mirror.push("xx/app", image, "v1")
    prefix = prefix.format(mirror=mirror.host, to=destination.host)
    file = drop_in(skopeo_mirror, entry(prefix, "wrong.invalid/ns/app"))
    configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/xx"))
    to = [PLAIN, f"docker://{destination.host}"] if command == "copy" else []
    run = skopeo_mirror(command, "-r", "registries.conf", "prod.invalid/ns/app:v1", *to)
    if command == "pin" and prefix.startswith(destination.host):
        assert run.status == 0  # nothing is written
        return
    assert run.status == 2
    [line] = run.stderr.splitlines()
    assert str(file) in line
    assert f" {prefix}," in line
    assert asked(mirror) == asked(destination) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("[[registry]\n", id="no-toml"),
        pytest.param('[[registry]]\nlocation = "https://quay.io"\n', id="bad-location"),
    ],
)
def test_a_drop_in_that_would_fail_every_pull_is_refused_by_name(
    skopeo_mirror: Program, mirror: Registry, image: Image, content: str
) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    file = drop_in(skopeo_mirror, content)
    run = skopeo_mirror("copy", "-r", "registries.conf", f"prod.invalid/ns/app@{image.digest}", "dir:images")
    assert run.status == 2
    [line] = run.stderr.splitlines()
    assert line.startswith(f"error: {file}:")
    assert asked(mirror) == []


def test_drop_ins_are_those_that_the_skopeo_at_hand_reads(
    skopeo_mirror: Program, mirror: Registry, image: Image
) -> None:
    """A file that no release of today reads, in a directory of tomorrow's, is in nobody's way."""
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    tomorrow = skopeo_mirror.directory / "xdg/containers/registries.conf.d/50.conf"
    tomorrow.parent.mkdir(parents=True)
    tomorrow.write_text(entry("prod.invalid/ns/app", "wrong.invalid/ns/app"))
    env = {"XDG_CONFIG_HOME": str(skopeo_mirror.directory / "xdg")}
    reads = subprocess.run(
        ["skopeo", "--debug", "--registries-conf", "registries.conf", "inspect", "--raw", "docker://127.0.0.1:1/x"],
        cwd=skopeo_mirror.directory,
        env=skopeo_mirror.environment(env),
        capture_output=True,
        check=False,
    )
    refused = os.fsencode(tomorrow) in reads.stderr
    copied = skopeo_mirror(
        "copy", "-r", "registries.conf", f"prod.invalid/ns/app@{image.digest}", "dir:images", env=env
    )
    assert copied.status == (2 if refused else 0), copied.stderr


class TestCredentialHelpers:
    """Those of the configuration in force, and no others, are asked for credentials."""

    @pytest.fixture
    def closed(self, tmp_path: Path) -> Iterator[Registry]:
        with Registry(tmp_path / "closed", htpasswd=("reader", "open-sesame")) as registry:
            yield registry

    @pytest.fixture
    def helpers(self, skopeo_mirror: Program) -> dict[str, str]:
        """Return the environment in which two helpers are found: `right` knows the password, each notes its calls."""
        programs = skopeo_mirror.directory / "bin"
        programs.mkdir()
        for name, password in (("right", "open-sesame"), ("wrong", "guessed")):
            program = programs / f"docker-credential-{name}"
            program.write_text(
                f"#!/bin/sh\ncat >/dev/null; echo asked >>{skopeo_mirror.directory}/{name}\n"
                f'echo \'{{"ServerURL": "x", "Username": "reader", "Secret": "{password}"}}\'\n'
            )
            program.chmod(0o755)
        return {"PATH": f"{programs}:{os.environ['PATH']}"}

    @pytest.mark.parametrize("command", ["copy", "pin"])
    def test_of_the_given_file_are_asked_on_both_sides(
        self, skopeo_mirror: Program, closed: Registry, image: Image, helpers: dict[str, str], command: str
    ) -> None:
        closed.push("ns/app", image, "v1")
        configure(skopeo_mirror, 'credential-helpers = ["right"]', entry("prod.invalid", closed.host))
        to = [PLAIN, f"docker://{closed.host}/copied"] if command == "copy" else []
        arguments = [command, "-r", "registries.conf", "prod.invalid/ns/app:v1", *to]
        for _ in range(2):
            run = skopeo_mirror(*arguments, env=helpers)
            assert run.status == 0, run.stderr
        assert command == "pin" or run.stdout.startswith("present ")

    def test_are_asked_by_skopeos_that_stay_too(
        self, skopeo_mirror: Program, closed: Registry, image: Image, helpers: dict[str, str]
    ) -> None:
        closed.push("ns/app", image, "v1")
        configure(skopeo_mirror, 'credential-helpers = ["right"]', entry("prod.invalid", closed.host))
        arguments = [f"prod.invalid/ns/app@{image.digest}", f"docker://{closed.host}/copied"]
        copy(skopeo_mirror, *arguments, env=helpers)
        env = helpers | {"SKOPEO_MIRROR_SKOPEO": str(noting_skopeo(skopeo_mirror))}
        assert only(copy(skopeo_mirror, *arguments, env=env))["status"] == "present"
        noted = (skopeo_mirror.directory / "noted").read_text()
        assert "experimental-image-proxy" in noted
        assert f"docker://{closed.host}/" not in noted  # no other skopeo had to be asked

    def test_of_a_drop_in_may_be_the_same(
        self, skopeo_mirror: Program, closed: Registry, image: Image, helpers: dict[str, str]
    ) -> None:
        closed.push("ns/app", image)
        drop_in(skopeo_mirror, 'credential-helpers = ["right"]\n')
        configure(skopeo_mirror, 'credential-helpers = ["right"]', entry("prod.invalid", closed.host))
        copy(skopeo_mirror, f"prod.invalid/ns/app@{image.digest}", "dir:images", env=helpers)

    @pytest.mark.parametrize("command", ["copy", "pin"])
    def test_of_a_drop_in_are_refused_by_name(
        self, skopeo_mirror: Program, closed: Registry, image: Image, helpers: dict[str, str], command: str
    ) -> None:
        closed.push("ns/app", image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", closed.host))
        file = drop_in(skopeo_mirror, 'credential-helpers = ["wrong"]\n')
        to = ["dir:images"] if command == "copy" else []
        run = skopeo_mirror(command, "-r", "registries.conf", "prod.invalid/ns/app:v1", *to, env=helpers)
        assert run.status == 2
        [line] = run.stderr.splitlines()
        assert line.startswith(f"error: {file}: credential-helpers: skopeo would run 'wrong' ")
        assert asked(closed) == []
        assert not (skopeo_mirror.directory / "wrong").exists()

    def test_of_the_host_are_in_force_where_no_file_is_given(
        self, skopeo_mirror: Program, closed: Registry, image: Image, helpers: dict[str, str]
    ) -> None:
        closed.push("ns/app", image)
        drop_in(skopeo_mirror, 'credential-helpers = ["right"]\n' + entry("prod.invalid", closed.host))
        run = skopeo_mirror("copy", f"prod.invalid/ns/app@{image.digest}", "dir:images", env=helpers)
        assert run.status == 0, run.stderr
        assert (skopeo_mirror.directory / "right").exists()


class TestChoice:
    """Which registries.conf is in force: each file sends the image to a place that is named after it."""

    @pytest.mark.parametrize(
        ("files", "arguments", "variables", "chosen"),
        [
            pytest.param("given own foreign home", ["-r", "given"], "own foreign", ["given"], id="option"),
            pytest.param("own foreign home", [], "own foreign", ["own"], id="own-variable"),
            pytest.param("foreign home", [], "foreign", ["foreign"], id="variable-of-containers"),
            pytest.param("home", [], "", ["home"], id="home"),
            pytest.param("home drop-in", [], "", ["home-drop-in"], id="home-with-drop-ins"),
            pytest.param("given drop-in", ["-r", "given"], "", ["given"], id="option-without-drop-ins"),
            pytest.param(
                "given more", ["-r", "given", "--registries-conf-dir", "more"], "", ["more"], id="option-with-directory"
            ),
        ],
    )
    def test_of_the_file(
        self, skopeo_mirror: Program, files: str, arguments: list[str], variables: str, chosen: list[str]
    ) -> None:
        home = skopeo_mirror.home / ".config/containers"
        places = {
            "home": (home / "registries.conf", "home"),
            "drop-in": (home / "registries.conf.d/50.conf", "home-drop-in"),
            "more": (skopeo_mirror.directory / "more/50.conf", "more"),
        }
        for name in files.split():
            file, word = places.get(name, (skopeo_mirror.directory / name, name))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(entry("prod.invalid", f"{word}.invalid"))
        names = {"own": "SKOPEO_MIRROR_REGISTRIES_CONF", "foreign": "CONTAINERS_REGISTRIES_CONF"}
        env = {names[name]: name for name in variables.split()}
        run = skopeo_mirror("route", "--json", *arguments, "prod.invalid/app:v1", env=env)
        assert run.status == 0, run.stderr
        [*mirrors, _] = run.report["routes"][0]["candidates"]
        assert [mirror["location"] for mirror in mirrors] == [f"{word}.invalid" for word in chosen]
