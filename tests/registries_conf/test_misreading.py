"""What is no TOML is told by its cause and its cure; what another program reads, by its name."""

from __future__ import annotations

import pytest

from skopeo_mirror.registries_conf.reading import interpret_files

LINES = {"b": [3, 6, 10, 11], "a": [2, 3, 6, 8, 10, 11]}  # entries of one prefix are looked at where the last stands
QUAY = '[[registry]]\nlocation = "quay.io"\n'


@pytest.mark.parametrize(
    ("text", "line", "cause", "cure"),
    [
        pytest.param(QUAY + "insecure = yes\n", 3, "not yes", "write insecure = true", id="yes"),
        pytest.param(QUAY + "blocked = FALSE # no\n", 3, "not FALSE", "write blocked = false", id="capitals"),
        pytest.param("[[registry]]\nlocation = quay.io\n", 2, "has no quotes", 'write location = "quay.io"', id="bare"),
        pytest.param("[[registry]]\nlocation = bob:pw@quay.io\n", 2, "no quotes", 'location = "…"', id="credentials"),
        pytest.param("[[registry]]\nlocation = \u201cquay.io\u201d\n", 2, "word processor", "plain ones", id="curly"),
        pytest.param('[[registry]]\nlocation: "quay.io"\n', 2, "stands a colon", "write location = …", id="colon"),
        pytest.param(QUAY + "// no\n", 3, "a comment begins with #", "put a # before", id="slashes"),
        pytest.param("; no\n" + QUAY, 1, "a comment begins with #", "put a # before", id="semicolon"),
        pytest.param("<!DOCTYPE html>\n<html>\n", 1, "web page", "fetch the file itself", id="web page"),
        pytest.param("<<<<<<< HEAD\n" + QUAY, 1, "merge conflict", "keep one of the two sides", id="conflict"),
        pytest.param(QUAY + "EOF\n", 3, "'EOF' ends a file", "remove this line", id="end of a here-document"),
        pytest.param("{% for m in x %}\n" + QUAY, 1, "'{% for m in x %}' is of a template", "give its result", id="%"),
        pytest.param("[[registry]]\nlocation = ${X}\n", 2, "'${X}' is of a template", "give its result", id="$"),
        pytest.param('{\n "a": 1}', 1, "this is JSON", "write TOML", id="JSON"),
        pytest.param("{\n 'a': 1,\n", 1, "this is JSON", "write TOML", id="broken JSON"),
        pytest.param("---\nmirrors:\n  docker.io:\n", 1, "this is YAML", "write TOML", id="YAML"),
        pytest.param(QUAY + 'location = "a.test"\n', 3, "in this table", "or put [[registry]] (of a", id="twice"),
        pytest.param(
            '[registry]\nlocation = "a.test"\n' + QUAY, 1, "single table", "never [registry]", id="single and double"
        ),
        pytest.param(
            QUAY + 'mirror = []\n[[registry.mirror]]\nlocation = "m.test"\n',
            4,
            "no TOML",
            "and no key mirror",
            id="both",
        ),
    ],
)
def test_the_cause_and_the_cure(text: str, line: int, cause: str, cure: str) -> None:
    (problem,) = interpret_files([("FILE", text.encode())]).problems
    assert problem.line == line
    assert cause in problem.text
    assert cure in problem.advice
    assert "pw" not in str(problem)


@pytest.mark.parametrize(
    ("text", "what", "instead"),
    [
        pytest.param(
            '[registry."docker.io"]\nmirrors = ["http://m.test/v2/"]\n[registry."m.test"]\nhttp = true\n',
            "BuildKit",
            '[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n\n'
            '[[registry.mirror]]\nlocation = "m.test"\ninsecure = true\n\n'
            '[[registry]]\nprefix = "m.test"\nlocation = "m.test"\ninsecure = true\n',
            id="BuildKit",
        ),
        pytest.param(
            'server = "https://quay.io"\n[host."https://bob:pw@m.test/v2"]\ncapabilities = ["pull"]\n',
            "hosts.toml",
            '[[registry]]\nprefix = "quay.io"\nlocation = "quay.io"\n\n[[registry.mirror]]\nlocation = "m.test"\n',
            id="hosts.toml",
        ),
        pytest.param(
            '{"registry-mirrors": ["https://m.test"], "insecure-registries": ["n.test:5000", "10.0.0.0/8"]}',
            "Docker daemon",
            '[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n\n'
            '[[registry.mirror]]\nlocation = "m.test"\n\n'
            '[[registry]]\nprefix = "n.test:5000"\nlocation = "n.test:5000"\ninsecure = true\n',
            id="daemon.json",
        ),
        pytest.param('version = 2\n[plugins."x"]\na = 1\n', "containerd", "", id="containerd without mirrors"),
    ],
)
def test_another_programs_words_are_said_in_ours(text: str, what: str, instead: str) -> None:
    (problem,) = interpret_files([("FILE", text.encode())]).problems
    assert what in problem.text
    assert problem.instead == instead
    assert "pw" not in str(problem)
    if instead:
        assert interpret_files([("FILE", instead.encode())]).problems == ()


def test_a_table_of_a_known_key_is_no_other_programs() -> None:
    (problem,) = interpret_files([("FILE", b'[registry]\nlocation = "a.test"\n[registry.mirror]\nx = 1\n')]).problems
    assert "write [[registry]] instead of [registry]" in problem.advice


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_is_told(mark: bytes) -> None:
    found = interpret_files([("FILE", mark + QUAY.encode())]).problems
    assert [problem.line for problem in found] == ([1] if mark else [])
    assert all("skopeo 1.9.3 refuses the whole file" in problem.text for problem in found)


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        pytest.param('[[registry]]\nlocation = "registry-1.docker.io"\n', True, id="meant for docker.io"),
        pytest.param('[[registry]]\nlocation = "registry-1.docker.io"\nblocked = true\n', False, id="blocked"),
        pytest.param(
            '[[registry]]\nlocation = "registry-1.docker.io"\n[[registry]]\nlocation = "docker.io"\n',
            False,
            id="beside",
        ),
    ],
)
def test_another_name_of_docker_hub_is_let_be_where_it_is_meant(text: str, warned: bool) -> None:
    found = interpret_files([("FILE", text.encode())]).problems
    assert ["is docker.io by another name" in problem.text for problem in found] == [True] * warned


def test_problems_stand_in_the_order_of_files_and_lines() -> None:
    text = '[[registry]]\nlocation = "quay.io/*"\nx = 1\n[[registry]]\nlocation = "a.test/"\ninsecure = 1\n'
    text += '[[registry]]\nlocation = "A.test"\n[[registry.mirror]]\nlocation = "b.test/"\ny = 2\n'
    found = interpret_files([("b", text.encode()), ("a", text.encode())]).problems
    assert [(one.file, one.line) for one in found] == [(file, line) for file in "ba" for line in LINES[file]]


def test_insecure_reaches_the_mirrors_of_its_own_table_only_where_they_say_so() -> None:
    text = (
        '[[registry]]\nlocation = "quay.io"\n[[registry.mirror]]\nlocation = "m.test/a"\ninsecure = true\n'
        '[[registry]]\nlocation = "m.test"\ninsecure = true\n'
    )
    assert interpret_files([("FILE", text.encode())]).problems == ()
    (problem,) = interpret_files([("FILE", text.replace('a"\ninsecure = true', 'a"').encode())]).problems
    assert (problem.where, problem.line) == ("registry[1] (m.test).insecure", 7)
