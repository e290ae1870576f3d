"""``python -m hermpkg_build``, and what the ``hermpkg`` script runs."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Run the command line; the exit code."""
    # Nearly all that a command makes lives until it ends: graphs of modules, tables of facts. Looking
    # through them for cycles again and again took a third of the time of a large analysis.
    gc.set_threshold(1_000_000)
    from hermpkg_build.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
