"""skopeo for one image: what it is told, and what its answer is worth. A recorded run stands in for the process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.manifest import digest_of
from skopeo_mirror.reference import Reference
from skopeo_mirror.skopeo.command import Run, Runs, Skopeo
from skopeo_mirror.skopeo.faults import Reason, Stage
from skopeo_mirror.skopeo.logs import LogDirectory
from skopeo_mirror.skopeo.provenance import Outcome
from skopeo_mirror.skopeo.scoped import ScopedSkopeo, Target
from skopeo_mirror.skopeo.settings import Access, Settings
from skopeo_mirror.skopeo.supervision import Ended, Timeouts
from tests.skopeo.golden import DIGEST, log_of
from tests.values import D1, candidate, image_manifest, origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skopeo_mirror.skopeo.supervision import Watcher

MANIFEST = image_manifest(b"config", b"layer")
IMAGE = Reference.parse("prod.test/app").pin(digest_of(MANIFEST))
MIRROR = candidate(f"a.test/x/app@{IMAGE.digest}")
ORIGIN = origin(str(IMAGE))
TARGET = Target(name="docker://d.test/m/app:v1", repository=Reference.parse("d.test/m/app:v1"), options=("--to",))
SERVED = (
    f'time="x" level=debug msg="Trying to access \\"{MIRROR.reference}\\""\n'
    f'time="x" level=debug msg="GET https://a.test/v2/x/app/manifests/{IMAGE.digest}"\n'
).encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded(Skopeo):
    """Answers as a skopeo did that was recorded, and remembers what it was told."""

    log: bytes = SERVED
    output: bytes = b""
    status: int = 0
    ended: Ended | None = None
    pushed: str = str(IMAGE.digest)
    told: list[str] = field(default_factory=list)
    scoped: list[str] = field(default_factory=list)
    modes: set[int] = field(default_factory=set)

    def run(self, arguments: Sequence[str], *, watcher: Watcher, timeouts: Timeouts) -> Run:  # noqa: ARG002 - its own
        self.told.extend(arguments)
        configuration = Path(self._value("--registries-conf"))
        self.scoped.append(configuration.read_text())
        self.modes.add(configuration.stat().st_mode & 0o777)
        if "--digestfile" in arguments:
            Path(self._value("--digestfile")).write_text(self.pushed)
        watcher.feed(self.log)
        return Run(status=self.status, output=self.output, ended=self.ended)

    def _value(self, option: str) -> str:
        return self.told[self.told.index(option) + 1]


def recorded(
    log: bytes = SERVED,
    *,
    output: bytes = MANIFEST,
    status: int = 0,
    ended: Ended | None = None,
    pushed: str = str(IMAGE.digest),
) -> Recorded:
    return Recorded(
        path="/usr/bin/skopeo",
        version="1.9.3",
        environment={},
        runs=Runs({}),
        log=log,
        output=output,
        status=status,
        ended=ended,
        pushed=pushed,
    )


def scoped(skopeo: Skopeo, directory: Path, settings: Settings | None = None) -> ScopedSkopeo:
    return ScopedSkopeo(skopeo=skopeo, directory=directory, settings=settings or Settings())


def test_a_probe_gives_the_manifests_bytes_and_who_served(tmp_path: Path) -> None:
    probe = scoped(recorded(), tmp_path).probe(IMAGE, [MIRROR, ORIGIN], access=Access())
    assert probe.manifest == MANIFEST
    assert probe.digest == IMAGE.digest
    assert probe.provenance.server == MIRROR


@pytest.mark.parametrize(
    ("output", "detail"),
    [
        pytest.param(image_manifest(b"other"), "do not match the digest", id="another-manifest"),
        pytest.param(b"<html>login</html>", "do not match the digest", id="html"),
        pytest.param(b"", "do not match the digest", id="nothing"),
    ],
)
def test_a_probe_trusts_no_wrong_bytes(output: bytes, detail: str, tmp_path: Path) -> None:
    probe = scoped(recorded(output=output), tmp_path).probe(IMAGE, [MIRROR, ORIGIN], access=Access())
    (attempt,) = probe.provenance.attempts
    assert probe.manifest == b""
    assert probe.provenance.server is None
    assert (attempt.candidate, attempt.outcome) == (MIRROR, Outcome.FAILED)
    assert (attempt.stage, attempt.reason) == (Stage.MANIFEST, Reason.CORRUPT)
    assert detail in attempt.detail


def test_a_probe_of_a_tag_takes_nothing_that_is_no_manifest(tmp_path: Path) -> None:
    tagged = candidate("a.test/x/app:v1")
    log = SERVED.replace(f"@{IMAGE.digest}".encode(), b":v1").replace(str(IMAGE.digest).encode(), b"v1")
    skopeo = recorded(log, output=b"<html>login</html>")
    probe = scoped(skopeo, tmp_path).probe(Reference.parse("prod.test/app:v1"), [tagged], access=Access())
    assert probe.manifest == b""
    assert "<html>" in probe.provenance.attempts[0].detail


def test_a_probe_that_is_not_proven_gives_no_bytes(tmp_path: Path) -> None:
    probe = scoped(recorded(b""), tmp_path).probe(IMAGE, [MIRROR], access=Access())
    assert probe.manifest == b""
    assert probe.provenance.doubt is not None


def test_a_probe_with_a_server_and_a_doubt_gives_no_bytes(tmp_path: Path) -> None:
    """The log names the mirror, and shows no request to it for this manifest."""
    log = SERVED.replace(b"a.test/v2/x/app/", b"elsewhere.test/v2/x/app/")
    probe = scoped(recorded(log), tmp_path).probe(IMAGE, [MIRROR, ORIGIN], access=Access())
    assert probe.provenance.server == MIRROR
    assert probe.provenance.doubt is not None
    assert probe.manifest == b""


def test_a_probe_reads_raw_through_a_file_of_its_own(tmp_path: Path) -> None:
    skopeo = recorded()
    access = Access(authfile="auth.json", cert_dir="certs")
    scoped(skopeo, tmp_path).probe(IMAGE, [MIRROR, ORIGIN], access=access)
    assert skopeo.told[:2] == ["--debug", "--registries-conf"]
    assert skopeo.told[3:] == [
        *("inspect", "--raw", "--authfile", "auth.json", "--cert-dir", "certs"),
        f"docker://prod.test/app@{IMAGE.digest}",
    ]
    assert 'prefix = "prod.test/app"' in skopeo.scoped[0]
    assert 'location = "a.test/x/app"' in skopeo.scoped[0]
    assert skopeo.modes == {0o600}
    assert list(tmp_path.iterdir()) == []


def test_a_copy_is_told_everything(tmp_path: Path) -> None:
    skopeo = recorded()
    settings = Settings(
        source=Access(authfile="source.json", cert_dir="certs"),
        policy="policy.json",
        insecure_policy=True,
        remove_signatures=True,
        extra=("--sign-by=x",),
    )
    found = scoped(skopeo, tmp_path, settings).copy(IMAGE.pin(IMAGE.digest), [MIRROR, ORIGIN], TARGET)
    before = ["--debug", "--policy", "policy.json", "--insecure-policy", "--registries-conf"]
    assert skopeo.told[:5] == before
    assert skopeo.told[6:10] == ["copy", "--all", "--preserve-digests", "--digestfile"]
    assert skopeo.told[11:] == [
        *("--src-authfile", "source.json", "--src-cert-dir", "certs", "--to", "--remove-signatures", "--sign-by=x"),
        *(f"docker://prod.test/app@{IMAGE.digest}", "docker://d.test/m/app:v1"),
    ]
    assert 'prefix = "d.test/m/app"' in skopeo.scoped[0]
    assert not any(argument.startswith("--src-tls-verify") for argument in skopeo.told)
    assert found.server == MIRROR
    assert found.doubt is None
    assert list(tmp_path.iterdir()) == []


def test_a_copy_asks_for_the_digest_and_never_for_the_tag(tmp_path: Path) -> None:
    skopeo = recorded()
    scoped(skopeo, tmp_path).copy(Reference.parse("prod.test/app:v1").pin(IMAGE.digest), [MIRROR], TARGET)
    assert f"docker://prod.test/app@{IMAGE.digest}" in skopeo.told


@pytest.mark.parametrize(
    ("pushed", "doubt"),
    [
        pytest.param(str(D1), f"it wrote {D1}, not {IMAGE.digest}", id="another-digest"),
        pytest.param("", f"it wrote nothing, not {IMAGE.digest}", id="no-digest"),
        pytest.param(f"{IMAGE.digest}\n", None, id="newline"),
    ],
)
def test_what_was_pushed_must_be_what_was_asked_for(pushed: str, doubt: str | None, tmp_path: Path) -> None:
    found = scoped(recorded(pushed=pushed), tmp_path).copy(IMAGE, [MIRROR], TARGET)
    assert (found.doubt is None) == (doubt is None)
    assert (doubt or "") in (found.doubt or "")


@pytest.mark.parametrize(
    ("ended", "timeouts", "reason", "words"),
    [
        pytest.param(Ended.STALLED, Timeouts(stall=3.0), Reason.STALLED, "nothing moved for 3 s", id="stalled"),
        pytest.param(Ended.TIMEOUT, Timeouts(timeout=90.0), Reason.TIMEOUT, "not done after 90 s", id="timeout"),
        pytest.param(Ended.RATE_LIMITED, Timeouts(), Reason.RATE_LIMITED, "too many requests (429)", id="rate-limited"),
        pytest.param(Ended.STOPPED, Timeouts(), Reason.OTHER, "the run was stopped", id="stopped"),
    ],
)
def test_says_why_a_run_was_ended_and_where_it_was(
    ended: Ended, timeouts: Timeouts, reason: Reason, words: str, tmp_path: Path
) -> None:
    skopeo = recorded(status=-15, ended=ended)
    found = scoped(skopeo, tmp_path, Settings(timeouts=timeouts)).copy(IMAGE, [MIRROR], TARGET)
    assert found.attempts[0].reason is reason
    assert words in found.attempts[0].detail
    assert f"GET https://a.test/v2/x/app/manifests/{IMAGE.digest}" in found.attempts[0].detail


def test_keeps_the_log_of_a_run_in_which_something_failed(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    logs = LogDirectory(tmp_path / "logs", tmp_path)
    image = Reference.parse("prod.test/tiny").pin(DIGEST)
    candidates = [candidate(f"127.0.0.1:5611/h/tiny@{DIGEST}"), candidate(f"127.0.0.1:5602/ns/tiny@{DIGEST}")]
    golden = recorded(log_of("1.9.3", "hangsec"), pushed=str(DIGEST))
    quiet = recorded()
    failing = ScopedSkopeo(skopeo=golden, directory=tmp_path, settings=Settings(), logs=logs)
    healthy = ScopedSkopeo(skopeo=quiet, directory=tmp_path, settings=Settings(), logs=logs)
    found = failing.copy(image, candidates, TARGET)
    assert [attempt.log for attempt in healthy.copy(IMAGE, [MIRROR], TARGET).attempts] == [None]
    (kept,) = (tmp_path / "logs").iterdir()
    assert found.server == candidates[1]
    assert [attempt.log for attempt in found.attempts] == [str(kept), None]
    assert kept.read_bytes() == log_of("1.9.3", "hangsec")


def test_what_happens_is_heard_while_it_happens(tmp_path: Path) -> None:
    heard: list[object] = []
    scoped(recorded(), tmp_path).copy(IMAGE, [MIRROR], TARGET, on_event=heard.append)
    assert [type(event).__name__ for event in heard] == ["Tried", "Requested"]
