"""The configuration that OpenShift makes of objects (pure; `EditRegistriesConfig` of openshift/runtime-utils)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from skopeo_mirror.reference import shown
from skopeo_mirror.registries_conf.mirror_sets.merging import is_real, merged
from skopeo_mirror.registries_conf.mirror_sets.objects import DIGEST_SET, POLICY, TAG_SET
from skopeo_mirror.registries_conf.model import Mirror, PullFromMirror, Registry
from skopeo_mirror.registries_conf.problem import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from skopeo_mirror.registries_conf.mirror_sets.objects import Entry, Objects
    from skopeo_mirror.registries_conf.problem import Position, Problem

_PULLS = ((PullFromMirror.DIGEST_ONLY, (DIGEST_SET, POLICY)), (PullFromMirror.TAG_ONLY, (TAG_SET,)))


@dataclass(kw_only=True, slots=True)
class _Draft:
    """A `[[registry]]` in the making."""

    position: Position
    insecure: bool = False
    blocked: bool = False
    mirrors: list[Mirror] = field(default_factory=list)


def around(scope: str) -> Iterator[str]:
    """Yield every scope that `scope` lies in, itself first."""
    yield scope
    for end in (at for at, sign in enumerate(scope) if sign == "/"):
        yield scope[:end]
    host = scope.partition(":")[0] if ":" in scope else scope.partition("/")[0]
    if "/" not in host:
        for start in (at for at, sign in enumerate(host) if sign == "."):
            yield f"*{host[start:]}"


def converted(objects: Objects) -> tuple[tuple[Registry, ...], tuple[Problem, ...]]:
    """Return the entries that OpenShift writes, and what is wrong with the objects taken together."""
    problems = list(_clashing_policies(objects.entries))
    drafts: dict[str, _Draft] = {}
    mirrored: list[str] = []
    for pull, kinds in _PULLS:
        mirrored += _add_mirrors(
            drafts, pull, [entry for kind in kinds for entry in objects.entries if entry.kind == kind]
        )
    _flag(drafts, objects)
    # OpenShift's order: of several mirrored parents the first by name counts, not the longest.
    order = {name: place for place, name in reversed([*enumerate(mirrored)])}
    for name, draft in drafts.items():
        parent = min((one for one in around(name) if one in order), key=order.__getitem__, default=name)
        if name in order or parent == name:
            continue
        if parent.startswith("*."):
            text = f"{shown(name)} lies inside the mirrored {shown(parent)}, of which OpenShift makes no configuration"
            problems.append(draft.position.error("", text, "give it mirrors of its own"))
            continue
        rest = name.removeprefix(parent)
        draft.mirrors = [replace(mirror, location=mirror.location + rest) for mirror in drafts[parent].mirrors]
    registries = tuple(
        Registry(
            prefix=name,
            location="" if name.startswith("*.") else name,
            insecure=draft.insecure,
            blocked=draft.blocked,
            mirrors=tuple(draft.mirrors),
            position=draft.position,
        )
        for name, draft in drafts.items()
    )
    problems += _repeated(objects.entries, drafts)
    problems += _traps(registries, objects.entries)
    return registries, tuple(problems)


def _flag(drafts: dict[str, _Draft], objects: Objects) -> None:
    """Mark, or add, what is insecure and blocked."""
    for scope in (*objects.blocked, *objects.insecure):
        drafts.setdefault(scope.scope, _Draft(position=scope.position))
    insecure = {scope.scope for scope in objects.insecure}
    blocked = {scope.scope for scope in objects.blocked}
    for name, draft in drafts.items():
        draft.insecure = not insecure.isdisjoint(around(name))
        draft.blocked = draft.blocked or not blocked.isdisjoint(around(name))
        draft.mirrors = [
            replace(mirror, insecure=not insecure.isdisjoint(around(mirror.location))) for mirror in draft.mirrors
        ]


def _add_mirrors(drafts: dict[str, _Draft], pull: PullFromMirror, entries: Iterable[Entry]) -> list[str]:
    """Add the mirrors for one kind of pull; return the sources in their order."""
    by_source: dict[str, list[Entry]] = {}
    for entry in entries:
        if is_real(entry.source, entry.mirrors):
            by_source.setdefault(entry.source, []).append(entry)
    for source in sorted(by_source):
        given = by_source[source]
        places: dict[str, Position] = {}
        for entry in given:
            for mirror, place in zip(entry.mirrors, entry.mirror_positions, strict=True):
                places.setdefault(mirror, place)
        draft = drafts.setdefault(source, _Draft(position=given[0].position))
        draft.blocked = draft.blocked or any(entry.never for entry in given)
        for mirror in merged(source, [entry.mirrors for entry in given]):
            position = places.get(mirror, given[0].position)
            draft.mirrors.append(Mirror(location=mirror, pull_from_mirror=pull, position=position))
    return sorted(by_source)


def _clashing_policies(entries: Iterable[Entry]) -> Iterator[Problem]:
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.source, entry)
        if other.never != entry.never:
            text = f"{shown(entry.source)} has another mirrorSourcePolicy here than at {other.position}"
            yield entry.position.error("", text, "give a source one policy in all objects")


def _repeated(entries: Iterable[Entry], merging: Mapping[str, _Draft]) -> Iterator[Problem]:
    """Warn of a source that a file names twice: its mirrors are those of both, and not in the order of the file."""
    first: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        other = first.setdefault((entry.position.file, entry.kind, entry.source), entry)
        if other is not entry and entry.source in merging:
            pulls = next(pull for pull, kinds in _PULLS if entry.kind in kinds)
            mirrors = [one.location for one in merging[entry.source].mirrors if one.pull_from_mirror is pulls]
            text = f"{shown(entry.source)} stands at {other.position} already; OpenShift merges the mirrors of both"
            yield _warning(entry.position, text, f"in the order {', '.join(mirrors)}")


def _traps(registries: Iterable[Registry], entries: Iterable[Entry]) -> Iterator[Problem]:
    by_prefix = {registry.prefix: registry for registry in registries}
    for registry in registries:
        for mirror in registry.mirrors:
            place = mirror.position
            if place is None:
                continue
            if "/" not in mirror.location and "/" in registry.prefix:
                text = f"the host {mirror.location} for {registry.prefix}: a pull of that very repository fails"
                yield _warning(place, text, "write the repository, too")
            there = by_prefix.get(mirror.location)
            if there is not None and there.blocked and there is not registry:
                yield _warning(place, f"{mirror.location} is blocked, so that this mirror is never asked")
        pulls = {mirror.pull_from_mirror for mirror in registry.mirrors}
        if len(pulls) != 1 or registry.position is None:
            continue
        for end in (at for at, sign in enumerate(registry.prefix) if sign == "/"):
            above = by_prefix.get(registry.prefix[:end])
            lost = {mirror.pull_from_mirror for mirror in above.mirrors} - pulls if above else set()
            if above is not None and lost:
                what = "digests" if PullFromMirror.DIGEST_ONLY in lost else "tags"
                text = (
                    f"{what} of {registry.prefix} pass the mirrors of {above.prefix} by: only the longest source counts"
                )
                yield _warning(registry.position, text, f"name {registry.prefix} in both kinds of set")
    entries = list(entries)
    if entries and all(entry.kind != TAG_SET for entry in entries):
        text = "no tag is redirected: an image named by tag comes from its source"
        yield _warning(entries[0].position, text, f"add an {TAG_SET}")


def _warning(place: Position, text: str, advice: str = "") -> Problem:
    return replace(place.error("", text, advice), severity=Severity.WARNING)
