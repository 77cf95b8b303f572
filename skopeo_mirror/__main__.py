"""The program, as `skopeo-mirror` and as `python -m skopeo_mirror`."""

from __future__ import annotations

import contextlib
import os
import sys

from skopeo_mirror.errors import SkopeoMirrorError


def main() -> None:
    """Run the program; `--version` alone is answered without the command line, whose loading takes longer than it."""
    if sys.argv[1:] == ["--version"]:
        from skopeo_mirror.versions import versions  # noqa: PLC0415 - only here

        with contextlib.suppress(SkopeoMirrorError, OSError):  # the command line says what is wrong
            sys.stdout.write(f"{versions(os.environ.get('SKOPEO_MIRROR_SKOPEO'))}\n")
            return
    from skopeo_mirror.cli import main as command_line  # noqa: PLC0415 - see above

    command_line()


if __name__ == "__main__":
    main()
