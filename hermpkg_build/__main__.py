"""The entry point of ``python -m hermpkg_build`` and of the ``hermpkg`` script."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress

_LOCAL_ENVIRONMENT = 36
"""The exit code, as `errors.ExitCode` has it."""


def main() -> int:
    """Run the command line; return the exit code."""
    # Nearly all that a command makes lives until it ends: graphs of modules, tables of facts. Looking
    # through them for cycles again and again took a third of the time of a large analysis.
    gc.set_threshold(1_000_000)
    try:
        return _run()
    except KeyboardInterrupt:  # Most of the time of a short command goes into imports.
        from hermpkg_build.cli.console import Console
        from hermpkg_build.cli.main import interrupted

        return interrupted(Console())
    finally:
        # Nor is anything looked through at the end of the process, which took as long as its start.
        gc.freeze()


def _run() -> int:
    from hermpkg_build.installation import check_build

    try:
        check_build("the command line")
    except ImportError as error:
        print(f"hermpkg: {error}", file=sys.stderr)
        return _LOCAL_ENVIRONMENT
    from hermpkg_build.cli.at_once import answered

    if answered(sys.argv[1:]):
        return 0
    from hermpkg_build.cli.main import main as run

    return run()


def _leave_the_current_folder_out() -> None:
    """Take back what ``python -m`` puts first on the path: the current folder.

    It is the workspace's, whose modules may have the names of the standard library's.
    """
    with suppress(OSError):
        if not getattr(sys.flags, "safe_path", False) and sys.path[:1] == [os.getcwd()]:
            del sys.path[0]


if __name__ == "__main__":
    _leave_the_current_folder_out()
    sys.exit(main())
