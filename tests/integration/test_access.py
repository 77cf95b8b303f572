"""Getting in: TLS or not, a private authority, passwords that are seen nowhere, and the trust policy."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import (
    PLAIN,
    asked,
    configure,
    copy,
    entry,
    files_below,
    holds,
    noting_skopeo,
    only,
    pin_tag,
    report_of,
)
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.certificates import Certificates
    from tests.rig.images import Image
    from tests.rig.program import Program

USER, PASSWORD = "reader", "correct-horse-battery-staple"


@pytest.fixture
def secure(tmp_path: Path, certificates: Certificates) -> Iterator[Registry]:
    """Return a registry whose certificate a private authority has signed."""
    with Registry(tmp_path / "secure", tls=certificates) as registry:
        yield registry


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Registry]:
    """Return a registry that asks for a password."""
    with Registry(tmp_path / "closed", htpasswd=(USER, PASSWORD)) as registry:
        yield registry


def auth_file(program: Program, *hosts: str, password: str = PASSWORD) -> Path:
    file = program.directory / "auth.json"
    credentials = base64.b64encode(f"{USER}:{password}".encode()).decode()
    file.write_text(json.dumps({"auths": {host: {"auth": credentials} for host in hosts}}))
    return file


class TestInsecure:
    """`insecure` of each endpoint is its own."""

    def test_reaches_plain_http_and_its_absence_does_not(
        self, skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, image: Image
    ) -> None:
        for registry in (mirror, second_mirror):
            registry.push("ns/app", image)
        insecure = {mirror.host: "false", second_mirror.host: "true"}
        configure(
            skopeo_mirror,
            entry("prod.invalid"),
            *(
                f'[[registry.mirror]]\nlocation = "{host}"\ninsecure = {word}' for host, word in insecure.items()
            ),
        )  # fmt: skip
        copied = only(copy(skopeo_mirror, f"prod.invalid/ns/app@{image.digest}", "dir:images"))
        assert copied["served_by"]["location"] == second_mirror.host
        failed = copied["attempts"][0]
        assert (failed["location"], failed["outcome"], failed["reason"]) == (mirror.host, "failed", "tls")
        assert asked(mirror) == []

    @pytest.mark.parametrize("secure_only", [True, False])
    def test_of_the_origin(self, skopeo_mirror: Program, origin: Registry, image: Image, secure_only: bool) -> None:
        origin.push("ns/app", image)
        configure(skopeo_mirror, entry(origin.host, secure=secure_only))
        arguments = ["--retries=0", f"{origin.host}/ns/app@{image.digest}", "dir:images"]
        copied = only(copy(skopeo_mirror, *arguments, status=1 if secure_only else 0))
        assert copied["status"] == ("failed" if secure_only else "copied")
        assert (asked(origin) == []) is secure_only

    def test_accepts_an_unknown_authority(self, skopeo_mirror: Program, secure: Registry, image: Image) -> None:
        secure.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", secure.host))
        copied = only(copy(skopeo_mirror, f"prod.invalid/ns/app@{image.digest}", "dir:images"))
        assert copied["served_by"]["location"] == secure.host


class TestPrivateAuthority:
    def test_of_a_source(
        self, skopeo_mirror: Program, secure: Registry, certificates: Certificates, image: Image
    ) -> None:
        secure.push("ns/app", image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", secure.host, secure=True))
        arguments = ["--mirrors-only", "prod.invalid/ns/app:v1", "dir:images"]
        unknown = only(copy(skopeo_mirror, "--retries=0", *arguments, status=1))
        assert unknown["attempts"][-1]["reason"] == "tls"
        assert "unknown authority" in unknown["error"]

        trusted = only(copy(skopeo_mirror, "--src-cert-dir", certificates.cert_dir, *arguments))
        assert (trusted["status"], trusted["digest"]) == ("copied", image.digest)

    @pytest.mark.parametrize("word", ["true", None])
    def test_of_the_destination(
        self,
        skopeo_mirror: Program,
        mirror: Registry,
        secure: Registry,
        certificates: Certificates,
        image: Image,
        word: str | None,
    ) -> None:
        mirror.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        arguments = ["copy", "-r", "registries.conf", "--json"]
        arguments += [f"--dest-tls-verify={word}"] if word else []
        arguments += [f"prod.invalid/ns/app@{image.digest}", f"docker://{secure.host}"]
        refused = skopeo_mirror(*arguments, "--retries=0")
        assert only(report_of(refused, status=1))["status"] == "failed"
        assert secure.repositories() == []

        trusting = ["--dest-cert-dir", certificates.cert_dir]
        for status in ("copied", "present"):
            done = skopeo_mirror(*arguments[:-2], *trusting, *arguments[-2:])
            report = report_of(done)
            assert report["destination_tls_verify"] is True
            assert only(report)["status"] == status
        assert holds(secure, "ns/app", pin_tag(image), image)


class TestPassword:
    @pytest.mark.parametrize("option", ["--authfile", "--src-authfile"])
    def test_opens_a_source(self, skopeo_mirror: Program, closed: Registry, image: Image, option: str) -> None:
        closed.push("ns/app", image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", closed.host))
        arguments = ["--mirrors-only", "prod.invalid/ns/app:v1", "dir:images"]
        stranger = only(copy(skopeo_mirror, "--retries=0", *arguments, status=1))
        assert stranger["attempts"][-1]["reason"] == "unauthorized"

        known = only(copy(skopeo_mirror, option, auth_file(skopeo_mirror, closed.host), *arguments))
        assert (known["status"], known["digest"]) == ("copied", image.digest)
        pinned = skopeo_mirror("pin", "-r", "registries.conf", option, "auth.json", "prod.invalid/ns/app:v1")
        assert pinned.stdout == f"prod.invalid/ns/app:v1@{image.digest}\n"

    @pytest.mark.parametrize("option", ["--authfile", "--dest-authfile"])
    def test_opens_the_destination(
        self, skopeo_mirror: Program, mirror: Registry, closed: Registry, image: Image, option: str
    ) -> None:
        mirror.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        arguments = [f"prod.invalid/ns/app@{image.digest}", f"docker://{closed.host}"]
        failed = only(copy(skopeo_mirror, "--retries=0", *arguments, status=1))
        assert failed["attempts"][-1]["location"] == mirror.host
        auth_file(skopeo_mirror, closed.host)
        assert only(copy(skopeo_mirror, option, "auth.json", *arguments))["status"] == "copied"
        assert only(copy(skopeo_mirror, option, "auth.json", *arguments))["status"] == "present"
        assert holds(closed, "ns/app", pin_tag(image), image)

    def test_is_for_one_side_only(
        self, skopeo_mirror: Program, closed: Registry, destination: Registry, image: Image
    ) -> None:
        closed.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", closed.host))
        auth_file(skopeo_mirror, closed.host)
        arguments = ["--mirrors-only", f"prod.invalid/ns/app@{image.digest}", f"docker://{destination.host}"]
        copy(skopeo_mirror, "--retries=0", "--dest-authfile", "auth.json", *arguments, status=1)
        copy(skopeo_mirror, "--src-authfile", "auth.json", *arguments)

    def test_of_the_host_is_found_where_skopeo_looks(
        self, skopeo_mirror: Program, closed: Registry, image: Image
    ) -> None:
        """HOME is left alone, so that `~/.docker/config.json` works."""
        closed.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", closed.host))
        (skopeo_mirror.home / ".docker").mkdir()
        auth_file(skopeo_mirror, closed.host).rename(skopeo_mirror.home / ".docker/config.json")
        copy(skopeo_mirror, f"prod.invalid/ns/app@{image.digest}", "dir:images")

    @pytest.mark.parametrize(
        ("password", "status"), [pytest.param(PASSWORD, 0, id="right"), pytest.param(f"{PASSWORD}!", 1, id="wrong")]
    )
    def test_is_seen_nowhere(
        self, skopeo_mirror: Program, closed: Registry, image: Image, password: str, status: int
    ) -> None:
        """Not on a command line (a wrapper of the real skopeo notes them and its environment), nor in any file."""
        closed.push("ns/app", image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", closed.host))
        wrapper = noting_skopeo(skopeo_mirror)
        auth = auth_file(skopeo_mirror, closed.host, password=password)
        run = skopeo_mirror(
            "copy", "-v", "--json", "-r", "registries.conf", "--skopeo", wrapper, "--authfile", "auth.json",
            "--mirrors-only", "--retries=0", "--report", "report.json", "--log-dir", "logs",
            "prod.invalid/ns/app:v1", "prod.invalid/ns/lacking:v1", "dir:images",
        )  # fmt: skip
        assert run.status == 1
        assert [one["status"] for one in run.report["images"]] == ["failed" if status else "copied", "failed"]
        encoded = base64.b64encode(f"{USER}:{password}".encode()).decode()
        auth.unlink()
        written = files_below(skopeo_mirror.directory)
        assert "noted" in written
        assert any(path.startswith("logs/") for path in written)
        for content in (run.stdout.encode(), run.stderr.encode(), *(written.values())):
            assert password.encode() not in (content or b"")
            assert encoded.encode() not in (content or b"")

    def test_in_a_reference_is_refused_without_repeating_it(self, skopeo_mirror: Program) -> None:
        run = skopeo_mirror("copy", f"https://{USER}:{PASSWORD}@prod.invalid/ns/app:v1", "dir:images")
        assert run.status == 2
        assert PASSWORD not in run.stdout + run.stderr


class TestPolicy:
    REJECTING = '{"default": [{"type": "reject"}]}'

    def test_that_rejects_is_obeyed_and_can_be_overruled(
        self, skopeo_mirror: Program, mirror: Registry, image: Image
    ) -> None:
        mirror.push("ns/app", image)
        configure(skopeo_mirror, entry("prod.invalid", mirror.host))
        (skopeo_mirror.directory / "policy.json").write_text(self.REJECTING)
        arguments = ["--mirrors-only", "--policy", "policy.json", f"prod.invalid/ns/app@{image.digest}", "dir:images"]
        rejected = only(copy(skopeo_mirror, *arguments, status=1))
        assert rejected["attempts"][-1]["reason"] == rejected["reason"] == "policy"
        assert not (skopeo_mirror.directory / "images").exists()
        assert only(copy(skopeo_mirror, "--insecure-policy", *arguments))["status"] == "copied"


def test_further_options_reach_skopeo(skopeo_mirror: Program, mirror: Registry, image: Image) -> None:
    mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    arguments = ["copy", "-r", "registries.conf", PLAIN, f"prod.invalid/ns/app@{image.digest}", "dir:images"]
    nonsense = skopeo_mirror(*arguments, "--skopeo-option=--no-such-option", "--retries=0")
    assert nonsense.status != 0
    assert "no-such-option" in nonsense.stderr + nonsense.stdout
    assert skopeo_mirror(*arguments, "--skopeo-option=--src-no-creds", "--remove-signatures").status == 0
