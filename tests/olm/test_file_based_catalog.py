from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.olm.file_based_catalog import Bundle, Channel, ChannelEntry, read_catalog
from tests.olm.catalogs import (
    Document,
    Member,
    as_json,
    bundle,
    channel,
    entry,
    layer,
    line,
    package,
    write_catalog,
    write_large,
    write_sample,
)

if TYPE_CHECKING:
    from pathlib import Path

    from skopeo_mirror.olm.file_based_catalog import Catalog


def read(tmp_path: Path, *documents: Document) -> Catalog:
    content = layer(Member(name="configs/catalog.json", content=as_json(documents)))
    return read_catalog(write_catalog(tmp_path / "layout", content))


def test_the_sample(tmp_path: Path) -> None:
    catalog = read_catalog(write_sample(tmp_path / "layout"))
    assert {name: [*package.channels] for name, package in catalog.packages.items()} == {
        "alpha": ["old", "stable"],
        "beta": ["candidate", "ranges", "stable"],
        "gamma": ["fast"],
    }
    assert sum(len(package.bundles) for package in catalog.packages.values()) == 22
    beta = catalog.packages["beta"]
    assert beta.default_channel == "stable"
    assert beta.channels["stable"].entries[-1] == ChannelEntry(
        name="beta.v1.1.0",
        replaces="beta.v1.0.0",
        skips=("beta.v1.0.1", "beta.v1.0.2"),
        skip_range=">=1.0.0 <1.1.0",
    )
    newest = beta.bundles["beta.v1.2.0"]
    assert newest.version == "1.2.0"
    assert newest.related_images == (newest.image, "quay.io/op/beta:1.2.0")


def test_documents_come_in_any_order_over_many_files(tmp_path: Path) -> None:
    files = [bundle("a", "1.0.0"), channel("a", "x", *line("a", "1.0.0")), package("a", "x")]
    members = [Member(name=f"configs/{number}", content=as_json([file])) for number, file in enumerate(files)]
    catalog = read_catalog(write_catalog(tmp_path / "layout", *(layer(member) for member in members)))
    assert catalog.packages["a"].channels == {"x": Channel(name="x", entries=(ChannelEntry(name="a.v1.0.0"),))}


@pytest.mark.parametrize("labels", [{}, {"operators.operatorframework.io.index.configs.v1": "/else/where/"}])
def test_the_label_names_the_directory(tmp_path: Path, labels: dict[str, str]) -> None:
    directory = "else/where" if labels else "configs"
    content = layer(Member(name=f"{directory}/x", content=as_json([package("a", "x")])))
    assert list(read_catalog(write_catalog(tmp_path / "layout", content, labels=labels)).packages) == ["a"]


def test_other_schemas_are_passed_over(tmp_path: Path) -> None:
    other: list[Document] = [{"schema": "olm.deprecations", "package": "zzz"}, {"schema": "custom", "name": "\0"}]
    assert list(read(tmp_path, package("a", "x"), *other).packages) == ["a"]


def test_a_bundle_without_version_or_image(tmp_path: Path) -> None:
    bare = {"schema": "olm.bundle", "package": "a", "name": "b"}
    assert read(tmp_path, package("a", "x"), bare).packages["a"].bundles["b"] == Bundle(
        name="b", image="", version=None
    )


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        pytest.param([{"name": "a"}], "/configs/catalog.json: a document without `schema`: 'name: a'", id="no-schema"),
        pytest.param([{"schema": "olm.package"}], "`name` is missing or no text: 'schema: olm.package'", id="no-name"),
        pytest.param([{"schema": "olm.package", "name": 5}], "`name` is missing or no text", id="name-is-a-number"),
        pytest.param([{"schema": "olm.bundle", "name": "a"}], "`package` is missing", id="no-package"),
        pytest.param([package("a\0b", "x")], r"the name 'a\\x00b' has control characters", id="nul"),
        pytest.param([package("a", "x"), channel("a", "x", entry("b\x1b[2J"))], "control characters", id="escape"),
        pytest.param(
            [package("a", "x"), package("a", "y")], "the package 'a' is in the catalog twice", id="package-twice"
        ),
        pytest.param(
            [package("a", "x"), channel("a", "x"), channel("a", "x")], "the channel 'x' is in", id="channel-twice"
        ),
        pytest.param(
            [package("a", "x"), bundle("a", "1.0.0"), bundle("a", "1.0.0")],
            "the bundle 'a.v1.0.0' is in",
            id="bundle-twice",
        ),
        pytest.param(
            [package("a", "x"), bundle("b", "1.0.0")], "bundles of 'b', but no such package", id="unknown-package"
        ),
        pytest.param([], "the catalog has no packages", id="nothing"),
    ],
)
def test_refused(tmp_path: Path, documents: list[Document], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(tmp_path, *documents)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_large_catalog(tmp_path: Path, form: str) -> None:
    catalog = read_catalog(write_large(tmp_path / "layout", form, bundles=200))
    assert len(catalog.packages) == 100
    assert len(catalog.packages["package7"].bundles["package7.v1.1.0"].related_images) == 7


def test_nothing_is_written(tmp_path: Path) -> None:
    layout = write_sample(tmp_path / "layout")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    read_catalog(layout)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
