"""What a skopeo that stays is asked, and what a skopeo of its own is where that cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.transfer.engine import LOOKS
from tests.rig.copying import configure, copy, entry, pin_tag, statuses
from tests.rig.counting import Counting
from tests.rig.images import make_image, make_multi_architecture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.rig.images import Image
    from tests.rig.program import Program
    from tests.rig.registry import Registry

REFUSES = "exit 1"
DIES_AT_ONCE = 'exec python3 -c "import socket; socket.socket(fileno=0).recv(1000)"'
TALKS_NONSENSE = "exec python3 -c \"import socket, time; socket.socket(fileno=0).send(b'42'); time.sleep(60)\""
BEGUN = r"{\"success\": true, \"value\": \"0.2.3\", \"pipeid\": 0, \"error\": \"\"}"
BEGINS_AND_DIES = (
    'exec python3 -c "import socket; it = socket.socket(fileno=0); it.recv(1000); '
    f"it.send(b'{BEGUN}'); it.recv(1000)\""
)


def bring(
    program: Program, destination: Registry, images: Sequence[Image], skopeo: Counting, *options: str
) -> dict[str, str]:
    """Run once with one job; the status of each image by its digest."""
    names = [f"prod.invalid/{image.digest[7:15]}@{image.digest}" for image in images]
    found = statuses(copy(program, f"--skopeo={skopeo.path}", "-j1", *options, *names, f"docker://{destination.host}"))
    return {name.partition("@")[2]: status for name, status in found.items()}


def push(mirror: Registry, program: Program, images: Sequence[Image]) -> None:
    for image in images:
        mirror.push(image.digest[7:15], image)
    configure(program, entry("prod.invalid", mirror.host))


def test_one_skopeo_tells_of_many_images(skopeo_mirror: Program, mirror: Registry, destination: Registry) -> None:
    """Whatever form an image has; a tag with another digest is no such image."""
    images = [*(make_image(f"{number}") for number in range(4)), make_image("docker", docker=True)]
    push(mirror, skopeo_mirror, images)
    skopeo = Counting(skopeo_mirror.directory)
    assert set(bring(skopeo_mirror, destination, images, skopeo).values()) == {"copied"}
    skopeo.started()
    mirror.forget()
    assert set(bring(skopeo_mirror, destination, images, skopeo).values()) == {"present"}
    started = skopeo.started()
    assert set(started) == {"experimental-image-proxy"}
    assert len(started) <= LOOKS
    assert mirror.requests() == []


def test_a_tag_that_has_another_digest_is_no_such_image(
    skopeo_mirror: Program, mirror: Registry, destination: Registry
) -> None:
    image, other = make_image("wanted"), make_image("other")
    push(mirror, skopeo_mirror, [image])
    destination.push(image.digest[7:15], other, pin_tag(image))
    skopeo = Counting(skopeo_mirror.directory)
    assert bring(skopeo_mirror, destination, [image], skopeo) == {image.digest: "copied"}
    assert skopeo.started() == ["experimental-image-proxy", "inspect", "inspect", "copy"]


@pytest.mark.parametrize("docker", [False, True])
def test_an_index_is_read_by_a_skopeo_of_its_own(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, *, docker: bool
) -> None:
    """One that stays would tell the digest of one of its images."""
    index = make_multi_architecture("index", docker=docker)
    push(mirror, skopeo_mirror, [index])
    skopeo = Counting(skopeo_mirror.directory)
    assert bring(skopeo_mirror, destination, [index], skopeo) == {index.digest: "copied"}
    skopeo.started()
    mirror.forget()
    assert bring(skopeo_mirror, destination, [index], skopeo) == {index.digest: "present"}
    assert skopeo.started() == ["experimental-image-proxy", "inspect"]
    assert mirror.requests() == []


@pytest.mark.parametrize(
    ("proxy", "proxies"),
    [
        pytest.param(REFUSES, 1, id="refuses"),
        pytest.param(DIES_AT_ONCE, 1, id="dies-at-once"),
        pytest.param(TALKS_NONSENSE, 1, id="talks-nonsense"),
        pytest.param(BEGINS_AND_DIES, 3, id="begins-and-dies"),
    ],
)
def test_where_none_stays_each_image_has_a_skopeo_of_its_own(
    skopeo_mirror: Program, mirror: Registry, destination: Registry, proxy: str, proxies: int
) -> None:
    images = [make_image(f"{number}") for number in range(3)]
    push(mirror, skopeo_mirror, images)
    skopeo = Counting(skopeo_mirror.directory, proxy)
    assert set(bring(skopeo_mirror, destination, images, skopeo).values()) == {"copied"}
    skopeo.started()
    assert set(bring(skopeo_mirror, destination, images, skopeo).values()) == {"present"}
    started = skopeo.started()
    assert (started.count("experimental-image-proxy"), started.count("inspect")) == (proxies, 3)


class TestPlans:
    """Read by a skopeo that stays while all images are single OCI images."""

    def test_of_plain_images_need_one_process(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry
    ) -> None:
        images = [make_image(f"{number}") for number in range(5)]
        push(mirror, skopeo_mirror, images)
        skopeo = Counting(skopeo_mirror.directory)
        assert set(bring(skopeo_mirror, destination, images, skopeo).values()) == {"copied"}
        started = skopeo.started()
        assert started.count("inspect") == 1
        assert started.count("experimental-image-proxy") <= 1 + LOOKS
        assert all(destination.manifest(image.digest[7:15], pin_tag(image)) == image.manifest for image in images)

    @pytest.mark.parametrize(
        "other", [make_image("d", docker=True), make_multi_architecture("i")], ids=["docker", "index"]
    )
    def test_of_an_image_that_is_other_than_most_need_its_own(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry, other: Image
    ) -> None:
        plain = [make_image(f"{number}") for number in range(4)]
        images = [*plain[:2], other, *plain[2:]]
        push(mirror, skopeo_mirror, images)
        skopeo = Counting(skopeo_mirror.directory)
        assert set(bring(skopeo_mirror, destination, images, skopeo).values()) == {"copied"}
        assert skopeo.started().count("inspect") == 2
        assert destination.manifest(other.digest[7:15], pin_tag(other)) == other.manifest

    def test_tell_of_a_mirror_that_has_not_got_an_image_and_ask_it_once(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry
    ) -> None:
        images = [make_image(f"{number}") for number in range(3)]
        for image in images:
            origin.push("app", image)
        mirror.push("app", images[0])
        configure(skopeo_mirror, entry(origin.host, mirror.host))
        names = [f"{origin.host}/app@{image.digest}" for image in images]
        skopeo = Counting(skopeo_mirror.directory)
        report = copy(skopeo_mirror, f"--skopeo={skopeo.path}", "-j1", *names, f"docker://{destination.host}")
        assert skopeo.started().count("inspect") == 1
        told = [
            [(one["kind"], one["outcome"], one["reason"]) for one in image["attempts"]] for image in report["images"]
        ]
        missed = [("mirror", "failed", "not-found"), ("origin", "served", None)]
        assert told == [[("mirror", "served", None)], missed, missed]
        for image in images[1:]:
            asked = [request for request in mirror.requests() if request.path.endswith(f"/manifests/{image.digest}")]
            assert len(asked) == 1

    def test_heed_a_drop_in_no_more_than_others_do(
        self, skopeo_mirror: Program, mirror: Registry, origin: Registry, destination: Registry
    ) -> None:
        """It would send everything elsewhere."""
        images = [make_image(f"{number}") for number in range(3)]
        push(mirror, skopeo_mirror, images)
        ambient = skopeo_mirror.home / ".config/containers/registries.conf.d"
        ambient.mkdir(parents=True)
        (ambient / "50.conf").write_text(entry("prod.invalid", origin.host) + entry(mirror.host, origin.host))
        skopeo = Counting(skopeo_mirror.directory)
        assert set(bring(skopeo_mirror, destination, images, skopeo).values()) == {"copied"}
        assert skopeo.started().count("inspect") == 1
        assert origin.requests() == []

    def test_keep_their_logs_where_that_is_asked_for(
        self, skopeo_mirror: Program, mirror: Registry, destination: Registry
    ) -> None:
        """The log of one that stays is of many images."""
        images = [make_image(f"{number}") for number in range(3)]
        push(mirror, skopeo_mirror, images)
        skopeo = Counting(skopeo_mirror.directory)
        bring(skopeo_mirror, destination, images, skopeo, "--log-dir=logs")
        assert skopeo.started().count("inspect") == 3
