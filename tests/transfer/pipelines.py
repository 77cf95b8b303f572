"""The steps of an image with everything around them prepared: what skopeo is said to have found are values.

The one place that builds a pipeline, and the parts of it, for unit tests.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.model import Configuration, Mirror, Registry
from skopeo_mirror.registries_conf.routing import Router
from skopeo_mirror.request import ImageRequest
from skopeo_mirror.skopeo.command import Runs
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.provenance import Fault, Provenance
from skopeo_mirror.skopeo.scoped import Probe, Target
from skopeo_mirror.skopeo.settings import Access, Settings
from skopeo_mirror.transfer.auditing import without_captured
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.comparing import SignatureComparison
from skopeo_mirror.transfer.destination.place import NamingRules, Place, Writing
from skopeo_mirror.transfer.destination.registry import RegistryDestination
from skopeo_mirror.transfer.jobs import Job
from skopeo_mirror.transfer.manifests import ManifestReader
from skopeo_mirror.transfer.pipeline import Pipeline
from skopeo_mirror.transfer.presence import Presence
from skopeo_mirror.transfer.sourcing import Sourcing, find_sources
from skopeo_mirror.transfer.stages import Begun, Finished, Planned, Step
from tests.values import failed, image_manifest, origin, run_of, served

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.reference import Digest
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.proxy_pool import ManifestReading, ProxyPool
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.transfer.results import ImageResult

MANIFEST = image_manifest(b"config", b"layer")
PINNED = Reference.parse("prod.test/app").pin(Probe(manifest=MANIFEST, provenance=Provenance(attempts=())).digest)
DIGEST = PINNED.digest
ROUTER = Router(
    Configuration(
        registries=(
            Registry(
                prefix="prod.test",
                location="prod.test",
                mirrors=(Mirror(location="a.test/x"), Mirror(location="b.test/y")),
            ),
        )
    )
)
A, B, O = ROUTER.route(PINNED).candidates  # noqa: E741 - the origin, beside the mirrors A and B
"""Two mirrors and the origin, as they are configured."""
ABSENT = Probe(manifest=b"", provenance=run_of(failed(origin("d.test/m/app:v1"), Reason.NOT_FOUND)))
DOUBT = "skopeo's log does not show which candidate served"


def doubted(by: PullSource) -> Provenance:
    """A run that skopeo calls a success, and whose log names a server without proving it."""
    return Provenance(attempts=(served(by),), server=by, doubt=DOUBT)


NOBODY = Provenance(attempts=(), doubt=DOUBT)
"""A run that skopeo calls a success, and whose log shows no server at all."""


def nothing_came(why: str, reason: Reason = Reason.DESTINATION, *, unreachable: bool = False) -> Provenance:
    """A run that failed on no candidate's side."""
    return Provenance(attempts=(), fault=Fault(reason=reason, detail=why, unreachable=unreachable))


def no_manifest(provenance: Provenance) -> Probe:
    return Probe(manifest=b"", provenance=provenance)


def manifest(by: PullSource, content: bytes = MANIFEST) -> Probe:
    return Probe(manifest=content, provenance=run_of(served(by)))


@dataclass(kw_only=True)
class Prepared:
    """Where skopeo is asked: gives prepared answers, in order, and remembers who was to be asked for what.

    `probes` are the sources' answers, `there` are the destination's; when the latter are used up, nothing is there.
    """

    copies: list[Provenance] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    there: list[Probe] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    copied_from: list[tuple[PullSource, ...]] = field(default_factory=list)
    copied_with: list[tuple[str, ...]] = field(default_factory=list)
    probed: list[tuple[PullSource, ...]] = field(default_factory=list)
    looked: list[PullSource] = field(default_factory=list)
    directory: Path = Path("/nowhere")
    skopeo: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(runs=Runs({}), environment={}, version="1.9.3")
    )
    on_copy: Callable[[], None] = lambda: None

    def probe(self, image: Reference, candidates: Sequence[PullSource], **_: object) -> Probe:
        if image.domain == "d.test":
            self.looked += candidates
            return self.there.pop(0) if self.there else ABSENT
        self.probed.append(tuple(candidates))
        return self.probes.pop(0)

    def copy(self, _image: Reference, candidates: Sequence[PullSource], target: Target, **_: object) -> Provenance:
        self.copied_from.append(tuple(candidates))
        self.copied_with.append(tuple(target.options))
        self.on_copy()
        return self.copies.pop(0)

    def stop(self) -> None:
        self.skopeo.runs.stopping.set()


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf(RegistryDestination):
    """A registry's names, and what was published under them; `troubles` are raised instead, one after the other.

    `told` is what publishing was told each time: the blobs that were pulled, and whether the run is being stopped.
    """

    whole: bool | None = None
    form: tuple[str, ...] = ()
    published: list[Place] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)
    told: list[tuple[Collection[str] | None, bool]] = field(default_factory=list)

    def holds(self, *_: object, **__: object) -> bool | None:
        return self.whole

    def options_for(self, media_type: str) -> tuple[str, ...]:  # noqa: ARG002 - the interface's
        return self.form

    @contextmanager
    def writing(self, place: Place, *_: object, **__: object) -> Iterator[Writing]:
        def publish(pulled: Collection[str] | None = None, stopped: Callable[[], bool] = lambda: False) -> None:
            self.told.append((pulled, stopped()))
            if self.troubles:
                raise self.troubles.pop(0)
            self.published.append(place)

        yield Writing(target=Target(name=place.name, repository=place.repository), publish=publish)


def shelf(
    *,
    whole: bool | None = None,
    form: tuple[str, ...] = (),
    troubles: Sequence[Exception] = (),
    tls_verify: bool | None = None,
) -> Shelf:
    return Shelf(
        host="d.test",
        path="m",
        router=ROUTER,
        access=Access(),
        given_tls_verify=tls_verify,
        rules=NamingRules(),
        whole=whole,
        form=form,
        troubles=list(troubles),
    )


@dataclass(kw_only=True)
class PreparedPool:
    """Where the skopeos that stay are asked: they gave `reading` (by digest: `readings`), or there are none."""

    reading: ManifestReading | None = None
    readings: Mapping[Digest | None, ManifestReading] = field(default_factory=dict)
    asked: list[Reference] = field(default_factory=list)

    def read(self, image: Reference, *_: object, **__: object) -> ManifestReading | None:
        self.asked.append(image)
        return self.readings.get(image.digest, self.reading)


def presence_of(
    skopeo: Prepared,
    destination: Shelf | None = None,
    pool: PreparedPool | None = None,
    platforms: tuple[Platform, ...] = (),
) -> Presence:
    return Presence(
        scoped=cast("ScopedSkopeo", skopeo),
        proxies=cast("ProxyPool", pool or PreparedPool()),
        destination=destination or shelf(),
        platforms=platforms,
    )


def request(image: str) -> ImageRequest:
    return ImageRequest(reference=Reference.parse(image))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rig:
    """A pipeline and what it was given."""

    pipeline: Pipeline
    skopeo: Prepared
    destination: Shelf
    sourcing: Sourcing
    captured: dict[str, str]

    def begin(self, image: Reference = PINNED, own: str | None = None, number: int = 0) -> Begun:
        request = ImageRequest(reference=image, destination=own)
        place = self.destination.place(image, own)
        sources = find_sources(request, self.sourcing, place)
        job = Job(number=number, request=request, sources=sources, place=place)
        [job] = without_captured([job], self.captured)
        return self.pipeline.begin(job)

    def look(self, image: Reference = PINNED) -> Step:
        return self.pipeline.look(self.begin(image))

    def planned(self, image: Reference = PINNED) -> Planned:
        """An image that can be copied after a look."""
        step = self.look(image)
        assert isinstance(step, Planned), step
        return step

    def go(self, image: Reference = PINNED) -> Step:
        """Look, and copy where that comes next: the last step."""
        step = self.look(image)
        return self.pipeline.copy(step) if isinstance(step, Planned) else step

    def result(self, image: Reference = PINNED) -> ImageResult:
        """What became of an image that is at its end after that."""
        step = self.go(image)
        assert isinstance(step, Finished), step
        return step.result


def rig(
    *copies: Provenance,
    probes: Sequence[Probe] = (),
    there: Sequence[Probe] = (),
    destination: Shelf | None = None,
    retries: int = 0,
    plans: bool = False,
    dry_run: bool = False,
    mirrors_only: bool = False,
    captured: dict[str, str] | None = None,
    platforms: tuple[Platform, ...] = (),
) -> Rig:
    """A pipeline for which skopeo's copies and probes turn out like this."""
    skopeo = Prepared(copies=list(copies), probes=list(probes), there=list(there))
    destination = destination or shelf()
    reader = ManifestReader(scoped=cast("ScopedSkopeo", skopeo), circuits=Circuits(), retries=retries)
    presence = presence_of(skopeo, destination)
    return Rig(
        pipeline=Pipeline(
            reader=reader,
            destination=destination,
            presence=presence,
            signatures=SignatureComparison(reader=reader, presence=presence),
            plans=plans,
            dry_run=dry_run,
            platforms=platforms,
        ),
        skopeo=skopeo,
        destination=destination,
        sourcing=Sourcing(router=ROUTER, mirrors_only=mirrors_only),
        captured=captured or {},
    )
