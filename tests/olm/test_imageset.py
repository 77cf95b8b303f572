from __future__ import annotations

from pathlib import Path

import pytest

from skopeo_mirror import yaml_text
from skopeo_mirror.errors import InvalidInput, UsageError
from skopeo_mirror.olm.imageset import ChannelSelection, ImageSet, PackageSelection, parse_imageset
from skopeo_mirror.olm.semver import NO_BOUNDS, VersionBounds
from skopeo_mirror.reference import Reference

HEAD = "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\n"


def parse(tmp_path: Path, text: str | bytes, *, skip_unsupported: bool = False) -> ImageSet:
    path = tmp_path / "set.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return parse_imageset(path, skip_unsupported=skip_unsupported)


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse(tmp_path, text)
    return [problem.removeprefix(f"{tmp_path}/set.yaml:") for problem in caught.value.problems]


@pytest.mark.parametrize("version", ["v1alpha2", "v2alpha1"])
def test_everything_at_once(tmp_path: Path, version: str) -> None:
    image_set = parse(
        tmp_path,
        f"""\
kind: ImageSetConfiguration
apiVersion: mirror.openshift.io/{version}
metadata: {{name: mine}}
mirror:
  additionalImages:
    - name: registry.redhat.io/ubi9/ubi:latest
    - name: quay.io/a/b@sha256:{"0" * 64}
      targetRepo: mine/b
      targetTag: v1
  blockedImages:
    - name: quay.io/bad/one:1.0
    - name: alpine|busybox
  operators:
    - catalog: registry.redhat.io/redhat/redhat-operator-index:v4.18
      targetCatalog: my-namespace/cat
      targetTag: v4
      full: false
      packages:
        - name: elasticsearch-operator
          minVersion: 5.8.0
          maxVersion: "5.9"
        - name: cincinnati-operator
          defaultChannel: v1
          channels:
            - name: v1
              minVersion: 1.10
            - name: v2
    - catalog: oci:///srv/catalogs/mine
      full: true
  platform: {{}}
  helm:
""",
    )
    assert [str(image.reference) for image in image_set.additional_images] == [
        "registry.redhat.io/ubi9/ubi:latest",
        f"quay.io/a/b@sha256:{'0' * 64}",
    ]
    assert (image_set.additional_images[1].target_repo, image_set.additional_images[1].target_tag) == ("mine/b", "v1")
    remote, local = image_set.operators
    assert remote.reference == Reference.parse("registry.redhat.io/redhat/redhat-operator-index:v4.18")
    assert (remote.layout, remote.full, remote.target_catalog, remote.target_tag) == (
        *(None, False),
        *("my-namespace/cat", "v4"),
    )
    assert remote.packages == (
        PackageSelection(name="elasticsearch-operator", bounds=VersionBounds.parse("5.8.0", "5.9")),
        PackageSelection(
            name="cincinnati-operator",
            default_channel="v1",
            channels=(
                ChannelSelection(name="v1", bounds=VersionBounds.parse("1.10", None)),
                ChannelSelection(name="v2", bounds=NO_BOUNDS),
            ),
        ),
    )
    assert (local.reference, local.layout, local.full) == (None, Path("/srv/catalogs/mine"), True)
    assert image_set.warnings == ()


@pytest.mark.parametrize(
    ("catalog", "expected"),
    [("oci:///a/b", "/a/b"), ("oci://a/b", "a/b"), ("oci:a/b", "a/b"), ("oci:/a/b", "/a/b")],
)
def test_layouts_as_people_write_them(tmp_path: Path, catalog: str, expected: str) -> None:
    (operator,) = parse(tmp_path, HEAD + f"mirror: {{operators: [{{catalog: '{catalog}'}}]}}").operators
    assert operator.layout == Path(expected)


OPERATOR = HEAD + "mirror:\n  operators:\n  - catalog: a.io/b:1\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            HEAD + "mirror:\n  additionalImage: []\n",
            ["4: mirror.additionalImage: unknown field (did you mean additionalImages?)"],
            id="unknown-field",
        ),
        pytest.param(
            OPERATOR + "    packages:\n    - name: x\n      minVersoin: 1.0.0\n",
            ["8: mirror.operators[0].packages[0].minVersoin: unknown field (did you mean minVersion?)"],
            id="unknown-field-deep",
        ),
        pytest.param(
            HEAD + "mirror:\n  operators: []\n  OPERATORS: []\n",
            ["5: mirror.OPERATORS: is operators once more"],
            id="one-field-in-two-cases",
        ),
        pytest.param(
            "kind: ImageSet\nmirror: {}\n",
            ["1: kind: expected ImageSetConfiguration, not 'ImageSet'", "1: apiVersion: missing"],
            id="kind-and-version",
        ),
        pytest.param(
            "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v1\nmirror: {}",
            ["2: apiVersion: expected mirror.openshift.io/v1alpha2 or mirror.openshift.io/v2alpha1, not "],
            id="version",
        ),
        pytest.param(HEAD, ["1: mirror: missing"], id="no-mirror"),
        pytest.param(
            HEAD + "mirror:\n  additionalImages:\n  - name: Bad/Name\n  - {}\n  - quay.io/a:1\n",
            [
                "5: mirror.additionalImages[0].name: 'Bad/Name' is no image reference: the repository must be lower",
                "6: mirror.additionalImages[1].name: missing",
                "7: mirror.additionalImages[2]: expected a mapping",
            ],
            id="images",
        ),
        pytest.param(
            HEAD + "mirror:\n  additionalImages: quay.io/a:1\n",
            ["4: mirror.additionalImages: expected a list"],
            id="no-list",
        ),
        pytest.param(HEAD + "mirror: []\n", ["3: mirror: expected a mapping"], id="no-mapping"),
        pytest.param(
            HEAD + "mirror:\n  operators:\n  - {}\n",
            ["5: mirror.operators[0].catalog: missing"],
            id="no-catalog-told-once",
        ),
        pytest.param(
            OPERATOR + "    packages:\n    - name: [x]\n    - name: [x]\n",
            [f"{line}: mirror.operators[0].packages[{line - 7}].name: expected a text" for line in (7, 8)],
            id="names-that-are-none-are-not-repeated",
        ),
        pytest.param(
            HEAD + "mirror:\n  blockedImages:\n  - name: '*alpine'\n",
            ["5: mirror.blockedImages[0].name: no regular expression: nothing to repeat at position 0"],
            id="bad-expression",
        ),
        pytest.param(
            OPERATOR + "    full: 'true'\n",
            ["6: mirror.operators[0].full: expected true or false, not 'true'"],
            id="flag",
        ),
        pytest.param(
            OPERATOR + "  - {catalog: 'docker://a.io/b:1'}\n  - {catalog: 'a.io/b:1', targetTag: x}\n"
            "  - {catalog: 'oci://a'}\n  - {catalog: 'oci:a'}\n",
            [
                f"{line}: mirror.operators[{line - 5}].catalog: '{name}' is there twice: name all its packages in one"
                for line, name in ((6, "docker://a.io/b:1"), (9, "oci:a"))
            ],
            id="catalogs-twice",
        ),
        pytest.param(
            OPERATOR + "    targetCatalog: a.io:5000/b\n    targetTag: a/b\n",
            [
                "6: mirror.operators[0].targetCatalog: 'a.io:5000/b' is no repository path (no host, tag or digest)",
                "7: mirror.operators[0].targetTag: 'a/b' is no tag",
            ],
            id="targets",
        ),
        pytest.param(
            OPERATOR
            + """\
    packages:
    - {name: x, minVersion: new}
    - {name: y, minVersion: 2.0.0, maxVersion: 1.0.0}
    - {name: x, channels: [{name: a}, {name: a}]}
""",
            [
                "7: mirror.operators[0].packages[0].minVersion: minVersion 'new' is no semantic version",
                "8: mirror.operators[0].packages[1].maxVersion: 1.0.0 is below minVersion 2.0.0",
                "9: mirror.operators[0].packages[2].channels[1].name: 'a' is there twice",
                "9: mirror.operators[0].packages[2].name: 'x' is there twice",
            ],
            id="versions-and-names",
        ),
        pytest.param(
            HEAD + "mirror: {platform: {graph: true}, helm: {local: []}, samples: [{name: x}]}",
            [
                "3: mirror.helm: not supported: charts are not read here: use oc-mirror, or list the images of `helm ",
                "3: mirror.samples: not supported: not copied here, nor by oc-mirror",
                "3: mirror.platform.graph: not supported: the update graph is known to OpenShift's update service ",
            ],
            id="unsupported",
        ),
        pytest.param("a: [1\nb: 2\n", ["2:2: no YAML: did not find expected ',' or ']'"], id="syntax"),
        pytest.param("a: 1\na: 2\n", ["2: 'a' is written twice"], id="twice"),
        pytest.param("? [a]\n: 2\n", ["1: the name of a field must be a text"], id="odd-key"),
        pytest.param("a: 1\n---\nb: 2\n", [" expected one YAML document, found 2"], id="two-documents"),
        pytest.param("", [" expected one YAML document, found 0"], id="empty"),
        pytest.param("- a\n", ["1: is no ImageSetConfiguration; name a list of images with -f FILE"], id="list"),
        pytest.param("[" * 1000, ["1: nested more than 200 levels deep"], id="deep"),
        pytest.param("a: *b\n", ["1: *b stands for nothing that was written before"], id="unknown-alias"),
        pytest.param("a: &a [*a]\n", ["1: *a stands for nothing that was written before"], id="alias-to-itself"),
        pytest.param(
            "a: &a x\nb: [" + "*a, " * 101 + "]",
            ["2: more than 100 aliases: write the value out in its place"],
            id="aliases",
        ),
        pytest.param(b"a: \xff\n", [" no YAML: "], id="no-utf-8"),
        pytest.param("#" * (1 << 20) + "\n", [" larger than 1 MiB: no image set is"], id="large"),
    ],
)
def test_problems_come_all_at_once_with_line_and_field(tmp_path: Path, text: str | bytes, expected: list[str]) -> None:
    found = problems(tmp_path, text)
    assert len(found) == len(expected), found
    for problem, start in zip(found, expected, strict=True):
        assert problem.startswith(start)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"set\.yaml: cannot be read: No such file"):
        parse_imageset(tmp_path / "set.yaml")


SERVICE = "known to OpenShift's update service alone: use oc-mirror, or"


def test_what_is_not_done_here_can_be_passed_over(tmp_path: Path) -> None:
    text = HEAD + "mirror: {platform: {graph: true}, additionalImages: [{name: 'quay.io/a:1'}]}"
    image_set = parse(tmp_path, text, skip_unsupported=True)
    assert len(image_set.additional_images) == 1
    assert [warning.partition(": ")[2] for warning in image_set.warnings] == [
        f"mirror.platform.graph: passed over: the update graph is {SERVICE} leave it out"
    ]


def test_what_has_no_effect_is_a_warning(tmp_path: Path) -> None:
    text = OPERATOR + "    skipDependencies: true\narchiveSize: 4\nstorageConfig: {local: {path: ./x}}\n"
    warnings = parse(tmp_path, text).warnings
    assert [warning.removeprefix(f"{tmp_path}/set.yaml:").partition(" has no effect: ")[0] for warning in warnings] == [
        "6: mirror.operators[0].skipDependencies:",
        "7: archiveSize:",
        "8: storageConfig:",
    ]


def test_fields_are_known_in_any_letter_case(tmp_path: Path) -> None:
    text = "Kind: ImageSetConfiguration\nAPIVERSION: mirror.openshift.io/v2alpha1\nmirror:\n"
    image_set = parse(tmp_path, text + "  additionalimages:\n  - NAME: quay.io/a:1\n    TargetTag: x\n")
    (image,) = image_set.additional_images
    assert (str(image.reference), image.target_tag) == ("quay.io/a:1", "x")


def test_the_template_of_a_catalog_source(tmp_path: Path) -> None:
    template = tmp_path / "source.yaml"
    text = f"{OPERATOR}    targetCatalogSourceTemplate: {template}\n"
    image_set = parse(tmp_path, text)
    assert image_set.operators[0].catalog_source is None
    assert len(image_set.warnings) == 1
    assert "targetCatalogSourceTemplate: has no effect: " in image_set.warnings[0]
    assert "No such file" in image_set.warnings[0]
    head = "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\n"
    template.write_text(f"{head}spec: {{displayName: Ours}}\n")
    image_set = parse(tmp_path, text)
    assert (image_set.operators[0].catalog_source, image_set.warnings) == ('{"spec": {"displayName": "Ours"}}', ())
    template.write_text(f"{head}spec: {{sourceType: internal}}\n")
    [problem] = problems(tmp_path, text)
    assert problem.startswith("6: mirror.operators[0].targetCatalogSourceTemplate: ")


def test_aliases_that_people_write_are_honoured(tmp_path: Path) -> None:
    text = HEAD + "mirror: {operators: [{catalog: &c 'a.io/b:1'}, {catalog: *c, targetTag: x}]}"
    first, second = parse(tmp_path, text).operators
    assert first.reference == second.reference


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        pytest.param(["docker://quay.io/bad/one:1.0"], True, id="name"),
        pytest.param(["quay.io/good/one:1.0"], False, id="other"),
        pytest.param(["quay.io/x/alpine:3"], True, id="expression-is-unanchored"),
        pytest.param(["quay.io/x/y:1", "docker://localhost:5000/alpine/y:1"], True, id="destination"),
        pytest.param(["docker://quay.io/x:1"], False, id="transport-does-not-count"),
    ],
)
def test_blocked_images(tmp_path: Path, references: list[str], *, expected: bool) -> None:
    text = HEAD + "mirror: {blockedImages: [{name: 'quay.io/bad/one:1.0'}, {name: alpine|docker}]}"
    assert parse(tmp_path, text).blocks(*references) is expected


def test_the_missing_library_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "yaml", None)
    with pytest.raises(UsageError, match=r"need PyYAML: pip install PyYAML"):
        parse(tmp_path, HEAD)
