"""The options of the command line, each once: name, variable, help. `cli.py` puts them to commands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from skopeo_mirror.errors import UsageError
from skopeo_mirror.output.redirect import Format
from skopeo_mirror.reference import shown
from skopeo_mirror.skopeo.attending import Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from skopeo_mirror.registries_conf.model import Configuration


def _option(*names: str, help: str, panel: str, metavar: str, least: int | None = None) -> Any:  # noqa: A002 - typer's own word
    """An option that takes one value, and so has the variable SKOPEO_MIRROR_<NAME> under every command."""
    long = next(name for name in names if name.startswith("--"))
    variable = "SKOPEO_MIRROR_" + long.removeprefix("--").upper().replace("-", "_")
    return typer.Option(
        *names,
        help=help,
        metavar=metavar,
        min=least,
        envvar=variable,
        show_envvar=False,
        rich_help_panel=panel,
        show_default=False,
    )


def _flag(*names: str, help: str, panel: str) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False)


def _many(*names: str, help: str, panel: str, metavar: str) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, show_default=False)


_INPUT: Final = "Images"
_CONF: Final = "registries.conf"
_DEST: Final = "Destination"
_ACCESS: Final = "Access"
_RUN: Final = "Run"
_OUT: Final = "Output"

ImagesFrom = Annotated[
    list[str] | None,
    _many(
        "-f", "--images-from", metavar="FILE", panel=_INPUT, help="Read references from FILE, one a line (-: stdin)."
    ),
]
Config = Annotated[
    str | None,
    _option("-c", "--config", metavar="FILE", panel=_INPUT, help="Read an ImageSetConfiguration, as oc-mirror has it."),
]
SkipUnsupported = Annotated[
    bool, _flag("--skip-unsupported", panel=_INPUT, help="With -c: pass over what is not done here, with a warning.")
]
ShardOption = Annotated[
    str | None, _option("--shard", metavar="I/N", panel=_INPUT, help="Keep the I-th of N stable parts of the list.")
]
RegistriesConf = Annotated[
    str | None,
    _option("-r", "--registries-conf", metavar="FILE", panel=_CONF, help="Redirect pulls as FILE says."),
]
RegistriesConfDir = Annotated[
    str | None,
    _option("--registries-conf-dir", metavar="DIR", panel=_CONF, help="Merge the drop-ins of DIR (*.conf) over FILE."),
]
FromLayout = Annotated[
    str | None,
    _option("--from", metavar="oci:DIR", panel=_INPUT, help="Take the images from a layout that a run has filled."),
]
Strict = Annotated[bool, _flag("--strict", panel=_CONF, help="Take warnings about registries.conf for errors.")]
AllMirrors = Annotated[bool, _flag("--all-mirrors", panel=_CONF, help="Use every mirror for tags and digests alike.")]
MirrorsOnly = Annotated[bool, _flag("--mirrors-only", panel=_CONF, help="Never contact an image's original location.")]
Scoped = Annotated[bool, _flag("--scoped", panel=_DEST, help="Keep the source host in the destination path.")]
MaxNestedPaths = Annotated[
    int,
    _option(
        "--max-nested-paths",
        metavar="N",
        least=0,
        panel=_DEST,
        help="At most N path components there, the rest joined with -.",
    ),
]
DestTlsVerify = Annotated[
    str | None,
    _option("--dest-tls-verify", metavar="BOOL", panel=_DEST, help="Require HTTPS and verify certificates there."),
]
Authfile = Annotated[
    str | None, _option("--authfile", metavar="FILE", panel=_ACCESS, help="Credentials for both sides.")
]
SrcAuthfile = Annotated[
    str | None, _option("--src-authfile", metavar="FILE", panel=_ACCESS, help="Credentials for the sources.")
]
DestAuthfile = Annotated[
    str | None, _option("--dest-authfile", metavar="FILE", panel=_ACCESS, help="Credentials for the destination.")
]
SrcCertDir = Annotated[
    str | None, _option("--src-cert-dir", metavar="DIR", panel=_ACCESS, help="Certificates for the sources.")
]
DestCertDir = Annotated[
    str | None, _option("--dest-cert-dir", metavar="DIR", panel=_ACCESS, help="Certificates for the destination.")
]
Policy = Annotated[
    str | None, _option("--policy", metavar="FILE", panel=_ACCESS, help="The trust policy (policy.json).")
]
InsecurePolicy = Annotated[bool, _flag("--insecure-policy", panel=_ACCESS, help="Check no signatures.")]
RemoveSignatures = Annotated[bool, _flag("--remove-signatures", panel=_ACCESS, help="Do not copy signatures.")]
Jobs = Annotated[int, _option("-j", "--jobs", metavar="N", least=1, panel=_RUN, help="Images at a time (8).")]
Retries = Annotated[
    int, _option("--retries", metavar="N", least=0, panel=_RUN, help="More rounds after faults that may pass (2).")
]
Timeout = Annotated[
    str | None, _option("--timeout", metavar="DURATION", panel=_RUN, help="Bound on one attempt (none).")
]
StallTimeout = Annotated[
    str,
    _option("--stall-timeout", metavar="DURATION", panel=_RUN, help="End an attempt that moves nothing so long (60s)."),
]
FailFast = Annotated[bool, _flag("--fail-fast", panel=_RUN, help="Start no more images after the first failure.")]
NoPlan = Annotated[bool, _flag("--no-plan", panel=_RUN, help="Do not read manifests ahead (but for dir: and --from).")]
DryRun = Annotated[bool, _flag("--dry-run", panel=_RUN, help="Everything but the copy.")]
SkopeoPath = Annotated[str | None, _option("--skopeo", metavar="PATH", panel=_RUN, help="The skopeo to run.")]
SkopeoOption = Annotated[
    list[str] | None,
    _many("--skopeo-option", metavar="OPT", panel=_RUN, help="Hand OPT to `skopeo copy` unchanged (--name=value)."),
]
Json = Annotated[bool, _flag("--json", panel=_OUT, help="One JSON document on stdout, nothing else.")]
Report = Annotated[
    Path | None, _option("--report", metavar="FILE", panel=_OUT, help="Write the same document to FILE.")
]
FailedImages = Annotated[
    Path | None, _option("--failed-images", metavar="FILE", panel=_OUT, help="Write what failed to FILE, for -f.")
]
LogDir = Annotated[
    Path | None, _option("--log-dir", metavar="DIR", panel=_OUT, help="Keep skopeo's log of every failed attempt.")
]
RedirectFormat = Annotated[
    Format,
    _option("--format", metavar="FORMAT", panel=_OUT, help=f"{', '.join(Format)} ({Format.REGISTRIES_CONF})."),
]
Quiet = Annotated[bool, _flag("-q", "--quiet", panel=_OUT, help="Only failures.")]
ShowWantedBy = Annotated[
    bool, _flag("-v", "--verbose", panel=_OUT, help="Say below each image, as a comment, who wants it (-c).")
]
Verbose = Annotated[bool, _flag("-v", "--verbose", panel=_OUT, help="Every attempt.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class PullOptions:
    """What is said on the command line of how catalogs are pulled, or from which layout they are taken.

    `configuration` is read only where one is pulled.
    """

    configuration: Callable[[], Configuration]
    mirrors_only: bool
    authfile: str | None
    src_authfile: str | None
    src_cert_dir: str | None
    policy: str | None
    insecure_policy: bool
    retries: int
    timeout: str | None
    stall_timeout: str
    skopeo: str | None
    log_dir: Path | None = None
    from_layout: Path | None = None


_SECRET: Final = re.compile(r"(?<!no-)creds|password|token|username|passphrase(?!-file)")
_OWNED: Final = frozenset(
    {
        *("a", "all", "multi-arch", "preserve-digests", "digestfile", "f", "format", "additional-tag"),
        *("registries-conf", "registries-conf-dir", "registries.d", "debug", "policy", "insecure-policy"),
        *("src-tls-verify", "dest-tls-verify", "tls-verify", "authfile", "src-authfile", "dest-authfile"),
        *("src-cert-dir", "dest-cert-dir", "cert-dir", "remove-signatures", "command-timeout", "tmpdir"),
        *("src-shared-blob-dir", "dest-shared-blob-dir", "encryption-key", "encrypt-layer", "decryption-key"),
        *("dest-compress", "dest-decompress", "dest-oci-accept-uncompressed-layers", "dest-compress-format"),
        *("dest-compress-level", "h", "help", "v", "version"),
    }
)
_UNIT: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_BOOLEANS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "f", "F", "false", "False", "FALSE"), False),
}


def refuse_beside(what: str, context: typer.Context, *names: str) -> None:
    """Refuse options that name what an argument names. Raises UsageError where one is typed; a variable may stand."""
    for parameter in context.command.params:
        if parameter.name in names and str(context.get_parameter_source(parameter.name)).endswith("COMMANDLINE"):
            raise UsageError(f"{max(parameter.opts, key=len)} beside {what}: both name what is read; give one of them")


def parse_duration(text: str, option: str) -> float | None:
    """Seconds of a Go-style duration (`90s`, `5m`, `1h30m`); None for `0`: no bound. Raises UsageError."""
    if text in {"", "0"}:
        return None
    if not re.fullmatch(r"(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*", text):
        raise UsageError(f"{option} {shown(text)}: is no duration; write for instance 90s, 5m or 1h30m")
    seconds = sum(float(number) * _UNIT[unit] for number, unit in re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", text))
    return seconds or None


def parse_patience(timeout: str | None, stall_timeout: str) -> Patience:
    """How long an attempt may take. Raises UsageError."""
    return Patience(
        timeout=parse_duration(timeout or "0", "--timeout"),
        stall=parse_duration(stall_timeout, "--stall-timeout"),
    )


def parse_bool(text: str | None, option: str) -> bool | None:
    """A boolean as Go's strconv.ParseBool reads it; None stays None. Raises UsageError."""
    if text is None:
        return None
    if text not in _BOOLEANS:
        raise UsageError(f"{option} {shown(text)}: write true or false")
    return _BOOLEANS[text]


def check_skopeo_options(options: list[str]) -> tuple[str, ...]:
    """The options that may be handed on. Raises UsageError for those that the tool owns or that carry a secret."""
    for option in options:
        match = re.match(r"--([A-Za-z0-9][\w.-]*)", option)
        if match is None:
            raise UsageError(f"--skopeo-option {shown(option)}: is no long option; write --name or --name=value")
        name = match[1]
        if _SECRET.search(name):
            raise UsageError(
                f"--skopeo-option --{name}: a secret has no place on a command line; "
                "use --src-authfile or --dest-authfile"
            )
        if name in _OWNED:
            raise UsageError(f"--skopeo-option --{name}: belongs to the tool; see `skopeo-mirror copy --help`")
    return tuple(options)
