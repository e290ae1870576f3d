"""PackageLoader: gives importlib the specs, code, sources, data and resources of a package's modules."""

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

from hermpkg_build.core.module_names import folder_of_module
from hermpkg_build.errors import ArchiveError
from hermpkg_build.runtime.importing import host_tables
from hermpkg_build.runtime.importing.error_notes import attributes_of_folder, explain
from hermpkg_build.runtime.importing.pickled_names import PackagedName
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.space import ModuleSpace
from hermpkg_build.runtime.mangling import demangle

if TYPE_CHECKING:
    from importlib.abc import Loader

    from hermpkg_build.runtime.contents.resources import PackageResourceReader
else:
    Loader = object  # The abstract class matters only to type checkers, and takes long to import.


class Content(NamedTuple):
    """The role of a module and the record of its source, "" for none: the `loader_state` of its spec."""

    role: ModuleRole
    record: str


class PackageLoader(Loader):
    """Loads modules from an archive. Names may be mangled or plain.

    It refers to its space weakly: caches of the standard library (linecache) keep loaders, and
    must not keep an artifact open. The modules themselves keep the space alive. All methods raise
    ImportError once the importer is gone.
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
        """Make the spec of the module with the mangled name `fullname`, None where there is none."""
        space, name = self._space, demangle(fullname)
        role = space.tree.role(name) if name else ModuleRole.NAMESPACE
        if role is ModuleRole.MISSING:
            return None
        record = space.tree.source_record(name) if role is ModuleRole.SOURCE else ""
        is_package = not name or space.tree.is_package(name)
        folder = space.path(folder_of_module(name, True)) if is_package else None
        return self._spec(fullname, Content(role, record), space.path(record) if record else None, folder)

    def spec_of_file(self, name: str, path: str, record: str) -> ModuleSpec:
        """Make the spec of a module with any plain name that runs `record`, whose path is `path`."""
        folder, file = os.path.split(path)
        content = Content(ModuleRole.SOURCE, record)
        return self._spec(self._space.mangle(name), content, path, folder if file == "__init__.py" else None)

    def create_module(self, spec: ModuleSpec) -> None:
        """Register the name of the module, and leave it to importlib to make the object."""
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
            host_tables.show_modules([spec.name])

    def is_package(self, fullname: str) -> bool:
        """Tell whether the module is a package."""
        return self._space.tree.is_package(demangle(fullname))

    def get_filename(self, fullname: str) -> str:
        """Give the ``__file__`` of a module. Raises ImportError for one without source."""
        space, name = self._space, demangle(fullname)
        if space.tree.role(name) is not ModuleRole.SOURCE:
            raise ImportError(f"{name} has no source", name=name)
        return space.path(space.tree.source_record(name))

    def get_source(self, fullname: str) -> str | None:
        """Read the decoded source text, None for a module without source."""
        return self._space.source_text(demangle(fullname))

    def get_code(self, fullname: str) -> CodeType | None:
        """Compile the source, None for a module without source."""
        space, name = self._space, demangle(fullname)
        if space.tree.role(name) is not ModuleRole.SOURCE:
            return None
        return space.compile_record(space.tree.source_record(name), space.mangle(name))

    def get_data(self, path: str) -> bytes:
        """Read the bytes at a path, real or as ``<torch_package_0>.pkg/data.txt``. Raises OSError."""
        record = self._space.record_at(path)
        if record is None:
            raise FileNotFoundError(2, "no such record in the artifact", path)
        return self._space.archive.read(record)

    def get_resource_reader(self, fullname: str) -> PackageResourceReader | None:
        """Make the reader of a package's files for importlib.resources; for a module, of those beside it."""
        return resource_reader(self._space, demangle(fullname))

    def _spec(self, fullname: str, content: Content, origin: str | None, folder: str | None) -> ModuleSpec:
        """Make a spec, that of a package with submodules in `folder`, unless it is None."""
        spec = ModuleSpec(fullname, self, origin=origin, is_package=folder is not None)
        if folder is not None:
            spec.submodule_search_locations = [folder]
        spec.loader_state = content
        return spec

    def _register_source(self, record: str, filename: str) -> None:
        """Let linecache find the source for callers that do not pass the module, such as warnings."""
        import linecache

        getter = functools.partial(_source_of, self._space_reference, record)
        cache: dict[str, Any] = linecache.cache
        cache[filename] = (getter,)


def resource_reader(space: ModuleSpace, name: str) -> PackageResourceReader | None:
    """Make the reader for importlib.resources of the files in the package `name`, or beside the module."""
    from hermpkg_build.runtime.contents.resources import PackageResourceReader

    if space.tree.role(name) in (ModuleRole.MISSING, ModuleRole.EXTERN):
        return None
    folder = folder_of_module(name, space.tree.is_package(name))
    real = space.files.path(folder) if folder and space.files.covers(folder) else ""
    return PackageResourceReader(space.archive, folder, real)


def _source_of(reference: weakref.ref[ModuleSpace], record: str) -> str | None:
    space = reference()
    try:
        return importlib.util.decode_source(space.archive.read(record)) if space is not None else None
    except (ArchiveError, SyntaxError, UnicodeError) as error:
        raise OSError(f"{record} cannot be read: {error}") from error


# Tools that walk over ``sys.modules`` ask every module for these, which is no reason to import one.
_ASKED_OF_ALL_MODULES = frozenset({"__warningregistry__", "__wrapped__", "__test__", "__path__", "__file__"})


def _overlay(namespace: dict[str, Any], name: str, space: ModuleSpace) -> None:
    """Take attributes that are not packaged modules from the environment's module `name`.

    A package that is extern itself is imported now, as the import statement demands; one that is only
    the parent of an extern, when something is looked up in it.
    """
    tree = space.tree
    if tree.is_extern(name):
        space.import_extern(name)

    def look_up(attribute: str) -> Any:
        is_packaged = tree.role(f"{name}.{attribute}") not in (ModuleRole.EXTERN, ModuleRole.MISSING)
        if is_packaged or (attribute in _ASKED_OF_ALL_MODULES and name not in sys.modules):
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
