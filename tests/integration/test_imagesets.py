"""Image sets and operator catalogs: what is selected comes from the mirrors, and everything says who wanted it."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.integration.test_copy import FIRST_CONFIGURATION, SECOND_CONFIGURATION, replaced
from tests.olm.catalogs import Member, layer, write_catalog, write_image, write_index
from tests.rig.background import started, until
from tests.rig.copying import (
    PLAIN,
    asked,
    configure,
    copy,
    entry,
    files_below,
    holds,
    pin_tag,
    statuses,
)
from tests.rig.faults import Fault, Place
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import Layer, digest_of, make_image
from tests.rig.operators import (
    Operators,
    make_catalog_image,
    make_operators,
    write_image_set,
    write_layout,
)
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.certificates import Certificates
    from tests.rig.images import Image
    from tests.rig.program import Program

SELECTED = """
operators:
- catalog: oci://catalog
  packages:
  - name: alpha
    minVersion: 2.2.0
    channels: [{name: stable}]
  - name: beta
    channels: [{name: stable}]
"""
OPERATORS = make_operators("prod.invalid/op")
CATALOG = make_catalog_image(OPERATORS)


def is_there(destination: Registry, path: str, images: dict[str, Image]) -> bool:
    return all(
        holds(destination, f"{path}{reference.partition('/')[2].partition('@')[0]}", pin_tag(image), image)
        for reference, image in images.items()
    )


class TestUsersConfigurations:
    """As written, so over TLS: `insecure = false`; digests from the mirror alone."""

    @pytest.fixture
    def secure(self, tmp_path: Path, certificates: Certificates) -> Iterator[list[Registry]]:
        with (
            Registry(tmp_path / "internal", tls=certificates) as internal,
            Registry(tmp_path / "prod", tls=certificates) as prod,
            Registry(tmp_path / "quay", tls=certificates) as quay,
        ):
            yield [internal, prod, quay]

    @pytest.mark.parametrize(
        ("configuration", "origin", "source", "path"),
        [
            pytest.param(FIRST_CONFIGURATION, 1, "xx", "xx", id="first"),
            pytest.param(SECOND_CONFIGURATION, 1, "abc", "cp", id="second-prod"),
            pytest.param(SECOND_CONFIGURATION, 2, "foo", "abcd/foo", id="second-quay"),
        ],
    )
    def test_every_selected_image_comes_from_the_mirror(
        self,
        skopeo_mirror: Program,
        secure: list[Registry],
        destination: Registry,
        certificates: Certificates,
        configuration: str,
        origin: int,
        source: str,
        path: str,
    ) -> None:
        internal, prod, quay = secure
        hosts = {"prodlocation.io": prod.host, "prod.com": prod.host, "quay.io": quay.host}
        hosts |= dict.fromkeys(("preprodlocation.com", "internal.example.io"), internal.host)
        configure(skopeo_mirror, replaced(configuration, hosts))
        operators = make_operators(f"{secure[origin].host}/{source}")
        operators.push(internal, path)
        digest = write_layout(skopeo_mirror.directory / "catalog", operators)
        set_ = write_image_set(skopeo_mirror, SELECTED)
        common = ["--insecure-policy", "--src-cert-dir", certificates.cert_dir, "-c", set_]
        target = f"docker://{destination.host}/example/test"

        report = copy(skopeo_mirror, *common, target)
        *images, catalog = report["images"]
        selected = {
            **operators.of("alpha", "2.2.0", "2.3.0", "2.4.0"),
            **operators.of("beta", "0.6.0"),
        }
        assert {image["image"] for image in images} == selected.keys()
        assert set(statuses(report).values()) == {"copied"}
        for image in images:
            assert image["served_by"]["kind"] == "mirror"
            assert image["served_by"]["reference"].startswith(f"{internal.host}/{path}/")
        assert is_there(destination, "example/test/", selected)
        assert catalog["catalog"] == "oci://catalog"
        assert catalog["digest"] == digest
        assert catalog["served_by"]["kind"] == "layout"
        assert catalog["destination"] == f"{target}/catalog:latest"
        layout = skopeo_mirror.directory / "catalog/blobs/sha256"
        assert destination.manifest("example/test/catalog", "latest") == (layout / digest[7:]).read_bytes()
        assert [f"/v2/{path}/" in request for request in asked(internal, "blobs")].count(False) == 0
        assert asked(prod) == asked(quay) == []

        internal.forget()
        before = destination.repositories()
        again = copy(skopeo_mirror, *common, target)
        assert (again["changed"], set(statuses(again).values())) == (False, {"present"})
        assert asked(internal) == asked(prod) == asked(quay) == []
        assert destination.repositories() == before


@pytest.fixture
def work(skopeo_mirror: Program, mirror: Registry) -> Program:
    """Return the tool where prod.invalid is redirected to the mirror, which has every operator and the catalog."""
    configure(skopeo_mirror, entry("prod.invalid", mirror.host))
    OPERATORS.push(mirror, "op")
    mirror.push("op/index", CATALOG, "v1")
    return skopeo_mirror


def selecting(work: Program, catalog: str = "prod.invalid/op/index:v1", more: str = "", extra: str = "") -> str:
    return write_image_set(
        work,
        f"operators:\n- catalog: {catalog}\n{more}  packages: [{{name: gamma, channels: [{{name: fast}}]}}]\n{extra}",
    )


class TestCatalogs:
    def test_one_by_tag_is_pulled_through_the_mirror_and_copied_whole(
        self, work: Program, mirror: Registry, destination: Registry
    ) -> None:
        report = copy(work, "--mirrors-only", "-c", selecting(work), f"docker://{destination.host}")
        *images, catalog = report["images"]
        selected = OPERATORS.of("gamma", "3.5.0")
        assert {image["image"] for image in images} == selected.keys()
        assert is_there(destination, "", selected)
        assert holds(destination, "op/index", "v1", CATALOG)
        assert (catalog["image"], catalog["resolved_from"]) == ("prod.invalid/op/index:v1", "prod.invalid/op/index:v1")
        assert (catalog["catalog"], catalog["digest"]) == ("prod.invalid/op/index:v1", CATALOG.digest)
        assert catalog["served_by"]["location"] == mirror.host
        assert "wanted_by" not in catalog
        again = copy(work, "--mirrors-only", "-c", selecting(work), f"docker://{destination.host}")
        assert set(statuses(again).values()) == {"present"}

    def test_one_by_digest(self, work: Program, destination: Registry) -> None:
        name = f"prod.invalid/op/index@{CATALOG.digest}"
        report = copy(work, "--mirrors-only", "-c", selecting(work, name), f"docker://{destination.host}")
        assert statuses(report)[name] == "copied"
        assert holds(destination, "op/index", pin_tag(CATALOG), CATALOG)

    def test_dockers_own_image_types_are_read_as_well(
        self, work: Program, mirror: Registry, destination: Registry
    ) -> None:
        docker = make_catalog_image(OPERATORS, docker=True)
        mirror.push("op/index", docker, "docker")
        set_ = selecting(work, "prod.invalid/op/index:docker")
        assert set(statuses(copy(work, "-c", set_, f"docker://{destination.host}")).values()) == {"copied"}
        assert holds(destination, "op/index", "docker", docker)

    @pytest.mark.parametrize(
        "fault", [Fault(place=Place.LAYER, kind="corrupt"), Fault(place=Place.MANIFEST, kind="404")], ids=str
    )
    def test_fails_over_as_any_image_does(
        self, work: Program, mirror: Registry, destination: Registry, fault: Fault
    ) -> None:
        with FaultyRegistry(fault) as faulty:
            faulty.serve("op/index", CATALOG, "v1")
            configure(work, entry("prod.invalid", faulty.host, mirror.host))
            report = copy(work, "--mirrors-only", "-c", selecting(work), f"docker://{destination.host}")
        assert set(statuses(report).values()) == {"copied"}
        units = [unit for image in report["images"] for unit in image.get("parts") or [image]]
        served = {unit["served_by"]["location"] for unit in units}
        assert served == {mirror.host} if fault.place is Place.MANIFEST else mirror.host in served

    def test_one_that_nobody_has_ends_the_run_before_it_begins(self, work: Program, destination: Registry) -> None:
        set_ = selecting(work, "prod.invalid/op/lacking:v1")
        for arguments in (["copy", PLAIN, "-c", set_, f"docker://{destination.host}"], ["images", "-c", set_]):
            run = work(*arguments, "--retries=0", "--mirrors-only", "-r", "registries.conf")
            assert (run.status, run.stdout) == (1, "")
            assert "prod.invalid/op/lacking:v1: the catalog could not be pulled: no mirror served it" in run.stderr
        assert destination.repositories() == []

    def test_the_report_is_written_all_the_same(self, work: Program, destination: Registry) -> None:
        set_ = selecting(work, "prod.invalid/op/lacking:v1")
        report = copy(work, "--retries=0", "--mirrors-only", "-c", set_, f"docker://{destination.host}", status=1)
        assert (report["failed"], report["changed"], report["images"]) == (True, False, [])
        assert report["stopped"].startswith("prod.invalid/op/lacking:v1: the catalog could not be pulled")

    @pytest.mark.parametrize(
        ("number", "status", "word"),
        [
            pytest.param(signal.SIGINT, 130, "interrupted", id="interrupted"),
            pytest.param(signal.SIGTERM, 143, "terminated", id="terminated"),
        ],
    )
    def test_reading_it_can_be_stopped(
        self, work: Program, tmp_path: Path, number: signal.Signals, status: int, word: str
    ) -> None:
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        with FaultyRegistry(Fault(place=Place.LAYER, kind="stall")) as faulty:
            faulty.serve("op/index", CATALOG, "v1")
            configure(work, entry("prod.invalid", faulty.host))
            arguments = [
                "copy",
                "-r",
                "registries.conf",
                "--report",
                "report.json",
                "-c",
                selecting(work),
                "dir:images",
            ]
            with started(work, *arguments, env={"TMPDIR": str(temporary)}) as run:
                until(lambda: any("/blobs/" in request.path for request in faulty.requests()))
                run.signal(number)
                ended = run.wait()
                run.wait_until_gone()
        assert ended.status == status
        assert f"error: {word}" in ended.stderr
        report = json.loads((work.directory / "report.json").read_text())
        assert (report["stopped"], report["images"]) == (word, [])
        assert list(temporary.iterdir()) == []
        assert not (work.directory / "images").exists()

    def test_one_whose_layers_nobody_has_ends_it_too(self, work: Program, destination: Registry) -> None:
        with FaultyRegistry(Fault(place=Place.LAYER, kind="corrupt")) as faulty:
            faulty.serve("op/index", CATALOG, "v1")
            configure(work, entry("prod.invalid", faulty.host))
            arguments = ["copy", PLAIN, "-r", "registries.conf", "--retries=0", "--mirrors-only", "-c", selecting(work)]
            run = work(*arguments, f"docker://{destination.host}")
        assert (run.status, run.stdout) == (1, "")
        assert "prod.invalid/op/index:v1: the catalog could not be pulled: no mirror served it" in run.stderr
        assert "corrupt" in run.stderr
        assert destination.repositories() == []

    def test_a_layout_that_there_is_not_is_named_once(self, work: Program) -> None:
        run = work("catalog", "oci://missing")
        assert run.status == 2
        words = "oci://missing: no OCI layout: index.json cannot be read: No such file or directory"
        assert run.stderr == f"error: {words}\n"

    def test_a_layout_of_one_image_a_platform_is_copied_whole(self, work: Program, destination: Registry) -> None:
        layout = work.directory / "tool"
        platforms = [
            {**write_image(layout, [], {"of": name}), "platform": {"os": "linux", "architecture": name}}
            for name in ("amd64", "arm64")
        ]
        write_index(layout, *platforms)
        index = (layout / "index.json").read_bytes()
        set_ = write_image_set(work, "additionalImages: [{name: 'oci://tool', targetTag: v1}]\n")
        assert work("images", "-c", set_).stdout == "# oci://tool (an image in a layout: -c takes it)\n"
        [image] = copy(work, "-c", set_, f"docker://{destination.host}")["images"]
        assert (image["image"], image["digest"]) == ("localhost/tool:latest", digest_of(index))
        assert [part["platform"] for part in image["parts"]] == ["linux/amd64", "linux/arm64"]
        assert destination.manifest("tool", "v1") == index
        assert all(destination.manifest("tool", str(one["digest"])) for one in platforms)
        copy(work, "-c", set_, "dir:images")  # in one piece
        assert (work.directory / "images/tool/latest/manifest.json").read_bytes() == index

    def test_two_of_one_name_are_refused(self, work: Program) -> None:
        write_layout(work.directory / "catalog", OPERATORS)
        (work.directory / "other").mkdir()
        write_layout(work.directory / "other/catalog", make_operators("prod.invalid/other"))
        both = "operators:\n- catalog: oci://catalog\n- catalog: oci://other/catalog\n"
        run = work("images", "-c", write_image_set(work, both))
        assert (run.status, run.stdout) == (2, "")
        assert "oci://catalog and oci://other/catalog would have one name; set `targetCatalog`" in run.stderr
        run = work("images", "-c", write_image_set(work, f"{both}  targetCatalog: another\n"))
        assert run.status == 0

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            pytest.param(b"{", "configs/x.json", id="broken"),
            pytest.param(b'{"schema": "olm.bundle", "name": "x", "package": "y"}', "no such package", id="lost-bundle"),
        ],
    )
    def test_a_broken_one_is_named(
        self, work: Program, mirror: Registry, tmp_path: Path, content: bytes, words: str
    ) -> None:
        blob = layer(Member(name="configs/x.json", content=content))
        write_catalog(work.directory / "broken", blob)
        mirror.push("op/broken", make_image("broken", layers=[Layer(blob=blob, diff_id=digest_of(blob))]), "v1")
        for name in ("oci://broken", "prod.invalid/op/broken:v1"):
            run = work("catalog", "-r", "registries.conf", name, env={"TMPDIR": str(tmp_path)})
            assert (run.status, run.stdout) == (2, "")
            assert f"error: {name}: " in run.stderr
            assert words in run.stderr
            assert str(tmp_path) not in run.stderr

    def test_one_platform_is_enough_to_read_it(self, work: Program, mirror: Registry) -> None:
        assert work("images", "-r", "registries.conf", "-c", selecting(work)).status == 0
        configs = [f"/v2/op/index/blobs/{child.config_digest}" for child in CATALOG.children]
        assert [config in asked(mirror, "blobs") for config in configs] == [True, False]

    def test_nothing_is_left_of_a_pulled_one(self, work: Program, tmp_path: Path) -> None:
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        env = {"TMPDIR": str(temporary)}
        assert work("images", "-r", "registries.conf", "-c", selecting(work), env=env).status == 0
        assert list(temporary.iterdir()) == []


class TestNamesAtTheDestination:
    def test_targets_are_relative_to_the_destination(
        self, work: Program, mirror: Registry, destination: Registry, image: Image
    ) -> None:
        mirror.push("extra/tool", image, "v1")
        extra = "additionalImages:\n- name: prod.invalid/extra/tool:v1\n  targetRepo: mine/tool\n  targetTag: mine\n"
        extra += f"- name: prod.invalid/extra/tool@{image.digest}\n  targetTag: other\n"
        set_ = selecting(work, more="  targetCatalog: mine/catalog\n  targetTag: stable\n", extra=extra)
        report = copy(work, "-c", set_, f"docker://{destination.host}/below", "--failed-images", "failed.txt")
        assert set(statuses(report).values()) == {"copied"}
        assert holds(destination, "below/mine/tool", "mine", image)
        assert holds(destination, "below/extra/tool", "other", image)
        assert holds(destination, "below/mine/catalog", "stable", CATALOG)
        assert destination.tags("below/op/index") == []

    def test_a_layouts_catalog_too(self, work: Program, destination: Registry) -> None:
        digest = write_layout(work.directory / "Catalog.", OPERATORS)
        run = work("images", "-c", selecting(work, "oci://Catalog."))
        assert "set `targetCatalog`" in run.stderr
        set_ = selecting(work, "oci://Catalog.", more="  targetCatalog: mine/catalog\n  targetTag: stable\n")
        report = copy(work, "-c", set_, f"docker://{destination.host}/below")
        assert report["images"][-1]["digest"] == digest
        assert destination.tags("below/mine/catalog") == ["stable"]

    def test_an_image_that_failed_keeps_its_name(self, work: Program, mirror: Registry, destination: Registry) -> None:
        late = make_image("late")
        set_ = write_image_set(work, "additionalImages:\n- name: prod.invalid/late:v1\n  targetRepo: mine/late\n")
        common = ["--retries=0", "--mirrors-only", "--failed-images", "failed.txt"]
        copy(work, *common, "-c", set_, f"docker://{destination.host}", status=1)
        mirror.push("late", late, "v1")
        copy(work, *common, "-f", "failed.txt", f"docker://{destination.host}")
        assert holds(destination, "mine/late", "v1", late)

    @pytest.mark.parametrize("target", ["oci:images", "dir:images"])
    def test_directories_keep_the_names_of_the_sources(self, work: Program, target: str) -> None:
        set_ = selecting(work, more="  targetCatalog: mine/catalog\n")
        report = copy(work, "-c", set_, target)
        assert set(statuses(report).values()) == {"copied"}
        assert "op/index" in report["images"][-1]["destination"]

    def test_one_tag_for_two_digests_loses_nothing(
        self, work: Program, mirror: Registry, destination: Registry
    ) -> None:
        one, two = make_image("one"), make_image("two")
        documents = [dict(document) for document in OPERATORS.documents]
        for document, made in zip([d for d in documents if d["name"].startswith("gamma.v")], (one, two), strict=False):
            mirror.push("op/same", made)
            document["relatedImages"] = [{"name": "", "image": f"prod.invalid/op/same:v1@{made.digest}"}]
        write_layout(work.directory / "catalog", Operators(name="", documents=documents, images=OPERATORS.images))
        set_ = write_image_set(
            work, "operators:\n- {catalog: 'oci://catalog', full: true, packages: [{name: gamma}]}\n"
        )
        report = copy(work, "-c", set_, f"docker://{destination.host}")
        assert set(statuses(report).values()) == {"copied"}
        assert holds(destination, "op/same", pin_tag(one), one)
        assert holds(destination, "op/same", pin_tag(two), two)


class TestBlockedImages:
    @pytest.mark.parametrize(
        ("pattern", "left"),
        [
            pytest.param("prod.invalid/op/gamma-operator", ["gamma-bundle", "index", "proxy"], id="by-origin"),
            pytest.param("below/op/(proxy|index)", ["gamma-bundle", "gamma-operator"], id="by-destination"),
            pytest.param("gamma", ["index", "proxy"], id="anywhere-in-the-name"),
        ],
    )
    def test_are_not_copied(self, work: Program, destination: Registry, pattern: str, left: list[str]) -> None:
        set_ = selecting(work, extra=f"blockedImages:\n- name: {pattern}\n")
        report = copy(work, "-c", set_, f"docker://{destination.host}/below")
        assert (
            sorted(one["image"].rpartition("/")[2].partition("@")[0].partition(":")[0] for one in report["images"])
            == left
        )
        assert destination.repositories() == [f"below/op/{name}" for name in left]

    def test_are_not_listed(self, work: Program) -> None:
        set_ = selecting(work, extra="blockedImages:\n- name: op/gamma-operator\n")
        run = work("images", "-r", "registries.conf", "-c", set_)
        assert "gamma-bundle" in run.stdout
        assert "gamma-operator" not in run.stdout


class TestWhoWantedIt:
    WHO: ClassVar = {
        "catalog": "prod.invalid/op/index:v1",
        "package": "gamma",
        "channel": "fast",
        "bundle": "gamma.v3.5.0",
    }

    def test_stands_in_the_report(self, work: Program, destination: Registry) -> None:
        report = copy(work, "-c", selecting(work), f"docker://{destination.host}")
        wanted = {image["image"]: image.get("wanted_by") for image in report["images"][:-1]}
        assert wanted == {image: [self.WHO] for image in OPERATORS.of("gamma", "3.5.0")}

    def test_images_says_it_as_a_comment(self, work: Program) -> None:
        set_ = selecting(work)
        run = work("images", "-v", "-r", "registries.conf", "-c", set_)
        comment = "    # prod.invalid/op/index:v1: gamma, fast, gamma.v3.5.0"
        lines = run.stdout.splitlines()
        assert lines[-1] == "prod.invalid/op/index:v1"
        assert lines[:-1] == [line for image in OPERATORS.of("gamma", "3.5.0") for line in (image, comment)]
        plain = work("images", "-r", "registries.conf", "-c", set_)
        assert plain.stdout.splitlines() == [line for line in lines if line != comment]
        assert work("images", "-f", "-", stdin=run.stdout).stdout == plain.stdout


class TestOtherCommands:
    def test_pin(self, work: Program, mirror: Registry, image: Image) -> None:
        mirror.push("extra/tool", image, "v1")
        set_ = selecting(work, extra="additionalImages:\n- name: prod.invalid/extra/tool:v1\n")
        run = work("pin", "--mirrors-only", "-r", "registries.conf", "-c", set_)
        assert run.stdout.splitlines() == [
            f"prod.invalid/extra/tool:v1@{image.digest}",
            *OPERATORS.of("gamma", "3.5.0"),
            f"prod.invalid/op/index:v1@{CATALOG.digest}",
        ]

    def test_route(self, work: Program, mirror: Registry) -> None:
        run = work("route", "--json", "-r", "registries.conf", "-c", selecting(work))
        assert run.status == 0, run.stderr
        found = {route["image"]: route["candidates"][0]["location"] for route in run.report["routes"]}
        assert found == dict.fromkeys([*OPERATORS.of("gamma", "3.5.0"), "prod.invalid/op/index:v1"], mirror.host)

    def test_a_layout_needs_neither_skopeo_nor_a_configuration(self, skopeo_mirror: Program) -> None:
        write_layout(skopeo_mirror.directory / "catalog", OPERATORS)
        set_ = write_image_set(skopeo_mirror, SELECTED)
        run = skopeo_mirror("images", "-c", set_, "--skopeo", "missing")
        assert (run.status, run.stderr) == (0, "")
        *images, catalog = run.stdout.splitlines()
        selected = {*OPERATORS.of("alpha", "2.2.0", "2.3.0", "2.4.0"), *OPERATORS.of("beta", "0.6.0")}
        assert sorted(images) == sorted(selected)
        assert catalog == "# oci://catalog (a catalog in a layout: -c takes it)"
        run = skopeo_mirror("catalog", "oci://catalog", "--skopeo", "missing")
        assert (run.status, run.stderr) == (0, "")

    def test_shards_make_the_whole(self, work: Program) -> None:
        set_ = selecting(work)
        parts = [work("images", "-r", "registries.conf", "-c", set_, "--shard", f"{n}/3").stdout for n in (1, 2, 3)]
        whole = work("images", "-r", "registries.conf", "-c", set_).stdout
        assert sorted("".join(parts).splitlines()) == sorted(whole.splitlines())

    def test_a_dry_run_writes_nothing(self, work: Program, destination: Registry) -> None:
        set_ = selecting(work)
        before = files_below(work.directory)
        report = copy(work, "--dry-run", "-c", set_, f"docker://{destination.host}")
        assert set(statuses(report).values()) == {"would-copy"}
        assert destination.repositories() == []
        assert files_below(work.directory) == before

    def test_what_a_layout_was_filled_with_goes_on_under_the_same_names(
        self, work: Program, mirror: Registry, destination: Registry
    ) -> None:
        write_layout(work.directory / "catalog", OPERATORS)
        set_ = write_image_set(
            work,
            "operators:\n- catalog: prod.invalid/op/index:v1\n  targetCatalog: mine/index\n"
            "  packages: [{name: gamma}]\n- catalog: oci://catalog\n  packages: [{name: beta}]\n",
        )
        carried = copy(work, "-c", set_, "oci:images")
        mirror.stop()
        (work.directory / "catalog").rename(work.directory / "away")
        report = copy(work, "--from", "oci:images", "-c", set_, f"docker://{destination.host}")
        assert statuses(report) == statuses(carried)
        assert {image["served_by"]["kind"] for image in report["images"]} == {"layout"}
        assert holds(destination, "mine/index", "v1", CATALOG)
        assert destination.tags("catalog") == ["latest"]

    def test_goes_on_with_the_platform_that_was_carried(self, work: Program, mirror: Registry) -> None:
        """The catalog is read although its first image is not there."""
        arm64 = ["-c", selecting(work), "--platform", "linux/arm64"]
        carried = copy(work, *arm64, "oci:images")
        mirror.stop()
        moved = copy(work, *arm64, "--from", "oci:images", "oci:moved")
        assert statuses(moved) == statuses(carried) == dict.fromkeys(statuses(carried), "copied")
        assert [part["platform"] for part in moved["images"][-1]["parts"]] == ["linux/arm64"]
        assert moved["images"][-1]["digest"] == CATALOG.digest


class TestCatalogCommand:
    @pytest.mark.parametrize("name", ["oci://catalog", "prod.invalid/op/index:v1"])
    def test_lists_what_there_is(self, work: Program, name: str) -> None:
        write_layout(work.directory / "catalog", OPERATORS)
        run = work("catalog", "-r", "registries.conf", "--mirrors-only", name)
        assert run.status == 0, run.stderr
        assert [line.split() for line in run.stdout.splitlines()] == [
            ["PACKAGE", "CHANNEL", "HEAD", "VERSION", "DEFAULT"],
            ["alpha", "old", "alpha.v1.1.0", "1.1.0"],
            ["alpha", "stable", "alpha.v2.4.0", "2.4.0", "default"],
            ["beta", "candidate", "beta.v0.6.0", "0.6.0"],
            ["beta", "stable", "beta.v0.6.0", "0.6.0", "default"],
            ["gamma", "fast", "gamma.v3.5.0", "3.5.0", "default"],
        ]
        document = json.loads(work("catalog", "--json", "-r", "registries.conf", "--mirrors-only", name).stdout)
        assert (document["schema"], document["catalog"]) == ("skopeo-mirror/catalog/v1", name)
        assert [package["default_channel"] for package in document["packages"]] == ["stable", "stable", "fast"]

    def test_a_bad_reference_is_refused(self, skopeo_mirror: Program) -> None:
        run = skopeo_mirror("catalog", "prod.invalid/UP")
        assert run.status == 2
        assert "lower case" in run.stderr


class TestBadInput:
    def test_what_is_not_done_here_is_refused_or_passed_over(self, work: Program) -> None:
        set_ = write_image_set(
            work, "additionalImages: [{name: prod.invalid/a:1}]\nplatform: {graph: true}\nhelm: {}\n"
        )
        run = work("copy", "-c", set_, "dir:images")
        assert (run.status, run.stdout) == (2, "")
        assert "set.yaml:5: mirror.platform.graph: not supported: the update graph is known" in run.stderr
        run = work("images", "-c", set_, "--skip-unsupported")
        assert (run.status, run.stdout) == (0, "prod.invalid/a:1\n")
        assert "warning: set.yaml:5: mirror.platform.graph: passed over" in run.stderr
        run = work("images", "--skip-unsupported", "prod.invalid/a:1")
        assert run.status == 2
        assert "name one with -c FILE" in run.stderr

    def test_a_package_that_there_is_not_stops_everything(self, work: Program, destination: Registry) -> None:
        write_layout(work.directory / "catalog", OPERATORS)
        set_ = write_image_set(work, "operators: [{catalog: 'oci://catalog', packages: [{name: alhpa}]}]\n")
        run = work("copy", "-r", "registries.conf", PLAIN, "-c", set_, f"docker://{destination.host}")
        assert run.status == 2
        assert "oci://catalog: no package is called 'alhpa' (did you mean alpha?)" in run.stderr
        assert destination.requests() == []

    @pytest.mark.parametrize(
        "arguments", [["copy", "-c", "set.yaml", "dir:images"], ["catalog", "oci://catalog"]], ids=["copy", "catalog"]
    )
    def test_the_missing_extra_is_asked_for_by_name(self, work: Program, tmp_path: Path, arguments: list[str]) -> None:
        write_layout(work.directory / "catalog", OPERATORS)
        write_image_set(work, SELECTED)
        (tmp_path / "yaml.py").write_text("raise ImportError\n")
        env = {"PYTHONPATH": f"{tmp_path}:{work.environment()['PYTHONPATH']}"}
        run = work(*arguments, env=env)
        assert run.status == 2
        assert "pip install PyYAML" in run.stderr

    def test_yaml_is_imported_for_image_sets_alone(self, work: Program, tmp_path: Path) -> None:
        (tmp_path / "yaml.py").write_text("raise SystemExit('yaml was imported')\n")
        env = {"PYTHONPATH": f"{tmp_path}:{work.environment()['PYTHONPATH']}"}
        reference = next(iter(OPERATORS.of("gamma", "3.5.0")))
        for arguments in (["copy", PLAIN, reference, "dir:images"], ["route", reference], ["pin", reference]):
            assert work(*arguments, "-r", "registries.conf", env=env).status == 0
        assert work("images", reference, env=env).status == 0


def test_the_variable_names_the_set(work: Program) -> None:
    run = work("images", "-r", "registries.conf", env={"SKOPEO_MIRROR_CONFIG": selecting(work)})
    assert len(run.stdout.splitlines()) == 4


def test_the_redirect_of_an_image_set(work: Program, destination: Registry) -> None:
    target = f"docker://{destination.host}/below"
    head = "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\n"
    (work.directory / "source.yaml").write_text(f"{head}spec: {{displayName: Ours}}\n")
    set_ = selecting(work, more="  targetCatalogSourceTemplate: source.yaml\n")
    copy(work, "--dry-run", "--report", "dry.json", "-c", set_, target)
    copy(work, "--report", "report.json", "-c", set_, target)
    planned = work("redirect", "--planned", "--format", "clustercatalog", "dry.json")
    assert (planned.status, planned.stderr) == (0, "")
    assert planned.stdout == work("redirect", "--format", "clustercatalog", "report.json").stdout != ""
    assert "(a dry run's images count with --planned)" in work("redirect", "dry.json").stderr
    sources = work("redirect", "--format", "catalogsource", "report.json")
    assert (sources.status, sources.stderr) == (0, "")
    assert "name: cs-index-v1\n" in sources.stdout
    assert f'image: "{destination.host}/below/op/index:v1"\n  "displayName": "Ours"\n' in sources.stdout
    digests = work("redirect", "--format", "idms", "report.json")
    assert "name: idms-operator-0\n" in digests.stdout
    assert f'source: "prod.invalid/op"\n    mirrors:\n    - "{destination.host}/below/op"\n' in digests.stdout
    reference = next(iter(OPERATORS.of("gamma", "3.5.0")))
    copy(work, "--report", "other.json", reference, f"docker://{destination.host}/below")
    none = work("redirect", "--format", "catalogsource", "other.json")
    assert (none.status, none.stdout) == (0, "")
    assert "no catalog is confirmed" in none.stderr
    delete = work("redirect", "--format", "delete", "--keep", "other.json", "report.json")
    assert (delete.status, delete.stderr) == (0, "")
    assert delete.stdout.count("- imageName: ") == 3
    assert reference.partition("@")[2] not in delete.stdout
    assert (
        "--format delete and --keep REPORT go together"
        in work("redirect", "--keep", "other.json", "report.json").stderr
    )
