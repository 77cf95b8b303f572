"""The signature policy in force: which requirements apply to an image, by skopeo's own rules of scope.

Nothing is decided on here, that is skopeo's. But a scope can name a tag or a digest, and a signature is compared with
what was asked for: who knows which images a policy has a say in knows which must be asked for just as the user did.
The rules are those of containers-policy.json(5), and of containers/image where that is silent.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from skopeo_mirror.errors import InvalidInput
from skopeo_mirror.files import LARGEST_DOCUMENT, IrregularFile, home_directory, read_regular
from skopeo_mirror.registries_conf.routing import as_pulled
from skopeo_mirror.skopeo.debuglog import Died
from skopeo_mirror.skopeo.log_watcher import LogWatcher
from skopeo_mirror.skopeo.supervision import Timeouts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from skopeo_mirror.reference import Digest, Reference
    from skopeo_mirror.skopeo.command import Skopeo
    from skopeo_mirror.skopeo.settings import Settings

_USERS: Final = ".config/containers/policy.json"
_SYSTEM: Final = "/etc/containers/policy.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """The requirements of an image; all of them are to be met."""

    types: tuple[str, ...]
    """The kinds of requirement."""

    @property
    def accept_anything(self) -> bool:
        """Whether the image is taken as it comes."""
        return set(self.types) == {"insecureAcceptAnything"}

    @property
    def reject(self) -> bool:
        """Whether no image can fulfil them."""
        return "reject" in self.types


ANYTHING: Final = Requirements(types=("insecureAcceptAnything",))


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A policy.json."""

    default: Requirements = ANYTHING
    scopes: Mapping[str, Mapping[str, Requirements]] = field(default_factory=dict)
    """By transport and scope."""
    file: str | None = None
    """Where it stands, if it is one of a file."""

    def has_a_say(self, image: Reference, digest: Digest) -> bool:
        """Whether it matters to an image in a registry what is asked for, and that all of the image is.

        So where `image`, as it was asked for, is not just accepted; and where it is, but its digest would not be.
        """
        asked = (self.of_image(image), self.of_image(image.pin(digest)))
        return not all(requirements.accept_anything for requirements in asked)

    def of_image(self, image: Reference) -> Requirements:
        """The requirements of an image that is asked of a registry, under its logical name."""
        return self._first("docker", _image_scopes(as_pulled(image)))

    def of_layout(self, directory: Path) -> Requirements:
        """The requirements of an image that skopeo reads from a layout in `directory`."""
        path = directory.resolve()
        return self._first("oci", (str(scope) for scope in (path, *path.parents) if scope != scope.parent))

    def _first(self, transport: str, scopes: Iterator[str]) -> Requirements:
        of_transport = self.scopes.get(transport, {})
        return next((of_transport[scope] for scope in (*scopes, "") if scope in of_transport), self.default)

    @property
    def is_trivial(self) -> bool:
        """Whether it accepts everything, wherever it is from."""
        every = (self.default, *(one for scopes in self.scopes.values() for one in scopes.values()))
        return all(requirements.accept_anything for requirements in every)


def policy_in_force(settings: Settings, skopeo: Skopeo) -> Policy:
    """The policy that skopeo will go by. Raises InvalidInput where it has none that can be used."""
    if settings.insecure_policy:
        return Policy()
    file = settings.policy or policy_file(skopeo.environment)
    policy = read_policy(Path(file))
    if not policy.is_trivial:
        _have_it_judged(file, settings, skopeo)
    return policy


def policy_file(environment: Mapping[str, str]) -> str:
    """The user's own policy.json if there is one, else the system's."""
    users = str(home_directory(environment) / _USERS)
    return users if os.path.exists(users) else _SYSTEM  # noqa: PTH110 - it never raises, whatever HOME is


def read_policy(file: Path) -> Policy:
    """Read a policy.json. Raises InvalidInput; what only skopeo would refuse in it may pass."""
    try:
        return parse_policy(read_regular(file, at_most=LARGEST_DOCUMENT), str(file))
    except IrregularFile as error:
        raise _unusable(file, "is no regular file") from error
    except OSError as error:
        raise _unusable(file, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _unusable(file, f"is no policy.json: {error}") from error


def parse_policy(content: bytes, file: str) -> Policy:
    """Interpret the content of a policy.json. Raises ValueError."""
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - of the content, not of a caller's value
    transports = document.get("transports")
    return Policy(
        default=_requirements(document.get("default")),
        scopes={
            transport: {scope: _requirements(one) for scope, one in _mapping(scopes).items()}
            for transport, scopes in _mapping({} if transports is None else transports).items()
        },
        file=file,
    )


def _requirements(listed: Any) -> Requirements:
    """What is no list of requirements accepts nothing; skopeo will have its own words on it."""
    items = listed if isinstance(listed, list) else []
    return Requirements(types=tuple(str(item.get("type")) if isinstance(item, dict) else "" for item in items))


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("transports and their scopes are to be JSON objects")  # noqa: TRY004
    return value


def _image_scopes(image: Reference) -> Iterator[str]:
    """The scopes that match, most specific first: the reference, its repository, namespaces and host, `*.parent`."""
    yield str(image)
    parts = image.name.split("/")
    yield from ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    labels = parts[0].partition(":")[0].split(".")
    yield from (f"*.{'.'.join(labels[start:])}" for start in range(1, len(labels)))


def _have_it_judged(file: str, settings: Settings, skopeo: Skopeo) -> None:
    """Ask skopeo, which reads the policy before anything else, and what it is to copy is nothing."""
    watcher = LogWatcher()
    skopeo.run(
        [*settings.global_options(), "copy", "docker://", "docker://"],
        watcher=watcher,
        timeouts=Timeouts(timeout=30.0),
    )
    watcher.close()
    for event in watcher.reader.events:
        if isinstance(event, Died) and "trust policy" in event.error:
            raise _unusable(Path(file), event.error.removeprefix("Error loading trust policy: "))


def _unusable(file: Path, why: str) -> InvalidInput:
    advice = (
        "skopeo copies nothing without a signature policy: put this one right, name another with --policy, or check no "
        "signatures with --insecure-policy"
    )
    return InvalidInput([f"{file}: {why} ({advice})"])
