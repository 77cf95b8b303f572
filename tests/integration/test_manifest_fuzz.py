"""Whatever a hostile registry's manifests say, one shared layout stays whole, and only the truth is confirmed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.rig.copying import configure, copy, entry, report_of
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import (
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    digest_of,
    make_image,
    make_index,
    make_random_layer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.program import Program
    from tests.rig.registry import Registry

SHARED: Final = make_random_layer("shared", 3000)
GOOD: Final = (
    make_image("one", layers=[SHARED, make_random_layer("one", 500)]),
    make_image("two", layers=[SHARED]),
    make_index([make_image("three", layers=[SHARED, make_random_layer("three", 700)])]),
)
NOWHERE: Final = f"sha256:{'0' * 64}"
DEEP: Final = "[" * 1500 + "]" * 1500
LATER: Final = make_image("later", layers=[SHARED, make_random_layer("later", 600)])
"""A good image that is copied anew in each run: it shares what the hostile ones claim."""

OWN: Final = {digest_of(blob): blob for blob in (b"own", b"{}", b"x" * 100)}
KNOWN: Final = {
    **OWN,
    **{digest: blob for image in GOOD for digest, blob in image.blobs.items()},
    **{part.digest: part.manifest for image in GOOD for part in image.walk()},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What the hostile registry has, and whether manifests are read ahead."""

    manifests: tuple[tuple[str, bytes], ...]
    blobs: dict[str, bytes]
    plans: bool


MANIFEST_TYPES: Final = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST)
LAYER_TYPES: Final = (
    *(OCI_LAYER, OCI_LAYER, OCI_LAYER, DOCKER_LAYER, OCI_MANIFEST, OCI_CONFIG, "application/octet-stream", ""),
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
)
# What a descriptor may say beside, or instead of, the truth: most of it passes skopeo.
CLAIMS: Final[tuple[dict[str, Any], ...]] = (
    *({"size": size} for size in (0, 1, 5000, 2**63 - 1, -1, 2**63, 10**400, "3", 3.5, None)),
    *({"urls": urls} for urls in ([], ["http://127.0.0.1:1/layer"], "text", [None])),
    *({"annotations": annotations} for annotations in ({"a": "b"}, {"size": "1"}, "DEEP", {"a": "DEEP"})),
    *({key: value} for key, value in (("Size", 1), ("Digest", NOWHERE), ("data", "eA=="), ("artifactType", "a/b"))),
    {"platform": {"os": "linux", "architecture": "amd64"}},
)
# The same for a whole manifest.
TURNS: Final[tuple[dict[str, Any], ...]] = (
    *({"annotations": annotations} for annotations in ({"a": "b"}, {"config": "DEEP"}, "DEEP")),
    *({"schemaVersion": version} for version in (1, 2.0, "2")),
    *({"Layers": []}, {"layers": None}, {"manifests": []}, {"artifactType": "a/b"}, {"mediaType": "text/html"}),
    {"subject": {"mediaType": OCI_MANIFEST, "digest": NOWHERE, "size": 3}},
)


@st.composite
def manifests(draw: st.DrawFn, known: dict[str, bytes], indexed: dict[str, bytes]) -> tuple[str, bytes]:
    """A media type, as the registry gives it, and a manifest's bytes; one thing in it is odd, or a few are."""

    def described(digest: str, kind: str) -> dict[str, Any]:
        return {"mediaType": kind, "digest": digest, "size": len(known.get(digest, b""))}

    def some(digests: dict[str, bytes], kinds: tuple[str, ...]) -> list[dict[str, Any]]:
        chosen = draw(st.lists(st.tuples(st.sampled_from(sorted(digests)), st.sampled_from(kinds)), max_size=3))
        return [described(digest, kind) for digest, kind in chosen]

    kind = draw(st.sampled_from([OCI_MANIFEST, OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST]))
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": kind}
    if kind == OCI_INDEX:
        document["manifests"] = some(indexed, (OCI_MANIFEST,)) + some(known, MANIFEST_TYPES)[: draw(st.integers(0, 1))]
        parts = document["manifests"]
    else:
        document["config"] = described(draw(st.sampled_from(sorted(known))), OCI_CONFIG)
        document["layers"] = some(known, LAYER_TYPES)
        parts = [document["config"], *document["layers"]]
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 3]))):
        if parts and draw(st.booleans()):
            draw(st.sampled_from(parts)).update(draw(st.sampled_from(CLAIMS)))
        elif parts and draw(st.booleans()):  # a size that is nearly right
            draw(st.sampled_from(parts))["size"] = draw(st.sampled_from([186, 187, 188, 665, 666, 2, 3, 100, 101]))
        else:
            document |= draw(st.sampled_from(TURNS))
    text = json.dumps(document).replace('"DEEP"', DEEP)
    return draw(st.sampled_from([kind, kind, kind, kind, *MANIFEST_TYPES])), text.encode()


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Manifests, of which later ones can name earlier ones, and the blobs that there are, some of them wrong."""
    known, indexed = dict(KNOWN), {part.digest: part.manifest for image in GOOD for part in image.walk()}
    made: list[tuple[str, bytes]] = []
    for _ in range(8):
        made.append(draw(manifests(known, indexed)))
        known[digest_of(made[-1][1])] = indexed[digest_of(made[-1][1])] = made[-1][1]
    served = dict(known)
    for digest in draw(st.lists(st.sampled_from(sorted(known)), max_size=3)):
        wrong = [known[digest][:-1], known[digest] + b"x", known[digest][:-1] + b"\0"]
        served[digest] = draw(st.sampled_from(wrong))
    for digest in draw(st.lists(st.sampled_from(sorted(known)), max_size=3)):
        served.pop(digest, None)
    return World(manifests=tuple(made), blobs=served, plans=draw(st.booleans()))


class Lab:
    """One layout that all runs share, a real registry that is good, and a hostile one that every route asks first."""

    def __init__(self, program: Program, good: Registry, hostile: FaultyRegistry) -> None:
        self.program, self.good, self.hostile = program, good, hostile
        for number, image in enumerate((*GOOD, LATER)):
            good.push(f"good-{number}", image)
        configure(program, entry("hostile.invalid", hostile.host), entry("good.invalid", hostile.host, good.host))
        self.names = {f"good.invalid/good-{number}@{image.digest}": image for number, image in enumerate(GOOD)}
        copy(program, "--mirrors-only", *self.names, "oci:layout")
        self.runs = 0

    @property
    def layout(self) -> Path:
        return self.program.directory / "layout"

    def run(self, world: World) -> None:
        """Copy what both registries have, and hold the layout and the report against the truth."""
        before = self.entries()
        wanted = {**self.names, f"good.invalid/good-{len(GOOD)}:run-{self.runs}@{LATER.digest}": LATER}
        self.runs += 1
        run = self.program(
            *("copy", "-r", "registries.conf", "--json", "--mirrors-only", "--retries=0", "-j4"),
            *([] if world.plans else ["--no-plan"]),
            *(*self.fill(world), *wanted, "oci:layout"),
        )
        assert "Traceback" not in run.stderr
        images = {image["image"]: image for image in report_of(run, status=run.status)["images"]}
        entries = self.entries()
        for one in entries.values():
            self.assert_whole(one)
        for name, found in images.items():
            assert found["confirmed"] is (found["status"] in {"copied", "present"})
            assert entries.get(name, {}).get("digest") == (found["digest"] if found["confirmed"] else before.get(name))
        for name, image in wanted.items():
            assert images[name]["confirmed"], images[name]
            assert entries[name]["digest"] == image.digest
            assert {digest: self.blob(digest) for digest in image.blobs} == image.blobs

    def fill(self, world: World) -> list[str]:
        """Let the hostile registry have a world; the names of the images in it. Of the good ones it has some blobs."""
        store, names = self.hostile.store, []
        store.manifests.clear()
        store.blobs.clear()
        for number, (kind, content) in enumerate(world.manifests):
            repository = f"run-{self.runs}-{number}"
            store.manifests.update({(repository, digest_of(other)): (one, other) for one, other in world.manifests})
            store.manifests[repository, "v1"] = (kind, content)
            store.blobs.update({(repository, digest): blob for digest, blob in world.blobs.items()})
            names.append(f"hostile.invalid/{repository}" + (":v1" if number % 2 else f"@{digest_of(content)}"))
        for number, image in enumerate((*GOOD, LATER)):
            for part in image.walk():
                store.manifests[f"good-{number}", part.digest] = (part.media_type, part.manifest)
            store.blobs.update({(f"good-{number}", digest): blob for digest, blob in world.blobs.items()})
        return names

    def entries(self) -> dict[str, dict[str, Any]]:
        index = json.loads((self.layout / "index.json").read_bytes())
        named = [(one["annotations"]["org.opencontainers.image.ref.name"], one) for one in index["manifests"]]
        assert len(dict(named)) == len(named)
        return dict(named)

    def blob(self, digest: str) -> bytes:
        return (self.layout / "blobs" / digest.replace(":", "/")).read_bytes()

    def assert_whole(self, descriptor: dict[str, Any], *, manifest: bool = True) -> None:
        """Read a blob, and all that it leads to, with nothing of the tool's own."""
        content = self.blob(descriptor["digest"])
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == descriptor["digest"]
        assert len(content) == descriptor["size"]
        if not manifest:
            return
        document = json.loads(content)
        for child in document.get("manifests") or []:
            self.assert_whole(child)
        for blob in [document["config"], *(document.get("layers") or [])] if "config" in document else []:
            if not blob.get("urls"):
                self.assert_whole(blob, manifest=False)


@pytest.fixture
def lab(skopeo_mirror: Program, origin: Registry) -> Iterator[Lab]:
    with FaultyRegistry() as hostile:
        yield Lab(skopeo_mirror, origin, hostile)


# One layout for all examples, so none is shrunk: a failure shows the example, and the layout is what led to it.
FUZZ: Final = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(FUZZ, max_examples=25, derandomize=True)
@given(world=worlds())
def test_the_layout_stays_whole(lab: Lab, world: World) -> None:
    lab.run(world)


@pytest.mark.slow
@settings(FUZZ, max_examples=400)
@given(world=worlds())
def test_the_layout_stays_whole_through_many(lab: Lab, world: World) -> None:
    lab.run(world)
