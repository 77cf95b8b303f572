"""Which drop-ins are merged over a given file, as the log of a skopeo says."""

from __future__ import annotations

from pathlib import Path

import pytest

from skopeo_mirror.skopeo.dropins import loaded_files

GIVEN = 'time="2026-01-01T00:00:00Z" level=debug msg="Loading registries configuration \\"/tmp/given.conf\\""'
DROP_IN = 'time="2026-01-01T00:00:00Z" level=debug msg="Loading registries configuration \\"/etc/x/a \\\\\\"b.conf\\""'
OTHER = 'time="2026-01-01T00:00:00Z" level=debug msg="Using registries.d directory /etc/containers/registries.d"'
BLOCKED = (
    'time="2026-01-01T00:00:00Z" level=fatal msg="Error parsing image name \\"docker://x\\": registry '
    'nobody.invalid/skopeo-mirror is blocked in /tmp/given.conf"'
)
INVALID = 'time="2026-01-01T00:00:00Z" level=fatal msg="loading registries configuration \\"/etc/x/a.conf\\": no"'


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param([OTHER, GIVEN, BLOCKED], (), id="none"),
        pytest.param([GIVEN, DROP_IN, OTHER, BLOCKED], (Path('/etc/x/a "b.conf'),), id="one"),
        pytest.param([GIVEN, DROP_IN, INVALID], None, id="reading ended at one"),
        pytest.param([DROP_IN, BLOCKED], None, id="not a word of the given file"),
        pytest.param([], None, id="no word at all"),
    ],
)
def test_what_the_log_says(lines: list[str], found: tuple[Path, ...] | None) -> None:
    assert loaded_files("\n".join(lines), given="/tmp/given.conf") == found
