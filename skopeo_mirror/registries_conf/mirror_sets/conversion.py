"""The configuration that OpenShift makes of objects (pure; `EditRegistriesConfig` of openshift/runtime-utils)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from skopeo_mirror.reference import is_domain, shown
from skopeo_mirror.registries_conf.mirror_sets.merging import is_real, merged
from skopeo_mirror.registries_conf.mirror_sets.objects import DIGEST_SET, POLICY, TAG_SET
from skopeo_mirror.registries_conf.model import Configuration, Mirror, PullFromMirror, Registry
from skopeo_mirror.registries_conf.routing import Router

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from skopeo_mirror.registries_conf.mirror_sets.objects import Entry, Objects
    from skopeo_mirror.registries_conf.problem import Position, Problem

_MOST_INHERITED = 500_000  # mirrors, over all scopes: a file may name many scopes below many mirrors
_SHOWN = 5  # mirrors of a merged list
_PULLS = ((PullFromMirror.DIGEST_ONLY, (DIGEST_SET, POLICY)), (PullFromMirror.TAG_ONLY, (TAG_SET,)))


@dataclass(kw_only=True, slots=True)
class _Draft:
    """A `[[registry]]` in the making."""

    position: Position
    insecure_at: Position | None = None
    """What makes it insecure."""
    blocked_at: Position | None = None
    """What blocks it."""
    mirrors: list[Mirror] = field(default_factory=list)


def around(scope: str) -> Iterator[str]:
    """Yield every scope that `scope` lies in, itself first, then the innermost."""
    yield scope
    for end in reversed([at for at, sign in enumerate(scope) if sign == "/"]):
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
    order = {name: place for place, name in enumerate(dict.fromkeys(mirrored))}
    inherited = 0
    for name, draft in drafts.items():
        parents = [] if name in order else [one for one in around(name) if one in order]
        if not parents:
            continue
        parent = min(parents, key=order.__getitem__)
        if parent.startswith("*."):
            text = f"{shown(name)} lies inside the mirrored {shown(parent)}, of which OpenShift makes no configuration"
            problems.append(draft.position.error("", text, "give it mirrors of its own"))
            continue
        inherited += len(drafts[parent].mirrors)
        if inherited > _MOST_INHERITED:
            text = f"registries up to this one inherit more than {_MOST_INHERITED} mirrors from their sources"
            problems.append(draft.position.error("", text, "name fewer of them"))
            break
        rest = name.removeprefix(parent)
        draft.mirrors = [replace(mirror, location=mirror.location + rest) for mirror in drafts[parent].mirrors]
    registries = tuple(
        Registry(
            prefix=name,
            location="" if name.startswith("*.") else name,
            insecure=draft.insecure_at is not None,
            blocked=draft.blocked_at is not None,
            mirrors=tuple(draft.mirrors),
            position=draft.position,
            insecure_at=draft.insecure_at,
            blocked_at=draft.blocked_at,
        )
        for name, draft in drafts.items()
    )
    problems += _repeated(objects.entries, drafts)
    problems += _traps(registries, order)
    problems += _one_kind_alone(objects.entries)
    return registries, tuple(problems)


def _flag(drafts: dict[str, _Draft], objects: Objects) -> None:
    """Mark, or add, what is insecure and blocked."""
    for scope in (*objects.blocked, *objects.insecure):
        drafts.setdefault(scope.scope, _Draft(position=scope.position))
    insecure = {scope.scope: scope.position for scope in reversed(objects.insecure)}
    blocked = {scope.scope: scope.position for scope in reversed(objects.blocked)}
    for name, draft in drafts.items():
        draft.insecure_at = _first(insecure, name)
        draft.blocked_at = draft.blocked_at or _first(blocked, name)
        for number, mirror in enumerate(draft.mirrors):
            if there := _first(insecure, mirror.location):
                draft.mirrors[number] = replace(mirror, insecure=True, insecure_at=there)


def _first(scopes: Mapping[str, Position], name: str) -> Position | None:
    """Where the innermost of the scopes stands that `name` lies in."""
    return next((scopes[scope] for scope in around(name) if scope in scopes), None) if scopes else None


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
        draft.blocked_at = draft.blocked_at or next((entry.position for entry in given if entry.never), None)
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


def _repeated(entries: Iterable[Entry], drafts: Mapping[str, _Draft]) -> Iterator[Problem]:
    """Warn of a source that a file names twice: its mirrors are those of both, and not in the order of the file."""
    first: dict[tuple[str, str, str], Entry] = {}
    told = set()
    for entry in entries:
        key = (entry.position.file, entry.kind, entry.source)
        other = first.setdefault(key, entry)
        if other is entry or key in told or entry.source not in drafts:
            continue
        told.add(key)
        pulls = next(pull for pull, kinds in _PULLS if entry.kind in kinds)
        mirrors = [one.location for one in drafts[entry.source].mirrors if one.pull_from_mirror is pulls]
        more = [f"and {len(mirrors) - _SHOWN} more"] if len(mirrors) > _SHOWN else []
        text = f"{shown(entry.source)} stands at {other.position} already; OpenShift merges the mirrors of both"
        yield entry.position.warning("", text, f"in the order {', '.join([*mirrors[:_SHOWN], *more])}")


def _traps(registries: tuple[Registry, ...], mirrored: Container[str]) -> Iterator[Problem]:
    """Warn of what containers/image does with the entries and nobody means; what is inherited is told once."""
    router = Router(Configuration(registries=registries))
    pulls = {one.prefix: {mirror.pull_from_mirror for mirror in one.mirrors} for one in registries}
    for registry in registries:
        name = registry.prefix
        if name not in mirrored or registry.position is None:
            continue
        for mirror in registry.mirrors:
            place = mirror.position or registry.position
            if "/" in name and name != "docker.io/library" and is_domain(mirror.location):
                text = f"the host {mirror.location} for {name}: a pull of that very repository fails"
                yield place.warning("", text, f"write the repository, too, unless {name} is a namespace")
            there = router.lookup(mirror.location)
            if there is not None and there.blocked:
                why = f" ({there.blocked_at})" if there.blocked_at else ""
                yield place.warning("", f"{mirror.location} is blocked{why}, so that this mirror is never asked")
        for outer in around(name):
            lost = pulls[outer] - pulls[name] if outer in pulls else set()
            if lost:
                what = "digests" if PullFromMirror.DIGEST_ONLY in lost else "tags"
                text = f"{what} of {name} pass the mirrors of {outer} by: only the longest source counts"
                yield registry.position.warning("", text, f"name {name} in both kinds of set")
                break


def _one_kind_alone(entries: Sequence[Entry]) -> Iterator[Problem]:
    kinds = {entry.kind for entry in entries if is_real(entry.source, entry.mirrors)}
    for missing, what, others in ((TAG_SET, "tag", {DIGEST_SET, POLICY}), (DIGEST_SET, "digest", {TAG_SET})):
        if kinds and kinds <= others:
            text = f"no {what} is redirected: an image named by {what} comes from its source"
            yield entries[0].position.warning("", text, f"add an {missing}, or use --all-mirrors")
