"""The child process of a package_test: hides what the artifact holds, then runs the test's main file.

It is started by its path in an isolated interpreter, with one argument: the path of a file, which it
removes, with a JSON object. That has the artifact, the main file, its arguments, the workspace modules it
may import, and the folders to find all others in; and where to write which files were imported.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Iterator
from types import ModuleType

_HIDDEN = (
    "{name} is packed in the artifact, so this test hides the installed one: "
    "import it through PackageImporter"
)


def packed_modules(artifact: str) -> frozenset[str]:
    """Return the dotted names of the modules whose source or stub `artifact` holds."""
    from hermpkg_build.archive.modules import PackedModules
    from hermpkg_build.archive.reader import ArchiveReader

    with ArchiveReader(artifact) as archive:
        return frozenset(PackedModules(archive.names()).sources)


def imported_files() -> Iterator[str]:
    """The files of the modules that this process has imported, of which no code is run by asking."""
    for module in [*sys.modules.values()]:
        names = object.__getattribute__(module, "__dict__") if isinstance(module, ModuleType) else {}
        path = names.get("__file__")
        if isinstance(path, str) and os.path.isabs(path):
            yield path


def main() -> None:
    """Run the request at ``sys.argv[1]``."""
    with open(sys.argv[1], "rb") as file:
        request = json.load(file)
    os.unlink(sys.argv[1])
    sys.path[:] = [*request["search_path"]]
    if request["tool_path"] not in sys.path:
        sys.path.append(request["tool_path"])
    from hermpkg_build.disk.processes import end_with_parent

    end_with_parent(request["parent"], request["lifeline"])
    from hermpkg_build.factories.hidden_modules import HiddenModules
    from hermpkg_build.factories.places import Places
    from hermpkg_build.factories.workspace_finder import WorkspaceFinder
    from hermpkg_build.runtime.contents.checks import specifiers

    places = Places(workspace_root=request["workspace_root"], search_path=request["search_path"])
    helpers = WorkspaceFinder(modules=request["modules"], source_roots=request["source_roots"], places=places)
    specifiers()
    HiddenModules(packed_modules(request["artifact"]).__contains__, _HIDDEN).install()
    # Behind the finder that refuses what is packed, before all that it lets pass.
    sys.meta_path.insert(1, helpers)
    sys.argv = [request["main"], request["artifact"], *request["arguments"]]
    process = os.getpid()
    try:
        runpy.run_path(request["main"], run_name="__main__")
    finally:
        if os.getpid() == process:
            with open(request["imported"], "w", encoding="utf-8") as file:
                json.dump(sorted(set(imported_files())), file)


if __name__ == "__main__":
    main()
