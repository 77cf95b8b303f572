"""`docker://host[:port][/path]`: a registry, which publishes an image when its manifest arrives."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from skopeo_mirror.errors import DestinationRefused, InvalidReference
from skopeo_mirror.reference import Reference, is_domain, shown, tag_of
from skopeo_mirror.skopeo.scoped import Target
from skopeo_mirror.transfer.destination.place import Destination, NamingRules, Place, Writing, repository_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from skopeo_mirror.platforms import Platform
    from skopeo_mirror.reference import Digest
    from skopeo_mirror.registries_conf.routing import Router
    from skopeo_mirror.skopeo.settings import Access


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryDestination(Destination):
    """A registry, or a path in it. `given_tls_verify` is the user's word; without it registries.conf's counts."""

    shares_blobs = True  # a blob is mounted from one repository into another

    host: str
    path: str
    router: Router
    access: Access
    given_tls_verify: bool | None
    rules: NamingRules

    @classmethod
    def parse(
        cls, text: str, *, router: Router, access: Access, given_tls_verify: bool | None, rules: NamingRules
    ) -> RegistryDestination:
        """Read what follows `docker://`. Raises DestinationRefused."""
        host, _, path = text.rstrip("/").partition("/")
        if not is_domain(host) or not ("." in host or ":" in host or host == "localhost"):
            raise DestinationRefused(
                f"{shown(f'docker://{text}')}: {shown(host)} is no registry host "
                "(write host.domain, host:port or localhost; without one skopeo would push to docker.io)"
            )
        if path:
            try:
                below = Reference.parse_canonical(f"{host}/{path}")
            except InvalidReference as error:
                raise DestinationRefused(f"{shown(f'docker://{text}')}: {error}") from error
            if below.tag is not None or below.digest is not None:
                raise DestinationRefused(
                    f"{shown(f'docker://{text}')}: has a tag or digest; name the registry and the path below "
                    "which images go"
                )
        return cls(host=host, path=path, router=router, access=access, given_tls_verify=given_tls_verify, rules=rules)

    @property
    def name(self) -> str:
        """The destination as it was given."""
        return f"docker://{self.host}/{self.path}".rstrip("/")

    @property
    def tls_verify(self) -> bool:
        """Whether certificates are verified there."""
        return self.verifies(f"{self.host}/{self.path}".rstrip("/"))

    def place(self, image: Reference, own: str | None = None) -> Place:
        """`DEST/<source path>:<tag>`, or the image's own destination."""
        if own is None:
            text = f"{self.host}/{repository_path(self.path, image, self.rules)}"
        else:
            text = own.removeprefix("docker://")
        try:
            repository = Reference.parse(text)
        except InvalidReference as error:
            raise DestinationRefused(f"{image}: its name at the destination is not valid: {error}") from error
        if repository.digest is not None:
            if repository.digest != image.digest:
                raise DestinationRefused(f"{image}: its destination {shown(text)} has another digest")
            repository = repository.without_digest()
        if repository.tag is None:
            repository = replace(repository, tag=tag_of(image))
        return Place(name=f"docker://{repository}", repository=repository)

    def part(self, place: Place, digest: Digest) -> Place:
        """The repository, by digest."""
        assert place.repository is not None  # noqa: S101 - `place` made it
        one = place.repository.without_tag().pin(digest)
        return Place(name=f"docker://{one}", repository=one)

    def attached(self, place: Place, image: Reference) -> Place:
        """In the same repository, whoever has named that."""
        assert place.repository is not None  # noqa: S101 - `place` made it
        one = place.repository.under(tag_of(image))
        return Place(name=f"docker://{one}", repository=one)

    def check(self, place: Place) -> None:
        """Refuse what registries.conf blocks: skopeo would refuse it, after pulling."""
        assert place.repository is not None  # noqa: S101 - `place` made it
        entry = self.router.lookup(place.repository.name)
        if entry is not None and entry.blocked:
            where = "" if entry.position is None else f" ({entry.position.file}, registry[{entry.position.index}])"
            raise DestinationRefused(f"{place.name}: {entry.prefix} is blocked in registries.conf{where}")

    @contextmanager
    def writing(
        self,
        place: Place,
        digest: Digest,  # noqa: ARG002 - the interface's
        platforms: Sequence[Platform] = (),  # noqa: ARG002 - a registry has its own mind
    ) -> Iterator[Writing]:
        """Let skopeo push there. `--dest-tls-verify` is always explicit, so that no ambient file decides it."""
        assert place.repository is not None  # noqa: S101 - `place` made it
        verify = str(self.verifies(place.repository.name)).lower()
        target = Target(
            name=place.name,
            repository=place.repository,
            options=(f"--dest-tls-verify={verify}", *self.access.options("dest-")),
        )
        yield Writing(target=target, publish=lambda *_: None)

    def verifies(self, name: str) -> bool:
        """What the user said, else what registries.conf says of that repository."""
        if self.given_tls_verify is not None:
            return self.given_tls_verify
        entry = self.router.lookup(name)
        return entry is None or not entry.insecure
