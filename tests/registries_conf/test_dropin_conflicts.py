"""Drop-ins that skopeo merges over a scoped file: which are refused, and which may pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import InvalidConfiguration
from skopeo_mirror.registries_conf.dropin_conflicts import check_dropins

if TYPE_CHECKING:
    from pathlib import Path

PREFIXES = {"prod.test/app", "a.test/x/app", "d.test/m/app"}
PLACES = {"prod.test/app": {"d.test/m/app"}}


def entry(prefix: str, *mirrors: str, more: str = "") -> str:
    tables = "".join(f'[[registry.mirror]]\nlocation = "{mirror}"\n' for mirror in mirrors)
    return f'[[registry]]\nlocation = "{prefix}"\n{more}{tables}'


def check(directory: Path, *contents: str) -> dict[str, str]:
    files = [directory / f"{number}.conf" for number, _ in enumerate(contents)]
    for file, content in zip(files, contents, strict=True):
        file.write_text(content)
    return check_dropins(files, PREFIXES, PLACES)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param(entry("prod.test"), id="host"),
        pytest.param(entry("a.test/x", more="blocked = true\n"), id="namespace"),
        pytest.param(entry("prod.test/app/more"), id="below"),
        pytest.param(entry("prod.test/application"), id="begins-alike"),
        pytest.param(entry("other.test/app"), id="another"),
    ],
)
def test_what_a_scoped_file_outranks_may_pass(content: str, tmp_path: Path) -> None:
    assert check(tmp_path, content) == {}


@pytest.mark.parametrize("prefix", sorted(PREFIXES))
@pytest.mark.parametrize("more", ["", "blocked = true\n", "insecure = true\n"], ids=["plain", "blocked", "insecure"])
def test_what_no_scoped_file_outranks_is_refused_by_name(prefix: str, more: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        check(tmp_path, entry("other.test"), entry(prefix, more=more))
    [problem] = caught.value.problems
    assert f"{tmp_path}/1.conf: " in problem
    assert f"exactly the prefix {prefix}," in problem


def test_the_prefix_counts_and_not_the_location(tmp_path: Path) -> None:
    harmless = '[[registry]]\nprefix = "other.test"\nlocation = "prod.test/app"\n'
    assert check(tmp_path, harmless) == {}
    with pytest.raises(InvalidConfiguration):
        check(tmp_path, '[[registry]]\nprefix = "prod.test/app"\nlocation = "other.test"\n')


def test_every_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        check(tmp_path, entry("prod.test/app"), entry("a.test/x/app"))
    assert [f"{number}.conf" in problem for number, problem in enumerate(caught.value.problems)] == [True, True]


def test_what_skopeo_would_refuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"0\.conf"):
        check(tmp_path, "[[registry]\n")


def test_what_sends_an_image_to_its_own_place_is_told(tmp_path: Path) -> None:
    assert check(tmp_path, entry("prod.test/app", "d.test/m/app")) == {"prod.test/app": str(tmp_path / "0.conf")}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(entry("prod.test/app", "d.test/m/app", "a.test/x/app"), id="elsewhere-too"),
        pytest.param(entry("prod.test/app", "d.test/other"), id="another-place"),
        pytest.param(entry("prod.test/app", "d.test/m/app", more="blocked = true\n"), id="blocked"),
        pytest.param(entry("a.test/x/app", "d.test/m/app"), id="not-the-images"),
        pytest.param(
            '[[registry]]\nprefix = "prod.test/app"\nlocation = "evil.test/app"\n'
            '[[registry.mirror]]\nlocation = "d.test/m/app"\n',
            id="another-origin",
        ),
    ],
)
def test_what_does_more_than_that_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration):
        check(tmp_path, content)
