"""Which drop-ins of a host are in the way of which images, before any of them is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import InvalidConfiguration
from skopeo_mirror.registries_conf.model import AUTH_FILES, Configuration, Mirror, PullFromMirror, Registry
from skopeo_mirror.registries_conf.routing import Router
from skopeo_mirror.transfer.auditing import audit
from skopeo_mirror.transfer.jobs import prepare
from skopeo_mirror.transfer.layout_sourcing import LayoutSourcing
from skopeo_mirror.transfer.sourcing import Sourcing, find_sources
from tests.transfer.pipelines import request, shelf
from tests.values import D1

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = Configuration(
    registries=(
        Registry(
            prefix="prod.test",
            location="origin.test",
            mirrors=(
                Mirror(location="all.test/x"),
                Mirror(location="tags.test", pull_from_mirror=PullFromMirror.TAG_ONLY),
                Mirror(location="digests.test", pull_from_mirror=PullFromMirror.DIGEST_ONLY),
            ),
        ),
        Registry(prefix="broken.test/app", location="only-a-host.test"),
    )
)
SOURCING = Sourcing(router=Router(CONFIGURATION))
TAGGED = "prod.test/app:v1"
PINNED = f"prod.test/app@{D1}"


class Host:
    """A host whose drop-ins are those that `dropin` writes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def dropins(self) -> list[Path]:
        return sorted(self.directory.glob("*.conf"))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "registries.conf.d")


def dropin(host: Host, prefix: str, mirror: str | None = None) -> Path:
    file = host.directory / "one.conf"
    file.parent.mkdir()
    mirrors = "" if mirror is None else f'[[registry.mirror]]\nlocation = "{mirror}"\n'
    file.write_text(f'[[registry]]\nlocation = "{prefix}"\n{mirrors}')
    return file


def audited(host: Host, *images: str, sourcing: Sourcing | LayoutSourcing = SOURCING) -> dict[str, str]:
    jobs = prepare(map(request, images), sourcing, shelf())
    return audit((job.pull for job in jobs), host.dropins, AUTH_FILES)


@pytest.mark.parametrize(
    ("image", "prefix"),
    [
        pytest.param(TAGGED, "prod.test/app", id="its-name"),
        pytest.param(TAGGED, "all.test/x/app", id="a-mirror"),
        pytest.param(TAGGED, "tags.test/app", id="a-mirror-of-the-tag"),
        pytest.param(TAGGED, "origin.test/app", id="the-origin"),
        pytest.param(TAGGED, "d.test/m/app", id="its-place"),
        pytest.param(PINNED, "prod.test/app", id="digest-its-name"),
        pytest.param(PINNED, "digests.test/app", id="a-mirror-of-the-digest"),
        pytest.param(PINNED, "d.test/m/app", id="digest-its-place"),
        pytest.param(f"broken.test/app@{D1}", "d.test/m/app", id="unroutable-its-place"),
    ],
)
def test_what_would_reach_a_pull_is_refused(host: Host, image: str, prefix: str) -> None:
    file = dropin(host, prefix)
    with pytest.raises(InvalidConfiguration) as caught:
        audited(host, "other.test/b:1", image)
    [problem] = caught.value.problems
    assert str(file) in problem
    assert prefix in problem


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("prod.test", id="host"),
        pytest.param("all.test/x", id="namespace"),
        pytest.param("d.test/m", id="the-destinations-namespace"),
        pytest.param("prod.test/other", id="another-repository"),
        pytest.param("tags.test/app", id="a-mirror-of-tags"),
    ],
)
def test_what_reaches_none_of_the_pulls_may_stay(host: Host, prefix: str) -> None:
    dropin(host, prefix)
    assert audited(host, PINNED) == {}


def test_a_host_without_drop_ins(host: Host) -> None:
    assert audited(host, TAGGED, PINNED) == {}


def test_a_redirect_to_the_very_place_is_told(host: Host) -> None:
    file = dropin(host, "prod.test/app", "d.test/m/app")
    assert audited(host, TAGGED) == {"prod.test/app": str(file)}


def test_a_redirect_to_the_place_of_another_image_is_refused(host: Host) -> None:
    dropin(host, "prod.test/app", "d.test/m/b")
    with pytest.raises(InvalidConfiguration):
        audited(host, TAGGED, "other.test/b:1")


def test_images_from_a_layout_meet_the_destinations_drop_ins_only(host: Host, tmp_path: Path) -> None:
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout/index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    layout = LayoutSourcing(tmp_path / "layout")
    file = dropin(host, "prod.test/app")
    assert audited(host, PINNED, sourcing=layout) == {}
    file.write_text(file.read_text().replace("prod.test/app", "d.test/m/app"))
    with pytest.raises(InvalidConfiguration):
        audited(host, PINNED, sourcing=layout)


@pytest.mark.parametrize(
    ("prefix", "refused"),
    [
        pytest.param("prod.test/app", True, id="its-name"),
        pytest.param("all.test/x/app", True, id="a-mirror"),
        pytest.param("prod.test", False, id="host"),
        pytest.param("d.test/m/app", False, id="nothing-is-written"),
    ],
)
def test_what_is_only_read_meets_its_sources_drop_ins(host: Host, prefix: str, refused: bool) -> None:
    dropin(host, prefix)
    pulls = [(find_sources(request(image), SOURCING), None) for image in ("broken.test/app:v1", TAGGED)]
    if refused:
        with pytest.raises(InvalidConfiguration, match=prefix):
            audit(pulls, host.dropins, AUTH_FILES)
    else:
        audit(pulls, host.dropins, AUTH_FILES)
