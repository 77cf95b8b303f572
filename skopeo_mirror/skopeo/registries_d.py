"""registries.d: whether this host makes skopeo look for the signatures of an image at all.

skopeo alone knows what these files mean; it is asked wherever one may say something. So they are read as text: what
names no host of an image, or nowhere that signatures are read from, cannot matter to it. That errs on one side only,
and costs a question there. All directories count, because which of them skopeo reads differs between its versions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror.files import can_be_entered, home_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from skopeo_mirror.reference import Reference

SYSTEM: Final = (Path("/etc/containers/registries.d"), Path("/usr/share/containers/registries.d"))
_SYSTEM_STORE: Final = Path("/var/lib/containers/sigstore")

_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)
# Not the `-staging` ones, which say where signatures are written (Fedora's default.yaml has no more than that).
_READS: Final = re.compile(r"(?<![\w-])(?:lookaside|sigstore|use-(?:sigstore|cosign)-attachments)[\"']?\s*:")
_EVERY_IMAGE: Final = "default-docker"


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistriesD:
    """What this host's files say of signatures."""

    texts: tuple[str, ...]
    """The files that say where signatures are read from."""
    stores: tuple[Path, ...]
    """Where they are read from otherwise."""

    @classmethod
    def read(cls, environment: Mapping[str, str], system: tuple[Path, ...] = SYSTEM) -> RegistriesD:
        """What a skopeo with that environment may read."""
        home = home_directory(environment)
        configured = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
        users = dict.fromkeys(directory / "containers/registries.d" for directory in (home / ".config", configured))
        stores = (_SYSTEM_STORE, home / ".local/share/containers/sigstore")
        return cls(
            texts=tuple(text for directory in (*users, *system) for text in _texts(directory) if _READS.search(text)),
            stores=tuple(store for store in stores if can_be_entered(store)),
        )

    def may_speak_of(self, reference: Reference) -> bool:
        """Whether skopeo may find signatures of an image that it reads under that name."""
        names = set(_names(reference.domain))
        return any(name in text for text in self.texts for name in names) or any(
            _has_some(store / reference.path) for store in self.stores
        )


def _has_some(place: Path) -> bool:
    """Whether a store has signatures of an image, which would be at `place@DIGEST`."""
    try:
        return any(path.name.startswith(f"{place.name}@") for path in place.parent.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # skopeo will say what is wrong with it


def _texts(directory: Path) -> Iterator[str]:
    """What is in the files of a directory, without comments; of one that cannot be read skopeo has to say that."""
    try:
        files = sorted(file for file in directory.iterdir() if file.suffix == ".yaml")
    except OSError:
        return
    for file in files:
        try:
            yield _COMMENT.sub("", file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            yield f"{_EVERY_IMAGE}: sigstore:"


def _names(domain: str) -> Iterator[str]:
    """What a file that speaks of a host has in it: its name, a wildcard for it, or what is said of every image."""
    yield from (_EVERY_IMAGE, domain)
    host = domain.partition(":")[0]
    while "." in host:
        host = host.partition(".")[2]
        yield f"*.{host}"
