"""Operator catalogs as values: packages, channels and bundles, each read from an image in an OCI layout.

The format is that of File-Based Catalogs (https://olm.operatorframework.io/docs/reference/file-based-catalogs/).
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from skopeo_mirror.errors import InvalidInput, problems_of
from skopeo_mirror.oci_layout import image_digest, open_image, read_index, ref_name
from skopeo_mirror.olm.documents import read_documents
from skopeo_mirror.olm.layers import stream_tree
from skopeo_mirror.olm.semver import Version
from skopeo_mirror.reference import shown, tag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from skopeo_mirror.olm.imageset import OperatorCatalog
    from skopeo_mirror.reference import Digest, Reference

CONFIGS_LABEL = "operators.operatorframework.io.index.configs.v1"
DEFAULT_CONFIGS = "/configs"  # where opm puts them


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """One version of an operator."""

    name: str
    image: str
    version: str | None
    """As written; None where the bundle has no `olm.package` property."""
    related_images: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelEntry:
    """A bundle's place in a channel: which bundles it is the successor of."""

    name: str
    replaces: str | None = None
    skips: tuple[str, ...] = ()
    skip_range: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """A line of updates within a package."""

    name: str
    entries: tuple[ChannelEntry, ...]


@dataclass(frozen=True, kw_only=True)
class Package:
    """An operator: its channels and bundles by name."""

    name: str
    default_channel: str | None
    channels: Mapping[str, Channel]
    bundles: Mapping[str, Bundle]

    @cached_property
    def versions(self) -> Mapping[str, Version]:
        """The versions of the bundles by name; those without a semantic one are left out."""
        versions = {}
        for bundle in self.bundles.values():
            with suppress(ValueError):
                versions[bundle.name] = Version.parse(bundle.version or "")
        return versions


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """All packages of a catalog, by name in alphabetical order."""

    packages: Mapping[str, Package]


def read_operators(
    operator: OperatorCatalog,
    pulled: Callable[[Reference], AbstractContextManager[tuple[Digest, Path]]],
    within: Path | None = None,
) -> tuple[Digest, Catalog]:
    """A catalog and its digest: from the layout `within` if there is one, from `oci://PATH`, else pulled.

    `pulled` gives the digest of an image and a layout that holds it while the block lasts.
    Raises InvalidInput where the catalog is broken, and whatever `pulled` raises.
    """
    name = None if within is None else _name_within(within, operator.called())
    place: AbstractContextManager[tuple[Digest | None, Path]]
    if found_in := within or operator.layout:
        place = nullcontext((None, found_in))
    else:
        assert operator.reference is not None  # noqa: S101 - it lies in no layout
        place = pulled(operator.reference)
    with place as (digest, layout), problems_of(operator.catalog):
        return digest or image_digest(layout, name), read_catalog(layout, name)


def _name_within(layout: Path, reference: Reference) -> str:
    """What a catalog is called in a layout that an earlier run filled: one by digest may be rebuilt, by a tag."""
    if reference.tag is not None:
        return str(reference)
    names = {ref_name(entry) for entry in (read_index(layout) or {"manifests": []})["manifests"]}
    rebuilt = str(reference.under(tag_of(reference)))
    return rebuilt if rebuilt in names else str(reference)


def read_catalog(layout: Path, name: str | None = None) -> Catalog:
    """Read the catalog image called `name` (a digest or the layout's own name for it; None: the only one).

    Raises InvalidInput for a layout, image or catalog that cannot be read, and for a hostile one.
    """
    reading = _Reading()
    for path, document in stream_documents(layout, name):
        reading.add(path, document)
    return reading.catalog()


def stream_documents(
    layout: Path, name: str | None = None, *, whole: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the documents of that image, each with the path of its file; `whole`, or what a mirror needs of them.

    Raises InvalidInput as `read_catalog`.
    """
    image = open_image(layout, name)
    try:
        for file in stream_tree(image.layers, image.labels.get(CONFIGS_LABEL, DEFAULT_CONFIGS)):
            for document in read_documents(file, file.path, whole=whole):
                yield file.path, document
    except OSError as error:
        raise InvalidInput([f"{layout} cannot be read: {error}"]) from error


@dataclass(kw_only=True, slots=True)
class _Reading:
    """What was read so far; documents come in any order, and over several files."""

    default_channels: dict[str, str | None] = field(default_factory=dict)
    channels: dict[str, dict[str, Channel]] = field(default_factory=lambda: defaultdict(dict))
    bundles: dict[str, dict[str, Bundle]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, path: str, document: Mapping[str, Any]) -> None:
        match document.get("schema"):
            case None:
                raise InvalidInput([f"{path}: a document without `schema`: {_summary(document)}"])
            case "olm.package":
                name = _named(path, document, "name")
                _put(self.default_channels, name, document.get("defaultChannel") or None, f"{path}: the package")
            case "olm.channel":
                channels = self.channels[_named(path, document, "package")]
                name = _named(path, document, "name")
                entries = tuple(_entry(path, item) for item in mappings(document, "entries"))
                _put(channels, name, Channel(name=name, entries=entries), f"{path}: the channel")
            case "olm.bundle":
                bundles = self.bundles[_named(path, document, "package")]
                bundle = _bundle(path, document)
                _put(bundles, bundle.name, bundle, f"{path}: the bundle")

    def catalog(self) -> Catalog:
        """Put the packages together; raise InvalidInput for channels and bundles of packages that do not exist."""
        lost = sorted((self.channels.keys() | self.bundles.keys()) - self.default_channels.keys())
        if lost:
            raise InvalidInput(
                [f"the catalog has channels or bundles of {shown(name)}, but no such package" for name in lost]
            )
        if not self.default_channels:
            raise InvalidInput(["the catalog has no packages"])
        packages = (
            Package(
                name=name,
                default_channel=default_channel,
                channels=dict(sorted(self.channels[name].items())),
                bundles=self.bundles[name],
            )
            for name, default_channel in sorted(self.default_channels.items())
        )
        return Catalog(packages={package.name: package for package in packages})


def _put(values: dict[str, Any], name: str, value: Any, what: str) -> None:
    if name in values:
        raise InvalidInput([f"{what} {shown(name)} is in the catalog twice"])
    values[name] = value


def _bundle(path: str, document: Mapping[str, Any]) -> Bundle:
    versions = (
        item["value"].get("version")
        for item in mappings(document, "properties")
        if item.get("type") == "olm.package" and isinstance(item.get("value"), dict)
    )
    images = (image for item in mappings(document, "relatedImages") if (image := item.get("image")))
    return Bundle(
        name=_named(path, document, "name"),
        image=document.get("image") or "",
        version=next(filter(None, versions), None),
        related_images=tuple(dict.fromkeys(images)),
    )


def _entry(path: str, item: Mapping[str, Any]) -> ChannelEntry:
    return ChannelEntry(
        name=_named(path, item, "name"),
        replaces=item.get("replaces") or None,
        skips=tuple(name for name in item.get("skips") or () if name),
        skip_range=item.get("skipRange") or None,
    )


def mappings(document: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """The mappings in a list of a document's; none where it is no list."""
    items = document.get(key)
    return (item for item in (items if isinstance(items, list) else ()) if isinstance(item, dict))


def _named(path: str, document: Mapping[str, Any], key: str) -> str:
    """Return the name under `key`; names are printed, so that one with control characters is refused."""
    name = document.get(key)
    if not isinstance(name, str) or not name:
        raise InvalidInput([f"{path}: `{key}` is missing or no text: {_summary(document)}"])
    if not name.isprintable():
        raise InvalidInput([f"{path}: the name {shown(name)} has control characters in it"])
    return name


def _summary(document: Mapping[str, Any]) -> str:
    return shown(
        ", ".join(f"{key}: {value}" for key, value in document.items() if isinstance(value, str)) or "no fields"
    )
