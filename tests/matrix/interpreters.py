"""Other Pythons of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def interpreter_of(version: str) -> str | None:
    """A Python of this version that starts: on the path, or one of pyenv's."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [
        shutil.which(f"python{version}"),
        *sorted(map(str, root.glob(f"versions/{version}.*/bin/python"))),
    ]
    for path in filter(None, found):
        program = "import sys; print('%d.%d' % sys.version_info[:2])"
        completed = subprocess.run([path, "-c", program], capture_output=True, text=True, check=False)
        if completed.stdout.strip() == version:
            return path
    return None
