"""The process that runs a program with an artifact: a packed module, a script, or a prompt.

It is started by its path, with a JSON object as its argument: that has the artifact, what to run, its
arguments, and the folders of the modules that are lent to it, for the environment need not have hermpkg.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermpkg_build.runtime.importer import PackageImporter


def main() -> None:
    """Run the request at ``sys.argv[1]``."""
    # The folder of this script, whose modules are nobody's top-level modules.
    del sys.path[0]
    request = json.loads(sys.argv[1])
    _lend(request["lent"])
    if request["script"]:
        run_script(request["script"], request["artifact"], request["arguments"])
    elif request["module"]:
        run_module(request["module"], request["artifact"], request["arguments"])
    else:
        show_prompt(request["artifact"])


def run_script(script: str, artifact: str, arguments: list[str]) -> None:
    """Run a file as Python runs one, with the artifact as its first argument, as a package_test has it."""
    import runpy

    sys.argv = [script, artifact, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    runpy.run_path(script, run_name="__main__")


def run_module(name: str, artifact: str, arguments: list[str]) -> None:
    """Run a module of the artifact as the main one; what it imports comes from the artifact as usual."""
    import linecache
    from types import ModuleType

    importer = open_artifact(artifact)
    parent = name.rpartition(".")[0]
    if parent:
        importer.import_module(parent)
    source = importer.get_source(name)
    file = f"{importer.id()}.{name.replace('.', '/')}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = ModuleType("__main__")
    namespace: dict[str, Any] = vars(module)
    namespace.update(
        __file__=file,
        __package__=f"{importer.id()}.{parent}" if parent else "",
        __builtins__=importer.patched_builtins,
        __torch_package__=True,
    )
    sys.modules["__main__"] = module
    sys.argv = [file, *arguments]
    exec(compile(source, file, "exec", dont_inherit=True), namespace)  # noqa: S102 -- that is the purpose


def show_prompt(artifact: str) -> None:
    """Read and run lines of Python, with the artifact open as ``imp``."""
    import code

    importer = open_artifact(artifact)
    if sys.stdin.isatty():
        with suppress(ImportError):  # With it, lines can be edited and recalled.
            importlib.import_module("readline")
    banner = f"Python {sys.version.split()[0]}: imp is a PackageImporter of {importer.filename}"
    code.interact(banner=banner, local={"imp": importer, "__name__": "__main__"}, exitmsg="")


def open_artifact(artifact: str) -> PackageImporter:
    """Open the artifact, or exit with what is wrong with it."""
    from hermpkg_build.errors import HermpkgError
    from hermpkg_build.runtime.importer import PackageImporter

    try:
        return PackageImporter(artifact)
    except (HermpkgError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(int(getattr(error, "exit_code", 1)))


def _lend(folders: dict[str, str]) -> None:
    path = os.path.join(
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "disk", "lent_modules.py"
    )
    spec = importlib.util.spec_from_file_location("hermpkg_lent_modules", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.lend(folders)


if __name__ == "__main__":
    main()
