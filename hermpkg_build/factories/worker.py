"""The child process that makes one model object: a request in, files and a result out.

It is started by `child` as a script with three arguments: a folder, and the number and the lifeline of the
process that waits for it. It reads the request in the folder and leaves the pickle and the storages there,
and last of all the result: when that exists, everything else is complete.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # The first entry is the folder of this file, whose modules are nobody's top-level modules.
    import os

    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import _imp
import errno
import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from hermpkg_build.core.canonical_json import Json, dumps
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.example_call import arguments_of
from hermpkg_build.core.globs import GlobGroup
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.disk.files import write_all
from hermpkg_build.disk.processes import end_with_parent
from hermpkg_build.disk.replacing import NewFile
from hermpkg_build.disk.standard_library import standard_library
from hermpkg_build.errors import ActionError, HermpkgError
from hermpkg_build.extension import VARIABLE, choose
from hermpkg_build.factories.call import check_arguments, definition_of, find_factory, returns_nothing
from hermpkg_build.factories.early_fork import REQUEST
from hermpkg_build.factories.factory_exporter import FactoryExporter
from hermpkg_build.factories.failures import error_to_json
from hermpkg_build.factories.hidden_modules import HiddenModules
from hermpkg_build.factories.late_collection import collecting_late
from hermpkg_build.factories.line_of_class import may_be_refused
from hermpkg_build.factories.listings import order_listings
from hermpkg_build.factories.loaded_libraries import with_libraries
from hermpkg_build.factories.native_reads import NativeReads
from hermpkg_build.factories.observation import (
    FileObserver,
    data_among,
    observe_native_reader,
    reads_of_workspace,
)
from hermpkg_build.factories.observed_imports import observed_aliases, observed_imports
from hermpkg_build.factories.places import Places
from hermpkg_build.factories.preloading import Preloaded, go_cold
from hermpkg_build.factories.processor import describe_platform, hold_torch_to_baseline, numpy_features_left
from hermpkg_build.factories.request import (
    BASELINE,
    EXIT_FULL,
    EXIT_PLAIN,
    RESULT,
    ModelObject,
    ModelRequest,
)
from hermpkg_build.factories.source_looks import observe_torch_positions
from hermpkg_build.factories.spawned_processes import contexts, let_find
from hermpkg_build.factories.standard_modules import in_their_places, standard_modules
from hermpkg_build.factories.tracebacks import error_of_factory
from hermpkg_build.factories.weights import load_weights
from hermpkg_build.factories.workspace_finder import WorkspaceFinder
from hermpkg_build.pickles.path_of_failure import UnpicklableError
from hermpkg_build.store.failures import FULL

UMASK = 0o022
_kept: list[Any] = []
"""What must live as long as this process."""


def run(folder: Path, ahead: Preloaded | None = None, wait: Callable[[], None] = lambda: None) -> None:
    """Make the model object that the request in `folder` asks for; leave the result there.

    Where libraries were imported `ahead`, the process ends with `EXIT_COLD` if that could show, or if the
    factory fails. All is made ready before it `wait`s: nothing of the factory's, nor of what it reads, is
    looked at until then.
    """
    _tell_crashes_by_python_s_stack()
    process, work = os.getpid(), os.getcwd()
    request = from_json(ModelRequest, json.loads((folder / REQUEST).read_bytes()))
    _lay_out(request.resources, request.workspace_root)
    places = places_of(request)
    if ahead is not None:
        places.learn_from(ahead.places)
    join_root = partial(os.path.join, request.workspace_root)
    observer = FileObserver() if ahead is None else ahead.observer
    finder = confine(request, places, observer, ahead)
    wait()
    folders = map(os.path.dirname, request.modules.values())
    native = NativeReads(folders, request.workspace_root)
    observer.watch(native, str(folder), map(join_root, request.resources))
    observer.named.note_values(request.arguments)
    observer.take()  # What was looked at until here is nobody's.
    if ahead is not None:
        ahead.guard()
    result: dict[str, Json]
    try:
        standard = standard_modules()
        factory = find_factory(request.factory, request.modules, places)
        standard, imported = standard_modules(standard), tuple(finder.roots)
        model = make(request, factory, places)
        if os.getpid() != process:
            return
        if ahead is not None:
            ahead.finish()
        os.umask(UMASK)
        exporter = FactoryExporter(folder, request.label)
        with in_their_places(standard):
            pickled = exporter.save_model(model)
        output = _output_hash(request, model, places, folder) if request.example else ""
        beside = exporter.beside
        if beside.has_torchscript:
            observer.looks.note_all()  # it names the lines that it was made of
        files = observer.files(finder, places, str(folder))
        made = ModelObject(
            pickle=Digest.of(pickled.data),
            globals=pickled.globals,
            storages=exporter.storages,
            key_offsets=pickled.key_offsets,
            observed_modules=tuple(observed_imports(finder, places)),
            observed_files=observer.with_marks(
                with_libraries(files, places, str(folder), observer.written())
            ),
            data_read=data_among(files.read, request, places),
            workspace_reads=reads_of_workspace([*files.read, *native.index_of_git()], request, places),
            missed=observer.missed(work),
            located_sources=tuple(observer.located_sources()),
            computed_on=describe_platform(native=request.cpu != BASELINE),
            unpinned=numpy_features_left(sys.modules) if request.cpu == BASELINE else (),
            beside=beside,
            aliases=observed_aliases(),
            output=output,
            uncallable=type(model).__name__ if request.example and not callable(model) else "",
        )
        result = {"made": to_json(made), "roots": list(imported)}
    except BaseException as error:  # noqa: BLE001 - whatever a factory raises is its author's to see
        if ahead is not None:
            go_cold(f"the factory failed: {type(error).__name__}: {error}")
        if observer.looks.hides_lines and may_be_refused(error):
            os._exit(EXIT_PLAIN)
        missed = [path for path in observer.missed(work) if os.path.exists(join_root(path))]
        result = {"missed": list(missed)}
        # The failure can depend on these files, or their absence; not on those that a next step is found in.
        with suppress(Exception):
            files = with_libraries(
                observer.files(finder, places, str(folder)), places, str(folder), observer.written()
            )
            result["observed_files"] = to_json(files)
        result |= _failure(request, error, places, missed)
    if os.getpid() == process:
        _flush()
        _leave(result, folder)


def _tell_crashes_by_python_s_stack() -> None:
    """Let nothing follow Python's stack in what a crash prints: of the output, the end is told."""
    if sys.version_info >= (3, 14):
        import faulthandler

        faulthandler.enable(c_stack=False)


def _leave(result: Mapping[str, Json], folder: Path) -> None:
    """Leave the result in the folder; one that was taken away stays away: the parent tells of it."""
    try:
        with NewFile(str(folder)) as new:
            write_all(new.descriptor, dumps(result))
            new.replace(str(folder / RESULT))
    except OSError as error:
        if _full_disk(error):
            os._exit(EXIT_FULL)
        raise


def _lay_out(resources: Iterable[str], workspace_root: str) -> None:
    """Let this folder have the declared resources, at their paths from the root of the workspace."""
    for path in resources:
        if not os.path.lexists(path):
            os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)
            os.symlink(os.path.join(workspace_root, path), path)


def _failure(
    request: ModelRequest, error: BaseException, places: Places, missed: Sequence[str]
) -> dict[str, Json]:
    """The result of a factory that failed, and of a disk that is full."""
    if number := _full_disk(error):
        return {"full": number}
    if isinstance(error, UnpicklableError):
        error = _not_picklable(request, error, places)
    elif not isinstance(error, HermpkgError):
        error = error_of_factory(request.factory, error, places, missed)
    return {"error": error_to_json(error)}


def _full_disk(error: BaseException | None) -> int:
    """The number of the system's error that an exception stems from, if the disk is full; else 0."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (*FULL, errno.EFBIG):
            return error.errno
        error = error.__cause__ or error.__context__
    return 0


def _flush() -> None:
    """Let what the factory printed reach the file, if it left the streams open."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def make(request: ModelRequest, factory: Callable[..., Any], places: Places) -> Any:
    """Call the `factory`; load the weights. Raises ActionError and whatever the factory raises."""
    check_arguments(request.factory, factory, request.arguments, places)
    # Once more: modules that were imported since then may have drawn random numbers.
    _seed_all(request.seed)
    model = factory(**request.arguments)
    if model is None:
        raise returns_nothing(request.factory, definition_of(factory, places))
    if request.weights is not None:
        load_weights(
            model,
            request.weights,
            shown=places.short_path(request.weights),
            key=request.weights_key,
            prefix=request.weights_prefix,
        )
    return model


def _output_hash(request: ModelRequest, model: Any, places: Places, folder: Path) -> str:
    """Call the model with its example; "" where that fails, or gives what cannot be compared."""
    try:
        example = find_factory(request.example, request.modules, places)
        _seed_all(request.seed)
        positional, named = arguments_of(example())
        output = model(*positional, **named)
        (folder / "example").mkdir()
        exporter = FactoryExporter(folder / "example", request.label)
        pickled = exporter.save_model(output)
        storages = dumps([storage.digest.hash for storage in exporter.storages])
    except Exception:  # noqa: BLE001 - user code raises what it likes
        return ""
    return Digest.of(pickled.data + storages).hash


def places_of(request: ModelRequest) -> Places:
    """Return where the files are that the process of a request may see."""
    roots = {os.path.realpath(root) for root in _source_roots(request)}
    search_path = [path for path in request.search_path if os.path.realpath(path) not in roots]
    return Places(workspace_root=request.workspace_root, search_path=search_path)


def _source_roots(request: ModelRequest) -> list[str]:
    return [os.path.normpath(os.path.join(request.workspace_root, root)) for root in request.source_roots]


def confine(
    request: ModelRequest, places: Places, observer: FileObserver, ahead: Preloaded | None = None
) -> WorkspaceFinder:
    """From now on, let this process import the modules that the request allows and no others."""
    choose()  # Whether our extension is there is seen by us alone, and not by the factory.
    os.environ.pop(VARIABLE, None)
    os.umask(request.conditions.umask)
    order_listings(request.conditions.listing)
    sys.argv = [request.factory]
    sys.path[:] = dict.fromkeys([*places.search_path, *standard_library()])
    let_find(_source_roots(request), observer.note_process)
    finder = WorkspaceFinder(
        modules=request.modules,
        source_roots=_source_roots(request),
        own_paths=[os.path.join(request.workspace_root, path) for path in request.own_paths],
        places=places,
        around={
            "torch": partial(_preparing_torch, request=request, observer=observer),
            "numpy.random": partial(_seeding_numpy, seed=request.seed),
            "torch._inductor.config": _deterministic_inductor,
            "safetensors": partial(_observing_safetensors, observer=observer),
            **contexts(),
        },
        prepared=partial(observer.looks.with_lines_of_classes, plain=request.plain_lines),
        ahead=ahead,
    )
    if request.hidden:
        hides = GlobGroup([f"{name}.**" for name in request.hidden]).matches
        HiddenModules(hides, "No module named '{name}'", request.hidden_distributions).install()
    if ahead is None:
        sys.meta_path.insert(0, finder)
    else:
        seed = request.seed
        after = {
            "torch": lambda torch: torch.manual_seed(seed),
            "numpy.random": lambda numpy_random: _seed_numpy(numpy_random, seed),
        }
        ahead.begin(finder, after)
    _unload(request.modules)
    random.seed(request.seed)
    return finder


def _unload(modules: Iterable[str]) -> None:
    """Forget the loaded modules that have the names of modules of the workspace.

    A factory gets its own, as in an interpreter that was started for it alone; only frozen modules come
    first there too.
    """
    for name in modules:
        if name in sys.modules and name not in sys.builtin_module_names and not _imp.is_frozen(name):
            del sys.modules[name]


@contextmanager
def _preparing_torch(torch: Any, *, request: ModelRequest, observer: FileObserver) -> Iterator[None]:
    with observer.looks.paused(), collecting_late():
        yield
    observe_torch_positions(observer.looks)
    observe_native_reader(torch, "from_file", observer)
    observe_native_reader(torch.UntypedStorage, "from_file", observer)
    torch.manual_seed(request.seed)
    torch.set_num_threads(request.conditions.threads)
    # As torch.use_deterministic_algorithms does, which imports all of inductor to tell it too.
    torch._C._set_deterministic_algorithms(True, warn_only=True)
    if request.cpu == BASELINE:
        _kept.append(hold_torch_to_baseline(torch))


@contextmanager
def _deterministic_inductor(config: Any) -> Iterator[None]:
    yield
    if hasattr(config, "deterministic"):  # Earlier versions have no such setting.
        config.deterministic = True


@contextmanager
def _observing_safetensors(safetensors: Any, *, observer: FileObserver) -> Iterator[None]:
    yield
    observe_native_reader(safetensors, "safe_open", observer)


@contextmanager
def _seeding_numpy(numpy_random: Any, *, seed: int) -> Iterator[None]:
    yield
    _seed_numpy(numpy_random, seed)


def _seed_numpy(numpy_random: Any, seed: int) -> None:
    numpy_random.seed(seed % (1 << 32))


def _seed_all(seed: int) -> None:
    random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    if "numpy.random" in sys.modules:
        _seed_numpy(sys.modules["numpy.random"], seed)


def _not_picklable(request: ModelRequest, error: UnpicklableError, places: Places) -> ActionError:
    return ActionError(
        f"what the factory {request.factory} returned cannot be pickled",
        facts=[("object", error.path), ("reason", places.with_short_paths(error.reason))],
        next_step="leave it out by __getstate__, or make it from a class or function of a module",
    )


if __name__ == "__main__":
    end_with_parent(int(sys.argv[2]), int(sys.argv[3]))
    run(Path(sys.argv[1]))
    # The result waits neither for threads of the factory nor for its exit handlers.
    os._exit(0)
