"""Every error and warning for a registries.conf, with its place; and none where all is well."""

from __future__ import annotations

import pytest

from skopeo_mirror.registries_conf.problem import Problem, Severity
from skopeo_mirror.registries_conf.reading import interpret_files

QUAY = '[[registry]]\nlocation = "quay.io/foo"\n'
MIRROR = '[[registry.mirror]]\nlocation = "m.test/foo"\n'
OWNER = """[[registry]]
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


def problems(*texts: str) -> tuple[Problem, ...]:
    return interpret_files([(f"{number}.conf", text.encode()) for number, text in enumerate(texts)]).problems


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(OWNER, id="the owner's"),
        pytest.param(QUAY + MIRROR, id="plain"),
        pytest.param('[[registry]]\nprefix = "*.example.com"\n' + MIRROR, id="wildcard"),
        pytest.param('[[registry]]\nprefix = "docker.io/bitnami"\nlocation = "m.test/bitnami"\n', id="organization"),
        pytest.param(
            '[[registry]]\nlocation = "docker.io/library"\n[[registry.mirror]]\nlocation = "m.test"\n', id="library"
        ),
        pytest.param(QUAY + "blocked = true\n", id="blocked"),
        pytest.param('short-name-mode = "permissive"\n' + QUAY, id="other settings"),
        pytest.param(QUAY + MIRROR + 'pull-from-mirror = "digest-only"\n', id="OpenShift's digest-only"),
    ],
)
def test_nothing_to_say(text: str) -> None:
    assert [str(problem) for problem in problems(text)] == []


@pytest.mark.parametrize(
    ("text", "where", "line", "says"),
    [
        pytest.param("[[registry]]\n", "registry[0]", 1, "neither location nor prefix", id="empty table"),
        pytest.param(
            '[[registry]]\nprefix = "a.test"\n', "registry[0] (a.test).location", 1, "is missing", id="prefix only"
        ),
        pytest.param(
            QUAY + '[[registry]]\nlocation = "https://a.test/x"\n',
            "registry[1] (https://a.test/x).location",
            4,
            "scheme",
            id="scheme",
        ),
        pytest.param(
            QUAY + "[[registry.mirror]]\n", "registry[0] (quay.io/foo).mirror[0].location", 3, "is missing", id="mirror"
        ),
        pytest.param(
            QUAY + MIRROR + '[[registry.mirror]]\nlocation = "http://m.test"\n',
            "registry[0] (quay.io/foo).mirror[1].location",
            6,
            "scheme",
            id="scheme of a mirror",
        ),
        pytest.param(
            QUAY + 'insecure = "true"\n', "registry[0] (quay.io/foo).insecure", 3, "not a string", id="string"
        ),
        pytest.param(
            '[registry]\nlocation = "quay.io"\n',
            "registry",
            1,
            "write [[registry]] instead of [registry]",
            id="[registry]",
        ),
        pytest.param(
            QUAY + '[registry.mirror]\nlocation = "m.test"\n',
            "registry[0] (quay.io/foo).mirror",
            3,
            "write [[registry.mirror]]",
            id="[registry.mirror]",
        ),
        pytest.param(
            'location = "quay.io"\n' + MIRROR,
            "registry",
            2,
            "put the line [[registry]] before",
            id="first header lost",
        ),
        pytest.param(QUAY + 'Location = "b.test"\n', "registry[0] (quay.io/foo).Location", 3, "same key", id="case"),
        pytest.param(
            QUAY + 'pull-from-mirror = "all"\n',
            "registry[0] (quay.io/foo).pull-from-mirror",
            3,
            "is for mirrors",
            id="pull-from-mirror of a registry",
        ),
        pytest.param(
            QUAY + "mirror-by-digest-only = true\n" + MIRROR + 'pull-from-mirror = "all"\n',
            "registry[0] (quay.io/foo).mirror[0].pull-from-mirror",
            6,
            "cannot stand beside",
            id="both filters",
        ),
        pytest.param(
            QUAY + MIRROR + 'pull-from-mirror = "ALL"\n',
            "registry[0] (quay.io/foo).mirror[0].pull-from-mirror",
            5,
            'choose "all", "digest-only" or "tag-only"',
            id="no such filter",
        ),
        pytest.param(
            QUAY + '[[registry]]\nprefix = "b.test"\nlocation = "quay.io/foo/"\ninsecure = true\n',
            "registry[1] (b.test).insecure",
            6,
            "differs from registry[0]",
            id="conflict",
        ),
        pytest.param(
            '[[registry]]\nprefix = "*.a.test/x"\nlocation = "b.test"\n',
            "registry[0] (*.a.test/x).prefix",
            2,
            "may name hosts only",
            id="wildcard with a path",
        ),
        pytest.param(
            '[registries.search]\nregistries = ["a.test"]\n', "registries.search", 1, "version 1", id="version 1"
        ),
        pytest.param(
            'unqualified-search-registries = ["a/b"]\n', "unqualified-search-registries[0]", 1, "no host", id="host"
        ),
        pytest.param('short-name-mode = "Any"\n', "short-name-mode", 1, "no such mode", id="mode"),
        pytest.param(
            '[aliases]\n"a.test/x" = "b.test/x"\n', "aliases.a.test/x", 2, "must not contain a registry", id="alias"
        ),
        pytest.param("[aliases]\nx = 1\n", "aliases.x", 2, "must be a string", id="alias type"),
    ],
)
def test_errors(text: str, where: str, line: int | None, says: str) -> None:
    errors = [problem for problem in problems(text) if problem.severity is Severity.ERROR]
    assert [(problem.where, problem.line) for problem in errors] == [(where, line)]
    assert says in str(errors[0])


@pytest.mark.parametrize(
    ("text", "where", "line", "says"),
    [
        pytest.param("", "", None, "nothing is redirected", id="empty"),
        pytest.param("# only words\n", "", None, "nothing is redirected", id="comments"),
        pytest.param(QUAY + "mirorr = 1\n", "registry[0] (quay.io/foo).mirorr", 3, "did you mean mirror?",
                     id="unknown key"),
        pytest.param(QUAY + "mirror_by_digest_only = true\n", "registry[0] (quay.io/foo).mirror_by_digest_only", 3,
                     "did you mean mirror-by-digest-only?", id="underscores"),
        pytest.param(QUAY + "[[registrys]]\n", "registrys", 3, "did you mean registry?", id="unknown table"),
        pytest.param(QUAY + 'short-name-mode = "permissive"\n', "registry[0] (quay.io/foo).short-name-mode", 3,
                     "before the first [[registry]]", id="top key in a table"),
        pytest.param(QUAY + MIRROR + "blocked = true\n", "registry[0] (quay.io/foo).mirror[0].blocked", 5,
                     "no effect on a mirror", id="blocked mirror"),
        pytest.param("aliases = 1\n" + QUAY, "aliases", 1, "no table", id="aliases"),
        pytest.param(QUAY + QUAY, "registry[1] (quay.io/foo)", 3, "registry[0] has the same prefix", id="duplicate"),
        pytest.param('[[registry]]\nlocation = "q.b.test"\n[[registry]]\nprefix = "*.b.test"\n',
                     "registry[0] (q.b.test).location", 2, "the wildcard wins", id="shadowed"),
        pytest.param('[[registry]]\nprefix = "a.test"\nlocation = "b.test"\nblocked = true\n',
                     "registry[0] (a.test).blocked", 4, "does not block pulls from 'b.test'", id="blocked elsewhere"),
        pytest.param(QUAY + "mirror-by-digest-only = true\n", "registry[0] (quay.io/foo).mirror-by-digest-only", 3,
                     "there is no mirror", id="filter without mirror"),
        pytest.param('[[registry]]\nprefix = "docker.io/alpine"\nlocation = "m.test/alpine"\n',
                     "registry[0] (docker.io/alpine).prefix", 2, "docker.io/library/alpine", id="official image"),
        pytest.param('[[registry]]\nprefix = "a.*.test"\nlocation = "m.test"\n', "registry[0] (a.*.test).prefix", 2,
                     "can match no image", id="wildcard in the middle"),
        pytest.param('[[registry]]\nprefix = "*._.test"\n', "registry[0] (*._.test).prefix", 2, "can match no image",
                     id="impossible wildcard"),
        pytest.param('[[registry]]\nprefix = "quay.io/foo:1"\nlocation = "m.test/foo"\n',
                     "registry[0] (quay.io/foo:1).prefix", 2, "without tag and digest", id="prefix with a tag"),
        pytest.param('[[registry]]\nprefix = "index.docker.io"\nlocation = "m.test/foo"\n',
                     "registry[0] (index.docker.io).prefix", 2, "write docker.io", id="legacy Docker host"),
        pytest.param('[[registry]]\nprefix = "/"\nlocation = "m.test/foo"\n', "registry[0].prefix", 2,
                     "can match no image", id="empty prefix"),
        pytest.param('[[registry]]\nlocation = "Quay.io"\n', "registry[0] (Quay.io).location", 2,
                     "same capitals", id="capitals"),
        pytest.param(QUAY + '[[registry.mirror]]\nlocation = "m.test"\n',
                     "registry[0] (quay.io/foo).mirror[0].location", 4,
                     "the image quay.io/foo itself would become m.test", id="host-only mirror"),
        pytest.param(QUAY + '[[registry.mirror]]\nlocation = "mirror/foo"\n',
                     "registry[0] (quay.io/foo).mirror[0].location", 4, "no valid reference", id="no host in a mirror"),
        pytest.param('[[registry]]\nprefix = "a.test"\nlocation = "docker.io"\n',
                     "registry[0] (a.test).location", 3, "not canonical", id="docker.io as location"),
        pytest.param('[[registry]]\nprefix = "a.test"\nlocation = "a.test:5000"\n', "registry[0] (a.test).prefix", 2,
                     "matches a.test:5000/", id="port quirk"),
        pytest.param(QUAY + '[[registry.mirror]]\nlocation = "quay.io/foo"\n',
                     "registry[0] (quay.io/foo).mirror[0].location", 4, "tried twice", id="mirror of itself"),
        pytest.param(QUAY + MIRROR + MIRROR, "registry[0] (quay.io/foo).mirror[1].location", 6, "twice",
                     id="mirror twice"),
        pytest.param(QUAY + MIRROR + 'pull-from-mirror = "tag-only"\n', "registry[0] (quay.io/foo)", 1,
                     "no mirror for pulls by digest", id="all tag-only"),
    ],
)  # fmt: skip
def test_warnings(text: str, where: str, line: int | None, says: str) -> None:
    found = problems(text)
    assert [(problem.where, problem.line) for problem in found] == [(where, line)]
    assert found[0].severity is Severity.WARNING
    assert says in str(found[0])


def test_the_owners_example_with_lost_headers_says_what_happened_and_how_to_mend_it() -> None:
    lost = "".join(line for line in OWNER.splitlines(keepends=True) if not line.startswith("["))
    (problem,) = problems(lost)
    assert (problem.severity, problem.line) == (Severity.ERROR, 6)
    assert "the [[registry]] headers got lost" in str(problem)
    assert "put the line [[registry]] before each registry's keys" in str(problem)


def test_one_lost_header_is_a_warning_for_each_key() -> None:
    found = problems('prefix = ""\nlocation = "prod.com/abc"\nmirror-by-digest-only = true\n')
    assert [(problem.severity, problem.where, problem.line) for problem in found] == [
        (Severity.WARNING, "prefix", 1),
        (Severity.WARNING, "location", 2),
        (Severity.WARNING, "mirror-by-digest-only", 3),
        (Severity.WARNING, "", None),
    ]
    assert all("the [[registry]] headers got lost" in str(problem) for problem in found[:3])
    assert "nothing is redirected" in str(found[3])


def test_a_key_of_a_wrong_type_is_no_hindrance_to_what_is_said_of_the_mirrors() -> None:
    found = problems('[[registry]]\nlocation = ["a.test"]\n' + MIRROR + 'prefix = "b.test"\n')
    assert [(problem.severity, problem.line) for problem in found] == [(Severity.ERROR, 2), (Severity.WARNING, 5)]


def test_version_1_that_contradicts_the_rest_of_the_file_is_one_problem_of_it() -> None:
    old = '[registries.insecure]\nregistries = ["b.test"]\n'
    (problem,) = problems('[[registry]]\nprefix = "a.test"\nlocation = "b.test"\n' + old)
    assert (problem.severity, problem.line, problem.instead) == (Severity.ERROR, 4, "")
    assert "version 1" in str(problem)


def test_every_problem_at_once_over_all_files() -> None:
    found = problems(QUAY + 'insecure = "no"\nblocked = 1\n', "x = [", '[[registry]]\nlocation = "http://a"\nfoo = 1\n')
    assert [(problem.file, problem.severity) for problem in found] == [
        ("0.conf", Severity.ERROR),
        ("0.conf", Severity.ERROR),
        ("1.conf", Severity.ERROR),
        ("2.conf", Severity.ERROR),
        ("2.conf", Severity.WARNING),
    ]


def test_a_table_of_unknown_keys_is_summed_up() -> None:
    found = problems(QUAY + "".join(f"k{number} = 1\n" for number in range(1000)))
    assert len(found) == 21
    assert "980 more unknown keys" in str(found[-1])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param('x = """\n[[registry]]\n"""\n' + QUAY + 'blocked = "no"\n', 6, id="header in a string"),
        pytest.param(QUAY + "x = [[\n'[[registry]]',\n]]\nblocked = 'no'\n", 6, id="header in an array"),
        pytest.param('[["registry"]] # [[registry]]\r\nblocked = "no"\r\n', 2, id="quoted header"),
        pytest.param('registry = [\n  {location = "a.test", blocked = "no"}]\n', 1, id="inline table"),
        pytest.param(QUAY + 'mirror = [\n  {location = "a.test", insecure = "no"}]\n', 3, id="inline mirror"),
        pytest.param('[aliases]\n[[registry]]\n"blocked" = "no"\n[x]\nblocked = 1\n', 3, id="quoted key"),
    ],
)
def test_the_line_is_that_of_the_key(text: str, line: int) -> None:
    error = next(problem for problem in problems(text) if problem.severity is Severity.ERROR and "must" in str(problem))
    assert error.line == line
