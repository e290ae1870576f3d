"""A module space: the modules of one importer, and the `__import__` that its code sees.

Every packaged module lives in ``sys.modules`` under its mangled name, so that importlib's own
machinery (locks, circular imports, reload) and everything that looks up
``sys.modules[cls.__module__]`` works on it; packaged code reaches it by its plain name, because
its builtins carry an `__import__` that mangles.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from hermpkg_build.runtime.contents.code_cache import CodeCache
from hermpkg_build.runtime.host.operator_names import OperatorNames
from hermpkg_build.runtime.importing import finder
from hermpkg_build.runtime.importing.module_views import HostViews
from hermpkg_build.runtime.importing.package_loader import PackageLoader
from hermpkg_build.runtime.importing.roles import ModuleRole, ModuleTree
from hermpkg_build.runtime.importing.sys_modules import OWN_MODULE
from hermpkg_build.runtime.mangling import demangle, new_prefix

if TYPE_CHECKING:
    from hermpkg_build.runtime.contents.archives import Archive
    from hermpkg_build.runtime.contents.real_files import RealFiles
    from hermpkg_build.runtime.importing.pickled_names import Whereabouts
    from hermpkg_build.runtime.importing.typing_tables import Overloads

# Part of the language rather than of the environment: no artifact lists them for certain.
_LANGUAGE_MODULES = frozenset({"builtins", "__future__"})
_JUST_THE_MODULE = ("__name__",)


class ModuleSpace:
    """The packaged modules of one importer.

    `own_module` is what ``import torch_package_importer`` gives; `module_allowed` is asked for
    language modules that the artifact does not list; `files` says which modules see real paths,
    `whereabouts` where another process finds the same artifact.
    """

    def __init__(
        self,
        *,
        archive: Archive,
        tree: ModuleTree,
        own_module: Any,
        module_allowed: Callable[[str], bool],
        files: RealFiles,
        whereabouts: Whereabouts,
    ) -> None:
        self.prefix = new_prefix()
        while finder.space_of(self.prefix) is not None:  # One that came from another process has it.
            self.prefix = new_prefix()
        self.whereabouts = whereabouts
        self.archive = archive
        self.tree = tree
        self.files = files
        self.own_module = own_module
        self.module_allowed = module_allowed
        self.registered: set[str] = set()
        self.parked: dict[str, ModuleType] = {}
        self.parked_overloads: Overloads = []
        self.externs: dict[str, ModuleType] = {}
        self.held: list[object] = []
        """What tables of the process hold weakly, to be free of it when the package is freed."""
        self._code = CodeCache()
        self.loader = PackageLoader(self)
        self.views = HostViews(self)
        self.operators = OperatorNames(self.prefix)
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self.import_statement}
        self.close = finder.register(self)

    def take_prefix(self, prefix: str) -> None:
        """Go by another prefix, which no open space has, while nothing is imported yet."""
        self.close()
        self.prefix = prefix
        self.operators = OperatorNames(prefix)
        self.close = finder.register(self)

    def mangle(self, name: str) -> str:
        """The name in ``sys.modules`` of the packaged module `name`."""
        return f"{self.prefix}.{name}"

    def path(self, record: str) -> str:
        """What ``__file__`` and ``__path__`` say of a record or folder: a real path, or a mangled one."""
        if self.files.covers(record):
            return self.files.path(record)
        return f"{self.prefix}.{record}" if record else self.prefix

    def name_at(self, path: str) -> str | None:
        """The inverse of `path`: a record or folder, None for a path outside of the artifact."""
        if path == self.prefix:
            return ""
        start = f"{self.prefix}."
        return path[len(start) :] if path.startswith(start) else self.files.name(path)

    def plain(self, name: str) -> str:
        """`name` without this space's prefix; names of other spaces stay as they are."""
        return name[len(self.prefix) + 1 :] if name.startswith(f"{self.prefix}.") else name

    def import_module(self, name: str) -> Any:
        """The module with the plain or mangled name `name`, as the host sees it.

        Raises ModuleNotFoundError for what the artifact neither holds nor may take from outside.
        """
        name = self.plain(name)
        if self._is_outside(name):
            return self._import_outside(name)
        if self.holds(name):
            return self.views.host_of(self._import_packaged(name, ()))
        if name == OWN_MODULE:
            return self.own_module
        if name == self.prefix:
            return finder.itself(importlib.import_module(name), self, name)
        if name in _LANGUAGE_MODULES:
            return self._import_language(name, ())
        raise self.missing(name)

    def import_statement(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 -- the signature of __import__
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """What ``__import__`` is to packaged code."""
        if level:
            return self._import_relative(name, globals, fromlist, level)
        if type(fromlist) is list and not fromlist and _comes_from_c(globals, locals):
            return builtins.__import__(name, None, None, fromlist, 0)
        top = name.partition(".")[0]
        if self._is_outside(name):
            module = self._import_outside(name, fromlist)
            return self.views.of(module if fromlist or top == name else self._import_outside(top), globals)
        if self.holds(name):
            module = self._import_packaged(name, fromlist)
            if fromlist or top == name:
                return module
            mangled = self.mangle(top)
            return finder.itself(sys.modules.get(mangled), self, mangled) or self._import_packaged(top, ())
        return self._import_unlisted(name, fromlist)

    def import_extern(self, name: str, fromlist: Sequence[str] | None = ()) -> ModuleType:
        """The environment's module `name`, as host code gets it."""
        module: ModuleType = builtins.__import__(name, None, None, fromlist or _JUST_THE_MODULE, 0)
        self.externs[name] = module
        return module

    def _import_outside(self, name: str, fromlist: Sequence[str] | None = ()) -> ModuleType:
        """The extern `name`, or what packaged code has put in its place in its ``sys.modules``."""
        mangled = self.mangle(name)
        if mangled not in self.registered or mangled not in sys.modules:
            return self.import_extern(name, fromlist)
        module: ModuleType | None = finder.itself(sys.modules[mangled], self, mangled)
        if module is None:
            raise ModuleNotFoundError(f"import of {name} halted; None in sys.modules", name=name)
        return module

    def source_text(self, name: str) -> str | None:
        """The source of the packaged module `name`, decoded as its coding line says."""
        if self.tree.role(name) is not ModuleRole.SOURCE:
            return None
        return importlib.util.decode_source(self.archive.read(self.tree.source_record(name)))

    def compile_record(self, record: str, mangled: str) -> CodeType:
        """The code of a record, for the module with the name `mangled`. Raises SyntaxError."""
        source = self.archive.read(record)
        self.views.note_source(mangled, source)
        return self._code.compile(source, self.path(record))

    def missing(self, name: str) -> ModuleNotFoundError:
        """The error for a module that packaged code may not see, with what would help.

        Raises ValueError for an empty name, as every import does.
        """
        if not name:
            raise ValueError("Empty module name")
        top = name.partition(".")[0]
        text = f"No module named {name!r} in the artifact {self.archive.name}"
        if self.tree.role(top) is ModuleRole.MISSING:
            text += (
                ", and it is not among the modules that the artifact may take from its environment."
                f' Intern it, or extern it, when the artifact is built: intern("{top}.**")'
                f' or extern("{top}.**")'
            )
        else:
            text += (
                f": {top!r} is packaged, but this part of it is not: nothing was seen to need it. Name it"
                f' where the artifact is built: modules = ["{name}"] of the model_package,'
                f' or add_dependency("{name}") of the exporter'
            )
        return ModuleNotFoundError(text, name=name)

    def _see_that_it_is_open(self, name: str) -> None:
        if not self.close.alive:
            raise ImportError(
                f"{name!r} cannot be imported: the importer of {self.archive.name} is closed", name=name
            )

    def _is_outside(self, name: str) -> bool:
        """Whether `name` is extern all the way up, so that nothing packaged is involved."""
        role = self.tree.role
        return role(name) is ModuleRole.EXTERN and role(name.partition(".")[0]) is ModuleRole.EXTERN

    def holds(self, name: str) -> bool:
        """Whether `name` is packaged, or was put into the space's ``sys.modules`` by its code, or would be.

        What stands above such a module is imported first, as for every import, because that is the code
        that makes it, or that answers for it with a finder.
        """
        mangled = self.mangle(name)
        if self.tree.role(name) is not ModuleRole.MISSING or mangled in self.registered:
            return True
        above = name.rpartition(".")[0]
        if self.tree.role(name.partition(".")[0]) is not ModuleRole.SOURCE or not self.holds(above):
            return False
        self._import_packaged(above, ())
        if mangled not in self.registered and finder.is_known_to_others(mangled):
            self.registered.add(mangled)
        return mangled in self.registered

    def _import_language(self, name: str, fromlist: Sequence[str] | None) -> ModuleType:
        if not self.module_allowed(name):
            raise ImportError(f"the module {name!r} is not allowed here", name=name)
        return self.import_extern(name, fromlist)

    def _import_packaged(self, name: str, fromlist: Sequence[str] | None) -> Any:
        """Import a packaged module and what stands above it, from the top down.

        importlib itself locks a module before it imports its parent, so that one thread in ``pkg``
        and another on its way to ``pkg.child`` may wait for each other; this order avoids that.
        """
        mangled = self.mangle(name)
        try:
            if mangled not in sys.modules:
                self._see_that_it_is_open(name)
                end = name.find(".")
                while end > 0:
                    _import_or_take(self.mangle(name[:end]), ())
                    end = name.find(".", end + 1)
            return finder.itself(_import_or_take(mangled, fromlist), self, mangled)
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith(f"{self.prefix}."):
                explained = self.missing(demangle(error.name))
                error.name, error.msg, error.args = explained.name, explained.msg, explained.args
            raise

    def _import_relative(
        self, name: str, namespace: Mapping[str, Any] | None, fromlist: Sequence[str] | None, level: int
    ) -> Any:
        package = self.plain(_package_of(namespace or {}))
        segments = package.split(".") if package and package != self.prefix else []
        if not segments:
            raise ImportError("attempted relative import with no known parent package")
        if level > len(segments):
            raise ImportError("attempted relative import beyond top-level package")
        base = ".".join(segments[: len(segments) - level + 1])
        absolute = f"{base}.{name}" if name else base
        module = self._import_packaged(absolute, fromlist)
        if fromlist or not name:
            return module
        first = self.mangle(f"{base}.{name.partition('.')[0]}")
        return finder.itself(sys.modules[first], self, first)

    def _import_unlisted(self, name: str, fromlist: Sequence[str] | None) -> Any:
        if name == OWN_MODULE:
            return self.own_module
        if name.startswith(f"{self.prefix}.") or name == self.prefix:
            return builtins.__import__(name, None, None, fromlist or (), 0)
        if name in _LANGUAGE_MODULES:
            return self._import_language(name, fromlist)
        raise self.missing(name)


def _import_or_take(mangled: str, fromlist: Sequence[str] | None) -> ModuleType:
    """Import a module, or take it as far as it is, where waiting for the thread that makes it cannot end.

    That is what importlib does about two threads in a circle of imports, save for a moment at the
    start of each import, in which it raises an error.
    """
    try:
        module: ModuleType = builtins.__import__(mangled, None, None, fromlist or _JUST_THE_MODULE, 0)
    except RuntimeError as error:
        if type(error).__name__ != "_DeadlockError" or mangled not in sys.modules:
            raise
        module = sys.modules[mangled]
    return module


def _package_of(namespace: Mapping[str, Any]) -> str:
    """The package that a relative import counts from, by importlib's rule."""
    package = namespace.get("__package__")
    if package is not None:
        return str(package)
    spec = namespace.get("__spec__")
    if spec is not None:
        return str(spec.parent)
    name = str(namespace.get("__name__", ""))
    return name if "__path__" in namespace else name.rpartition(".")[0]


def _comes_from_c(namespace: Mapping[str, Any] | None, local_names: Mapping[str, Any] | None) -> bool:
    """Whether compiled code, called from packaged code, imports something for its own needs.

    PyImport_Import runs the `__import__` of the Python frame below it: ``strptime`` so gets its
    ``_strptime``, ``Tensor.numpy`` its numpy. Those are not the packaged code's imports, and it takes
    the module from ``sys.modules`` afterwards. It passes an empty list, which no import statement
    does, and one dictionary twice; a call written out in the source that does the same is told by
    the name that it must use.
    """
    if namespace is None or namespace is not local_names:
        return False
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__") == __name__ and frame.f_back is not None:
        frame = frame.f_back
    return "__import__" not in frame.f_code.co_names
