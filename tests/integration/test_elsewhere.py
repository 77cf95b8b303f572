"""Content that lives at a URL of its own, and requests that nothing explains: what is fetched, refused, and told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.rig.copying import (
    PLAIN,
    asked,
    configure,
    copy,
    entry,
    files_below,
    holds,
    only,
    pin_tag,
    report_of,
)
from tests.rig.faults import FAULTS, Fault, Place, answers
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import digest_of, make_image, make_index, make_random_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

BASE = make_random_layer("windows base", 3000)
TOP = make_random_layer("windows top", 1000)
BASE_DIGEST = digest_of(BASE.blob)
WINDOWS = "windows/base"


@pytest.fixture
def host() -> Iterator[FaultyRegistry]:
    """The host outside the route that has the base layer, at the path of a registry as Microsoft's has it."""
    with FaultyRegistry() as registry:
        registry.store.blobs[WINDOWS, BASE_DIGEST] = BASE.blob
        yield registry


@pytest.fixture
def source() -> Iterator[FaultyRegistry]:
    """A mirror; a real registry takes no image whose layers are elsewhere without being told to."""
    with FaultyRegistry() as registry:
        yield registry


def url_of(host: FaultyRegistry, user: str = "", query: str = "") -> str:
    return f"http://{user}{host.host}/v2/{WINDOWS}/blobs/{BASE_DIGEST}{query}"


def served_at(source: FaultyRegistry, url: str, *, docker: bool = False, number: int = 0) -> Image:
    """Have the source serve an image whose layer, or config (-1), has a URL; it lacks what is there."""
    image = make_image("windows", layers=[BASE, TOP], docker=docker, urls={number: [url]})
    source.serve("app", image)
    if number == 0:
        del source.store.blobs["app", BASE_DIGEST]
    return image


def run(program: Program, source: FaultyRegistry, *arguments: str, status: int = 0) -> dict[str, Any]:
    """Copy by way of the source, and return what the report says of the image."""
    configure(program, entry("prod.invalid", source.host))
    return only(copy(program, "--retries=0", *arguments, status=status))


@pytest.mark.parametrize("docker", [pytest.param(False, id="oci"), pytest.param(True, id="docker")])
@pytest.mark.parametrize("options", [pytest.param((), id="planned"), pytest.param(("--no-plan",), id="unplanned")])
def test_to_a_registry_a_layer_stays_where_it_is_and_that_is_told(
    skopeo_mirror: Program, source: FaultyRegistry, host: FaultyRegistry, *, docker: bool, options: tuple[str, ...]
) -> None:
    image = served_at(source, url_of(host, "me:hunter2@", "?t=hunter2"), docker=docker)
    with FaultyRegistry() as destination:
        arguments = ("--mirrors-only", *options, f"prod.invalid/app@{image.digest}", f"docker://{destination.host}")
        configure(skopeo_mirror, entry("prod.invalid", source.host))
        ran = skopeo_mirror("copy", "-r", "registries.conf", "--json", PLAIN, *arguments)
        assert destination.manifest("app", pin_tag(image)) == image.manifest
        assert ("app", BASE_DIGEST) not in destination.store.blobs
    copied = only(report_of(ran))
    assert (copied["status"], copied["confirmed"], copied["served_by"]["location"]) == ("copied", True, source.host)
    told = url_of(host, "***@", "?***")
    assert copied["elsewhere"] == [{"digest": BASE_DIGEST, "url": told, "fetched": False}]
    warnings = [line for line in ran.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    for words in (f"prod.invalid/app@{image.digest}", BASE_DIGEST, told, "left where they are"):
        assert words in warnings[0]
    assert "hunter2" not in ran.stdout + ran.stderr
    assert host.requests() == []


def test_to_a_layout_a_layer_stays_where_it_is(
    skopeo_mirror: Program, source: FaultyRegistry, host: FaultyRegistry
) -> None:
    image = served_at(source, url_of(host))
    index = make_index([image, make_image("another")])
    source.serve("app", index)
    del source.store.blobs["app", BASE_DIGEST]
    copied = run(skopeo_mirror, source, f"prod.invalid/app@{index.digest}", "oci:layout")
    assert copied["elsewhere"] == [{"digest": BASE_DIGEST, "url": url_of(host), "fetched": False}]
    assert BASE.blob not in files_below(skopeo_mirror.directory / "layout").values()
    again = run(skopeo_mirror, source, f"prod.invalid/app@{index.digest}", "oci:layout")
    assert again["status"] == "present"
    assert host.requests() == []


@pytest.mark.parametrize("option", ["--retries=0", "--no-plan", "--dry-run"])
@pytest.mark.parametrize("docker", [pytest.param(False, id="oci"), pytest.param(True, id="docker")])
def test_to_a_directory_mirrors_only_refuses_before_anything_is_asked(
    skopeo_mirror: Program, source: FaultyRegistry, host: FaultyRegistry, option: str, *, docker: bool
) -> None:
    image = served_at(source, url_of(host, query="?t=hunter2"), docker=docker)
    arguments = ("--mirrors-only", option, f"prod.invalid/app@{image.digest}", "dir:copied")
    failed = run(skopeo_mirror, source, *arguments, status=1)
    assert (failed["status"], failed["confirmed"], failed["served_by"]) == ("failed", False, None)
    for words in (BASE_DIGEST, url_of(host), "--mirrors-only", "docker:// and oci:"):
        assert words in failed["error"]
    assert "hunter2" not in failed["error"]
    assert host.requests() == []
    assert not any((skopeo_mirror.directory / "copied").rglob("manifest.json"))


@pytest.mark.parametrize("option", ["--retries=0", "--no-plan"])
def test_to_a_directory_it_is_fetched_told_and_not_counted_as_the_mirrors(
    skopeo_mirror: Program, source: FaultyRegistry, host: FaultyRegistry, option: str
) -> None:
    image = served_at(source, url_of(host, "me:hunter2@", "?t=hunter2"))
    configure(skopeo_mirror, entry("prod.invalid", source.host))
    arguments = (option, f"prod.invalid/app@{image.digest}", "dir:copied")
    ran = skopeo_mirror("copy", "-r", "registries.conf", "--json", PLAIN, *arguments)
    report = report_of(ran)
    copied = only(report)
    told = url_of(host, "***@", "?***")
    assert copied["elsewhere"] == [{"digest": BASE_DIGEST, "url": told, "fetched": True}]
    assert (copied["confirmed"], copied["served_by"]["location"]) == (True, source.host)
    own = len(image.manifest) + sum(len(blob) for blob in image.blobs.values()) - len(BASE.blob)
    assert copied["bytes"] == report["summary"]["served_by"][source.host]["bytes"] == own
    assert BASE.blob in files_below(skopeo_mirror.directory / "copied").values()
    assert f"fetched from no mirror: {BASE_DIGEST} from {told}" in ran.stderr
    assert "hunter2" not in ran.stdout + ran.stderr
    would = run(skopeo_mirror, source, "--dry-run", f"prod.invalid/app@{image.digest}", "dir:other")
    assert would["elsewhere"] == copied["elsewhere"]


def test_a_url_that_gives_nothing_costs_no_secret(
    skopeo_mirror: Program, source: FaultyRegistry, host: FaultyRegistry
) -> None:
    host.store.blobs.clear()
    image = served_at(source, url_of(host, "me:hunter2@", "?t=hunter2"))
    configure(skopeo_mirror, entry("prod.invalid", source.host))
    ran = skopeo_mirror(
        *("copy", "-r", "registries.conf", "--json", "--retries=0", "--log-dir=logs", "-v"),
        *(f"prod.invalid/app@{image.digest}", "dir:copied"),
    )
    failed = only(report_of(ran, status=1))
    assert failed["attempts"][0]["location"] == source.host
    logs = files_below(skopeo_mirror.directory / "logs")
    assert any(log is not None and host.host.encode() in log for log in logs.values())
    assert "hunter2" not in ran.stdout + ran.stderr
    assert not any(log is not None and b"hunter2" in log for log in logs.values())


@pytest.mark.parametrize("option", ["--retries=0", "--no-plan"])
@pytest.mark.parametrize("wrong", ["not there", "another"])
def test_a_url_that_gives_nothing_is_named_and_no_mirror_is_blamed_for_it(
    skopeo_mirror: Program, source: FaultyRegistry, host: FaultyRegistry, wrong: str, option: str
) -> None:
    host.store.blobs.clear()
    if wrong == "another":
        host.store.blobs[WINDOWS, BASE_DIGEST] = TOP.blob
    image = served_at(source, url_of(host, "me:hunter2@", "?t=hunter2"))
    failed = run(skopeo_mirror, source, option, f"prod.invalid/app@{image.digest}", "dir:copied", status=1)
    told = f"the layer {BASE_DIGEST} could not be had from its own URL, {url_of(host, '***@', '?***')}: "
    assert told in failed["error"]
    assert "hunter2" not in failed["error"]
    first = failed["attempts"][0]
    blob = f"/v2/app/blobs/{BASE_DIGEST}"
    assert (first["location"], first["stage"]) == (source.host, "blob")
    assert first["reason"] == ("not-found" if any(request.path == blob for request in source.requests()) else "other")


@pytest.mark.parametrize("option", ["--retries=0", "--no-plan"])
@pytest.mark.parametrize("whole", [pytest.param(True, id="layer-there"), pytest.param(False, id="layer-not-there")])
def test_from_a_layout_nothing_is_fetched(
    skopeo_mirror: Program, source: FaultyRegistry, host: FaultyRegistry, option: str, *, whole: bool
) -> None:
    image = served_at(source, url_of(host))
    name = f"prod.invalid/app@{image.digest}"
    run(skopeo_mirror, source, name, "oci:layout")
    layer = skopeo_mirror.directory / "layout" / "blobs" / "sha256" / BASE_DIGEST.removeprefix("sha256:")
    if whole:
        layer.write_bytes(BASE.blob)
    arguments = ("--from=oci:layout", option, name)
    failed = only(report_of(skopeo_mirror("copy", "--json", PLAIN, *arguments, "dir:copied"), status=1))
    assert (failed["status"], failed["served_by"]) == ("failed", None)
    assert "comes from a layout" in failed["error"]
    with FaultyRegistry() as destination:
        pushed = only(report_of(skopeo_mirror("copy", "--json", PLAIN, *arguments, f"docker://{destination.host}")))
    assert (pushed["status"], pushed["elsewhere"][0]["fetched"]) == ("copied", False)
    assert host.requests() == []


@pytest.mark.parametrize("target", ["oci:other", "dir:other", "docker://{}"])
def test_from_a_layout_what_can_be_read_in_two_ways_is_not_copied(
    skopeo_mirror: Program, source: FaultyRegistry, host: FaultyRegistry, target: str
) -> None:
    """A key may be in any case for skopeo, and its log tells nothing of what it fetches for a layout."""
    plain = make_image("plain", layers=[BASE, TOP])
    source.serve("app", plain)
    name = f"prod.invalid/app@{plain.digest}"
    run(skopeo_mirror, source, name, "oci:layout")
    layout = skopeo_mirror.directory / "layout"
    url = url_of(host).encode()
    odd = plain.manifest.replace(b'"digest": "' + BASE_DIGEST.encode(), b'"URLs": ["' + url + b'"], \\0', 1).replace(
        b"\\0", b'"digest": "' + BASE_DIGEST.encode()
    )
    assert url in odd
    (layout / "blobs" / "sha256" / digest_of(odd).removeprefix("sha256:")).write_bytes(odd)
    index = (layout / "index.json").read_text()
    index = index.replace(plain.digest, digest_of(odd)).replace(f'"size":{len(plain.manifest)}', f'"size":{len(odd)}')
    (layout / "index.json").write_text(index)
    name = f"prod.invalid/app@{digest_of(odd)}"
    with FaultyRegistry() as destination:
        ran = skopeo_mirror("copy", "--json", PLAIN, "--from=oci:layout", name, target.format(destination.host))
    failed = only(report_of(ran, status=1))
    assert "read in two ways" in failed["error"]
    assert host.requests() == []


def test_a_config_at_a_url_is_fetched_whatever_the_destination_and_so_is_refused(
    skopeo_mirror: Program, source: FaultyRegistry, host: FaultyRegistry
) -> None:
    """The config is needed: skopeo fetches it from its URL, for a registry and for a layout, too."""
    plain = make_image("windows", layers=[BASE, TOP])
    assert plain.config_digest is not None
    host.store.blobs[WINDOWS, plain.config_digest] = plain.blobs[plain.config_digest]
    url = url_of(host).replace(BASE_DIGEST, plain.config_digest)
    image = served_at(source, url, number=-1)
    name = f"prod.invalid/app@{image.digest}"
    failed = run(skopeo_mirror, source, "--mirrors-only", name, "oci:layout", status=1)
    assert "fetch the config" in failed["error"]
    assert host.requests() == []
    doubtful = run(skopeo_mirror, source, "--mirrors-only", "--no-plan", name, "oci:layout", status=1)
    assert "not confirmed: skopeo read" in doubtful["error"]
    copied = run(skopeo_mirror, source, name, "oci:layout")
    assert copied["elsewhere"] == [{"digest": plain.config_digest, "url": url, "fetched": True}]


@pytest.fixture
def realm(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyRegistry]:
    """A host outside the route that a mirror sends for a token, to a path like that of a manifest."""
    monkeypatch.setitem(FAULTS[Place.MANIFEST], "token", answers(200, b'{"token": "abc"}'))
    with FaultyRegistry(Fault(place=Place.MANIFEST, kind="token")) as registry:
        challenge = f'Bearer realm="http://{registry.host}/v2/x/manifests/token",service="s"'
        monkeypatch.setitem(FAULTS[Place.PING], "realm", answers(401, b"{}", WWW_Authenticate=challenge))
        yield registry


@pytest.mark.usefixtures("realm")
@pytest.mark.parametrize("option", ["--retries=0", "--no-plan", "--dry-run"])
@pytest.mark.parametrize("reference", ["app:v1", "app@{}"], ids=["tag", "digest"])
def test_after_a_doubt_the_next_candidate_is_asked(
    skopeo_mirror: Program, mirror: Registry, image: Image, option: str, reference: str
) -> None:
    mirror.push("app", image, "v1")
    with FaultyRegistry(Fault(place=Place.PING, kind="realm")) as doubtful:
        doubtful.serve("app", image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", doubtful.host, mirror.host))
        name = f"prod.invalid/{reference.format(image.digest)}"
        copied = only(copy(skopeo_mirror, "--mirrors-only", option, name, "oci:layout"))
    assert (copied["confirmed"], copied["served_by"]["location"]) == (True, mirror.host)
    first = copied["attempts"][0]
    assert (first["location"], first["outcome"], first["reason"]) == (doubtful.host, "failed", "other")
    assert "not confirmed: skopeo read token from" in first["detail"]
    assert asked(mirror, "manifests")


@pytest.mark.usefixtures("realm")
@pytest.mark.parametrize("command", ["copy", "pin"])
def test_where_nobody_is_left_the_words_of_the_doubt_are_told(
    skopeo_mirror: Program, image: Image, command: str
) -> None:
    with FaultyRegistry(Fault(place=Place.PING, kind="realm")) as doubtful:
        doubtful.serve("app", image, "v1")
        configure(skopeo_mirror, entry("prod.invalid", doubtful.host))
        target = ["oci:layout"] if command == "copy" else []
        ran = skopeo_mirror(command, "-r", "registries.conf", "--mirrors-only", "prod.invalid/app:v1", *target)
    assert ran.status == 1
    assert "not confirmed: skopeo read token from" in ran.stdout + ran.stderr


@pytest.mark.usefixtures("realm")
def test_a_doubtful_copy_to_a_registry_is_no_copy(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, image: Image
) -> None:
    """It was pushed already; who comes next would be believed for bytes that are not its own."""
    mirror.push("app", image)
    with FaultyRegistry(Fault(place=Place.PING, kind="realm")) as doubtful:
        doubtful.serve("app", image)
        configure(skopeo_mirror, entry("prod.invalid", doubtful.host, mirror.host))
        arguments = ("--no-plan", f"prod.invalid/app@{image.digest}", f"docker://{destination.host}")
        failed = only(copy(skopeo_mirror, *arguments, status=1))
    assert (failed["status"], failed["confirmed"], failed["served_by"]) == ("failed", False, None)
    assert failed["error"].startswith("not confirmed: ")
    assert [attempt["outcome"] for attempt in failed["attempts"]] == ["failed"]


def test_tokens_and_signatures_are_explained(
    skopeo_mirror: Program,
    destination: Registry,
    image: Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token server of another host, a lookaside of a third, a `.sig` in the mirror: all that registries.d causes."""
    with FaultyRegistry() as tokens, FaultyRegistry() as signatures:
        challenge = f'Bearer realm="http://{tokens.host}/v2/?a=b",service="s"'
        monkeypatch.setitem(FAULTS[Place.PING], "realm", answers(401, b"{}", WWW_Authenticate=challenge))
        with FaultyRegistry(Fault(place=Place.PING, kind="realm")) as source:
            source.serve("app", image)
            directory = skopeo_mirror.home / ".config" / "containers" / "registries.d"
            directory.mkdir(parents=True)
            (directory / "all.yaml").write_text(
                f"default-docker:\n  lookaside: http://{signatures.host}/sigs\n  use-sigstore-attachments: true\n"
            )
            configure(skopeo_mirror, entry("prod.invalid", source.host))
            arguments = ("--mirrors-only", f"prod.invalid/app@{image.digest}", f"docker://{destination.host}")
            copied = only(copy(skopeo_mirror, *arguments))
            assert any(path.endswith(".sig") for path in [request.path for request in source.requests()])
        assert (copied["confirmed"], copied["served_by"]["location"]) == (True, source.host)
        assert any("scope=repository%3Aapp%3Apull" in request.path for request in tokens.requests())
        assert any("/sigs/app@sha256=" in request.path for request in signatures.requests())
    assert holds(destination, "app", pin_tag(image), image)
