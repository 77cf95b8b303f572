"""The redirect as OpenShift's mirror sets: applied together they mean what the registries.conf means."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.main import get_command

from skopeo_mirror.cli import app
from skopeo_mirror.output.redirect_formats import LARGEST_OBJECT, Format
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.reading import interpret_files
from skopeo_mirror.registries_conf.routing import Router
from tests.output.test_redirect_formats import DIGEST, FAILED, configured, entry, redirected, report

if TYPE_CHECKING:
    from pathlib import Path

    from skopeo_mirror.registries_conf.model import Configuration

PREFIX = "#   "


def objects(text: str) -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all(text)) if text else []


def insecure_hosts(text: str) -> list[str]:
    """Return what the comment says that the cluster's Image config needs."""
    lines = text.splitlines()
    if not any(line.startswith(f"{PREFIX}kind: Image") for line in lines):
        return []
    start = lines.index(f"{PREFIX}apiVersion: config.openshift.io/v1")
    quoted = [line.removeprefix(PREFIX) for line in lines[start:] if line.startswith(PREFIX)]
    config = YAML(typ="safe").load("\n".join(quoted))
    assert (config["kind"], config["metadata"]) == ("Image", {"name": "cluster"})
    hosts: list[str] = config["spec"]["registrySources"]["insecureRegistries"]
    return hosts


def as_openshift_reads(*texts: str) -> Configuration:
    hosts = sorted({host for text in texts for host in insecure_hosts(text)})
    image = json.dumps({"kind": "Image", "spec": {"registrySources": {"insecureRegistries": hosts}}})
    found = interpret_files([(f"{number}.yaml", text.encode()) for number, text in enumerate([*texts, image])])
    assert found.configuration is not None, found.errors
    return found.configuration


def places(router: Router, reference: str) -> list[tuple[str, bool]]:
    """Return where a pull goes and whether certificates are ignored there; the same place twice running is one."""
    found = router.route(Reference.parse(reference)).candidates
    return [place for place, _ in groupby((str(one.reference), one.insecure) for one in found)]


NAMES = ["q.io/ns/a", "q.io/ns/b", "q.io/ns/deep/a", "q.io/ns/deep/x/b", "q.io/a", "p.io/ns/a", "p.io:5000/ns/a"]
OTHERS = ["q.io/ns/none", "q.io/ns/a/below", "q.io/ns/deep/none", "q.io/none", "p.io/ns/none"]
HOSTS = ["m.io", "n.io:5000/x"]


@st.composite
def images(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(NAMES))
    suffix = draw(st.sampled_from([f"@{DIGEST}", ":v1", f":v1@{DIGEST}", ""]))
    path = draw(st.sampled_from([name.partition("/")[2]] * 3 + ["renamed/b"]))
    tag = draw(st.sampled_from(["v1", "t", "latest"]))
    kind: dict[str, Any] = draw(
        st.sampled_from([{}, {}, {}, FAILED, {"catalog": f"{name}:v1"}, {"wanted_by": [{"catalog": "c"}]}])
    )
    return entry(f"{name}{suffix}", f"{draw(st.sampled_from(HOSTS))}/{path}:{tag}", **kind)


REPORTS = st.lists(st.tuples(st.lists(images(), max_size=5), st.booleans()), min_size=1, max_size=2)


@given(REPORTS)
def test_both_together_mean_what_registries_conf_means(runs: list[tuple[list[dict[str, Any]], bool]]) -> None:
    reports = [report(*found, verify=verify) for found, verify in runs]
    expected = Router(configured(redirected(*reports)))
    found = Router(as_openshift_reads(*(redirected(*reports, format_=one) for one in (Format.IDMS, Format.ITMS))))
    for name in NAMES + OTHERS:
        for suffix in (f"@{DIGEST}", ":v1"):
            assert places(found, name + suffix) == places(expected, name + suffix)


def test_digests_keep_the_redirect_that_tags_have_at_another_depth() -> None:
    copied = report(
        entry("q.io/foo/app:v1", "m.io/foo/app:v1"),
        entry(f"q.io/foo/many@{DIGEST}", "m.io/foo/many:t"),
    )
    [digests], [tags] = (objects(redirected(copied, format_=one)) for one in (Format.IDMS, Format.ITMS))
    assert digests["spec"]["imageDigestMirrors"] == tags["spec"]["imageTagMirrors"]
    assert tags["spec"]["imageTagMirrors"] == [{"source": "q.io/foo", "mirrors": ["m.io/foo"]}]


def test_itms_holds_what_was_copied_by_tag_and_digest() -> None:
    [tags] = objects(redirected(report(entry(f"q.io/ns/a:v1@{DIGEST}", "m.io/ns/a:v1")), format_=Format.ITMS))
    assert tags["spec"] == {"imageTagMirrors": [{"source": "q.io/ns", "mirrors": ["m.io/ns"]}]}


@pytest.mark.parametrize(("format_", "short"), [(Format.IDMS, "idms"), (Format.ITMS, "itms")])
def test_objects_are_split_where_oc_could_not_apply_them(format_: Format, short: str) -> None:
    many = [entry(f"q.io/{'n' * 60}/{n}/a:v1", f"m.io/{'n' * 60}/{n}-b:v1") for n in range(2500)]
    text = redirected(report(*many), format_=format_)
    parts = text.split("---\n")
    assert [one["metadata"]["name"] for one in objects(text)] == [f"{short}-generic-0", f"{short}-generic-0-2"]
    assert LARGEST_OBJECT - 1000 < len(parts[0].encode()) <= LARGEST_OBJECT
    sources = [each["source"] for one in objects(text) for [found] in [one["spec"].values()] for each in found]
    assert len(sources) == len(set(sources)) == len(many)


class TestUnverified:
    def test_destination_is_said_with_the_image_config_that_it_needs(self) -> None:
        reports = [
            report(entry("q.io/ns/a:v1", "m.io:5000/ns/a:v1"), verify=False),
            report(entry("q.io/ns/b:v1", "n.io/x/b:v1")),
        ]
        for format_ in (Format.IDMS, Format.ITMS):
            assert insecure_hosts(redirected(*reports, format_=format_)) == ["m.io:5000"]

    def test_destination_is_said_only_where_a_set_names_it(self) -> None:
        reports = [
            report(entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t"), verify=False),
            report(entry("p.io/ns/b:v1", "n.io/ns/b:v1")),
        ]
        assert insecure_hosts(redirected(*reports, format_=Format.IDMS)) == ["m.io"]
        assert "#" not in redirected(*reports, format_=Format.ITMS)


@pytest.mark.parametrize(
    ("image", "format_", "words"),
    [
        pytest.param(
            entry(f"q.io/ns/a@{DIGEST}", "m.io/ns/a:t"), Format.ITMS, "there is no ImageTagMirrorSet", id="no-tag"
        ),
        pytest.param(
            entry("q.io/ns/a:v1", "m.io/ns/a:v2"),
            Format.ITMS,
            "nothing that others pull has its own tag at the destination",
            id="other-tag",
        ),
        pytest.param(
            entry("localhost/c:v1", "m.io/c:v1", catalog="oci://c"),
            Format.IDMS,
            "there is no ImageDigestMirrorSet",
            id="catalog-from-a-layout",
        ),
        pytest.param(entry("q.io/a:v1", "m.io/a:v1", **FAILED), Format.IDMS, "no image is confirmed", id="failed"),
    ],
)
def test_an_empty_set_is_a_word_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], image: dict[str, Any], format_: Format, words: str
) -> None:
    file = tmp_path / "report.json"
    file.write_text(report(image, verify=False))
    get_command(app).main(["redirect", str(file), "--format", format_], standalone_mode=False)
    streams = capsys.readouterr()
    assert streams.out == ""
    assert words in streams.err
    assert streams.err.count("\n") == 1
