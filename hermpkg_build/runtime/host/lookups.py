"""What libraries of the host find by plain names: for packaged code, what its package has.

Packaged code hands names to extern libraries, in a call or in what they unpickle. A library looks a name up
with its own imports, which know nothing of packages. Here the caller decides: where packaged code has called
the library, the name means what it means to that code. Import statements are not concerned; nor are libraries
that look for modules of their own, or of a library that the package has a copy of.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.util
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, FunctionType, ModuleType
from typing import Any

from hermpkg_build.core.module_names import top_of
from hermpkg_build.runtime.host.importlib_views import find_spec
from hermpkg_build.runtime.host.standing_classes import StandsForItsBase
from hermpkg_build.runtime.importing import imports
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.space import OPEN_SPACES, ModuleSpace
from hermpkg_build.runtime.importing.sys_modules import PackageModules
from hermpkg_build.runtime.mangling import mangle_prefix

_MANGLED = "<torch_package_"
_PACKED = (ModuleRole.SOURCE, ModuleRole.NAMESPACE)
_OURS = top_of(__name__)
_NOT_LIBRARIES = frozenset({"torch", "numpy", *sys.stdlib_module_names})
"""These are large, and import by names through importlib and pickle alone, save for a few modules."""
_OF_STDLIB = frozenset({"importlib.util", "logging.config", "unittest.loader"})

_seen: dict[str, object] = {}
"""The top-level modules whose code is prepared, by name: a module of that name may be loaded anew."""


def prepare(module: ModuleType) -> None:
    """Let code of the library that `module` belongs to look names up for packaged code that calls it."""
    top = top_of(module.__name__)
    if module.__name__ in _OF_STDLIB:
        _prepare_module(module)
    loaded = sys.modules.get(top)
    if _seen.get(top, _seen) is loaded:
        return
    if not _seen:
        _prepare_importlib()
    _seen[top] = loaded
    if "pickle" in sys.modules:
        _prepare_pickle(sys.modules["pickle"], sys.modules.get("_pickle"))
    if top not in _NOT_LIBRARIES:
        for name, part in sys.modules.copy().items():
            if top_of(name) == top and type(part) is ModuleType:
                _prepare_module(part)
    elif top == "unittest" and "unittest.loader" in sys.modules:
        _prepare_module(sys.modules["unittest.loader"])


def space_of_caller(name: str) -> ModuleSpace | None:
    """Give the space whose code has called the library that looks `name` up, if it has such a module."""
    top = top_of(name)
    if not any(_packs(space, top) for space in list(OPEN_SPACES.values())):
        return None
    between: set[str] = set()
    for module in _callers(sys._getframe(1)):
        if module.startswith(_MANGLED):
            space = OPEN_SPACES.get(mangle_prefix(module))
            if space is None or any(_packs(space, other) for other in between):
                return None
            is_its_own = not space.tree.is_extern(name) and imports.holds(space, name)
            return space if is_its_own else None
        if module == "__main__" or (module != __name__ and top_of(module) == _OURS):
            return None
        between.add(top_of(module))
    return None


def _packs(space: ModuleSpace, top: str) -> bool:
    return space.tree.role(top) in _PACKED


def _callers(frame: FrameType | None) -> Iterator[str]:
    """The names of the modules whose code runs in a frame and in those that called it."""
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if isinstance(module, str):
            yield module
        frame = frame.f_back


def _prepare_importlib() -> None:
    """Have ``importlib.import_module`` and ``importlib.util.find_spec``, by whatever names, ask who calls."""
    bootstrap: Any = importlib._bootstrap
    host = bootstrap._gcd_import

    @functools.wraps(host)
    def _gcd_import(name: str, package: str | None = None, level: int = 0) -> Any:
        if OPEN_SPACES:
            full = bootstrap._resolve_name(name, package, level) if level and package else name
            space = space_of_caller(full)
            if space is not None:
                return imports.import_module(space, full)
        return host(name, package, level)

    bootstrap._gcd_import = _gcd_import
    util: Any = importlib.util
    host_find = util._find_spec

    @functools.wraps(host_find)
    def _find_spec(name: str, *arguments: Any) -> Any:
        space = space_of_caller(name) if OPEN_SPACES else None
        return find_spec(space, name) if space is not None else host_find(name, *arguments)

    util._find_spec = _find_spec
    _prepare_module(util)


def _prepare_pickle(pickle: Any, compiled: Any) -> None:
    """Have the unpicklers of the process ask who calls; code that has taken the compiled ones keeps them."""
    if hasattr(pickle._Unpickler.find_class, "__wrapped__"):
        return
    pickle._Unpickler.find_class = _finding(pickle._Unpickler.find_class)
    if compiled is None or pickle.Unpickler is not compiled.Unpickler:
        return

    class Unpickler(compiled.Unpickler, metaclass=StandsForItsBase):  # type: ignore[misc]
        find_class = _finding(compiled.Unpickler.find_class)

    host_load, host_loads = compiled.load, compiled.loads

    @functools.wraps(host_load)
    def load(file: Any, /, **options: Any) -> Any:
        return Unpickler(file, **options).load() if _is_asked_for() else host_load(file, **options)

    @functools.wraps(host_loads)
    def loads(data: Any, /, **options: Any) -> Any:
        if _is_asked_for() and not isinstance(data, str):
            return Unpickler(io.BytesIO(data), **options).load()
        return host_loads(data, **options)

    for module in (pickle, compiled):
        vars(module).update(Unpickler=Unpickler, load=load, loads=loads)


def _is_asked_for() -> bool:
    """Whether packaged code has called, from however far."""
    return bool(OPEN_SPACES) and _packaged_caller(sys._getframe(2)) is not None


def _packaged_caller(frame: FrameType | None) -> FrameType | None:
    """The nearest frame of packaged code; quickly, because all code that unpickles waits for it."""
    while frame is not None and "__torch_package__" not in frame.f_globals:
        frame = frame.f_back
    return frame


def _finding(host: Callable[..., Any]) -> Callable[..., Any]:
    """The method `host` of an unpickler, which finds packaged classes for packaged code."""

    @functools.wraps(host)
    def find_class(self: Any, module: str, name: str, /) -> Any:
        space = space_of_caller(module) if OPEN_SPACES else None
        if space is None:
            return host(self, module, name)
        return functools.reduce(getattr, name.split("."), imports.import_module(space, module))

    return find_class


def _prepare_module(module: ModuleType) -> None:
    """Have a module that calls ``__import__`` ask who calls, there and where it reads ``sys.modules``."""
    namespace = vars(module)
    own = namespace.get("__name__")
    # Ours ask who calls by themselves, and must not ask what they have put there.
    if "__import__" in namespace or top_of(str(own)) == _OURS:
        return
    classes = [
        value
        for value in list(namespace.values())
        if isinstance(value, type) and vars(value).get("__module__") == own
    ]
    uses_it = False
    for owner in (module, *classes):
        for name, value in list(vars(owner).items()):
            function = value.__func__ if type(value) in (staticmethod, classmethod) else value
            if type(function) is FunctionType:
                uses_it = uses_it or (
                    "__import__" in function.__code__.co_names and function.__globals__ is namespace
                )
            elif function is builtins.__import__:
                setattr(owner, name, _import_by_name if owner is module else staticmethod(_import_by_name))
    if uses_it:
        namespace["__import__"] = _import_by_name
        if namespace.get("sys") is sys:
            namespace["sys"] = _SysOfLibraries("sys")


def _import_by_name(
    name: str,
    globals: Mapping[str, Any] | None = None,  # noqa: A002 -- the signature of __import__
    locals: Mapping[str, Any] | None = None,  # noqa: A002
    fromlist: Any = (),
    level: int = 0,
) -> Any:
    """Import as ``__import__`` does, for a library that calls it by name."""
    space = space_of_caller(name) if OPEN_SPACES and not level else None
    if space is None:
        return builtins.__import__(name, globals, locals, fromlist, level)
    return imports.import_statement(space, name, fromlist=tuple(fromlist or ()))


class _SysOfLibraries(ModuleType):
    """The module sys, save that ``modules`` has first the modules of the package whose code has called."""

    def __getattribute__(self, name: str) -> Any:
        if name != "modules" or not OPEN_SPACES:
            return getattr(sys, name)
        frame = _packaged_caller(sys._getframe(1))
        space = OPEN_SPACES.get(mangle_prefix(frame.f_globals["__name__"])) if frame is not None else None
        return sys.modules if space is None else _ModulesOfCaller(space)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(sys, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(sys, name)


class _ModulesOfCaller(PackageModules):
    """The modules that packaged code sees, then those of the host that its package does not have."""

    def __getitem__(self, name: str) -> Any:
        try:
            return super().__getitem__(name)
        except KeyError:
            if space_of_caller(name) is not None:
                raise
            return sys.modules[name]

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys([*super().__iter__(), *sys.modules])
