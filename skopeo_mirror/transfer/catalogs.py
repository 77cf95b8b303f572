"""Operator catalogs, brought into a temporary layout so that they can be read: each is pulled as any image is."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skopeo_mirror.errors import CatalogUnavailable
from skopeo_mirror.files import private_directory, temporary_directory
from skopeo_mirror.manifest import parse_manifest
from skopeo_mirror.oci_layout import blob_file, write_layout
from skopeo_mirror.reference import Digest
from skopeo_mirror.skopeo.dropins import ambient_dropins
from skopeo_mirror.skopeo.policy import policy_in_force
from skopeo_mirror.skopeo.scoped import ScopedSkopeo
from skopeo_mirror.transfer.auditing import audit_sources
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.credentials import check_credentials
from skopeo_mirror.transfer.destination.directory import SOURCE, DirectoryDestination
from skopeo_mirror.transfer.destination.naming import NamingRules
from skopeo_mirror.transfer.engine import Retrying, Warned
from skopeo_mirror.transfer.jobs import Wanted
from skopeo_mirror.transfer.manifests import ManifestReader
from skopeo_mirror.transfer.pinning import resolve
from skopeo_mirror.transfer.run import Request, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from skopeo_mirror.reference import PinnedReference, Reference
    from skopeo_mirror.registries_conf.model import Configuration
    from skopeo_mirror.skopeo.command import Skopeo
    from skopeo_mirror.skopeo.settings import Settings
    from skopeo_mirror.transfer.engine import News
    from skopeo_mirror.transfer.sourcing import Sourcing
    from skopeo_mirror.transfer.stopping import Stop


@dataclass(frozen=True, kw_only=True, slots=True)
class PulledCatalog:
    """A catalog at the digest that it had, and an OCI layout with one image of it."""

    reference: PinnedReference
    layout: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogPuller:
    """Pulls catalogs through registries.conf, failing over and retrying as a run does."""

    skopeo: Skopeo
    settings: Settings
    configuration: Configuration
    sourcing: Sourcing
    retries: int = 2
    log_dir: Path | None = None

    @contextmanager
    def pull(self, catalog: Reference, *, stop: Stop, tell: Callable[[News], None]) -> Iterator[PulledCatalog]:
        """Bring `catalog` into a layout that is gone when the block ends.

        Of an index only the first image is brought: the files of a catalog are the same for all platforms. But all of
        it where a signature policy has a say in it, which skopeo decides on as a whole.
        Raises CatalogUnavailable where no candidate serves it.
        """
        with private_directory(temporary_directory()) as directory:
            pinned, wanted = self._resolve(catalog, directory)
            result = run(
                Request(
                    wanted=[wanted],
                    skopeo=self.skopeo,
                    settings=self.settings,
                    configuration=self.configuration,
                    sourcing=self.sourcing,
                    # dir: and not oci:, which cannot hold Docker's image types unchanged
                    destination=DirectoryDestination(directory / "pulled", NamingRules()),
                    jobs=1,
                    retries=self.retries,
                    plans=False,
                    log_dir=self.log_dir,
                ),
                stop=stop,
                tell=lambda news: tell(news) if isinstance(news, Retrying | Warned) else None,
            )
            [copied] = result.images
            if copied.error is not None or copied.digest is None:
                raise CatalogUnavailable(f"{catalog}: the catalog could not be pulled: {copied.error}")
            pulled = next((directory / "pulled").rglob("manifest.json")).parent
            yield PulledCatalog(reference=pinned, layout=_as_layout(pulled, directory / "layout", copied.digest))

    def _resolve(self, catalog: Reference, directory: Path) -> tuple[PinnedReference, Wanted]:
        """The catalog at its digest, and what of it is to be brought: a tag's candidates are asked for it."""
        audit_sources([catalog], self.sourcing, ambient_dropins(self.skopeo), self.settings.credential_helpers)
        check_credentials([(catalog, None)], self.sourcing, self.settings, self.skopeo.environment)
        reader = ManifestReader(
            scoped=ScopedSkopeo(skopeo=self.skopeo, directory=directory, settings=self.settings),
            circuits=Circuits(),
            retries=self.retries,
        )
        probe = resolve(catalog, reader, self.sourcing)
        if isinstance(probe, str):
            raise CatalogUnavailable(f"{catalog}: the catalog could not be pulled: {probe}")
        pinned = catalog.pin(catalog.digest or probe.digest)
        children = parse_manifest(probe.manifest).children
        policy = policy_in_force(self.settings, self.skopeo)
        first = children[0].digest if children else pinned.digest
        if any(
            policy.has_a_say(catalog, digest) or policy.has_a_say(catalog.pin(digest), digest)
            for digest in (pinned.digest, first)
        ):
            return pinned, Wanted(image=catalog, digest=pinned.digest)
        return pinned, Wanted(image=catalog if catalog.digest is None else catalog.pin(first), digest=first)


def _as_layout(pulled: Path, layout: Path, digest: Digest) -> Path:
    """Make an OCI layout of what skopeo's `dir:` transport wrote, by renaming.

    Files there are called `HEX` or `ALGORITHM-HEX`, an index's manifests have `.manifest.json` after it.
    """
    for file in [path for path in pulled.iterdir() if path.name not in {"version", SOURCE}]:
        algorithm, _, hex_ = file.name.removesuffix(".manifest.json").rpartition("-")
        whose = digest if file.name == "manifest.json" else Digest(algorithm=algorithm or "sha256", hex=hex_)
        blob = blob_file(layout, whose)
        blob.parent.mkdir(parents=True, exist_ok=True)
        file.rename(blob)
    write_layout(layout, {"digest": str(digest)})
    return layout
