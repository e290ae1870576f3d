"""Runs hermpkg_build.bazel of the repository that this file lies in, whatever else is installed."""

import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

sys.path.insert(0, _ROOT)
from hermpkg_build.bazel.__main__ import main  # noqa: E402

# The search path is what models are built with, and the tool is no part of that.
sys.path.remove(_ROOT)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
