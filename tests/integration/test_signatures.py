"""Signatures that this host's registries.d makes skopeo copy: an image without them is not there yet."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.rig.attached import make_signatures, signed_by, tag_of
from tests.rig.copying import asked, configure, copy, entry, holds, only, pin_tag
from tests.rig.faults import Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import Image, make_image, make_index
from tests.rig.signatures import (
    SIGNER,
    Lookaside,
    Signer,
    say_where_signatures_are,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.program import Program
    from tests.rig.registry import Registry

ATTACHED: dict[str, object] = {"use-sigstore-attachments": True}


@pytest.fixture
def here(tmp_path: Path) -> Lookaside:
    """Return the lookaside of the destination."""
    return Lookaside(directory=tmp_path / "here")


@pytest.fixture
def upstream(tmp_path: Path) -> Lookaside:
    """Return the lookaside of the mirror."""
    (tmp_path / "upstream").mkdir()
    return Lookaside(directory=tmp_path / "upstream")


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with Signer() as signer:
        yield signer


@pytest.fixture
def app(skopeo_mirror: Program, mirror: Registry, image: Image) -> str:
    """Return an image that the mirror serves, by digest."""
    mirror.push("m/app", image, "v1")
    configure(skopeo_mirror, entry("prod.invalid", f"{mirror.host}/m"))
    return f"prod.invalid/app@{image.digest}"


def attach(registry: Registry, repository: str, image: Image, *signers: str) -> None:
    registry.push(repository, make_signatures(image, *signers), tag_of(image, "sig"))


def outcome(report: dict[str, Any]) -> tuple[str, bool]:
    """Return the only image's status, and whether the run says that it changed anything."""
    return only(report)["status"], report["changed"]


# --- attached to the image --------------------------------------------------------------------------------------------


def test_what_could_not_be_attached_fails_again_until_it_is(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image, app: str
) -> None:
    attach(mirror, "m/app", image, "A")
    say_where_signatures_are(skopeo_mirror, {mirror.host: ATTACHED})
    for _ in range(2):
        failed = only(copy(skopeo_mirror, app, f"docker://{destination.host}/d", status=1))
        assert [attempt["reason"] for attempt in failed["attempts"]] == ["destination"]
        assert "writing sigstore attachments is disabled" in failed["error"]
        assert "--remove-signatures" in failed["error"]
        assert holds(destination, "d/app", pin_tag(image), image)
    assert outcome(copy(skopeo_mirror, "--dry-run", app, f"docker://{destination.host}/d")) == ("would-copy", True)

    say_where_signatures_are(skopeo_mirror, {mirror.host: ATTACHED, destination.host: ATTACHED})
    assert outcome(copy(skopeo_mirror, app, f"docker://{destination.host}/d")) == ("copied", True)
    assert signed_by(destination.manifest("d/app", tag_of(image, "sig"))) == ["A"]

    destination.forget()
    for options in ([], ["--dry-run"]):
        report = copy(skopeo_mirror, *options, app, f"docker://{destination.host}/d")
        assert outcome(report) == ("present", False)
        assert only(report)["served_by"] is None
    assert {request.method for request in destination.requests()} <= {"GET", "HEAD"}


def test_a_fault_that_passes_at_the_signature_is_made_good_by_the_next_run(
    skopeo_mirror: Program, mirror: Registry, image: Image, app: str
) -> None:
    attach(mirror, "m/app", image, "A")
    with FaultyRegistry(Fault(place=Place.SIGNATURE, kind="500")) as faulty:
        say_where_signatures_are(skopeo_mirror, {mirror.host: ATTACHED, faulty.host: ATTACHED})
        arguments = ["--retries=0", app, f"docker://{faulty.host}/d"]
        for _ in range(2):
            failed = only(copy(skopeo_mirror, *arguments, status=1))
            assert "writing signatures" in failed["error"]
            assert faulty.manifest("d/app", pin_tag(image)) == image.manifest
        faulty.heal()
        assert outcome(copy(skopeo_mirror, *arguments)) == ("copied", True)
        assert signed_by(faulty.manifest("d/app", tag_of(image, "sig"))) == ["A"]
        assert outcome(copy(skopeo_mirror, *arguments)) == ("present", False)


def test_another_signature_of_the_same_words_comes_along_later(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image, app: str
) -> None:
    """Two who sign one image sign the same payload: what tells them apart is beside it."""
    say_where_signatures_are(skopeo_mirror, {mirror.host: ATTACHED, destination.host: ATTACHED})
    for signers in (["A"], ["A", "B"], ["C"]):
        attach(mirror, "m/app", image, *signers)
        assert outcome(copy(skopeo_mirror, app, f"docker://{destination.host}/d")) == ("copied", True)
        assert outcome(copy(skopeo_mirror, app, f"docker://{destination.host}/d")) == ("present", False)
    assert signed_by(destination.manifest("d/app", tag_of(image, "sig"))) == ["A", "B", "C"]


@pytest.mark.parametrize("signed", [0, 1, 2], ids=["first-child", "second-child", "index"])
def test_each_manifest_of_an_index_has_its_own(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, signed: int
) -> None:
    children = [make_image(architecture, architecture=architecture) for architecture in ("amd64", "arm64")]
    index = make_index(children)
    mirror.push("m/many", index, "v1")
    configure(skopeo_mirror, entry("prod.invalid", f"{mirror.host}/m"))
    say_where_signatures_are(skopeo_mirror, {mirror.host: ATTACHED, destination.host: ATTACHED})
    arguments = ["prod.invalid/many:v1", f"docker://{destination.host}/d"]
    copy(skopeo_mirror, *arguments)
    assert outcome(copy(skopeo_mirror, *arguments)) == ("present", False)

    manifest = [*children, index][signed]
    attach(mirror, "m/many", manifest, "A")
    assert outcome(copy(skopeo_mirror, *arguments)) == ("copied", True)
    assert signed_by(destination.manifest("d/many", tag_of(manifest, "sig"))) == ["A"]
    assert outcome(copy(skopeo_mirror, *arguments)) == ("present", False)


# --- in a lookaside ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_what_was_signed_later_or_lost_its_signature_gets_it(
    skopeo_mirror: Program,
    mirror: Registry,
    destination: Registry,
    image: Image,
    app: str,
    upstream: Lookaside,
    here: Lookaside,
    signer: Signer,
    by: str,
) -> None:
    say_where_signatures_are(skopeo_mirror, {mirror.host: upstream.keys(), destination.host: here.keys()})
    arguments = ["prod.invalid/app:v1" if by == "tag" else app, f"docker://{destination.host}/d"]
    copy(skopeo_mirror, *arguments)
    assert outcome(copy(skopeo_mirror, *arguments)) == ("present", False)

    signature = signer.sign(image, "prod.invalid/app:v1", upstream, "m/app")
    assert outcome(copy(skopeo_mirror, *arguments)) == ("copied", True)
    assert [file.read_bytes() for file in here.files("d/app", image)] == [signature]
    assert outcome(copy(skopeo_mirror, *arguments)) == ("present", False)

    shutil.rmtree(here.directory)
    assert outcome(copy(skopeo_mirror, "--dry-run", *arguments)) == ("would-copy", True)
    assert outcome(copy(skopeo_mirror, *arguments)) == ("copied", True)
    assert [file.read_bytes() for file in here.files("d/app", image)] == [signature]


def test_a_signature_of_ones_own_does_not_stand_for_one_from_upstream(
    skopeo_mirror: Program,
    mirror: Registry,
    destination: Registry,
    image: Image,
    app: str,
    upstream: Lookaside,
    here: Lookaside,
    signer: Signer,
) -> None:
    say_where_signatures_are(skopeo_mirror, {mirror.host: upstream.keys(), destination.host: here.keys()})
    copy(skopeo_mirror, app, f"docker://{destination.host}/d")
    signer.sign(image, f"{destination.host}/d/app:v1", here, "d/app")
    assert outcome(copy(skopeo_mirror, app, f"docker://{destination.host}/d")) == ("present", False)
    signature = signer.sign(image, "prod.invalid/app:v1", upstream, "m/app")
    assert outcome(copy(skopeo_mirror, app, f"docker://{destination.host}/d")) == ("copied", True)
    assert signature in [file.read_bytes() for file in here.files("d/app", image)]


def test_a_lookaside_on_a_web_server(
    skopeo_mirror: Program,
    mirror: Registry,
    destination: Registry,
    image: Image,
    app: str,
    upstream: Lookaside,
    here: Lookaside,
    signer: Signer,
) -> None:
    with served(upstream.directory) as address:
        elsewhere: dict[str, object] = {"sigstore": f"http://{address}"}
        say_where_signatures_are(skopeo_mirror, {mirror.host: elsewhere, destination.host: here.keys()})
        arguments = [app, f"docker://{destination.host}/d"]
        copy(skopeo_mirror, *arguments)
        for signatures in (1, 2):
            signer.sign(image, f"prod.invalid/app:v{signatures}", upstream, "m/app")
            assert outcome(copy(skopeo_mirror, *arguments)) == ("copied", True)
            assert len(here.files("d/app", image)) == signatures
            assert outcome(copy(skopeo_mirror, *arguments)) == ("present", False)
    failed = only(copy(skopeo_mirror, "--retries=0", *arguments, status=1))  # nobody can tell now
    assert "connection refused" in failed["error"]


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve the files of a directory; give host and port."""
    handler = functools.partial(_Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


# --- signing ----------------------------------------------------------------------------------------------------------


def test_an_image_that_is_there_is_signed_once_when_that_is_asked_for(
    skopeo_mirror: Program,
    mirror: Registry,
    destination: Registry,
    image: Image,
    app: str,
    upstream: Lookaside,
    here: Lookaside,
    signer: Signer,
) -> None:
    say_where_signatures_are(skopeo_mirror, {destination.host: here.keys()})
    arguments = [app, f"docker://{destination.host}/d"]
    copy(skopeo_mirror, *arguments)
    signing = [f"--skopeo-option=--sign-by={SIGNER}", *arguments]
    env = {"GNUPGHOME": str(signer.home)}
    assert outcome(copy(skopeo_mirror, *signing, env=env)) == ("copied", True)
    assert len(here.files("d/app", image)) == 1
    mirror.forget()
    assert outcome(copy(skopeo_mirror, *signing, env=env)) == ("present", False)
    assert mirror.requests() == []

    say_where_signatures_are(skopeo_mirror, {mirror.host: upstream.keys()}, "mirror")
    theirs = signer.sign(image, "prod.invalid/app:v1", upstream, "m/app")
    assert outcome(copy(skopeo_mirror, *signing, env=env)) == ("copied", True)
    signatures = [file.read_bytes() for file in here.files("d/app", image)]
    assert theirs in signatures
    assert len(signatures) == 2
    assert outcome(copy(skopeo_mirror, *signing, env=env)) == ("present", False)


def test_what_was_signed_with_a_sigstore_key_comes_along(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image, app: str
) -> None:
    help_text = subprocess.run(["skopeo", "--help"], capture_output=True, encoding="utf-8", check=True).stdout
    if "generate-sigstore-key" not in help_text:
        pytest.skip("this skopeo makes no sigstore keys")
    (skopeo_mirror.directory / "passphrase").write_text("a test's\n", encoding="utf-8")
    subprocess.run(
        ["skopeo", "generate-sigstore-key", "--output-prefix", "key", "--passphrase-file", "passphrase"],
        cwd=skopeo_mirror.directory,
        check=True,
        capture_output=True,
    )
    say_where_signatures_are(skopeo_mirror, {destination.host: ATTACHED})
    signing = ["--skopeo-option=--sign-by-sigstore-private-key=key.private"]
    signing += ["--skopeo-option=--sign-passphrase-file=passphrase", app, f"docker://{destination.host}/d"]
    copy(skopeo_mirror, app, f"docker://{destination.host}/d")
    assert outcome(copy(skopeo_mirror, *signing)) == ("copied", True)
    assert len(signed_by(destination.manifest("d/app", tag_of(image, "sig")))) == 1
    assert outcome(copy(skopeo_mirror, *signing)) == ("present", False)

    say_where_signatures_are(skopeo_mirror, {destination.host: ATTACHED, mirror.host: ATTACHED})
    configure(skopeo_mirror, entry("prod.invalid", f"{destination.host}/d"))
    onwards = [app, f"docker://{mirror.host}/onwards"]
    assert outcome(copy(skopeo_mirror, *onwards)) == ("copied", True)
    assert outcome(copy(skopeo_mirror, *onwards)) == ("present", False)
    assert signed_by(mirror.manifest("onwards/app", tag_of(image, "sig"))) == signed_by(
        destination.manifest("d/app", tag_of(image, "sig"))
    )


# --- directories and layouts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["attached", "lookaside"])
def test_a_directory_keeps_them_beside_the_image(
    skopeo_mirror: Program, mirror: Registry, image: Image, app: str, upstream: Lookaside, signer: Signer, kind: str
) -> None:
    say_where_signatures_are(skopeo_mirror, {mirror.host: ATTACHED | upstream.keys()})
    copy(skopeo_mirror, app, "dir:DIR")
    assert outcome(copy(skopeo_mirror, app, "dir:DIR")) == ("present", False)
    if kind == "attached":
        attach(mirror, "m/app", image, "A")
    else:
        signer.sign(image, "prod.invalid/app:v1", upstream, "m/app")
    assert outcome(copy(skopeo_mirror, app, "dir:DIR")) == ("copied", True)
    signature = skopeo_mirror.directory / "DIR/app" / pin_tag(image) / "signature-1"
    assert signature.exists()
    mirror.forget()
    assert outcome(copy(skopeo_mirror, app, "dir:DIR")) == ("present", False)
    layers = set(image.blobs)
    assert not [path for path in asked(mirror, "blobs") if path.rpartition("/")[2] in layers]
    signature.unlink()
    assert outcome(copy(skopeo_mirror, app, "dir:DIR")) == ("copied", True)
    assert signature.exists()


@pytest.mark.parametrize("kind", ["attached", "lookaside"])
@pytest.mark.parametrize("before", ["nothing", "unsigned"])
def test_a_layout_has_no_room_for_them(
    skopeo_mirror: Program,
    mirror: Registry,
    second_mirror: Registry,
    image: Image,
    upstream: Lookaside,
    signer: Signer,
    kind: str,
    before: str,
) -> None:
    mirrors = (mirror, second_mirror)
    for one in mirrors:
        one.push("m/app", image)
    configure(skopeo_mirror, entry("prod.invalid", *(f"{one.host}/m" for one in mirrors)))
    arguments = [f"prod.invalid/app@{image.digest}", "oci:DIR"]
    if before == "unsigned":
        copy(skopeo_mirror, *arguments)
    say_where_signatures_are(skopeo_mirror, {one.host: ATTACHED | upstream.keys() for one in mirrors})
    if kind == "attached":
        attach(mirror, "m/app", image, "A")
        attach(second_mirror, "m/app", image, "A")
    else:
        signer.sign(image, "prod.invalid/app:v1", upstream, "m/app")

    dry = only(copy(skopeo_mirror, "--dry-run", *arguments, status=1))
    failed = only(copy(skopeo_mirror, *arguments, status=1))
    assert dry["error"] == failed["error"]
    assert re.match("oci:DIR: an OCI layout cannot hold signatures.*--remove-signatures", failed["error"])
    assert [attempt["reason"] for attempt in failed["attempts"]] == ["destination"]
    assert second_mirror.requests() == []
    without = ["--remove-signatures", *arguments]
    assert only(copy(skopeo_mirror, *without))["status"] == ("present" if before == "unsigned" else "copied")
    mirror.forget()
    assert outcome(copy(skopeo_mirror, *without)) == ("present", False)
    assert mirror.requests() == []


# --- where nobody is asked --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["another-host", "only-the-destination", "only-for-writing", "removed"])
def test_a_source_of_which_nothing_is_said_is_not_asked_again(
    skopeo_mirror: Program,
    mirror: Registry,
    destination: Registry,
    image: Image,
    app: str,
    upstream: Lookaside,
    why: str,
) -> None:
    attach(mirror, "m/app", image, "A")
    said: dict[str, dict[str, dict[str, object]]] = {
        "another-host": {"registry.test": ATTACHED | upstream.keys()},
        "only-the-destination": {destination.host: ATTACHED | upstream.keys()},
        "only-for-writing": {mirror.host: {"sigstore-staging": f"file://{upstream.directory}"}},
        "removed": {mirror.host: ATTACHED, destination.host: ATTACHED},
    }
    say_where_signatures_are(skopeo_mirror, said[why])
    options = ["--remove-signatures"] if why == "removed" else []
    copy(skopeo_mirror, *options, app, f"docker://{destination.host}/d")
    mirror.forget()
    assert outcome(copy(skopeo_mirror, *options, app, f"docker://{destination.host}/d")) == ("present", False)
    assert mirror.requests() == []
