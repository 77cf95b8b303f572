"""What a signature policy demands, and whether an index may come image by image under it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from skopeo_mirror.reference import Reference
from skopeo_mirror.skopeo.policy import parse_policy
from skopeo_mirror.transfer.asking import Asking
from tests.values import D1, D2, job

if TYPE_CHECKING:
    from skopeo_mirror.reference import PinnedReference

ANYTHING, REJECT = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]
SIGNED = [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}]
NAME = "prod.test/ns/app"
TAG, DIGEST, CHILD = f"{NAME}:v1", f"{NAME}@{D1}", f"{NAME}@{D2}"


def asking(default: list[dict[str, str]], **scopes: Any) -> Asking:
    document = {"default": default, "transports": {"docker": scopes}}
    return Asking(directory=Path("/nowhere"), policy=parse_policy(json.dumps(document).encode(), "policy.json"))


def pinned(text: str) -> PinnedReference:
    return Reference.parse(text).pin(D1)


@pytest.mark.parametrize(
    ("default", "scopes", "by"),
    [
        pytest.param(ANYTHING, {TAG: SIGNED}, TAG, id="its-tag"),
        pytest.param(ANYTHING, {NAME: SIGNED}, DIGEST, id="its-repository"),
        pytest.param(ANYTHING, {"prod.test/ns": SIGNED}, TAG, id="its-namespace"),
        pytest.param(ANYTHING, {"prod.test": SIGNED}, TAG, id="its-host"),
        pytest.param(ANYTHING, {"*.test": SIGNED}, TAG, id="its-hosts-parent"),
        pytest.param(ANYTHING, {"": SIGNED}, TAG, id="all-registries"),
        pytest.param(SIGNED, {}, DIGEST, id="everything"),
        pytest.param(SIGNED, {DIGEST: ANYTHING}, DIGEST, id="everything-but-its-digest"),
        pytest.param(REJECT, {TAG: ANYTHING}, TAG, id="everything-but-its-tag"),
        pytest.param(ANYTHING, {DIGEST: REJECT}, TAG, id="its-digest"),
        pytest.param(ANYTHING, {CHILD: REJECT}, TAG, id="an-image-of-it"),
        pytest.param(ANYTHING, {CHILD: SIGNED}, DIGEST, id="an-image-of-it-by-digest"),
    ],
)
def test_an_index_of_which_more_is_demanded_comes_whole(default: list[dict[str, str]], scopes: Any, by: str) -> None:
    assert not asking(default, **scopes).is_indifferent(job(by), pinned(by), [D2])


@pytest.mark.parametrize(
    ("default", "scopes"),
    [
        pytest.param(ANYTHING, {}, id="nothing"),
        pytest.param(ANYTHING, {"prod.test/other": REJECT}, id="of-another-repository"),
        pytest.param(REJECT, {NAME: ANYTHING}, id="but-for-its-repository"),
        pytest.param(ANYTHING, {f"{NAME}:v2": REJECT}, id="of-another-tag"),
    ],
)
def test_an_index_of_which_nothing_is_demanded_may_come_in_parts(default: list[dict[str, str]], scopes: Any) -> None:
    assert asking(default, **scopes).is_indifferent(job(TAG), pinned(TAG), [D2])
