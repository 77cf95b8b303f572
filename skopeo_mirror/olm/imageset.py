"""Image sets: ImageSetConfigurations, the images and operators that somebody had oc-mirror copy.

The fields are those of oc-mirror's types, `v1alpha2` and `v2alpha1`
(https://github.com/openshift/oc-mirror, internal/pkg/api/v2alpha1/type_config.go and v1/pkg/api/v1alpha2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from skopeo_mirror.errors import InvalidInput, InvalidReference, words_of
from skopeo_mirror.olm.catalog_source import read_catalog_source
from skopeo_mirror.olm.go_expressions import compile_go
from skopeo_mirror.olm.release_selection import ReleaseSelection, release_selections
from skopeo_mirror.olm.semver import NO_BOUNDS, VersionBounds
from skopeo_mirror.reference import Reference, shown
from skopeo_mirror.request import tagged
from skopeo_mirror.yaml_fields import Fields, Problems
from skopeo_mirror.yaml_text import read_yaml_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_T = TypeVar("_T")
_KINDS = ("ImageSetConfiguration",)
_VERSIONS = ("mirror.openshift.io/v1alpha2", "mirror.openshift.io/v2alpha1")
_LARGEST = 1 << 20  # bytes
_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}")

_WITHOUT_EFFECT = {
    "archiveSize": "there are no archives here; `copy` to oci:DIR fills a directory",
    "storageConfig": "what was copied is told by the destination",
    "skipDependencies": "dependencies are never added",
    "originalRef": "oc-mirror dropped it as well",
    "platforms": "images are copied whole; --platform takes a part, of all of them",
}
_UNSUPPORTED = {
    "helm": "charts are not read here: use oc-mirror, or list the images of `helm template` as additionalImages",
    "samples": "not copied here, nor by oc-mirror: list the images as additionalImages",
    "targetName": "set `targetCatalog` to the whole path instead",
    "minBundle": "set `minVersion` instead",
    "selectedBundles": "select a bundle by `minVersion` and `maxVersion` instead",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class AdditionalImage:
    """An image; `target_repo` and `target_tag` replace path and tag at the destination."""

    name: str
    """As written."""
    reference: Reference | None = None
    """What it is pulled by; None where it lies in a layout."""
    layout: Path | None = None
    """The OCI layout that it lies in, alone; None where it is pulled."""
    target_repo: str | None = None
    target_tag: str | None = None

    @classmethod
    def parse(cls, text: str) -> AdditionalImage:
        """Read a reference, or `oci://PATH`. Raises InvalidReference."""
        layout = _layout(text)
        return cls(name=text, layout=layout, reference=Reference.parse(text) if layout is None else None)

    def called(self) -> Reference:
        """What the image is called, as a catalog is (`targetRepo`). Raises InvalidInput."""
        return _called(self.name, self.reference, self.layout, ("targetRepo", self.target_repo))


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelSelection:
    """A channel by its name, and the versions that are wanted of it."""

    name: str
    bounds: VersionBounds


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageSelection:
    """A package by its name, and what is wanted of it; without channels, all of them."""

    name: str
    default_channel: str | None = None
    bounds: VersionBounds = NO_BOUNDS
    channels: tuple[ChannelSelection, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatorCatalog:
    """A catalog and what is wanted of it; without packages, all of them."""

    catalog: str
    """As written."""
    reference: Reference | None = None
    """What it is pulled by; None where it lies in a layout."""
    layout: Path | None = None
    """The OCI layout that it lies in; None where it is pulled."""
    packages: tuple[PackageSelection, ...] = ()
    full: bool = False
    """Whether all bundles are wanted, not only the heads."""
    target_catalog: str | None = None
    """The path that the catalog itself is copied to."""
    target_tag: str | None = None
    catalog_source: str | None = None
    """What the CatalogSource for it is to be made of, as JSON."""

    @classmethod
    def parse(cls, text: str) -> OperatorCatalog:
        """Read a reference, or `oci://PATH`; nothing is selected yet. Raises InvalidReference."""
        layout = _layout(text)
        return cls(catalog=text, layout=layout, reference=Reference.parse(text) if layout is None else None)

    def called(self) -> Reference:
        """What the catalog is called: its reference; from `oci://PATH`, `localhost/NAME:latest`.

        `localhost` as podman calls what is from no registry; NAME is `targetCatalog`, else the last part of the path
        (as in oc-mirror). Raises InvalidInput where that is no name for a repository.
        """
        return _called(self.catalog, self.reference, self.layout, ("targetCatalog", self.target_catalog))


def _layout(text: str) -> Path | None:
    """The layout that `oci://PATH` names."""
    return Path(text.removeprefix("oci:").removeprefix("//")) if text.startswith("oci:") else None


def _called(text: str, reference: Reference | None, layout: Path | None, target: tuple[str, str | None]) -> Reference:
    if reference is not None:
        return tagged(reference)
    assert layout is not None  # noqa: S101 - one of both is set
    field, path = target
    name = path or layout.resolve().name
    try:
        return Reference.parse(f"localhost/{name}:latest")
    except InvalidReference as error:
        raise InvalidInput([f"{text}: {shown(name)} is no name for a repository; set `{field}`"]) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSet:
    """What an ImageSetConfiguration asks for, and the warnings to print about it."""

    additional_images: tuple[AdditionalImage, ...] = ()
    operators: tuple[OperatorCatalog, ...] = ()
    releases: tuple[ReleaseSelection, ...] = ()
    blocked_images: tuple[re.Pattern[str], ...] = ()
    warnings: tuple[str, ...] = ()

    def blocks(self, *references: str) -> bool:
        """Whether a blocked image's name or expression is found in one of `references` (origin and destination).

        Unanchored, and without the transport, as oc-mirror v2 does.
        """
        bare = [reference.partition("://")[2] or reference for reference in references]
        return any(pattern.search(reference) for pattern in self.blocked_images for reference in bare)


def parse_imageset(path: Path, *, skip_unsupported: bool = False) -> ImageSet:
    """Read the file; raise InvalidInput with all its problems at once, each with file, line and field.

    With `skip_unsupported`, what this tool does not do is a warning. Raises UsageError where the YAML library, the
    extra `olm`, is not installed.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise InvalidInput([f"{path}: cannot be read: {error.strerror}"]) from error
    if len(content) > _LARGEST:
        raise InvalidInput([f"{path}: larger than {_LARGEST >> 20} MiB: no image set is"])
    problems = Problems(file=str(path), skips_unsupported=skip_unsupported)
    root = read_yaml_document(content, str(path))
    if not isinstance(root.value, dict):
        raise InvalidInput([f"{path}:{root.line}: is no ImageSetConfiguration; name a list of images with -f FILE"])
    image_set = _image_set(Fields.of(root, "", problems))
    return replace(image_set, warnings=problems.settle())


def _image_set(root: Fields) -> ImageSet:
    _known(root, "kind", "apiVersion", "metadata", "mirror", "archiveSize", "storageConfig")
    for name, known in (("kind", _KINDS), ("apiVersion", _VERSIONS)):
        if (text := root.required(name)) not in ("", *known):
            root.problem(name, f"expected {' or '.join(known)}, not {shown(text)}")
    mirror = root.mapping("mirror")
    _known(mirror, "additionalImages", "operators", "blockedImages", "platform", "helm", "samples")
    return ImageSet(
        additional_images=tuple(filter(None, map(_additional_image, mirror.mappings("additionalImages")))),
        operators=_operator_catalogs(mirror.mappings("operators")),
        releases=release_selections(mirror.mapping("platform")) if mirror.has("platform") else (),
        blocked_images=tuple(filter(None, map(_blocked_image, mirror.mappings("blockedImages")))),
    )


def _known(fields: Fields, *names: str) -> None:
    """Note unknown fields, and what a known one does not do here."""
    fields.only(*names)
    for name in names:
        if not fields.has(name):
            continue
        if name in _WITHOUT_EFFECT:
            fields.warning(name, f"has no effect: {_WITHOUT_EFFECT[name]}")
        elif name in _UNSUPPORTED:
            fields.unsupported(name, _UNSUPPORTED[name])


def _additional_image(fields: Fields) -> AdditionalImage | None:
    _known(fields, "name", "targetRepo", "targetTag", "platforms")
    image = _parsed(fields, "name", AdditionalImage.parse)
    target_repo, target_tag = _target(fields, "targetRepo", _PATH), _target(fields, "targetTag", _TAG)
    return None if image is None else replace(image, target_repo=target_repo, target_tag=target_tag)


def _blocked_image(fields: Fields) -> re.Pattern[str] | None:
    fields.only("name")
    try:
        return compile_go(name) if (name := fields.required("name")) else None
    except ValueError as error:
        fields.problem("name", f"no regular expression: {error}")
        return None


def _operator_catalogs(operators: Iterable[Fields]) -> tuple[OperatorCatalog, ...]:
    """Read the catalogs; note one that is there twice, under the same name at the destination."""
    found: dict[tuple[Reference | Path | None, str | None, str | None], OperatorCatalog] = {}
    for fields in operators:
        catalog = _operator_catalog(fields)
        source = catalog.layout if catalog.reference is None else tagged(catalog.reference)
        key = (source, catalog.target_catalog, catalog.target_tag)
        if source is not None and key in found:
            fields.problem("catalog", f"{shown(catalog.catalog)} is there twice: name all its packages in one place")
        found.setdefault(key, catalog)
    return tuple(found.values())


def _operator_catalog(fields: Fields) -> OperatorCatalog:
    _known(
        fields,
        *("catalog", "full", "packages", "targetCatalog", "targetTag"),
        *("targetName", "originalRef", "skipDependencies", "targetCatalogSourceTemplate", "platforms"),
    )
    catalog = _parsed(fields, "catalog", OperatorCatalog.parse) or OperatorCatalog(catalog="")
    return replace(
        catalog,
        packages=tuple(map(_package_selection, fields.named_mappings("packages"))),
        full=fields.flag("full"),
        target_catalog=_target(fields, "targetCatalog", _PATH),
        target_tag=_target(fields, "targetTag", _TAG),
        catalog_source=_catalog_source(fields, "targetCatalogSourceTemplate"),
    )


def _catalog_source(fields: Fields, name: str) -> str | None:
    """Read the template; a file that is not there is a warning, as for oc-mirror."""
    file = fields.text(name)
    try:
        return None if file is None else read_catalog_source(Path(file))
    except InvalidInput as error:
        for problem in error.problems:
            fields.problem(name, problem)
    except OSError as error:
        fields.warning(name, f"has no effect: {words_of(error)}")
    return None


def _package_selection(fields: Fields) -> PackageSelection:
    _known(
        fields,
        *("name", "channels", "defaultChannel", "minVersion", "maxVersion", "minBundle", "selectedBundles"),
    )
    return PackageSelection(
        channels=tuple(map(_channel_selection, fields.named_mappings("channels"))),
        name=fields.required("name"),
        default_channel=fields.text("defaultChannel"),
        bounds=_bounds(fields),
    )


def _channel_selection(fields: Fields) -> ChannelSelection:
    _known(fields, "name", "minVersion", "maxVersion", "minBundle")
    return ChannelSelection(name=fields.required("name"), bounds=_bounds(fields))


def _bounds(fields: Fields) -> VersionBounds:
    minimum, maximum = fields.text("minVersion"), fields.text("maxVersion")
    try:
        bounds = VersionBounds.parse(minimum, maximum)
    except ValueError as error:
        fields.problem("maxVersion" if str(error).startswith("maxVersion") else "minVersion", str(error))
        return NO_BOUNDS
    if bounds.is_empty:
        fields.problem("maxVersion", f"{maximum} is below minVersion {minimum}")
    return bounds


def _parsed(fields: Fields, name: str, parse: Callable[[str], _T]) -> _T | None:
    text = fields.required(name)
    try:
        return parse(text) if text else None
    except InvalidReference as error:
        fields.problem(name, str(error))
        return None


def _target(fields: Fields, name: str, form: re.Pattern[str]) -> str | None:
    text = fields.text(name)
    if text is not None and not form.fullmatch(text):
        fields.problem(
            name, f"{shown(text)} is no {'tag' if form is _TAG else 'repository path (no host, tag or digest)'}"
        )
    return text
