"""The options of the command line in groups, each option once: names, heading, help.

The default of a field, or of a command's parameter, is its option, as typer has it: typer gives the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from skopeo_mirror.skopeo.settings import Settings

INPUT: Final = "Images"
CONF: Final = "registries.conf"
DEST: Final = "Destination"
ACCESS: Final = "Access"
RUN: Final = "Run"
OUTPUT: Final = "Output"

HEADINGS: Final[dict[str, tuple[str, ...]]] = {
    INPUT: (),
    CONF: (),
    DEST: (),
    ACCESS: ("--authfile", "--src-authfile", "--dest-authfile", "--src-cert-dir", "--dest-cert-dir"),
    RUN: (
        *("--jobs", "--retries", "--timeout", "--stall-timeout", "--fail-fast", "--no-plan", "--dry-run"),
        *("--check", "--skopeo", "--skopeo-option"),
    ),
    OUTPUT: (),
}
"""The headings of the help in their order; below each first these options, the others as they are declared."""


class Shell(StrEnum):
    """The shells that completion is for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def argument(shown: str) -> Any:
    """An argument, as the help shows it; in brackets, one that may be missing."""
    return typer.Argument(None if shown.startswith("[") else ..., metavar=shown, show_default=False)


def option(shown: str, heading: str, text: str, *, default: Any = None, least: int | None = None) -> Any:
    """An option that takes one value, and so has the variable SKOPEO_MIRROR_<NAME> under every command."""
    *names, metavar = shown.split()
    variable = "SKOPEO_MIRROR_" + names[-1].removeprefix("--").upper().replace("-", "_")
    more: dict[str, Any] = {"metavar": metavar, "min": least, "envvar": variable, "show_envvar": False}
    return typer.Option(default, *names, help=text, rich_help_panel=heading, show_default=False, **more)


def repeated(shown: str, heading: str, text: str) -> Any:
    """An option that takes one more value each time that it is given."""
    *names, metavar = shown.split()
    return typer.Option(None, *names, help=text, rich_help_panel=heading, show_default=False, metavar=metavar)


def flag(shown: str, heading: str, text: str) -> Any:
    """An option that is there or not."""
    return typer.Option(False, *shown.split(), help=text, rich_help_panel=heading, show_default=False)


IMAGES: Final = argument("[IMAGE]...")
JOBS: Final = option("-j --jobs N", RUN, "Images, or images of an index, at a time (16).", default=16, least=1)
JSON: Final = flag("--json", OUTPUT, "One JSON document on stdout, nothing else.")
QUIET: Final = flag("-q --quiet", OUTPUT, "Only failures.")
SKOPEO: Final = option("--skopeo PATH", RUN, "The skopeo to run.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is asked for, beside the images that are named."""

    images_from: list[str] | None = repeated(
        "-f --images-from FILE", INPUT, "Read references from FILE, one a line (-: stdin)."
    )
    config: str | None = option("-c --config FILE", INPUT, "Read an ImageSetConfiguration, as oc-mirror has it.")
    skip_unsupported: bool = flag(
        "--skip-unsupported", INPUT, "With -c: pass over what is not done here, with a warning."
    )
    shard: str | None = option("--shard I/N", INPUT, "Keep the I-th of N even parts, whole repositories each.")
    shard_index: int | None = option(
        "--shard-index I", INPUT, "The same with I from 0, as Kubernetes counts ...", least=0
    )
    shard_count: int | None = option("--shard-count N", INPUT, "... and of how many parts.", least=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Conf:
    """Which registries.conf; the host's own files depend on the skopeo that is installed."""

    registries_conf: list[str] | None = repeated(
        "-r --registries-conf FILE", CONF, "Redirect pulls as FILE says: TOML, or OpenShift's mirror sets (-: stdin)."
    )
    registries_conf_dir: str | None = option(
        "--registries-conf-dir DIR", CONF, "Merge the drop-ins of DIR (*.conf) over FILE."
    )
    strict: bool = flag("--strict", CONF, "Take warnings about registries.conf for errors.")
    skopeo: str | None = SKOPEO


@dataclass(frozen=True, kw_only=True, slots=True)
class Pull:
    """How images and catalogs are pulled."""

    all_mirrors: bool = flag("--all-mirrors", CONF, "Use every mirror for tags and digests alike.")
    mirrors_only: bool = flag("--mirrors-only", CONF, "Never contact an image's original location.")
    authfile: str | None = option("--authfile FILE", ACCESS, "Credentials for both sides.")
    src_authfile: str | None = option("--src-authfile FILE", ACCESS, "Credentials for the sources.")
    src_cert_dir: str | None = option("--src-cert-dir DIR", ACCESS, "Certificates for the sources.")
    policy: str | None = option("--policy FILE", ACCESS, "The trust policy (policy.json).")
    insecure_policy: bool = flag("--insecure-policy", ACCESS, "Check no signatures.")
    retries: int = option("--retries N", RUN, "More rounds after faults that may pass (2).", default=2, least=0)
    timeout: str | None = option("--timeout DURATION", RUN, "Bound on one attempt (none).")
    stall_timeout: str = option(
        "--stall-timeout DURATION", RUN, "End an attempt that moves nothing so long (60s).", default="60s"
    )

    @property
    def settings(self) -> Settings:
        """What skopeo is told, but for the configuration's credential helpers. Raises UsageError."""
        from skopeo_mirror.cli.values import parse_duration  # noqa: PLC0415 - not every command runs skopeo
        from skopeo_mirror.skopeo.settings import Access, Settings  # noqa: PLC0415 - as above
        from skopeo_mirror.skopeo.supervision import Timeouts  # noqa: PLC0415 - as above

        return Settings(
            source=Access(authfile=self.src_authfile or self.authfile, cert_dir=self.src_cert_dir),
            policy=self.policy,
            insecure_policy=self.insecure_policy,
            timeouts=Timeouts(
                timeout=parse_duration(self.timeout or "0", "--timeout"),
                stall=parse_duration(self.stall_timeout, "--stall-timeout"),
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """How, and under which names, images are written."""

    scoped: bool = flag("--scoped", DEST, "Keep the source host in the destination path.")
    max_nested_paths: int = option(
        "--max-nested-paths N", DEST, "At most N path components there, the rest joined with -.", default=0, least=0
    )
    filter_catalogs: bool = flag(
        "--filter-catalogs", DEST, "With -c: catalogs there offer what is selected alone (rebuilt images)."
    )
    dest_tls_verify: str | None = option("--dest-tls-verify BOOL", DEST, "Require HTTPS and verify certificates there.")
    dest_authfile: str | None = option("--dest-authfile FILE", ACCESS, "Credentials for the destination.")
    dest_cert_dir: str | None = option("--dest-cert-dir DIR", ACCESS, "Certificates for the destination.")
    remove_signatures: bool = flag("--remove-signatures", ACCESS, "Do not copy signatures.")
    skopeo_option: list[str] | None = repeated(
        "--skopeo-option OPT", RUN, "Hand OPT to `skopeo copy` unchanged (--name=value)."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """How a run goes, and what is left of it."""

    jobs: int = JOBS
    fail_fast: bool = flag("--fail-fast", RUN, "Start no more images after the first failure.")
    no_plan: bool = flag("--no-plan", RUN, "Do not read manifests ahead (but for dir:, --from and --platform).")
    dry_run: bool = flag("--dry-run", RUN, "Everything but the copy.")
    check: bool = flag("--check", RUN, "The same; exit 1 where something would be copied, a last line says so.")
    json: bool = JSON
    report: Path | None = option("--report FILE", OUTPUT, "Write the same document to FILE.")
    failed_images: Path | None = option("--failed-images FILE", OUTPUT, "Write what failed to FILE, for -f.")
    metrics: Path | None = option("--metrics FILE", OUTPUT, "Write figures of the run to FILE, for node-exporter.")
    log_dir: Path | None = option("--log-dir DIR", OUTPUT, "Keep skopeo's log of every failed attempt.")
    quiet: bool = QUIET
    verbose: bool = flag("-v --verbose", OUTPUT, "Every attempt, and references whole on a terminal.")
    heartbeat: str = option(
        "--heartbeat DURATION", OUTPUT, "A line of progress this often, off a terminal (30s).", default="30s"
    )
