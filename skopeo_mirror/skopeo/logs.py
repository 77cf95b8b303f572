"""`--log-dir`: skopeo's debug log of every failed attempt, secrets removed, under a name that can be found."""

from __future__ import annotations

import itertools
import re
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from skopeo_mirror.files import naming
from skopeo_mirror.skopeo.secrets import without_queries, without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LONGEST_LINE: Final = 1024 * 1024


class LogDirectory:
    """A directory with the logs of failed runs; those of others never get there."""

    def __init__(self, directory: Path, scratch: Path) -> None:
        self._directory = directory
        self._scratch = scratch
        self._numbers = itertools.count(1 + max(map(_number_of, directory.glob("*.log")), default=0))

    def begin(self) -> BinaryIO:
        """Open a private file that takes a run's log as it comes."""
        return tempfile.TemporaryFile(dir=self._scratch)

    def keep(self, log: BinaryIO, image: str, elsewhere: Sequence[str] = ()) -> Path:
        """Write what `log` holds into the directory, without secrets; return the file's path. Raises OSError.

        No file that is there is written to, and no link followed: it may be of an earlier run, or of another user.
        Of the URLs in `elsewhere` the queries are secrets, too.
        """
        name = re.sub(r"[^A-Za-z0-9._@-]+", "_", image)[:180]
        while True:
            path = self._directory / f"{name}.{next(self._numbers)}.log"
            with suppress(FileExistsError), naming(path), path.open("xb") as file:
                try:
                    log.seek(0)
                    while line := log.readline(_LONGEST_LINE):
                        file.write(without_secrets(without_queries(line, elsewhere)))
                    file.flush()
                except OSError:
                    path.unlink()
                    raise
                return path


def _number_of(path: Path) -> int:
    match = re.search(r"\.(\d{1,9})\.log$", path.name)
    return int(match[1]) if match else 0
