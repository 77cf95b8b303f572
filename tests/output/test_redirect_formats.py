"""The redirect that reports give: what is covered, how it is grouped, and what each format says."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.output.mirrored import check_registries, parse_report
from skopeo_mirror.output.redirect_formats import Format, redirect_text
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.reading import interpret_files
from skopeo_mirror.registries_conf.routing import Router

if TYPE_CHECKING:
    from skopeo_mirror.registries_conf.model import Configuration

REDIRECTS = [one for one in Format if one is not Format.DELETE]
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def entry(image: str, destination: str, **changes: Any) -> dict[str, Any]:
    """Return an image of a report."""
    name, _, digest = image.partition("@")
    return {
        "image": image,
        "digest": digest or DIGEST,
        "destination": f"docker://{destination}",
        "status": "copied",
        "confirmed": True,
        **changes,
    } | ({"resolved_from": name} if not digest else {})


def report(*images: dict[str, Any], verify: bool = True, started: str = "2026-01-01T00:00:00Z", **more: Any) -> str:
    return json.dumps(
        {
            "schema": "skopeo-mirror/report/v1",
            "started": started,
            "destination_tls_verify": verify,
            "images": list(images),
            **more,
        }
    )


def redirected(*reports: str, format_: Format = Format.REGISTRIES_CONF, planned: bool = False) -> str:
    return redirect_text([parse_report(text, "report.json", planned=planned) for text in reports], format_)


def sources(conf: str) -> dict[str, list[str]]:
    """Return the entries of a registries.conf: the mirrors' locations by prefix."""
    return {
        registry.prefix: [mirror.location for mirror in registry.mirrors] for registry in configured(conf).registries
    }


def configured(conf: str) -> Configuration:
    examination = interpret_files([("drop-in.conf", conf.encode())])
    assert examination.problems == () or "[[registry]]" not in conf
    assert examination.configuration is not None
    return examination.configuration


FAILED = {"status": "failed", "confirmed": False}


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        pytest.param(
            [entry(f"q.io/ns/a@{DIGEST}", "m.io/x/ns/a:t"), entry(f"q.io/ns/b@{DIGEST}", "m.io/x/ns/b:t")],
            {"q.io/ns": ["m.io/x/ns"]},
            id="namespace",
        ),
        pytest.param(
            [entry(f"q.io/ns/deep/a@{DIGEST}", "m.io/ns/deep/a:t"), entry(f"q.io/ns/b@{DIGEST}", "m.io/ns/b:t")],
            {"q.io/ns": ["m.io/ns"], "q.io/ns/deep": ["m.io/ns/deep"]},
            id="namespace-in-namespace",
        ),
        pytest.param([entry(f"q.io/a@{DIGEST}", "m.io/x/a:t")], {"q.io/a": ["m.io/x/a"]}, id="host-is-no-namespace"),
        pytest.param(
            [entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t"), entry(f"q.io/ns/b@{DIGEST}", "m.io/ns/b:t", **FAILED)],
            {"q.io/ns/a": ["m.io/ns/a"]},
            id="unconfirmed-neighbour",
        ),
        pytest.param(
            [entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t"), entry(f"q.io/ns/x/b@{DIGEST}", "m.io/b:t", **FAILED)],
            {"q.io/ns/a": ["m.io/ns/a"]},
            id="unconfirmed-below",
        ),
        pytest.param(
            [entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t"), entry(f"q.io/nsx/b@{DIGEST}", "m.io/b:t", **FAILED)],
            {"q.io/ns": ["m.io/ns"]},
            id="unconfirmed-elsewhere",
        ),
        pytest.param(
            [entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t"), entry(f"q.io/ns/b@{DIGEST}", "m.io/renamed:t")],
            {"q.io/ns/a": ["m.io/ns/a"], "q.io/ns/b": ["m.io/renamed"]},
            id="renamed-neighbour",
        ),
        pytest.param(
            [entry(f"q.io/a/b/c@{DIGEST}", "m.io/a/b-c:t")], {"q.io/a/b/c": ["m.io/a/b-c"]}, id="joined-by-nested-paths"
        ),
        pytest.param(
            [entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t"), entry(f"q.io/ns/a@{DIGEST}", "n.io/ns/a:t")],
            {"q.io/ns": ["m.io/ns", "n.io/ns"]},
            id="two-destinations",
        ),
        pytest.param(
            [entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t", status="present")], {"q.io/ns": ["m.io/ns"]}, id="present"
        ),
        pytest.param([entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t", **FAILED)], {}, id="failed"),
        pytest.param([entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t", status="would-copy")], {}, id="dry-run"),
        pytest.param([entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t", confirmed=False)], {}, id="unproven"),
        pytest.param([], {}, id="nothing"),
    ],
)
def test_covers_what_is_confirmed_by_namespace_where_that_is_exact(
    images: list[dict[str, Any]], expected: dict[str, list[str]]
) -> None:
    conf = redirected(report(*images))
    assert conf == redirected(report(*reversed(images)))
    assert sources(conf) == expected
    router = Router(configured(conf))
    for image in images:
        if image["confirmed"] and image["status"] != "would-copy":
            reference = Reference.parse(image["image"])
            names = [candidate.reference.name for candidate in router.route(reference).candidates]
            assert Reference.parse(image["destination"]).name in names[:-1]
            assert names[-1] == reference.name


@pytest.mark.parametrize(
    ("verify", "insecure"),
    [
        pytest.param([False], True, id="not-verified"),
        pytest.param([True], False, id="verified"),
        pytest.param([False, True], False, id="verified-by-one-run"),
    ],
)
def test_carries_insecure_where_the_destination_was_not_verified(verify: list[bool], *, insecure: bool) -> None:
    reports = [
        report(entry(f"q.io/ns/{number}@{DIGEST}", f"m.io/ns/{number}:t"), verify=one)
        for number, one in enumerate(verify)
    ]
    [registry] = configured(redirected(*reports)).registries
    assert [mirror.insecure for mirror in registry.mirrors] == [insecure]


@pytest.mark.parametrize(
    ("image", "there", "by_tag"),
    [
        pytest.param(f"q.io/ns/a@{DIGEST}", "v1", False, id="digest"),
        pytest.param(f"q.io/ns/a@{DIGEST}", "latest", False, id="digest-as-latest"),
        pytest.param("q.io/ns/a:v1", "v1", True, id="tag"),
        pytest.param("q.io/ns/a:v1", "v2", False, id="other-tag"),
        pytest.param("q.io/ns/a:v1", "latest", False, id="tag-as-latest"),
        pytest.param(f"q.io/ns/a:v1@{DIGEST}", "v1", True, id="tag-and-digest"),
        pytest.param(f"q.io/ns/a:v1@{DIGEST}", "v2", False, id="other-tag-and-digest"),
        pytest.param("q.io/ns/a", "latest", True, id="bare"),
        pytest.param("q.io/ns/a", "v1", False, id="bare-as-tag"),
    ],
)
def test_a_mirror_is_for_tags_where_one_is_there(image: str, there: str, *, by_tag: bool) -> None:
    copied = report(entry(image, f"m.io/ns/a:{there}"))
    router = Router(configured(redirected(copied)))
    assert len(router.route(Reference.parse(f"q.io/ns/a@{DIGEST}")).candidates) == 2
    assert len(router.route(Reference.parse(f"q.io/ns/a:{there}")).candidates) == (2 if by_tag else 1)
    assert (redirected(copied, format_=Format.ITMS) != "") is by_tag


class TestSeveralReports:
    def test_are_merged(self) -> None:
        first = report(entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t"), entry(f"q.io/ns/b@{DIGEST}", "m.io/b:t", **FAILED))
        second = report(entry(f"q.io/ns/b@{DIGEST}", "m.io/ns/b:t"))
        assert sources(redirected(first)) == {"q.io/ns/a": ["m.io/ns/a"]}
        assert sources(redirected(first, second)) == {"q.io/ns": ["m.io/ns"]}
        for format_ in REDIRECTS:
            assert redirected(first, second, format_=format_) == redirected(second, first, format_=format_)

    def test_the_latest_tells_where_a_tag_points(self) -> None:
        old = report(entry("q.io/ns/a:v1", "m.io/ns/a:v1"))
        new = report(entry("q.io/ns/a:v1", "m.io/ns/a:v1", digest=OTHER), started="2026-01-02T00:00:00Z")
        for order in ([old, new], [new, old]):
            assert redirected(*order, format_=Format.MAPPING) == f"q.io/ns/a@{OTHER}=m.io/ns/a:v1\n"


PINNED_AND_TAGGED = report(entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t"), entry("q.io/tagged/b:v1", "m.io/tagged/b:v1"))


class TestFormats:
    def test_idms(self) -> None:
        document = YAML(typ="safe").load(redirected(PINNED_AND_TAGGED, format_=Format.IDMS))
        assert document == {
            "apiVersion": "config.openshift.io/v1",
            "kind": "ImageDigestMirrorSet",
            "metadata": {"name": "idms-generic-0"},
            "spec": {
                "imageDigestMirrors": [
                    {"source": "q.io/ns", "mirrors": ["m.io/ns"]},
                    {"source": "q.io/tagged", "mirrors": ["m.io/tagged"]},
                ]
            },
        }

    def test_itms_holds_what_was_copied_by_tag(self) -> None:
        document = YAML(typ="safe").load(redirected(PINNED_AND_TAGGED, format_=Format.ITMS))
        assert document["kind"] == "ImageTagMirrorSet"
        assert document["spec"] == {"imageTagMirrors": [{"source": "q.io/tagged", "mirrors": ["m.io/tagged"]}]}

    def test_mapping(self) -> None:
        assert redirected(PINNED_AND_TAGGED, format_=Format.MAPPING).splitlines() == [
            f"q.io/ns/a@{DIGEST}=m.io/ns/a:t",
            f"q.io/tagged/b@{DIGEST}=m.io/tagged/b:v1",
        ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{", "it is not JSON", id="not-json"),
        pytest.param("[]", "its schema is not skopeo-mirror/report/v1", id="list"),
        pytest.param('{"schema": "skopeo-mirror/route/v1"}', "its schema is not", id="other-schema"),
        pytest.param(
            '{"schema": "skopeo-mirror/report/v1"}', "is a damaged report: destination_tls_verify", id="no-images"
        ),
        pytest.param("[" * 100_000, "nested too deep", id="deep"),
        pytest.param(report({"image": 1}), "images[0].image: is no text", id="damaged-image"),
        pytest.param(report(entry(f"Q.io/A@{DIGEST}", "m.io/a")), "is a damaged report", id="damaged-reference"),
        pytest.param(
            report(entry("q.io/ns/a:v1", "m.io/ns/a:v1", digest=None)), "has no digest", id="confirmed-without-digest"
        ),
    ],
)
def test_refuses_what_is_no_report(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=r"^report\.json: ") as raised:
        parse_report(text, "report.json")
    assert words in str(raised.value)


GOOD = entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:v1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"catalog": 5}, "images[1].catalog: is no text", id="catalog-number"),
        pytest.param({"catalog": ["x"]}, "images[1].catalog: is no text", id="catalog-list"),
        pytest.param({"digest": 7}, "images[1].digest: is no text", id="digest-number"),
        pytest.param({"digest": "sha256:aa\nevil.test/x=evil.test/y\n#"}, "images[1].digest: ", id="digest-lines"),
        pytest.param({"image": 1}, "images[1].image: is no text", id="image-number"),
        pytest.param({"image": "q.io/a\nb"}, "images[1].image: ", id="image-lines"),
        pytest.param({"destination": None}, "images[1].destination: is missing", id="no-destination"),
        pytest.param({"destination": "docker://m.io/\x1b[31m"}, "images[1].destination: ", id="destination-escapes"),
        pytest.param({"status": ["copied"]}, "images[1].status: is no text", id="status-list"),
        pytest.param({"confirmed": "true"}, "images[1].confirmed: is no boolean", id="confirmed-text"),
        pytest.param({"wanted_by": 5}, "images[1].wanted_by: is no list", id="wanted-by-number"),
        pytest.param({"parts": {}}, "images[1].parts: is no list", id="parts-table"),
    ],
)
def test_names_the_place_of_what_is_wrong_in_a_report(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_report(report(GOOD, GOOD | changes), "report.json")
    [problem] = raised.value.problems
    assert problem.startswith(f"report.json: is a damaged report: {words}")
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"images": {"a": 1}}, "images: is no list", id="images-table"),
        pytest.param({"images": None}, "images: is missing", id="no-images"),
        pytest.param({"images": [3]}, "images[0] is no object", id="image-number"),
        pytest.param({"started": ["x"]}, "started: is no text", id="started-list"),
        pytest.param({"platforms": "linux/amd64"}, "platforms: is no list", id="platforms-text"),
        pytest.param({"platforms": ["linux/amd64", 5]}, "platforms[1]: is no text", id="platform-number"),
        pytest.param(
            {"platforms": ["a\nb"]},
            "platforms[0]: 'a\\nb' is no platform: write OS/ARCH or OS/ARCH/VARIANT, as in linux/amd64",
            id="platform-lines",
        ),
        pytest.param({"destination_tls_verify": "yes"}, "destination_tls_verify: is no boolean", id="verify-text"),
    ],
)
def test_names_what_is_wrong_with_a_report(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^report\.json: is a damaged report: {re.escape(words)}$"):
        parse_report(json.dumps(json.loads(report(GOOD)) | changes), "report.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([DIGEST, "docker://m.io/a:v1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(sorted(GOOD)), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "catalog", "catalog_source", "wanted_by", "parts", "attached"]), JSON, max_size=4
    ),
    st.sampled_from([None, ["linux/amd64"]]) | JSON,
    st.sampled_from(REDIRECTS),
)
def test_whatever_a_report_holds_it_is_refused_or_printed_in_lines_that_are_harmless(
    changes: dict[str, Any], platforms: Any, format_: Format
) -> None:
    with suppress(InvalidInput):
        text = redirected(report(GOOD, GOOD | changes, platforms=platforms), format_=format_)
        assert text.replace("\n", "").isprintable()
        if format_ is Format.MAPPING:
            for line in text.splitlines():
                source, _, destination = line.partition("=")
                assert Reference.parse(source).digest is not None
                assert destination == "None" or Reference.parse(destination).tag is not None


@pytest.mark.parametrize("format_", REDIRECTS)
def test_what_a_dry_run_has_found_counts_when_it_is_asked_for(format_: Format) -> None:
    image = entry("q.io/a/b:v1", "m.io/a/b:v1", catalog="q.io/a/b:v1")
    planned = report(image | {"status": "would-copy"})
    assert redirected(planned, format_=format_, planned=True) == redirected(report(image), format_=format_)
    assert redirected(planned, format_=format_) == redirected(report(), format_=format_)
    failed = report(image | {"status": "would-copy", "confirmed": False})
    assert redirected(failed, format_=format_, planned=True) == redirected(report(), format_=format_)


def test_refuses_a_destination_that_nobody_can_pull_from() -> None:
    images = parse_report(report(entry(f"q.io/a@{DIGEST}", "m.io/a") | {"destination": "oci:images"}), "report.json")
    with pytest.raises(InvalidInput, match="only a registry can be pulled from"):
        check_registries(images, "report.json")
