"""A minimal Debian in a directory, as debootstrap makes it, that reaches package registries as this host does."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_APT_SETTINGS = ("Acquire::http", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def out_of(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command and return what it prints; where it fails, say what it said."""
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"{shlex.join(map(str, command))}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def make_debian(root: Path, release: str) -> None:
    """Make a release's minimum below `root`: a new machine, but for its settings of apt and pip."""
    mirrors = out_of("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").splitlines()
    minimum = ["debootstrap", "--variant=minbase", "--include=ca-certificates", release, str(root), *mirrors[:1]]
    out_of("unshare", "--mount", "--pid", "--fork", "--kill-child", *minimum)  # what it mounts ends with it
    for file in (_CA_BUNDLE, Path("/etc/resolv.conf"), Path("/etc/hosts")):
        shutil.copy(file, root / file.relative_to("/"))
    settings = [line for line in out_of("apt-config", "dump").splitlines() if line.startswith(_APT_SETTINGS)]
    (root / "etc/apt/apt.conf.d/99host").write_text("\n".join(settings))
    (root / "etc/pip.conf").write_text(_pip_settings())
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()


def script_in(root: Path, command: list[str]) -> str:
    """A shell script that runs `command` in that tree, which has what the kernel gives, in a mount namespace."""
    tree = shlex.quote(str(root))
    return f"""
        mount -t proc proc {tree}/proc
        mount --rbind /dev {tree}/dev
        exec {shlex.join(["chroot", str(root), *command])}
    """


def run_in(root: Path, script: str, *, directory: str = "/", user: str = "root") -> subprocess.CompletedProcess[str]:
    """Run a script by the tree's bash, as after a login; standard error comes apart."""
    home = "/root" if user == "root" else "/nonexistent"
    login = ["env", "-i", f"--chdir={directory}", f"PATH={_PATH}", f"HOME={home}", "LANG=C.UTF-8", *_from_host()]
    becoming = [] if user == "root" else ["setpriv", "--reuid", user, "--regid", "nogroup", "--clear-groups"]
    command = [*login, *becoming, "bash", "-lec", script]
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", script_in(root, command)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def _from_host() -> list[str]:
    """How package registries are reached, as far as the environment says it."""
    return [f"{name}={value}" for name, value in os.environ.items() if name.upper().endswith("_PROXY")]


def _pip_settings() -> str:
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
