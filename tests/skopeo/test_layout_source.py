"""A layout as a source, without skopeo: what is read of it, what skopeo is shown, and what its log proves."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.files import IrregularFile
from skopeo_mirror.manifest import Descriptor, digest_of
from skopeo_mirror.oci_layout import blob_file, refuse_irregular
from skopeo_mirror.reference import Digest, Reference
from skopeo_mirror.skopeo.command import Run, Runs, Skopeo
from skopeo_mirror.skopeo.debuglog import Died, Event, IndexRefused, Requested, Tried
from skopeo_mirror.skopeo.faults import Reason, Stage
from skopeo_mirror.skopeo.layout_source import LayoutSource, stage, trace_layout
from skopeo_mirror.skopeo.provenance import Ending, Outcome
from skopeo_mirror.skopeo.scoped import ScopedSkopeo, Target
from skopeo_mirror.skopeo.settings import Access, Settings
from tests.values import D1, image_index, image_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.skopeo.supervision import Timeouts, Watcher

MANIFEST = image_manifest(b"config", b"layer")
DIGEST = digest_of(MANIFEST)
IMAGE = Reference.parse("prod.test/a__b:v1").pin(DIGEST)
LAYOUT = Path("/media/layout.v1")
FROM_LAYOUT = LayoutSource(reference=IMAGE.without_tag(), location=f"oci:{LAYOUT}", directory=LAYOUT)
DESTINATION = Reference.parse("d.test:5000/m/app:v1")
FINE = Ending(at=3.0, status=0)
BROKEN = Ending(at=3.0, status=1)
BLOB = f"{LAYOUT}/blobs/sha256/{D1.hex}"


def candidate_in(directory: Path, digest: Digest | None = DIGEST) -> LayoutSource:
    """The image in a layout that holds its manifest and nothing else."""
    file = blob_file(directory, DIGEST)
    file.parent.mkdir(parents=True)
    file.write_bytes(MANIFEST)
    reference = IMAGE.without_digest() if digest is None else IMAGE.pin(digest).without_tag()
    return LayoutSource(reference=reference, location=f"oci:{directory}", directory=directory)


def requested(method: str, url: str) -> Requested:
    return Requested(at=1.0, method=method, url=url)


def died(error: str) -> list[Event]:
    return [Died(at=2.0, error=error)]


def test_a_manifest_is_a_file(tmp_path: Path) -> None:
    assert candidate_in(tmp_path).read() == MANIFEST


def test_a_manifest_of_more_than_registries_take_is_not_read(tmp_path: Path) -> None:
    candidate = candidate_in(tmp_path)
    os.truncate(blob_file(tmp_path, DIGEST), (4 << 20) + 1)
    with pytest.raises(OSError, match="Is larger than 4 MiB"):
        candidate.read()


@pytest.mark.parametrize("content", [MANIFEST, b"config", b"layer"], ids=["image-of-an-index", "config", "layer"])
def test_what_is_no_file_is_found_before_skopeo_reads_it(tmp_path: Path, content: bytes) -> None:
    index = image_index(MANIFEST)
    for one in (index, MANIFEST, b"config", b"layer"):
        file = blob_file(tmp_path, digest_of(one))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(one)
    top = Descriptor(digest=digest_of(index), size=len(index))
    refuse_irregular(tmp_path, top)
    file = blob_file(tmp_path, digest_of(content))
    file.unlink()
    refuse_irregular(tmp_path, top)  # what is missing is skopeo's to tell
    os.mkfifo(file)
    with pytest.raises(IrregularFile) as raised:
        refuse_irregular(tmp_path, top)
    assert raised.value.filename == str(file)


def test_what_is_not_in_the_index_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no image of that name"):
        candidate_in(tmp_path, None).read()


@pytest.mark.parametrize(
    ("manifest", "media_type"),
    [
        pytest.param(MANIFEST, "application/vnd.oci.image.manifest.v1+json", id="image"),
        pytest.param(image_index(MANIFEST), "application/vnd.oci.image.index.v1+json", id="index"),
        pytest.param(MANIFEST.replace(b"{", b'{"mediaType": "own", ', 1), "own", id="its-own-word"),
    ],
)
def test_the_staged_layout_has_one_image_and_no_name(manifest: bytes, media_type: str, tmp_path: Path) -> None:
    stage(tmp_path, manifest, DIGEST)
    assert json.loads((tmp_path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((tmp_path / "index.json").read_bytes()) == {
        "schemaVersion": 2,
        "manifests": [{"mediaType": media_type, "digest": str(DIGEST), "size": len(manifest)}],
    }


class TestProof:
    def test_files_were_copied_and_nobody_was_asked(self) -> None:
        found = trace_layout([], [], candidate=FROM_LAYOUT, ending=FINE)
        assert (found.server, found.doubt, found.pulled) == (FROM_LAYOUT, None, None)
        assert [attempt.outcome for attempt in found.attempts] == [Outcome.SERVED]

    @pytest.mark.parametrize(
        "url",
        [
            pytest.param("https://d.test:5000/v2/", id="ping"),
            pytest.param("https://auth.test/token?scope=repository%3Am%2Fapp%3Apull%2Cpush&service=d", id="token"),
            pytest.param(f"https://d.test:5000/v2/m/app/manifests/sha256-{D1.hex}.sig", id="signatures"),
        ],
    )
    def test_what_the_destination_is_asked_is_no_pull(self, url: str) -> None:
        event = requested("GET", url)
        found = trace_layout([event], [], candidate=FROM_LAYOUT, ending=FINE, destination=DESTINATION)
        assert found.doubt is None
        assert trace_layout([event], [], candidate=FROM_LAYOUT, ending=FINE).doubt is not None

    def test_what_was_uploaded_is_known(self) -> None:
        upload = "http://d.test:5000/v2/m/app/blobs/uploads/1?_state=x&digest=sha256%3A" + D1.hex
        events = [requested("PATCH", upload), requested("PUT", upload)]
        found = trace_layout(events, [], candidate=FROM_LAYOUT, ending=FINE, destination=DESTINATION)
        assert (found.pulled, found.doubt) == ((str(D1),), None)

    @pytest.mark.parametrize(
        "event",
        [
            pytest.param(Tried(at=1.0, reference="prod.test/app"), id="candidate"),
            pytest.param(requested("GET", f"https://prod.test/v2/app/blobs/{D1}"), id="blob"),
            pytest.param(requested("GET", "https://d.test:5000/v2/other/manifests/v1"), id="another-repository"),
            pytest.param(requested("GET", "https://cdn.test/x/layer"), id="another-path"),
        ],
    )
    @pytest.mark.parametrize("destination", [None, DESTINATION], ids=["directory", "registry"])
    def test_a_pull_from_a_registry_is_no_copy_from_a_layout(self, event: Event, destination: Reference | None) -> None:
        found = trace_layout([event], [], candidate=FROM_LAYOUT, ending=FINE, destination=destination)
        assert found.doubt is not None

    @pytest.mark.parametrize(
        ("error", "stage", "reason"),
        [
            pytest.param(
                f"reading blob {D1}: open {BLOB}: no such file or directory",
                Stage.BLOB,
                Reason.NOT_FOUND,
                id="layer-missing",
            ),
            pytest.param(
                f"reading config blob {D1}: open {BLOB}: no such file or directory",
                Stage.BLOB,
                Reason.NOT_FOUND,
                id="config-missing",
            ),
            pytest.param(
                f"reading blob {D1}: open {BLOB}: permission denied", Stage.BLOB, Reason.UNAUTHORIZED, id="unreadable"
            ),
            pytest.param(
                f"copying image 1/2 from manifest list: determining manifest MIME type for oci:/tmp/x:: open {BLOB}: "
                "no such file or directory",
                Stage.MANIFEST,
                Reason.NOT_FOUND,
                id="child-missing",
            ),
            pytest.param(
                "copying image 1/2 from manifest list: determining manifest MIME type for oci:/tmp/x:: "
                f"Manifest does not match provided manifest digest {D1}",
                Stage.MANIFEST,
                Reason.CORRUPT,
                id="child-corrupt",
            ),
            pytest.param(
                f"reading config blob {D1}: Download config.json digest {DIGEST} does not match expected {D1}",
                Stage.BLOB,
                Reason.CORRUPT,
                id="config-corrupt",
            ),
            pytest.param(
                f"writing blob: happened during read: Digest did not match, expected {D1}, got {DIGEST}",
                Stage.BLOB,
                Reason.CORRUPT,
                id="layer-corrupt",
            ),
            pytest.param(
                'writing blob: Patch "http://d.test:5000/v2/m/app/blobs/uploads/1": happened during read: '
                f"Digest did not match, expected {D1}, got {DIGEST}",
                Stage.BLOB,
                Reason.CORRUPT,
                id="layer-corrupt-on-its-way-to-a-registry",
            ),
        ],
    )
    def test_a_damaged_layout_in_skopeos_words(self, error: str, stage: Stage, reason: Reason) -> None:
        found = trace_layout(died(error), [], candidate=FROM_LAYOUT, ending=BROKEN, destination=DESTINATION)
        [attempt] = found.attempts
        assert (attempt.stage, attempt.reason, attempt.detail) == (stage, reason, error)
        assert (found.server, found.fault) == (None, None)

    @pytest.mark.parametrize(
        "error",
        [
            pytest.param(
                f"trying to reuse blob {D1} at destination: pinging container registry d.test:5000: "
                'Get "http://d.test:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused',
                id="refused",
            ),
            pytest.param("writing blob: initiating layer upload: unauthorized: authentication required", id="401"),
            pytest.param("write /dest/oci-put-blob1: no space left on device", id="full"),
        ],
    )
    def test_a_destination_that_fails(self, error: str) -> None:
        found = trace_layout(died(error), [], candidate=FROM_LAYOUT, ending=BROKEN, destination=DESTINATION)
        assert found.fault is not None
        assert (found.fault.reason, found.fault.detail) == (Reason.DESTINATION, error)
        assert found.attempts[0].stage is Stage.WRITE

    def test_a_destination_that_refuses_an_index_is_heard(self) -> None:
        """Not skopeo, whose last words are of the type that it tried next."""
        words = f"uploading manifest v1 to {DESTINATION.name}: manifest blob unknown: blob unknown to registry"
        converted = (
            'Manifest list must be converted to type "application/vnd.docker.distribution.manifest.list.v2+json" to be '
            'written to destination, but we cannot modify it: "Instructed to preserve digests"'
        )
        events = [IndexRefused(at=1.0, error=words), *died(converted)]
        found = trace_layout(events, [], candidate=FROM_LAYOUT, ending=BROKEN, destination=DESTINATION)
        assert found.fault is not None
        assert (found.fault.reason, found.fault.detail) == (Reason.DESTINATION, words)

    def test_what_hangs_is_the_registry_and_never_a_file(self) -> None:
        ending = Ending(at=3.0, status=-15, reason=Reason.STALLED, complaint="nothing moved for 60 s")
        found = trace_layout([], [], candidate=FROM_LAYOUT, ending=ending, destination=DESTINATION)
        assert found.fault is not None
        assert found.fault.reason is Reason.DESTINATION
        assert trace_layout([], [], candidate=FROM_LAYOUT, ending=ending).attempts[0].reason is Reason.STALLED

    def test_skopeo_that_says_nothing(self) -> None:
        found = trace_layout([], ["panic"], candidate=FROM_LAYOUT, ending=BROKEN)
        assert "exit status 1" in found.attempts[0].detail
        assert "panic" in found.attempts[0].detail


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded(Skopeo):
    """Remembers what it was told and shown, and says that it wrote the image."""

    told: list[Sequence[str]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def run(self, arguments: Sequence[str], *, watcher: Watcher, timeouts: Timeouts) -> Run:  # noqa: ARG002 - its own
        value = dict(pairwise(arguments))
        staged = Path(arguments[-2].removeprefix("oci:"))
        self.told.append(arguments)
        self.shown.extend([Path(value["--registries-conf"]).read_text(), (staged / "index.json").read_text()])
        Path(value["--digestfile"]).write_text(str(DIGEST))
        return Run(status=0, output=b"", ended=None)


@pytest.fixture
def skopeo() -> Recorded:
    return Recorded(path="skopeo", version="1.9.3", environment={}, runs=Runs({}))


@pytest.fixture
def scoped(skopeo: Recorded, tmp_path: Path) -> ScopedSkopeo:
    (tmp_path / "run").mkdir()
    return ScopedSkopeo(skopeo=skopeo, directory=tmp_path / "run", settings=Settings(source=Access(authfile="a")))


def test_skopeo_is_shown_a_staged_layout_and_no_registry_but_the_destination(
    scoped: ScopedSkopeo, skopeo: Recorded, tmp_path: Path
) -> None:
    source = candidate_in(tmp_path / "layout")
    heard: list[Event] = []
    target = Target(name="docker://d.test:5000/m/app:v1", repository=DESTINATION)
    found = source.copy(scoped, IMAGE, target, heard.append)
    assert (found.server, found.doubt) == (source, None)
    [arguments], [configuration, index] = skopeo.told, skopeo.shown
    assert arguments[arguments.index("--src-shared-blob-dir") + 1] == str(tmp_path / "layout" / "blobs")
    assert arguments[-1] == target.name
    assert "docker://" not in arguments[-2]
    assert "--src-authfile" not in arguments
    assert configuration == '[[registry]]\nprefix = "d.test:5000/m/app"\nlocation = "d.test:5000/m/app"\n'
    assert json.loads(index)["manifests"][0]["digest"] == str(DIGEST)
    assert [event.reference for event in heard if isinstance(event, Tried)] == [source.location]
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(None, Reason.NOT_FOUND, id="missing"),
        pytest.param(b"{", Reason.CORRUPT, id="half"),
        pytest.param(MANIFEST + b" ", Reason.CORRUPT, id="other-bytes"),
    ],
)
def test_a_manifest_that_is_not_the_pinned_one_is_not_shown_to_skopeo(
    scoped: ScopedSkopeo, skopeo: Recorded, tmp_path: Path, content: bytes | None, reason: Reason
) -> None:
    source = candidate_in(tmp_path / "layout")
    file = blob_file(tmp_path / "layout", DIGEST)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    probe = source.probe(IMAGE)
    for found in (probe.provenance, source.copy(scoped, IMAGE, Target(name="dir:x"))):
        [attempt] = found.attempts
        assert (found.server, attempt.stage, attempt.reason) == (None, Stage.MANIFEST, reason)
    assert (probe.manifest, skopeo.told) == (b"", [])
