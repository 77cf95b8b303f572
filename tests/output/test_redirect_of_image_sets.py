"""The redirect of what an image set asked for: operators and others apart, catalogs as CatalogSources."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from skopeo_mirror.output.redirect_formats import Format, catalog_sources
from skopeo_mirror.reference import Reference
from tests.output.test_redirect_formats import DIGEST, FAILED, OTHER, REDIRECTS, entry, redirected, report

WANTED = {"wanted_by": [{"catalog": "q.io/op/index:v1", "package": "a", "channel": "b", "bundle": "c"}]}
CATALOGS = {Format.CATALOGSOURCE, Format.CLUSTERCATALOG}
INDEX = {"catalog": "q.io/op/index:v1"}
LAYOUT = {"catalog": "oci://catalog"}
REPORT = report(
    entry(f"q.io/op/bundle@{DIGEST}", f"m.io/x/op/bundle:pin-{DIGEST.replace(':', '-')}", **WANTED),
    entry("q.io/op/related:v1", "m.io/x/op/related:v1", **WANTED),
    entry(f"q.io/extra/tool@{DIGEST}", "m.io/x/extra/tool:t"),
    entry("q.io/extra/renamed:v1", "m.io/x/extra/renamed:v2"),
    entry("q.io/op/index:v1", "m.io/x/op/index:v1", **INDEX),
    entry("localhost/catalog:latest", "m.io/x/catalog:latest", **LAYOUT),
)


def documents(text: str) -> dict[str, Any]:
    """Return the `spec` of each document by its name."""
    return {document["metadata"]["name"]: document["spec"] for document in YAML(typ="safe").load_all(text)}


def test_operators_and_others_have_digest_mirrors_of_their_own_as_with_oc_mirror() -> None:
    assert documents(redirected(REPORT, format_=Format.IDMS)) == {
        "idms-generic-0": {"imageDigestMirrors": [{"source": "q.io/extra", "mirrors": ["m.io/x/extra"]}]},
        "idms-operator-0": {"imageDigestMirrors": [{"source": "q.io/op", "mirrors": ["m.io/x/op"]}]},
    }


def test_tag_mirrors_are_for_tags_that_are_there() -> None:
    assert documents(redirected(REPORT, format_=Format.ITMS)) == {
        "itms-operator-0": {"imageTagMirrors": [{"source": "q.io/op", "mirrors": ["m.io/x/op"]}]},
    }


def test_an_image_is_covered_by_its_own_entry_and_not_by_a_wider_one() -> None:
    images = [
        entry(f"q.io/op/a@{DIGEST}", "m.io/op/a:t", **WANTED),
        entry(f"q.io/op/deep/b@{DIGEST}", "m.io/op/deep/b:t"),
    ]
    assert documents(redirected(report(*images), format_=Format.IDMS)) == {
        "idms-generic-0": {"imageDigestMirrors": [{"source": "q.io/op/deep", "mirrors": ["m.io/op/deep"]}]},
        "idms-operator-0": {"imageDigestMirrors": [{"source": "q.io/op", "mirrors": ["m.io/op"]}]},
    }


def test_a_catalog_is_redirected_as_registries_conf_has_it() -> None:
    alone = report(entry("q.io/op/index:v1", "m.io/x/op/index:v1", **INDEX))
    mirrors = [{"source": "q.io/op", "mirrors": ["m.io/x/op"]}]
    assert documents(redirected(alone, format_=Format.IDMS)) == {"idms-operator-0": {"imageDigestMirrors": mirrors}}
    assert documents(redirected(alone, format_=Format.ITMS)) == {"itms-operator-0": {"imageTagMirrors": mirrors}}


@pytest.mark.parametrize("format_", [one for one in REDIRECTS if one not in CATALOGS])
def test_a_catalog_from_a_layout_has_no_name_to_be_redirected(format_: Format) -> None:
    assert "catalog" not in redirected(REPORT, format_=format_)
    lost = report(
        entry(f"q.io/op/a@{DIGEST}", "m.io/op/a:t"),
        entry("localhost/catalog:latest", "m.io/c:latest", **LAYOUT, **FAILED),
    )
    assert "localhost" not in redirected(lost, format_=format_)


def test_a_catalog_is_redirected_where_podman_pulls_it() -> None:
    assert f"q.io/op/index@{DIGEST}=m.io/x/op/index:v1" in redirected(REPORT, format_=Format.MAPPING).splitlines()


def test_a_rebuilt_catalog_has_a_catalog_source_and_no_mapping() -> None:
    index = entry("q.io/op/index:v1", "m.io/x/op/index:v1", **INDEX, rebuilt_from=DIGEST)
    tool = entry("q.io/extra/tool:v1", "m.io/x/extra/tool:v1")
    assert redirected(report(index, tool), format_=Format.MAPPING) == redirected(report(tool), format_=Format.MAPPING)
    assert 'image: "m.io/x/op/index:v1"' in redirected(report(index), format_=Format.CATALOGSOURCE)


def test_catalog_sources() -> None:
    text = redirected(REPORT, format_=Format.CATALOGSOURCE)
    assert documents(text) == {
        "cs-index-v1": {"sourceType": "grpc", "image": "m.io/x/op/index:v1"},
        "cs-catalog-latest": {"sourceType": "grpc", "image": "m.io/x/catalog:latest"},
    }
    first = next(iter(YAML(typ="safe").load_all(text)))
    assert (first["apiVersion"], first["kind"]) == ("operators.coreos.com/v1alpha1", "CatalogSource")
    assert first["metadata"]["namespace"] == "openshift-marketplace"


def test_a_catalog_source_is_made_of_its_template() -> None:
    template = {
        "metadata": {"labels": {"team": "ours\u202e"}, "name": "other"},
        "spec": {
            "displayName": "Ours: \u00e4\x7f",
            "updateStrategy": {"registryPoll": {"interval": "30m"}},
            "image": "x",
        },
    }
    index = entry("q.io/op/index:v1", "m.io/x/op/index:v1", **INDEX, catalog_source=template)
    text = redirected(report(index), format_=Format.CATALOGSOURCE)
    assert text.replace("\n", "").isprintable()
    [document] = YAML(typ="safe").load_all(text)
    assert document["metadata"] == {
        "name": "cs-index-v1",
        "namespace": "openshift-marketplace",
        "labels": {"team": "ours\u202e"},
    }
    assert document["spec"] == {
        "sourceType": "grpc",
        "image": "m.io/x/op/index:v1",
        "displayName": "Ours: \u00e4\x7f",
        "updateStrategy": {"registryPoll": {"interval": "30m"}},
    }


def test_cluster_catalogs() -> None:
    text = redirected(REPORT, format_=Format.CLUSTERCATALOG)
    assert documents(text) == {
        "cc-index-v1": {"source": {"type": "Image", "image": {"ref": "m.io/x/op/index:v1"}}},
        "cc-catalog-latest": {"source": {"type": "Image", "image": {"ref": "m.io/x/catalog:latest"}}},
    }
    first = next(iter(YAML(typ="safe").load_all(text)))
    assert (first["apiVersion"], first["kind"]) == ("olm.operatorframework.io/v1", "ClusterCatalog")


def test_a_catalog_that_is_not_confirmed_has_no_source() -> None:
    failed = report(entry("q.io/op/index:v1", "m.io/x/op/index:v1", **INDEX, **FAILED))
    assert [redirected(failed, format_=format_) for format_ in sorted(CATALOGS)] == ["", ""]


@pytest.mark.parametrize(
    ("places", "names"),
    [
        pytest.param(
            ["m.io/redhat/redhat-operator-index:v4.18"], ["cs-redhat-operator-index-v4-18"], id="as-oc-mirror"
        ),
        pytest.param(["m.io/a:v4.18.0-rc.1-long"], ["cs-a-v4-18-0-rc-1"], id="long-tag"),
        pytest.param(["m.io/a:V1_x."], ["cs-a-v1-x"], id="no-label"),
        pytest.param([f"m.io/a:pin-{OTHER.replace(':', '-')}"], [f"cs-a-{'b' * 12}"], id="digest"),
        pytest.param(["m.io/b/a:v1", "m.io/c/a:v1", "m.io/b/a:v1"], ["cs-a-v1", "cs-a-v1-2"], id="one-name"),
        pytest.param(["m.io/" + "a" * 80 + ":v1"], ["cs-" + "a" * 60], id="long-name"),
    ],
)
def test_names_of_catalog_sources(places: list[str], names: list[str]) -> None:
    assert list(documents(catalog_sources(map(Reference.parse, places)))) == names


def test_a_release_is_redirected_to_where_the_installer_looks() -> None:
    ocp, art = "quay.io/openshift-release-dev/ocp-release", "quay.io/openshift-release-dev/ocp-v4.0-art-dev"
    release = {"release": f"{ocp}:4.18.3-x86_64"}
    images = [
        entry(f"{art}@{DIGEST}", "m.io/x/openshift/release:4.18.3-x86_64-cli", **release),
        entry(f"{art}@{OTHER}", "m.io/x/openshift/release:4.18.3-x86_64-etcd", **release),
        entry(f"{ocp}:4.18.3-x86_64", "m.io/x/openshift/release-images:4.18.3-x86_64", **release),
        entry(f"q.io/extra/tool@{DIGEST}", "m.io/x/extra/tool:t"),
    ]
    by_tag = {"source": ocp, "mirrors": ["m.io/x/openshift/release-images"]}
    components = {"source": art, "mirrors": ["m.io/x/openshift/release"]}
    assert documents(redirected(report(*images), format_=Format.IDMS)) == {
        "idms-release-0": {"imageDigestMirrors": [by_tag, components]},
        "idms-generic-0": {"imageDigestMirrors": [{"source": "q.io/extra", "mirrors": ["m.io/x/extra"]}]},
    }
    assert documents(redirected(report(*images), format_=Format.ITMS)) == {
        "itms-release-0": {"imageTagMirrors": [by_tag]}
    }
