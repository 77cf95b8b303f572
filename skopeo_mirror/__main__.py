"""The program, as `skopeo-mirror` and as `python -m skopeo_mirror`."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the program, whatever becomes of its streams, and however early a signal comes."""
    # Put off until `signals.listen`: loading modules is no place to be torn out of, and which report to write is not
    # known yet. Before anything else is loaded: until here Python answers an interrupt with a traceback.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
    from skopeo_mirror import signals, streams  # noqa: PLC0415
    from skopeo_mirror.errors import OutputLost  # noqa: PLC0415

    streams.take_over()
    status: object = 0
    try:
        _run()
    except signals.Signalled as signalled:
        status = signalled.exit_status
    except SystemExit as ended:
        status = ended.code
    signals.let_go()
    streams.settle()
    lost = streams.lost(sys.stdout)
    if lost is not None:
        sys.stderr.write(f"error: {OutputLost(lost)}\n")
        status = status or OutputLost.exit_status
    sys.exit(status)  # type: ignore[arg-type]


def _run() -> None:
    """`--version` alone is answered without the command line, whose loading takes longer than it."""
    if sys.argv[1:] == ["--version"]:
        import contextlib  # noqa: PLC0415 - only here

        from skopeo_mirror import __version__  # noqa: PLC0415
        from skopeo_mirror.errors import SkopeoMirrorError  # noqa: PLC0415
        from skopeo_mirror.signals import listen  # noqa: PLC0415
        from skopeo_mirror.skopeo.command import version_line  # noqa: PLC0415

        listen()
        with contextlib.suppress(SkopeoMirrorError, OSError):  # the command line says what is wrong
            found = version_line(os.environ.get("SKOPEO_MIRROR_SKOPEO"))
            sys.stdout.write(f"skopeo-mirror {__version__}\n{found}\n")
            return
    from skopeo_mirror.cli import main as command_line  # noqa: PLC0415 - see above

    command_line()


if __name__ == "__main__":
    main()
