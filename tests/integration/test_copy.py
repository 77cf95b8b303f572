"""The main job: images come from the first mirror that has them, and the report and the access logs say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import asked, configure, copy, entry, holds, only, pin_tag, report_of, statuses
from tests.rig.images import make_image, make_index, make_multi_architecture
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.certificates import Certificates
    from tests.rig.images import Image
    from tests.rig.program import Program

FIRST_CONFIGURATION = """\
[[registry]]
location = "prodlocation.io/xx"
insecure = false
blocked = false
mirror-by-digest-only = true
prefix = ""
[[registry.mirror]]
location = "preprodlocation.com/xx"
insecure = false
"""
SECOND_CONFIGURATION = """\
[[registry]]
prefix = ""
insecure = false
blocked = false
location = "prod.com/abc"
mirror-by-digest-only = true
[[registry.mirror]]
location = "internal.example.io/cp"
insecure = false

[[registry]]
prefix = ""
insecure = false
blocked = false
location = "quay.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "internal.example.io/abcd"
insecure = false
"""
"""Two configurations of users; the tests put real hosts in place of these."""


class TestUsersConfigurations:
    """As written, so over TLS: `insecure = false`."""

    @pytest.fixture
    def secure(self, tmp_path: Path, certificates: Certificates) -> Iterator[list[Registry]]:
        with (
            Registry(tmp_path / "internal", tls=certificates) as internal,
            Registry(tmp_path / "prod", tls=certificates) as prod,
            Registry(tmp_path / "quay", tls=certificates) as quay,
        ):
            yield [internal, prod, quay]

    def test_first(
        self,
        skopeo_mirror: Program,
        secure: list[Registry],
        destination: Registry,
        certificates: Certificates,
        image: Image,
    ) -> None:
        preprod, prod, _ = secure
        preprod.push("xx/app", image)
        hosts = {"prodlocation.io": prod.host, "preprodlocation.com": preprod.host}
        configure(skopeo_mirror, replaced(FIRST_CONFIGURATION, hosts))
        asked_for = f"{prod.host}/xx/app@{image.digest}"
        report = copy(
            skopeo_mirror, "--src-cert-dir", certificates.cert_dir, asked_for, f"docker://{destination.host}/example"
        )
        copied = only(report)
        assert (copied["image"], copied["status"], copied["confirmed"]) == (asked_for, "copied", True)
        assert copied["served_by"] == {
            "reference": f"{preprod.host}/xx/app@{image.digest}",
            "location": f"{preprod.host}/xx",
            "kind": "mirror",
        }
        assert f"/v2/xx/app/manifests/{image.digest}" in asked(preprod)
        assert asked(prod) == []
        assert holds(destination, "example/xx/app", pin_tag(image), image)

    def test_second(
        self,
        skopeo_mirror: Program,
        secure: list[Registry],
        destination: Registry,
        certificates: Certificates,
        image: Image,
    ) -> None:
        internal, prod, quay = secure
        other = make_image("other")
        internal.push("abcd/foo/img", image)
        internal.push("cp/img", other)
        hosts = {"prod.com": prod.host, "internal.example.io": internal.host, "quay.io": quay.host}
        configure(skopeo_mirror, replaced(SECOND_CONFIGURATION, hosts))
        wanted = [f"{quay.host}/foo/img@{image.digest}", f"{prod.host}/abc/img@{other.digest}"]
        report = copy(skopeo_mirror, "--src-cert-dir", certificates.cert_dir, *wanted, f"docker://{destination.host}")
        assert [served["served_by"]["reference"] for served in report["images"]] == [
            f"{internal.host}/abcd/foo/img@{image.digest}",
            f"{internal.host}/cp/img@{other.digest}",
        ]
        assert asked(prod) == asked(quay) == []
        assert holds(destination, "foo/img", pin_tag(image), image)
        assert holds(destination, "abc/img", pin_tag(other), other)


def replaced(text: str, hosts: dict[str, str]) -> str:
    for name, host in hosts.items():
        text = text.replace(f'"{name}', f'"{host}')
    return text


@pytest.mark.parametrize(
    ("holders", "kind"),
    [
        pytest.param("mirror second_mirror origin", "mirror", id="all-have-it"),
        pytest.param("second_mirror origin", "mirror", id="first-mirror-lacks-it"),
        pytest.param("origin", "origin", id="both-mirrors-lack-it"),
    ],
)
def test_the_first_that_has_the_image_serves(
    skopeo_mirror: Program,
    mirror: Registry,
    second_mirror: Registry,
    origin: Registry,
    destination: Registry,
    image: Image,
    holders: str,
    kind: str,
) -> None:
    order = {"mirror": mirror, "second_mirror": second_mirror, "origin": origin}
    for holder in holders.split():
        order[holder].push("ns/app", image)
    configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns", f"{second_mirror.host}/ns"))
    copied = only(copy(skopeo_mirror, f"{origin.host}/ns/app@{image.digest}", f"docker://{destination.host}"))

    serving = holders.split(maxsplit=1)[0]
    before = list(order)[: list(order).index(serving)]
    after = list(order)[list(order).index(serving) + 1 :]
    assert copied["served_by"] == {
        "reference": f"{order[serving].host}/ns/app@{image.digest}",
        "location": f"{order[serving].host}/ns",
        "kind": kind,
    }
    assert [(attempt["location"], attempt["outcome"], attempt["reason"]) for attempt in copied["attempts"]] == [
        *((f"{order[name].host}/ns", "failed", "not-found") for name in before),
        (f"{order[serving].host}/ns", "served", None),
    ]
    assert all(asked(order[name], "manifests") and not asked(order[name], "blobs") for name in before)
    assert all(asked(order[name]) == [] for name in after)
    assert {path.rpartition("/")[2] for path in asked(order[serving], "blobs")} == set(image.blobs)
    assert holds(destination, "ns/app", pin_tag(image), image)


@pytest.mark.parametrize("suffix", [pytest.param("@{digest}", id="digest"), pytest.param(":v1", id="tag")])
def test_mirrors_only_never_asks_the_origin(
    skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry, image: Image, suffix: str
) -> None:
    origin.push("ns/app", image, "v1")
    origin.push("unmirrored/app", image, "v1")
    configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns"))
    reference = suffix.format(digest=image.digest)
    wanted = [f"{origin.host}/ns/app{reference}", f"{origin.host}/unmirrored/app{reference}"]
    report = copy(skopeo_mirror, "--mirrors-only", *wanted, f"docker://{destination.host}", status=1)
    assert statuses(report) == dict.fromkeys(wanted, "failed")
    assert [attempt["kind"] for attempt in report["images"][0]["attempts"]] == ["mirror"]
    assert asked(origin) == []
    assert destination.repositories() == []


def test_mirrors_only_is_served_by_a_mirror(
    skopeo_mirror: Program, mirror: Registry, second_mirror: Registry, destination: Registry, image: Image
) -> None:
    second_mirror.push("ns/app", image)
    configure(skopeo_mirror, entry("nowhere.invalid/ns", f"{mirror.host}/ns", f"{second_mirror.host}/ns"))
    wanted = f"nowhere.invalid/ns/app@{image.digest}"
    copied = only(copy(skopeo_mirror, "--mirrors-only", wanted, f"docker://{destination.host}"))
    assert copied["served_by"]["location"] == f"{second_mirror.host}/ns"
    assert copied["served_by"]["kind"] == "mirror"


def test_an_image_that_no_entry_redirects_comes_from_where_its_name_says(
    skopeo_mirror: Program, origin: Registry, destination: Registry, image: Image
) -> None:
    origin.push("ns/app", image)
    configure(skopeo_mirror, entry("elsewhere.invalid"), entry(origin.host))
    copied = only(copy(skopeo_mirror, f"{origin.host}/ns/app@{image.digest}", f"docker://{destination.host}"))
    assert copied["served_by"]["kind"] == "origin"


class TestTags:
    def test_is_resolved_through_the_mirrors_and_copied_by_digest(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry, image: Image
    ) -> None:
        mirror.push("ns/app", image, "v1")
        destination.push("ns/app", make_image("before"), "v1")
        destination.push("ns/app", make_image("before"), "v0")
        configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns"))
        copied = only(copy(skopeo_mirror, f"{origin.host}/ns/app:v1", f"docker://{destination.host}"))
        assert copied["resolved_from"] == f"{origin.host}/ns/app:v1"
        assert copied["digest"] == image.digest
        assert copied["served_by"]["reference"] == f"{mirror.host}/ns/app@{image.digest}"
        assert copied["destination"] == f"docker://{destination.host}/ns/app:v1"
        assert asked(origin) == []
        assert holds(destination, "ns/app", "v1", image)
        assert destination.manifest("ns/app", "v0") == make_image("before").manifest

    def test_where_mirrors_are_for_digests_only_the_origin_resolves_and_serves(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry, image: Image
    ) -> None:
        origin.push("ns/app", image, "v1")
        mirror.push("ns/app", image, "v1")
        configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns", mirror_by_digest_only=True))
        copied = only(copy(skopeo_mirror, f"{origin.host}/ns/app:v1", f"docker://{destination.host}"))
        assert copied["served_by"]["location"] == f"{origin.host}/ns"
        assert "/v2/ns/app/manifests/v1" in asked(origin)
        assert asked(mirror) == []

    def test_none_is_latest(
        self, skopeo_mirror: Program, origin: Registry, destination: Registry, image: Image
    ) -> None:
        origin.push("ns/app", image, "latest")
        configure(skopeo_mirror, entry(origin.host))
        copied = only(copy(skopeo_mirror, f"{origin.host}/ns/app", f"docker://{destination.host}"))
        assert copied["digest"] == image.digest
        assert holds(destination, "ns/app", "latest", image)

    def test_with_a_digest_is_pulled_by_digest_and_pushed_under_the_tag(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry, image: Image
    ) -> None:
        mirror.push("ns/app", image)
        mirror.push("ns/app", make_image("the tag has moved"), "v1")
        configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns", mirror_by_digest_only=True))
        wanted = f"{origin.host}/ns/app:v1@{image.digest}"
        copied = only(copy(skopeo_mirror, wanted, f"docker://{destination.host}"))
        assert (copied["image"], copied["digest"]) == (wanted, image.digest)
        assert holds(destination, "ns/app", "v1", image)
        assert "/v2/ns/app/manifests/v1" not in asked(mirror)
        assert destination.tags("ns/app") == ["v1"]


class TestNames:
    """What images are called at the destination."""

    @pytest.mark.parametrize(
        ("options", "repository"),
        [
            pytest.param([], "base/a/b/app", id="path-kept"),
            pytest.param(["--scoped"], "base/{host}/a/b/app", id="scoped"),
            pytest.param(["--max-nested-paths", "2"], "base/a-b-app", id="nested-paths"),
            pytest.param(["--scoped", "--max-nested-paths", "3"], "base/{host}/a-b-app", id="scoped-nested-paths"),
        ],
    )
    def test_at_the_destination(
        self,
        skopeo_mirror: Program,
        origin: Registry,
        destination: Registry,
        image: Image,
        options: list[str],
        repository: str,
    ) -> None:
        origin.push("a/b/app", image)
        configure(skopeo_mirror, entry(origin.host))
        wanted = f"{origin.host}/a/b/app@{image.digest}"
        copied = only(copy(skopeo_mirror, *options, wanted, f"docker://{destination.host}/base"))
        expected = repository.format(host=origin.host.replace(":", "-"))
        assert destination.repositories() == [expected]
        assert copied["destination"] == f"docker://{destination.host}/{expected}:{pin_tag(image)}"

    def test_of_its_own(self, skopeo_mirror: Program, origin: Registry, destination: Registry, image: Image) -> None:
        origin.push("ns/app", image)
        configure(skopeo_mirror, entry(origin.host))
        line = f"{origin.host}/ns/app@{image.digest}={destination.host}/elsewhere/renamed:v7\n"
        copied = only(copy(skopeo_mirror, "-f", "-", f"docker://{destination.host}/base", stdin=line))
        assert copied["destination"] == f"docker://{destination.host}/elsewhere/renamed:v7"
        assert destination.repositories() == ["elsewhere/renamed"]
        assert holds(destination, "elsewhere/renamed", "v7", image)

    @pytest.mark.parametrize("destination_kind", ["docker", "dir"])
    def test_that_collide_are_refused_before_any_copy(
        self,
        skopeo_mirror: Program,
        mirror: Registry,
        origin: Registry,
        destination: Registry,
        image: Image,
        destination_kind: str,
    ) -> None:
        other = make_image("other")
        origin.push("ns/app", image, "v1")
        mirror.push("ns/app", other, "v1")
        configure(skopeo_mirror, entry(origin.host), entry(mirror.host))
        wanted = [f"{origin.host}/ns/app:v1", f"{mirror.host}/ns/app:v1"]
        target = f"docker://{destination.host}" if destination_kind == "docker" else "dir:images"
        run = skopeo_mirror("copy", "-r", "registries.conf", "--dest-tls-verify=false", *wanted, target)
        assert run.status == 2
        [line] = run.stderr.splitlines()
        assert all(name in line for name in wanted)
        assert asked(origin) == asked(mirror) == asked(destination) == []
        assert not (skopeo_mirror.directory / "images").exists()

        report = copy(skopeo_mirror, "--scoped", *wanted, target)
        assert set(statuses(report).values()) == {"copied"}

    def test_that_are_equal_are_copied_once(
        self, skopeo_mirror: Program, origin: Registry, destination: Registry, image: Image
    ) -> None:
        origin.push("ns/app", image)
        configure(skopeo_mirror, entry(origin.host))
        wanted = f"{origin.host}/ns/app@{image.digest}"
        (skopeo_mirror.directory / "images.txt").write_bytes(
            f"# twice, in different words\r\n{wanted}\r\n\r\ndocker://{wanted}  # again\r\n".encode()
        )
        report = copy(skopeo_mirror, "-f", "images.txt", wanted, f"docker://{destination.host}")
        assert statuses(report) == {wanted: "copied"}
        assert report["summary"]["images"] == 1


class TestDestinationAsCandidate:
    """A mirror to fill can stand in the registries.conf that it is filled through."""

    def test_is_left_out(self, skopeo_mirror: Program, mirror: Registry, origin: Registry, image: Image) -> None:
        origin.push("ns/app", image)
        configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns"))
        copied = only(copy(skopeo_mirror, f"{origin.host}/ns/app@{image.digest}", f"docker://{mirror.host}"))
        assert copied["served_by"]["kind"] == "origin"
        [skipped] = [attempt for attempt in copied["attempts"] if attempt["outcome"] == "skipped"]
        assert (skipped["location"], skipped["reason"]) == (f"{mirror.host}/ns", "destination")
        assert "is the destination" in skipped["detail"]
        assert holds(mirror, "ns/app", pin_tag(image), image)

    @pytest.mark.parametrize("options", [pytest.param([], id="origin"), pytest.param(["--mirrors-only"], id="mirror")])
    def test_alone_is_refused_before_any_copy(
        self, skopeo_mirror: Program, mirror: Registry, image: Image, options: list[str]
    ) -> None:
        mirror.push("ns/app", image)
        configure(skopeo_mirror, entry("nowhere.invalid/ns", f"{mirror.host}/ns") if options else entry(mirror.host))
        host = "nowhere.invalid" if options else mirror.host
        wanted = f"{host}/ns/app@{image.digest}"
        run = skopeo_mirror("copy", "-r", "registries.conf", *options, wanted, f"docker://{mirror.host}")
        assert run.status == 2
        assert f"{wanted}: its only candidate is its own destination" in run.stderr
        assert asked(mirror) == []


@pytest.mark.parametrize("destination_kind", ["docker", "oci", "dir"])
def test_a_second_run_finds_all_present_and_asks_no_source(
    skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry, destination_kind: str
) -> None:
    images = {f"app-{number}": make_image(f"app-{number}") for number in range(2)}
    images["index"] = make_multi_architecture("index")
    for name, made in images.items():
        mirror.push(f"ns/{name}", made)
    configure(skopeo_mirror, entry(f"{origin.host}/ns", f"{mirror.host}/ns"))
    wanted = [f"{origin.host}/ns/{name}@{made.digest}" for name, made in images.items()]
    wanted[0] = wanted[0].replace("@", ":v1@")
    target = f"docker://{destination.host}" if destination_kind == "docker" else f"{destination_kind}:images"
    first = copy(skopeo_mirror, *wanted, target)
    assert (first["changed"], first["summary"]["copied"]) == (True, 3)

    mirror.forget()
    destination.forget()
    second = copy(skopeo_mirror, *wanted, target)
    assert second["changed"] is False
    assert second["summary"] == {
        "images": 3, "copied": 0, "present": 3, "failed": 0, "bytes": 0, "served_by": {}, "failed_by": {}
    }  # fmt: skip
    for image in second["images"]:
        assert (image["status"], image["confirmed"], image["served_by"]) == ("present", True, None)
    assert asked(mirror) == asked(origin) == []
    assert {request.method for request in destination.requests()} <= {"GET", "HEAD"}


@pytest.mark.parametrize("gone", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize("form", ["oci", "docker", "nested"])
def test_an_index_whose_image_is_gone_is_mended(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, form: str, gone: int
) -> None:
    """Registries collect what has no tag of its own. An index that is whole costs its source no request."""
    if form == "nested":
        made = make_index([make_image("one"), make_multi_architecture("inner")])
        lost = made.children[1].children[gone]
        for registry in (mirror, destination):  # not every skopeo copies such a one
            registry.push("ns/app", made.children[1])
            registry.push("ns/app", made, "v1")
    else:
        made = make_multi_architecture("app", docker=form == "docker")
        lost = made.children[gone]
        mirror.push("ns/app", made)
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    wanted = f"prod.invalid/ns/app:v1@{made.digest}"
    to = f"docker://{destination.host}"
    copy(skopeo_mirror, wanted, to)
    mirror.forget()
    assert only(copy(skopeo_mirror, wanted, to))["status"] == "present"
    assert asked(mirror) == []
    destination.delete("ns/app", lost.digest)
    mended = skopeo_mirror("copy", "--json", "-r", "registries.conf", "--dest-tls-verify=false", wanted, to)
    if form == "nested":
        assert only(report_of(mended, status=mended.status))["status"] != "present"
        return
    assert only(report_of(mended))["status"] == "copied"
    assert destination.manifest("ns/app", lost.digest) == lost.manifest
    assert only(copy(skopeo_mirror, wanted, to))["status"] == "present"


def test_the_destination_is_given_what_it_lacks(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
) -> None:
    """Another image under the tag is no presence."""
    mirror.push("ns/app", image)
    destination.push("ns/app", make_image("other"), "v1")
    configure(skopeo_mirror, entry("nowhere.invalid/ns", f"{mirror.host}/ns"))
    run = skopeo_mirror(
        "copy", "-r", "registries.conf", "--json", "--dest-tls-verify=false",
        f"nowhere.invalid/ns/app:v1@{image.digest}", f"docker://{destination.host}",
    )  # fmt: skip
    assert only(report_of(run))["status"] == "copied"
    assert holds(destination, "ns/app", "v1", image)
