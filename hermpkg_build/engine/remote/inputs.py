"""The action that makes a model object on an executor: a folder of declared files, and a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from hermpkg_build.dataclass import replace
from hermpkg_build.disk.library_paths import library_paths
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.remote.worker import OUTPUT, REQUEST, WORKSPACE, request_bytes
from hermpkg_build.engine.remote.worker_code import WORKER, worker_code
from hermpkg_build.factories.child import SOURCES_SPEAK
from hermpkg_build.remote.grpc.execution import Command
from hermpkg_build.remote.reapi.merkle import InputRoot, input_root
from hermpkg_build.remote.transport import Blob

if TYPE_CHECKING:
    from hermpkg_build.core.target import Model
    from hermpkg_build.engine.context import TargetContext
    from hermpkg_build.engine.environment import BuildEnvironment
    from hermpkg_build.factories.request import ModelRequest
    from hermpkg_build.remote.settings import RemoteSettings

_TOOL = "tool"

_MOST_NAMES = 5_000
"""Names in a folder that are sent; one with more is data, which no failing import lists."""

_EMPTY = Blob.of(b"")


def model_inputs(
    context: TargetContext, target: Model, request: ModelRequest, settings: RemoteSettings
) -> InputRoot:
    """The folder in which the worker makes the model object of `target`.

    Files of the workspace are in it where `target` declares them: the modules that its deps reach,
    their resources, and its weights. Files of any size are there by digest alone. What else lies in a
    folder with declared files is there by name, and empty: an import that fails lists such folders, and a
    factory that reads an empty file instead of the right one is not believed. Raises OSError for a file
    that cannot be read, ValueError for a path that is not UTF-8.
    """
    environment = shipped_environment(context)
    search_path = None if settings.python else environment.search_path
    asked = request_bytes(request, environment.inputs(context.tree), search_path)
    paths = sorted({*request.modules.values(), *_data_files(context, target, request)})
    digests = context.tree.digests(paths)
    declared = {path: Blob(digest=digest, path=path) for path, digest in zip(paths, digests, strict=True)}
    beside, folders = _beside(declared)
    prefix = context.absolute("")
    workspace = {
        f"{WORKSPACE}/{path.removeprefix(prefix)}": blob for path, blob in {**beside, **declared}.items()
    }
    return input_root(
        {**_tool(), REQUEST: Blob.of(asked), **workspace},
        [WORKSPACE, *(f"{WORKSPACE}/{folder.removeprefix(prefix)}" for folder in folders)],
    )


def shipped_environment(context: TargetContext) -> BuildEnvironment:
    """The environment without entries of its search path that are source roots of the workspace.

    An editable install puts such entries there. A factory gets its workspace modules another way.
    """
    workspace = context.workspace
    roots = {os.path.realpath(context.absolute(root)) for root in (*workspace.source_roots, "")}
    kept = [path for path in context.environment.search_path if os.path.realpath(path) not in roots]
    return replace(context.environment, search_path=tuple(kept))


def worker_command(settings: RemoteSettings) -> Command:
    """The command that runs the worker: by the interpreter of the settings, else at the path of this one.

    Its environment variables are few and the same for everybody; where everything is at the same place,
    the dynamic loader looks where it does here.
    """
    interpreter = [settings.python or sys.executable, "-I", "-B", *SOURCES_SPEAK, "-X", "utf8"]
    libraries = {} if settings.python else library_paths()
    return Command(
        arguments=(*interpreter, f"{_TOOL}/{WORKER}"),
        environment={"LC_ALL": "C.UTF-8", "PATH": os.defpath, "TZ": "UTC", **libraries},
        output=OUTPUT,
        timeout_s=settings.execution_timeout_s,
        platform=settings.platform,
    )


def _data_files(context: TargetContext, target: Model, request: ModelRequest) -> Iterator[str]:
    if request.weights is not None:
        yield request.weights
    for owner in context.python_modules(target.dependencies):
        for resource in owner.resources:
            yield context.absolute(resource.path)


def _beside(paths: Iterable[str]) -> tuple[dict[str, Blob], list[str]]:
    """The names that lie in the folders of `paths`: files, emptied, and folders."""
    # The build's own tree would take the listings for something that its result depends on.
    tree = SourceTree()
    files: dict[str, Blob] = {}
    folders: list[str] = []
    for folder in sorted({os.path.dirname(path) for path in paths}):
        entries = tree.entries(folder) or {}
        if len(entries) > _MOST_NAMES:
            continue
        for name, is_folder in entries.items():
            path = os.path.join(folder, name)
            if is_folder:
                folders.append(path)
            else:
                files[path] = _EMPTY
    return files, folders


@cache
def _tool() -> Mapping[str, Blob]:
    """The worker with what it imports of this package, as it is installed here."""
    return {f"{_TOOL}/{path}": Blob.of(source) for path, source in worker_code().items()}
