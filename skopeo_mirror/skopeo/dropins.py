"""The drop-ins that skopeo merges over the registries.conf that it is given: asked of the skopeo at hand.

Where they are looked for has changed between releases, and depends on the user and on variables; the debug log names
every file that is read (observed on 1.9.3 and 1.18.0).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror.errors import SkopeoMirrorError
from skopeo_mirror.files import private_directory, temporary_directory
from skopeo_mirror.registries_conf.host import possible_dropins
from skopeo_mirror.skopeo.debuglog import parse_line, unquote
from skopeo_mirror.skopeo.supervision import Timeouts, Transcript

if TYPE_CHECKING:
    from skopeo_mirror.skopeo.command import Skopeo

_NOBODY: Final = "nobody.invalid/skopeo-mirror"
_BLOCKED: Final = f'[[registry]]\nprefix = "{_NOBODY}"\nlocation = "{_NOBODY}"\nblocked = true\n'
"""A pull that ends when the configuration has been read: no name is looked up, no host asked."""
_LOADED: Final = re.compile(r'Loading registries configuration (".*")', re.DOTALL)


def ambient_dropins(skopeo: Skopeo) -> tuple[Path, ...]:
    """The drop-ins that `skopeo` merges over every scoped file, in that order.

    Where it does not come so far as to say (a drop-in is invalid): all that any release would read. Raises OSError
    where a drop-in directory cannot be listed, SkopeoMirrorError where temporary files cannot be written.
    """
    loaded = _asked(skopeo)
    if loaded is not None:
        return loaded
    return possible_dropins(environment=skopeo.environment)


def _asked(skopeo: Skopeo) -> tuple[Path, ...] | None:
    transcript = Transcript(limit=1_000_000)
    parent = temporary_directory()
    try:
        with private_directory(parent) as directory:  # cleared by the next run where this one is killed
            given = directory / "registries.conf"
            given.write_text(_BLOCKED, encoding="ascii")
            skopeo.run(
                [
                    *("--debug", "--insecure-policy", "--registries-conf", str(given)),
                    *("inspect", "--no-creds", "--raw", f"docker://{_NOBODY}"),
                ],
                watcher=transcript,
                timeouts=Timeouts(stall=30.0),
            )
    except OSError as error:
        raise SkopeoMirrorError(
            f"{parent}: temporary files cannot be written there: {error.strerror}; set TMPDIR to another directory"
        ) from error
    return loaded_files(transcript.text, given=str(given))


def loaded_files(log: str, *, given: str) -> tuple[Path, ...] | None:
    """The files that a debug log says were read, but for the one that was `given`; None where reading did not end."""
    messages = (message for line in log.splitlines() if (message := parse_line(line)) is not None)
    files = [unquote(match[1]) for _, text in messages if (match := _LOADED.fullmatch(text))]
    if given not in files or f"registry {_NOBODY} is blocked in" not in log:
        return None
    return tuple(Path(file) for file in files if file != given)
