from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.olm.file_based_catalog import Bundle, Catalog, Channel, ChannelEntry, Package, read_catalog
from skopeo_mirror.olm.imageset import ChannelSelection, OperatorCatalog, PackageSelection
from skopeo_mirror.olm.selection import select
from skopeo_mirror.olm.semver import NO_BOUNDS, VersionBounds
from skopeo_mirror.request import WantedBy, once
from tests.olm.catalogs import write_sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def line(*versions: str) -> tuple[ChannelEntry, ...]:
    """Entries that each replace the one before."""
    return tuple(
        ChannelEntry(name=version, replaces=before)
        for version, before in zip(versions, (None, *versions[:-1]), strict=True)
    )


def package(
    channels: Mapping[str, Sequence[ChannelEntry]], default: str | None = "stable", versions: Sequence[str] = ()
) -> Catalog:
    """Make a catalog of the package `op`, whose bundles are called by their versions."""
    names = dict.fromkeys([*(entry.name for entries in channels.values() for entry in entries), *versions])
    return Catalog(
        packages={
            "op": Package(
                name="op",
                default_channel=default,
                channels={name: Channel(name=name, entries=tuple(entries)) for name, entries in channels.items()},
                bundles={name: Bundle(name=name, image=f"quay.io/op:{name}", version=name) for name in names},
            )
        }
    )


def wanted(
    *channels: ChannelSelection,
    minimum: str | None = None,
    maximum: str | None = None,
    default: str | None = None,
    full: bool = False,
    name: str = "op",
) -> OperatorCatalog:
    bounds = VersionBounds.parse(minimum, maximum)
    selection = PackageSelection(name=name, bounds=bounds, channels=channels, default_channel=default)
    return OperatorCatalog(catalog="reg.io/cat:v1", packages=(selection,), full=full)


def channel(name: str, minimum: str | None = None, maximum: str | None = None) -> ChannelSelection:
    return ChannelSelection(name=name, bounds=VersionBounds.parse(minimum, maximum))


EVERYTHING = OperatorCatalog(catalog="reg.io/cat:v1", full=True)
ALL_HEADS = OperatorCatalog(catalog="reg.io/cat:v1")
ONE = package({"stable": line("1.0.0", "1.1.0", "1.2.0", "2.0.0")})
TWO = package({"stable": line("1.0.0", "1.1.0", "1.2.0", "2.0.0"), "old": line("0.9.0", "1.0.0", "1.1.0")})
SKIPS = package(
    {
        "stable": (
            ChannelEntry(name="1.0.0"),
            ChannelEntry(name="1.1.0"),
            ChannelEntry(name="1.1.1"),
            ChannelEntry(name="1.2.0", replaces="1.0.0", skips=("1.1.0", "1.1.1")),
            ChannelEntry(name="1.3.0", replaces="1.2.0"),
        )
    }
)
PRE = package({"stable": line("1.0.0", "1.1.0-rc.1", "1.1.0", "1.2.0-rc.1")})
INVERTED = package({"stable": line("1.0.0", "3.0.0", "2.0.0")})


@pytest.mark.parametrize(
    ("catalog", "wanted", "expected"),
    [
        pytest.param(ONE, ALL_HEADS, {"stable": ["2.0.0"]}, id="no-packages-one-channel"),
        pytest.param(TWO, ALL_HEADS, {"stable": ["2.0.0"], "old": ["1.1.0"]}, id="no-packages-two-channels"),
        pytest.param(ONE, EVERYTHING, {"stable": ["1.0.0", "1.1.0", "1.2.0", "2.0.0"]}, id="no-packages-full"),
        pytest.param(
            TWO,
            EVERYTHING,
            {"stable": ["1.0.0", "1.1.0", "1.2.0", "2.0.0"], "old": ["0.9.0", "1.0.0", "1.1.0"]},
            id="no-packages-full-two-channels",
        ),
        pytest.param(ONE, wanted(), {"stable": ["2.0.0"]}, id="package-one-channel"),
        pytest.param(TWO, wanted(), {"stable": ["2.0.0"], "old": ["1.1.0"]}, id="package-two-channels"),
        pytest.param(
            TWO,
            wanted(full=True),
            {"stable": ["1.0.0", "1.1.0", "1.2.0", "2.0.0"], "old": ["0.9.0", "1.0.0", "1.1.0"]},
            id="package-full",
        ),
        pytest.param(
            TWO,
            wanted(channel("stable"), full=True),
            {"stable": ["1.0.0", "1.1.0", "1.2.0", "2.0.0"]},
            id="channel-full",
        ),
        pytest.param(TWO, wanted(channel("stable")), {"stable": ["2.0.0"]}, id="channel"),
        pytest.param(
            TWO,
            wanted(channel("stable"), channel("old")),
            {"stable": ["2.0.0"], "old": ["1.1.0"]},
            id="two-channels",
        ),
        pytest.param(TWO, wanted(channel("old"), default="old"), {"old": ["1.1.0"]}, id="channel-and-new-default"),
        pytest.param(ONE, wanted(minimum="1.1.0"), {"stable": ["2.0.0", "1.2.0", "1.1.0"]}, id="minimum"),
        pytest.param(
            TWO,
            wanted(minimum="1.1.0"),
            {"stable": ["2.0.0", "1.2.0", "1.1.0"], "old": ["1.1.0"]},
            id="minimum-two-channels",
        ),
        pytest.param(TWO, wanted(minimum="1.2.0"), {"stable": ["2.0.0", "1.2.0"]}, id="minimum-empties-other-channel"),
        pytest.param(ONE, wanted(minimum="1.0.5"), {"stable": ["2.0.0", "1.2.0", "1.1.0"]}, id="minimum-between"),
        pytest.param(ONE, wanted(maximum="1.1.0"), {"stable": ["1.1.0", "1.0.0"]}, id="maximum"),
        pytest.param(
            TWO,
            wanted(maximum="1.0.0"),
            {"stable": ["1.0.0"], "old": ["1.0.0", "0.9.0"]},
            id="maximum-two-channels",
        ),
        pytest.param(ONE, wanted(minimum="1.1.0", maximum="1.2.0"), {"stable": ["1.2.0", "1.1.0"]}, id="range"),
        pytest.param(ONE, wanted(minimum="1.1.0", maximum="1.1.0"), {"stable": ["1.1.0"]}, id="one-version"),
        pytest.param(
            TWO,
            wanted(channel("stable", "1.2.0"), channel("old", maximum="0.9.0")),
            {"stable": ["2.0.0", "1.2.0"], "old": ["0.9.0"]},
            id="channel-ranges",
        ),
        pytest.param(
            TWO,
            wanted(channel("stable", "1.2.0"), channel("old")),
            {"stable": ["2.0.0", "1.2.0"], "old": ["1.1.0"]},
            id="range-for-one-channel",
        ),
        pytest.param(
            TWO,
            wanted(channel("stable"), minimum="1.2.0"),
            {"stable": ["2.0.0", "1.2.0"]},
            id="package-range-for-named-channels",
        ),
        pytest.param(
            TWO,
            wanted(maximum="0.9.5", default="old"),
            {"old": ["0.9.0"]},
            id="range-empties-the-former-default",
        ),
        pytest.param(SKIPS, wanted(), {"stable": ["1.3.0"]}, id="skips-head"),
        pytest.param(
            SKIPS,
            wanted(minimum="1.1.0"),
            {"stable": ["1.3.0", "1.2.0", "1.1.0", "1.1.1"]},
            id="skips-in-the-range",
        ),
        pytest.param(
            SKIPS,
            wanted(maximum="1.1.0"),
            {"stable": ["1.2.0", "1.1.0", "1.0.0"]},
            id="skips-kept-by-what-skips-them",
        ),
        pytest.param(SKIPS, wanted(minimum="1.1.0", maximum="1.1.0"), {"stable": ["1.1.0"]}, id="one-skipped-version"),
        pytest.param(
            INVERTED,
            wanted(minimum="1.0.0", maximum="2.0.0"),
            {"stable": ["2.0.0", "3.0.0", "1.0.0"]},
            id="what-updates-pass-through-stays",
        ),
        pytest.param(PRE, wanted(), {"stable": ["1.2.0-rc.1"]}, id="pre-release-head"),
        pytest.param(
            PRE,
            wanted(minimum="1.0.0"),
            {"stable": ["1.1.0", "1.1.0-rc.1", "1.0.0"]},
            id="pre-release-between-stays-at-the-end-goes",
        ),
        pytest.param(
            PRE,
            wanted(minimum="1.1.0-rc.1"),
            {"stable": ["1.2.0-rc.1", "1.1.0", "1.1.0-rc.1"]},
            id="pre-release-bound",
        ),
        pytest.param(
            PRE,
            wanted(minimum="1.1.0-rc.1", maximum="1.1.0-rc.1"),
            {"stable": ["1.1.0-rc.1"]},
            id="one-pre-release",
        ),
        pytest.param(
            package({"stable": (ChannelEntry(name="1.0.0"), ChannelEntry(name="1.1.0", skip_range=">=0.1.0 <1.1.0"))}),
            wanted(),
            {"stable": ["1.1.0"]},
            id="skip-range-tells-the-head",
        ),
        pytest.param(
            package({"stable": (ChannelEntry(name="1.0.0"), ChannelEntry(name="1.1.0", skip_range=">=0.1.0 <1.1.0"))}),
            wanted(minimum="1.0.0"),
            {"stable": ["1.1.0", "1.0.0"]},
            id="skip-range-in-the-range",
        ),
        pytest.param(
            package({"stable": (ChannelEntry(name="1.0.0"), ChannelEntry(name="1.1.0", skip_range="<=1.1.0"))}),
            wanted(),
            {"stable": ["1.1.0"]},
            id="skip-range-that-holds-its-own-entry",
        ),
        pytest.param(
            package(
                {
                    "stable": (
                        ChannelEntry(name="1.0.0", skip_range="<9.0.0"),
                        ChannelEntry(name="1.1.0", replaces="1.0.0"),
                    )
                }
            ),
            wanted(),
            {"stable": ["1.1.0"]},
            id="skip-range-never-outranks-replaces",
        ),
        pytest.param(
            package(
                {
                    "stable": (
                        ChannelEntry(name="1.0.0", skip_range="<9.0.0"),
                        ChannelEntry(name="1.1.0", replaces="1.0.0"),
                    )
                }
            ),
            wanted(minimum="1.0.0"),
            {"stable": ["1.1.0", "1.0.0"]},
            id="skip-range-never-outranks-replaces-in-a-range",
        ),
        pytest.param(
            package({"stable": (ChannelEntry(name="1.1.0", replaces="1.0.0", skips=("0.9.0",)),)}, versions=["1.0.0"]),
            wanted(minimum="0.1.0"),
            {"stable": ["1.1.0", "1.0.0"]},
            id="replaced-bundle-that-is-no-entry",
        ),
        pytest.param(package({"a": line("1.0.0")}, default=None), wanted(), {"a": ["1.0.0"]}, id="no-default-channel"),
        pytest.param(package({}, default=None), ALL_HEADS, {}, id="no-channels-and-not-asked-for"),
    ],
)
def test_selected(catalog: Catalog, wanted: OperatorCatalog, expected: dict[str, list[str]]) -> None:
    selected: dict[str, list[str]] = {}
    for by in select(catalog, wanted).bundles:
        selected.setdefault(by.channel, []).append(by.bundle)
    assert selected == expected


@pytest.mark.parametrize(
    ("catalog", "wanted", "message"),
    [
        pytest.param(TWO, wanted(channel("old")), "the default channel stable is left out", id="default-left-out"),
        pytest.param(
            TWO,
            wanted(channel("old"), default="stable"),
            "defaultChannel 'stable' is none of the",
            id="new-default-left-out",
        ),
        pytest.param(TWO, wanted(default="stabel"), r"did you mean stable\?", id="default-that-is-no-channel"),
        pytest.param(
            TWO,
            wanted(maximum="0.9.0"),
            "channel stable: nothing in the default channel lies in the range <=0.9.0",
            id="range-empties-the-default",
        ),
        pytest.param(ONE, wanted(minimum="1.0.1", maximum="1.0.9"), ">=1.0.1 <=1.0.9", id="range-between-versions"),
        pytest.param(
            ONE,
            wanted(minimum="1.0.5", maximum="1.0.5"),
            "nothing in the default channel",
            id="one-version-that-is-not-there",
        ),
        pytest.param(
            PRE,
            wanted(minimum="1.1.1"),
            r"pre-releases count only where a bound is one \(1.2.0-rc.1\)",
            id="only-pre-releases-in-the-range",
        ),
        pytest.param(
            package({"a": line("1.0.0")}, default=None),
            wanted(minimum="2.0.0"),
            "no channel has anything",
            id="range-empties-all",
        ),
        pytest.param(
            TWO,
            wanted(channel("stable", "1.0.0"), minimum="1.0.0"),
            r"package and one for a channel \(stable\) contradict",
            id="two-ranges",
        ),
        pytest.param(TWO, wanted(minimum="1.0.0", full=True), "`full` and a range", id="full-and-range"),
        pytest.param(
            TWO, wanted(channel("stable", "1.0.0"), full=True), "`full` and a range", id="full-and-channel-range"
        ),
        pytest.param(
            TWO,
            wanted(channel("stabel")),
            r"no channel is called 'stabel' \(did you mean stable\?\)",
            id="unknown-channel",
        ),
        pytest.param(
            TWO, wanted(name="opp"), r"no package is called 'opp' \(did you mean op\?\)", id="unknown-package"
        ),
        pytest.param(
            package({"stable": (ChannelEntry(name="1.0.0"), ChannelEntry(name="2.0.0"))}),
            wanted(),
            "more than one head.*1.0.0, 2.0.0",
            id="two-heads",
        ),
        pytest.param(
            package({"stable": (ChannelEntry(name="1.0.0"), ChannelEntry(name="2.0.0"))}),
            wanted(minimum="1.0.0"),
            "more than one head",
            id="two-heads-range",
        ),
        pytest.param(
            package(
                {
                    "stable": (
                        ChannelEntry(name="1.0.0", skip_range="<3.0.0"),
                        ChannelEntry(name="2.0.0", skip_range="<3.0.0"),
                    )
                }
            ),
            wanted(),
            "more than one head.*1.0.0, 2.0.0",
            id="heads-that-skip-each-other",
        ),
        pytest.param(
            package(
                {"stable": (ChannelEntry(name="1.0.0", replaces="2.0.0"), ChannelEntry(name="2.0.0", replaces="1.0.0"))}
            ),
            wanted(),
            r"circle: (1.0.0 -> 2.0.0 -> 1.0.0|2.0.0 -> 1.0.0 -> 2.0.0)",
            id="cycle",
        ),
        pytest.param(
            package(
                {
                    "stable": (
                        *line("1.0.0", "2.0.0"),
                        ChannelEntry(name="0.8.0", replaces="0.9.0"),
                        ChannelEntry(name="0.9.0", skips=("0.8.0",)),
                    )
                }
            ),
            wanted(),
            "circle: .*0.8.0",
            id="cycle-apart-from-the-head",
        ),
        pytest.param(
            package({"stable": (ChannelEntry(name="1.0.0", replaces="1.0.0"),)}),
            wanted(),
            "circle: 1.0.0 -> 1.0.0",
            id="replaces-itself",
        ),
        pytest.param(
            package({"stable": (ChannelEntry(name="1.0.0"), ChannelEntry(name="1.0.0"))}),
            wanted(),
            "there twice: 1.0.0",
            id="entry-twice",
        ),
        pytest.param(package({"stable": ()}), wanted(), "no entries", id="no-entries"),
        pytest.param(package({}, default=None), wanted(), "package op: it has no channels", id="no-channels"),
        pytest.param(
            package({"stable": line("1.0.0", "latest")}),
            wanted(minimum="1.0.0"),
            "no semantic version: latest",
            id="no-version",
        ),
    ],
)
def test_refused(catalog: Catalog, wanted: OperatorCatalog, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        select(catalog, wanted)


def test_a_cycle_is_told_in_the_direction_of_updates() -> None:
    entries = (
        ChannelEntry(name="c", replaces="b"),
        ChannelEntry(name="b", replaces="a"),
        ChannelEntry(name="a", replaces="c"),
    )
    with pytest.raises(InvalidInput) as caught:
        select(package({"stable": entries}), wanted())
    cycle = str(caught.value).partition("circle: ")[2].split(" -> ")
    assert set(pairwise(cycle)) == {("c", "b"), ("b", "a"), ("a", "c")}


def test_all_problems_of_a_catalog_are_told_at_once() -> None:
    catalog = Catalog(packages={**ONE.packages})
    unknown = [PackageSelection(name=name) for name in ("x", "y")]
    bad = PackageSelection(name="op", channels=(channel("nope"), channel("neither")))
    with pytest.raises(InvalidInput) as caught:
        select(catalog, OperatorCatalog(catalog="reg.io/cat:v1", packages=(*unknown, bad)))
    assert len(caught.value.problems) == 5
    assert all(problem.startswith("reg.io/cat:v1: ") for problem in caught.value.problems)


def test_an_entry_without_bundle_is_an_error_where_it_is_selected() -> None:
    catalog = ONE.packages["op"]
    bundles = {name: bundle for name, bundle in catalog.bundles.items() if name != "2.0.0"}
    broken = Catalog(
        packages={"op": Package(name="op", default_channel="stable", channels=catalog.channels, bundles=bundles)}
    )
    with pytest.raises(InvalidInput, match=r"the catalog has no bundle for 2\.0\.0"):
        select(broken, wanted())
    assert [by.bundle for by in select(broken, wanted(maximum="1.1.0")).bundles] == ["1.1.0", "1.0.0"]


def test_pre_releases_that_are_left_out_are_a_warning() -> None:
    (warning,) = select(PRE, wanted(minimum="1.0.0")).warnings
    assert warning.startswith("reg.io/cat:v1: package op: channel stable: left out, for they are pre-releases and no ")
    assert warning.endswith(" bound of >=1.0.0 is one: 1.2.0-rc.1")
    assert select(PRE, wanted(minimum="1.0.0-0")).warnings == ()


def test_what_is_kept_outside_of_a_range_is_a_warning() -> None:
    (warning,) = select(SKIPS, wanted(maximum="1.1.0")).warnings
    assert warning.startswith(
        "reg.io/cat:v1: package op: channel stable: taken though outside of <=1.1.0, for updates "
    )
    assert warning.endswith(" within it pass through: 1.2.0")


def test_images_come_once_each_with_all_that_asked_for_them(tmp_path: Path) -> None:
    catalog = read_catalog(write_sample(tmp_path / "layout"))
    packages = (
        PackageSelection(name="gamma", bounds=VersionBounds.parse("3.4.0", None)),
        PackageSelection(name="beta", channels=(ChannelSelection(name="stable", bounds=NO_BOUNDS),)),
    )
    selection = select(catalog, OperatorCatalog(catalog="reg.io/cat:v1", packages=packages))
    assert [str(image.reference).partition("@")[0] for image in selection.images] == [
        "quay.io/op/gamma-bundle",
        "quay.io/op/shared:1",
        "quay.io/op/gamma-bundle",
        "quay.io/op/beta-bundle",
        "quay.io/op/beta:1.1.0",
    ]
    assert selection.images[1].wanted_by == (
        WantedBy(catalog="reg.io/cat:v1", package="gamma", channel="fast", bundle="gamma.v3.5.0"),
        WantedBy(catalog="reg.io/cat:v1", package="gamma", channel="fast", bundle="gamma.v3.4.0"),
    )


def test_images_of_several_catalogs_are_merged() -> None:
    first = select(ONE, wanted())
    second = select(ONE, OperatorCatalog(catalog="reg.io/other:v1"))
    (image,) = once([*first.images, *second.images, *first.images])
    assert [by.catalog for by in image.wanted_by] == ["reg.io/cat:v1", "reg.io/other:v1"]


def test_a_bad_image_is_an_error_that_names_its_bundle() -> None:
    bundle = Bundle(name="1.0.0", image="", version="1.0.0", related_images=("quay.io/Bad", "oci://x", ""))
    package = Package(
        name="op",
        default_channel="a",
        channels={name: Channel(name=name, entries=line("1.0.0")) for name in "ab"},
        bundles={"1.0.0": bundle},
    )
    with pytest.raises(InvalidInput) as caught:
        select(Catalog(packages={"op": package}), wanted())
    assert len(caught.value.problems) == 2
    assert "package op: bundle 1.0.0: 'quay.io/Bad'" in caught.value.problems[0]
