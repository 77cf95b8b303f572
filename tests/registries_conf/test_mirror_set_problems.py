"""What is wrong with mirror sets: each mistake and each trap with its place, and input that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.mirror_sets import conversion
from skopeo_mirror.registries_conf.mirror_sets.conversion import converted
from skopeo_mirror.registries_conf.mirror_sets.objects import DIGEST_SET, TAG_SET, Entry, Objects, Scope
from skopeo_mirror.registries_conf.problem import Position, Problem, errors
from skopeo_mirror.registries_conf.reading import Examination, interpret_files
from skopeo_mirror.registries_conf.routing import Router
from skopeo_mirror.registries_conf.writing import normalized

LISTS = {
    "ImageDigestMirrorSet": "imageDigestMirrors",
    "ImageTagMirrorSet": "imageTagMirrors",
    "ImageContentSourcePolicy": "repositoryDigestMirrors",
}
REAL = sorted((Path(__file__).parent.parent / "data" / "mirror-sets").glob("real-*.yaml"))
DIGEST = "sha256:" + "a1" * 32


def a_set(*entries: str, kind: str = DIGEST_SET, beside: str = "") -> str:
    """Write an object with these entries, and with another line in its spec."""
    listed = "".join(f"    - {{{one}}}\n" for one in entries)
    return f"kind: {kind}\nmetadata: {{name: a}}\nspec:\n  {LISTS[kind]}:\n{listed}{beside}"


def image(**lists: list[str]) -> str:
    return f"kind: Image\nmetadata: {{name: cluster}}\nspec:\n  registrySources: {json.dumps(lists)}\n"


def documents(*texts: str) -> str:
    return "---\n".join(texts)


def read(*texts: str | bytes) -> Examination:
    files = [text if isinstance(text, bytes) else text.encode() for text in texts]
    return interpret_files([(f"{number}.yaml", content) for number, content in enumerate(files)])


def place(text: str, spot: str) -> tuple[int, int]:
    """Return line and column of the last `spot` in a text."""
    before = text[: text.rindex(spot)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def about(found: Examination, words: str) -> list[Problem]:
    problems = [problem for problem in found.problems if words in str(problem)]
    assert problems, list(map(str, found.problems))
    return problems


GOOD = "source: prod.test/ns, mirrors: [m.test/ns]"
NEVER = "mirrorSourcePolicy: NeverContactSource"
TAGS = a_set(GOOD, kind=TAG_SET)


def test_nothing_is_said_of_a_good_file() -> None:
    text = documents("", a_set(f"{GOOD}, {NEVER}"), "# nothing\n", a_set(f"{GOOD}, {NEVER}", kind=TAG_SET))
    assert read(text, image(insecureRegistries=["m.test"])).problems == ()


@pytest.mark.parametrize(
    ("text", "spot", "words"),
    [
        pytest.param(
            a_set("source: 'prod.test/ns:v1', mirrors: [m.test/ns]"), "source", "without tag and digest", id="tag"
        ),
        pytest.param(
            a_set(f"source: 'prod.test/ns@{DIGEST}', mirrors: [m.test/ns]"),
            "source",
            "without tag and digest",
            id="digest",
        ),
        pytest.param(
            a_set("source: prod.test/ns, mirrors: ['m.test/ns:v1']"), "'m", "without tag and", id="mirror-tag"
        ),
        pytest.param(a_set("source: prod.test/Ns, mirrors: [m.test]"), "source", "is no source", id="capitals"),
        pytest.param(a_set("source: 'https://prod.test', mirrors: [m.test]"), "source", "is no source", id="scheme"),
        pytest.param(a_set("source: prod.test/, mirrors: [m.test]"), "source", "is no source", id="slash"),
        pytest.param(a_set("source: '*.prod.test/ns', mirrors: [m.test]"), "source", "is no source", id="wildcard"),
        pytest.param(a_set("source: prod.test, mirrors: ['*.m.test']"), "'*", "is no mirror", id="wildcard-mirror"),
        pytest.param(a_set(f"source: {'a/' * 127}ab, mirrors: [m.test]"), "source", "is longer than", id="long"),
        pytest.param(
            a_set(f"source: p.test, mirrors: [m.test, {'a' * 256}]"), "a" * 256, "is longer", id="long-mirror"
        ),
        pytest.param(a_set("mirrors: [m.test/ns]"), "{mirrors", "the source is missing", id="no-source"),
        pytest.param(a_set("source: [a], mirrors: [m.test/ns]"), "source", "the source is missing", id="source-list"),
        pytest.param(a_set("source: prod.test, mirrors: [{a: b}]"), "{a", "the mirror is missing", id="mirror-mapping"),
        pytest.param(a_set("source: prod.test, mirrors: m.test"), "{source", "expected a list", id="mirrors-text"),
        pytest.param(
            a_set(f"{GOOD}, mirrorSourcePolicy: [a]"), "mirrorS", "expected AllowContactingSource", id="policy"
        ),
        pytest.param(
            a_set(f"{GOOD}, {NEVER}s"),
            "mirrorS",
            "is no such policy (did you mean NeverContactSource?)",
            id="policy-typo",
        ),
        pytest.param(
            a_set(f"{GOOD}, {NEVER}".replace("[", "[prod.test/ns, ")), "{s", "among its own", id="never-itself"
        ),
        pytest.param(
            a_set(f"{GOOD}, {NEVER}", GOOD), "source", "another mirrorSourcePolicy here than at 0.yaml:5", id="clash"
        ),
        pytest.param(a_set(GOOD).replace("DigestMirrorSet", "DigestMirrorset"), "kind", "did you mean", id="kind-typo"),
        pytest.param(a_set(GOOD).replace("kind: ImageDigestMirrorSet\n", ""), "metadata", "has no kind", id="no-kind"),
        pytest.param(f"- {a_set(GOOD).splitlines()[0]}\n", "- ", "kind: List with items", id="top-level-list"),
        pytest.param("kind: List\nitems: {a: b}\n", "items", "expected a list", id="list-of-none"),
        pytest.param("kind: List\nitems: [text]\n", "text", "expected an object", id="list-of-texts"),
        pytest.param("kind: ImageTagMirrorSet\n", "kind", "has no spec", id="no-spec"),
        pytest.param("kind: Image\nspec:\n  registrySources: [a]\n", "registryS", "a mapping of lists", id="sources"),
        pytest.param(image(blockedRegistries=["a b"]), '"a b"', "'a b' is no registry", id="scope"),
        pytest.param("imageDigestSources:\n- source: prod.test\n", "image", "install-config.yaml", id="install-config"),
        pytest.param(documents(TAGS, "kind: Image\n a: b\n"), ": b", "no YAML", id="syntax"),
        pytest.param(documents(TAGS, "kind: Image\nkind: Image\n"), "kind", "written twice", id="twice"),
    ],
)
def test_errors_have_their_place(text: str, spot: str, words: str) -> None:
    found = read(text)
    line, column = place(text, spot)
    assert line in {problem.line for problem in errors(about(found, words))}
    assert column in {problem.column for problem in about(found, words)} | {None if "YAML" in words else column}
    assert found.configuration is None


@pytest.mark.parametrize(
    ("text", "spot", "words"),
    [
        pytest.param(
            a_set(GOOD, beside=f"  {NEVER}\n"),
            "mirrorS",
            "beside the list has no effect: the API drops it",
            id="beside",
        ),
        pytest.param(a_set(f"{GOOD}, mirorSourcePolicy: a"), "miror", "did you mean mirrorSourcePolicy", id="field"),
        pytest.param(
            a_set(f"{GOOD}, imagePullPolicy: a"), "imageP", "unknown field 'imagePullPolicy'", id="pull-policy"
        ),
        pytest.param(
            a_set(f"{GOOD}, {NEVER}", kind="ImageContentSourcePolicy"), "mirrorS", "unknown field", id="policy-of-icsp"
        ),
        pytest.param(a_set(GOOD, beside="  imageDigestMirror: []\n"), "imageDigestMirror:", "did you mean", id="list"),
        pytest.param(
            a_set(GOOD).replace("imageDigest", "imageTag"),
            "imageTag",
            "is the list of ImageTagMirrorSet",
            id="of-other",
        ),
        pytest.param(a_set(GOOD).replace("metadata", "metdata"), "metdata", "did you mean metadata", id="top"),
        pytest.param(image(insecureRegistry=["m.test"]), '"insec', "did you mean insecureRegistries", id="image"),
        pytest.param("kind: ImageTagMirrorSet\nspec: {}\n", "kind", "has no spec.imageTagMirrors", id="no-list"),
        pytest.param("kind: List\nitems: []\n", "", "nothing is redirected", id="nothing"),
        pytest.param(
            a_set(f"source: prod.test/ns, mirrors: [], {NEVER}"), "{", "drops it and its Never", id="no-mirror"
        ),
        pytest.param(a_set("source: a.test, mirrors: [a.test]"), "{", "no mirror but its source", id="itself-alone"),
        pytest.param(
            a_set("source: a.test, mirrors: [z.test, y.test]", "source: a.test, mirrors: [b.test]"),
            "source",
            "merges the mirrors of both (in the order b.test, z.test, y.test)",
            id="repeated",
        ),
        pytest.param(a_set("source: prod.test, mirrors: [mirror/x]"), "mirror/x", "aborts every pull", id="no-host"),
        pytest.param(a_set("source: p.test/a, mirrors: [internal]"), "internal", "aborts every pull", id="no-domain"),
        pytest.param(a_set("source: alpine, mirrors: [m.test]"), "source", "docker.io/library/alpine", id="short-name"),
        pytest.param(a_set("source: Prod.test, mirrors: [m.test]"), "source", "the same capitals", id="capitals"),
        pytest.param(
            a_set("source: prod.test/ns, mirrors: [index.docker.io/ns]"),
            "index",
            "is docker.io by another name (write docker.io/ns)",
            id="hub",
        ),
    ],
)
def test_warnings_have_their_place(text: str, spot: str, words: str) -> None:
    found = read(text)
    assert not found.errors
    assert place(text, spot) in {(problem.line, problem.column) for problem in about(found, words)} or not spot


TRAPS = [
    pytest.param(
        documents(a_set(GOOD), a_set("source: prod.test/ns/app, mirrors: [m.test/ns/app]", kind=TAG_SET)),
        "source",
        "digests of prod.test/ns/app pass the mirrors of prod.test/ns by",
        f"prod.test/ns/app@{DIGEST}",
        [f"prod.test/ns/app@{DIGEST}"],
        id="digests-above-tags",
    ),
    pytest.param(
        documents(TAGS, a_set("source: prod.test/ns/app, mirrors: [m.test/ns/app]")),
        "source",
        "tags of prod.test/ns/app pass the mirrors of prod.test/ns by",
        "prod.test/ns/app:v1",
        ["prod.test/ns/app:v1"],
        id="tags-above-digests",
    ),
    pytest.param(
        documents(TAGS.replace("prod.test/ns", "'*.test'"), a_set("source: prod.test, mirrors: [m.test/ns]")),
        "source",
        "tags of prod.test pass the mirrors of *.test by",
        "prod.test/app:v1",
        ["prod.test/app:v1"],
        id="wildcard-above",
    ),
    pytest.param(
        documents(
            a_set("source: prod.test, mirrors: [m.test]", GOOD),
            a_set("source: prod.test/ns/app, mirrors: [m.test/ns/app]", kind=TAG_SET),
        ),
        "source",
        "digests of prod.test/ns/app pass the mirrors of prod.test/ns by",
        f"prod.test/ns/app@{DIGEST}",
        [f"prod.test/ns/app@{DIGEST}"],
        id="the-innermost-above",
    ),
    pytest.param(
        a_set("source: prod.test/ns/app, mirrors: [m.test]"),
        "m.test",
        "the host m.test for prod.test/ns/app: a pull of that very repository fails",
        f"prod.test/ns/app@{DIGEST}",
        None,
        id="host-only",
    ),
    pytest.param(
        a_set(f"source: m.test, mirrors: [n.test/ns], {NEVER}", GOOD),
        "m.test/ns",
        "m.test/ns is blocked (0.yaml:5, ImageDigestMirrorSet/a), so that this mirror is never asked",
        f"prod.test/ns/app@{DIGEST}",
        [f"m.test/ns/app@{DIGEST} blocked", f"prod.test/ns/app@{DIGEST}"],
        id="blocked-source-is-a-mirror",
    ),
    pytest.param(
        documents(image(blockedRegistries=["m.test"]), a_set(GOOD)),
        "m.test/ns",
        "m.test/ns is blocked (0.yaml:4, Image/cluster)",
        f"prod.test/ns/app@{DIGEST}",
        [f"m.test/ns/app@{DIGEST} blocked", f"prod.test/ns/app@{DIGEST}"],
        id="blocked-registry-is-a-mirror",
    ),
    pytest.param(
        documents(a_set(GOOD), a_set(GOOD, kind="ImageContentSourcePolicy")),
        "",
        "no tag is redirected: an image named by tag comes from its source (add an ImageTagMirrorSet",
        "prod.test/ns/catalog:v4.20",
        ["prod.test/ns/catalog:v4.20"],
        id="no-tag",
    ),
    pytest.param(
        TAGS,
        "source",
        "no digest is redirected: an image named by digest comes from its source (add an ImageDigestMirrorSet",
        f"prod.test/ns/app@{DIGEST}",
        [f"prod.test/ns/app@{DIGEST}"],
        id="no-digest",
    ),
]


@pytest.mark.parametrize(("text", "spot", "words", "asked", "routed"), TRAPS)
def test_traps_are_told_and_are_there(text: str, spot: str, words: str, asked: str, routed: list[str] | None) -> None:
    test_warnings_have_their_place(text, spot, words)
    configuration = read(text).configuration
    assert configuration is not None
    router = Router(configuration)
    if routed is None:
        with pytest.raises(Exception, match="aborts the whole pull"):
            router.route(Reference.parse(asked))
        return
    candidates = router.route(Reference.parse(asked)).candidates
    assert [f"{one.reference}{' blocked' if one.blocked else ''}" for one in candidates] == routed


def test_a_trap_is_told_once_for_all_that_inherits_it() -> None:
    scopes = image(insecureRegistries=[f"prod.test/ns/{name}" for name in "abc"])
    found = read(scopes, a_set(f"source: m.test, mirrors: [n.test], {NEVER}", GOOD), TAGS)
    assert len(about(found, "is blocked")) == 2  # by the mirror for digests, by that for tags


def test_the_innermost_scope_is_what_makes_insecure_and_blocks() -> None:
    scopes = ["m.test", "m.test/ns", "prod.test", "prod.test/ns"]
    images = [image(insecureRegistries=[scope], blockedRegistries=[scope]) for scope in scopes]
    found = read(*images, a_set("source: prod.test/ns/app, mirrors: [m.test/ns/app]"))
    assert found.configuration is not None
    [entry] = [one for one in found.configuration.registries if one.mirrors]
    places = (entry.mirrors[0].insecure_at, entry.insecure_at, entry.blocked_at)
    assert [place and place.file for place in places] == ["1.yaml", "3.yaml", "3.yaml"]


def test_a_broken_document_hides_nothing_that_stands_before_it() -> None:
    text = documents(a_set(f"{GOOD}, miror: a"), a_set("source: 'prod.test:x', mirrors: [m.test]"), "kind: [\n")
    told = [problem.line for problem in read(text).problems if "no tag" not in problem.text]
    assert told == [5, 11, 14]


def test_a_policy_and_a_source_are_compared_over_files() -> None:
    found = read(a_set(GOOD), a_set(f"{GOOD}, {NEVER}", kind=TAG_SET))
    [clash] = found.errors
    assert (clash.file, clash.line, clash.column) == ("1.yaml", 5, 8)
    assert "than at 0.yaml:5, ImageDigestMirrorSet/a" in clash.text


def test_a_policy_that_the_api_drops_blocks_nothing() -> None:
    for text in (a_set(f"{GOOD}, {NEVER}", kind="ImageContentSourcePolicy"), a_set(GOOD, beside=f"  {NEVER}\n")):
        found = read(text)
        about(found, "mirrorSourcePolicy")
        assert found.configuration is not None
        assert [entry.blocked for entry in found.configuration.registries] == [False]


def test_objects_of_several_files_are_taken_together() -> None:
    found = read(a_set(GOOD), "", "# nothing\n---\n", TAGS, image(insecureRegistries=["m.test"]))
    assert found.configuration is not None
    _, entry = found.configuration.registries
    assert [(one.location, one.pull_from_mirror, one.insecure) for one in entry.mirrors] == [
        ("m.test/ns", "digest-only", True),
        ("m.test/ns", "tag-only", True),
    ]
    assert found.configuration.files == tuple(f"{number}.yaml" for number in range(5))


@pytest.mark.parametrize("other", [b"[[registry]]\nlocation = 'a.test'\n", b"a = 1\n", a_set(GOOD).encode("utf-16")])
def test_objects_and_anything_else_do_not_mix(other: bytes) -> None:
    found = read(a_set(GOOD), other)
    assert [(one.file, "do not mix" in one.text) for one in found.errors] == [("1.yaml", True)]


@pytest.mark.parametrize("file", REAL, ids=lambda file: file.name.removesuffix(".yaml"))
def test_real_files_get_no_advice_for_toml(file: Path) -> None:
    for problem in read(file.read_bytes()).problems:
        assert problem.line
        assert problem.column
        assert not any(word in str(problem) for word in ("[[", "registries.conf", "location =", "= true"))


def flow(depth: int) -> str:
    return f"kind: {'[' * depth}{']' * depth}\n"


def bomb(width: int, levels: int, inner: str) -> str:
    """Lists of lists of lists of one object, by aliases."""
    outer = [
        f"- &a{level} {{kind: List, items: [{', '.join([f'*a{level - 1}'] * width)}]}}\n" for level in range(1, levels)
    ]
    return f"kind: List\nitems:\n- &a0 {inner}\n{''.join(outer)}"


ONE = "{kind: ImageTagMirrorSet, spec: {imageTagMirrors: [{source: a.test, mirrors: [b.test]}]}}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(bomb(9, 10, ONE), "aliases stand for more than", id="bomb"),
        pytest.param(bomb(1, 90, ONE), "", id="deep-by-aliases"),
        pytest.param(bomb(200, 2, ONE), "aliases", id="many-aliases"),
        pytest.param("kind: &a [*a]\n", "stands for nothing", id="within-itself"),
        pytest.param(flow(100_000), "levels deep", id="depth"),
        pytest.param("kind:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 5000)), "levels deep", id="block"),
        pytest.param("kind: Image\0\n", "YAML", id="NUL"),
        pytest.param(a_set(GOOD).encode() + b"# \xff\n", "YAML", id="not-UTF-8"),
        pytest.param(b"\xff\xfe" + a_set(GOOD).encode("utf-16-le"), "UTF-8", id="UTF-16"),
        pytest.param("kind: Image\nspec: !!python/object:os.system a\n", "has no spec", id="tag-of-python"),
        pytest.param("kind: Image\n? [a]\n: b\n", "the name of a field", id="key-that-is-a-list"),
        pytest.param("kind: [Image]\n", "has no kind", id="kind-list"),
        pytest.param("kind: Image\nmetadata: [a]\nspec: [a]\n", "has no spec", id="lists-for-mappings"),
        pytest.param(f"kind: {'Image' * 100_000}\n", "is not read here", id="long-kind"),
        pytest.param(a_set(f"source: {'a/' * 500_000}a, mirrors: [b.test]"), "is longer", id="long-source"),
        pytest.param(a_set(f"source: {'-' * 500_000}, mirrors: [b.test]"), "is longer", id="long-nonsense"),
        pytest.param("kind:" + " " * 1_000_000 + "x: y\n", "", id="blanks"),
        pytest.param("kind" * 100_000 + ":\n", "", id="kinds"),
        pytest.param("{" + "kind " * 100_000, "", id="kinds-in-flow"),
    ],
)
def test_bad_input_ends_in_words(content: str | bytes, words: str) -> None:
    found = read(content)
    assert found.problems
    assert all(str(problem) for problem in found.problems)
    about(found, words)


@pytest.mark.parametrize("before", ["", "\ufeff", "---\n", "--- ", "# a\n\n--- # b\n", "\n \n"])
@pytest.mark.parametrize(
    "text", [TAGS, json.dumps({"spec": {}, "kind": TAG_SET}), f"kind: {TAG_SET}\r\nspec: {{}}\r\n"]
)
def test_objects_are_told_by_their_content(before: str, text: str) -> None:
    if before == "--- " and not text.startswith("{"):
        before = "--- # c\n"
    found = read(before + text)
    assert found.of_objects
    assert not found.errors


@pytest.mark.parametrize("text", ["- source: a.test\n  mirrors: [b.test]\n", "a:\n- b\n"])
def test_other_yaml_is_told_of_the_objects(text: str) -> None:
    about(read(text), "OpenShift's objects are read: begin with kind: ImageDigestMirrorSet")


@pytest.mark.parametrize("content", ["", "\n", "# kind\n", "---\n", "\ufeff# a\n"])
def test_what_holds_nothing_redirects_nothing(content: str) -> None:
    found = read(content)
    about(found, "nothing is redirected" if "---" not in content else "YAML")


class TestSize:
    """Quadratic costs would show as minutes here."""

    at = Position(file="sets.yaml", line=1)

    def entry(self, source: str, *mirrors: str, kind: str = DIGEST_SET) -> Entry:
        return Entry(
            kind=kind,
            source=source,
            mirrors=mirrors,
            never=False,
            position=self.at,
            mirror_positions=(self.at,) * len(mirrors),
        )

    def test_many_entries_and_scopes(self) -> None:
        entries = [
            self.entry(f"a.test/{number}", f"b.test/{number}", kind=kind)
            for number in range(3_000)
            for kind in (DIGEST_SET, TAG_SET)
        ]
        scopes = [Scope(scope=f"a.test/{number}/x", position=self.at) for number in range(3_000)]
        registries, problems = converted(Objects(entries=entries, insecure=scopes, blocked=scopes[:100]))
        assert (len(registries), problems) == (6_000, ())

    @pytest.mark.slow
    def test_a_file_of_five_megabytes(self) -> None:
        listed = "".join(
            f"  - source: a.test/some/name/{number}\n    mirrors: [b.test/one/{number}, c.test/other/{number}]\n"
            for number in range(30_000)
        )
        sets = (f"kind: {kind}\nspec:\n  {LISTS[kind]}:\n{listed}" for kind in (DIGEST_SET, TAG_SET))
        scopes = [f"a.test/some/name/{number}/below" for number in range(10_000)]
        found = read(documents(*sets, image(insecureRegistries=scopes)))
        assert found.configuration is not None
        assert (len(found.configuration.registries), found.problems) == (40_000, ())

    def test_one_source_in_many_entries(self) -> None:
        entries = [self.entry("a.test", f"b.test/{number}") for number in range(10_000)]
        [registry], problems = converted(Objects(entries=entries))
        assert len(registry.mirrors) == 10_000
        assert len(problems) == 2

    def test_many_sources_below_one_of_many_mirrors(self) -> None:
        entries = [self.entry("a.test", *(f"b.test/{number}" for number in range(5_000)))]
        entries += [self.entry(f"a.test/{number}", "c.test/x", kind=TAG_SET) for number in range(5_000)]
        registries, problems = converted(Objects(entries=entries))
        assert (len(registries), len(problems)) == (5_001, 5_000)

    def test_many_scopes_below_many_mirrors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(conversion, "_MOST_INHERITED", 1000)
        entries = [self.entry("a.test", *(f"b.test/{number}" for number in range(100)))]
        scopes = [Scope(scope=f"a.test/{number}", position=self.at) for number in range(20)]
        _, problems = converted(Objects(entries=entries, insecure=scopes))
        assert ["inherit more than" in problem.text for problem in errors(problems)] == [True]


WORDS = [
    *('"', "'", "{", "}", "[", "]", ":", ": ", "- ", "\n", "\n---\n", "\t", "#", "&a ", "*a", "!!str ", "|", "\0"),
    *("null", "kind: List\n", "kind: Image\n", "items:\n", "spec:\n", "mirrors: []\n", "*.a.test", "@sha256:", "é"),
    *("mirrorSourcePolicy: NeverContactSource\n", "imageTagMirrors:\n", "registrySources:\n", "blockedRegistries:\n"),
]


@given(st.data())
@settings(max_examples=100)
def test_real_files_that_somebody_broke(data: Any) -> None:
    content = data.draw(st.sampled_from(REAL)).read_text(encoding="utf-8")[:3000]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        end = at + data.draw(st.sampled_from([0, 0, 1, 2, 30]))
        content = content[:at] + data.draw(st.sampled_from(["", *WORDS])) + content[end:]
    found = read(content)
    assert all(str(problem) for problem in found.problems)
    if found.configuration is not None:
        again = interpret_files([("r.conf", normalized(found.configuration).encode())]).configuration
        assert again is not None
        assert again.registries == found.configuration.registries
