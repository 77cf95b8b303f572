"""Releases that an image set asks for: the field `platform`, as far as no update service has to be asked.

Names are those of oc-mirror v2 (https://github.com/openshift/oc-mirror, internal/pkg/release): a channel whose ends are
one version is the release image of that version, one for each architecture.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.olm.semver import Version
from skopeo_mirror.reference import Reference, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skopeo_mirror.yaml_fields import Fields

MULTI: Final = "multi"
"""The architecture of an image for several."""
ARCHITECTURES: Final = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    MULTI: MULTI,
}
"""What the tags of release images call an architecture."""
_OCP, _OKD = "quay.io/openshift-release-dev/ocp-release", "quay.io/openshift/okd"
_SERVICE = "known to OpenShift's update service alone: use oc-mirror, or"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseSelection:
    """A release image, and whether the KubeVirt image that it names is wanted too."""

    release: str
    """As the image set writes it, or a channel's version comes to."""
    reference: Reference
    kubevirt: bool = False


def release_selections(platform: Fields) -> tuple[ReleaseSelection, ...]:
    """Read the field; note what is wrong with it, and what cannot be done here."""
    platform.only("graph", "channels", "architectures", "platforms", "release", "kubeVirtContainer")
    if platform.has("platforms"):
        platform.unsupported("platforms", "set `architectures` instead, to `multi` for --platform to take a part of")
    if platform.has("architectures") and not platform.has("channels"):
        platform.warning("architectures", "has no effect: it is for channels")
    architectures = tuple(_architectures(platform)) or ("amd64",)
    channels = [(channel, _channel(channel, architectures)) for channel in platform.mappings("channels")]
    images = [image for image in (platform.text("release"), *chain(*(named for _, named in channels))) if image]
    if platform.flag("graph"):  # releases that are all named are whole without it
        is_needed = not images or not all(named for _, named in channels)
        platform.unsupported("graph", f"the update graph is {_SERVICE} leave it out", is_needed=is_needed)
    _leave_out_ways(platform, [channel for channel, named in channels if named])
    kubevirt = platform.flag("kubeVirtContainer")
    selections = []
    for image in dict.fromkeys(images):
        try:
            selections.append(ReleaseSelection(release=image, reference=Reference.parse(image), kubevirt=kubevirt))
        except InvalidReference as error:
            platform.problem("release", str(error))
    return tuple(selections)


def _leave_out_ways(platform: Fields, channels: Iterable[Fields]) -> None:
    """Say that between several channels' releases oc-mirror adds those that the shortest update goes through."""
    ocp = (channel for channel in channels if channel.text("type") != "okd")
    versions = sorted({version for channel in ocp if (version := channel.text("minVersion"))}, key=Version.parse)
    if len(versions) > 1:
        way = f"what lies on the way from {versions[0]} to {versions[-1]} is {_SERVICE} name it"
        platform.warning("channels", f"only these are copied; {way}")


def _architectures(platform: Fields) -> Iterator[str]:
    for name in platform.texts("architectures"):
        if name in ARCHITECTURES:
            yield name
        else:
            platform.problem("architectures", f"expected {', '.join(ARCHITECTURES)}, not {shown(name)}")


def _channel(channel: Fields, architectures: tuple[str, ...]) -> list[str]:
    """The release images of a channel; none where its ends are not one version."""
    channel.only("name", "type", "minVersion", "maxVersion", "shortestPath", "full")
    channel.required("name")
    kind = channel.text("type") or "ocp"
    if kind not in {"ocp", "okd"}:
        channel.problem("type", f"expected ocp or okd, not {shown(kind)}")
        return []
    ends = {name: version for name in ("minVersion", "maxVersion") if (version := channel.text(name)) is not None}
    if [name for name, version in ends.items() if not _is_version(channel, name, version)]:
        return []
    versions = dict.fromkeys(ends.values())
    images = [
        f"{_OKD}:{version}" if kind == "okd" else f"{_OCP}:{version}-{ARCHITECTURES[architecture]}"
        for version in versions
        for architecture in architectures
    ]
    images = [*dict.fromkeys(images)]  # OKD's have no architecture
    whole = [name for name in ("shortestPath", "full") if channel.flag(name)]
    if len(ends) == 2 and len(versions) == 1:  # noqa: PLR2004 - both ends
        for name in whole:
            channel.warning(name, "has no effect: minVersion and maxVersion are one release")
        return images
    one = "set minVersion and maxVersion to one version, in a channel for each release"
    if len(ends) == 2:  # noqa: PLR2004 - as above
        first, last = versions
        problem = f"what lies between {first} and {last} is {_SERVICE} {one}; the ends are {', '.join(images)}"
    else:
        problem = f"which releases a channel has is {_SERVICE} {one}"
    channel.unsupported("", problem)
    for name in whole:
        channel.unsupported(name, f"the releases on the way are {_SERVICE} name each")
    return []


def _is_version(channel: Fields, name: str, version: str) -> bool:
    try:
        Version.parse(version)
    except ValueError:
        channel.problem(name, f"{shown(version)} is no version of a release (as 4.18.3)")
        return False
    return True
