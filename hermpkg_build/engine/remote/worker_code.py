"""The code that the worker on an executor runs: of this package what it imports, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hermpkg_build
from hermpkg_build.core.import_facts import ImportContext
from hermpkg_build.source.imports import analyse_source

WORKER = "hermpkg_build/engine/remote/worker.py"
"""The script that an executor runs."""

_FACTORY_WORKER = "hermpkg_build/factories/worker.py"
"""The script that the worker runs in a process of its own."""


def worker_code() -> dict[str, bytes]:
    """The sources of the worker and of all that it imports, also in functions, by their paths.

    A path is relative to the folder that this package lies in.
    """
    top = os.path.dirname(os.path.dirname(os.path.abspath(hermpkg_build.__file__)))
    code: dict[str, bytes] = {}
    paths = [WORKER, _FACTORY_WORKER]
    for path in paths:
        if path not in code and os.path.isfile(os.path.join(top, path)):
            with open(os.path.join(top, path), "rb") as file:
                code[path] = file.read()
            for stem in (os.path.dirname(path), *_imported(code[path])):
                paths += [f"{stem}.py", f"{stem}/__init__.py"]
    return code


def _imported(source: bytes) -> Iterator[str]:
    """What a module imports from this package, each name as a path without a suffix.

    The names that it takes out of modules are among them, for they can be modules too.
    """
    for imported in analyse_source(source).imports:
        ours = imported.module.split(".")[0] == hermpkg_build.__name__
        if ours and ImportContext.TYPE_CHECKING not in imported.context:
            stem = imported.module.replace(".", "/")
            yield stem
            yield from (f"{stem}/{name}" for name in imported.names)
