from __future__ import annotations

from typing import TYPE_CHECKING

from skopeo_mirror.inputs.catalog import read_catalog
from tests.inputs.catalogs import write_sample

if TYPE_CHECKING:
    from pathlib import Path


def test_sample(tmp_path: Path) -> None:
    catalog = read_catalog(write_sample(tmp_path / "layout"))
    assert list(catalog.packages) == ["alpha", "beta", "gamma"]
    print(catalog)
