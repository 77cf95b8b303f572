"""Files that people really wrote: each mistake is named once, on its line, and what is advised mends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from skopeo_mirror.registries_conf.reading import Examination, interpret_files
from tests.registries_conf.test_page import candidates

DATA = Path(__file__).parent.parent / "data/registries-conf"
EMPTY = "has no [[registry]] table, so nothing is redirected"
INSTEAD = [("", "")]
HUB_THROUGH_M = {"alpine:3": "m.test/library/alpine:3, docker.io/library/alpine:3"}
HUB_THROUGH_A = {"alpine:3": "a.test/library/alpine:3, docker.io/library/alpine:3"}
TWO_MIRRORS = '[[registry.mirror]]\nlocation = "a.test"\n[[registry.mirror]]\nlocation = "b.test"'
TWO = {"alpine:3": "a.test/library/alpine:3, b.test/library/alpine:3, docker.io/library/alpine:3"}
MCR = "mcr.m.daocloud.io"
HUB_M = '[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "m.test"\n'


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A file; what is said of it, as severity, line, cause and cure; the cure followed, as replacements; the routes.

    With INSTEAD the file is replaced by what is printed with the problem.
    """

    file: str
    said: list[tuple[str, int | None, str, str]] = field(default_factory=list)
    cure: list[tuple[str, str]] = field(default_factory=list)
    routes: dict[str, str] = field(default_factory=dict)


MISTAKES = [
    Mistake(
        file="faults/F1-mirror-trailing-slash.conf",
        said=[("warning", 4, "skopeo 1.9.3 and 1.18 abort every pull", 'write location = "m.test/foo"')],
        cure=[("m.test/foo/", "m.test/foo")],
        routes={"quay.io/foo/a:1": "m.test/foo/a:1, quay.io/foo/a:1"},
    ),
    Mistake(
        file="faults/F2-v1-default.conf",
        said=[("error", 11, "version 1 of the format: skopeo 1.9 and 1.18 still read it", "version 2")],
        cure=INSTEAD,
        routes={"quay.io/foo/a:1": "quay.io/foo/a:1"},
    ),
    Mistake(
        file="faults/F2-v1-search.conf",
        said=[("error", 1, "version 1 of the format: skopeo 1.9 and 1.18 still read it", "version 2")],
        cure=INSTEAD,
    ),
    Mistake(
        file="faults/F3-insecure-in-another-table.conf",
        said=[("warning", 7, "has no effect where m.test:5000 is a mirror, of docker.io", "write insecure = true")],
        cure=[('location = "m.test:5000"\n[[registry]]', 'location = "m.test:5000"\ninsecure = true\n[[registry]]')],
        routes={"alpine:3": "m.test:5000/library/alpine:3 (insecure), docker.io/library/alpine:3"},
    ),
    Mistake(
        file="faults/F3-real.conf",
        said=[("warning", 21, "no effect where helper.example.org:5000/ocp4/openshift4 is a", "write insecure = true")],
        cure=[('ocp4/openshift4"', 'ocp4/openshift4"\ninsecure = true')],
    ),
    Mistake(file="faults/F4-mco-digest-only.conf"),
    Mistake(
        file="faults/F5-registry-1.docker.io-mirror.conf",
        said=[("warning", 11, "'registry-1.docker.io' is docker.io by another name", "remove this mirror")],
        cure=[('[[registry.mirror]]\nlocation = "registry-1.docker.io"\n', "")],
        routes={"alpine:3": "mirror.gcr.io/library/alpine:3, docker.io/library/alpine:3"},
    ),
    Mistake(
        file="faults/F6-prefix-in-mirror.conf",
        said=[("warning", 6, "has no effect on a mirror", 'another [[registry]] with location = "mcr.microsoft.com"')],
        cure=[
            ('[[registry.mirror]]\n  prefix = "mcr.microsoft.com"\n  location = "mcr.m.daocloud.io"\n', ""),
            (
                '"docker.m.daocloud.io"\n',
                '"docker.m.daocloud.io"\n' + HUB_M.replace("docker.io", "mcr.microsoft.com").replace("m.test", MCR),
            ),
        ],
        routes={
            "mcr.microsoft.com/a/b:1": "mcr.m.daocloud.io/a/b:1, mcr.microsoft.com/a/b:1",
            "alpine:3": "docker.m.daocloud.io/library/alpine:3, docker.io/library/alpine:3",
        },
    ),
    Mistake(
        file="faults/F7-True.conf",
        said=[("error", 3, "a boolean is true or false, not True", "write insecure = true")],
        cure=[("True", "true")],
        routes={"m.test/a/b:1": "m.test/a/b:1 (insecure)"},
    ),
    Mistake(
        file="faults/F7-buildkitd.conf",
        said=[("error", 1, "BuildKit's table of mirrors", "`skopeo-mirror validate` prints a file")],
        cure=INSTEAD,
        routes=HUB_THROUGH_M,
    ),
    Mistake(
        file="faults/F7-mirror-before-registry.conf",
        said=[("error", 1, "this mirror stands before any [[registry]]", "move it below the [[registry]]")],
        cure=[('[[registry.mirror]]\nlocation = "m.test"\n', ""), ('[[registry]]\nlocation = "docker.io"\n', HUB_M)],
        routes=HUB_THROUGH_M,
    ),
    Mistake(
        file="faults/F7-mirror-strings.conf",
        said=[("error", 3, "must be an array of tables", '[[registry.mirror]] and below it location = "b.test"')],
        cure=[('mirror = ["a.test","b.test"]', TWO_MIRRORS)],
        routes=TWO,
    ),
    Mistake(
        file="faults/F7-registries-plural.conf",
        said=[("error", 1, "it is called registry", "[[registry.mirror]] instead of [[registries.mirror]]")],
        cure=[("registries", "registry")],
        routes={"gcr.io/a/b:1": "a.test/a/b:1, gcr.io/a/b:1"},
    ),
    Mistake(
        file="faults/F7-registry-mirrors-top.conf",
        said=[("warning", 1, "Docker daemon (daemon.json)", "`skopeo-mirror validate` prints a file")],
        cure=INSTEAD,
        routes=HUB_THROUGH_A,
    ),
    Mistake(
        file="faults/F8-wrong-line.conf",
        said=[("warning", 4, "is no key", "write [[registry.mirror]]")],
        cure=[("registry.mirrors", "registry.mirror")],
        routes={"alpine:3": "n.test/library/alpine:3, docker.io/library/alpine:3"},
    ),
    Mistake(
        file="faults/F9-toml11-inline.conf",
        said=[
            ("warning", 5, "this is TOML 1.1, for which skopeo 1.9.3 and 1.18 refuse", "on one line, without a comma")
        ],
        cure=[(",\n   insecure", ", insecure")],
        routes={"quay.io/ns/a:1": "a.test/ns/a:1, b.test/ns/a:1 (insecure), quay.io/ns/a:1"},
    ),
    Mistake(
        file="mistakes/02-insecure-top.conf",
        said=[("warning", 1, "stands outside any table, so it has no effect", "move it below the [[registry]] or")],
        cure=[("insecure = true\n", ""), ('"quay.io"\n', '"quay.io"\ninsecure = true\n')],
        routes={"quay.io/a/b:1": "quay.io/a/b:1 (insecure)"},
    ),
    Mistake(
        file="mistakes/04-http-mirror.conf",
        said=[("error", 4, "has a scheme", 'write location = "10.0.0.1:5000", and insecure = true')],
        cure=[('"http://10.0.0.1:5000"', '"10.0.0.1:5000"\ninsecure = true')],
        routes={"alpine:3": "10.0.0.1:5000/library/alpine:3 (insecure), docker.io/library/alpine:3"},
    ),
    Mistake(
        file="mistakes/06-mirrors-strings.conf",
        said=[("warning", 3, "is no key", '[[registry.mirror]] and below it location = "b.test"')],
        cure=[('mirrors = ["a.test","b.test"]', TWO_MIRRORS)],
        routes=TWO,
    ),
    Mistake(
        file="mistakes/08-registry.mirrors.conf",
        said=[("warning", 3, "is no key", "write [[registry.mirror]]")],
        cure=[("registry.mirrors", "registry.mirror")],
        routes={"gcr.io/a/b:1": "a.test/a/b:1, gcr.io/a/b:1"},
    ),
    Mistake(
        file="mistakes/10-registry1-mirror.conf",
        said=[("warning", 5, "'registry-1.docker.io' is docker.io by another name", "remove this mirror")],
        cure=[('[[registry.mirror]]\nlocation = "registry-1.docker.io"\n', "")],
        routes={"alpine:3": "docker.io/library/alpine:3"},
    ),
    Mistake(
        file="mistakes/12-index-prefix.conf",
        said=[
            ("warning", 2, "'index.docker.io' can match no image", "write docker.io"),
            ("warning", 3, "'index.docker.io' is docker.io by another name", 'write location = "docker.io"'),
        ],
        cure=[("index.docker.io", "docker.io")],
        routes=HUB_THROUGH_M,
    ),
    Mistake(file="mistakes/14-same-location-twice.conf"),
    Mistake(
        file="mistakes/16-two-registry-one-prefix-insecure.conf",
        said=[("warning", 5, "registry[0] has the same prefix, and the first in a file wins", "merge the two")],
        cure=[
            (
                '[[registry]]\nprefix = "docker.io"\nlocation = "n.test"',
                '[[registry.mirror]]\nlocation = "n.test"',
            )
        ],
        routes={"alpine:3": "n.test/library/alpine:3, m.test/library/alpine:3 (insecure)"},
    ),
    Mistake(
        file="mistakes/18-registry-mirrors-top.conf",
        said=[("warning", 1, "Docker daemon (daemon.json)", "`skopeo-mirror validate` prints a file")],
        cure=INSTEAD,
        routes=HUB_THROUGH_A,
    ),
    Mistake(
        file="mistakes/20-wildcard-location-same.conf",
        said=[("warning", 3, "'*.redhat.io' makes no valid reference", "drop location")],
        cure=[('location = "*.redhat.io"\n', "")],
        routes={"registry.redhat.io/a/b:1": "m.test/a/b:1, registry.redhat.io/a/b:1"},
    ),
    Mistake(
        file="mistakes/22-star.conf",
        said=[("warning", 2, "'*' can match no image", "write a [[registry]] for each host")],
        cure=[('"*"', '"quay.io"')],
        routes={"quay.io/a/b:1": "m.test/a/b:1"},
    ),
    Mistake(
        file="mistakes/24-star-end.conf",
        said=[("warning", 2, "'quay.io/*' can match no image", 'write prefix = "quay.io"')],
        cure=[("quay.io/*", "quay.io")],
        routes={"quay.io/a/b:1": "m.test/a/b:1"},
    ),
    Mistake(
        file="mistakes/26-tls-verify.conf",
        said=[("warning", 3, "is no key", "write insecure = true")],
        cure=[("tls-verify = false", "insecure = true")],
        routes={"m.test:5000/a/b:1": "m.test:5000/a/b:1 (insecure)"},
    ),
    Mistake(
        file="mistakes/28-username.conf",
        said=[
            ("warning", 3, "credentials have no place here", "`skopeo login`"),
            ("warning", 4, "credentials have no place here", "`skopeo login`"),
        ],
        cure=[('username = "bob"\npassword = "hunter2"\n', "")],
    ),
    Mistake(
        file="mistakes/30-usqr-end.conf",
        said=[
            ("warning", 4, "has no effect in this table", "move it to the top of the file"),
            ("warning", 5, "has no effect in this table", "move it to the top of the file"),
        ],
        cure=[
            ('unqualified-search-registries = ["docker.io"]\nshort-name-mode = "enforcing"\n', ""),
            ("[[reg", 'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "enforcing"\n[[reg'),
        ],
    ),
    Mistake(
        file="mistakes/32-mirror-first.conf",
        said=[("error", 1, "this mirror stands before any [[registry]]", "move it below the [[registry]]")],
        cure=[('[[registry.mirror]]\nlocation = "m.test"\n', ""), ('[[registry]]\nlocation = "docker.io"\n', HUB_M)],
        routes=HUB_THROUGH_M,
    ),
    Mistake(
        file="mistakes/34-yaml.conf",
        said=[("error", 1, "this is YAML; registries.conf is TOML", "[[registry]] and location")],
        cure=[
            (
                "registries:\n  - name: Docker Hub\n    api_url: https://registry-1.docker.io\n    prefix: docker.io\n",
                HUB_M,
            )
        ],
        routes=HUB_THROUGH_M,
    ),
    Mistake(
        file="mistakes/36-heredoc.conf",
        said=[("error", 1, "the shell command that was to write the file", "remove this line, and the one at the end")],
        cure=[
            ("cat >/etc/containers/registries.conf<<EOF\n", ""),
            ("EOF\n", ""),
            ('[registries.search]\nregistries = ["docker.io"]', 'unqualified-search-registries = ["docker.io"]'),
        ],
    ),
    Mistake(
        file="mistakes/38-containerd.conf",
        said=[("warning", 1, "containerd's configuration", "`skopeo-mirror validate` prints a file")],
        cure=INSTEAD,
        routes=HUB_THROUGH_M,
    ),
    Mistake(
        file="mistakes/40-True.conf",
        said=[("error", 3, "a boolean is true or false, not True", "write insecure = true")],
        cure=[("True", "true")],
    ),
    Mistake(
        file="mistakes/42-var.conf",
        said=[("warning", 2, "'${PORT}' is of a template that nobody filled in", "put the value in its place")],
        cure=[("${PORT}", "5000")],
        routes={"localhost:5000/a/b:1": "localhost:5000/a/b:1 (insecure)"},
    ),
    Mistake(
        file="mistakes/44-prefix-library.conf",
        said=[("warning", 2, "'library' can match no image", "write docker.io/library")],
        cure=[('"library"', '"docker.io/library"')],
        routes={"alpine:3": "docker.io/library/alpine:3"},
    ),
    Mistake(
        file="mistakes/46-hub-location.conf",
        said=[("warning", 3, "is the web site of docker.io, no registry", 'location = "docker.io/someuser/rembg"')],
        cure=[("hub.docker.com", "docker.io")],
    ),
    Mistake(
        file="mistakes/48-v1v2mix.conf",
        said=[("error", 1, "version 1 of the format, and no skopeo reads it in one file with", "version 2")],
        cure=INSTEAD,
        routes={"quay.io/a/b:1": "quay.io/a/b:1"},
    ),
    Mistake(
        file="mistakes/50-search-as-mirror.conf",
        said=[("warning", None, EMPTY, "write a [[registry]] with location, and a [[registry.mirror]]")],
        cure=[('unqualified-search-registries = ["docker.m.daocloud.io", "docker.io"]\n', HUB_M)],
        routes=HUB_THROUGH_M,
    ),
    Mistake(
        file="mistakes/52-prefix-with-mirror-other-host-table.conf",
        said=[("warning", 7, "has no effect where m.test:5000 is a mirror, of docker.io", "write insecure = true")],
        cure=[('location = "m.test:5000"\n[[registry]]', 'location = "m.test:5000"\ninsecure = true\n[[registry]]')],
    ),
    Mistake(file="mistakes/54-mco.conf"),
    Mistake(
        file="mistakes/56-spaces.conf",
        said=[
            ("warning", 2, "it has blanks in it", 'write location = "docker.io"'),
            ("warning", 4, "it has blanks in it", 'write location = "m.test"'),
        ],
        cure=[(" docker.io ", "docker.io"), ("m.test ", "m.test")],
        routes=HUB_THROUGH_M,
    ),
    Mistake(
        file="mistakes/58-HTTP-upper.conf",
        said=[("warning", 4, "it has a scheme", 'write location = "m.test", and insecure = true')],
        cure=[('"HTTP://m.test"', '"m.test"\ninsecure = true')],
        routes={"alpine:3": "m.test/library/alpine:3 (insecure), docker.io/library/alpine:3"},
    ),
    Mistake(
        file="mistakes/60-underscore-keys.conf",
        said=[
            ("warning", 1, "is no key", "did you mean unqualified-search-registries?"),
            ("warning", 4, "is no key", "remove it: the mirrors say themselves"),
            ("warning", 7, "is no key", "did you mean pull-from-mirror?"),
        ],
        cure=[
            ("unqualified_search_registries", "unqualified-search-registries"),
            ("mirror_by_digest_only = true\n", ""),
            ("pull_from_mirror", "pull-from-mirror"),
        ],
        routes={"quay.io/a/b:1": "quay.io/a/b:1"},
    ),
    Mistake(
        file="mistakes/62-blocked-mirror-false.conf",
        said=[
            ("warning", 5, "has no effect on a mirror", "remove it"),
            ("warning", 6, "has no effect on a mirror", "remove it"),
        ],
        cure=[("blocked=false\nmirror-by-digest-only=false\n", "")],
        routes=HUB_THROUGH_M,
    ),
    Mistake(
        file="mistakes/64-mirror-location-mirror-of-original.conf",
        said=[("warning", 5, "is what the images are called: 'docker.io' is asked before m.test", "exchange the two")],
        cure=[
            ('location="m.test"', "location=M"),
            ('location="docker.io"', 'location="m.test"'),
            ("=M", '="docker.io"'),
        ],
        routes=HUB_THROUGH_M,
    ),
]


def rows() -> list[object]:
    return [pytest.param(mistake, id=mistake.file.partition("/")[2].removesuffix(".conf")) for mistake in MISTAKES]


def examined(text: str) -> Examination:
    return interpret_files([("FILE", text.encode())])


@pytest.mark.parametrize("mistake", rows())
def test_it_is_named_once_on_its_line_with_its_cure(mistake: Mistake) -> None:
    found = examined((DATA / mistake.file).read_text(encoding="utf-8")).problems
    assert [(str(problem.severity), problem.line) for problem in found] == [row[:2] for row in mistake.said]
    for problem, (_, _, cause, cure) in zip(found, mistake.said, strict=True):
        assert cause in problem.text
        assert cure in problem.advice
        assert "hunter2" not in str(problem)


@pytest.mark.parametrize("mistake", rows())
def test_the_cure_followed_gives_a_file_that_validates(mistake: Mistake) -> None:
    text = (DATA / mistake.file).read_text(encoding="utf-8")
    if mistake.cure is INSTEAD:
        (text,) = (problem.instead for problem in examined(text).problems)
    for old, new in mistake.cure:
        assert old in text
        text = text.replace(old, new)
    examination = examined(text)
    assert [str(problem) for problem in examination.problems if EMPTY not in problem.text] == []
    assert examination.configuration is not None
    found = {image: candidates(examination.configuration, image) for image in mistake.routes}
    assert found == mistake.routes


def test_every_file_is_in_the_table() -> None:
    files = {str(file.relative_to(DATA)) for folder in ("faults", "mistakes") for file in (DATA / folder).iterdir()}
    assert files == {mistake.file for mistake in MISTAKES}
