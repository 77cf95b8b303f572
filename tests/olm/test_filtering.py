"""Catalogs that offer what was selected alone: what stays of the documents, the layers, the images."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.oci_layout import image_digest
from skopeo_mirror.olm.file_based_catalog import read_catalog
from skopeo_mirror.olm.filtered_catalogs import FilteredCatalogs
from skopeo_mirror.olm.filtering import KeptPackage, filtered, kept_packages, write_layers
from skopeo_mirror.olm.imageset import ChannelSelection, OperatorCatalog, PackageSelection
from skopeo_mirror.olm.rebuilt_image import rebuild
from skopeo_mirror.olm.selection import heads_beyond, select
from skopeo_mirror.olm.semver import NO_BOUNDS, Version, VersionBounds
from skopeo_mirror.olm.set_images import catalog_image
from skopeo_mirror.reference import Digest
from skopeo_mirror.request import ImageRequest, WantedBy

from .catalogs import (
    INDEX,
    LABEL,
    MANIFEST,
    Document,
    Member,
    as_json,
    as_yaml,
    bundle,
    channel,
    entry,
    layer,
    line,
    package,
    sample,
    write_blob,
    write_index,
)

KEPT = {
    "op": KeptPackage(channels={"a": frozenset({"op.v2"}), "b": frozenset({"op.v1", "op.v2"})}, default_channel=None)
}
DEPRECATIONS: Document = {
    "schema": "olm.deprecations",
    "package": "alpha",
    "entries": [
        {"reference": {"schema": "olm.package"}, "message": "all"},
        {"reference": {"schema": "olm.channel", "name": "old"}, "message": "old"},
        {"reference": {"schema": "olm.channel", "name": "stable"}, "message": "stable"},
        {"reference": {"schema": "olm.bundle", "name": "alpha.v2.2.0"}, "message": "2.2.0"},
        {"reference": {"schema": "olm.bundle", "name": "alpha.v1.0.0"}, "message": "1.0.0"},
    ],
}


@pytest.mark.parametrize(
    ("document", "left"),
    [
        pytest.param({"schema": "olm.package", "name": "op", "icon": {"a": 1}}, ..., id="package"),
        pytest.param({"schema": "olm.package", "name": "other"}, None, id="other-package"),
        pytest.param({"schema": "olm.package"}, None, id="no-name"),
        pytest.param(channel("op", "c", entry("op.v2")), None, id="other-channel"),
        pytest.param(
            channel("op", "a", entry("op.v1"), entry("op.v2", "op.v1", ["op.v0"], "<2")),
            channel("op", "a", entry("op.v2", "op.v1", ["op.v0"], "<2")),
            id="entries-as-they-were",
        ),
        pytest.param({"schema": "olm.bundle", "package": "op", "name": "op.v1"}, ..., id="bundle"),
        pytest.param({"schema": "olm.bundle", "package": "op", "name": "op.v3"}, None, id="other-bundle"),
        pytest.param({"schema": "olm.bundle", "package": "other", "name": "op.v1"}, None, id="bundle-of-another"),
        pytest.param({"schema": "custom", "package": "op", "x": [1]}, ..., id="custom"),
        pytest.param({"schema": "custom"}, None, id="custom-of-no-package"),
        pytest.param({"schema": "olm.deprecations", "package": "op", "entries": [{}, 1]}, None, id="no-deprecation"),
        pytest.param({"schema": "olm.deprecations", "package": "op", "entries": 1}, None, id="no-deprecations"),
        pytest.param(
            {
                "schema": "olm.deprecations",
                "package": "op",
                "entries": [{"reference": {"schema": "olm.bundle", "name": ["op.v1"]}}],
            },
            None,
            id="deprecation-of-no-name",
        ),
    ],
)
def test_what_stays_of_a_document(document: Document, left: Any) -> None:
    expected = document if left is ... else left
    assert filtered(document, KEPT) == (None if expected is None else ("op", expected))


def wanted(*packages: PackageSelection, full: bool = False) -> OperatorCatalog:
    return OperatorCatalog(catalog="oci://catalog", layout=Path("catalog"), packages=packages, full=full)


def only(name: str, *channels: str, **more: Any) -> PackageSelection:
    return PackageSelection(
        name=name, channels=tuple(ChannelSelection(name=one, bounds=NO_BOUNDS) for one in channels), **more
    )


def write_architectures(
    layout: Path, documents: list[Document], *, docker: bool = False, yaml: bool = False, attested: bool = False
) -> None:
    """Make a layout of an index of two architectures, each with its own opm below the same documents."""
    kind = "application/vnd.docker.distribution.manifest" if docker else "application/vnd.oci.image.manifest"
    config_type = (
        "application/vnd.docker.container.image.v1+json" if docker else "application/vnd.oci.image.config.v1+json"
    )
    layer_type = (
        "application/vnd.docker.image.rootfs.diff.tar.gzip" if docker else "application/vnd.oci.image.layer.v1.tar+gzip"
    )
    manifest_type = f"{kind}.v2+json" if docker else f"{kind}.v1+json"
    layout.mkdir()
    catalog = layer(Member(name="configs/all", content=(as_yaml if yaml else as_json)(documents)))
    entries = []
    for architecture in ("arm64", "amd64"):
        layers = [layer(Member(name="bin/opm", content=architecture.encode())), catalog]
        config = {
            "os": "linux",
            "architecture": architecture,
            "config": {"Entrypoint": ["/bin/opm"], "Cmd": ["serve", "/configs", "--cache-dir=/tmp/cache"]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64] * 2},
            "history": [{"created_by": "one"}, {"created_by": "two"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": write_blob(layout, json.dumps(config).encode(), mediaType=config_type),
            "layers": [write_blob(layout, one, mediaType=layer_type) for one in layers],
            "annotations": {"kept": "yes"},
        }
        descriptor = write_blob(layout, json.dumps(manifest).encode(), mediaType=manifest_type)
        entries.append({**descriptor, "platform": {"os": "linux", "architecture": architecture}})
    if attested:
        unknown = {"os": "unknown", "architecture": "unknown"}
        entries.append({**entries[0], "platform": unknown, "digest": "sha256:" + "1" * 64})
    index_type = "application/vnd.docker.distribution.manifest.list.v2+json" if docker else INDEX
    index = {"schemaVersion": 2, "mediaType": index_type, "manifests": entries}
    write_index(layout, write_blob(layout, json.dumps(index).encode(), mediaType=index_type))


def rebuilt(directory: Path, layout: Path, asked: OperatorCatalog) -> ImageRequest:
    directory.mkdir()
    operator = replace(asked, layout=layout)
    catalog = read_catalog(layout)
    selected = select(catalog, operator).bundles
    return FilteredCatalogs(directory=directory).rebuilt(operator, image_digest(layout), catalog, selected)


def document_at(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())


CHOICES = [
    pytest.param(wanted(), id="all-heads"),
    pytest.param(wanted(full=True), id="full"),
    pytest.param(wanted(only("alpha", "stable"), only("gamma")), id="channels"),
    pytest.param(wanted(only("alpha", "old", default_channel="old")), id="default-channel"),
    pytest.param(wanted(only("gamma", bounds=VersionBounds(minimum=Version.parse("3.1.0")))), id="range"),
]


@pytest.mark.parametrize("asked", CHOICES)
@pytest.mark.parametrize("yaml", [False, True], ids=["json", "yaml"])
def test_read_back_it_selects_the_same_and_offers_no_more(tmp_path: Path, asked: OperatorCatalog, yaml: bool) -> None:
    write_architectures(tmp_path / "catalog", sample(), yaml=yaml)
    request = rebuilt(tmp_path / "work", tmp_path / "catalog", asked)
    before, after = read_catalog(tmp_path / "catalog"), read_catalog(request.layout or tmp_path)
    selected = select(before, asked).bundles
    assert select(after, asked).bundles == selected
    assert heads_beyond(after, selected) == 0
    offered = {(one.name, name) for one in after.packages.values() for name in one.bundles}
    assert offered == {(by.package, by.bundle) for by in selected}
    assert request.digest == image_digest(request.layout or tmp_path)
    assert request.rebuilt_from == image_digest(tmp_path / "catalog") != request.digest


def test_documents_stay_whole(tmp_path: Path) -> None:
    icon = {"base64data": "aaa", "mediatype": "image/png"}
    documents = [*sample(), DEPRECATIONS]
    documents[0] = {**documents[0], "icon": icon}
    for form in ("json", "yaml"):
        write_architectures(tmp_path / form, documents, yaml=form == "yaml")
        request = rebuilt(tmp_path / f"work-{form}", tmp_path / form, wanted(only("alpha", "stable")))
        found = added(request)
        assert [*found] == ["configs", "configs/alpha", "configs/alpha/catalog.json"]
        kept = [json.loads(one) for one in found["configs/alpha/catalog.json"].splitlines()]
        assert kept == [
            documents[0],
            channel("alpha", "stable", line("alpha", "2.1.0", "2.2.0")[1] | {"replaces": "alpha.v2.1.0"}),
            bundle("alpha", "2.2.0", ["quay.io/op/alpha:2.2.0"]),
            {**DEPRECATIONS, "entries": [DEPRECATIONS["entries"][number] for number in (0, 2, 3)]},
        ]


def added(request: ImageRequest) -> dict[str, bytes]:
    """The files of the last layer."""
    assert request.layout is not None
    top = document_at(request.layout, str(request.digest))
    last = document_at(request.layout, top["manifests"][0]["digest"])["layers"][-1]
    blob = (request.layout / "blobs" / last["digest"].replace(":", "/")).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as archive:
        members = archive.getmembers()
        assert {(one.uid, one.gid, one.uname, one.mtime) for one in members} == {(0, 0, "", 0)}
        assert {(one.isdir(), one.mode) for one in members} == {(True, 0o755), (False, 0o644)}
        return {one.name: b"" if one.isdir() else archive.extractfile(one).read() for one in members}  # type: ignore[union-attr]


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_the_images_stay_what_they_are_but_for_two_layers(tmp_path: Path, docker: bool) -> None:
    write_architectures(tmp_path / "catalog", sample(), docker=docker, attested=True)
    request = rebuilt(tmp_path / "work", tmp_path / "catalog", wanted(only("gamma")))
    assert request.layout is not None
    before = document_at(tmp_path / "catalog", str(request.rebuilt_from))
    after = document_at(request.layout, str(request.digest))
    assert after["mediaType"] == before["mediaType"]
    assert len(before["manifests"]) == 3
    for old_entry, new_entry in zip(before["manifests"][:2], after["manifests"], strict=True):
        assert {**new_entry, "digest": 0, "size": 0} == {**old_entry, "digest": 0, "size": 0}
        old = document_at(tmp_path / "catalog", old_entry["digest"])
        new = document_at(request.layout, new_entry["digest"])
        assert new["layers"][:2] == old["layers"]
        assert len(new["layers"]) == 4
        assert {one["mediaType"] for one in new["layers"]} == {old["layers"][0]["mediaType"]}
        assert {**new, "layers": 0, "config": new["config"]["mediaType"]} == {
            **old,
            "layers": 0,
            "config": old["config"]["mediaType"],
        }
        was, config = (
            document_at(tmp_path / "catalog", old["config"]["digest"]),
            document_at(request.layout, new["config"]["digest"]),
        )
        assert config["config"] == {
            "Entrypoint": ["/bin/opm"],
            "Cmd": ["serve", "/configs"],
            "Labels": {LABEL: "/configs"},
        }
        assert config["rootfs"]["diff_ids"][:2] == was["rootfs"]["diff_ids"]
        for described, diff_id in zip(new["layers"][2:], config["rootfs"]["diff_ids"][2:], strict=True):
            blob = (request.layout / "blobs" / described["digest"].replace(":", "/")).read_bytes()
            assert len(blob) == described["size"]
            write_blob(tmp_path, gzip.decompress(blob))
            assert (tmp_path / "blobs" / diff_id.replace(":", "/")).exists()
        assert (len(config["history"]), config["history"][:2]) == (4, was["history"])


def test_the_same_selection_has_the_same_digest(tmp_path: Path) -> None:
    write_architectures(tmp_path / "catalog", sample())
    first, second, other = (
        rebuilt(tmp_path / name, tmp_path / "catalog", wanted(only(one)))
        for name, one in (("first", "gamma"), ("second", "gamma"), ("other", "alpha"))
    )
    assert first.digest == second.digest != other.digest


def test_a_channel_of_several_heads_is_refused(tmp_path: Path) -> None:
    documents = [package("op", "a"), channel("op", "a", *line("op", "1.0.0", "1.1.0", "1.2.0"))]
    documents += [bundle("op", version) for version in ("1.0.0", "1.1.0", "1.2.0")]
    write_architectures(tmp_path / "catalog", documents)
    catalog = read_catalog(tmp_path / "catalog")
    selected = [WantedBy(catalog="c", package="op", channel="a", bundle=name) for name in ("op.v1.0.0", "op.v1.2.0")]
    with pytest.raises(InvalidInput, match=r"package op: channel a: .* 2 heads \(op.v1.0.0, op.v1.2.0\)"):
        kept_packages(catalog, wanted(), selected)
    with pytest.raises(InvalidInput, match="nothing is selected"):
        kept_packages(catalog, wanted(), [])


def test_what_cannot_be_offered_is_told_of_its_catalog(tmp_path: Path) -> None:
    documents = [package("op", "a"), channel("op", "a", *line("op", "1.0.0")), bundle("op", "1.0.0")]
    write_architectures(tmp_path / "catalog", documents)
    catalog, operator = read_catalog(tmp_path / "catalog"), replace(wanted(), layout=tmp_path / "catalog")
    filtering = FilteredCatalogs(directory=tmp_path)
    with pytest.raises(InvalidInput) as caught:
        filtering.rebuilt(operator, image_digest(tmp_path / "catalog"), catalog, [])
    assert caught.value.problems == (f"{operator.catalog}: nothing is selected, and so there is nothing to offer",)


@pytest.mark.parametrize("name", ["../up", ".wh.x", "a/b"])
def test_a_package_that_no_directory_can_be_called_by_is_refused(tmp_path: Path, name: str) -> None:
    write_architectures(
        tmp_path / "catalog", [package(name, "a"), channel(name, "a", *line(name, "1.0.0")), bundle(name, "1.0.0")]
    )
    selected = [WantedBy(catalog="c", package=name, channel="a", bundle=f"{name}.v1.0.0")]
    with pytest.raises(InvalidInput, match="no directory can be called so"):
        kept_packages(read_catalog(tmp_path / "catalog"), wanted(), selected)


def test_a_damaged_configuration_is_told(tmp_path: Path) -> None:
    write_architectures(tmp_path / "catalog", sample())
    top = document_at(tmp_path / "catalog", str(image_digest(tmp_path / "catalog")))
    arm = document_at(tmp_path / "catalog", top["manifests"][0]["digest"])["config"]["digest"]
    (tmp_path / "catalog" / "blobs" / arm.replace(":", "/")).write_text("{}")
    with pytest.raises(InvalidInput, match=f"blob {arm} is damaged"):
        rebuilt(tmp_path / "work", tmp_path / "catalog", wanted())


@pytest.mark.parametrize("kind", ["application/vnd.oci.empty.v1+json", ["no", "text"]], ids=["empty", "no-text"])
@pytest.mark.parametrize("beside", [True, False], ids=["beside-images", "alone"])
def test_an_artifact_stays_what_it_is_and_is_no_catalog(tmp_path: Path, beside: bool, kind: object) -> None:
    layout = tmp_path / "catalog"
    write_architectures(layout, sample())
    top = document_at(layout, str(image_digest(layout)))
    config = write_blob(layout, b"{}", mediaType=kind)
    artifact = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [config]}
    entry_ = write_blob(layout, json.dumps(artifact).encode(), mediaType=MANIFEST)
    top["manifests"] = [*top["manifests"], entry_] if beside else [entry_]
    index = write_blob(layout, json.dumps(top).encode(), mediaType=INDEX)
    layers = write_layers([], {}, tmp_path)
    (tmp_path / "into").mkdir()
    if beside:
        made = rebuild(layout, Digest.parse(index["digest"]), layers, tmp_path / "into")
        assert document_at(tmp_path / "into", str(made))["manifests"][-1] == entry_
        assert document_at(tmp_path / "into", entry_["digest"]) == artifact
    else:
        with pytest.raises(InvalidInput, match="holds no image"):
            rebuild(layout, Digest.parse(index["digest"]), layers, tmp_path / "into")


@pytest.mark.parametrize(
    ("catalog", "called"),
    [
        pytest.param(f"q.io/index@sha256:{'a' * 64}", f"q.io/index:pin-sha256-{'a' * 64}", id="digest"),
        pytest.param(f"q.io/index:v1@sha256:{'a' * 64}", "q.io/index:v1", id="tag-and-digest"),
    ],
)
def test_what_was_rebuilt_is_called_as_the_original_is_at_a_destination(catalog: str, called: str) -> None:
    digest = Digest.parse(f"sha256:{'b' * 64}")
    image = catalog_image(OperatorCatalog.parse(catalog), digest)
    assert (str(image.reference), image.digest) == (called, digest)
    assert str(image.rebuilt_from) == f"sha256:{'a' * 64}"
