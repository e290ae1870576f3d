"""Makes an archive that Python runs: sources, each with what the Python that runs this compiles it to.

``make_archive.py BYTECODE @FILE``: the lines of the file are the paths of the archive, of its main module,
which lies in ``rules/private``, and of the others. `BYTECODE` tells apart command lines for Pythons that
compile differently.

A Python that runs the archive and knows that bytecode does not look at the sources, for both were written
together; one that does not know it takes the sources. The same sources and the same Python give the same
bytes.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
import zipfile
from collections.abc import Sequence

# PEP 552: bytecode that belongs to the source with a hash, which nobody compares.
_UNCHECKED = (1).to_bytes(4, "little")
_MAIN = "__main__.py"


def bytecode(source: bytes, name: str) -> bytes:
    """Compile a source to what a file of bytecode holds."""
    code = compile(source, name, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(source) + marshal.dumps(code)


def write_archive(output: str, main: str, modules: Sequence[str]) -> None:
    """Write the archive: the times of its files are the first that a ZIP can hold."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(main)))
    names = {os.path.relpath(path, root or os.curdir): path for path in modules}
    with zipfile.ZipFile(output, "w") as archive:
        for name, path in sorted({**names, _MAIN: main}.items()):
            with open(path, "rb") as file:
                source = file.read()
            archive.writestr(zipfile.ZipInfo(name), source)
            archive.writestr(zipfile.ZipInfo(f"{name}c"), bytecode(source, name))


if __name__ == "__main__":
    with open(sys.argv[2].removeprefix("@"), encoding="utf-8") as lines:
        output, main, *modules = lines.read().splitlines()
    write_archive(output, main, modules)
