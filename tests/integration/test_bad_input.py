"""Bad input gets one clear message and an exit status, and nothing is asked, copied or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import asked, configure, copy, entry, files_below, only
from tests.rig.images import make_image
from tests.rig.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.program import Program

IMAGE = make_image("bad-input")
GOOD = f"prod.invalid/ns/app@{IMAGE.digest}"
LIST = "images.txt"
CONF = "other.conf"
HEX = "a1" * 32


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a mirror that would serve, if it were asked."""
    with Registry(tmp_path_factory.mktemp("serving")) as registry:
        registry.push("ns/app", IMAGE)
        yield registry


def refused(
    program: Program,
    serving: Registry,
    arguments: list[str],
    files: dict[str, bytes],
    *,
    status: int = 2,
    env: dict[str, str] | None = None,
) -> list[str]:
    """Run in a directory that holds `files`; return the error's lines after what holds for every refusal."""
    configure(program, entry("prod.invalid", serving.host))
    temporary = program.directory / "temporary"
    temporary.mkdir()
    for name, content in files.items():
        file = program.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    before = files_below(program.directory)
    serving.forget()
    run = program(*arguments, env={"TMPDIR": str(temporary), **(env or {})})
    assert run.status == status, run.stderr
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    assert files_below(program.directory) == before
    assert asked(serving) == []
    return [line for line in run.stderr.splitlines() if line.lower().startswith("error: ")]


USAGE = [
    pytest.param([], "no destination", id="nothing"),
    pytest.param([GOOD], "is no destination", id="no-destination"),
    pytest.param(["dir:out"], "no image", id="no-image"),
    pytest.param([GOOD, "registry:out"], "'registry:out' is no destination", id="unknown-transport"),
    pytest.param([GOOD, "docker-archive:out.tar"], "is no destination", id="another-transport-of-skopeo"),
    pytest.param([GOOD, "a.invalid/x/"], "write docker://a.invalid/x, oci:DIR", id="no-transport"),
    pytest.param([GOOD, "localhost:5000"], "write docker://localhost:5000, oci:DIR", id="a-port-and-no-transport"),
    pytest.param([GOOD, "docker:/a.invalid/x"], "write docker://a.invalid/x, oci:DIR", id="a-slash-too-few"),
    pytest.param([GOOD, "https://a.invalid/x"], "write docker://a.invalid/x, oci:DIR", id="https"),
    pytest.param(
        [GOOD, "http://a.invalid/x"], "write docker://a.invalid/x with --dest-tls-verify=false, oci:DIR", id="http"
    ),
    pytest.param([GOOD, "a.invalid/x:v1"], "write docker://HOST[:PORT][/PATH], oci:DIR", id="an-image-last"),
    pytest.param([GOOD, "dir:"], "names no directory", id="no-directory"),
    pytest.param([GOOD, "docker://"], "is no registry host", id="no-registry"),
    pytest.param([GOOD, "docker://name/path"], "is no registry host", id="registry-without-host"),
    pytest.param([GOOD, "docker://a.invalid/Upper"], "lower case", id="upper-case-destination"),
    pytest.param([GOOD, "docker://a.invalid/x:v1"], "has a tag", id="destination-with-tag"),
    pytest.param(["--no-such-option", GOOD, "dir:out"], "--no-such-option", id="unknown-option"),
    pytest.param(["--dest-creds=u:p", GOOD, "dir:out"], "--dest-creds; credentials come from an auth file", id="creds"),
    pytest.param(["--src-tls-verify", "false", GOOD, "dir:out"], "`insecure = true` in", id="tls-verify-of-sources"),
    pytest.param(["-a", GOOD, "dir:out"], "every image is copied whole", id="all"),
    pytest.param(["--jobs=0", GOOD, "dir:out"], "--jobs", id="no-jobs"),
    pytest.param(["--jobs=many", GOOD, "dir:out"], "--jobs", id="jobs-no-number"),
    pytest.param(["--retries=-1", GOOD, "dir:out"], "--retries", id="negative-retries"),
    pytest.param(["--max-nested-paths=-1", GOOD, "dir:out"], "--max-nested-paths", id="negative-paths"),
    pytest.param(["--timeout=soon", GOOD, "dir:out"], "--timeout 'soon': is no duration", id="duration"),
    pytest.param(["--stall-timeout=60", GOOD, "dir:out"], "--stall-timeout '60'", id="duration-without-unit"),
    pytest.param(["--dest-tls-verify=maybe", GOOD, "dir:out"], "--dest-tls-verify 'maybe'", id="no-boolean"),
    pytest.param(["--shard=3/2", GOOD, "dir:out"], "--shard '3/2'", id="shard"),
    pytest.param(["--skopeo-option=--all", GOOD, "dir:out"], "belongs to the tool", id="owned-option"),
    pytest.param(["--skopeo-option=--registries-conf=x", GOOD, "dir:out"], "belongs to the tool", id="owned-global"),
    pytest.param(["--skopeo-option=--src-tls-verify=false", GOOD, "dir:out"], "belongs to the tool", id="tls-verify"),
    pytest.param(["--skopeo-option=--dest-creds=u:p", GOOD, "dir:out"], "a secret", id="secret-option"),
    pytest.param(["--skopeo-option=--src-password=p", GOOD, "dir:out"], "a secret", id="secret-password"),
    pytest.param(["--skopeo-option=dir:elsewhere", GOOD, "dir:out"], "is no long option", id="option-is-none"),
    pytest.param(["--authfile=missing", GOOD, "dir:out"], "missing: cannot be read", id="no-authfile"),
    pytest.param(["--src-authfile=missing", GOOD, "dir:out"], "missing: cannot be read", id="no-src-authfile"),
    pytest.param(["--dest-authfile=missing", GOOD, "dir:out"], "missing: cannot be read", id="no-dest-authfile"),
    pytest.param(["--policy=missing", GOOD, "dir:out"], "missing: cannot be read", id="no-policy"),
    pytest.param(["--registries-conf-dir=missing", GOOD, "dir:out"], "missing: ", id="no-drop-in-directory"),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE)
def test_usage(skopeo_mirror: Program, serving: Registry, arguments: list[str], words: str) -> None:
    [line] = refused(skopeo_mirror, serving, ["copy", "-r", "registries.conf", *arguments], {})
    assert words in line


REFERENCES = [
    pytest.param("prod.invalid/Upper/app:v1", "lower case", id="upper-case-path"),
    pytest.param("prod.invalid/app@sha256:abc", "'prod.invalid/app@sha256:abc'", id="short-digest"),
    pytest.param(f"prod.invalid/app@sha256:{HEX.upper()}", "lower case", id="upper-case-digest"),
    pytest.param(f"prod.invalid/app@md5:{HEX}", "md5", id="unknown-algorithm"),
    pytest.param(f"prod.invalid/{'a' * 250}:v1", "more than 255", id="long-name"),
    pytest.param(f"prod.invalid/app:{'a' * 129}", "is no image reference", id="long-tag"),
    pytest.param("prod.invalid/app:", "is no image reference", id="empty-tag"),
    pytest.param("prod.invalid/app name", "is no image reference", id="space"),
    pytest.param("https://prod.invalid/app:v1", "https://", id="url"),
    pytest.param(f"sha256:{HEX}", "digest", id="nothing-but-a-digest"),
    pytest.param(f"@sha256:{HEX}", "is no image reference", id="nothing-before-the-digest"),
    pytest.param(HEX, HEX, id="an-image-id"),
]


@pytest.mark.parametrize(("reference", "words"), REFERENCES)
def test_reference(skopeo_mirror: Program, serving: Registry, reference: str, words: str) -> None:
    [line] = refused(skopeo_mirror, serving, ["copy", "-r", "registries.conf", GOOD, reference, "dir:out"], {})
    assert words in line


@pytest.mark.parametrize("command", ["route -r registries.conf", "pin -r registries.conf", "images"])
def test_reference_of_other_commands(skopeo_mirror: Program, serving: Registry, command: str) -> None:
    [line] = refused(skopeo_mirror, serving, [*command.split(), GOOD, "prod.invalid/Upper"], {})
    assert "lower case" in line


def test_a_list_that_names_no_image_is_a_warning(skopeo_mirror: Program) -> None:
    (skopeo_mirror.directory / LIST).write_text("# none\n")
    run = skopeo_mirror("images", "-f", LIST)
    assert (run.status, run.stdout, run.stderr) == (0, "", f"warning: {LIST}: names no image\n")


def test_all_bad_references_are_told_at_once(skopeo_mirror: Program, serving: Registry) -> None:
    files = {LIST: f"# good\r\n{GOOD}\r\nprod.invalid/Upper\r\n".encode(), "more.txt": b"a@sha256:1\n\n\xff\nfine:v1\n"}
    arguments = ["copy", "-r", "registries.conf", "-f", LIST, "-f", "more.txt", "also/Bad", "dir:out"]
    lines = refused(skopeo_mirror, serving, arguments, files)
    places = {line.removeprefix("error: ").partition(" ")[0] for line in lines}
    assert places == {"'also/Bad'", f"{LIST}:3:", "more.txt:1:", "more.txt:3:"}
    assert len(lines) == 4


LISTS = [
    pytest.param({}, LIST, "cannot be read: No such file", id="missing"),
    pytest.param({f"{LIST}/inside": b""}, LIST, "cannot be read: Is a directory", id="directory"),
    pytest.param({LIST: f"{GOOD}\nprod.invalid/café:v1\n".encode("latin-1")}, f"{LIST}:2", "UTF-8", id="not-utf-8"),
    pytest.param({LIST: f"{GOOD}=\n".encode()}, f"{LIST}:1", "destination", id="no-destination-after-equals"),
    pytest.param({LIST: f"{GOOD}=a.invalid/Upper\n".encode()}, f"{LIST}:1", "lower case", id="its-own-destination"),
    pytest.param({LIST: b"\x00\x01\x02\n"}, f"{LIST}:1", "is no image reference", id="binary"),
]


@pytest.mark.parametrize(("files", "place", "words"), LISTS)
def test_image_list(skopeo_mirror: Program, serving: Registry, files: dict[str, bytes], place: str, words: str) -> None:
    [line] = refused(skopeo_mirror, serving, ["copy", "-r", "registries.conf", "-f", LIST, "dir:out"], files)
    assert line.startswith(f"error: {place}:")
    assert words in line


@pytest.mark.parametrize(
    "destination",
    [
        pytest.param("docker://h.invalid\x1b[31m\nx/y", id="host"),
        pytest.param("docker://h.invalid/x\x1b[31m\ny", id="path"),
        pytest.param("docker://h.invalid/x:v1\x9b31m\u2028", id="tag"),
        pytest.param("docker://bob:hunter2@h.invalid/x", id="credentials"),
        pytest.param("scp:x\x1b[31m\ny", id="transport"),
        pytest.param("oci:images.txt\x1b[31m\r\ny", id="layout"),
        pytest.param("dir:images.txt\x1b[31m\r\ny/z", id="directory"),
    ],
)
def test_nothing_of_the_destination_is_acted_upon(skopeo_mirror: Program, serving: Registry, destination: str) -> None:
    files = {"images.txt\x1b[31m\r\ny": b""}
    configure(skopeo_mirror, entry("prod.invalid", serving.host))
    for name, content in files.items():
        (skopeo_mirror.directory / name).write_bytes(content)
    run = skopeo_mirror("copy", "-r", "registries.conf", GOOD, destination)
    assert run.status == 2
    assert run.stderr.endswith("\n")
    assert run.stderr[:-1].isprintable()
    assert "hunter2" not in run.stderr


REGISTRY = '[[registry]]\nlocation = "prod.invalid"\n'
CONFIGURATIONS = [
    pytest.param(None, f"{CONF}: cannot be read: No such file", id="missing"),
    pytest.param(f"{REGISTRY}insecure = = true\n", f"{CONF}:3:12: no TOML", id="no-toml"),
    pytest.param('unqualified-search-registries = ["a"\n', f"{CONF}:", id="no-toml-at-the-end"),
    pytest.param('[registries.search]\nregistries = ["prod.invalid"]\n', "version 1", id="version-1"),
    pytest.param('[registry]\nlocation = "prod.invalid"\n', "[[registry]] instead of [registry]", id="single-table"),
    pytest.param(f'{REGISTRY}insecure = "true"\n', "registry[0] (prod.invalid).insecure: must be true", id="string"),
    pytest.param(
        f"{REGISTRY}[[registry.mirror]]\ninsecure = true\n", "mirror[0].location: is missing", id="no-mirror-location"
    ),
    pytest.param(
        f'{REGISTRY}[[registry.mirror]]\nlocation = "https://m.invalid"\n', "mirror[0].location: 'https", id="scheme"
    ),
    pytest.param('[[registry]]\nlocation = "http://prod.invalid"\n', "registry[0]", id="scheme-of-the-registry"),
    pytest.param("[[registry]]\ninsecure = true\n", "registry[0]", id="neither-prefix-nor-location"),
    pytest.param(
        f'{REGISTRY}mirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.invalid"\n'
        'pull-from-mirror = "tag-only"\n',
        "pull-from-mirror",
        id="two-ways-to-say-when",
    ),
    pytest.param(f'{REGISTRY}[[registry.mirror]]\nlocation="m.invalid"\npull-from-mirror="any"\n', "'any'", id="use"),
]


@pytest.mark.parametrize(("content", "words"), CONFIGURATIONS)
def test_registries_conf(skopeo_mirror: Program, serving: Registry, content: str | None, words: str) -> None:
    files = {} if content is None else {CONF: content.encode()}
    [line] = refused(skopeo_mirror, serving, ["copy", "-r", CONF, GOOD, "dir:out"], files)
    assert line.startswith(f"error: {CONF}:")
    assert words in line


@pytest.mark.parametrize("command", ["route", "pin", "normalize"])
def test_registries_conf_of_other_commands(skopeo_mirror: Program, serving: Registry, command: str) -> None:
    asking = [] if command == "normalize" else [GOOD]
    [line] = refused(skopeo_mirror, serving, [command, "-r", CONF, *asking], {CONF: b"[registry]\n"})
    assert line.startswith(f"error: {CONF}:")


def test_registries_conf_that_is_a_directory(skopeo_mirror: Program, serving: Registry) -> None:
    arguments = ["copy", "-r", "conf.d", GOOD, "dir:out"]
    [line] = refused(skopeo_mirror, serving, arguments, {"conf.d/some.conf": REGISTRY.encode()})
    assert line.startswith("error: conf.d: cannot be read: Is a directory")


LOST = b'location = "prod.invalid"\nmirror-by-digest-only = true\n'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(LOST, "the [[registry]] headers got lost", id="headers-lost"),
        pytest.param(b"", "nothing is redirected", id="empty"),
        pytest.param(f"{REGISTRY}insecur = true\n".encode(), "insecur: is no key", id="unknown-key"),
    ],
)
def test_a_registries_conf_that_is_surely_not_meant(
    skopeo_mirror: Program, serving: Registry, content: bytes, words: str
) -> None:
    """A warning; an error with --strict."""
    arguments = ["-r", CONF, GOOD, "dir:out"]
    lines = refused(skopeo_mirror, serving, ["copy", "--strict", *arguments], {CONF: content})
    assert any(words in line for line in lines)
    warned = skopeo_mirror("route", "-r", CONF, GOOD)
    assert warned.status == 0
    assert any(line.startswith(f"warning: {CONF}: ") and words in line for line in warned.stderr.splitlines())
    checked = skopeo_mirror("validate", CONF)
    assert (checked.status, skopeo_mirror("validate", "--strict", CONF).status) == (0, 2)
    assert words in checked.stdout


def script(words: str, status: int = 0) -> bytes:
    return f"#!/bin/sh\necho '{words}'\nexit {status}\n".encode()


@pytest.mark.parametrize("by", ["option", "variable", "path"])
@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        pytest.param(None, 0, "skopeo: no", id="missing"),
        pytest.param(script("skopeo version 1.9.3"), 0o644, "executable", id="not-executable"),
        pytest.param(script("skopeo version 1.8.0"), 0o755, "is skopeo 1.8.0; 1.9 or newer is needed", id="too-old"),
        pytest.param(script("git version 2.39"), 0o755, "does not answer `--version` as skopeo does", id="other"),
        pytest.param(script("", 127), 0o755, "does not answer `--version`", id="failing"),
        pytest.param(b"\x7fELF nonsense", 0o755, "skopeo", id="not-a-program"),
    ],
)
def test_skopeo(
    skopeo_mirror: Program, serving: Registry, content: bytes | None, mode: int, words: str, by: str
) -> None:
    path = skopeo_mirror.directory / "bin/skopeo"
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    option = ["--skopeo", str(path)] if by == "option" else []
    env = {"variable": {"SKOPEO_MIRROR_SKOPEO": str(path)}, "path": {"PATH": str(path.parent)}}.get(by)
    arguments = ["copy", "-r", "registries.conf", *option, GOOD, "dir:out"]
    [line] = refused(skopeo_mirror, serving, arguments, {}, status=3, env=env)
    assert words in line


OUTPUTS = [
    *(
        pytest.param(option, place, id=f"{option}-{place}")
        for option in ("--report", "--failed-images")
        for place in ("a-file/below", "missing/below", "/proc/skopeo-mirror", "a-directory")
    ),
    pytest.param("--metrics", "a-directory", id="--metrics-a-directory"),
    *(
        pytest.param("--log-dir", place, id=f"--log-dir-{place}")
        for place in ("a-file", "a-file/below", "/proc/skopeo-mirror")
    ),
]


@pytest.mark.parametrize(("option", "place"), OUTPUTS)
def test_output_that_cannot_be_written(skopeo_mirror: Program, serving: Registry, option: str, place: str) -> None:
    arguments = ["copy", "-r", "registries.conf", option, place, GOOD, "dir:out"]
    [line] = refused(skopeo_mirror, serving, arguments, {"a-file": b"", "a-directory/x": b""})
    assert place in line


@pytest.mark.parametrize("target", ["dir:a-file", "oci:a-file/below", "dir:a-file/below", "dir:/proc/images"])
def test_destination_that_cannot_be_written(skopeo_mirror: Program, serving: Registry, target: str) -> None:
    [line] = refused(skopeo_mirror, serving, ["copy", "-r", "registries.conf", GOOD, target], {"a-file": b""})
    assert target.partition(":")[2].removesuffix("/below") in line


def test_a_failed_run_says_what_is_wrong_on_standard_error_alone_with_json(
    skopeo_mirror: Program, serving: Registry
) -> None:
    arguments = ["copy", "--json", "-r", "registries.conf", "prod.invalid/Upper", "dir:out"]
    assert len(refused(skopeo_mirror, serving, arguments, {})) == 1


def test_the_same_with_good_input_succeeds(skopeo_mirror: Program, serving: Registry) -> None:
    """What the tests above refuse is refused for the one thing that is bad."""
    configure(skopeo_mirror, entry("prod.invalid", serving.host))
    (skopeo_mirror.directory / LIST).write_text(GOOD)
    assert only(copy(skopeo_mirror, "-f", LIST, "dir:out"))["status"] == "copied"
