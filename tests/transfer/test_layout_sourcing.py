"""Which image of a layout is meant, and what is no layout to copy from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from skopeo_mirror.errors import DestinationRefused, InvalidInput, UsageError
from skopeo_mirror.manifest import digest_of
from skopeo_mirror.oci_layout import REF_NAME, blob_file
from skopeo_mirror.reference import Digest, Reference
from skopeo_mirror.skopeo.command import Runs, Skopeo
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.scoped import ScopedSkopeo
from skopeo_mirror.skopeo.settings import Settings
from skopeo_mirror.transfer.advising import nobody_served
from skopeo_mirror.transfer.destination.directory import DirectoryDestination
from skopeo_mirror.transfer.destination.layout import LayoutDestination
from skopeo_mirror.transfer.destination.place import NamingRules
from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
from tests.transfer.pipelines import request
from tests.values import D1, D2, failed

if TYPE_CHECKING:
    from pathlib import Path

PINNED = f"prod.test/app@{D1}"
TAGGED = "prod.test/app:v1"


def named(name: str | None, digest: object = str(D1)) -> dict[str, Any]:
    annotations = {} if name is None else {REF_NAME: name}
    return {"digest": digest, "size": 1, "annotations": annotations}


def layout(directory: Path, *entries: object) -> LayoutSourcing:
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": list(entries)}))
    return LayoutSourcing(directory)


def test_all_of_it_in_the_order_of_the_index(tmp_path: Path) -> None:
    found = layout(tmp_path, named(PINNED), named(TAGGED, str(D2))).images()
    assert [str(image) for image in found] == [PINNED, TAGGED]


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        pytest.param(PINNED, PINNED, id="digest"),
        pytest.param(TAGGED, f"prod.test/app@{D2}", id="tag"),
        pytest.param(f"{TAGGED}@{D2}", f"prod.test/app@{D2}", id="tag-that-was-resolved"),
        pytest.param(f"{TAGGED}@{D1}", TAGGED, id="tag-at-another-digest"),
        pytest.param(f"prod.test/app@{D2}", "prod.test/app", id="digest-of-another-name"),
        pytest.param("prod.test/other:v1", "prod.test/other:v1", id="absent"),
    ],
)
def test_an_image_is_found_by_its_name_alone(tmp_path: Path, image: str, reference: str) -> None:
    sources = layout(tmp_path, named(PINNED), named(TAGGED, str(D2))).sources(request(image))
    [candidate] = sources.candidates
    assert (str(sources.reference), str(candidate.reference)) == (image, reference)
    assert (candidate.kind, candidate.location, candidate.place) == ("layout", f"oci:{tmp_path}", f"oci:{tmp_path}")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        pytest.param([named(None)], "is called nothing", id="no-name"),
        pytest.param([named("latest")], "is called 'latest'", id="no-reference"),
        pytest.param([named("alpine:3")], "is called 'alpine:3'", id="short-form"),
    ],
)
def test_all_of_it_needs_names_that_say_what_to_call_it(tmp_path: Path, entries: list[object], words: str) -> None:
    found = layout(tmp_path, named(PINNED), *entries)
    with pytest.raises(InvalidInput, match=words):
        found.images()
    assert found.sources(request(PINNED)).candidates[0].reference.digest == D1


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        pytest.param([named(TAGGED), named(TAGGED)], "2 images are called", id="one-name-twice"),
        pytest.param([named(TAGGED, "x")], "has no digest", id="bad-digest"),
        pytest.param([named(TAGGED, None)], "has no digest", id="null-digest"),
        pytest.param([[]], "has no digest", id="no-entry"),
        pytest.param([{}], "has no digest", id="empty-entry"),
    ],
)
def test_an_index_that_is_none_is_refused(tmp_path: Path, entries: list[object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        layout(tmp_path, *entries)


def test_a_directory_that_is_no_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no OCI image layout"):
        LayoutSourcing(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InvalidInput, match="no OCI layout"):
        LayoutSourcing(tmp_path)


@pytest.mark.parametrize("text", ["dir:x", "x", "oci:", "docker://x.test", "oci"])
def test_is_written_as_a_destination_is(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="write oci:DIR"):
        LayoutSourcing.parse(text, LayoutDestination(tmp_path))


def test_is_not_its_own_destination(tmp_path: Path) -> None:
    layout(tmp_path, named(PINNED))
    with pytest.raises(DestinationRefused, match="the very layout"):
        LayoutSourcing.parse(f"oci:{tmp_path}/../{tmp_path.name}", LayoutDestination(tmp_path))
    with pytest.raises(DestinationRefused, match="the very layout"):
        LayoutSourcing.parse(f"oci:{tmp_path}", LayoutDestination(tmp_path / ".." / tmp_path.name))
    LayoutSourcing.parse(f"oci:{tmp_path}", LayoutDestination(tmp_path / "other"))
    LayoutSourcing.parse(f"oci:{tmp_path}", DirectoryDestination(tmp_path, NamingRules()))


def test_a_file_that_cannot_be_read_is_no_matter_of_credentials(tmp_path: Path) -> None:
    """And what is not in a layout is not looked for in registries.conf."""
    image = Reference.parse(PINNED)
    sources = layout(tmp_path, named(PINNED)).sources(request(PINNED))
    [candidate] = sources.candidates
    skopeo = Skopeo(path="skopeo", version="1.9.3", environment={}, runs=Runs({}))
    scoped = ScopedSkopeo(skopeo=skopeo, directory=tmp_path, settings=Settings())
    for reason in (Reason.UNAUTHORIZED, Reason.NOT_FOUND):
        attempts = [failed(candidate, reason, detail="its own words")]
        told = nobody_served(image, sources, attempts, scoped=scoped)
        assert told == f"no candidate served it: layout oci:{tmp_path}: {reason} (its own words)"


def keep(directory: Path, **document: Any) -> Digest:
    """Put a manifest into a layout."""
    content = json.dumps({"schemaVersion": 2, **document}).encode()
    digest = digest_of(content)
    file = blob_file(directory, digest)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return digest


def index_of(directory: Path, *children: Digest) -> Digest:
    return keep(directory, manifests=[{"digest": str(child), "size": 1} for child in children])


def left(directory: Path, **entries: Digest) -> set[str]:
    """The names of what is left of entries of `prod.test/app`, without what comes with its subject."""
    app = "prod.test/app"
    found = layout(directory, *(named(f"{app}:{name}", str(digest)) for name, digest in entries.items()))
    assert len(found.images()) == len(entries)
    return {str(image.tag) for image in found.images(with_attached=False)}


def test_what_is_attached_is_no_image_of_its_own_where_it_comes_with_its_subject(tmp_path: Path) -> None:
    sbom = keep(tmp_path, config={"digest": str(D2), "size": 1})
    index = index_of(tmp_path, D1)
    attached = {
        f"sha256-{D1.hex}.sig": D2,  # its subject need not be there: --platform
        f"sha256-{index.hex}.sbom": sbom,
        f"sha256-{sbom.hex}.sig": D2,
    }
    assert left(tmp_path, v1=index, **attached) == {"v1"}
    to_a_signature = f"sha256-{D2.hex}.att"
    assert left(tmp_path, v1=index, **attached, **{to_a_signature: D1}) == {"v1", to_a_signature}


def test_what_is_attached_to_nothing_there_is_an_image(tmp_path: Path) -> None:
    images = {
        "v1": D1,
        "shadow": D1,
        f"sha256-{D2.hex}.sig": D1,
        f"sha256-{D1.hex}.other": D1,
        f"sha256-{D2.hex}.att": D1,
    }
    assert left(tmp_path, **images) == set(images)
    elsewhere = [named(f"prod.test/app@{D1}"), named(f"prod.test/other:sha256-{D1.hex}.sig", str(D2))]
    assert len(layout(tmp_path, *elsewhere).images(with_attached=False)) == len(elsewhere)


def test_of_referrers_the_content_is_looked_at(tmp_path: Path) -> None:
    """`cosign copy` gives such names to images."""
    config = {"digest": str(D2), "size": 1}
    image = keep(tmp_path, config=config)
    artifact, other = (keep(tmp_path, config=config, subject={"digest": str(one)}) for one in (image, D2))
    name = f"sha256-{image.hex}"
    assert left(tmp_path, v1=image, **{name: index_of(tmp_path, artifact)}) == {"v1"}
    for content in (
        image,
        index_of(tmp_path, other),
        index_of(tmp_path, artifact, other),
        index_of(tmp_path, image),
        index_of(tmp_path, D1),
        index_of(tmp_path),
    ):
        assert left(tmp_path, v1=image, **{name: content}) == {"v1", name}
