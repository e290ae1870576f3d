"""The functions of importlib, pkgutil and sys that packaged code gets bound to its own modules."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hermpkg_build.runtime.host import torch_views as torch_names
from hermpkg_build.runtime.host.pickle_views import unpickling
from hermpkg_build.runtime.host.source_files import OutsideSourceLoader, plain_source, prepare_outside
from hermpkg_build.runtime.host.standing_classes import StandsForItsBase
from hermpkg_build.runtime.importing import finder
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.sys_modules import PackageModules

if TYPE_CHECKING:
    import pkgutil

    from hermpkg_build.runtime.importing.space import ModuleSpace

Overrides = Mapping[str, Any]

_OF_PACKAGES = (
    "contents",
    "files",
    "is_resource",
    "open_binary",
    "open_text",
    "path",
    "read_binary",
    "read_text",
)


def resolve(space: ModuleSpace, name: str, package: str | None) -> str:
    """The plain absolute name of `name`, which may be mangled, or relative to `package`.

    Raises TypeError for a relative name without a package, ImportError where it leads too far up.
    """
    if not name.startswith("."):
        return space.plain(name)
    if not package:
        raise TypeError(f"the 'package' argument is required to perform a relative import for {name!r}")
    return importlib.util.resolve_name(name, space.plain(package))


def _importlib(space: ModuleSpace, _host: ModuleType) -> Overrides:
    def import_module(name: str, package: str | None = None) -> Any:
        return space.views.of(space.import_module(resolve(space, name, package)))

    def reload(module: ModuleType) -> Any:
        return space.views.of(importlib.reload(space.views.host_of(module)))

    return {"import_module": import_module, "__import__": space.import_statement, "reload": reload}


def _importlib_util(space: ModuleSpace, host: Any) -> Overrides:
    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return _find_spec(space, resolve(space, name, package))

    def spec_from_file_location(
        name: str, location: Any = None, *, loader: Any = None, **options: Any
    ) -> ModuleSpec | None:
        path = os.fspath(location) if location is not None and loader is None else ""
        record = space.loader.record_at(path) if isinstance(path, str) else None
        if record is not None and record.endswith(".py"):
            return space.loader.spec_of_file(space.plain(name), path, record)
        if isinstance(path, str) and path.endswith(".py"):
            name = space.mangle(space.plain(name))
            loader = OutsideSourceLoader(space, name, path)
        spec: ModuleSpec | None = host.spec_from_file_location(name, location, loader=loader, **options)
        return spec

    return {"find_spec": find_spec, "spec_from_file_location": spec_from_file_location}


def _importlib_machinery(space: ModuleSpace, host: Any) -> Overrides:
    class SourceFileLoader(host.SourceFileLoader, metaclass=StandsForItsBase):  # type: ignore[misc]
        """Loads a file of the artifact as a module of the package, and any other as code of the package."""

        def exec_module(self, module: ModuleType) -> None:
            spec = self._spec(module.__name__)
            if spec is None:
                prepare_outside(space, module, self.get_data(self.path))
                super().exec_module(module)
                return
            module.__spec__ = spec
            space.loader.exec_module(module)

        def load_module(self, fullname: str | None = None) -> Any:
            spec = self._spec(fullname or self.name)
            if spec is None:
                return super().load_module(fullname)
            loaded = finder.itself(sys.modules.get(spec.name), space, spec.name)
            module = loaded or importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            space.loader.exec_module(module)
            return module

        def get_code(self, fullname: str) -> Any:
            spec = self._spec(fullname)
            if spec is None:
                return super().get_code(fullname)
            return space.compile_record(spec.loader_state.record, spec.name)

        def source_to_code(self, data: Any, path: Any, *more: Any) -> Any:
            return super().source_to_code(plain_source(space, data), path, *more)

        def get_data(self, path: str) -> bytes:
            record = space.loader.record_at(path)
            data: bytes = space.archive.read(record) if record is not None else super().get_data(path)
            return data

        def _spec(self, name: str) -> ModuleSpec | None:
            record = space.loader.record_at(self.path)
            return space.loader.spec_of_file(space.plain(name), self.path, record) if record else None

    return {"SourceFileLoader": SourceFileLoader}


def _find_spec(space: ModuleSpace, name: str) -> ModuleSpec | None:
    """What importlib.util.find_spec gives packaged code: parents are imported, `name` is not."""
    role = space.tree.role
    if not space.holds(name):
        parent = name.rpartition(".")[0]
        if parent and not space.holds(parent):
            raise space.missing(parent)
        return None
    outside = role(name) is ModuleRole.EXTERN and role(name.partition(".")[0]) is ModuleRole.EXTERN
    return importlib.util.find_spec(name if outside else space.mangle(name))


def _importlib_resources(space: ModuleSpace, host: ModuleType) -> Overrides:
    return {
        name: _taking_packages(space, getattr(host, name)) for name in _OF_PACKAGES if hasattr(host, name)
    }


def _taking_packages(space: ModuleSpace, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of importlib.resources with plain names of packages understood in its first argument.

    Without any, `files` (of Python 3.12 and later) means the package of the code that calls it.
    """

    @functools.wraps(function)
    def bound(*args: Any, **kwargs: Any) -> Any:
        keyword = next((key for key in ("package", "anchor") if key in kwargs), None)
        if args:
            return function(_module(space, args[0]), *args[1:], **kwargs)
        if keyword:
            return function(_module(space, kwargs.pop(keyword)), **kwargs)
        if function.__name__ == "files" and sys.version_info >= (3, 12):
            return function(_module(space, sys._getframe(1).f_globals["__name__"]))
        return function(**kwargs)

    return bound


def _module(space: ModuleSpace, package: Any) -> Any:
    return space.import_module(package) if isinstance(package, str) else package


def _pkgutil(space: ModuleSpace, host: ModuleType) -> Overrides:
    def iter_modules(path: Iterable[str] | None = None, prefix: str = "") -> Iterator[pkgutil.ModuleInfo]:
        if path is None:
            path = [space.prefix]
        elif isinstance(path, str):
            raise ValueError("path must be None or list of paths to look for modules in")
        for item in path:
            yield from _modules_at(space, host, item, prefix)

    def walk_packages(
        path: Iterable[str] | None = None,
        prefix: str = "",
        onerror: Callable[[str], object] | None = None,
    ) -> Iterator[pkgutil.ModuleInfo]:
        seen: set[str] = set()

        def walk(path: Iterable[str] | None, prefix: str) -> Iterator[pkgutil.ModuleInfo]:
            for info in iter_modules(path, prefix):
                yield info
                if info.ispkg:
                    module = _import_while_walking(space, info.name, onerror)
                    below = [item for item in getattr(module, "__path__", ()) if item not in seen]
                    seen.update(below)
                    yield from walk(below, f"{info.name}.")

        yield from walk(path, prefix)

    def get_data(package: str, resource: str) -> bytes | None:
        module = space.import_module(package)
        get = getattr(getattr(module, "__loader__", None), "get_data", None)
        folder = next(iter(getattr(module, "__path__", ())), os.path.dirname(module.__file__ or ""))
        data: bytes | None = get(os.path.join(folder, *resource.split("/"))) if get else None
        return data

    def find_loader(fullname: str) -> Any:
        spec = _find_spec(space, space.plain(fullname))
        return spec.loader if spec is not None else None

    def resolve_name(name: str) -> Any:
        module_name, colon, attributes = name.partition(":")
        if colon:
            rest = attributes.split(".") if attributes else []
            return functools.reduce(getattr, rest, space.import_module(module_name))
        return _located(space, space.plain(module_name).split("."))

    overrides: dict[str, Any] = {
        "iter_modules": iter_modules,
        "walk_packages": walk_packages,
        "get_data": get_data,
        "resolve_name": resolve_name,
    }
    for name in ("find_loader", "get_loader"):
        if name in vars(host):
            overrides[name] = find_loader
    return overrides


def _located(space: ModuleSpace, parts: Sequence[str]) -> Any:
    """What a dotted name leads to: modules as far as there are any, attributes from there on."""
    name, *rest = parts
    found = space.import_module(name)
    while rest and _find_spec_or_none(space, f"{name}.{rest[0]}"):
        name = f"{name}.{rest.pop(0)}"
        found = space.import_module(name)
    return functools.reduce(getattr, rest, found)


def _pydoc(space: ModuleSpace, host: Any) -> Overrides:
    def locate(path: str, forceload: bool = False) -> Any:
        parts = [part for part in space.plain(path).split(".") if part]
        if not parts or not space.holds(parts[0]) or space.tree.is_extern(parts[0]):
            return host.locate(path, forceload)
        try:
            return _located(space, parts)
        except AttributeError:
            return None
        except Exception as error:
            raise host.ErrorDuringImport(path, sys.exc_info()) from error

    return {"locate": locate}


def _find_spec_or_none(space: ModuleSpace, name: str) -> ModuleSpec | None:
    try:
        return _find_spec(space, name)
    except ModuleNotFoundError:
        return None


def _import_while_walking(
    space: ModuleSpace, name: str, onerror: Callable[[str], object] | None
) -> ModuleType | None:
    try:
        module: ModuleType = space.import_module(name)
    except ImportError:
        if onerror is not None:
            onerror(name)
        return None
    except Exception:
        if onerror is None:
            raise
        onerror(name)
        return None
    return module


def _modules_at(space: ModuleSpace, host: Any, item: str, prefix: str) -> Iterator[pkgutil.ModuleInfo]:
    """The modules in a folder: one of the artifact, or any other."""
    folder = space.name_at(item)
    if folder is None:
        yield from host.iter_modules([item], prefix)
        return
    package = folder.replace("/", ".")
    for child in space.tree.children(package):
        name = f"{package}.{child}" if package else child
        if space.tree.role(name) is ModuleRole.SOURCE:
            yield host.ModuleInfo(_FolderFinder(space, package), prefix + child, space.tree.is_package(name))


class _FolderFinder:
    """Finds the modules of one folder of an artifact: the `module_finder` of a ModuleInfo."""

    def __init__(self, space: ModuleSpace, package: str) -> None:
        self._space = space
        self._package = package

    def find_spec(self, fullname: str, _target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of the module in this folder that has the last segment of `fullname`."""
        last = fullname.rpartition(".")[2]
        return self._space.loader.find_spec(
            self._space.mangle(f"{self._package}.{last}" if self._package else last)
        )


def _sys(space: ModuleSpace, _host: ModuleType) -> Overrides:
    return {"modules": PackageModules(space)}


def _metadata(space: ModuleSpace, host: ModuleType) -> Overrides:
    from hermpkg_build.runtime.host.metadata_views import metadata_functions

    return metadata_functions(space, host)


MAKERS: Mapping[str, Callable[[ModuleSpace, ModuleType], Overrides]] = {
    "_pickle": unpickling,
    "importlib": _importlib,
    "importlib.util": _importlib_util,
    "importlib.machinery": _importlib_machinery,
    "importlib.metadata": _metadata,
    "importlib.resources": _importlib_resources,
    "importlib_metadata": _metadata,
    "pickle": unpickling,
    "pkgutil": _pkgutil,
    "pydoc": _pydoc,
    "sys": _sys,
    "torch": torch_names.unchanged,
    "torch.classes": torch_names.classes,
    "torch.export": torch_names.pytree,
    "torch.library": torch_names.library,
    "torch.ops": torch_names.operators,
    "torch.utils": torch_names.unchanged,
    "torch.utils._cxx_pytree": torch_names.pytree,
    "torch.utils._pytree": torch_names.pytree,
    "torch.utils.data": torch_names.datapipes,
    "torch.utils.data.datapipes": torch_names.unchanged,
    "torch.utils.data.datapipes._decorator": torch_names.datapipes,
    "torch.utils.pytree": torch_names.pytree,
}
