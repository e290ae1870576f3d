"""Makes a model object in a child process; this is the parent's side."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.canonical_json import dumps, loads
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.dataclass import replace
from hermpkg_build.disk.processes import Children
from hermpkg_build.errors import ActionError, BuildInterruptedError, LocalEnvironmentError
from hermpkg_build.factories.early_fork import REQUEST
from hermpkg_build.factories.failures import FactoryError, factory_error_from_json
from hermpkg_build.factories.request import (
    BASELINE,
    EXIT_FULL,
    EXIT_PLAIN,
    PICKLE,
    RESULT,
    ModelObject,
    ModelRequest,
    ObservedFiles,
    saved_file,
    storage_file,
)
from hermpkg_build.store.failures import cannot_write

if TYPE_CHECKING:
    from pathlib import Path

    from hermpkg_build.core.digest import Digest
    from hermpkg_build.factories.child import ChildExit
    from hermpkg_build.factories.warm_client import WarmProcesses
    from hermpkg_build.store.content import ContentStore

# A script that is run, never imported: it is the main module of its own process.
_WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")


def make_model_object(
    request: ModelRequest,
    content: ContentStore,
    *,
    children: Children | None = None,
    warm: WarmProcesses | None = None,
) -> ModelObject:
    """Run the factory in a child process and adopt what it leaves into `content`.

    The child is forked by a process of `warm` where that shows in nothing, and started for it alone
    elsewhere: also where the factory failed in one that was forked. When `children` are cancelled, or an
    exception such as KeyboardInterrupt arrives, the child is killed with everything it started.
    Raises FactoryError where the factory, the weights or the pickling fails, ActionError where the
    child dies, BuildInterruptedError where it was cancelled, and LocalEnvironmentError where the
    folder of `content` is full or taken away.
    """
    from pathlib import Path

    from hermpkg_build.factories.child import run_child

    children, variables = children or Children(), variables_of(request)
    if warm is not None:
        forked = partial(warm.run, request, variables=variables, children=children)
        found = _adopted(request, content, forked, warm.end_later)
        if found is not None:
            warm.note_made(request.label, request.workspace_root, found[0].observed_files)
            return found[0]

    def fresh(asked: bytes, staging: str, _: ExitStack) -> ChildExit | None:
        folder, conditions = Path(staging), request.conditions
        (folder / REQUEST).write_bytes(asked)
        ended = run_child(_WORKER, folder, conditions=conditions, variables=variables, children=children)
        if ended is not None and ended.returncode == EXIT_PLAIN:
            folder = folder / "plain"
            folder.mkdir()
            (folder / REQUEST).write_bytes(dumps(to_json(replace(request, plain_lines=True))))
            ended = run_child(_WORKER, folder, conditions=conditions, variables=variables, children=children)
        return ended

    found = None if children.is_cancelled() else _adopted(request, content, fresh, ExitStack.close)
    if found is None:
        raise BuildInterruptedError(f"the factory of {request.label} was stopped")
    made, roots = found
    if warm is not None:
        warm.settings.keep_roots(request, roots)
    return made


def variables_of(request: ModelRequest) -> dict[str, str]:
    """Return the variables that hold the libraries of a factory to the instructions that it may use."""
    from hermpkg_build.factories.processor import LIMITED, baseline_variables

    held = request.cpu == BASELINE or request.conditions.processor == LIMITED
    return baseline_variables() if held else {}


def _adopted(
    request: ModelRequest,
    content: ContentStore,
    run: Callable[[bytes, str, ExitStack], ChildExit | None],
    end: Callable[[ExitStack], None],
) -> tuple[ModelObject, tuple[str, ...]] | None:
    """What a child that `run` runs in a new folder leaves, in `content`, and the roots of its imports.

    What holds the folder and the child is given to `end` when they are needed no more. None where `run` gives
    None. Raises what `make_model_object` raises.
    """
    from pathlib import Path

    with ExitStack() as stack, _staging_errors(staging := stack.enter_context(content.staging())):
        ended = run(dumps(to_json(request)), staging, stack)
        if ended is None:
            return None
        folder = Path(ended.folder)
        result = _result(folder, request, ended)
        if number := result.get("full"):
            raise OSError(number, os.strerror(number))
        if "error" in result:
            raise _error(result, request, ended)
        made = from_json(ModelObject, result["made"])
        content.put_file(str(folder / PICKLE), made.pickle, move=True)
        keys: dict[Digest, int] = {}
        for key, stored in enumerate(made.storages):
            keys.setdefault(stored.digest, key)
        for digest, key in keys.items():
            content.put_file(str(folder / storage_file(key)), digest, move=True)
        for digest in {record.digest: None for record in made.beside.records}:
            content.put_file(str(folder / saved_file(digest)), digest, move=True)
        end(stack.pop_all())
        return made, tuple(map(str, result["roots"]))


@contextmanager
def _staging_errors(folder: str) -> Iterator[None]:
    """An error of the operating system is about this folder: files are written and moved here only."""
    try:
        yield
    except OSError as error:
        if not os.path.isdir(folder):
            raise LocalEnvironmentError(
                "the folder of a running factory was taken away",
                facts=[("folder", folder)],
                next_step="leave the cache alone while a build runs, and build again",
            ) from error
        raise cannot_write(error, folder) from error


def _result(folder: Path, request: ModelRequest, ended: ChildExit) -> dict[str, Any]:
    try:
        result: Any = loads((folder / RESULT).read_bytes())
    except FileNotFoundError:
        if ended.returncode == EXIT_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        raise ActionError(
            f"the process of the factory {request.factory} ended before it had a result: {ended.description}",
            facts=_context(request, ended),
        ) from None
    return dict(result)


def _error(result: dict[str, Any], request: ModelRequest, ended: ChildExit) -> FactoryError:
    from hermpkg_build.disk.library_paths import library_paths
    from hermpkg_build.factories.remedies import remedy_of_environment

    error = factory_error_from_json(result["error"], more_facts=_context(request, ended))
    seen = {**library_paths(), **request.conditions.environment}
    error.next_step = error.next_step or remedy_of_environment(error.summary, seen, os.environ)
    error.target = request.label
    error.missed = tuple(result.get("missed", ()))
    if "observed_files" in result:
        error.observed_files = from_json(ObservedFiles, result["observed_files"])
    return error


def _context(request: ModelRequest, ended: ChildExit) -> list[tuple[str, str]]:
    facts = [("target", request.label), ("factory", request.factory)]
    return [*facts, ("output", ended.output)] if ended.output else facts
