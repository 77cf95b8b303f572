from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from skopeo_mirror.olm.file_based_catalog import read_catalog
from skopeo_mirror.olm.overview import catalog_document, catalog_table
from tests.olm.catalogs import Member, as_json, channel, entry, layer, package, write_catalog, write_sample

if TYPE_CHECKING:
    from pathlib import Path


def overview(layout: Path) -> dict[str, Any]:
    return catalog_document("quay.io/cat:1", read_catalog(layout))


def test_the_table(tmp_path: Path) -> None:
    assert catalog_table(overview(write_sample(tmp_path / "layout"))).splitlines() == [
        "PACKAGE  CHANNEL    HEAD          VERSION  DEFAULT",
        "alpha    old        alpha.v1.3.0  1.3.0",
        "alpha    stable     alpha.v2.2.0  2.2.0    default",
        "beta     candidate  beta.v1.2.0   1.2.0",
        "beta     ranges     beta.v1.1.0   1.1.0",
        "beta     stable     beta.v1.1.0   1.1.0    default",
        "gamma    fast       gamma.v3.5.0  3.5.0    default",
    ]


def test_a_broken_channel_and_a_package_without_channels_are_listed(tmp_path: Path) -> None:
    documents = [package("a", ""), package("b", "x"), channel("b", "x", entry("one"), entry("two"))]
    content = layer(Member(name="configs/x.json", content=as_json(documents)))
    document = overview(write_catalog(tmp_path / "layout", content))
    assert catalog_table(document).splitlines() == [
        "PACKAGE  CHANNEL  HEAD  VERSION  DEFAULT",
        "a        -        -     -",
        "b        x        (more than one head, for nothing replaces or skips these: one, two)  -        default",
    ]
    assert document == {
        "schema": "skopeo-mirror/catalog/v1",
        "catalog": "quay.io/cat:1",
        "packages": [
            {"name": "a", "default_channel": None, "channels": ()},
            {
                "name": "b",
                "default_channel": "x",
                "channels": (
                    {
                        "name": "x",
                        "default": True,
                        "head": None,
                        "version": None,
                        "entries": 2,
                        "problem": "more than one head, for nothing replaces or skips these: one, two",
                    },
                ),
            },
        ],
    }


def test_json_has_every_channel(tmp_path: Path) -> None:
    value = json.loads(json.dumps(overview(write_sample(tmp_path / "layout"))))
    assert [len(package["channels"]) for package in value["packages"]] == [2, 3, 1]
    assert value["packages"][0]["channels"][1] == {
        "name": "stable",
        "default": True,
        "head": "alpha.v2.2.0",
        "version": "2.2.0",
        "entries": 7,
        "problem": None,
    }
