# ruff: noqa: T201 - it prints what it found
"""Start one command, wait for it, and print what it cost as JSON.

A process of its own, because the kernel's mark of peak memory is inherited: from the benchmark, it would be the
benchmark's own. It imports next to nothing for the same reason.
"""

import json
import os
import sys
import time


def main(output: str, *argv: str) -> None:
    """Run `argv` with both its streams in the file `output`; print seconds, CPU seconds, peak bytes, exit status."""
    streams = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, streams, 1),
        (os.POSIX_SPAWN_DUP2, streams, 2),
    ]
    started = time.perf_counter()
    child = os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    cost = {
        "seconds": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
        "status": os.waitstatus_to_exitcode(status),
    }
    print(json.dumps(cost))


if __name__ == "__main__":
    main(*sys.argv[1:])
