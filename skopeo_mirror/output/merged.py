"""The reports of shards as one: whether they belong together, what is missing, what the whole list came to (pure)."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.output.report_fields import damaged, field, objects, optional, place_of, report_of
from skopeo_mirror.output.text import counted, human_bytes, image_count
from skopeo_mirror.transfer.results import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_SUMMED: Final = ("images", "copied", "present", "failed", "bytes")
_TEXTS: Final = (("tool", "version"), ("skopeo", "path"), ("skopeo", "version"), ("registries_conf", "sha256"))
_DEEPEST: Final = 4  # summary.failed_by.LOCATION.reasons.REASON
_LARGEST: Final = 2**63
_NAMED: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardReport:
    """The report of the `index`-th (1-based) of `count` shards; of a whole list both are 1."""

    name: str
    """What its file is called, for messages."""
    index: int
    count: int
    head: dict[str, Any]
    """All but its images, which are many."""
    failures: tuple[str, ...]
    """A line for each image that failed, as `copy` says it."""
    has_begun: bool
    """Whether the run came to its images; one that did not knows little of itself."""


def parse_shard_report(text: str, name: str) -> ShardReport:
    """Read a report (schema `skopeo-mirror/report/v1`); `name` is for messages. Raises InvalidInput."""
    document = report_of(text, name)
    try:
        _check(document)
        shard = optional(document, "shard", str)
        index, count = (1, 1) if shard is None else _shard(shard)
    except InvalidReference as error:
        raise damaged(name, error) from error
    images = document.pop("images")
    return ShardReport(
        name=name,
        index=index,
        count=count,
        head=document,
        failures=tuple(
            f"failed {image['image']}: {' '.join(image['error'].split())}"
            for image in images
            if image["status"] == "failed"
        ),
        has_begun=document["stopped"] is None or bool(images),
    )


def merged_head(reports: Sequence[ShardReport]) -> dict[str, Any]:
    """One report of them all, but for its images: those of each, by shard.

    A shard that is missing fails it, and is told in `stopped`.
    Raises InvalidInput where they are not of one run of one list, or a shard is there twice.
    """
    if problems := [*_problems(reports)]:
        raise InvalidInput(problems)
    reports = sorted(reports, key=lambda report: report.index)
    documents = [report.head for report in reports]
    stopped = [*_stopped(reports)]
    first = min(documents, key=_started)
    return next((report.head for report in reports if report.has_begun), documents[0]) | {
        "changed": any(one["changed"] for one in documents),
        "failed": bool(stopped) or any(one["failed"] for one in documents),
        "started": first["started"],
        "seconds": round((max(map(_ended, documents)) - _started(first)).total_seconds(), 3),
        "tool": {"version": _all(one["tool"]["version"] for one in documents)},
        "skopeo": {key: _all(one["skopeo"][key] for one in documents) for key in ("path", "version")},
        "registries_conf": _configuration([one["registries_conf"] for one in documents]),
        "stopped": "; ".join(stopped) or None,
        "shard": None,
        "summary": _added([one["summary"] for one in documents], "summary"),
    }


def verdict_lines(head: dict[str, Any], shards: int) -> Iterator[str]:
    """What `shards` reports came to in numbers: the images, who served, what failed there, and what is missing."""
    summary = head["summary"]
    ends = counted({status: summary.get(status.replace("-", "_"), 0) for status in Status}) or "nothing to do"
    of = "1 shard" if shards == 1 else f"{shards} shards"
    yield f"{image_count(summary['images'])} of {of}: {ends} in {head['seconds']:.1f} s"
    for location, served in sorted(summary.get("served_by", {}).items()):
        yield f"  {location}: {image_count(served.get('images', 0))}, {human_bytes(served.get('bytes', 0))}"
    if failed_by := summary.get("failed_by"):
        yield "failed or passed over:"
        for location, faults in sorted(failed_by.items()):
            reasons = ", ".join(f"{reason} ({count})" for reason, count in sorted(faults.get("reasons", {}).items()))
            yield f"  {location}: {reasons}"
    if head["stopped"] is not None:
        yield head["stopped"]


def _check(document: dict[str, Any]) -> None:
    """Raises InvalidReference, with the place, where a field that is merged is not what the schema says."""
    for key in ("changed", "failed", "dry_run", "destination_tls_verify"):
        field(document, key, bool)
    field(document, "destination", str)
    document["stopped"] = optional(document, "stopped", str)
    try:
        _ended(document)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidReference("started, seconds: are no time YYYY-MM-DDTHH:MM:SSZ and a number of seconds") from error
    for table, key in _TEXTS:
        field(field(document, table, dict), key, str, table)
    _check_texts(field(document["registries_conf"], "files", list, "registries_conf"), "registries_conf.files")
    _check_texts(field(document, "platforms", list) if "platforms" in document else [], "platforms")
    _check_counts(field(document, "summary", dict), "summary")
    for key in _SUMMED:
        field(document["summary"], key, int, "summary")
    if (whole := optional(document, "list", dict)) is not None:
        field(whole, "images", int, "list")
        field(whole, "sha256", str, "list")
    for where, image in objects(field(document, "images", list), "images"):
        field(image, "image", str, where)
        if field(image, "status", str, where) == "failed":
            field(image, "error", str, where)


def _check_texts(texts: list[Any], where: str) -> None:
    if not all(isinstance(text, str) for text in texts):
        raise InvalidReference(f"{where}: is no list of texts")


def _check_counts(table: dict[str, Any], where: str, depth: int = 0) -> None:
    for key, value in table.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            _check_counts(value, place_of(key, where), depth + 1)
        elif not 0 <= field(table, key, int, where) < _LARGEST:
            raise InvalidReference(f"{place_of(key, where)}: is no count")


def _started(document: dict[str, Any]) -> dt.datetime:
    """Raises ValueError; InvalidReference where there is none."""
    return dt.datetime.strptime(field(document, "started", str), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)


def _ended(document: dict[str, Any]) -> dt.datetime:
    """Raises ValueError, TypeError, OverflowError; InvalidReference as `_started`."""
    seconds: float = document["seconds"] if "seconds" in document else field(document, "seconds", int)
    return _started(document) + dt.timedelta(seconds=seconds)


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,8})/([1-9]\d{0,8})", text, re.ASCII)
    if match is None or int(match[1]) > int(match[2]):
        raise InvalidReference("shard: is not I/N")
    return int(match[1]), int(match[2])


def _problems(reports: Sequence[ShardReport]) -> Iterator[str]:
    """Why these reports have no verdict together."""
    if len(reports) > 1:
        for report in reports:
            if report.count == 1:
                yield f"{report.name}: is the report of a whole list, and of no shard of it (`copy --shard I/N`)"
    begun = [report for report in reports if report.has_begun]
    yield from _differing("numbers of shards", reports, lambda one: str(one.count))
    yield from _differing("lists", begun, _list)
    yield from _differing("destinations", begun, lambda one: str(one.head["destination"]))
    yield from _differing("platforms", begun, lambda one: ", ".join(one.head.get("platforms", [])) or "all")
    yield from _differing("kinds", begun, lambda one: "a dry run" if one.head["dry_run"] else "a copy")
    found: dict[tuple[int, int], list[str]] = {}
    for report in reports:
        found.setdefault((report.index, report.count), []).append(report.name)
    for (index, count), names in sorted(found.items()):
        if len(names) > 1 and count > 1:
            yield f"shard {index}/{count} has {len(names)} reports: {_few(names)}; give the one that counts"


def _differing(what: str, reports: Iterable[ShardReport], of: Callable[[ShardReport], str]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for report in reports:
        groups.setdefault(of(report), []).append(report.name)
    if len(groups) > 1:
        told = "; ".join(f"{value} in {_few(names)}" for value, names in groups.items())
        yield f"these are reports of different {what}: {told}"


def _list(report: ShardReport) -> str:
    """What tells one list from another."""
    whole = report.head.get("list")
    if whole is None:
        return "one that is not told"
    return f"{image_count(whole['images'])} (sha256 {whole['sha256'][:12]})"


def _stopped(reports: Sequence[ShardReport]) -> Iterator[str]:
    """Why not every image had its turn; `reports` are sorted."""
    count = reports[0].count
    there = {report.index for report in reports}
    missing = [*_ranges(there, count)]
    if missing:
        one = len(there) == count - 1
        again = f"`copy --shard {missing[0]}/{count}`" if one else "`copy --shard I/N` for each"
        which = f"shard {missing[0]}/{count} is" if one else f"shards {', '.join(missing)} of {count} are"
        yield f"{which} missing: no report of {'it' if one else 'them'} was given; run {again}, then merge again"
    for report in reports:
        if (why := report.head["stopped"]) is not None:
            yield why if report.count == 1 else f"shard {report.index}/{count} stopped early: {why}"


def _ranges(there: set[int], count: int) -> Iterator[str]:
    """The numbers from 1 to `count` that are not `there`, neighbours together: `3`, `7-12`."""
    before = 0
    for number in (*sorted(there), count + 1):
        first, last = before + 1, number - 1
        if first <= last:
            yield str(first) if first == last else f"{first}-{last}"
        before = number


def _configuration(several: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sums = [*_each(one["sha256"] for one in several)]
    return {
        "files": [*_each(file for one in several for file in one["files"])],
        "sha256": sums[0] if len(sums) == 1 else "",
    }


def _added(tables: Iterable[dict[str, Any]], where: str) -> dict[str, Any]:
    """The sums of counts, key by key. Raises InvalidInput where one has a table for what is a count in another."""
    total: dict[str, Any] = {}
    for table in tables:
        for key, value in table.items():
            before = total.get(key, {} if isinstance(value, dict) else 0)
            if isinstance(before, dict) != isinstance(value, dict):
                raise InvalidInput([f"these reports do not fit together: {place_of(key, where)} is not alike in them"])
            total[key] = _added([before, value], place_of(key, where)) if isinstance(value, dict) else before + value
    return total


def _all(texts: Iterable[str]) -> str:
    return ", ".join(_each(texts))


def _each(texts: Iterable[str]) -> Iterable[str]:
    """Each text once, in order."""
    return dict.fromkeys(texts)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
