"""The choice of a destination, from the DESTINATION argument."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from skopeo_mirror.errors import DestinationRefused, UsageError
from skopeo_mirror.reference import shown
from skopeo_mirror.transfer.destination.directory import DirectoryDestination
from skopeo_mirror.transfer.destination.layout import LayoutDestination
from skopeo_mirror.transfer.destination.registry import RegistryDestination

if TYPE_CHECKING:
    from skopeo_mirror.registries_conf.routing import Router
    from skopeo_mirror.skopeo.settings import Access
    from skopeo_mirror.transfer.destination.place import Destination, NamingRules


def parse_destination(
    text: str, *, router: Router, access: Access, tls_verify: bool | None, rules: NamingRules
) -> Destination:
    """Read `docker://host[:port][/path]`, `oci:DIR` or `dir:DIR`. Raises UsageError or DestinationRefused."""

    def registry(below: str) -> RegistryDestination:
        return RegistryDestination.parse(below, router=router, access=access, given_tls_verify=tls_verify, rules=rules)

    if text.startswith("docker://"):
        return registry(text.removeprefix("docker://"))
    transport, colon, path = text.partition(":")
    if not colon or transport not in {"oci", "dir"}:
        try:
            meant = registry(re.sub(r"^(docker:/?|https?://)", "", text)).name
        except DestinationRefused:
            meant = "docker://HOST[:PORT][/PATH]"
        plain = " with --dest-tls-verify=false" if transport == "http" else ""
        raise UsageError(f"{shown(text)} is no destination: write {meant}{plain}, oci:DIR or dir:DIR")
    if not path:
        raise UsageError(f"{shown(text)} names no directory")
    directory = Path(path)
    if directory.exists() and not directory.is_dir():
        raise DestinationRefused(f"{text}: {directory} is no directory")
    return LayoutDestination(directory) if transport == "oci" else DirectoryDestination(directory, rules)
