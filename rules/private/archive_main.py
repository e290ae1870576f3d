"""Runs hermpkg_build.bazel of the archive that this is the main module of."""

import os
import sys
import tempfile
import zipfile

_WITH_CHILDREN = ("model", "test")
"""Actions that run programs of hermpkg in further processes, which need files: they unpack the archive."""

# The search path is what models are built with, and the tool is no part of that.
_ARCHIVE = os.path.abspath(sys.path.pop(0))


def run(root: str) -> int:
    """Run the action that the arguments name, with the code in a folder or an archive."""
    sys.path.insert(0, root)
    from hermpkg_build.bazel.__main__ import main

    sys.path.remove(root)
    return main(sys.argv[1:])


def unpack(folder: str) -> None:
    """Lay the sources into a folder, and what they are compiled to where Python looks for it."""
    with zipfile.ZipFile(_ARCHIVE) as archive:
        for name in archive.namelist():
            path = os.path.join(folder, name)
            if name.endswith(".pyc"):
                parent, module = os.path.split(path[: -len(".pyc")])
                path = os.path.join(parent, "__pycache__", f"{module}.{sys.implementation.cache_tag}.pyc")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(archive.read(name))


if __name__ == "__main__":
    if sys.argv[1] not in _WITH_CHILDREN:
        sys.exit(run(_ARCHIVE))
    with tempfile.TemporaryDirectory(prefix="hermpkg-tool-", dir=os.environ.get("TEST_TMPDIR")) as folder:
        # The temporary folder can be a link, such as /tmp on macOS, and modules must not see two names.
        folder = os.path.realpath(folder)
        unpack(folder)
        sys.exit(run(folder))
