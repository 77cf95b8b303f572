"""Which images a registry has already: asked of the destination alone, and of no mirror of it."""

from __future__ import annotations

import tempfile
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from skopeo_mirror.registries_conf.routing import Candidate, Kind
from skopeo_mirror.registries_conf.scoping import scope_destinations
from skopeo_mirror.skopeo.faults import Reason
from skopeo_mirror.skopeo.image_proxy import ProxyBroken
from skopeo_mirror.skopeo.standing import Sighting, StandingSkopeo

if TYPE_CHECKING:
    from collections.abc import Collection

    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.skopeo.scoped import ScopedSkopeo
    from skopeo_mirror.transfer.destination.place import Destination


@dataclass(kw_only=True, slots=True)
class Presence:
    """Asks the destination. `repositories` are all that it may be asked for; close it at the end.

    One skopeo a thread stays to be asked for one image after the other; what it cannot tell, a skopeo of its own does.
    """

    scoped: ScopedSkopeo
    destination: Destination
    repositories: Collection[Reference]
    _idle: deque[StandingSkopeo] = field(default_factory=deque)
    _configuration: Path | None = None
    _refused: bool = False

    def find(self, repository: Reference, digest: Digest) -> Sighting:
        """Whether `repository`, a name with a tag, has that digest; never undecided without a trouble."""
        sighting = self._ask_one_that_stays(repository, digest)
        if sighting.there is not None or sighting.trouble is not None:
            return sighting
        found, trouble = self.read(repository)
        return Sighting(there=found == digest, trouble=trouble)

    def read(self, repository: Reference) -> tuple[Digest | None, str | None]:
        """The digest that a name has at the destination, or skopeo's words on why that cannot be told.

        A scoped file of its own, without mirrors: with one configured for the destination, skopeo would read that.
        """
        access = self.scoped.settings.destination
        probe = self.scoped.probe(repository, [self._candidate(repository)], access=access, keeps_log=False)
        if probe.manifest:
            return probe.digest, None
        found = probe.provenance
        attempt = found.attempts[-1] if found.attempts else None
        if attempt is not None and attempt.reason in {Reason.NOT_FOUND, Reason.CORRUPT}:
            return None, None
        if attempt is not None:
            return None, attempt.detail
        return None, found.fault.detail if found.fault is not None else found.doubt

    def close(self) -> None:
        """Let every skopeo go that stayed."""
        while self._idle:
            self._idle.pop().close()

    def _ask_one_that_stays(self, repository: Reference, digest: Digest) -> Sighting:
        if self._refused:
            return Sighting()
        try:
            asked = self._one_that_stays()
        except ProxyBroken:
            self._refused = True
            return Sighting()
        try:
            sighting = asked.looks_for(self._candidate(repository), digest)
        except ProxyBroken:
            asked.close()
            return Sighting()
        if sighting.trouble is None:
            self._idle.append(asked)
        else:
            asked.close()
        return sighting

    def _one_that_stays(self) -> StandingSkopeo:
        try:
            return self._idle.pop()
        except IndexError:
            return StandingSkopeo(self.scoped, self._configure())

    def _configure(self) -> Path:
        """One file for every repository: that of a single image would have to be read anew for each."""
        if self._configuration is None:
            text = scope_destinations({one.name: not self.destination.verifies(one) for one in self.repositories})
            with tempfile.NamedTemporaryFile(
                "w", dir=self.scoped.directory, prefix="destinations-", encoding="ascii", delete=False
            ) as file:
                file.write(text)
            self._configuration = Path(file.name)
        return self._configuration

    def _candidate(self, repository: Reference) -> Candidate:
        return Candidate(
            reference=repository,
            location=repository.domain,
            insecure=not self.destination.verifies(repository),
            blocked=False,
            kind=Kind.ORIGIN,
        )
