"""What `normalize` makes of mirror sets has the installed skopeo try what `route` gives for the sets themselves."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import yaml

from skopeo_mirror.registries_conf.reading import examine
from skopeo_mirror.registries_conf.writing import normalized
from tests.integration.test_living_truth import DIGEST, skopeo_verdict, verdict

DATA = Path(__file__).parent.parent / "data" / "mirror-sets"
REAL = ["02", "13", "17", "19", "37", "41"]
PLACES = ["a.test", "a.test/n", "a.test/n/app", "b.test/n", "b.test:5000", "c.a.test/n", "docker.io/library"]
FIELDS = {
    "ImageDigestMirrorSet": "imageDigestMirrors",
    "ImageTagMirrorSet": "imageTagMirrors",
    "ImageContentSourcePolicy": "repositoryDigestMirrors",
}


def made(seed: int) -> str:
    """Write random objects that agree on the policy of each source."""
    chance = random.Random(seed)
    never = {place for place in PLACES if chance.random() < 0.2}
    documents = []
    for kind, field in FIELDS.items():
        entries = []
        for source in chance.sample([*PLACES, "*.a.test"], 4):
            mirrors = chance.sample(PLACES, chance.randint(1, 3))
            if source in never and (source in mirrors or kind == "ImageContentSourcePolicy"):
                continue
            policy = {"mirrorSourcePolicy": "NeverContactSource"} if source in never else {}
            entries.append({"source": source, "mirrors": mirrors, **policy})
        documents.append({"kind": kind, "metadata": {"name": kind.lower()}, "spec": {field: entries}})
    scopes = {name: chance.sample(PLACES[:5], 1) for name in ("insecureRegistries", "blockedRegistries")}
    documents.append({"kind": "Image", "spec": {"registrySources": scopes}})
    return yaml.safe_dump_all(documents)


SETS = [
    *(pytest.param(next(DATA.glob(f"real-{number}-*")).read_text(), id=f"real-{number}") for number in REAL),
    *(pytest.param(made(seed), id=f"made-{seed}") for seed in range(6)),
]


@pytest.mark.parametrize("text", SETS)
def test_skopeo_tries_what_route_gives(tmp_path: Path, text: str) -> None:
    sets, conf = tmp_path / "sets.yaml", tmp_path / "registries.conf"
    sets.write_text(text, encoding="utf-8")
    configuration = examine([sets]).configuration
    assert configuration is not None
    conf.write_text(normalized(configuration), encoding="utf-8")
    prefixes = [entry.prefix for entry in configuration.registries if entry.mirrors]
    for prefix in random.Random(0).sample(prefixes, min(2, len(prefixes))):
        for rest in (":v1", f"@{DIGEST}", f"/n/app@{DIGEST}", "/app:v1"):
            image = f"{re.sub(r'^[*]', 'x', prefix)}{rest if '/' in prefix else f'/x{rest}'}"
            ours = verdict([sets], image)
            assert skopeo_verdict(tmp_path, conf, image) == ours
