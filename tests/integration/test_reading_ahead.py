"""Manifests read ahead of a copy: from whom, by how many processes, with how many requests."""

from __future__ import annotations

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.manifest import DOCKER_MANIFEST, OCI_MANIFEST, Descriptor, parse_manifest
from skopeo_mirror.reference import Digest, Reference
from skopeo_mirror.registries_conf.model import Configuration, Mirror, Registry
from skopeo_mirror.registries_conf.routing import Router
from skopeo_mirror.request import ImageRequest
from skopeo_mirror.skopeo.command import Runs, Skopeo
from skopeo_mirror.skopeo.scoped import ScopedSkopeo
from skopeo_mirror.skopeo.settings import Settings
from skopeo_mirror.transfer import majority
from skopeo_mirror.transfer.circuits import Circuits
from skopeo_mirror.transfer.manifests import ManifestReader
from skopeo_mirror.transfer.plan import plan_of
from skopeo_mirror.transfer.source_proxies import SourceProxies
from skopeo_mirror.transfer.sourcing import Sources, Sourcing
from tests.rig.copying import asked, configure, copy, entry
from tests.rig.counting import Counting
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import Image, make_image, make_index, make_multi_architecture, make_random_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from skopeo_mirror.reference import PinnedReference
    from skopeo_mirror.skopeo.scoped import Probe
    from skopeo_mirror.transfer.failover import Tries
    from tests.rig.program import Program
    from tests.rig.registry import Registry as RealRegistry

OCI, DOCKER = pytest.param(False, id="oci"), pytest.param(True, id="docker")


@dataclass(kw_only=True)
class Ahead:
    """A reader of the manifests of `prod.invalid/app`, which registries mirror."""

    sources: Sources
    reader: ManifestReader
    skopeo: Counting
    attempts: list[tuple[str, str | None]] = field(default_factory=list)
    """The candidates that failed for the last image, and why."""

    def read_part(self, part: Image, media_type: str | None = None) -> Probe | None:
        """Read an image of an index; `media_type` is what that says of it."""
        digest = Digest.parse(part.digest)
        descriptor = Descriptor(
            digest=digest, size=len(part.manifest), media_type=part.media_type if media_type is None else media_type
        )
        return self._read(digest, lambda image, tries: self.reader.read_part(image, descriptor, tries))

    def read(self, image: Image) -> Probe | None:
        """Read an image of the list."""
        return self._read(Digest.parse(image.digest), self.reader.read)

    def _read(self, digest: Digest, how: Callable[[PinnedReference, Tries], Probe | None]) -> Probe | None:
        image = self.sources.reference.without_tag().pin(digest)
        tries = self.reader.tries(image, self.sources.at(digest))
        probe = how(image, tries)
        self.attempts = [(one.candidate.location, one.reason) for one in tries.attempts]
        return probe


class Making:
    """Makes readers, and closes what they leave."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._skopeo = Counting(directory)
        self._proxies: list[SourceProxies] = []

    def __call__(self, *mirrors: str, mirrors_only: bool = False) -> Ahead:
        """Mirrors are hosts; who is not `mirrors_only` may be asked for `prod.invalid` too, which nobody answers."""
        registry = Registry(
            prefix="prod.invalid",
            location="prod.invalid",
            mirrors=tuple(Mirror(location=host, insecure=True) for host in mirrors),
        )
        router = Router(Configuration(registries=(registry,)))
        request = ImageRequest(reference=Reference.parse("prod.invalid/app"))
        sources = Sourcing(router=router, mirrors_only=mirrors_only).sources(request)
        environment = dict(os.environ)
        skopeo = Skopeo(path=str(self._skopeo.path), version="1.9.3", environment=environment, runs=Runs(environment))
        scoped = ScopedSkopeo(skopeo=skopeo, directory=self._directory, settings=Settings())
        self._proxies.append(SourceProxies(scoped=scoped, sources=iter([sources]), mirrors_only=mirrors_only))
        reader = ManifestReader(scoped=scoped, circuits=Circuits(), retries=0, proxies=self._proxies[-1])
        return Ahead(sources=sources, reader=reader, skopeo=self._skopeo)

    def close(self) -> None:
        for one in self._proxies:
            one.close()


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Making]:
    making = Making(tmp_path)
    yield making
    making.close()


class TestAPart:
    """An image of an index."""

    def test_of_ocis_is_read_exactly_without_a_process_of_its_own(self, reading: Making, mirror: RealRegistry) -> None:
        parts = [make_image(f"{number}") for number in range(4)]
        mirror.push("app", make_index(parts))
        ahead = reading(mirror.host)
        probes = [ahead.read_part(part) for part in parts]
        assert [(probe.manifest, probe.rendered) for probe in probes if probe] == [
            (part.manifest, False) for part in parts
        ]
        assert ahead.skopeo.started() == ["experimental-image-proxy"]
        assert len(asked(mirror, "manifests")) == 4
        assert asked(mirror, "blobs") == []

    def test_of_dockers_is_told_with_all_that_it_refers_to(self, reading: Making, mirror: RealRegistry) -> None:
        """Its config is converted with it, and what it was must be told."""
        shared = make_random_layer("shared", 5000)
        parts = [make_image(f"{n}", layers=[shared, make_random_layer(f"{n}", 100)], docker=True) for n in range(4)]
        mirror.push("app", make_index(parts, docker=True))
        ahead = reading(mirror.host)
        for part in parts:
            probe = ahead.read_part(part)
            assert probe is not None
            assert probe.rendered
            assert parse_manifest(probe.manifest) == parse_manifest(part.manifest)
            assert probe.provenance.server is not None
            assert probe.provenance.server.location == mirror.host
        assert ahead.skopeo.started() == ["experimental-image-proxy"]
        assert len(asked(mirror, "manifests")) == 4
        assert asked(mirror, "blobs") == [f"/v2/app/blobs/{part.config_digest}" for part in parts for _ in range(2)]

    @pytest.mark.parametrize("layer_type", ["diff.tar", "diff.tar.gzip", "foreign.diff.tar", "foreign.diff.tar.gzip"])
    def test_of_dockers_keeps_layers_that_live_elsewhere(self, reading: Making, layer_type: str) -> None:
        image = make_image("d", layers=2, docker=True, urls={0: ["http://127.0.0.1:9/never"]})
        manifest = json.loads(image.manifest)
        manifest["layers"][0]["mediaType"] = f"application/vnd.docker.image.rootfs.{layer_type}"
        image = replace(image, manifest=json.dumps(manifest).encode())
        with FaultyRegistry() as mirror:
            mirror.serve("app", image)
            probe = reading(mirror.host).read_part(image)
        assert probe is not None
        plan, exact = (plan_of(content, lambda _: None) for content in (probe.manifest, image.manifest))
        assert plan is not None
        assert exact is not None
        assert plan.elsewhere
        assert replace(plan, manifests=0) == replace(exact, manifests=0)

    @pytest.mark.parametrize("docker", [OCI, DOCKER])
    @pytest.mark.parametrize("says", [pytest.param(None, id="said"), *(OCI_MANIFEST, DOCKER_MANIFEST, "application/x")])
    def test_that_is_an_index_is_read_exactly(
        self, reading: Making, mirror: RealRegistry, says: str | None, *, docker: bool
    ) -> None:
        """Also where its index says that it is an image."""
        inner = make_multi_architecture("inner", docker=docker)
        mirror.push("app", inner)
        ahead = reading(mirror.host)
        probe = ahead.read_part(inner, says)
        assert probe is not None
        assert (probe.manifest, probe.rendered) == (inner.manifest, False)
        asked_first = ["experimental-image-proxy"] if says in {OCI_MANIFEST, DOCKER_MANIFEST} else []
        assert ahead.skopeo.started() == [*asked_first, "inspect"]

    @pytest.mark.parametrize("says", [OCI_MANIFEST, DOCKER_MANIFEST, "application/x", ""])
    @pytest.mark.parametrize("docker", [OCI, DOCKER])
    def test_that_is_said_to_be_something_else(
        self, reading: Making, mirror: RealRegistry, says: str, *, docker: bool
    ) -> None:
        part = make_image("part", docker=docker)
        mirror.push("app", part)
        probe = reading(mirror.host).read_part(part, says)
        assert probe is not None
        assert parse_manifest(probe.manifest) == parse_manifest(part.manifest)
        assert probe.rendered is (docker and says == DOCKER_MANIFEST)

    def test_with_content_that_is_not_converted_is_read_exactly(self, reading: Making) -> None:
        """BuildKit's attestations, in a Docker list."""
        part = make_image("attestation", docker=True)
        manifest = json.loads(part.manifest)
        manifest["layers"][0]["mediaType"] = "application/vnd.in-toto+json"
        part = replace(part, manifest=json.dumps(manifest).encode())
        with FaultyRegistry() as mirror:
            mirror.serve("app", part)
            probe = reading(mirror.host).read_part(part)
        assert probe is not None
        assert (probe.manifest, probe.rendered) == (part.manifest, False)

    @pytest.mark.parametrize("docker", [OCI, DOCKER])
    def test_that_a_mirror_has_not_got_comes_from_the_next(
        self, reading: Making, mirror: RealRegistry, second_mirror: RealRegistry, *, docker: bool
    ) -> None:
        parts = [make_image(f"{number}", docker=docker) for number in range(2)]
        mirror.push("app", parts[0])
        for part in parts:
            second_mirror.push("app", part)
        ahead = reading(mirror.host, second_mirror.host)
        told = []
        for part in parts:
            probe = ahead.read_part(part)
            assert probe is not None
            assert probe.provenance.server is not None
            told.append((probe.provenance.server.location, ahead.attempts))
        assert told == [(mirror.host, []), (second_mirror.host, [(mirror.host, "not-found")])]
        assert ahead.skopeo.started() == ["experimental-image-proxy"]

    @pytest.mark.parametrize("docker", [OCI, DOCKER])
    def test_whose_bytes_are_wrong_comes_from_the_next(self, reading: Making, *, docker: bool) -> None:
        part, other = make_image("part", docker=docker), make_image("other", docker=docker)
        with FaultyRegistry() as first, FaultyRegistry() as second:
            first.serve("app", part)
            second.serve("app", part)
            first.store.manifests["app", part.digest] = (part.media_type, other.manifest)
            ahead = reading(first.host, second.host)
            probe = ahead.read_part(part)
            assert probe is not None
            assert parse_manifest(probe.manifest) == parse_manifest(part.manifest)
            assert probe.provenance.server is not None
            assert probe.provenance.server.location == second.host
            assert ahead.attempts == [(first.host, "corrupt")]

    def test_of_dockers_whose_config_is_wrong_is_read_exactly(self, reading: Making) -> None:
        """The copy will tell who has a bad blob."""
        part = make_image("part", docker=True)
        assert part.config_digest is not None
        with FaultyRegistry() as mirror:
            mirror.serve("app", part)
            mirror.store.blobs["app", part.config_digest] = b"{}"
            ahead = reading(mirror.host)
            probe = ahead.read_part(part)
        assert probe is not None
        assert (probe.manifest, probe.rendered) == (part.manifest, False)
        assert ahead.attempts == []

    def test_that_nobody_has(self, reading: Making, mirror: RealRegistry, second_mirror: RealRegistry) -> None:
        ahead = reading(mirror.host, second_mirror.host, mirrors_only=True)
        assert ahead.read_part(make_image("nowhere")) is None
        assert ahead.attempts == [(mirror.host, "not-found"), (second_mirror.host, "not-found")]
        assert ahead.skopeo.started() == ["experimental-image-proxy"]

    def test_of_dockers_makes_nobody_ask_a_url_where_only_mirrors_may_be_asked(self, reading: Making) -> None:
        """To be converted, its config would be read from there."""
        with FaultyRegistry() as elsewhere, FaultyRegistry() as mirror:
            part = make_image("part", docker=True, urls={-1: [f"http://{elsewhere.host}/config"]})
            mirror.serve("app", part)
            ahead = reading(mirror.host, mirrors_only=True)
            probe = ahead.read_part(part)
            assert elsewhere.requests() == []
        assert probe is not None
        assert (probe.manifest, probe.rendered) == (part.manifest, False)
        assert ahead.skopeo.started() == ["inspect"]


class TestAList:
    """Images as they are listed, of which nobody knows yet what they are."""

    def test_of_plain_images_needs_one_process_to_tell_that(self, reading: Making, mirror: RealRegistry) -> None:
        images = [make_image(f"{number}") for number in range(5)]
        for image in images:
            mirror.push("app", image)
        ahead = reading(mirror.host)
        assert [probe.manifest for image in images if (probe := ahead.read(image))] == [one.manifest for one in images]
        assert ahead.skopeo.started() == ["inspect", "experimental-image-proxy"]
        assert len(asked(mirror, "manifests")) == 5

    @pytest.mark.parametrize("docker", [OCI, DOCKER])
    def test_of_indexes_costs_a_request_each(self, reading: Making, mirror: RealRegistry, *, docker: bool) -> None:
        images = [make_multi_architecture(f"{number}", docker=docker) for number in range(5)]
        for image in images:
            mirror.push("app", image)
        ahead = reading(mirror.host)
        assert [probe.manifest for image in images if (probe := ahead.read(image))] == [one.manifest for one in images]
        assert ahead.skopeo.started() == ["inspect"] * 5
        assert len(asked(mirror, "manifests")) == 5

    def test_of_single_docker_images_is_read_exactly(self, reading: Making, mirror: RealRegistry) -> None:
        """Nobody has said how long their manifests are."""
        images = [make_image(f"{number}", docker=True) for number in range(3)]
        for image in images:
            mirror.push("app", image)
        ahead = reading(mirror.host)
        assert [probe.manifest for image in images if (probe := ahead.read(image))] == [one.manifest for one in images]
        assert ahead.skopeo.started() == ["inspect"] * 3
        assert asked(mirror, "blobs") == []

    def test_is_judged_by_most_of_its_images(self, reading: Making, mirror: RealRegistry) -> None:
        """A wrong guess costs its own image alone."""
        plain = [make_image(f"{number}") for number in range(4)]
        index = make_multi_architecture("index")
        for image in (*plain, index):
            mirror.push("app", image)
        ahead = reading(mirror.host)
        for image in plain[:2]:
            ahead.read(image)
        assert ahead.skopeo.started() == ["inspect", "experimental-image-proxy"]
        probe = ahead.read(index)
        assert probe is not None
        assert probe.manifest == index.manifest
        assert ahead.skopeo.started() == ["inspect"]
        for image in plain[2:]:
            ahead.read(image)
        assert ahead.skopeo.started() == []

    def test_of_tags_is_known_by_the_time_that_these_have_digests(
        self, skopeo_mirror: Program, mirror: RealRegistry, destination: RealRegistry
    ) -> None:
        for number in range(3):
            mirror.push("app", make_image(f"{number}"), f"v{number}")
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        skopeo = Counting(skopeo_mirror.directory)
        names = [f"prod.invalid/app:v{number}" for number in range(3)]
        copy(skopeo_mirror, f"--skopeo={skopeo.path}", "-j1", *names, f"docker://{destination.host}")
        assert skopeo.started().count("inspect") == len(names)

    def test_that_begins_together_waits_for_one_answer(
        self, reading: Making, mirror: RealRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(majority, "LONGEST_WAIT", 60.0)  # however busy the machine is
        images = [make_image(f"{number}") for number in range(8)]
        for image in images:
            mirror.push("app", image)
        ahead = reading(mirror.host)
        with ThreadPoolExecutor(len(images)) as pool:
            probes = list(pool.map(ahead.read, images))
        assert [probe.manifest for probe in probes if probe] == [image.manifest for image in images]
        assert ahead.skopeo.started().count("inspect") == 1
        assert len(asked(mirror, "manifests")) == len(images)

    @pytest.mark.parametrize("docker", [OCI, DOCKER])
    def test_of_indexes_is_read_once_and_never_again(
        self, skopeo_mirror: Program, mirror: RealRegistry, destination: RealRegistry, *, docker: bool
    ) -> None:
        """An index by a skopeo of its own; its images by those that stay, a Docker image's config with it."""
        indexes = [
            make_index(
                [
                    make_image(f"{number} {architecture}", architecture=architecture, docker=docker)
                    for architecture in ("amd64", "arm64", "ppc64le", "s390x")
                ],
                docker=docker,
            )
            for number in range(3)
        ]
        for index in indexes:
            mirror.push("app", index)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        skopeo = Counting(skopeo_mirror.directory)
        names = [f"prod.invalid/app@{index.digest}" for index in indexes]
        what = (f"--skopeo={skopeo.path}", "-j4", *names, f"docker://{destination.host}")
        copy(skopeo_mirror, *what)
        started = Counter(skopeo.started())
        assert (started["inspect"], started["copy"]) == (3, 3 * 5)
        ahead, copied = 1, 1
        requests = Counter(asked(mirror))
        for index in indexes:
            assert requests[f"/v2/app/manifests/{index.digest}"] == ahead + copied
            for part in index.children:
                assert requests[f"/v2/app/manifests/{part.digest}"] == ahead + copied
                assert requests[f"/v2/app/blobs/{part.config_digest}"] == (2 * ahead if docker else 0) + copied
        mirror.forget()
        copy(skopeo_mirror, *what)
        assert asked(mirror) == []
