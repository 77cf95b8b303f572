"""Which manifests are those of single images of OCI's."""

from __future__ import annotations

import json

import pytest

from skopeo_mirror.manifest import DOCKER_MANIFEST
from skopeo_mirror.transfer.manifests import is_plain
from tests.values import image_index, image_manifest

PLAIN = image_manifest(b"config", b"layer")


@pytest.mark.parametrize(
    ("manifest", "plain"),
    [
        pytest.param(PLAIN, True, id="plain"),
        pytest.param(image_index(PLAIN), False, id="index"),
        pytest.param(json.dumps(json.loads(PLAIN) | {"mediaType": DOCKER_MANIFEST}).encode(), False, id="docker"),
        pytest.param(b"", None, id="nobody-gave-one"),
        pytest.param(b"<html>", None, id="no-manifest"),
    ],
)
def test_single_images_of_oci_are_plain(manifest: bytes, *, plain: bool | None) -> None:
    assert is_plain(manifest) is plain
