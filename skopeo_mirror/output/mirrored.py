"""Images that are at their destination, as the reports of `copy` have them (pure).

Only confirmed images count: copied with a proof of who served, or present with their digest compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from dataclasses import field as field_
from typing import TYPE_CHECKING, Any, Final, TypeVar

from skopeo_mirror.attached import ALL_KINDS, names
from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.output.report_fields import damaged, field, objects, optional, place_of, report_of
from skopeo_mirror.platforms import Platform
from skopeo_mirror.reference import Digest, Reference, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from skopeo_mirror.reference import PinnedReference

_T = TypeVar("_T")
OPERATOR: Final = "operator"
GENERIC: Final = "generic"
RELEASE: Final = "release"
_COPIED: Final = frozenset({"copied", "would-copy"})
_PLANNED: Final = "would-copy"
_DOCKER: Final = "docker://"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirrored:
    """One image of a report."""

    image: Reference
    digest: str
    destination: Reference | None
    """Its reference there; None where it is in no registry."""
    insecure: bool
    """Whether certificates were not verified there."""
    confirmed: bool
    """Whether it is surely there, at its digest; with what is planned, whether it would be."""
    planned: bool = False
    """Whether a dry run has found that it would be copied."""
    started: str
    """When the run began (UTC, sorts by time)."""
    catalog: str | None = None
    """The operator catalog that it is, if it is one."""
    rebuilt: bool = False
    """Whether it was made anew: what is pulled by its name is another."""
    catalog_source: Mapping[str, Mapping[str, Any]] = field_(default_factory=dict, hash=False)
    """What its CatalogSource is to be made of: `metadata` and `spec`."""
    category: str = GENERIC
    """oc-mirror's word for what it is."""
    platforms: tuple[Platform, ...] = ()
    """Those that it was copied for alone, if it is an index (none: for all)."""
    parts: tuple[str, ...] = ()
    """The digests of the images of its index that the run has looked at."""
    attached: tuple[PinnedReference, ...] = ()
    """What is attached to it, and to the images of its index, as that is called at the destination."""

    @property
    def has_origin(self) -> bool:
        """Whether it has a name of its own that others pull it by; one from `oci://PATH` has not."""
        return self.image.domain != "localhost" and not (self.catalog or "").startswith("oci:")

    @property
    def is_redirected_by_tag(self) -> bool:
        """Whether it was asked for by a tag, with a digest or without, and has that tag at the destination too."""
        tag = self.image.tag or (None if self.image.digest else "latest")
        return tag is not None and self.destination is not None and self.destination.tag == tag


def parse_report(text: str, name: str, *, planned: bool = False, whole: bool = False) -> tuple[Mirrored, ...]:
    """Read a report (schema `skopeo-mirror/report/v1`); `name` is for messages. Raises InvalidInput.

    With `planned`, what a dry run has found that it would copy counts as if it were there. Where it is to say all that
    is to be kept (`whole`), one of a run that was stopped, or of a shard, is refused.
    """
    document = report_of(text, name)
    if whole:
        _check_whole(document, name)
    there = frozenset({"copied", "present", *([_PLANNED] if planned else [])})
    try:
        insecure, started = not field(document, "destination_tls_verify", bool), field(document, "started", str)
        platforms = _platforms(document)
        return tuple(
            _mirrored(image, where, insecure=insecure, started=started, platforms=platforms, there=there)
            for where, image in objects(field(document, "images", list), "images")
        )
    except InvalidReference as error:
        raise damaged(name, error) from error


def _check_whole(report: dict[str, Any], name: str) -> None:
    if report.get("stopped") is not None:
        raise InvalidInput([f"{name}: its run was stopped: it does not say all that is to be kept"])
    if report.get("shard") is not None:
        raise InvalidInput([f"{name}: is of one part of a list: make one of all (`merge --json`)"])


def check_registries(images: Iterable[Mirrored], name: str) -> None:
    """Refuse a report of a run into a directory: nobody pulls from there. Raises InvalidInput."""
    if any(image.confirmed and image.destination is None for image in images):
        raise InvalidInput([f"{name}: its images went into a directory; only a registry can be pulled from"])


def confirmed_images(reports: Iterable[Iterable[Mirrored]]) -> tuple[Mirrored, ...]:
    """The confirmed images of several reports, sorted; of one that is in several, what the latest run has found.

    Its platforms are those of all runs: what one has brought to a repository is there when the next has come.
    """
    found: dict[tuple[Reference, Reference | None], Mirrored] = {}
    brought: dict[tuple[str | None, str], list[tuple[Platform, ...]]] = {}
    for image in _in_time(reports):
        found[image.image, image.destination] = image
        brought.setdefault(_stored(image), []).append(image.platforms)
    images = (replace(image, platforms=_together(brought[_stored(image)])) for image in found.values())
    return tuple(sorted(images, key=lambda one: (str(one.image), str(one.destination))))


def attached(reports: Iterable[Iterable[Mirrored]]) -> tuple[tuple[Reference, PinnedReference], ...]:
    """What is attached to the confirmed images, with the names that it comes from and is called by, sorted.

    What an earlier run has brought stays, unless a later one has moved its tag.
    """
    found = {
        one.without_digest(): (image.image.without_tag().pin(one.digest), one)
        for image in _in_time(reports)
        if image.has_origin
        for one in image.attached
    }
    return tuple(sorted(found.values(), key=lambda pair: (str(pair[0]), str(pair[1]))))


def _in_time(reports: Iterable[Iterable[Mirrored]]) -> list[Mirrored]:
    """The confirmed images in the order of their runs."""
    return sorted((one for report in reports for one in report if one.confirmed), key=lambda one: one.started)


def _platforms(report: dict[str, Any]) -> tuple[Platform, ...]:
    """The platforms that a run was asked for. Raises InvalidReference, with the place."""
    texts = {f"platforms[{number}]": text for number, text in enumerate(optional(report, "platforms", list) or [])}
    return tuple(_parsed(Platform.parse, texts, place) for place in texts)


def _mirrored(
    image: dict[str, Any],
    where: str,
    *,
    insecure: bool,
    started: str,
    platforms: tuple[Platform, ...],
    there: frozenset[str],
) -> Mirrored:
    """Read an image; all that may be printed of it has a form of its own. Raises InvalidReference, with the place.

    `there` is what is said of images that are there.
    """
    reference = _parsed(Reference.parse, image, "image", where)
    destination = field(image, "destination", str, where)
    digest = None if image.get("digest") is None else _parsed(Digest.parse, image, "digest", where)
    status = field(image, "status", str, where)
    proven = field(image, "confirmed", bool, where)
    confirmed = proven and status in there
    if confirmed and digest is None:
        raise InvalidReference(f"{where}: {reference} is confirmed, and has no digest")
    catalog, release = (optional(image, key, str, where) for key in ("catalog", "release"))
    source = optional(image, "catalog_source", dict, where) or {}
    parts = optional(image, "parts", list, where) or []
    place = _parsed(Reference.parse, image, "destination", where) if destination.startswith(_DOCKER) else None
    wanted_by = optional(image, "wanted_by", list, where)
    return Mirrored(
        image=reference,
        digest="" if digest is None else str(digest),
        destination=place,
        insecure=insecure,
        confirmed=confirmed,
        planned=proven and status == _PLANNED,
        started=started,
        catalog=catalog,
        rebuilt=image.get("rebuilt_from") is not None,
        catalog_source={
            key: field(source, key, dict, f"{where}.catalog_source") for key in ("metadata", "spec") if key in source
        },
        category=OPERATOR if catalog or wanted_by else RELEASE if release else GENERIC,
        platforms=platforms if parts or status not in _COPIED else (),  # what came in one piece is all there
        parts=tuple(str(_parsed(Digest.parse, part, "digest", at)) for at, part in objects(parts, f"{where}.parts")),
        attached=() if place is None else tuple(_attached(image, where, place, there)),
    )


def _attached(
    image: dict[str, Any], where: str, destination: Reference, there: frozenset[str]
) -> Iterator[PinnedReference]:
    """What is attached to an image, as far as it is there. Raises InvalidReference, with the place."""
    for place, entry in objects(optional(image, "attached", list, where) or [], f"{where}.attached"):
        tag, subject = field(entry, "tag", str, place), _parsed(Digest.parse, entry, "subject", place)
        digest = _parsed(Digest.parse, entry, "digest", place)
        if tag not in {name for _, name in names(subject, ALL_KINDS)}:
            raise InvalidReference(f"{place}.tag: {shown(tag)} is not what is attached to {subject} is called")
        if field(entry, "status", str, place) in there:
            yield destination.under(tag).pin(digest)


def _parsed(parse: Callable[[str], _T], table: dict[str, Any], key: str, where: str = "") -> _T:
    text = field(table, key, str, where)
    try:
        return parse(text)
    except InvalidReference as error:
        raise InvalidReference(f"{place_of(key, where)}: {error}") from error


def _stored(image: Mirrored) -> tuple[str | None, str]:
    return None if image.destination is None else image.destination.name, image.digest


def _together(runs: Sequence[tuple[Platform, ...]]) -> tuple[Platform, ...]:
    """What runs have brought for these platforms, each; one without any has brought all."""
    return () if () in runs else tuple(sorted({platform for run in runs for platform in run}, key=str))
