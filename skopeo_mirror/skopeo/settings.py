"""Settings of skopeo beside the images, as values: apart from what runs it, for the command line loads this always."""

from __future__ import annotations

from dataclasses import dataclass, field

from skopeo_mirror.registries_conf.model import AUTH_FILES
from skopeo_mirror.skopeo.supervision import Timeouts


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Access to one side: its auth file and its certificate directory."""

    authfile: str | None = None
    cert_dir: str | None = None

    def options(self, prefix: str = "") -> list[str]:
        """The options of `skopeo copy` (`prefix` is `src-` or `dest-`) or of `skopeo inspect` (no prefix)."""
        options = []
        if self.authfile is not None:
            options += [f"--{prefix}authfile", self.authfile]
        if self.cert_dir is not None:
            options += [f"--{prefix}cert-dir", self.cert_dir]
        return options


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What skopeo is told beside the images."""

    source: Access = field(default_factory=Access)
    destination: Access = field(default_factory=Access)
    policy: str | None = None
    insecure_policy: bool = False
    remove_signatures: bool = False
    extra: tuple[str, ...] = ()
    """Options of the user's own."""
    credential_helpers: tuple[str, ...] = AUTH_FILES
    """Those of the configuration in force."""
    timeouts: Timeouts = field(default_factory=Timeouts)

    def global_options(self) -> list[str]:
        """The options that stand before the subcommand."""
        options = ["--debug"]
        if self.policy is not None:
            options += ["--policy", self.policy]
        if self.insecure_policy:
            options.append("--insecure-policy")
        return options
