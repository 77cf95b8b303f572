"""What of a catalog stays in one that offers only what was selected: its documents, and the two layers of these."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.files import hash_regular
from skopeo_mirror.olm.file_based_catalog import DEFAULT_CONFIGS, mappings
from skopeo_mirror.reference import Digest, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from skopeo_mirror.olm.file_based_catalog import Catalog, ChannelEntry
    from skopeo_mirror.olm.imageset import OperatorCatalog
    from skopeo_mirror.request import WantedBy

_CONFIGS: Final = DEFAULT_CONFIGS.removeprefix("/")


@dataclass(frozen=True, kw_only=True)
class KeptPackage:
    """What is kept of a package."""

    channels: Mapping[str, frozenset[str]]
    """The entries, which are bundles, by channel."""
    default_channel: str | None
    """The channel that is to be the default instead; None: the one that is."""

    @cached_property  # every document asks
    def bundles(self) -> frozenset[str]:
        """The bundles of all channels."""
        return frozenset().union(*self.channels.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLayer:
    """A layer in a file of its own."""

    file: Path
    digest: Digest
    size: int
    """In bytes, compressed."""
    diff_id: Digest
    """The digest of the tar inside."""
    purpose: str
    """For the image's history."""


def kept_packages(catalog: Catalog, wanted: OperatorCatalog, selected: Iterable[WantedBy]) -> dict[str, KeptPackage]:
    """What stays of `catalog`, by package, where `selected` was selected.

    Raises InvalidInput for what cannot be offered so: a channel that would have several heads is one that OLM refuses.
    """
    entries: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for by in selected:
        entries[by.package][by.channel].add(by.bundle)
    defaults = {package.name: package.default_channel for package in wanted.packages}
    problems = [] if entries else ["nothing is selected, and so there is nothing to offer"]
    for package, channels in entries.items():
        if "/" in package or package.startswith("."):
            problems.append(f"package {shown(package)}: no directory can be called so")
        for channel, names in channels.items():
            entries_before = catalog.packages[package].channels[channel].entries
            heads = _heads(entry for entry in entries_before if entry.name in names)
            if len(heads) > max(1, len(_heads(entries_before))):
                problems.append(
                    f"package {package}: channel {channel}: with what is selected alone it has {len(heads)} heads "
                    f"({', '.join(heads)}), which OLM refuses; select what lies between them, too"
                )
    if problems:
        raise InvalidInput(problems)
    return {
        package: KeptPackage(
            channels={channel: frozenset(names) for channel, names in channels.items()},
            default_channel=defaults.get(package),
        )
        for package, channels in entries.items()
    }


def _heads(entries: Iterable[ChannelEntry]) -> list[str]:
    """The entries that no other replaces or skips; that is all that opm looks at."""
    entries = [*entries]
    older = {name for entry in entries for name in (entry.replaces, *entry.skips)}
    return [entry.name for entry in entries if entry.name not in older]


def filtered(document: Mapping[str, Any], kept: Mapping[str, KeptPackage]) -> tuple[str, Mapping[str, Any]] | None:
    """What stays of a document, and the package that it is of; None where nothing does."""
    schema, name = document.get("schema"), document.get("name")
    package = str(name if schema == "olm.package" else document.get("package"))
    if (one := kept.get(package)) is None:
        return None
    match schema:
        case "olm.package" if one.default_channel is not None:
            return package, {**document, "defaultChannel": one.default_channel}
        case "olm.channel":
            names = one.channels.get(str(name), frozenset[str]())
            entries = [entry for entry in mappings(document, "entries") if entry.get("name") in names]
            return (package, {**document, "entries": entries}) if entries else None
        case "olm.bundle":
            return (package, document) if name in one.bundles else None
        case "olm.deprecations":
            entries = [entry for entry in mappings(document, "entries") if _offered(entry.get("reference"), one)]
            return (package, {**document, "entries": entries}) if entries else None
    return package, document


def _offered(reference: Any, kept: KeptPackage) -> bool:
    """Whether a deprecation is of something that is kept."""
    if not isinstance(reference, dict):
        return False
    names = {"olm.channel": kept.channels.keys(), "olm.bundle": kept.bundles}.get(str(reference.get("schema")))
    return names is None or str(reference.get("name")) in names


def write_layers(
    documents: Iterable[Mapping[str, Any]], kept: Mapping[str, KeptPackage], directory: Path
) -> tuple[NewLayer, NewLayer]:
    """Write two layers below `directory`: one takes /configs away, the other brings what stays of `documents`.

    Equal documents make equal bytes. Raises OSError.
    """
    texts = directory / "documents"
    texts.mkdir()
    numbers = {package: texts / str(number) for number, package in enumerate(sorted(kept))}
    for document in documents:
        if (found := filtered(document, kept)) is not None:
            package, left = found
            with numbers[package].open("ab") as file:
                file.write(json.dumps(left, separators=(",", ":")).encode() + b"\n")
    empty = directory / "empty"
    empty.touch()
    removed = _layer(directory / "removed", {f".wh.{_CONFIGS}": empty}, f"removes {DEFAULT_CONFIGS}")
    files: dict[str, Path | None] = {_CONFIGS: None}
    for package, text in numbers.items():
        files |= {f"{_CONFIGS}/{package}": None, f"{_CONFIGS}/{package}/catalog.json": text}
    return removed, _layer(directory / "added", files, f"adds what was selected to {DEFAULT_CONFIGS}")


def _layer(layer: Path, files: Mapping[str, Path | None], purpose: str) -> NewLayer:
    """Write a layer of files, and of directories (None), in their order."""
    plain = layer.with_suffix(".tar")
    with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            else:
                member.size, member.mode = content.stat().st_size, 0o644
                with content.open("rb") as file:
                    archive.addfile(member, file)
    with plain.open("rb") as tar, layer.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as compressed:
        shutil.copyfileobj(tar, compressed)
    diff_id = hash_regular(plain, "sha256")
    plain.unlink()
    return NewLayer(
        file=layer,
        digest=Digest(algorithm="sha256", hex=hash_regular(layer, "sha256")),
        size=layer.stat().st_size,
        diff_id=Digest(algorithm="sha256", hex=diff_id),
        purpose=purpose,
    )
