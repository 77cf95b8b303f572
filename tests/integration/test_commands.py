"""The other commands, as processes: route, validate, normalize, pin, images, --version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror import __version__
from tests.rig.copying import asked, configure, copy, entry, only

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program, Run
    from tests.rig.registry import Registry

DIGEST = "sha256:" + "a1" * 32


class TestRoute:
    @staticmethod
    def route(program: Program, *arguments: str, status: int = 0) -> Run:
        run = program("route", "-r", "registries.conf", *arguments)
        assert run.status == status, run.stderr
        return run

    def test_shows_candidates_in_order_and_what_is_left_out(self, skopeo_mirror: Program) -> None:
        configure(
            skopeo_mirror,
            entry("prod.invalid/ns", "one.invalid/a", "two.invalid"),
            entry("two.invalid", blocked=True),
            entry("digests.invalid", "one.invalid/b", mirror_by_digest_only=True),
        )
        wanted = [f"docker://prod.invalid/ns/app@{DIGEST}", "digests.invalid/app:v1", "alpine"]
        run = self.route(skopeo_mirror, "--json", *wanted)
        assert run.report["schema"] == "skopeo-mirror/route/v1"
        redirected, by_tag, unmatched = run.report["routes"]
        assert redirected == {
            "image": wanted[0],
            "reference": f"prod.invalid/ns/app@{DIGEST}",
            "prefix": "prod.invalid/ns",
            "candidates": [
                {
                    "reference": f"{location}/app@{DIGEST}",
                    "location": location,
                    "insecure": True,
                    "kind": kind,
                    "blocked": blocked,
                }
                for location, kind, blocked in [
                    ("one.invalid/a", "mirror", False),
                    ("two.invalid", "mirror", True),
                    ("prod.invalid/ns", "origin", False),
                ]
            ],
            "skipped": [],
            "error": None,
        }
        assert [candidate["kind"] for candidate in by_tag["candidates"]] == ["origin"]
        assert [skipped["location"] for skipped in by_tag["skipped"]] == ["one.invalid/b"]
        assert by_tag["skipped"][0]["why"]
        assert (unmatched["reference"], unmatched["prefix"]) == ("docker.io/library/alpine:latest", None)

        people = self.route(skopeo_mirror, *wanted).stdout
        for word in ("one.invalid/a/app", "two.invalid/app", "blocked", "one.invalid/b", "docker.io/library/alpine"):
            assert word in people

    def test_an_image_that_cannot_be_routed_is_told_beside_the_others(self, skopeo_mirror: Program) -> None:
        """A host alone for a whole repository gives a candidate that is no reference."""
        configure(skopeo_mirror, entry("prod.invalid/ns/app", "mirror.invalid"))
        wanted = ["prod.invalid/ns/app:v1", "prod.invalid/ns/other:v1"]
        unroutable, fine = self.route(skopeo_mirror, "--json", *wanted, status=1).report["routes"]
        assert (unroutable["candidates"], fine["error"]) == ([], None)
        assert "mirror.invalid" in unroutable["error"]

    def test_is_offline_and_needs_no_skopeo(self, skopeo_mirror: Program, mirror: Registry) -> None:
        configure(skopeo_mirror, entry(mirror.host))
        run = skopeo_mirror("route", "-r", "registries.conf", f"{mirror.host}/app:v1", env={"PATH": "/nonexistent"})
        assert run.status == 0, run.stderr
        assert asked(mirror) == []

    def test_reads_lists(self, skopeo_mirror: Program) -> None:
        configure(skopeo_mirror, entry("prod.invalid"))
        run = skopeo_mirror("route", "-r", "registries.conf", "--json", "-f", "-", stdin="a.invalid/x:1\nb.invalid/y\n")
        assert [route["image"] for route in run.report["routes"]] == ["a.invalid/x:1", "b.invalid/y"]


class TestValidate:
    def test_good(self, skopeo_mirror: Program) -> None:
        configure(skopeo_mirror, entry("prod.invalid", "mirror.invalid"))
        for arguments in (["registries.conf"], ["-r", "registries.conf"], ["--strict", "registries.conf"]):
            run = skopeo_mirror("validate", *arguments)
            assert (run.status, run.stderr) == (0, "")
            assert "registries.conf" in run.stdout

    def test_every_problem_of_every_file_at_once(self, skopeo_mirror: Program) -> None:
        (skopeo_mirror.directory / "one.conf").write_text('[[registry]]\nlocation = "https://a"\ninsecure = "no"\n')
        (skopeo_mirror.directory / "two.conf").write_text("[[registry]\n")
        run = skopeo_mirror("validate", "--json", "one.conf", "two.conf")
        assert run.status == 2
        assert run.report["valid"] is False
        assert run.report["files"] == ["one.conf", "two.conf"]
        errors = [problem for problem in run.report["problems"] if problem["severity"] == "error"]
        assert {(problem["file"], problem["line"]) for problem in errors} == {
            ("one.conf", 2),
            ("one.conf", 3),
            ("two.conf", 1),
        }
        plain = skopeo_mirror("validate", "one.conf", "two.conf")
        assert plain.status == 2
        assert sum(line.startswith("error: ") for line in plain.stdout.splitlines()) == 3

    def test_a_directory_stands_for_its_drop_ins(self, skopeo_mirror: Program) -> None:
        directory = skopeo_mirror.directory / "conf.d"
        directory.mkdir()
        (directory / "b.conf").write_text(entry("prod.invalid"))
        (directory / "a.conf").write_text("[registry]\n")
        (directory / "ignored.txt").write_text("no TOML")
        run = skopeo_mirror("validate", "--json", "conf.d")
        assert run.status == 2
        assert run.report["files"] == ["conf.d/a.conf", "conf.d/b.conf"]

    def test_prints_the_version_2_of_a_version_1_file(self, skopeo_mirror: Program) -> None:
        old = '[registries.search]\nregistries = ["a.invalid"]\n[registries.insecure]\nregistries = ["b.invalid"]\n'
        (skopeo_mirror.directory / "old.conf").write_text(old)
        run = skopeo_mirror("validate", "old.conf")
        assert run.status == 2
        (line, *below) = run.stdout.splitlines()
        assert line.startswith("error: old.conf: registries: this is version 1 of the format")
        (problem,) = skopeo_mirror("validate", "--json", "old.conf").report["problems"]
        assert [part.strip() for part in below] == problem["instead"].splitlines()
        (skopeo_mirror.directory / "new.conf").write_text("\n".join(below))
        assert skopeo_mirror("validate", "--strict", "new.conf").status == 0
        assert skopeo_mirror("normalize", "new.conf").stdout == problem["instead"]
        assert "insecure = true" in problem["instead"]

    def test_nothing_of_a_file_name_is_acted_upon(self, skopeo_mirror: Program) -> None:
        (skopeo_mirror.directory / "a\x1b[31m\nb.conf").write_text(entry("prod.invalid") + "x = 1\n")
        run = skopeo_mirror("validate", "a\x1b[31m\nb.conf")
        assert len(run.stdout.splitlines()) == 1
        assert "a\\x1b[31m\\nb.conf: registry[0] (prod.invalid).x: is no key" in run.stdout

    def test_a_host_without_a_file_redirects_nothing(self, skopeo_mirror: Program) -> None:
        (skopeo_mirror.directory / "none.d").mkdir()
        run = skopeo_mirror("validate", "none.d")
        assert run.status == 0
        assert run.stdout.startswith("warning: registries.conf: there is none on this host, so nothing is redirected")

    @pytest.mark.parametrize(
        ("written", "words", "plain"),
        [
            pytest.param(
                '{location = "127.0.0.1:3/x/"}', "rewriting reference", '{location = "127.0.0.1:3/x"}', id="slash"
            ),
            pytest.param(
                '{location = "127.0.0.1:3/x",\n insecure = true}',
                "loading registries configuration",
                '{location = "127.0.0.1:3/x", insecure = true}',
                id="TOML 1.1",
            ),
        ],
    )
    def test_warns_of_what_old_skopeos_stumble_over(
        self, skopeo_mirror: Program, written: str, words: str, plain: str
    ) -> None:
        """The installed skopeo does what the warning says; where it is a newer one, it just pulls."""
        head = '[[registry]]\nlocation = "127.0.0.1:2/x"\nmirror = ['
        for text, warned in ((written, True), (plain, False)):
            file = skopeo_mirror.directory / "registries.conf"
            file.write_text(f"{head}{text}]\n")
            assert ("skopeo 1.9.3 and 1.18" in skopeo_mirror("validate", "registries.conf").stdout) is warned
            skopeo = ["skopeo", "--registries-conf", str(file), "inspect", "--raw", "docker://127.0.0.1:2/x/a:v1"]
            said = subprocess.run(skopeo, check=False, capture_output=True, text=True).stderr
            version = subprocess.run(["skopeo", "--version"], check=True, capture_output=True, text=True).stdout
            if version.startswith(("skopeo version 1.9.", "skopeo version 1.18.")):
                assert (words in said) is warned, said


class TestNormalize:
    def test_is_canonical_and_means_the_same(self, skopeo_mirror: Program) -> None:
        configure(
            skopeo_mirror,
            '[[registry]]\nPREFIX = "*.prod.invalid"\n[[registry.mirror]]\nLocation = "m.invalid/x/"\n',
            entry("prod.invalid/ns", "one.invalid/a", "two.invalid/b/"),
        )
        directory = skopeo_mirror.directory / "conf.d"
        directory.mkdir()
        (directory / "50.conf").write_text(entry("prod.invalid/ns", "three.invalid/c"))
        sources = ["-r", "registries.conf", "--registries-conf-dir", "conf.d"]
        first = skopeo_mirror("normalize", *sources)
        assert first.status == 0, first.stderr
        (skopeo_mirror.directory / "canonical.conf").write_text(first.stdout)
        assert skopeo_mirror("normalize", "canonical.conf").stdout == first.stdout
        wanted = ["prod.invalid/ns/app:v1", "a.prod.invalid/app:v1", "elsewhere.invalid/app:v1"]
        before = skopeo_mirror("route", "--json", *sources, *wanted).report
        after = skopeo_mirror("route", "--json", "-r", "canonical.conf", *wanted).report
        assert before == after
        assert [route["candidates"][0]["reference"] for route in after["routes"]] == [
            "three.invalid/c/app:v1",
            "m.invalid/x/app:v1",
            "elsewhere.invalid/app:v1",
        ]

    def test_serves_the_installed_skopeo(self, skopeo_mirror: Program, mirror: Registry, image: Image) -> None:
        mirror.push("x/app", image)
        configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/x/"))
        canonical = skopeo_mirror.directory / "canonical.conf"
        canonical.write_text(skopeo_mirror("normalize", "registries.conf").stdout)
        pulled = subprocess.run(
            [
                "skopeo",
                "--registries-conf",
                canonical,
                "inspect",
                "--raw",
                f"docker://prod.invalid/ns/app@{image.digest}",
            ],
            capture_output=True,
            check=True,
        )
        assert pulled.stdout == image.manifest


class TestFileAndOption:
    @pytest.mark.parametrize(
        ("command", "option"),
        [
            ("validate", "-r"),
            ("validate", "--registries-conf"),
            ("validate", "--registries-conf-dir"),
            ("normalize", "-r"),
        ],
    )
    def test_both_are_refused(self, skopeo_mirror: Program, command: str, option: str) -> None:
        configure(skopeo_mirror, entry("prod.invalid"))
        run = skopeo_mirror(command, "registries.conf", option, "registries.conf")
        long = option.replace("-r", "--registries-conf") if option == "-r" else option
        assert (run.status, run.stdout) == (2, "")
        assert run.stderr == f"error: {long} beside FILE: both name what is read; give one of them\n"

    @pytest.mark.parametrize("command", ["validate", "normalize"])
    def test_the_variable_may_stand(self, skopeo_mirror: Program, command: str) -> None:
        configure(skopeo_mirror, entry("prod.invalid"))
        run = skopeo_mirror(command, "registries.conf", env={"SKOPEO_MIRROR_REGISTRIES_CONF": "none.conf"})
        assert (run.status, run.stderr) == (0, "")


class TestPin:
    def test_resolves_through_the_mirrors_in_the_order_given(
        self, skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, image: Image
    ) -> None:
        mirror.push("ns/app", image, "v1")
        second_mirror.push("ns/other", image, "latest")
        configure(skopeo_mirror, entry("prod.invalid", mirror.host, second_mirror.host))
        pinned = f"prod.invalid/ns/app@{DIGEST}"
        wanted = ["prod.invalid/ns/other", pinned, "prod.invalid/ns/app:v1", "docker://prod.invalid/ns/app:v1"]
        run = skopeo_mirror("pin", "-r", "registries.conf", *wanted)
        assert run.status == 0, run.stderr
        lines = run.stdout.splitlines()
        assert lines == [
            f"prod.invalid/ns/other:latest@{image.digest}",
            pinned,
            f"prod.invalid/ns/app:v1@{image.digest}",
        ]
        assert asked(mirror, "blobs") == []

        copied = copy(skopeo_mirror, "-f", "-", "dir:images", stdin=f"{lines[2]}\n")
        assert only(copied)["status"] == "copied"

    def test_tells_what_it_cannot_resolve_and_resolves_the_rest(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry, image: Image
    ) -> None:
        mirror.push("ns/app", image, "v1")
        origin.push("ns/app", image, "v2")
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        wanted = [f"{origin.host}/ns/app:{tag}" for tag in ("v2", "v1")]
        run = skopeo_mirror("pin", "-r", "registries.conf", "--mirrors-only", "--retries=0", *wanted)
        assert (run.status, run.stdout) == (1, f"{wanted[1]}@{image.digest}\n")
        assert wanted[0] in run.stderr
        assert asked(origin) == []


class TestImages:
    @pytest.fixture
    def listed(self, skopeo_mirror: Program) -> str:
        (skopeo_mirror.directory / "images.txt").write_bytes(
            f"# all\r\nquay.io/ns/app:v1\r\n\r\n  docker://quay.io/ns/app:v1 # again\r\nalpine@{DIGEST}\r\n".encode()
        )
        return "images.txt"

    def test_are_normalized_and_each_is_told_once(self, skopeo_mirror: Program, listed: str) -> None:
        run = skopeo_mirror("images", "b.invalid/x:1", "-f", listed, "-f", "-", stdin="c.invalid/y\nb.invalid/x:1\n")
        assert run.status == 0, run.stderr
        assert run.stdout.splitlines() == [
            "b.invalid/x:1",
            "quay.io/ns/app:v1",
            f"docker.io/library/alpine@{DIGEST}",
            "c.invalid/y:latest",
        ]

    def test_are_told_apart_into_shards(self, skopeo_mirror: Program) -> None:
        images = [f"prod.invalid/app-{number}:v1" for number in range(30)]
        shards = [
            skopeo_mirror("images", "--shard", f"{n}/3", "-f", "-", stdin="\n".join(order)).stdout.splitlines()
            for n, order in ((1, images), (2, images[::-1]), (3, images))
        ]
        assert sorted(image for shard in shards for image in shard) == sorted(images)
        assert all(shards)


class TestVersion:
    def test_is_the_programs_and_skopeos(self, skopeo_mirror: Program) -> None:
        run = skopeo_mirror("--version")
        version = subprocess.run(["skopeo", "--version"], text=True, capture_output=True, check=True).stdout.split()[2]
        assert run.status == 0
        assert f"skopeo-mirror {__version__}" in run.stdout
        assert version in run.stdout
        assert "/skopeo" in run.stdout

    def test_without_a_skopeo(self, skopeo_mirror: Program) -> None:
        run = skopeo_mirror("--version", env={"PATH": "/nonexistent"})
        assert run.status == 3
        assert run.stdout == f"skopeo-mirror {__version__}\n"
        assert run.stderr.startswith("error: skopeo: not found on PATH; install it")

    def test_of_another_skopeo(self, skopeo_mirror: Program) -> None:
        """The program has not to be called skopeo, and its path may have spaces."""
        found = subprocess.run(["sh", "-c", "command -v skopeo"], text=True, capture_output=True, check=True).stdout
        other = skopeo_mirror.directory / "another one"
        other.symlink_to(found.strip())
        run = skopeo_mirror("--version", env={"SKOPEO_MIRROR_SKOPEO": str(other)})
        assert str(other) in run.stdout


@pytest.mark.parametrize(
    "command",
    ["", "copy", "route", "validate", "normalize", "pin", "images", "merge"],
    ids=lambda command: command or "all",
)
def test_help(skopeo_mirror: Program, command: str) -> None:
    run = skopeo_mirror(*([command] if command else []), "--help")
    assert run.status == 0
    assert "Usage:" in run.stdout
    assert run.stderr == ""


def test_the_module_is_the_program(skopeo_mirror: Program) -> None:
    """`python -m skopeo_mirror` is what all these tests run; the entry point is the same function."""
    code = "import sys; sys.argv[0] = 'skopeo-mirror'; from skopeo_mirror.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, "images", "alpine"],
        env=os.environ | skopeo_mirror.environment(),
        cwd=skopeo_mirror.directory,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (run.stdout, run.returncode) == (skopeo_mirror("images", "alpine").stdout, 0)


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        pytest.param(["--version"], 10, id="version"),
        pytest.param(["validate", "registries.conf"], 41, id="validate"),
        pytest.param(["route", "-r", "registries.conf", "prod.invalid/ns/app:v1"], 41, id="route"),
    ],
)
def test_a_command_loads_little_more_than_it_needs(skopeo_mirror: Program, arguments: list[str], most: int) -> None:
    """Start-up is what short commands take: each module of the package counts."""
    file = skopeo_mirror.directory / "registries.conf"
    file.write_text('[[registry]]\nprefix = "prod.invalid"\nlocation = "mirror.invalid/prod"\n', encoding="utf-8")
    code = (
        f"import atexit, sys; sys.argv[:] = {['skopeo-mirror', *arguments]}; from skopeo_mirror.__main__ import main; "
    )
    code += "atexit.register(lambda: print(*(m for m in sys.modules if m.split('.')[0] == 'skopeo_mirror'), "
    code += "sep='\\n', file=sys.__stderr__)); main()"
    run = subprocess.run(
        [skopeo_mirror.command()[0], "-c", code],
        env=skopeo_mirror.environment(),
        cwd=skopeo_mirror.directory,
        text=True,
        capture_output=True,
        check=False,
    )
    loaded = run.stderr.split()
    assert (run.returncode, "skopeo_mirror.__main__" in loaded) == (0, True)
    assert len(loaded) <= most, loaded


class TestSkopeo:
    """`--skopeo`: a name is looked up on PATH; before the command it counts for every command."""

    @pytest.fixture
    def elsewhere(self, skopeo_mirror: Program) -> dict[str, str]:
        """A PATH with a skopeo of another name on it."""
        found = shutil.which("skopeo")
        assert found is not None
        (skopeo_mirror.directory / "bin").mkdir()
        (skopeo_mirror.directory / "bin/skopeo-next").symlink_to(found)
        return {"PATH": f"{skopeo_mirror.directory}/bin:{os.environ['PATH']}"}

    @pytest.mark.parametrize("before", [True, False], ids=["before-the-command", "after-it"])
    def test_a_name_is_looked_up_on_path(self, skopeo_mirror: Program, elsewhere: dict[str, str], before: bool) -> None:
        options = ["--skopeo=skopeo-next", "copy"] if before else ["copy", "--skopeo=skopeo-next"]
        run = skopeo_mirror(*options, "--json", "-f", "-", "oci:D", env=elsewhere)
        assert run.status == 0, run.stderr
        assert run.report["skopeo"]["path"] == f"{skopeo_mirror.directory}/bin/skopeo-next"

    def test_a_name_that_is_not_there_is_said(self, skopeo_mirror: Program) -> None:
        (skopeo_mirror.directory / "mine").touch()
        run = skopeo_mirror("--skopeo=mine", "copy", "quay.io/a/b", "oci:D")
        assert run.status == 3
        assert "mine: not found on PATH (the file in this directory is ./mine)" in run.stderr


def test_a_uid_that_nobody_knows_and_no_home(skopeo_mirror: Program) -> None:
    """As for skopeo, which looks below the working directory then."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    code = "import os, sys; os.setgroups([]); os.setgid(54321); os.setuid(54321); "
    code += "from skopeo_mirror.__main__ import main; main()"
    environment = skopeo_mirror.environment({"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": "/tmp"})
    del environment["HOME"]
    done = subprocess.run(
        [skopeo_mirror.command()[0], "-c", code, "copy", "--dry-run", "--retries=0", "127.0.0.1:1/a/b:v1", "oci:D"],
        cwd="/",
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "connection" in done.stdout
