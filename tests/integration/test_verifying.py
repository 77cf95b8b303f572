"""Production's signature is accepted from the mirror, by the policy.json and the registries.d that README.md shows."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from scripts.readme import README
from tests.rig.attached import CosignKey, attach, tag_of
from tests.rig.copying import configure, copy, entry
from tests.rig.images import make_image, make_multi_architecture
from tests.rig.signatures import say_where_signatures_are

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Podman
    from tests.rig.program import Program
    from tests.rig.registry import Registry

PRODUCTION, MIRROR = "quay.io/foo", "registry.example.com/mirror/foo"
"""As the page has them; here the first is never asked, and the second is the destination."""
KEY = "/etc/containers/foo.pub"
APP, MANY = make_image("app"), make_multi_architecture("many")
UNSIGNED = "no signature exists"
ENABLED = {"use-sigstore-attachments": True}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> CosignKey:
    return CosignKey.make(tmp_path_factory.mktemp("key"))


@pytest.fixture
def verifier(tmp_path: Path, destination: Registry, key: CosignKey) -> Verifier:
    """Return a host as README.md has it."""
    verifier = Verifier(home=tmp_path / "verifier", host=destination.host)
    for file in ("registries.d/mirror.yaml", "policy.json"):
        [shown] = re.findall(
            rf"^```\w+ file={file.rpartition('/')[2]}\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        verifier.say(file, shown.replace(KEY, str(key.public)))
    there = f'location = "{MIRROR}"\ninsecure = true\n'
    verifier.say("registries.conf", f'[[registry]]\nprefix = "{PRODUCTION}"\n{there}[[registry]]\n{there}')
    return verifier


@pytest.fixture
def images(skopeo_mirror: Program, mirror: Registry, key: CosignKey) -> list[str]:
    """Return images that are signed in production: one alone, and each of an index."""
    for name, made in {"app": APP, "many": MANY}.items():
        mirror.push(name, made, "v1")
        for signed in made.children or (made,):
            attach(mirror, name, signed, "sig", key.sign(signed, f"{PRODUCTION}/{name}"))
    configure(skopeo_mirror, entry(PRODUCTION, mirror.host))
    return [f"{PRODUCTION}/app:v1", f"{PRODUCTION}/many:v1"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verifier:
    """A host that pulls from the mirror at `host`, under a policy of its own."""

    home: Path
    host: str

    def say(self, name: str, text: str) -> None:
        """Write one of the user's own files, with the mirror's name as the page has it."""
        file = self.home / ".config/containers" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._here(text), encoding="utf-8")

    def demand(self, scope: str, requirement: dict[str, Any]) -> None:
        """Write another policy, which accepts nothing else."""
        policy = {"default": [{"type": "reject"}], "transports": {"docker": {scope: [requirement]}}}
        self.say("policy.json", json.dumps(policy))

    def refuses(self, image: str, *options: str) -> str | None:
        """Have skopeo copy an image; return its words where it refuses that. Skips where it knows no sigstore."""
        command = ["skopeo", *self.policy("--policy"), "copy", *options, f"docker://{self._here(image)}", "dir:pulled"]
        return self._words(
            subprocess.run(
                command, env=self.environment, cwd=self.home, capture_output=True, encoding="utf-8", check=False
            )
        )

    def podman_refuses(self, podman: Podman, image: str) -> str | None:
        """Have podman pull an image."""
        policy = self.policy("--signature-policy")
        return self._words(podman("pull", "--quiet", *policy, self._here(image), env=self.environment))

    def policy(self, option: str) -> list[str]:
        """Return the option that names the policy: another home alone is not enough for root's podman."""
        return [f"{option}={self.home}/.config/containers/policy.json"]

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of who pulls here."""
        configuration = self.home / ".config/containers/registries.conf"
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"HOME": str(self.home), "PATH": path, "CONTAINERS_REGISTRIES_CONF": str(configuration)}

    def _here(self, text: str) -> str:
        return text.replace("registry.example.com", self.host)

    @staticmethod
    def _words(done: subprocess.CompletedProcess[str]) -> str | None:
        if "sigstore disabled" in done.stderr:
            pytest.skip("Debian 12's skopeo and podman are built without sigstore: they refuse whatever is signed so")
        return done.stderr if done.returncode else None


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param([f"{PRODUCTION}/app:v1"], id="redirected"),
        pytest.param([f"{PRODUCTION}/app@{APP.digest}"], id="redirected-by-digest"),
        pytest.param([f"{MIRROR}/app:v1"], id="by-its-own-name"),
        pytest.param([f"{MIRROR}/app@{APP.digest}"], id="by-its-own-name-and-digest"),
        pytest.param([f"{PRODUCTION}/many:v1"], id="an-index-one-image"),
        pytest.param([f"{PRODUCTION}/many@{MANY.digest}", "--all"], id="an-index-all-of-it"),
    ],
)
def test_accepted_with_what_is_attached_and_refused_without(
    skopeo_mirror: Program, verifier: Verifier, destination: Registry, images: list[str], asked: list[str]
) -> None:
    arguments = [*images, f"docker://{destination.host}/mirror"]
    copy(skopeo_mirror, *arguments)
    assert UNSIGNED in (verifier.refuses(*asked) or "")
    copy(skopeo_mirror, "--attached=sig", *arguments)
    assert verifier.refuses(*asked) is None


@pytest.mark.parametrize("name", [PRODUCTION, MIRROR], ids=["redirected", "by-its-own-name"])
def test_podman_does_the_same(
    skopeo_mirror: Program, verifier: Verifier, destination: Registry, images: list[str], podman: Podman, name: str
) -> None:
    arguments = [*images, f"docker://{destination.host}/mirror"]
    copy(skopeo_mirror, *arguments)
    assert UNSIGNED in (verifier.podman_refuses(podman, f"{name}/app:v1") or "")
    copy(skopeo_mirror, "--attached=sig", *arguments)
    assert verifier.podman_refuses(podman, f"{name}/app:v1") is None


def test_from_an_oci_layout_that_was_carried_over(
    skopeo_mirror: Program, verifier: Verifier, destination: Registry, images: list[str]
) -> None:
    copy(skopeo_mirror, "--attached=sig", *images, "oci:images")
    copy(skopeo_mirror, "--from", "oci:images", f"docker://{destination.host}/mirror")
    assert verifier.refuses(images[0]) is None


class TestWhatThePageSaysOfOtherWords:
    @pytest.fixture(autouse=True)
    def _mirrored(self, skopeo_mirror: Program, verifier: Verifier, destination: Registry, images: list[str]) -> None:
        copy(skopeo_mirror, "--attached=sig", *images, f"docker://{destination.host}/mirror")
        assert verifier.refuses(images[0]) is None  # or it is skipped

    def test_registries_d_goes_by_who_serves(self, verifier: Verifier) -> None:
        verifier.say("registries.d/mirror.yaml", f"docker:\n  {PRODUCTION}:\n    use-sigstore-attachments: true\n")
        assert UNSIGNED in (verifier.refuses(f"{PRODUCTION}/app:v1") or "")

    def test_the_scope_goes_by_the_name_that_is_asked_for(self, verifier: Verifier, key: CosignKey) -> None:
        verifier.demand(MIRROR, key.demanded({"type": "matchRepository"}))
        assert "is rejected by policy" in (verifier.refuses(f"{PRODUCTION}/app:v1") or "")

    @pytest.mark.parametrize("by", [":v1", f"@{APP.digest}"], ids=["tag", "digest"])
    def test_other_identities_want_a_tag_in_the_signature(
        self, verifier: Verifier, key: CosignKey, destination: Registry, by: str
    ) -> None:
        refused = f'identity \\"{PRODUCTION}/app\\" is not accepted'
        verifier.demand(PRODUCTION, key.demanded())
        assert refused in (verifier.refuses(f"{PRODUCTION}/app{by}") or "")
        remap = {"type": "remapIdentity", "prefix": MIRROR, "signedPrefix": PRODUCTION}
        verifier.demand(MIRROR, key.demanded(remap))
        assert refused in (verifier.refuses(f"{MIRROR}/app{by}") or "")
        attach(destination, "mirror/foo/app", APP, "sig", key.sign(APP, f"{PRODUCTION}/app:v1"))
        assert verifier.refuses(f"{MIRROR}/app{by}") is None
        verifier.demand(PRODUCTION, key.demanded())
        assert verifier.refuses(f"{PRODUCTION}/app{by}") is None

    def test_of_an_index_each_image_that_is_pulled(self, verifier: Verifier, destination: Registry) -> None:
        signature = destination.manifest("mirror/foo/many", tag_of(MANY.children[1], "sig"))
        assert signature is not None
        attach(destination, "mirror/foo/many", MANY.children[1], "sig", MANY.children[1])  # none any more
        assert verifier.refuses(f"{PRODUCTION}/many:v1", "--override-arch=amd64") is None
        assert verifier.refuses(f"{PRODUCTION}/many:v1", "--all") is not None

    def test_another_key_is_not_accepted(self, verifier: Verifier, destination: Registry, tmp_path: Path) -> None:
        other = CosignKey.make(tmp_path / "other-key")
        attach(destination, "mirror/foo/app", APP, "sig", other.sign(APP, f"{PRODUCTION}/app"))
        assert "cryptographic signature verification failed" in (verifier.refuses(f"{PRODUCTION}/app:v1") or "")


def test_what_skopeo_has_signed_with_a_sigstore_key(
    skopeo_mirror: Program, verifier: Verifier, mirror: Registry, destination: Registry
) -> None:
    work = skopeo_mirror.directory
    (work / "passphrase").write_text("a test's\n", encoding="utf-8")
    skopeo(work, "generate-sigstore-key", "--output-prefix=key", "--passphrase-file=passphrase")
    if not (work / "key.private").exists():
        pytest.skip("this skopeo makes no sigstore keys")
    say_where_signatures_are(skopeo_mirror, {mirror.host: ENABLED})
    mirror.push("built/app", APP)
    signed = skopeo(
        work,
        *("copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests"),
        *("--sign-by-sigstore-private-key=key.private", "--sign-passphrase-file=passphrase"),
        *(f"--sign-identity={PRODUCTION}/app:v1", f"docker://{mirror.host}/built/app@{APP.digest}"),
        f"docker://{mirror.host}/app:v1",
    )
    assert signed.returncode == 0, signed.stderr
    (work / "home/.config/containers/registries.d/bench.yaml").unlink()

    requirement = {"type": "sigstoreSigned", "keyPath": f"{work}/key.pub"}
    verifier.demand(PRODUCTION, requirement)
    configure(skopeo_mirror, entry(PRODUCTION, mirror.host))
    arguments = [f"{PRODUCTION}/app:v1", f"docker://{destination.host}/mirror"]
    copy(skopeo_mirror, *arguments)
    assert UNSIGNED in (verifier.refuses(f"{PRODUCTION}/app:v1") or "")
    copy(skopeo_mirror, "--attached=sig", *arguments)
    assert verifier.refuses(f"{PRODUCTION}/app:v1") is None
    remap = {"type": "remapIdentity", "prefix": MIRROR, "signedPrefix": PRODUCTION}
    verifier.demand(MIRROR, requirement | {"signedIdentity": remap})
    assert verifier.refuses(f"{MIRROR}/app:v1") is None


def skopeo(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run skopeo alone, as the user whose home is in the directory."""
    return subprocess.run(
        ["skopeo", *arguments],
        cwd=directory,
        env={"HOME": str(directory / "home"), "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
