"""skopeos that stay: what an answer of theirs proves, and what becomes of one that breaks. Prepared answers only."""

from __future__ import annotations

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest

from skopeo_mirror.reference import Reference
from skopeo_mirror.skopeo import proxy_pool
from skopeo_mirror.skopeo.command import Runs, Skopeo
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.proxy_pool import Answer, ProxyBroken, ProxyPool
from skopeo_mirror.skopeo.scoped import ScopedSkopeo
from skopeo_mirror.skopeo.settings import Access, Settings
from skopeo_mirror.skopeo.supervision import Ended
from tests.values import D1, D2, candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from skopeo_mirror.skopeo.proxy_pool import ManifestReading
    from skopeo_mirror.skopeo.supervision import Timeouts, Watcher

IMAGE = Reference.parse("prod.test/app").pin(D1)
MIRROR = candidate(f"a.test/x/app@{D1}")
ORIGIN = candidate(f"prod.test/app@{D1}")
TURNED = f'time="x" level=debug msg="Trying to access \\"{MIRROR.reference}\\""\n'.encode()
ASKED = f'time="x" level=debug msg="GET https://a.test/v2/x/app/manifests/{D1}"\n'.encode()
OPENED = Answer(value=7)
GIVEN = Answer(value=str(D1))


@dataclass(kw_only=True)
class Scripted:
    """One that answers as prepared: by question, the answer, or that it breaks. The log comes while it opens."""

    answers: dict[str, Answer | None]
    log: bytes
    meanwhile: Callable[[str, Scripted], None] = lambda *_: None
    asked: list[str] = field(default_factory=list)
    closed: bool = False

    def ask(self, method: str, *_: object, watcher: Watcher, timeouts: Timeouts) -> Answer:  # noqa: ARG002 - its own
        self.asked.append(method)
        self.meanwhile(method, self)
        if method == "OpenImage":
            watcher.feed(self.log)
        answer = self.answers.get(method, Answer(value=1))
        if answer is None:
            raise ProxyBroken("it is gone")
        return answer

    def fetch(self, _answer: Answer, **_: Any) -> bytes:
        return b"manifest"

    def close(self) -> None:
        assert not self.closed
        self.closed = True


@dataclass(kw_only=True)
class Bench:
    """skopeos that stay, and all that were started for them."""

    skopeos: ProxyPool
    directory: Path
    answers: dict[str, Answer | None] = field(default_factory=lambda: {"OpenImage": OPENED, "GetManifest": GIVEN})
    log: bytes = TURNED + ASKED
    started: list[Scripted] = field(default_factory=list)
    meanwhile: Callable[[str, Scripted], None] = lambda *_: None
    """What happens while one is asked."""
    arguments: list[str] = field(default_factory=list)
    configured: int = 0
    disk_is_full: bool = False

    @classmethod
    def of(cls, directory: Path) -> Self:
        skopeo = Skopeo(path="/usr/bin/skopeo", version="1.9.3", environment={}, runs=Runs({}))
        scoped = ScopedSkopeo(skopeo=skopeo, directory=directory, settings=Settings())

        def configuration() -> Iterator[str]:
            one.configured += 1
            yield "# for all "
            if one.disk_is_full:
                raise OSError(errno.ENOSPC, "No space left on device")
            yield "of them\n"

        one = cls(skopeos=ProxyPool(scoped, Access(authfile="auth.json"), configuration), directory=directory)
        return one

    def start(self, _skopeo: Skopeo, arguments: Sequence[str]) -> Scripted:
        self.arguments = list(arguments)
        self.started.append(Scripted(answers=self.answers, log=self.log, meanwhile=self.meanwhile))
        return self.started[-1]

    def read(self) -> ManifestReading | None:
        return self.skopeos.read(IMAGE, [MIRROR, ORIGIN])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    one = Bench.of(tmp_path)
    monkeypatch.setattr(proxy_pool, "ImageProxy", one.start)
    return one


def test_a_reading_tells_who_served_and_what(bench: Bench) -> None:
    reading = bench.read()
    assert reading is not None
    assert reading.provenance.proven
    assert reading.provenance.server == MIRROR
    assert (reading.opened, reading.ended, reading.digest, reading.content) == (True, False, str(D1), b"manifest")
    assert bench.started[0].asked == ["Initialize", "OpenImage", "GetManifest", "CloseImage"]


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(TURNED, id="no-request"),
        pytest.param(ASKED, id="no-server"),
        pytest.param(TURNED + ASKED.replace(b"a.test", b"b.test"), id="another-host"),
        pytest.param(TURNED + ASKED.replace(str(D1).encode(), str(D2).encode()), id="another-manifest"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_an_answer_alone_proves_nothing(bench: Bench, log: bytes) -> None:
    bench.log = log
    reading = bench.read()
    assert reading is not None
    assert not reading.provenance.proven
    assert reading.provenance.doubt is not None


@pytest.mark.parametrize("question", ["OpenImage", "GetManifest"])
def test_an_error_is_the_candidates_in_skopeos_words(bench: Bench, question: str) -> None:
    bench.answers[question] = Answer(error="manifest unknown")
    reading = bench.read()
    assert reading is not None
    assert not reading.provenance.proven
    assert reading.opened is (question == "GetManifest")
    assert [(one.candidate, one.reason, one.detail) for one in reading.provenance.attempts] == [
        (MIRROR, Reason.NOT_FOUND, "manifest unknown")
    ]
    assert (reading.digest, reading.content) == (None, b"")


def test_one_stays_for_the_next_question(bench: Bench) -> None:
    for _ in range(3):
        bench.read()
    assert len(bench.started) == 1
    assert bench.started[0].asked.count("Initialize") == 1
    assert bench.configured == 1


@pytest.mark.parametrize("question", ["OpenImage", "GetManifest"])
def test_one_that_was_ended_over_a_question_is_asked_no_other(bench: Bench, question: str) -> None:
    bench.answers[question] = Answer(ended=Ended.STALLED)
    reading = bench.read()
    assert reading is not None
    assert reading.ended
    assert not reading.provenance.proven
    assert [one.reason for one in reading.provenance.attempts] == [Reason.STALLED]
    assert bench.started[0].closed
    assert bench.started[0].asked[-1] == question
    del bench.answers[question]
    bench.read()
    assert len(bench.started) == 2
    assert bench.configured == 1


def test_one_that_breaks_is_no_answer_and_is_replaced(bench: Bench) -> None:
    bench.answers["GetManifest"] = None
    assert bench.read() is None
    assert bench.started[0].closed
    bench.answers["GetManifest"] = GIVEN
    assert bench.read() is not None
    assert len(bench.started) == 2


@pytest.mark.parametrize("begun", [pytest.param(None, id="breaks"), pytest.param(Answer(error="no"), id="refuses")])
def test_where_none_begins_none_is_started_again(bench: Bench, begun: Answer | None) -> None:
    bench.answers["Initialize"] = begun
    assert [bench.read() for _ in range(3)] == [None] * 3
    assert [one.closed for one in bench.started] == [True]


class TestMany:
    """Threads that ask at once."""

    def test_begin_with_one_that_is_started_after_the_other(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And a few answer for all, where answers are quick."""
        monkeypatch.setattr(proxy_pool, "WORTH_WAITING", 60.0)
        started = threading.Event()
        start = bench.start

        def start_slowly(skopeo: Skopeo, arguments: Sequence[str]) -> Scripted:
            started.wait(timeout=60)
            return start(skopeo, arguments)

        monkeypatch.setattr(proxy_pool, "ImageProxy", start_slowly)
        with ThreadPoolExecutor(8) as pool:
            readings = [pool.submit(bench.read) for _ in range(8)]
            started.set()
            assert all(reading.result() is not None for reading in readings)
        assert len(bench.started) == 1
        assert len(bench.started[0].asked) == 1 + 3 * 8

    def test_do_not_wait_for_one_that_hangs(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(proxy_pool, "WORTH_WAITING", 0.01)
        hangs, healed = threading.Event(), threading.Event()

        def hang(method: str, scripted: Scripted) -> None:
            if method == "OpenImage" and scripted is bench.started[0]:
                hangs.set()
                assert healed.wait(timeout=60)

        bench.meanwhile = hang
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(bench.read)
            assert hangs.wait(timeout=60)
            assert bench.read() is not None
            assert bench.read() is not None
            healed.set()
            assert first.result() is not None
        assert len(bench.started) == 2

    def test_start_none_where_none_begins(self, bench: Bench) -> None:
        bench.answers["Initialize"] = None
        with ThreadPoolExecutor(4) as pool:
            assert [reading.result() for reading in [pool.submit(bench.read) for _ in range(4)]] == [None] * 4
        assert len(bench.started) == 1


def test_they_read_one_private_file_and_debug(bench: Bench) -> None:
    bench.read()
    [file] = bench.directory.iterdir()
    assert file.read_text().endswith("# for all of them\n")
    assert file.stat().st_mode & 0o777 == 0o600
    assert bench.arguments == [
        *("--debug", "--insecure-policy", "--registries-conf", str(file)),
        *("experimental-image-proxy", "--authfile", "auth.json"),
    ]


def test_all_are_let_go(bench: Bench) -> None:
    bench.read()
    bench.skopeos.close()
    assert [one.closed for one in bench.started] == [True]


def test_none_is_started_with_half_a_configuration(bench: Bench) -> None:
    """It would pull from where an image is named what it has no mirrors for."""
    bench.disk_is_full = True
    with pytest.raises(OSError, match="No space left"):
        bench.read()
    assert bench.read() is None
    assert (bench.configured, bench.started) == (1, [])
