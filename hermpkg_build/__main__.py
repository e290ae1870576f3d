"""``python -m hermpkg_build``, and what the ``hermpkg`` script runs."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; the exit code."""
    from hermpkg_build.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
