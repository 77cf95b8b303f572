"""skopeo with a registries.conf for one image: the two things that are asked of it, `probe` and `copy`."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror.files import naming
from skopeo_mirror.manifest import InvalidManifest, digest_of, parse_manifest, unknown_type
from skopeo_mirror.reference import shown
from skopeo_mirror.registries_conf.scoping import credentials_from, scope
from skopeo_mirror.skopeo.debuglog import Died
from skopeo_mirror.skopeo.faults import Reason, Stage, refused_at_ping
from skopeo_mirror.skopeo.http_proxy import proxy_variables
from skopeo_mirror.skopeo.log_watcher import LogWatcher
from skopeo_mirror.skopeo.provenance import Attempt, Ending, Fault, Provenance, trace
from skopeo_mirror.skopeo.schema1 import NOT_COPIED, is_schema1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from skopeo_mirror.reference import Digest, PinnedReference, Reference
    from skopeo_mirror.registries_conf.routing import PullSource
    from skopeo_mirror.skopeo.command import Run, Skopeo
    from skopeo_mirror.skopeo.debuglog import Event
    from skopeo_mirror.skopeo.logs import LogDirectory
    from skopeo_mirror.skopeo.settings import Access, Settings

    Trace = Callable[[Sequence[Event], Sequence[str], Ending], Provenance]
    """What a run proves, by the events and the last lines of its log, and by how it ended."""

# skopeo knows this type of key, and refuses every signature because of it: so no key and no gpg is needed.
_NEVER_MET: Final = {"type": "signedBy", "keyType": "signedByGPGKeys", "keyData": "eA=="}
_POLICY: Final = json.dumps({"default": [_NEVER_MET]})
WERE_READ: Final = re.compile(
    r"(?:copying image \d+/\d+ from manifest list: )?Source image rejected: "
    r"(?:A signature was required, but no signature exists|None of the signatures were accepted"
    r'|Unimplemented "keyType")'
)
"""skopeo's last words where it had read all signatures, and not where it could not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where a copy is written, as skopeo is told: `name` with its transport, and the options that belong to it."""

    name: str
    repository: Reference | None = None
    """Set where it is a registry's."""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """A manifest that was read: its exact bytes (empty where no candidate gave it) and what that proves."""

    manifest: bytes
    provenance: Provenance
    rendered: bool = False
    """Whether the bytes are not the exact ones: only what they refer to is so."""

    @property
    def digest(self) -> Digest:
        """The digest of the bytes (SHA-256, as registries compute it)."""
        return digest_of(self.manifest)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScopedSkopeo:
    """Runs skopeo, each time with a registries.conf of its own in `directory` (private), removed afterwards."""

    skopeo: Skopeo
    directory: Path
    settings: Settings
    logs: LogDirectory | None = None

    def accepting_anything(self) -> ScopedSkopeo:
        """The same, without regard to the signature policy."""
        return replace(self, settings=replace(self.settings, policy=None, insecure_policy=True))

    def probe(
        self,
        image: Reference,
        candidates: Sequence[PullSource],
        *,
        access: Access,
        yields: bool = False,
        keeps_log: bool = True,
    ) -> Probe:
        """Read the manifest of `image` from the first of `candidates` that has it (`skopeo inspect --raw`).

        With `yields` the run is ended at the first rate limit, because other candidates are left. `keeps_log`: whether
        a failure is one that `--log-dir` is for.
        """
        run, provenance = self._run(
            image,
            ["inspect", "--raw", *access.options(), f"docker://{image}"],
            registries=scope(image, candidates),
            traced=partial(trace, candidates=candidates, digest=image.digest),
            yields=yields,
            keeps_log=keeps_log,
        )
        if not provenance.proven:
            return Probe(manifest=b"", provenance=provenance)
        return checked(run.output, image, provenance)

    def copy(
        self,
        image: PinnedReference,
        candidates: Sequence[PullSource],
        target: Target,
        *,
        asked: Reference | None = None,
        alone: bool = False,
        yields: bool = False,
        on_event: Callable[[Event], None] | None = None,
        elsewhere: Sequence[str] = (),
    ) -> Provenance:
        """Copy `image` whole, or an index `alone`, from the first of `candidates` that has it to `target`.

        It is asked for by its digest, or as `asked`, a tag that is expected to have that digest. `elsewhere` are the
        URLs beside the candidates from which skopeo may fetch content of it.
        """
        asked = asked or image.without_tag()
        return self.copy_from(
            [*self.settings.source.options("src-"), f"docker://{asked}"],
            image,
            target,
            asked=asked,
            registries=scope(asked, candidates, writes_to=target.repository),
            traced=partial(
                trace,
                candidates=candidates,
                digest=asked.digest,
                destination=target.repository,
                elsewhere=elsewhere,
            ),
            alone=alone,
            yields=yields,
            on_event=on_event,
            elsewhere=elsewhere,
        )

    def look_for_signatures(
        self, image: PinnedReference, candidates: Sequence[PullSource], *, access: Access
    ) -> tuple[list[Event], PullSource | None]:
        """Let skopeo read the signatures of the first of `candidates` that has `image`, and nothing of its content.

        The log of that, and who it was; None where nobody had it, or where the signatures could not be read.
        """
        events: list[Event] = []
        with (
            self._private_file("policy-", [_POLICY]) as policy,
            tempfile.TemporaryDirectory(dir=self.directory) as nowhere,
        ):
            settings = replace(self.settings, policy=str(policy), insecure_policy=False)
            _, provenance = replace(self, settings=settings)._run(  # noqa: SLF001 - it is one of us
                image,
                ["copy", "--all", *access.options("src-"), f"docker://{image}", f"dir:{nowhere}"],
                registries=scope(image, candidates),
                traced=partial(trace, candidates=candidates, digest=image.digest),
                keeps_log=False,
                on_event=events.append,
                done_with=WERE_READ,
            )
        return events, provenance.server if provenance.proven else None

    def copy_from(
        self,
        source: Sequence[str],
        image: PinnedReference,
        target: Target,
        *,
        asked: Reference,
        registries: str,
        traced: Trace,
        alone: bool = False,
        yields: bool = False,
        on_event: Callable[[Event], None] | None = None,
        elsewhere: Sequence[str] = (),
    ) -> Provenance:
        """Copy from `source`, what skopeo is to read with the options that belong to it, and hold it to the digest.

        `registries` are the `[[registry]]` tables of the scoped file.
        """
        *source_options, source_name = source
        with self._private_file("pushed-") as digest_file:
            arguments = [
                *("copy", "--multi-arch=index-only" if alone else "--all"),
                *("--preserve-digests", "--digestfile", str(digest_file)),
                *source_options,
                *target.options,
                *(["--remove-signatures"] if self.settings.remove_signatures else []),
                *self.settings.extra,
                source_name,
                target.name,
            ]
            _, provenance = self._run(
                asked,
                arguments,
                registries=registries,
                traced=traced,
                yields=yields,
                on_event=on_event,
                elsewhere=elsewhere,
            )
            if not provenance.proven:
                return provenance
            pushed = digest_file.read_text(encoding="ascii", errors="replace").strip()
            if pushed != str(image.digest):
                moved = asked.digest is None
                says = "its tag has moved: skopeo wrote" if moved else "skopeo says that it wrote"
                return replace(provenance, doubt=f"{says} {pushed or 'nothing'}, not {image.digest}", moved=moved)
            return provenance

    def _run(
        self,
        image: Reference,
        arguments: Sequence[str],
        *,
        registries: str,
        traced: Trace,
        yields: bool = False,
        keeps_log: bool = True,
        on_event: Callable[[Event], None] | None = None,
        done_with: re.Pattern[str] | None = None,
        elsewhere: Sequence[str] = (),
    ) -> tuple[Run, Provenance]:
        """`done_with`: last words of skopeo's with which it has done what it was asked for."""
        log = None if self.logs is None or not keeps_log else self.logs.begin()
        watcher = LogWatcher(yields=yields, on_event=on_event, copy=log)
        with self.registries_conf([registries]) as configuration:
            run = self.skopeo.run(
                [*self.settings.global_options(), "--registries-conf", str(configuration), *arguments],
                watcher=watcher,
                timeouts=self.settings.timeouts,
            )
        watcher.close()
        events, tail = watcher.reader.events, watcher.reader.tail
        ending = watcher.ending(run.status, run.ended, self.settings.timeouts)
        last = events[-1] if events else None
        if done_with is not None and isinstance(last, Died) and done_with.match(last.error):
            ending = Ending(at=ending.at, status=0)
        provenance = traced(events, tail, ending).blaming(Reason.CONNECTION, self._was_proxys)
        if self.logs is not None and log is not None:
            with log:
                if provenance.failed:
                    try:
                        kept = str(self.logs.keep(log, str(image), elsewhere))
                    except OSError as error:  # a full disk: what skopeo did stays as true as it is
                        kept = f"not kept: {error.filename}: {error.strerror}"
                    provenance = provenance.logged_in(kept)
        return run, provenance

    def _was_proxys(self, attempt: Attempt) -> bool:
        """Whether what refused is, by all that can be told, the proxy that stands before the registry."""
        refused = attempt.reason is Reason.UNAUTHORIZED and refused_at_ping(attempt.detail)
        return refused and bool(proxy_variables(attempt.candidate.reference.domain, self.skopeo.environment))

    def registries_conf(self, registries: Iterable[str]) -> AbstractContextManager[Path]:
        """A file with these `[[registry]]` tables and the credential helpers of the configuration in force."""
        return self._private_file("registries-", [credentials_from(self.settings.credential_helpers)], registries)

    @contextmanager
    def _private_file(self, prefix: str, *content: Iterable[str]) -> Iterator[Path]:
        """A file that only we can read (0600), gone afterwards."""
        handle, name = tempfile.mkstemp(prefix=prefix, dir=self.directory)
        path = Path(name)
        try:
            with naming(path), os.fdopen(handle, "w", encoding="ascii") as file:
                file.writelines(chain.from_iterable(content))
            yield path
        finally:
            path.unlink(missing_ok=True)


def checked(manifest: bytes, image: Reference, provenance: Provenance) -> Probe:
    """The probe that gave these bytes, or that failed because they are not to be used."""
    wrong = None
    digest = image.digest
    found = None if digest is None else digest_of(manifest, digest.algorithm)
    try:
        parse_manifest(manifest)
    except InvalidManifest as error:
        useless = NOT_COPIED if is_schema1(manifest, digest) else None
        if found is not None and found == digest and (unknown := unknown_type(manifest)) is not None:
            useless = f"its manifest is of the type {shown(unknown)}, which no skopeo copies"
        if useless is not None:  # what it gave is right
            fault = Fault(reason=Reason.OTHER, detail=useless)
            cleared = replace(provenance, attempts=provenance.attempts[:-1], server=None, fault=fault)
            return Probe(manifest=b"", provenance=cleared)
        wrong = f"what was given for a manifest {error}"
    if found != digest:
        wrong = f"the manifest's bytes do not match the digest: they have {found}"  # older skopeos do not compare them
    if wrong is not None:
        return Probe(manifest=b"", provenance=provenance.disproved(Stage.MANIFEST, Reason.CORRUPT, wrong))
    return Probe(manifest=manifest, provenance=provenance)
