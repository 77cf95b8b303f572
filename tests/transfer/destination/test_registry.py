"""`docker://HOST/PATH`, and how the DESTINATION argument is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import DestinationRefused, UsageError
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.model import Configuration, Registry
from skopeo_mirror.registries_conf.routing import Router
from skopeo_mirror.skopeo.settings import Access
from skopeo_mirror.transfer.destination.choosing import parse_destination
from skopeo_mirror.transfer.destination.place import NamingRules
from tests.values import D1

if TYPE_CHECKING:
    from pathlib import Path

    from skopeo_mirror.transfer.destination.place import Destination

IMAGE = Reference.parse("quay.io/foo/app:v1")


def parse(
    text: str, *registries: Registry, tls_verify: bool | None = None, access: Access | None = None
) -> Destination:
    return parse_destination(
        text,
        router=Router(Configuration(registries=registries)),
        access=access or Access(),
        tls_verify=tls_verify,
        rules=NamingRules(),
    )


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        pytest.param("docker://localhost", "docker://localhost", "docker://localhost/foo/app:v1", id="host"),
        pytest.param("docker://d.test:5000/", "docker://d.test:5000", "docker://d.test:5000/foo/app:v1", id="port"),
        pytest.param("docker://d.test/a/b", "docker://d.test/a/b", "docker://d.test/a/b/foo/app:v1", id="path"),
    ],
)
def test_reads_a_registry(text: str, name: str, place: str) -> None:
    assert parse(text).name == name
    assert parse(text).place(IMAGE).name == place


@pytest.mark.parametrize("transport", ["oci", "dir"])
def test_reads_a_directory(transport: str, tmp_path: Path) -> None:
    assert parse(f"{transport}:{tmp_path}/new").name == f"{transport}:{tmp_path}/new"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("docker://", DestinationRefused, id="no-host"),
        pytest.param("docker://app", DestinationRefused, id="would-be-docker-hub"),
        pytest.param("docker://my_host.test/a", DestinationRefused, id="no-host-name"),
        pytest.param("docker://d.test/a:v1", DestinationRefused, id="tag"),
        pytest.param(f"docker://d.test/a@{D1}", DestinationRefused, id="digest"),
        pytest.param("docker://d.test/A", DestinationRefused, id="capitals"),
        pytest.param("docker://d.test//a", DestinationRefused, id="two-slashes"),
        pytest.param("docker://d.test:x/a", DestinationRefused, id="no-port"),
        pytest.param("docker-archive:x.tar", UsageError, id="another-transport"),
        pytest.param("d.test/a", UsageError, id="no-transport"),
        pytest.param("oci:", UsageError, id="no-directory"),
        pytest.param("dir:", UsageError, id="no-directory-either"),
        pytest.param("", UsageError, id="nothing"),
        pytest.param("--foo:x", UsageError, id="an-option"),
    ],
)
def test_refuses_what_is_no_destination(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse(text)


@pytest.mark.parametrize("transport", ["oci", "dir"])
def test_refuses_a_file(transport: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DestinationRefused, match="is no directory"):
        parse(f"{transport}:{tmp_path}/file")


@pytest.mark.parametrize(
    ("given", "insecure", "verifies"),
    [
        pytest.param(None, False, True, id="by-default"),
        pytest.param(None, True, False, id="as-registries-conf-says"),
        pytest.param(True, True, True, id="the-users-word-counts"),
        pytest.param(False, False, False, id="the-users-word-counts-too"),
    ],
)
def test_verifies_certificates(given: bool | None, insecure: bool, verifies: bool) -> None:
    entry = Registry(prefix="d.test/m", location="d.test/m", insecure=insecure)
    destination = parse("docker://d.test/m", entry, tls_verify=given)
    assert destination.tls_verify is verifies
    with destination.writing(destination.place(IMAGE), D1) as writing:
        assert f"--dest-tls-verify={str(verifies).lower()}" in writing.target.options


def test_skopeo_is_told_how_to_get_in() -> None:
    destination = parse("docker://d.test", access=Access(authfile="auth.json", cert_dir="certs"))
    with destination.writing(destination.place(IMAGE), D1) as writing:
        assert writing.target.name == "docker://d.test/foo/app:v1"
        assert writing.target.repository == Reference.parse("d.test/foo/app:v1")
        assert writing.target.options[1:] == ("--dest-authfile", "auth.json", "--dest-cert-dir", "certs")


def test_a_blocked_destination_is_refused() -> None:
    destination = parse("docker://d.test/m", Registry(prefix="d.test", location="d.test", blocked=True))
    with pytest.raises(DestinationRefused, match=r"d\.test is blocked in registries\.conf"):
        destination.check(destination.place(IMAGE))


def test_a_part_is_in_the_repository_by_its_digest() -> None:
    destination = parse("docker://d.test/m")
    place = destination.part(destination.place(IMAGE), D1)
    assert str(place.repository) == f"d.test/m/foo/app@{D1}"
    assert place.name == f"docker://{place.repository}"
    with destination.writing(place, D1) as writing:
        assert (writing.target.name, writing.target.repository) == (place.name, place.repository)


def test_only_the_registry_knows_what_it_holds() -> None:
    destination = parse("docker://d.test")
    assert destination.holds(destination.place(IMAGE), D1) is None
