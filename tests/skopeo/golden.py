"""Real logs of real skopeos: `tests/data/skopeo-logs/VERSION-CASE.log`, standard error of `skopeo --debug copy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skopeo_mirror.reference import Digest
from skopeo_mirror.skopeo.debuglog import LogReader

if TYPE_CHECKING:
    from skopeo_mirror.skopeo.debuglog import Event

LOGS = Path(__file__).parent.parent / "data/skopeo-logs"
VERSIONS = ("1.9.3", "1.22-dev")
CASES = ("b429", "bhang", "ct", "hang", "hangsec", "m429", "m429ra", "mhang", "served-by-third")
DIGEST = Digest.parse("sha256:5e069c3b9da836774013cfe67bbfec0986febae4791ea650895ee1f691ae4dce")
LAYER = "sha256:19b1f703528f4502dc1a807a2652c5c445cf96ee5d111f04c157d1468e30167e"
CONFIG = "sha256:ca34ce8d1d64c11f8faa37ea0dec1582018e0be5878cab167b2714924819d435"


def log_of(version: str, case: str) -> bytes:
    return (LOGS / f"{version}-{case}.log").read_bytes()


def events_of(log: bytes) -> list[Event]:
    """The events of a whole log, all at time 0."""
    reader = LogReader()
    reader.feed(log, 0.0)
    reader.close(0.0)
    return reader.events
