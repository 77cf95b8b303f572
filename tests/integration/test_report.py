"""What machines and people are told of a run: report, failed images, logs, lines, and the variables that ask for it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.rig.copying import (
    PLAIN,
    asked,
    configure,
    copy,
    entry,
    files_below,
    hold_to_schema,
    only,
    report_of,
    report_schema,
    statuses,
)
from tests.rig.images import make_image, make_multi_architecture
from tests.rig.ports import LOOPBACK, port_of, reserve_port

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

NO_DIGEST = "sha256:" + "0" * 64


def read_report(program: Program, name: str = "report.json") -> dict[str, Any]:
    report: dict[str, Any] = json.loads((program.directory / name).read_text(encoding="utf-8"))
    hold_to_schema(report)
    return report


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(report_schema())


def test_json_is_all_that_standard_output_has(skopeo_mirror: Program, mirror: Registry, image: Image) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    arguments = ["copy", "-v", "-r", "registries.conf", "--json", f"prod.invalid/ns/app@{image.digest}", "dir:images"]
    run = skopeo_mirror(*arguments)
    assert only(report_of(run))["status"] == "copied"
    through = subprocess.run(
        ["python3", "-m", "json.tool"], input=run.stdout, text=True, capture_output=True, check=True
    )
    assert json.loads(through.stdout) == run.report


def test_the_report_says_what_happened(
    skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, image: Image
) -> None:
    many = make_multi_architecture("many")
    mirror.push("ns/app", image)
    second_mirror.push("ns/many", many)
    conf = configure(skopeo_mirror, entry("prod.invalid/ns", f"{mirror.host}/ns", f"{second_mirror.host}/ns"))
    wanted = [f"prod.invalid/ns/app@{image.digest}", f"prod.invalid/ns/many@{many.digest}"]
    lacking = f"prod.invalid/ns/lacking@{NO_DIGEST}"
    report = copy(
        skopeo_mirror, "--retries=0", "--mirrors-only", "--report", "report.json", *wanted, lacking, "dir:images",
        status=1,
    )  # fmt: skip
    assert read_report(skopeo_mirror) == report
    assert (report["changed"], report["failed"], report["dry_run"]) == (True, True, False)
    assert report["destination"] == "dir:images"
    assert report["registries_conf"]["files"] == [conf.name]
    version = subprocess.run(["skopeo", "--version"], text=True, capture_output=True, check=True).stdout
    assert report["skopeo"]["version"] == version.split()[2]
    failures = report["summary"]["failed_by"]
    assert {name: failures[name]["reasons"] for name in failures} == {
        f"{mirror.host}/ns": {"not-found": 2},
        f"{second_mirror.host}/ns": {"not-found": 1},
    }
    served = report["summary"].pop("served_by")
    assert {name: served[name]["images"] for name in served} == {f"{mirror.host}/ns": 1, f"{second_mirror.host}/ns": 1}
    assert {key: report["summary"][key] for key in ("images", "copied", "present", "failed")} == {
        "images": 3, "copied": 2, "present": 0, "failed": 1,
    }  # fmt: skip
    app, index, failed = report["images"]
    assert app["bytes"] >= sum(map(len, image.blobs.values()))
    assert index["bytes"] >= sum(map(len, many.blobs.values()))
    assert report["summary"]["bytes"] == app["bytes"] + index["bytes"] == sum(one["bytes"] for one in served.values())
    assert (app["error"], failed["served_by"], failed["confirmed"]) == (None, None, False)
    assert {attempt["reason"] for attempt in failed["attempts"]} == {"not-found"} == {failed["reason"]}
    for attempt in failed["attempts"]:
        assert attempt["detail"]
        assert attempt["location"] in failed["error"] or attempt["reference"].split("@")[0] in failed["error"]


def test_failed_images_can_be_asked_for_again(skopeo_mirror: Program, mirror: Registry, image: Image) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    late = make_image("late")
    there, missing = f"prod.invalid/ns/app@{image.digest}", f"prod.invalid/ns/late:v1@{late.digest}"
    common = ["--retries=0", "--mirrors-only", "--failed-images", "failed.txt"]
    copy(skopeo_mirror, *common, there, missing, "dir:images", status=1)
    failed = skopeo_mirror.directory / "failed.txt"
    assert failed.read_text() == f"{missing}\n"

    mirror.push("ns/late", late)
    assert statuses(copy(skopeo_mirror, *common, "-f", "failed.txt", "dir:images")) == {missing: "copied"}
    assert failed.read_text() == ""
    assert copy(skopeo_mirror, *common, "-f", "failed.txt", "dir:images")["images"] == []


def test_logs_of_failed_attempts_are_kept(skopeo_mirror: Program, mirror: Registry, image: Image) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    arguments = ["--retries=0", "--mirrors-only", "--log-dir", "logs/of-today"]
    copy(skopeo_mirror, *arguments, f"prod.invalid/ns/app@{image.digest}", "dir:images")
    logs = skopeo_mirror.directory / "logs/of-today"
    assert list(logs.iterdir()) == []
    copy(skopeo_mirror, *arguments, f"prod.invalid/ns/lacking@{NO_DIGEST}", "dir:images", status=1)
    [log] = logs.iterdir()
    assert f'Trying to access \\"{mirror.host}/ns/lacking@{NO_DIGEST}\\"' in log.read_text()


class TestDryRun:
    def test_says_who_would_serve_and_writes_only_what_was_named(
        self, skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, destination: Registry
    ) -> None:
        made = [make_image("one"), make_image("two")]
        mirror.push("ns/one", made[0], "v1")
        second_mirror.push("ns/two", made[1])
        configure(skopeo_mirror, entry("prod.invalid", mirror.host, second_mirror.host))
        wanted = ["prod.invalid/ns/one:v1", f"prod.invalid/ns/two@{made[1].digest}"]
        lacking = f"prod.invalid/ns/lacking@{NO_DIGEST}"
        files = ["--report", "report.json", "--failed-images", "failed.txt", "--log-dir", "logs"]
        common = ["--dry-run", "--mirrors-only", "--retries=0"]
        before = files_below(skopeo_mirror.directory)
        for target in (f"docker://{destination.host}", "oci:images", "dir:images"):
            report = copy(skopeo_mirror, *common, *files, *wanted, lacking, target, status=1)
            assert (report["dry_run"], report["changed"]) == (True, True)
            assert [one["status"] for one in report["images"]] == ["would-copy", "would-copy", "failed"]
            assert [one["digest"] for one in report["images"][:2]] == [one.digest for one in made]
            assert [one["served_by"]["location"] for one in report["images"][:2]] == [
                mirror.host,
                second_mirror.host,
            ]
            assert report["images"][0]["bytes"] >= sum(map(len, made[0].blobs.values()))
            assert read_report(skopeo_mirror) == report
        assert (skopeo_mirror.directory / "failed.txt").read_text() == f"{lacking}\n"
        written = files_below(skopeo_mirror.directory).keys() - before.keys()
        assert {path.split("/")[0] for path in written} == {"report.json", "failed.txt", "logs"}
        assert destination.repositories() == []
        assert asked(mirror, "blobs") == asked(second_mirror, "blobs") == []
        assert {request.method for request in destination.requests()} <= {"GET", "HEAD"}

    @pytest.mark.parametrize("kind", ["docker", "oci", "dir"])
    def test_of_what_is_there_changes_nothing(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image, kind: str
    ) -> None:
        mirror.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        target = f"docker://{destination.host}" if kind == "docker" else f"{kind}:images"
        arguments = [f"prod.invalid/ns/app@{image.digest}", target]
        copy(skopeo_mirror, *arguments)
        mirror.forget()
        report = copy(skopeo_mirror, "--dry-run", *arguments)
        assert (report["changed"], only(report)["status"]) == (False, "present")
        assert asked(mirror) == []


class TestLines:
    """A line an image on standard output, the rest on standard error."""

    @pytest.fixture
    def arguments(self, skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, image: Image) -> list[str]:
        second_mirror.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host, second_mirror.host))
        common = ["copy", "-r", "registries.conf", "--retries=0", "--mirrors-only"]
        return [*common, f"prod.invalid/ns/app@{image.digest}", f"prod.invalid/ns/no@{NO_DIGEST}", "dir:images"]

    def test_plain(self, skopeo_mirror: Program, arguments: list[str], second_mirror: Registry) -> None:
        run = skopeo_mirror(*arguments)
        assert run.status == 1
        copied, failed = sorted(run.stdout.splitlines())
        assert copied.startswith(
            f"copied {arguments[-3]} from {second_mirror.host}/ns/app (mirror) to dir:images/ns/app/"
        )
        assert failed.startswith(f"failed {arguments[-2]}: ")
        assert "not-found" in failed
        assert "\x1b" not in run.stdout + run.stderr
        assert "\r" not in run.stdout + run.stderr

    def test_quiet(self, skopeo_mirror: Program, arguments: list[str]) -> None:
        run = skopeo_mirror(*arguments, "-q")
        [failed] = run.stdout.splitlines()
        assert failed.startswith("failed ")
        assert run.stderr == ""

    def test_verbose(
        self, skopeo_mirror: Program, arguments: list[str], mirror: Registry, second_mirror: Registry
    ) -> None:
        run = skopeo_mirror(*arguments, "-v")
        assert len(run.stdout.splitlines()) == 2
        assert f"mirror {mirror.host}/ns/app: not-found" in run.stderr
        assert f"mirror {second_mirror.host}/ns/app: served" in run.stderr

    def test_nobody_reads(self, skopeo_mirror: Program, arguments: list[str]) -> None:
        """As `| head -0`: no complaint, and the exit status still tells."""
        arguments.remove(arguments[-2])
        with subprocess.Popen(
            skopeo_mirror.command(*arguments, "--report", "report.json"),
            env=skopeo_mirror.environment(),
            cwd=skopeo_mirror.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            said = process.stderr.read()
        assert process.returncode == 0, said
        assert "Broken" not in said
        assert only(read_report(skopeo_mirror))["status"] == "copied"


def test_a_dead_first_mirror_is_one_line_of_the_summary_though_another_serves_all(
    skopeo_mirror: Program, mirror: Registry
) -> None:
    """Report and metrics have it too: two images find it dead, the third passes it over."""
    images = [make_image(f"image-{number}") for number in range(3)]
    for number, image in enumerate(images):
        mirror.push(f"ns/{number}", image)
    wanted = [f"prod.invalid/ns/{number}@{image.digest}" for number, image in enumerate(images)]
    with reserve_port() as port:
        dead = f"{LOOPBACK}:{port_of(port)}"
        configure(skopeo_mirror, entry("prod.invalid", dead, mirror.host))
        files = ["--report=report.json", "--metrics=mirror.prom"]
        run = skopeo_mirror("copy", "-j1", "-r", "registries.conf", *files, *wanted, "dir:images")
    assert run.status == 0, run.stderr
    [line] = [line for line in run.stderr.splitlines() if line.startswith(f"  {dead}")]
    assert line == f"  {dead} (mirror): served nothing; circuit-open (1 image), connection (2 images)"
    found = {"attempts": 3, "reasons": {"connection": 2, "circuit-open": 1}}
    assert read_report(skopeo_mirror)["summary"]["failed_by"] == {dead: found}
    families = text_string_to_metric_families((skopeo_mirror.directory / "mirror.prom").read_text())
    figures = {
        (sample.name, sample.labels.get("reason")): sample.value
        for family in families
        for sample in family.samples
        if sample.labels.get("location") == dead
    }
    assert figures == {
        ("skopeo_mirror_pulled_bytes", None): 0,
        ("skopeo_mirror_attempts", None): 2,
        ("skopeo_mirror_failures", "connection"): 2,
        ("skopeo_mirror_failures", "circuit-open"): 1,
    }


class TestVariables:
    """Every option with one value has its variable, the same under every command; the option wins."""

    def test_of_copy(self, skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image) -> None:
        mirror.push("a/b/c/app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        variables = {
            "REGISTRIES_CONF": "registries.conf",
            "DEST_TLS_VERIFY": "false",
            "MAX_NESTED_PATHS": "2",
            "JOBS": "2",
            "RETRIES": "0",
            "TIMEOUT": "1m30s",
            "STALL_TIMEOUT": "30s",
            "SHARD": "1/1",
            "REPORT": "report.json",
            "FAILED_IMAGES": "failed.txt",
            "METRICS": "mirror.prom",
            "LOG_DIR": "logs",
        }
        env = {f"SKOPEO_MIRROR_{name}": value for name, value in variables.items()}
        arguments = ["copy", f"prod.invalid/a/b/c/app@{image.digest}", f"docker://{destination.host}"]
        run = skopeo_mirror(*arguments, env=env)
        assert run.status == 0, run.stderr
        report = read_report(skopeo_mirror)
        assert (only(report)["status"], report["shard"]) == ("copied", "1/1")
        assert destination.repositories() == ["a/b-c-app"]
        assert {"failed.txt", "mirror.prom", "logs"} <= files_below(skopeo_mirror.directory).keys()

        skopeo_mirror(*arguments, "--report", "other.json", "--max-nested-paths", "0", env=env)
        assert only(read_report(skopeo_mirror, "other.json"))["status"] == "copied"
        assert destination.repositories() == ["a/b-c-app", "a/b/c/app"]

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            pytest.param("TIMEOUT", "soon", id="timeout"),
            pytest.param("STALL_TIMEOUT", "soon", id="stall-timeout"),
            pytest.param("JOBS", "many", id="jobs"),
            pytest.param("RETRIES", "many", id="retries"),
            pytest.param("SHARD", "0/1", id="shard"),
            pytest.param("DEST_TLS_VERIFY", "soon", id="dest-tls-verify"),
            pytest.param("MAX_NESTED_PATHS", "many", id="max-nested-paths"),
            pytest.param("AUTHFILE", "missing", id="authfile"),
            pytest.param("SRC_AUTHFILE", "missing", id="src-authfile"),
            pytest.param("DEST_AUTHFILE", "missing", id="dest-authfile"),
            pytest.param("POLICY", "missing", id="policy"),
            pytest.param("REGISTRIES_CONF_DIR", "missing", id="registries-conf-dir"),
        ],
    )
    def test_are_held_to_what_the_options_are(self, skopeo_mirror: Program, variable: str, value: str) -> None:
        configure(skopeo_mirror, entry("prod.invalid", "mirror.invalid"))
        arguments = ["copy", "-r", "registries.conf", PLAIN, f"prod.invalid/app@{NO_DIGEST}", "dir:images"]
        if variable == "DEST_TLS_VERIFY":
            arguments.remove(PLAIN)
        run = skopeo_mirror(*arguments, env={f"SKOPEO_MIRROR_{variable}": value})
        assert run.status == 2
        assert value in run.stderr or f"--{variable.lower().replace('_', '-')}" in run.stderr

    def test_are_the_same_under_every_command(self, skopeo_mirror: Program) -> None:
        (skopeo_mirror.directory / "bad.conf").write_text("[registry]\n")
        env = {"SKOPEO_MIRROR_REGISTRIES_CONF": "bad.conf"}
        image = f"prod.invalid/app@{NO_DIGEST}"
        for arguments in (["copy", image, "dir:images"], ["route", image], ["pin", image], ["normalize"], ["validate"]):
            run = skopeo_mirror(*arguments, env=env)
            assert run.status == 2, arguments
            assert "bad.conf: registry: must be" in run.stderr + run.stdout
