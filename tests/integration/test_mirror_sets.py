"""OpenShift's mirror sets as the only configuration: copies, what is told of it, and how files are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import PLAIN, asked, entry, holds, pin_tag, report_of
from tests.rig.images import make_image

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program, Run
    from tests.rig.registry import Registry

DIGEST = "sha256:" + "a1" * 32


def a_set(kind: str, source: str, *mirrors: str, policy: str = "NeverContactSource") -> str:
    entry = f"{{source: '{source}', mirrors: {list(mirrors)}, mirrorSourcePolicy: {policy}}}"
    return f"""\
apiVersion: config.openshift.io/v1
kind: Image{kind}MirrorSet
metadata: {{name: {kind.lower()}s}}
spec:
  image{kind}Mirrors:
  - {entry}
"""


def plain_http(*registries: Registry) -> str:
    hosts = [registry.host for registry in registries]
    return f"---\nkind: Image\nmetadata: {{name: cluster}}\nspec:\n  registrySources: {{insecureRegistries: {hosts}}}\n"


def write(program: Program, name: str, *documents: str) -> None:
    (program.directory / name).write_text("".join(documents), encoding="utf-8")


def test_digests_and_tags_come_from_their_own_mirrors(
    skopeo_mirror: Program,
    mirror: Registry,
    second_mirror: Registry,
    origin: Registry,
    destination: Registry,
    image: Image,
) -> None:
    tagged, missing = make_image("tagged"), make_image("missing")
    mirror.push("digests/app", image)
    second_mirror.push("tags/app", tagged, "v1")
    origin.push("ns/app", missing, "v2")
    source = f"{origin.host}/ns"
    write(
        skopeo_mirror,
        "digests.yaml",
        a_set("Digest", source, f"{mirror.host}/digests"),
        plain_http(mirror, second_mirror, origin),
    )
    write(skopeo_mirror, "tags.yaml", a_set("Tag", source, f"{second_mirror.host}/tags"))
    wanted = [f"{source}/app@{image.digest}", f"{source}/app:v1", f"{source}/app@{missing.digest}", f"{source}/app:v2"]
    run = skopeo_mirror(
        *("copy", "-r", "digests.yaml", "-r", "tags.yaml", "--json", "--retries=0", PLAIN),
        *wanted,
        f"docker://{destination.host}",
    )
    report = report_of(run, status=1)
    assert report["registries_conf"]["files"] == ["digests.yaml", "tags.yaml"]
    assert [(one["image"], one["status"], (one["served_by"] or {}).get("location")) for one in report["images"]] == [
        (wanted[0], "copied", f"{mirror.host}/digests"),
        (wanted[1], "copied", f"{second_mirror.host}/tags"),
        (wanted[2], "failed", None),
        (wanted[3], "failed", None),
    ]
    blocked = report["images"][2]["attempts"][0]
    assert (blocked["reason"], blocked["detail"]) == (
        "blocked",
        "it is blocked in digests.yaml:6, ImageDigestMirrorSet/digests",
    )
    assert asked(origin) == []
    assert not any(f"/{image.digest}" in path for path in asked(second_mirror, "manifests"))
    assert not any(path.endswith("/v1") for path in asked(mirror, "manifests"))
    assert holds(destination, "ns/app", pin_tag(image), image)
    assert holds(destination, "ns/app", "v1", tagged)


class TestRoute:
    @pytest.fixture
    def files(self, skopeo_mirror: Program) -> list[str]:
        write(skopeo_mirror, "digests.yaml", a_set("Digest", "prod.test/ns", "m.test/ns", "prod.test/old"))
        scopes = "{insecureRegistries: [m.test], blockedRegistries: [prod.test/old]}"
        scope = f"---\nkind: Image\nmetadata: {{name: cluster}}\nspec:\n  registrySources: {scopes}\n"
        write(skopeo_mirror, "tags.yaml", a_set("Tag", "prod.test/ns", "t.test/ns"), scope)
        return ["-r", "digests.yaml", "-r", "tags.yaml"]

    def test_names_the_object_and_the_line_of_each_fact(self, skopeo_mirror: Program, files: list[str]) -> None:
        run = skopeo_mirror("route", "-q", *files, f"prod.test/ns/app@{DIGEST}")
        assert run.stdout.replace(DIGEST, "D") == (
            "prod.test/ns/app@D\n"
            "├─ prefix prod.test/ns, the longest that matches (digests.yaml:6, ImageDigestMirrorSet/digests)\n"
            "├─ 1. m.test/ns/app@D  (mirror m.test/ns of digests.yaml:6, ImageDigestMirrorSet/digests; "
            "insecure by tags.yaml:11, Image/cluster)\n"
            "├─ 2. prod.test/old/app@D  (mirror prod.test/old of digests.yaml:6, ImageDigestMirrorSet/digests; "
            "blocked by tags.yaml:11, Image/cluster: not tried)\n"
            "├─ 3. prod.test/ns/app@D  (origin prod.test/ns; "
            "blocked by digests.yaml:6, ImageDigestMirrorSet/digests: not tried)\n"
            "└─ left out: t.test/ns: pull-from-mirror is tag-only, and this is a digest "
            "(--all-mirrors uses it all the same; tags.yaml:6, ImageTagMirrorSet/tags)\n"
        )

    def test_names_them_to_machines(self, skopeo_mirror: Program, files: list[str]) -> None:
        [route] = skopeo_mirror("route", "--json", *files, "prod.test/ns/app:v1").report["routes"]
        digests = {"file": "digests.yaml", "line": 6, "object": "ImageDigestMirrorSet/digests"}
        tags = {"file": "tags.yaml", "line": 6, "object": "ImageTagMirrorSet/tags"}
        assert route["matched_at"] == digests
        assert [one["at"] for one in route["skipped"]] == [digests, digests]
        first, last = route["candidates"]
        assert (first["at"], last["blocked_at"]) == (tags, digests)
        assert not {"at", "insecure_at"} & set(last)


class TestFiles:
    def routed(self, run: Run) -> str:
        assert run.status == 0, run.stderr
        return " ".join(one["reference"] for one in run.report["routes"][0]["candidates"])

    TAGS = a_set("Tag", "prod.test", "m.test", policy="AllowContactingSource")
    ROUTE = ("route", "--json", "prod.test/app:v1")
    TRIED = "m.test/app:v1 prod.test/app:v1"

    def test_from_standard_input(self, skopeo_mirror: Program) -> None:
        assert self.routed(skopeo_mirror(*self.ROUTE, "-r", "-", stdin=self.TAGS)) == self.TRIED
        write(skopeo_mirror, "digests.yaml", self.TAGS.replace("Tag", "Digest").replace("name: tags", "name: digests"))
        both = ("-r", "digests.yaml", "-r", "-")
        assert self.routed(skopeo_mirror(*self.ROUTE, *both, stdin=self.TAGS)) == self.TRIED
        made = skopeo_mirror("normalize", *both, stdin=self.TAGS).stdout
        assert (made.count("digest-only"), made.count("tag-only")) == (1, 1)
        assert skopeo_mirror("normalize", "-", stdin=self.TAGS).stdout.count("m.test") == 1
        told = skopeo_mirror("validate", "-", stdin=self.TAGS.replace("prod.test", "prod.test:x"))
        assert (told.status, "error: standard input:6:6: ImageTagMirrorSet/tags" in told.stdout) == (2, True)

    @pytest.mark.parametrize("variable", ["SKOPEO_MIRROR_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF"])
    def test_from_the_environment(self, skopeo_mirror: Program, variable: str) -> None:
        write(skopeo_mirror, "mirror sets.yaml", self.TAGS)
        assert self.routed(skopeo_mirror(*self.ROUTE, env={variable: "mirror sets.yaml"})) == self.TRIED

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            pytest.param(["-r", "a.conf", "-r", "b.conf"], "b.conf: is a second registries.conf", id="two-of-TOML"),
            pytest.param(["-r", "tags.yaml", "-r", "a.conf"], "a.conf: is no file of OpenShift", id="mixed"),
            pytest.param(["-r", "a.conf", "-r", "tags.yaml"], "a.conf: is no file of OpenShift", id="mixed-before"),
            pytest.param(["-r", "tags.yaml", "--registries-conf-dir", "."], "the two do not mix", id="drop-ins"),
            pytest.param(["-f", "-", "-r", "-"], "standard input can be read once", id="images-on-it-too"),
            pytest.param(["-r", "-", "-r", "-"], "standard input can be read once", id="twice"),
            pytest.param(["-r", "none.yaml", "-r", "tags.yaml"], "none.yaml: cannot be read", id="missing"),
        ],
    )
    def test_refused(self, skopeo_mirror: Program, arguments: list[str], words: str) -> None:
        write(skopeo_mirror, "a.conf", entry("prod.test", "m.test"))
        write(skopeo_mirror, "b.conf", entry("other.test", "m.test"))
        write(skopeo_mirror, "tags.yaml", self.TAGS)
        run = skopeo_mirror(*self.ROUTE, *arguments, stdin=self.TAGS)
        assert (run.status, run.stdout) == (2, "")
        assert words in run.stderr

    def test_without_what_reads_yaml(self, skopeo_mirror: Program) -> None:
        write(skopeo_mirror, "yaml.py", "raise ImportError\n")
        write(skopeo_mirror, "tags.yaml", self.TAGS)
        path = f"{skopeo_mirror.directory}:{skopeo_mirror.environment()['PYTHONPATH']}"
        run = skopeo_mirror("validate", "tags.yaml", env={"PYTHONPATH": path})
        assert (run.status, run.stdout) == (2, "")
        assert "mirror sets" in run.stderr
        assert "pip install PyYAML" in run.stderr
