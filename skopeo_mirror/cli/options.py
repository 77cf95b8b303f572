"""The options of the command line in groups, each option once: name, variable, heading, help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from skopeo_mirror.skopeo.settings import Settings

_INPUT: Final = "Images"
_CONF: Final = "registries.conf"
_DEST: Final = "Destination"
_ACCESS: Final = "Access"
_RUN: Final = "Run"
OUTPUT: Final = "Output"

HEADINGS: Final[dict[str, tuple[str, ...]]] = {
    _INPUT: (),
    _CONF: (),
    _DEST: (),
    _ACCESS: ("--authfile", "--src-authfile", "--dest-authfile", "--src-cert-dir", "--dest-cert-dir"),
    _RUN: (
        *("--jobs", "--retries", "--timeout", "--stall-timeout", "--fail-fast", "--no-plan", "--dry-run"),
        *("--skopeo", "--skopeo-option"),
    ),
    OUTPUT: (),
}
"""The headings of the help in their order; below each first these options, the others as they are declared."""


def option(*names: str, help: str, panel: str, metavar: str, least: int | None = None) -> Any:  # noqa: A002 - typer's own word
    """An option that takes one value, and so has the variable SKOPEO_MIRROR_<NAME> under every command."""
    long = next(name for name in names if name.startswith("--"))
    variable = "SKOPEO_MIRROR_" + long.removeprefix("--").upper().replace("-", "_")
    return flag(*names, help=help, panel=panel, metavar=metavar, min=least, envvar=variable, show_envvar=False)


def flag(*names: str, help: str, panel: str, **more: Any) -> Any:  # noqa: A002 - typer's own word
    """An option that is there or not; with a metavar, one whose values are as many as are given."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, **more)


Images = Annotated[list[str] | None, typer.Argument(metavar="[IMAGE]...", show_default=False)]
Jobs = Annotated[int, option("-j", "--jobs", metavar="N", least=1, panel=_RUN, help="Images at a time (8).")]
Json = Annotated[bool, flag("--json", panel=OUTPUT, help="One JSON document on stdout, nothing else.")]
Quiet = Annotated[bool, flag("-q", "--quiet", panel=OUTPUT, help="Only failures.")]
SkopeoPath = Annotated[str | None, option("--skopeo", metavar="PATH", panel=_RUN, help="The skopeo to run.")]
FromLayout = Annotated[
    str | None,
    option("--from", metavar="oci:DIR", panel=_INPUT, help="Take the images from a layout that a run has filled."),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is asked for, beside the images that are named."""

    images_from: Annotated[
        list[str] | None,
        flag(
            "-f",
            "--images-from",
            metavar="FILE",
            panel=_INPUT,
            help="Read references from FILE, one a line (-: stdin).",
        ),
    ] = None
    config: Annotated[
        str | None,
        option(
            "-c", "--config", metavar="FILE", panel=_INPUT, help="Read an ImageSetConfiguration, as oc-mirror has it."
        ),
    ] = None
    skip_unsupported: Annotated[
        bool,
        flag("--skip-unsupported", panel=_INPUT, help="With -c: pass over what is not done here, with a warning."),
    ] = False
    shard: Annotated[
        str | None, option("--shard", metavar="I/N", panel=_INPUT, help="Keep the I-th of N stable parts of the list.")
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Conf:
    """Which registries.conf; the host's own files depend on the skopeo that is installed."""

    registries_conf: Annotated[
        str | None, option("-r", "--registries-conf", metavar="FILE", panel=_CONF, help="Redirect pulls as FILE says.")
    ] = None
    registries_conf_dir: Annotated[
        str | None,
        option(
            "--registries-conf-dir", metavar="DIR", panel=_CONF, help="Merge the drop-ins of DIR (*.conf) over FILE."
        ),
    ] = None
    strict: Annotated[bool, flag("--strict", panel=_CONF, help="Take warnings about registries.conf for errors.")] = (
        False
    )
    skopeo: SkopeoPath = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pull:
    """How images and catalogs are pulled."""

    all_mirrors: Annotated[
        bool, flag("--all-mirrors", panel=_CONF, help="Use every mirror for tags and digests alike.")
    ] = False
    mirrors_only: Annotated[
        bool, flag("--mirrors-only", panel=_CONF, help="Never contact an image's original location.")
    ] = False
    authfile: Annotated[
        str | None, option("--authfile", metavar="FILE", panel=_ACCESS, help="Credentials for both sides.")
    ] = None
    src_authfile: Annotated[
        str | None, option("--src-authfile", metavar="FILE", panel=_ACCESS, help="Credentials for the sources.")
    ] = None
    src_cert_dir: Annotated[
        str | None, option("--src-cert-dir", metavar="DIR", panel=_ACCESS, help="Certificates for the sources.")
    ] = None
    policy: Annotated[
        str | None, option("--policy", metavar="FILE", panel=_ACCESS, help="The trust policy (policy.json).")
    ] = None
    insecure_policy: Annotated[bool, flag("--insecure-policy", panel=_ACCESS, help="Check no signatures.")] = False
    retries: Annotated[
        int, option("--retries", metavar="N", least=0, panel=_RUN, help="More rounds after faults that may pass (2).")
    ] = 2
    timeout: Annotated[
        str | None, option("--timeout", metavar="DURATION", panel=_RUN, help="Bound on one attempt (none).")
    ] = None
    stall_timeout: Annotated[
        str,
        option(
            "--stall-timeout", metavar="DURATION", panel=_RUN, help="End an attempt that moves nothing so long (60s)."
        ),
    ] = "60s"

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

    scoped: Annotated[bool, flag("--scoped", panel=_DEST, help="Keep the source host in the destination path.")] = False
    max_nested_paths: Annotated[
        int,
        option(
            "--max-nested-paths",
            metavar="N",
            least=0,
            panel=_DEST,
            help="At most N path components there, the rest joined with -.",
        ),
    ] = 0
    dest_tls_verify: Annotated[
        str | None,
        option("--dest-tls-verify", metavar="BOOL", panel=_DEST, help="Require HTTPS and verify certificates there."),
    ] = None
    dest_authfile: Annotated[
        str | None, option("--dest-authfile", metavar="FILE", panel=_ACCESS, help="Credentials for the destination.")
    ] = None
    dest_cert_dir: Annotated[
        str | None, option("--dest-cert-dir", metavar="DIR", panel=_ACCESS, help="Certificates for the destination.")
    ] = None
    remove_signatures: Annotated[bool, flag("--remove-signatures", panel=_ACCESS, help="Do not copy signatures.")] = (
        False
    )
    skopeo_option: Annotated[
        list[str] | None,
        flag("--skopeo-option", metavar="OPT", panel=_RUN, help="Hand OPT to `skopeo copy` unchanged (--name=value)."),
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """How a run goes, and what is left of it."""

    jobs: Jobs = 8
    fail_fast: Annotated[
        bool, flag("--fail-fast", panel=_RUN, help="Start no more images after the first failure.")
    ] = False
    no_plan: Annotated[
        bool, flag("--no-plan", panel=_RUN, help="Do not read manifests ahead (but for dir: and --from).")
    ] = False
    dry_run: Annotated[bool, flag("--dry-run", panel=_RUN, help="Everything but the copy.")] = False
    json: Json = False
    report: Annotated[
        Path | None, option("--report", metavar="FILE", panel=OUTPUT, help="Write the same document to FILE.")
    ] = None
    failed_images: Annotated[
        Path | None, option("--failed-images", metavar="FILE", panel=OUTPUT, help="Write what failed to FILE, for -f.")
    ] = None
    log_dir: Annotated[
        Path | None, option("--log-dir", metavar="DIR", panel=OUTPUT, help="Keep skopeo's log of every failed attempt.")
    ] = None
    quiet: Quiet = False
    verbose: Annotated[bool, flag("-v", "--verbose", panel=OUTPUT, help="Every attempt.")] = False
