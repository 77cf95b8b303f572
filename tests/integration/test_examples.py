"""The examples below scripts/examples, run by the real make and the real Ansible."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.rig.copying import PLAIN, asked, configure, entry, holds, pin_tag
from tests.rig.images import make_image
from tests.rig.program import CHECKOUT, Run, install

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

pytestmark = pytest.mark.once

EXAMPLES = CHECKOUT / "scripts" / "examples"
JOB_SCHEMA = CHECKOUT / "tests/data/kubernetes/job-batch-v1.schema.json"


@dataclass(frozen=True, kw_only=True)
class Make:
    """The Makefile in the program's directory, with lists of images that a mirror has."""

    program: Program
    destination: Registry

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run make, and say what it ran and how it ended."""
        settings = [f"SKOPEO_MIRROR={install(self.program.directory)}", f"DESTINATION=docker://{self.destination.host}"]
        return subprocess.run(
            ["make", *settings, f"FLAGS={PLAIN} --retries 0 --mirrors-only", *arguments],
            cwd=self.program.directory,
            env=self.program.environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def write(self, name: str, *images: str) -> Path:
        """Write a list."""
        file = self.program.directory / name
        file.write_text("".join(f"{image}\n" for image in images))
        return file


class TestMake:
    @pytest.fixture
    def make(self, skopeo_mirror: Program, destination: Registry) -> Make:
        shutil.copy(EXAMPLES / "make" / "Makefile", skopeo_mirror.directory)
        return Make(program=skopeo_mirror, destination=destination)

    def test_runs_again_only_when_a_list_or_the_redirect_has_changed(
        self, make: Make, mirror: Registry, image: Image
    ) -> None:
        other = make_image("other")
        mirror.push("ns/app", image)
        mirror.push("ns/other", other)
        conf = configure(make.program, entry("prod.invalid", mirror.host))
        wanted = [f"prod.invalid/ns/app@{image.digest}", f"prod.invalid/ns/other@{other.digest}"]
        make.write("base.txt", wanted[0])
        first = make()
        assert (first.returncode, first.stdout.count("skopeo-mirror copy")) == (0, 1), first.stderr
        assert f"copied {wanted[0]}" in first.stdout
        assert holds(make.destination, "ns/app", pin_tag(image), image)

        second = make()
        assert second.returncode == 0
        assert "Nothing to be done" in second.stdout

        make.write("base.txt", *wanted)
        third = make()
        assert f"present {wanted[0]}" in third.stdout
        assert f"copied {wanted[1]}" in third.stdout
        assert json.loads((make.program.directory / "base.json").read_bytes())["summary"]["copied"] == 1

        conf.write_text(conf.read_text() + "\n# changed\n")
        assert "skopeo-mirror copy" in make().stdout
        assert "Nothing to be done" in make().stdout

    def test_a_tag_that_has_moved_is_copied_when_all_is_made_again(
        self, make: Make, mirror: Registry, image: Image
    ) -> None:
        mirror.push("ns/app", image, "v1")
        configure(make.program, entry("prod.invalid", mirror.host))
        make.write("base.txt", "prod.invalid/ns/app:v1")
        assert make().returncode == 0
        stamp, report = (make.program.directory / f"base.{end}" for end in ("mirrored", "json"))
        assert stamp.stat().st_mtime_ns < report.stat().st_mtime_ns  # a list changed meanwhile is newer than the stamp
        moved = make_image("moved")
        mirror.push("ns/app", moved, "v1")
        assert "Nothing to be done" in make().stdout
        assert make("-B").returncode == 0
        assert holds(make.destination, "ns/app", "v1", moved)

    def test_a_failure_leaves_no_stamp_and_a_list_to_run_again(
        self, make: Make, mirror: Registry, image: Image
    ) -> None:
        mirror.push("ns/app", image)
        configure(make.program, entry("prod.invalid", mirror.host))
        wanted = [f"prod.invalid/ns/app@{image.digest}", f"prod.invalid/ns/missing@{image.digest}"]
        make.write("base.txt", *wanted)
        failed = make()
        assert failed.returncode == 2
        assert not (make.program.directory / "base.mirrored").exists()
        assert (make.program.directory / "base.failed").read_text() == f"{wanted[1]}\n"

        mirror.push("ns/missing", image)
        again = make()
        assert (again.returncode, (make.program.directory / "base.mirrored").exists()) == (0, True)
        assert f"present {wanted[0]}" in again.stdout
        assert f"copied {wanted[1]}" in again.stdout

    def test_a_stamp_is_of_one_destination_and_goes_when_a_run_fails(
        self, make: Make, mirror: Registry, second_mirror: Registry, image: Image
    ) -> None:
        mirror.push("ns/app", image)
        configure(make.program, entry("prod.invalid", mirror.host))
        make.write("base.txt", f"prod.invalid/ns/app@{image.digest}")
        assert make().returncode == 0
        other = make(f"DESTINATION=docker://{second_mirror.host}/two")
        assert f"copied prod.invalid/ns/app@{image.digest}" in other.stdout
        assert holds(second_mirror, "two/ns/app", pin_tag(image), image)
        assert make("DESTINATION=docker://127.0.0.1:1/three").returncode == 2
        assert not (make.program.directory / "base.mirrored").exists()

    def test_two_targets_at_once_are_safe(self, make: Make, mirror: Registry) -> None:
        images = {name: make_image(name) for name in ("one", "two", "shared")}
        for name, image in images.items():
            mirror.push(f"ns/{name}", image)
        configure(make.program, entry("prod.invalid", mirror.host))
        wanted = {name: f"prod.invalid/ns/{name}@{image.digest}" for name, image in images.items()}
        make.write("one.txt", wanted["one"], wanted["shared"])
        make.write("two.txt", wanted["two"], wanted["shared"])
        done = make("-j", "2")
        assert done.returncode == 0, done.stderr
        for name, image in images.items():
            assert holds(make.destination, f"ns/{name}", pin_tag(image), image)
        for name in ("one", "two"):
            report = json.loads((make.program.directory / f"{name}.json").read_bytes())
            assert {image["image"] for image in report["images"]} == {wanted[name], wanted["shared"]}


@dataclass(frozen=True, kw_only=True)
class Played:
    """How a play ended: `recap` has the counts of each host."""

    status: int
    output: str
    recap: dict[str, dict[str, int]]


@dataclass(frozen=True, kw_only=True)
class Ansible:
    """The playbook in the program's directory, on hosts that are all this machine."""

    program: Program
    destination: Registry

    def __call__(self, *arguments: str, hosts: int, broken: str = "") -> Played:
        """Run the playbook; the `broken` host has no program."""
        directory = self.program.directory
        program = str(install(self.program.directory))
        names = "".join(f"host-{number}\n" for number in range(hosts))
        (directory / "inventory.ini").write_text(
            f"[mirrors]\n{names}[all:vars]\nansible_connection=local\nansible_python_interpreter={sys.executable}\n"
        )
        variables: dict[str, Any] = {
            "skopeo_mirror": f"{{{{ '/nonexistent' if inventory_hostname == '{broken}' else '{program}' }}}}",
            "skopeo_mirror_here": program,
            "registries_conf": str(directory / "registries.conf"),
            "images": str(directory / "images.txt"),
            "destination": f"docker://{self.destination.host}",
            "flags": [PLAIN, "--retries=0", "--mirrors-only"],
        }
        environment = self.program.environment(
            {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_HOME": str(directory / "ansible")}
        )
        del environment["PYTHONWARNINGS"]  # Ansible's own are not ours to judge
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory.ini", "mirror.yml"),
                *("-e", json.dumps(variables), *arguments),
            ],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return Played(status=done.returncode, output=done.stdout + done.stderr, recap=_recap(done.stdout))


def _recap(output: str) -> dict[str, dict[str, int]]:
    """Read the play recap: `host-0 : ok=3 changed=2 …`."""
    lines = output.partition("PLAY RECAP")[2].splitlines()[1:]
    hosts = [line.partition(":") for line in lines if ":" in line]
    return {
        host.strip(): {key: int(count) for key, _, count in (word.partition("=") for word in words.split())}
        for host, _, words in hosts
    }


class TestAnsible:
    @pytest.fixture
    def ansible(self, skopeo_mirror: Program, destination: Registry) -> Ansible:
        for name in ("mirror.yml", "ansible.cfg"):
            shutil.copy(EXAMPLES / "ansible" / name, skopeo_mirror.directory)
        return Ansible(program=skopeo_mirror, destination=destination)

    def test_hosts_share_a_list_and_change_what_they_say(self, ansible: Ansible, mirror: Registry) -> None:
        """Check mode first, then for real, then once more."""
        images = {f"app-{number}": make_image(f"app-{number}") for number in range(4)}
        for name, image in images.items():
            mirror.push(f"ns/{name}", image)
        directory = ansible.program.directory
        configure(ansible.program, entry("prod.invalid/ns", f"{mirror.host}/ns"))
        wanted = [f"prod.invalid/ns/{name}@{image.digest}" for name, image in images.items()]
        (directory / "images.txt").write_text("".join(f"{one}\n" for one in wanted))
        hosts = ["host-0", "host-1"]

        checked = ansible("--check", hosts=1)
        assert checked.status == 0, checked.output
        assert checked.recap["host-0"]["changed"] == 1
        assert ansible.destination.repositories() == []
        assert not (directory / "reports").exists()

        mirror.forget()
        first = ansible(hosts=2)
        assert first.status == 0, first.output
        assert {first.recap[host]["changed"] for host in hosts} == {1}
        for name, image in images.items():
            assert holds(ansible.destination, f"ns/{name}", pin_tag(image), image)
        for image in images.values():
            for digest in image.blobs:
                assert sum(path.endswith(digest) for path in asked(mirror, "blobs")) == 1  # copied by one host alone
        reports = [json.loads((directory / "reports" / f"{host}.json").read_bytes()) for host in hosts]
        assert sorted(image["image"] for report in reports for image in report["images"]) == sorted(wanted)
        assert 'prefix = "prod.invalid/ns"' in (directory / "redirect.conf").read_text()

        second = ansible(hosts=2)
        assert second.status == 0, second.output
        assert {second.recap[host]["changed"] for host in [*hosts, "localhost"]} == {0}

    def test_what_failed_and_what_is_missing_is_said_in_a_few_lines(
        self, ansible: Ansible, mirror: Registry, image: Image
    ) -> None:
        """One of three hosts has an image that no mirror serves, another, which would have none, no program."""
        mirror.push("ns/good", image)
        configure(ansible.program, entry("prod.invalid/ns", f"{mirror.host}/ns"))
        lacking = "prod.invalid/ns/lacking@sha256:" + "0" * 64
        (ansible.program.directory / "images.txt").write_text(f"prod.invalid/ns/good@{image.digest}\n{lacking}\n")
        failed = ansible(hosts=3, broken="host-2")
        assert failed.status == 2
        hosts = ["host-0", "host-1", "host-2", "localhost"]
        assert [failed.recap[host]["failed"] for host in hosts] == [0, 1, 1, 1]
        assert re.search(rf"^ +{lacking}: .*mirror {mirror.host}/ns/lacking: not-found", failed.output, re.MULTILINE)
        assert "/nonexistent" in failed.output
        assert "shard 3/3 is missing" in failed.output
        assert "skopeo-mirror/report/v1" not in failed.output
        told = re.search(r"^fatal: \[host-1\].*\n((?: .*\n)*)", failed.output, re.MULTILINE)
        assert told is not None
        assert [line.split()[0] for line in told[1].splitlines()] == ["changed:", "msg:", f"{lacking}:"]
        assert 'prefix = "prod.invalid/ns/good"' in (ansible.program.directory / "redirect.conf").read_text()


@dataclass(frozen=True, kw_only=True)
class Kubernetes:
    """The manifests, their containers run here: same words, same environment, other directories."""

    program: Program
    destination: Registry

    def __call__(self, manifest: str, index: int = 0) -> Run:
        """Run the container of a manifest's Job as its pod `index` does."""
        (job,) = jobs(manifest)
        (container,) = job["spec"]["template"]["spec"]["containers"]
        annotation = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
        env = {
            one["name"]: one.get("value") or {annotation: str(index)}[one["valueFrom"]["fieldRef"]["fieldPath"]]
            for one in container.get("env", [])
        }
        env |= {"PATH": f"{self.program.directory}:{os.environ['PATH']}", "SKOPEO_MIRROR_DEST_TLS_VERIFY": "false"}
        if "command" not in container:  # the image's entry point is the program
            words = (re.sub(r"\$\((\w+)\)", lambda match: env[match[1]], word) for word in container["args"])
            return self.program(*map(self._here, words), env=env)
        install(self.program.directory)
        done = subprocess.run(
            [self._here(word) for word in container["command"]],
            cwd=self.program.directory,
            env=self.program.environment(env),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return Run(status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def _here(self, text: str) -> str:
        """What a container calls its mounts and the registry, as they are here."""
        names = {
            "/etc/skopeo-mirror/": f"{self.program.directory}/",
            "/reports/": f"{self.program.directory}/",
            "registry.example.com": self.destination.host,
        }
        for name, here in names.items():
            text = text.replace(name, here)
        return text


def jobs(manifest: str) -> list[dict[str, Any]]:
    text = (EXAMPLES / "kubernetes" / manifest).read_text(encoding="utf-8")
    return [one for one in yaml.safe_load_all(text) if one["kind"] == "Job"]


class TestKubernetes:
    @pytest.mark.parametrize("manifest", ["mirror.yaml", "verdict.yaml"])
    def test_a_job_is_one(self, manifest: str) -> None:
        (job,) = jobs(manifest)
        Draft202012Validator(json.loads(JOB_SCHEMA.read_bytes())).validate(job)

    def test_every_part_has_its_pod(self) -> None:
        (job,) = jobs("mirror.yaml")
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert {"name": "SKOPEO_MIRROR_SHARD_COUNT", "value": str(job["spec"]["completions"])} in container["env"]
        assert (job["spec"]["completionMode"], job["spec"]["completions"]) == ("Indexed", 3)

    def test_pods_share_a_list_and_one_that_left_no_report_is_missed(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry
    ) -> None:
        images = {f"ns/app-{number}": make_image(f"app-{number}") for number in range(3)}
        for name, image in images.items():
            mirror.push(name, image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        wanted = [f"prod.invalid/{name}@{image.digest}" for name, image in images.items()]
        (skopeo_mirror.directory / "images.txt").write_text("".join(f"{one}\n" for one in wanted))
        kubernetes = Kubernetes(program=skopeo_mirror, destination=destination)
        for index in (0, 2):
            assert kubernetes("mirror.yaml", index).status == 0
        missing = kubernetes("verdict.yaml")
        assert (missing.status, missing.stdout) == (1, "")
        assert "shard 2/3 is missing" in missing.stderr

        for index in range(3):
            assert kubernetes("mirror.yaml", index).status == 0
        whole = kubernetes("verdict.yaml")
        assert whole.status == 0, whole.stderr
        report = json.loads((skopeo_mirror.directory / "mirror.json").read_bytes())
        assert {image["image"]: image["status"] for image in report["images"]}.keys() == {*wanted}
        assert [*skopeo_mirror.directory.glob("shard-*.json")] == []
        assert destination.repositories() == [f"mirror/{name}" for name in images]
