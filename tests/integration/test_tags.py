"""What is asked for by tag: its candidates are the tag's, and another tag of a repository is another image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.copying import asked, configure, copy, entry, holds, only, pin_tag
from tests.rig.faulty import FaultyRegistry
from tests.rig.images import make_image, make_multi_architecture
from tests.rig.operators import make_catalog_image, make_operators

if TYPE_CHECKING:
    from tests.rig.images import Image
    from tests.rig.program import Program, Run
    from tests.rig.registry import Registry

CATALOG = make_catalog_image(make_operators("prod.invalid/op"))


def filtered(origin: str, mirror: Registry, use: str) -> str:
    """Write an entry whose mirror is for tags or digests only, in any of the ways to say that."""
    if use == "mirror-by-digest-only":
        return entry(origin, mirror.host, mirror_by_digest_only=True)
    return entry(origin, mirror.host) + f'pull-from-mirror = "{use}"\n'


@pytest.fixture
def filled(skopeo_mirror: Program, mirror: Registry, origin: Registry) -> Program:
    """Return the tool with one index at the mirror and at the origin, and one catalog."""
    for registry in (mirror, origin):
        registry.push("ns/app", make_multi_architecture("app"), "v1")
        registry.push("op/index", CATALOG, "v1")
        registry.forget()
    return skopeo_mirror


DIGEST = make_multi_architecture("app").digest


@pytest.mark.parametrize("options", [[], ["--no-plan"], ["--mirrors-only"]], ids=["plan", "no plan", "mirrors only"])
def test_a_tag_only_mirror_serves_all_of_a_tag(
    filled: Program, mirror: Registry, origin: Registry, options: list[str]
) -> None:
    configure(filled, filtered(origin.host, mirror, "tag-only"))
    copied = only(copy(filled, *options, f"{origin.host}/ns/app:v1", "dir:images"))
    assert (copied["digest"], copied["served_by"]["location"]) == (DIGEST, mirror.host)
    assert [attempt["outcome"] for attempt in copied["attempts"]] == ["served"]
    assert origin.requests() == []
    assert asked(mirror, "blobs") != []


@pytest.mark.parametrize("options", [[], ["--no-plan"]], ids=["plan", "no plan"])
@pytest.mark.parametrize("lost", ["nothing", "a blob", "the tag"])
def test_mirrors_with_different_digests_under_a_tag_are_never_mixed(
    skopeo_mirror: Program, destination: Registry, options: list[str], lost: str
) -> None:
    """The first that has the tag says what it is; a mirror that is stale can give nothing else in its place."""
    new, old = make_image("new"), make_image("old")
    with FaultyRegistry() as first, FaultyRegistry() as stale:
        first.serve("ns/app", new, "v1")
        stale.serve("ns/app", old, "v1")
        if lost == "the tag":
            del first.store.manifests["ns/app", "v1"]
        if lost == "a blob":
            del first.store.blobs["ns/app", next(iter(new.blobs))]
        configure(skopeo_mirror, entry("prod.invalid", first.host, stale.host))
        arguments = [
            "--mirrors-only",
            "--retries=0",
            *options,
            "prod.invalid/ns/app:v1",
            f"docker://{destination.host}",
        ]
        found = only(copy(skopeo_mirror, *arguments, status=1 if lost == "a blob" else 0))
        locations = [attempt["location"] for attempt in found["attempts"]]
    if lost == "a blob":
        assert (found["status"], found["digest"]) == ("failed", new.digest)
        assert locations == [first.host, stale.host]
        assert not holds(destination, "ns/app", "v1", old)
    else:
        server, image = (stale, old) if lost == "the tag" else (first, new)
        assert (found["digest"], found["served_by"]["location"]) == (image.digest, server.host)
        assert holds(destination, "ns/app", "v1", image)


@pytest.mark.parametrize("how", ["dry run", "pin", "catalog"])
def test_a_tag_only_mirror_is_asked_by_all_commands(
    filled: Program, mirror: Registry, origin: Registry, how: str
) -> None:
    configure(filled, filtered(origin.host, mirror, "tag-only"))
    options = ["-r", "registries.conf", "--mirrors-only"]
    if how == "dry run":
        found = only(copy(filled, "--dry-run", "--mirrors-only", f"{origin.host}/ns/app:v1", "dir:images"))
        assert (found["status"], found["served_by"]["location"]) == ("would-copy", mirror.host)
    elif how == "pin":
        run = filled("pin", *options, f"{origin.host}/ns/app:v1")
        assert run.stdout == f"{origin.host}/ns/app:v1@{DIGEST}\n"
    else:
        run = filled("catalog", *options, f"{origin.host}/op/index:v1")
        assert "gamma" in run.stdout, run.stderr
    assert origin.requests() == []


@pytest.mark.parametrize("use", ["mirror-by-digest-only", "digest-only"])
@pytest.mark.parametrize("how", ["copy", "dry run", "pin", "catalog"])
def test_a_mirror_for_digests_has_no_part_in_a_tag(
    filled: Program, mirror: Registry, origin: Registry, use: str, how: str
) -> None:
    configure(filled, filtered(origin.host, mirror, use))
    options = ["--dry-run"] if how == "dry run" else []
    if how in {"copy", "dry run"}:
        found = only(copy(filled, *options, f"{origin.host}/ns/app:v1", "dir:images"))
        assert (found["digest"], found["served_by"]["location"]) == (DIGEST, origin.host)
    else:
        name = "op/index:v1" if how == "catalog" else "ns/app:v1"
        run = filled(how, "-r", "registries.conf", f"{origin.host}/{name}")
        assert run.status == 0, run.stderr
    assert mirror.requests() == []


def test_tag_and_digest_of_a_repository_each_have_their_own_candidates(
    filled: Program, mirror: Registry, second_mirror: Registry, origin: Registry
) -> None:
    """In one run, whose skopeos that stay read one file for all."""
    plain = {name: make_image(name) for name in ("one", "two")}
    for registry in (mirror, second_mirror, origin):
        for name, image in plain.items():
            registry.push("ns/plain", image, name)
    configure(
        filled,
        entry(origin.host, mirror.host) + 'pull-from-mirror = "tag-only"\n'
        f'[[registry.mirror]]\nlocation = "{second_mirror.host}"\ninsecure = true\npull-from-mirror = "digest-only"\n',
    )
    name = f"{origin.host}/ns/plain"
    wanted = [f"{name}:one", f"{name}:two", f"{name}@{plain['one'].digest}", f"{name}@{plain['two'].digest}"]
    report = copy(filled, *wanted, "dir:images")
    assert {image["image"]: image["served_by"]["location"] for image in report["images"]} == {
        wanted[0]: mirror.host,
        wanted[1]: mirror.host,
        wanted[2]: second_mirror.host,
        wanted[3]: second_mirror.host,
    }
    assert [
        request for request in origin.requests() if "plain" in request.path and "test-bench" not in request.path
    ] == []


class TestAllMirrors:
    """`--all-mirrors`: no mirror is for tags only, or for digests only."""

    @pytest.mark.parametrize(
        ("use", "reference"),
        [
            pytest.param("mirror-by-digest-only", ":v1", id="mirror-by-digest-only"),
            pytest.param("digest-only", ":v1", id="digest-only"),
            pytest.param("tag-only", f"@{DIGEST}", id="tag-only"),
        ],
    )
    def test_copies_and_routes(
        self, filled: Program, mirror: Registry, origin: Registry, use: str, reference: str
    ) -> None:
        configure(filled, filtered(origin.host, mirror, use))
        image = f"{origin.host}/ns/app{reference}"
        copied = only(copy(filled, "--all-mirrors", "--mirrors-only", image, "dir:images"))
        assert copied["served_by"]["location"] == mirror.host
        assert origin.requests() == []

        def routed(*options: str) -> str:
            return filled("route", "-r", "registries.conf", *options, image).stdout

        assert f"1. {mirror.host}/ns/app{reference}" in routed("--all-mirrors")
        assert "left out" not in routed("--all-mirrors")
        assert f"1. {origin.host}/ns/app{reference}" in routed()
        assert "(--all-mirrors uses it all the same)" in routed()

    @pytest.mark.parametrize("command", ["pin", "catalog", "images"])
    def test_on_every_command_that_asks_a_source(
        self, filled: Program, mirror: Registry, origin: Registry, command: str
    ) -> None:
        configure(filled, filtered(origin.host, mirror, "mirror-by-digest-only"))
        (filled.directory / "set.yaml").write_text(
            "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v1alpha2\n"
            f"mirror:\n  operators:\n  - catalog: {origin.host}/op/index:v1\n    packages: [{{name: gamma}}]\n"
        )
        asked_for = {
            "pin": [f"{origin.host}/ns/app:v1"],
            "catalog": [f"{origin.host}/op/index:v1"],
            "images": ["-c", "set.yaml"],
        }

        def run(*options: str) -> Run:
            return filled(command, "-r", "registries.conf", "--mirrors-only", *options, *asked_for[command])

        assert run("--all-mirrors").status == 0
        without = run()
        assert without.status == 1
        assert "no mirror that is configured for it may serve it, and --mirrors-only leaves out" in without.stderr
        assert f"not asked: {mirror.host}: mirror-by-digest-only" in without.stderr
        assert "--all-mirrors" in without.stderr

    def test_a_failed_copy_names_it(self, filled: Program, mirror: Registry, origin: Registry) -> None:
        configure(filled, filtered(origin.host, mirror, "digest-only"))
        failed = only(copy(filled, f"{origin.host}/ns/lacking:v1", "dir:images", status=1))
        assert f"origin {origin.host}/ns/lacking: not-found" in failed["error"]
        assert (
            f"not asked: {mirror.host}: pull-from-mirror is digest-only, and this is a tag (--all-mirrors"
            in failed["error"]
        )

    @pytest.mark.parametrize(("use", "told"), [("mirror-by-digest-only", True), ("digest-only", True), ("all", False)])
    def test_validate_names_it(self, filled: Program, mirror: Registry, use: str, told: bool) -> None:
        file = configure(filled, filtered("prod.invalid", mirror, use))
        run = filled("validate", str(file))
        assert run.status == 0
        note = f"note: tags of prod.invalid pass {mirror.host} by; --all-mirrors uses every mirror for tags, too\n"
        assert run.stderr == (note if told else "")
        assert "--all-mirrors" not in filled("validate", "--json", str(file)).stdout


class TestWhatIsNotUsed:
    """A tag that is blocked or cannot be routed is told of as a digest is."""

    @pytest.mark.parametrize("how", ["tag", "digest"])
    def test_a_blocked_one(self, skopeo_mirror: Program, mirror: Registry, image: Image, how: str) -> None:
        mirror.push("ns/app", image, "v1")
        configure(skopeo_mirror, entry(mirror.host, blocked=True))
        reference = f"{mirror.host}/ns/app" + (":v1" if how == "tag" else f"@{image.digest}")
        mirror.forget()
        failed = only(copy(skopeo_mirror, reference, "dir:images", status=1))
        [attempt] = failed["attempts"]
        assert (attempt["outcome"], attempt["reason"]) == ("skipped", "blocked")
        where = f"origin {mirror.host}/ns/app"
        assert failed["error"] == f"no candidate served it: {where}: skipped (it is blocked in registries.conf)"
        assert mirror.requests() == []

    @pytest.mark.parametrize("how", ["tag", "digest"])
    def test_one_without_route(self, skopeo_mirror: Program, image: Image, how: str) -> None:
        configure(skopeo_mirror, '[[registry]]\nprefix = "prod.invalid/app"\nlocation = "onlyahost.test"')
        reference = "prod.invalid/app" + (":v1" if how == "tag" else f"@{image.digest}")
        failed = only(copy(skopeo_mirror, reference, "dir:images", status=1))
        assert failed["attempts"] == []
        assert "registry[0] (prod.invalid/app).location 'onlyahost.test' makes it" in failed["error"]


class TestTheSameRepository:
    """Only the very name that is written is left out as a source."""

    @pytest.fixture
    def work(self, skopeo_mirror: Program, destination: Registry, image: Image) -> Program:
        """Return the tool where the destination is a mirror, too, and has an image."""
        destination.push("ns/app", image, "v1")
        configure(skopeo_mirror, entry(destination.host), entry("prod.invalid", destination.host))
        return skopeo_mirror

    @pytest.mark.parametrize("source", ["origin", "mirror"])
    @pytest.mark.parametrize("how", ["tag", "digest", "both"])
    def test_is_promoted(self, work: Program, destination: Registry, image: Image, source: str, how: str) -> None:
        host = destination.host if source == "origin" else "prod.invalid"
        reference = {"tag": ":v1", "digest": f"@{image.digest}", "both": f":v1@{image.digest}"}[how]
        line = f"{host}/ns/app{reference}={destination.host}/ns/app:stable\n"
        copied = only(
            copy(
                work,
                "--mirrors-only" if source == "mirror" else "--retries=0",
                "-f",
                "-",
                f"docker://{destination.host}",
                stdin=line,
            )
        )
        assert (copied["status"], copied["served_by"]["location"]) == ("copied", destination.host)
        assert holds(destination, "ns/app", "stable", image)
        again = copy(work, "-f", "-", f"docker://{destination.host}", stdin=line)
        assert (only(again)["status"], again["changed"]) == ("present", False)

    def test_an_index_is_promoted_whole(self, work: Program, destination: Registry) -> None:
        index = make_multi_architecture("promoted")
        destination.push("ns/app", index, "v2")
        line = f"prod.invalid/ns/app:v2={destination.host}/ns/app:stable\n"
        copied = only(copy(work, "--mirrors-only", "-f", "-", f"docker://{destination.host}", stdin=line))
        assert copied["digest"] == index.digest
        assert holds(destination, "ns/app", "stable", index)

    def test_the_very_tag_is_left_out(self, work: Program, destination: Registry, origin: Registry) -> None:
        other = make_image("newer")
        origin.push("ns/app", other, "v1")
        configure(work, entry(origin.host, destination.host))
        copied = only(copy(work, f"{origin.host}/ns/app:v1", f"docker://{destination.host}"))
        assert [(one["outcome"], one["reason"]) for one in copied["attempts"]] == [
            ("skipped", "destination"),
            ("served", None),
        ]
        assert holds(destination, "ns/app", "v1", other)

        configure(work, entry(destination.host))
        run = work("copy", "-r", "registries.conf", f"{destination.host}/ns/app:v1", f"docker://{destination.host}")
        assert run.status == 2
        assert "its only candidate is its own destination" in run.stderr

    def test_what_keeps_a_digest_there_is_the_digest(
        self, work: Program, destination: Registry, origin: Registry
    ) -> None:
        """By digest alone its name there is made of the digest: it is looked for, then brought from elsewhere."""
        other = make_image("by-digest")
        origin.push("ns/app", other)
        configure(work, entry(origin.host, destination.host))
        reference = f"{origin.host}/ns/app@{other.digest}"
        copied = only(copy(work, reference, f"docker://{destination.host}"))
        assert copied["served_by"]["location"] == origin.host
        assert [one["outcome"] for one in copied["attempts"]] == ["skipped", "served"]
        assert holds(destination, "ns/app", pin_tag(other), other)
        origin.forget()
        assert only(copy(work, reference, f"docker://{destination.host}"))["status"] == "present"
        assert origin.requests() == []
