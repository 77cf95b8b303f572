"""Operator catalogs and release images, brought into a temporary layout to be read: each is pulled as any image is."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import CatalogUnavailable
from skopeo_mirror.files import private_directory, temporary_directory
from skopeo_mirror.manifest import parse_manifest
from skopeo_mirror.oci_layout import new_blob_file, write_layout
from skopeo_mirror.reference import Digest
from skopeo_mirror.request import ImageRequest
from skopeo_mirror.skopeo.policy import policy_in_force
from skopeo_mirror.transfer.destination.directory import SOURCE, DirectoryDestination
from skopeo_mirror.transfer.destination.place import NamingRules
from skopeo_mirror.transfer.news import Retrying, Warned
from skopeo_mirror.transfer.pinning import audited_reader, resolve
from skopeo_mirror.transfer.run import run
from skopeo_mirror.transfer.sourcing import find_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from skopeo_mirror.reference import Reference
    from skopeo_mirror.transfer.engine import Stop
    from skopeo_mirror.transfer.news import News
    from skopeo_mirror.transfer.run import RunSettings


@contextmanager
def pulled_catalog(
    catalog: Reference,
    settings: RunSettings,
    *,
    stop: Stop,
    tell: Callable[[News], None],
    kind: str = "catalog",
    whole: bool = False,
) -> Iterator[tuple[Digest, Path]]:
    """Bring `catalog` into a layout that is gone when the block ends; its digest, and that layout.

    Of an index only the first image is brought: the files of a catalog, or of a release, are the same for all
    platforms. But all of it with `whole`, and where a signature policy has a say in it, which skopeo decides on as a
    whole. `kind` is what messages call it.
    Raises CatalogUnavailable where no candidate serves it.
    """
    with private_directory(temporary_directory()) as directory:
        digest, request = _resolve(catalog, settings, directory, kind, entire=whole)
        result = run(
            [request],
            # dir: and not oci:, which has no room for the signatures that registries.d may bring along
            DirectoryDestination(directory / "pulled", NamingRules()),
            replace(settings, plans=False, platforms=()),
            stop=stop,
            tell=lambda news: tell(news) if isinstance(news, Retrying | Warned) else None,
        )
        [copied] = result.images
        if copied.error is not None or copied.digest is None:
            raise CatalogUnavailable(f"{catalog}: the {kind} could not be pulled: {copied.error}")
        pulled = next((directory / "pulled").rglob("manifest.json")).parent
        yield digest, _as_layout(pulled, directory / "layout", copied.digest)


def _resolve(
    catalog: Reference, settings: RunSettings, directory: Path, kind: str, *, entire: bool
) -> tuple[Digest, ImageRequest]:
    """The digest of a catalog, and what of it is to be brought: a tag's candidates are asked for it."""
    sources = find_sources(ImageRequest(reference=catalog), settings.sourcing)
    probe = resolve(catalog, sources, audited_reader([sources], [sources], settings, directory))
    if isinstance(probe, str):
        raise CatalogUnavailable(f"{catalog}: the {kind} could not be pulled: {probe}")
    whole = catalog.digest or probe.digest
    children = parse_manifest(probe.manifest).children
    policy = policy_in_force(settings.skopeo_settings, settings.skopeo)
    first = children[0].digest if children else whole
    if entire or any(
        policy.has_a_say(catalog, digest) or policy.has_a_say(catalog.pin(digest), digest) for digest in (whole, first)
    ):
        return whole, ImageRequest(reference=catalog, digest=whole)
    return whole, ImageRequest(reference=catalog if catalog.digest is None else catalog.pin(first), digest=first)


def _as_layout(pulled: Path, layout: Path, digest: Digest) -> Path:
    """Make an OCI layout of what skopeo's `dir:` transport wrote, by renaming.

    Files there are called `HEX` or `ALGORITHM-HEX`, an index's manifests have `.manifest.json` after it.
    """
    for file in [path for path in pulled.iterdir() if path.name not in {"version", SOURCE}]:
        algorithm, _, hex_ = file.name.removesuffix(".manifest.json").rpartition("-")
        whose = digest if file.name == "manifest.json" else Digest(algorithm=algorithm or "sha256", hex=hex_)
        file.rename(new_blob_file(layout, whose))
    write_layout(layout, {"digest": str(digest)})
    return layout
