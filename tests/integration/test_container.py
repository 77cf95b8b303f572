"""The image of the tool: built from its Containerfile, on a base that comes through a mirror of docker.io."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.rig.copying import asked, configure, entry, holds, pin_tag
from tests.rig.images import Layer, digest_of, make_image
from tests.rig.program import CHECKOUT, Program
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.images import Image

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# Where this runs in a container itself, it may not raise what buildah asks for by default (1.28 and 1.39 differ in it).
LOW_LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")
APT_SETTINGS = ("Acquire::http", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap and chroot take root"),
]


def out_of(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command and return what it prints; where it fails, say what it said."""
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"{shlex.join(map(str, command))}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def debian(directory: Path) -> Layer:
    """Make a minimal Debian 13 that reaches package registries as this host does."""
    root = directory / "debian"
    mirrors = out_of("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").splitlines()
    out_of("debootstrap", "--variant=minbase", "--include=ca-certificates", "trixie", root, *mirrors[:1])
    shutil.copy(CA_BUNDLE, root / CA_BUNDLE.relative_to("/"))
    settings = [line for line in out_of("apt-config", "dump").splitlines() if line.startswith(APT_SETTINGS)]
    (root / "etc/apt/apt.conf.d/99host").write_text("\n".join(settings))
    (root / "etc/pip.conf").write_text(pip_settings())
    for file in (root / "var/cache/apt/archives").glob("*.deb"):
        file.unlink()
    tarball = directory / "debian.tar"
    out_of("tar", "--create", "--numeric-owner", "--exclude=./dev/*", "--file", tarball, "--directory", root, ".")
    shutil.rmtree(root)
    content = tarball.read_bytes()
    tarball.unlink()
    return Layer(blob=gzip.compress(content, compresslevel=1, mtime=0), diff_id=digest_of(content))


def pip_settings() -> str:
    """This host's settings for pip, from its files and from the environment, but for places on its disk."""
    files = [Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"]
    found = [line for file in files if file.is_file() for line in file.read_text().splitlines() if "=" in line]
    found += [
        f"{name.removeprefix('PIP_').lower().replace('_', '-')} = {value}"
        for name, value in os.environ.items()
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE"
    ]
    local = ("find-links", "extra-index-url = file:")
    settings = {line.partition("=")[0].strip(): line for line in found if not line.startswith(local)}
    return "\n".join(["[global]", *settings.values(), ""])


class Built:
    """The built image: its configuration, and its root file system below `root`."""

    def __init__(self, root: Path, configuration: dict[str, Any]) -> None:
        self.root = root
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
    storage = Path(tempfile.mkdtemp(prefix="buildah-", dir="/var/tmp"))
    stored = ["--root", str(storage / "root"), "--runroot", str(storage / "run"), "--storage-driver", "vfs"]
    with Registry(directory / "mirror") as mirror:
        base = make_image("debian", layers=[debian(directory)])
        mirror.push("library/debian", base, "trixie-slim")
        configure(program, entry("docker.io", mirror.host))
        normalized = program("normalize", "registries.conf")
        assert normalized.status == 0, normalized.stderr
        (directory / "normalized.conf").write_text(normalized.stdout)
        redirected = {"CONTAINERS_REGISTRIES_CONF": str(directory / "normalized.conf"), "BUILDAH_ISOLATION": "chroot"}
        build = ["buildah", *stored, "build", "--isolation", "chroot", "--file", "containers/Containerfile"]
        try:
            out_of(*build, *LOW_LIMITS, "--tag", "skopeo-mirror", ".", env=redirected, cwd=CHECKOUT)
            assert asked(mirror, "manifests")
            container = out_of("buildah", *stored, "from", "--pull-never", "skopeo-mirror").strip()
            described = json.loads(out_of("buildah", *stored, "inspect", "--type", "image", "skopeo-mirror"))
            root = Path(out_of("buildah", *stored, "mount", container).strip())
            yield Built(root, described["OCIv1"]["config"])
        finally:
            out_of("buildah", *stored, "rm", "--all")
            shutil.rmtree(storage)


def test_it_says_its_versions(built: Built) -> None:
    said = built.run("--version").splitlines()
    assert said[0].startswith("skopeo-mirror ")
    assert said[1].startswith("skopeo 1.")


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
