"""The image of the tool: built from its Containerfile, on a base that comes through a mirror of docker.io."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripts.readme import blocks
from tests.rig.copying import asked, configure, entry, holds, pin_tag
from tests.rig.debian import make_debian, out_of
from tests.rig.images import Layer, digest_of, make_image
from tests.rig.program import CHECKOUT, Program
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.images import Image

MIRROR_SET = "tests/data/mirror-sets/real-17-openshift-oc.yaml"
LARGEST = 40_000_000  # bytes
# Where this runs in a container itself, it may not raise what is asked for by default, nor have control groups.
ENGINE = """
[containers]
cgroups = "disabled"
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE = """
[storage]
driver = "vfs"
graphroot = "{storage}/root"
runroot = "{storage}/run"
"""
# crun takes no hybrid of both versions.
PLAIN_CGROUPS = "! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap and chroot take root"),
]


def debian(directory: Path) -> Layer:
    """Make a minimal Debian 13 as a layer."""
    root = directory / "debian"
    make_debian(root, "trixie")
    tarball = directory / "debian.tar"
    out_of("tar", "--create", "--numeric-owner", "--exclude=./dev/*", "--file", tarball, "--directory", root, ".")
    shutil.rmtree(root)
    content = tarball.read_bytes()
    tarball.unlink()
    return Layer(blob=gzip.compress(content, compresslevel=1, mtime=0), diff_id=digest_of(content))


class Built:
    """The built image: its configuration, its root file system below `root`, and what the README's run has printed."""

    def __init__(self, root: Path, configuration: dict[str, Any], printed: str) -> None:
        self.root = root
        self.printed = printed
        self.user: str = configuration["User"]
        self.entrypoint: list[str] = configuration["Entrypoint"]
        self.environment: list[str] = configuration["Env"]

    def run(self, *arguments: str, user: str | None = None) -> str:
        """Run the entry point as a container engine does with `--read-only --tmpfs /tmp`."""
        root = shlex.quote(str(self.root))
        inside = [
            *("chroot", f"--userspec={user or self.user}", str(self.root), "env", "--ignore-environment"),
            *self.environment,
            *self.entrypoint,
            *arguments,
        ]
        script = f"""
            mount --bind {root} {root}
            mount -o remount,bind,ro {root}
            mount -t tmpfs -o mode=1777 tmpfs {root}/tmp
            mount -t proc proc {root}/proc
            mount --rbind /dev {root}/dev
            exec {shlex.join(inside)}
        """
        return out_of("unshare", "--mount", "sh", "-euc", script)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    directory = tmp_path_factory.mktemp("container")
    program = Program(directory=directory)
    program.home.mkdir()
    storage = Path(tempfile.mkdtemp(prefix="podman-", dir="/var/tmp"))
    clone = directory / "clone"
    shutil.copytree(CHECKOUT, clone, ignore=shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*cache"))
    (clone / "registries.conf").write_text(entry("quay.io/foo", "internal.example.io/foo"))
    with Registry(directory / "mirror") as mirror:
        base = make_image("debian", layers=[debian(directory)])
        mirror.push("library/debian", base, "trixie-slim")
        configure(program, entry("docker.io", mirror.host))
        normalized = program("normalize", "registries.conf")
        assert normalized.status == 0, normalized.stderr
        settings = {
            "CONTAINERS_REGISTRIES_CONF": normalized.stdout,
            "CONTAINERS_STORAGE_CONF": STORAGE.format(storage=storage),
            "CONTAINERS_CONF": ENGINE,
        }
        for name, text in settings.items():
            (directory / name).write_text(text)
        env = {name: str(directory / name) for name in settings} | {"BUILDAH_ISOLATION": "chroot"}
        try:
            building, running = shown()
            out_of("sh", "-euc", building, env=env, cwd=clone)
            assert asked(mirror, "manifests")
            printed = out_of("unshare", "--mount", "sh", "-euc", f"{PLAIN_CGROUPS}{running}", env=env, cwd=clone)
            container = out_of("buildah", "from", "--pull-never", "skopeo-mirror", env=env).strip()
            described = json.loads(out_of("buildah", "inspect", "--type", "image", "skopeo-mirror", env=env))
            root = Path(out_of("buildah", "mount", container, env=env).strip())
            yield Built(root, described["OCIv1"]["config"], printed)
        finally:
            out_of("buildah", "rm", "--all", env=env)
            shutil.rmtree(storage)


def shown() -> list[str]:
    """The README's two lines."""
    [block] = blocks("tested-by", "tests/integration/test_container.py::test_the_lines_of_the_readme")
    return block.splitlines()


def test_the_lines_of_the_readme(built: Built) -> None:
    assert "1. internal.example.io/foo/app:v1" in built.printed


def test_it_says_its_versions(built: Built) -> None:
    said = built.run("--version").splitlines()
    assert said[0].startswith("skopeo-mirror ")
    assert said[1].startswith("skopeo 1.")


def test_it_is_no_larger_than_what_it_does_takes(built: Built) -> None:
    """Skopeo without podman's networks, gpg without the rest of gnupg, the tool without what installed it."""
    assert not [name for name in ("netavark", "bridge", "dirmngr", "gpg-agent") if list(built.root.rglob(name))]
    tool = [file.lstat().st_size for file in built.root.glob("opt/skopeo-mirror/**/*") if not file.is_dir()]
    assert sum(tool) < LARGEST


def test_it_reads_mirror_sets(built: Built) -> None:
    shutil.copy(CHECKOUT / MIRROR_SET, built.root / "etc/mirrors.yaml")
    assert built.run("normalize", "/etc/mirrors.yaml").startswith("[[registry]]")


def test_it_is_not_root_and_brings_no_tool_to_build_with(built: Built) -> None:
    assert built.user == "10001"
    assert not list(built.root.glob("opt/skopeo-mirror/bin/pip*"))
    assert not (built.root / "checkout").exists()


@pytest.mark.parametrize("user", [None, "54321:0"], ids=["its-own-user", "any-user"])
def test_it_copies(built: Built, mirror: Registry, destination: Registry, image: Image, user: str | None) -> None:
    mirror.push("ns/app", image)
    file = built.root / "etc/containers/registries.conf"
    file.write_text(entry("prod.invalid", mirror.host))
    wanted = f"prod.invalid/ns/app@{image.digest}"
    report = json.loads(
        built.run(
            *("copy", "--json", "--dest-tls-verify=false", "--report", "/tmp/report.json"),
            *(wanted, f"docker://{destination.host}"),
            user=user,
        )
    )
    assert [one["status"] for one in report["images"]] == ["copied"]
    assert holds(destination, "ns/app", pin_tag(image), image)
