"""The imports of packaged code: its ``import`` statements, and `import_module` of an importer.

Packaged code imports a module of its package by the plain name, because its builtins have an
``__import__`` that mangles names. Modules that the artifact lists as extern come from the environment,
some of them as views; all others are missing.
"""

from __future__ import annotations

import builtins
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from types import FrameType, ModuleType
from typing import Any

from hermpkg_build.core.module_names import is_within, parent_of, top_of
from hermpkg_build.runtime.importing.error_notes import missing_module
from hermpkg_build.runtime.importing.finder import is_known_to_others
from hermpkg_build.runtime.importing.parking import loaded_module, real_module
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.space import IMPORTER_MODULE, JUST_THE_MODULE, ModuleSpace
from hermpkg_build.runtime.mangling import demangle

# Parts of the language rather than of the environment: artifacts need not list them.
_LANGUAGE_MODULES = frozenset({"builtins", "__future__"})


def import_module(space: ModuleSpace, name: str, package: str | None = None) -> Any:
    """Import the module with the plain or mangled name `name`, as the host sees it.

    A relative name counts from `package`. Raises ModuleNotFoundError for a module that the artifact
    neither holds nor lists as extern.
    """
    name = resolve(space, name, package)
    return space.views.host_of(import_statement(space, name, fromlist=JUST_THE_MODULE))


def import_statement(
    space: ModuleSpace,
    name: str,
    globals: Mapping[str, Any] | None = None,  # noqa: A002 -- the signature of __import__
    locals: Mapping[str, Any] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    """Import as ``__import__`` does, for packaged code."""
    if level:
        return _import_relative(space, name, globals, fromlist, level)
    if type(fromlist) is list and not fromlist and _comes_from_c(globals, locals):
        return builtins.__import__(name, None, None, fromlist, 0)
    top = top_of(name)
    if is_wholly_extern(space, name):
        module = _import_extern(space, name, fromlist)
        if not fromlist and top != name:
            module = _import_extern(space, top)
        return space.views.view_of(module, globals)
    if holds(space, name):
        module = _import_packaged(space, name, fromlist)
        if fromlist or top == name:
            return module
        return loaded_module(space, space.mangle(top)) or _import_packaged(space, top, ())
    if name == IMPORTER_MODULE:
        return space.importer
    if is_within(name, space.prefix):
        module = builtins.__import__(name, None, None, fromlist or (), 0)
        return real_module(module, space, name if fromlist else top)
    if name in _LANGUAGE_MODULES:
        if not space.module_allowed(name):
            raise ImportError(f"the module {name!r} is not allowed here", name=name)
        return space.import_extern(name, fromlist)
    if _is_for_generated_code(name):
        return builtins.__import__(name, None, None, fromlist or (), 0)
    raise missing_module(space, name)


def resolve(space: ModuleSpace, name: str, package: str | None) -> str:
    """Give the plain absolute name of `name`, which may be mangled, or relative to `package`.

    Raises TypeError for a relative name without a package, ImportError where it leads too far up.
    """
    if not name.startswith("."):
        return space.plain(name)
    if not package:
        raise TypeError(f"the 'package' argument is required to perform a relative import for {name!r}")
    return importlib.util.resolve_name(name, space.plain(package))


def is_wholly_extern(space: ModuleSpace, name: str) -> bool:
    """Tell whether `name` and its top-level package are extern, so that no packaged code is involved."""
    role = space.tree.role
    return role(name) is ModuleRole.EXTERN and role(top_of(name)) is ModuleRole.EXTERN


def holds(space: ModuleSpace, name: str) -> bool:
    """Tell whether `name` is packaged, or packaged code has put it, or would put it, into ``sys.modules``.

    The parent of a module that is not packaged is imported first, as in every import: its code makes
    such a module, or finds it with a finder.
    """
    mangled = space.mangle(name)
    if space.tree.role(name) is not ModuleRole.MISSING or mangled in space.registered:
        return True
    above = parent_of(name)
    if space.tree.role(top_of(name)) is not ModuleRole.SOURCE or not holds(space, above):
        return False
    _import_packaged(space, above, ())
    if mangled not in space.registered and is_known_to_others(mangled):
        space.registered.add(mangled)
    return mangled in space.registered


def _import_extern(space: ModuleSpace, name: str, fromlist: Sequence[str] | None = ()) -> ModuleType:
    """Import the extern `name`, or take what packaged code has put in its place in ``sys.modules``."""
    mangled = space.mangle(name)
    if mangled not in space.registered or mangled not in sys.modules:
        return space.import_extern(name, fromlist)
    module: ModuleType | None = loaded_module(space, mangled)
    if module is None:
        raise ModuleNotFoundError(f"import of {name} halted; None in sys.modules", name=name)
    return module


def _import_packaged(space: ModuleSpace, name: str, fromlist: Sequence[str] | None) -> Any:
    """Import a packaged module and its parents, from the top down.

    importlib itself locks a module before it imports its parent, so that one thread in ``pkg``
    and another on its way to ``pkg.child`` may wait for each other; this order avoids that.
    """
    mangled = space.mangle(name)
    try:
        if mangled not in sys.modules:
            if not space.is_open:
                text = f"{name!r} cannot be imported: the importer of {space.archive.name} is closed"
                raise ImportError(text, name=name)
            end = name.find(".")
            while end > 0:
                _import_or_take(space.mangle(name[:end]), ())
                end = name.find(".", end + 1)
        return real_module(_import_or_take(mangled, fromlist), space, mangled)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(f"{space.prefix}."):
            explained = missing_module(space, demangle(error.name))
            error.name, error.msg, error.args = explained.name, explained.msg, explained.args
        raise


def _import_relative(
    space: ModuleSpace,
    name: str,
    namespace: Mapping[str, Any] | None,
    fromlist: Sequence[str] | None,
    level: int,
) -> Any:
    package = space.plain(_package_of(namespace or {}))
    if not package or package == space.prefix:
        raise ImportError("attempted relative import with no known parent package")
    absolute = importlib.util.resolve_name("." * level + name, package)
    module = _import_packaged(space, absolute, fromlist)
    if fromlist or not name:
        return module
    first = space.mangle(absolute.removesuffix(name) + top_of(name))
    return real_module(sys.modules[first], space, first)


def _import_or_take(mangled: str, fromlist: Sequence[str] | None) -> ModuleType:
    """Import a module, or take it half made where waiting for the thread that makes it would never end.

    importlib does the same for two threads in a circle of imports, except at the very start of an import,
    where it raises an error.
    """
    try:
        module: ModuleType = builtins.__import__(mangled, None, None, fromlist or JUST_THE_MODULE, 0)
    except RuntimeError as error:
        if type(error).__name__ != "_DeadlockError" or mangled not in sys.modules:
            raise
        module = sys.modules[mangled]
    return module


def _package_of(namespace: Mapping[str, Any]) -> str:
    """Give the package that a relative import counts from, by importlib's rule."""
    package = namespace.get("__package__")
    if package is not None:
        return str(package)
    spec = namespace.get("__spec__")
    if spec is not None:
        return str(spec.parent)
    name = str(namespace.get("__name__", ""))
    return name if "__path__" in namespace else parent_of(name)


def _comes_from_c(namespace: Mapping[str, Any] | None, local_names: Mapping[str, Any] | None) -> bool:
    """Tell whether compiled code, called from packaged code, imports something for its own needs.

    PyImport_Import runs the ``__import__`` of the Python frame that called it: so ``strptime`` gets its
    ``_strptime``, and ``Tensor.numpy`` its numpy. These are not imports of the packaged code, and the
    caller takes the module from ``sys.modules`` afterwards. PyImport_Import passes an empty list, which no
    import statement does, and one dictionary twice; a call of ``__import__`` in the source that does the
    same is told apart by the name, which its code must use.
    """
    if namespace is None or namespace is not local_names:
        return False
    return "__import__" not in _importing_frame().f_code.co_names


def _is_for_generated_code(name: str) -> bool:
    """Tell whether a library runs its own text in the names of a packaged module, and imports itself there.

    attrs writes methods so, in whose text is ``__import__('attr._make')``.
    """
    frame = _importing_frame()
    if frame.f_back is None or frame.f_code.co_filename == frame.f_globals.get("__file__"):
        return False
    runs_it = top_of(str(frame.f_back.f_globals.get("__name__")))
    return runs_it == top_of(name) != top_of(__name__)


def _importing_frame() -> FrameType:
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__") == __name__ and frame.f_back is not None:
        frame = frame.f_back
    return frame
