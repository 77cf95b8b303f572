"""How a run ends before it is done: on a signal, on a kill, on a reader that goes away, on a disk that is full."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shlex
import signal
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from skopeo_mirror.oci_layout import read_index, ref_name
from tests.rig.background import started, until
from tests.rig.copying import (
    PLAIN,
    configure,
    copy,
    entry,
    files_below,
    hold_to_schema,
    holds,
    pin_tag,
    statuses,
)
from tests.rig.faults import Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import digest_of, make_image, make_random_layer
from tests.rig.skopeos import Stubborn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

KINDS = ["docker", "oci", "dir"]
SIGNALS = [
    pytest.param(signal.SIGINT, 130, id="interrupted"),
    pytest.param(signal.SIGTERM, 143, id="terminated"),
    pytest.param(signal.SIGHUP, 129, id="hung-up"),
    pytest.param(signal.SIGQUIT, 131, id="quit"),
]


class Where:
    """A destination in a test: its name on the command line, and a look at what is visible there."""

    def __init__(self, kind: str, program: Program, registry: Registry, path: str = "images") -> None:
        self._kind = kind
        self._registry = registry
        self._path = path
        self.directory = program.directory / path
        self.name = f"docker://{registry.host}/{path}" if kind == "docker" else f"{kind}:{path}"

    def has(self, image: Image) -> bool:
        """Tell whether the image (of the repository `app`) is there, whole."""
        if self._kind == "docker":
            return holds(self._registry, f"{self._path}/app", pin_tag(image), image)
        return self._blobs(image) if self._is_visible(image) else False

    def shows_half(self, images: list[Image]) -> list[str]:
        """Return the digests of images that are visible, but not whole."""
        return [image.digest for image in images if self._is_visible(image) and not self.has(image)]

    def strangers(self) -> list[str]:
        """Return the names of what is there beside images: what a run has left behind."""
        if self._kind == "docker" or not self.directory.exists():
            return []
        own = {"oci-layout", "index.json", "blobs", "app"}
        return [path.name for path in self.directory.iterdir() if path.name not in own]

    def _is_visible(self, image: Image) -> bool:
        match self._kind:
            case "docker":
                return self._registry.manifest(f"{self._path}/app", pin_tag(image)) is not None
            case "oci":
                index = read_index(self.directory) or {"manifests": []}
                return any(str(ref_name(found)).endswith(image.digest) for found in index["manifests"])
            case _:
                return self._image_directory(image).exists()

    def _blobs(self, image: Image) -> bool:
        if self._kind == "oci":
            files = {digest: self.directory / "blobs" / digest.replace(":", "/") for digest in image.blobs}
            files[image.digest] = self.directory / "blobs" / image.digest.replace(":", "/")
        else:
            directory = self._image_directory(image)
            files = {digest: directory / digest.removeprefix("sha256:") for digest in image.blobs}
            files[image.digest] = directory / "manifest.json"
        return all(file.is_file() and digest_of(file.read_bytes()) == digest for digest, file in files.items())

    def _image_directory(self, image: Image) -> Path:
        return self.directory / "app" / pin_tag(image)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Return a directory for temporary files, to see what is left in it."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    return directory


def unread(pipe: int) -> int:
    """Return how many bytes of a pipe nobody has read yet."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return int(count)


class TestSignals:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(("number", "status"), SIGNALS)
    def test_what_is_done_stays_and_nothing_else(
        self,
        skopeo_mirror: Program,
        mirror: Registry,
        destination: Registry,
        temporary: Path,
        kind: str,
        number: signal.Signals,
        status: int,
    ) -> None:
        """One image is done, one is held in its layer, one has not begun."""
        done, held, waiting = (make_image(name) for name in ("done", "held", "waiting"))
        mirror.push("app", done)
        where = Where(kind, skopeo_mirror, destination)
        with FaultyRegistry(Fault(place=Place.LAYER, kind="hold")) as holding:
            for image in (held, waiting):
                holding.serve("app", image)
            configure(skopeo_mirror, entry("prod.invalid", mirror.host, holding.host))
            wanted = [f"prod.invalid/app@{image.digest}" for image in (done, held, waiting)]
            files = ("--report=report.json", "--failed-images=failed", "--metrics=mirror.prom")
            command = ("copy", "-r", "registries.conf", PLAIN, "-j1", *files)
            with started(skopeo_mirror, *command, *wanted, where.name, env={"TMPDIR": str(temporary)}) as run:
                until(lambda: where.has(done) and any("/blobs/" in request.path for request in holding.requests()))
                run.signal(number)
                ended = run.wait()
                assert run.left() == []
            assert (ended.status, ended.stdout.count("\n")) == (status, 3), ended.stderr
            assert "Traceback" not in ended.stderr
            assert files_below(temporary) == {}
            assert where.strangers() == []
            assert (where.has(done), where.shows_half([held, waiting])) == (True, [])
            report = json.loads((skopeo_mirror.directory / "report.json").read_text())
            assert statuses(report) == dict(zip(wanted, ["copied", "failed", "failed"], strict=True))
            assert [image["error"] for image in report["images"]][1:] == [f"not copied: {report['stopped']}"] * 2
            assert (skopeo_mirror.directory / "failed").read_text().split() == wanted[1:]
            assert 'status="failed"} 2\n' in (skopeo_mirror.directory / "mirror.prom").read_text()
            holding.heal()
            again = copy(skopeo_mirror, *wanted, where.name)
        assert statuses(again) == dict(zip(wanted, ["present", "copied", "copied"], strict=True))

    @pytest.mark.parametrize(("number", "status"), SIGNALS)
    def test_children_that_do_not_heed_it_are_killed(
        self,
        skopeo_mirror: Program,
        mirror: Registry,
        destination: Registry,
        image: Image,
        number: signal.Signals,
        status: int,
    ) -> None:
        mirror.push("app", image)
        with self._stubborn(skopeo_mirror, mirror, destination, image) as run:
            run.signal(number)
            ended = run.wait()
            assert run.left() == []
        assert ended.status == status, ended.stderr
        assert (skopeo_mirror.directory / "report.json").is_file()

    def test_a_second_interrupt_ends_at_once(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
    ) -> None:
        """At once: before the children have had the time that they get, so there is no report."""
        mirror.push("app", image)
        with self._stubborn(skopeo_mirror, mirror, destination, image) as run:
            run.signal(signal.SIGINT)
            assert run.process.stderr is not None
            assert run.process.stderr.readline() == "stopping; interrupt again to end at once\n"
            run.signal(signal.SIGINT)
            ended = run.wait()
            run.wait_until_gone()
        assert (ended.status, ended.stdout) == (130, "")
        assert not (skopeo_mirror.directory / "report.json").exists()

    @pytest.mark.parametrize(("number", "status"), SIGNALS)
    def test_while_the_input_is_read(
        self, skopeo_mirror: Program, destination: Registry, number: signal.Signals, status: int
    ) -> None:
        """Somebody waits at a terminal for `-f -`, or at a pipe."""
        configure(skopeo_mirror, entry("prod.invalid"))
        images = skopeo_mirror.directory / "images"
        os.mkfifo(images)
        command = ("copy", "-r", "registries.conf", "-f", images, f"docker://{destination.host}")
        with started(skopeo_mirror, *command) as run, images.open("w") as writing:
            writing.write("prod.invalid/app:v1\n")
            writing.flush()
            until(lambda: unread(writing.fileno()) == 0)
            run.signal(number)
            ended = run.wait()
        assert ended.status in {status, -number}  # a shell says the same of both
        assert "Traceback" not in ended.stderr

    @contextmanager
    def _stubborn(self, program: Program, mirror: Registry, destination: Registry, image: Image) -> Iterator[Any]:
        skopeo = Stubborn(program)
        configure(program, entry("prod.invalid", mirror.host))
        with started(
            program,
            *("copy", "-r", "registries.conf", PLAIN, f"--skopeo={skopeo.path}", "--report=report.json"),
            *(f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
        ) as run:
            skopeo.wait()
            yield run

    def test_a_hang_up_that_is_ignored_stays_so(
        self, skopeo_mirror: Program, destination: Registry, image: Image
    ) -> None:
        """As under nohup(1)."""
        with FaultyRegistry(Fault(place=Place.LAYER, kind="hold")) as holding:
            holding.serve("app", image)
            configure(skopeo_mirror, entry("prod.invalid", holding.host))
            command = skopeo_mirror.command(
                *("copy", "-r", "registries.conf", PLAIN, f"prod.invalid/app@{image.digest}"),
                f"docker://{destination.host}",
            )
            with subprocess.Popen(
                ["env", "--ignore-signal=HUP", *command],
                cwd=skopeo_mirror.directory,
                env=skopeo_mirror.environment(),
                stdout=subprocess.DEVNULL,
            ) as process:
                until(lambda: any("/blobs/" in request.path for request in holding.requests()))
                process.send_signal(signal.SIGHUP)
                holding.heal()
                assert process.wait() == 0
        assert holds(destination, "app", pin_tag(image), image)

    @pytest.mark.parametrize(
        "arguments",
        [
            pytest.param(["copy", "--report=report.json", "quay.io/a/b", "oci:D"], id="copy"),
            pytest.param(["copy", "--report=report.json", "--no-such-option"], id="copy-that-is-refused"),
            pytest.param(["images", "quay.io/a/b"], id="images"),
            pytest.param(["--version"], id="version"),
        ],
    )
    def test_while_modules_are_loaded(self, skopeo_mirror: Program, arguments: list[str]) -> None:
        """The earliest that there is: sent before the first module of the program's, which puts it off."""
        early = "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]); "
        early += "os.kill(os.getpid(), signal.SIGINT); from skopeo_mirror.__main__ import main; main()"
        (skopeo_mirror.directory / "report.json").write_text("{}")
        done = subprocess.run(
            [skopeo_mirror.command()[0], "-c", early, *arguments],
            cwd=skopeo_mirror.directory,
            env=skopeo_mirror.environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == 130
        if arguments[0] == "copy":
            report = json.loads((skopeo_mirror.directory / "report.json").read_text())
            hold_to_schema(report)
            assert report["failed"]
            assert report["stopped"] == "interrupted" or "No such option" in report["stopped"]
            assert not (skopeo_mirror.directory / "D").exists()


class TestRefusal:
    """A run that ends before it begins: no file of an earlier run is left as if it were its own."""

    @pytest.mark.parametrize(
        ("arguments", "status", "why"),
        [
            pytest.param(["--no-such-option", "quay.io/a/b", "oci:D"], 2, "No such option", id="no-option"),
            pytest.param(["--jobs=many", "quay.io/a/b", "oci:D"], 2, "--jobs", id="no-number"),
            pytest.param(["quay.io/a/b"], 2, "is no destination", id="no-destination"),
            pytest.param(["NO REFERENCE", "oci:D"], 2, "NO REFERENCE", id="no-reference"),
            pytest.param(["-r", "missing.conf", "quay.io/a/b", "oci:D"], 2, "missing.conf", id="no-configuration"),
            pytest.param(["--skopeo=./none", "quay.io/a/b", "oci:D"], 3, "./none", id="no-skopeo"),
            pytest.param(["a.io/x:v1", "b.io/x:v1", "dir:D"], 2, "would both become", id="collision"),
        ],
    )
    def test_says_so_in_its_report(self, skopeo_mirror: Program, arguments: list[str], status: int, why: str) -> None:
        names = ("report.json", "failed", "mirror.prom")
        report, failed, metrics = (skopeo_mirror.directory / name for name in names)
        report.write_text('{"of": "yesterday"}')
        failed.write_text("yesterday.io/image\n")
        success = 'skopeo_mirror_last_success_timestamp_seconds{destination="oci:D"} 1.5'
        metrics.write_text(f'{success}\nskopeo_mirror_run_failed{{destination="oci:D"}} 0\n')
        files = [f"--report={report}", f"--failed-images={failed}", f"--metrics={metrics}"]
        run = skopeo_mirror("copy", *files, *arguments)
        assert run.status == status, run.stderr
        document = json.loads(report.read_text())
        hold_to_schema(document)
        assert (document["failed"], document["changed"], document["images"]) == (True, False, [])
        assert why in document["stopped"]
        figures = metrics.read_text().splitlines()
        assert success in figures
        assert [line[-2:] for line in figures if line.startswith("skopeo_mirror_run_failed{")] == [" 1"]
        if why == "would both become":  # what was asked for is known
            assert failed.read_text() == "a.io/x:v1\nb.io/x:v1\n"
        else:
            assert not failed.exists()

    def test_the_variable_says_which_report(self, skopeo_mirror: Program) -> None:
        report = skopeo_mirror.directory / "report.json"
        assert skopeo_mirror("copy", "--no-such-option", env={"SKOPEO_MIRROR_REPORT": str(report)}).status == 2
        assert "No such option" in json.loads(report.read_text())["stopped"]


class TestKill:
    @pytest.mark.parametrize("kind", KINDS)
    def test_nothing_runs_on_and_nothing_is_half_there(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, temporary: Path, kind: str
    ) -> None:
        done, held = make_image("done"), make_image("held")
        mirror.push("app", done)
        where = Where(kind, skopeo_mirror, destination)
        with FaultyRegistry(Fault(place=Place.LAYER, kind="hold")) as holding:
            holding.serve("app", held)
            configure(skopeo_mirror, entry("prod.invalid", mirror.host, holding.host))
            wanted = [f"prod.invalid/app@{image.digest}" for image in (done, held)]
            command = ("copy", "-r", "registries.conf", PLAIN, *wanted, where.name)
            with started(skopeo_mirror, *command, env={"TMPDIR": str(temporary)}) as run:
                until(lambda: where.has(done) and any("/blobs/" in request.path for request in holding.requests()))
                run.signal(signal.SIGKILL)
                run.wait()
                run.wait_until_gone()
            assert (where.has(done), where.shows_half([held])) == (True, [])
            holding.heal()
            again = copy(skopeo_mirror, *wanted, where.name, env={"TMPDIR": str(temporary)})
        assert statuses(again) == dict(zip(wanted, ["present", "copied"], strict=True))
        assert where.has(held)
        assert files_below(temporary) == {}
        assert where.strangers() == []

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        "kills", [pytest.param(4, id="sample"), pytest.param(67, id="all", marks=pytest.mark.slow)]
    )
    def test_at_any_moment(
        self,
        skopeo_mirror: Program,
        mirror: Registry,
        destination: Registry,
        temporary: Path,
        kind: str,
        kills: int,
    ) -> None:
        """Killed, interrupted or terminated somewhere between start and end, then run again: all is there."""
        shared = make_random_layer("shared", 50_000)
        images = [
            make_image(f"image-{number}", layers=[shared, make_random_layer(f"own-{number}", 20_000)])
            for number in range(6)
        ]
        for image in images:
            mirror.push("app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        wanted = [f"prod.invalid/app@{image.digest}" for image in images]
        command = ("copy", "-r", "registries.conf", PLAIN, "-j4", *wanted)
        environment = {"TMPDIR": str(temporary)}
        began = time.monotonic()
        copy(skopeo_mirror, *wanted, Where(kind, skopeo_mirror, destination, "whole").name)
        whole = time.monotonic() - began
        chance = random.Random(f"{kind} {kills}")
        for number in range(kills):
            where = Where(kind, skopeo_mirror, destination, f"images-{number}")
            with started(skopeo_mirror, *command, where.name, env=environment) as run:
                time.sleep(chance.uniform(0.1, 1.1) * whole)
                run.signal(chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL]))
                ended = run.wait()
                run.wait_until_gone()
            assert ended.status in {0, 130, 143, -signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL}, ended.stderr
            assert where.shows_half(images) == []
            copy(skopeo_mirror, *wanted, where.name, env=environment)
            assert all(where.has(image) for image in images)
            assert where.strangers() == []
            assert files_below(temporary) == {}


class TestReaderThatGoesAway:
    @pytest.mark.parametrize(
        "pipe",
        [
            pytest.param("{} | true", id="nobody-reads"),
            pytest.param("{} | head -n 1", id="one-line-is-read"),
            pytest.param("{} --json | head -c 1", id="one-byte-of-the-report-is-read"),
            pytest.param("{} 2>&1 | true", id="nobody-reads-errors-either"),
        ],
    )
    def test_the_images_arrive_all_the_same(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, pipe: str
    ) -> None:
        images = [make_image(f"image-{number}") for number in range(3)]
        for image in images:
            mirror.push("app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        command = skopeo_mirror.command(
            *("copy", "-r", "registries.conf", PLAIN, "-v", "-j1", "--report=report.json"),
            *(f"prod.invalid/app@{image.digest}" for image in images),
            f"docker://{destination.host}",
        )
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", pipe.format(shlex.join(command))],
            cwd=skopeo_mirror.directory,
            env=skopeo_mirror.environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr, "Errno" in done.stderr) == (0, False, False), done.stderr
        assert all(holds(destination, "app", pin_tag(image), image) for image in images)
        report = json.loads((skopeo_mirror.directory / "report.json").read_text())
        assert report["summary"]["copied"] == len(images)


@contextmanager
def small_disk(at: Path, *, options: str) -> Iterator[Path]:
    """Mount a file system in memory; skips where that is not allowed."""
    at.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "small", at], capture_output=True, encoding="utf-8", check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


class TestFullDisk:
    @pytest.mark.parametrize("kind", ["oci", "dir"])
    def test_at_the_destination(self, skopeo_mirror: Program, mirror: Registry, origin: Registry, kind: str) -> None:
        """The first image fits; the second costs no candidate, and the error says what it was."""
        small, large = make_image("small"), make_image("large", size=2_000_000)
        for source in (mirror, origin):
            for image in (small, large):
                source.push("app", image)
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        wanted = [f"{origin.host}/app@{image.digest}" for image in (small, large)]
        with small_disk(skopeo_mirror.directory / "images", options="size=1m"):
            where = Where(kind, skopeo_mirror, origin)
            report = copy(skopeo_mirror, "-j1", "--retries=0", *wanted, where.name, status=1)
            assert statuses(report) == dict(zip(wanted, ["copied", "failed"], strict=True))
            assert where.has(small)
            assert where.shows_half([large]) == []
            assert where.strangers() == []
        failed = report["images"][1]
        assert "no space left on device" in failed["error"].lower()
        assert failed["error"].startswith(f"{kind}:")
        assert {attempt["reason"] for attempt in failed["attempts"]} == {"destination"}
        assert origin.requests() == []

    def test_of_temporary_files(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
    ) -> None:
        mirror.push("app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        with small_disk(skopeo_mirror.directory / "temporary", options="size=8k,nr_inodes=20") as temporary:
            (temporary / "filling").write_bytes(bytes(8192))
            run = skopeo_mirror(
                *("copy", "-r", "registries.conf", PLAIN, "--retries=0"),
                *(f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
                env={"TMPDIR": str(temporary)},
            )
            assert run.status in {1, 2}
            assert "No space left on device" in run.stderr + run.stdout
            assert "TMPDIR" in run.stderr + run.stdout
            assert "Traceback" not in run.stderr
            assert list(files_below(temporary)) == ["filling"]

    @pytest.mark.parametrize("kind", ["missing", "a-file", "read-only"])
    def test_a_temporary_directory_that_cannot_be_used_is_told_beforehand(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image, kind: str
    ) -> None:
        mirror.push("app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        directory = skopeo_mirror.directory / "temporary"
        if kind == "a-file":
            directory.touch()
        command = (
            *("copy", "-r", "registries.conf", PLAIN),
            *(f"prod.invalid/app@{image.digest}", f"docker://{destination.host}"),
        )
        environment = {"TMPDIR": str(directory)}
        if kind == "read-only":
            with small_disk(directory, options="ro"):
                run = skopeo_mirror(*command, env=environment)
        else:
            run = skopeo_mirror(*command, env=environment)
        assert (run.status, run.stdout) == (2, "")
        [error] = run.stderr.splitlines()
        assert error.startswith(f"error: {directory}: ")
        assert "TMPDIR" in error
        assert mirror.requests() == []
