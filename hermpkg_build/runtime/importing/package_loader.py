"""The importlib loader of a package's modules: specs, execution, source, data and resources."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import weakref
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from hermpkg_build.runtime.importing import torch_tables
from hermpkg_build.runtime.importing.error_notes import attributes_of_folder, explain
from hermpkg_build.runtime.importing.pickled_names import PackagedName
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.space import ModuleSpace
from hermpkg_build.runtime.mangling import demangle

if TYPE_CHECKING:
    from importlib.abc import Loader

    from hermpkg_build.runtime.contents.resources import PackageResourceReader
else:
    Loader = object  # The abstract class only matters to type checkers, and takes long to import.


class Content(NamedTuple):
    """What a module is made of, the `loader_state` of its spec; `record` has its source, "" for none."""

    role: ModuleRole
    record: str


class PackageLoader(Loader):
    """Loads modules from an archive. Names may be mangled or plain.

    It refers to its space weakly: caches of the standard library (linecache) keep loaders, and
    must not keep an artifact open. The modules themselves keep the space.
    """

    def __init__(self, space: ModuleSpace) -> None:
        self._space_reference = weakref.ref(space)

    @property
    def _space(self) -> ModuleSpace:
        space = self._space_reference()
        if space is None:
            raise ImportError("the importer of this module is gone")
        return space

    def find_spec(self, fullname: str) -> ModuleSpec | None:
        """The spec of the module with the mangled name `fullname`, None where there is none.

        Raises ImportError, as all methods do, once the importer is gone.
        """
        space, name = self._space, demangle(fullname)
        role = space.tree.role(name) if name else ModuleRole.NAMESPACE
        if role is ModuleRole.MISSING:
            return None
        is_package = not name or space.tree.is_package(name)
        record = space.tree.source_record(name) if role is ModuleRole.SOURCE else ""
        spec = ModuleSpec(
            fullname, self, origin=space.path(record) if record else None, is_package=is_package
        )
        if is_package:
            spec.submodule_search_locations = [space.path(name.replace(".", "/"))]
        spec.loader_state = Content(role, record)
        return spec

    def spec_of_file(self, name: str, path: str, record: str) -> ModuleSpec:
        """The spec of a module with any plain name that runs `record`, which lies at `path`."""
        folder, file = os.path.split(path)
        is_package = file == "__init__.py"
        spec = ModuleSpec(self._space.mangle(name), self, origin=path, is_package=is_package)
        if is_package:
            spec.submodule_search_locations = [folder]
        spec.loader_state = Content(ModuleRole.SOURCE, record)
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to importlib to make the module object, and note that there will be one."""
        self._space.registered.add(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Give `module` its namespace and run its source, if it has one."""
        spec = module.__spec__
        assert spec is not None
        space, name = self._space, demangle(spec.name)
        role, record = spec.loader_state
        if role is ModuleRole.EXTERN:
            sys.modules[spec.name] = space.views.view_of(space.import_extern(name))
            return
        namespace = vars(module)
        namespace["__name__"] = PackagedName(spec.name)
        namespace["__package__"] = PackagedName(spec.parent or "")
        namespace["__file__"] = spec.origin
        namespace["__cached__"] = None
        namespace["__builtins__"] = space.builtins
        namespace["__torch_package__"] = True
        if role is ModuleRole.NAMESPACE:
            namespace["__getattr__"] = attributes_of_folder(name, space.archive.name)
        elif role is ModuleRole.OVERLAY:
            _overlay(namespace, name, space)
        elif role is ModuleRole.SOURCE:
            code = space.compile_record(record, spec.name)
            if not space.files.covers(record):
                self._register_source(record, str(spec.origin))
            try:
                exec(code, namespace)  # noqa: S102 -- running packaged code is the purpose
            except Exception as error:
                explain(error, name, space)
                raise
        if "torch._dynamo" in sys.modules:
            torch_tables.show_modules([spec.name])

    def is_package(self, fullname: str) -> bool:
        """Whether the module is a package."""
        return self._space.tree.is_package(demangle(fullname))

    def get_filename(self, fullname: str) -> str:
        """What ``__file__`` says. Raises ImportError for a module without source."""
        space, name = self._space, demangle(fullname)
        if space.tree.role(name) is not ModuleRole.SOURCE:
            raise ImportError(f"{name} has no source", name=name)
        return space.path(space.tree.source_record(name))

    def get_source(self, fullname: str) -> str | None:
        """The decoded source text, None for a module without source."""
        return self._space.source_text(demangle(fullname))

    def get_code(self, fullname: str) -> CodeType | None:
        """The compiled source, None for a module without source."""
        space, name = self._space, demangle(fullname)
        if space.tree.role(name) is not ModuleRole.SOURCE:
            return None
        return space.compile_record(space.tree.source_record(name), space.mangle(name))

    def get_data(self, path: str) -> bytes:
        """The bytes at a path such as ``<torch_package_0>.pkg/data.txt``, or a real one. Raises OSError."""
        record = self._space.record_at(path)
        if record is None:
            raise FileNotFoundError(2, "no such record in the artifact", path)
        return self._space.archive.read(record)

    def get_resource_reader(self, fullname: str) -> PackageResourceReader | None:
        """What importlib.resources reads a package's files with; for a plain module, those beside it."""
        return resource_reader(self._space, demangle(fullname))

    def _register_source(self, record: str, filename: str) -> None:
        """Let linecache find the source also where it is asked without a module, as by warnings."""
        import linecache

        getter = functools.partial(_source_of, self._space_reference, record)
        cache: dict[str, Any] = linecache.cache
        cache[filename] = (getter,)


def resource_reader(space: ModuleSpace, name: str) -> PackageResourceReader | None:
    """What importlib.resources reads the files of the package `name` with, or those beside a module."""
    from hermpkg_build.runtime.contents.resources import PackageResourceReader

    if space.tree.role(name) in (ModuleRole.MISSING, ModuleRole.EXTERN):
        return None
    package = name if space.tree.is_package(name) else name.rpartition(".")[0]
    folder = package.replace(".", "/")
    real = space.files.path(folder) if package and space.files.covers(folder) else ""
    return PackageResourceReader(space.archive, folder, real)


def _source_of(reference: weakref.ref[ModuleSpace], record: str) -> str | None:
    space = reference()
    return importlib.util.decode_source(space.archive.read(record)) if space is not None else None


# Tools that walk ``sys.modules`` ask every module for these; the answer is not worth an import.
_ASKED_OF_ALL_MODULES = frozenset({"__warningregistry__", "__wrapped__", "__test__", "__path__", "__file__"})


def _overlay(namespace: dict[str, Any], name: str, space: ModuleSpace) -> None:
    """Make a module whose packaged children come from the archive and all else from the environment.

    A package that is extern itself is imported now, as the import statement says; the mere parent
    of an extern when something is looked up in it.
    """
    tree = space.tree
    if tree.is_extern(name):
        space.import_extern(name)

    def look_up(attribute: str) -> Any:
        if tree.role(f"{name}.{attribute}") in (ModuleRole.SOURCE, ModuleRole.NAMESPACE, ModuleRole.OVERLAY):
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}", name=attribute)
        if attribute in _ASKED_OF_ALL_MODULES and name not in sys.modules:
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}", name=attribute)
        try:
            original = space.views.view_of(importlib.import_module(name))
        except ImportError as error:
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}: {error}") from error
        if attribute == "__all__" and not hasattr(original, "__all__"):
            return [public for public in dir(original) if not public.startswith("_")]
        return getattr(original, attribute)

    namespace["__getattr__"] = look_up
    namespace["__dir__"] = lambda: sorted({*namespace, *dir(importlib.import_module(name))})
