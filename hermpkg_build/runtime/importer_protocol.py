"""Importers: environments that modules come from, the interpreter's own, a package, or several in order."""

from __future__ import annotations

import functools
import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

from hermpkg_build.runtime.mangling import demangle, mangle_prefix


class ObjNotFoundError(Exception):
    """No importer has an object of the name that was asked for."""


class ObjMismatchError(Exception):
    """The importer has a different object under the name that was asked for."""


class AnyImporter(Protocol):
    """What modules and objects are found with: an Importer, or one of torch.package's."""

    @property
    def modules(self) -> Mapping[str, Any]:
        """The modules that were imported, by name."""

    def import_module(self, module_name: str, /) -> Any:
        """Import a module. Raises ImportError."""

    def get_name(self, obj: Any, name: str | None = None, /) -> tuple[str, str]:
        """Find the module and the qualified name of `obj`."""

    def whichmodule(self, obj: Any, name: str, /) -> str:
        """Find the module that `obj` belongs to."""


class Importer(ABC):
    """An environment to import modules from.

    `get_name` either raises or returns names with which `import_module` and ``getattr`` find the same object:

    >>> from collections import OrderedDict
    >>> sys_importer.get_name(OrderedDict)
    ('collections', 'OrderedDict')
    """

    modules: Mapping[str, Any]

    @abstractmethod
    def import_module(self, module_name: str) -> Any:
        """Import the module `module_name` of this environment. Raises ImportError."""

    def get_name(self, obj: Any, name: str | None = None) -> tuple[str, str]:
        """Find the module and the qualified name under which this environment has `obj`.

        `name` is used instead of the name that `obj` gives itself. Raises ObjNotFoundError,
        ObjMismatchError.
        """
        name = name or _own_name(obj)
        found_in = self.whichmodule(obj, name)
        module_name = demangle(found_in)
        try:
            if "<locals>" in name.split("."):
                raise AttributeError("<locals>")
            found: Any = functools.reduce(getattr, name.split("."), self.import_module(module_name))
        except (ImportError, KeyError, AttributeError) as error:
            raise ObjNotFoundError(f"{obj!r} was not found as {module_name}.{name}: {error}") from None
        if found is obj:
            return module_name, name
        raise ObjMismatchError(self._mismatch(found_in, found, name))

    def whichmodule(self, obj: Any, name: str) -> str:
        """Find the name of the module that `obj` belongs to; ``__main__`` where no module has it."""
        module_name = getattr(obj, "__module__", None)
        if module_name is not None:
            return str(module_name)
        for candidate, module in dict(self.modules).items():
            if candidate in ("__main__", "__mp_main__") or module is None:
                continue
            try:
                if functools.reduce(getattr, name.split("."), module) is obj:
                    return candidate
            except Exception:  # noqa: BLE001, S112 -- a module's own __getattr__ may raise anything
                continue
        return "__main__"

    def _mismatch(self, module_name: str, found: Any, name: str) -> str:
        here = self.whichmodule(found, name)
        return (
            f"the object {name} comes from {module_name!r} of {_environment(module_name)}, but the"
            f" importer finds {here!r} of {_environment(here)} under this name. List"
            f" {_importer(module_name)} before {_importer(here)} in the exporter's importers"
        )


class _SysImporter(Importer):
    """The interpreter's own environment.

    >>> sys_importer.import_module("json").dumps([1])
    '[1]'
    """

    @property
    def modules(self) -> Mapping[str, Any]:  # type: ignore[override]
        return sys.modules

    def import_module(self, module_name: str) -> ModuleType:
        """Import a module as importlib.import_module does."""
        return importlib.import_module(module_name)

    def __repr__(self) -> str:
        return "sys_importer"


sys_importer: Importer = _SysImporter()


class OrderedImporter(Importer):
    """Several importers, asked in order; the first that has the module or object answers.

    An exporter is given one so that objects out of a package can be packed again, with
    ``OrderedImporter(package_importer, sys_importer)``.

    >>> OrderedImporter(sys_importer).get_name(dict)
    ('builtins', 'dict')
    >>> OrderedImporter(sys_importer)
    OrderedImporter(sys_importer)
    """

    def __init__(self, *args: AnyImporter) -> None:
        self._importers: Sequence[AnyImporter] = args

    @property
    def modules(self) -> Mapping[str, Any]:  # type: ignore[override]
        """The modules of all importers, the first importer's first."""
        merged: dict[str, Any] = {}
        for importer in reversed(self._importers):
            merged.update(importer.modules)
        return merged

    def get_name(self, obj: Any, name: str | None = None) -> tuple[str, str]:
        """Ask each importer; raises ObjNotFoundError, with the reason of each, where none has `obj`."""
        reasons = []
        for importer in self._importers:
            try:
                return importer.get_name(obj, name)
            except (ObjNotFoundError, ObjMismatchError) as error:  # noqa: PERF203 -- importers are few
                reasons.append(f"{importer}: {error}")
        import logging

        logging.getLogger(__name__).debug("no importer has %r: %s", obj, reasons)
        raise ObjNotFoundError(f"no importer has {obj!r} as {name or _own_name(obj)}\n" + "\n".join(reasons))

    def import_module(self, module_name: str) -> Any:
        """Import the module from the first importer that has it. Raises ModuleNotFoundError.

        A folder without ``__init__.py`` in a package does not hide a module of a later importer.
        """
        last: ModuleNotFoundError | None = None
        for importer in self._importers:
            if not hasattr(importer, "import_module") or not hasattr(importer, "get_name"):
                raise TypeError(f"OrderedImporter takes objects of class Importer, not {importer!r}")
            try:
                module = importer.import_module(module_name)
            except ModuleNotFoundError as error:
                last = error
                continue
            if not _is_bare_folder(module):
                return module
        raise last or ModuleNotFoundError(f"No module named {module_name!r}", name=module_name)

    def whichmodule(self, obj: Any, name: str) -> str:
        """Ask each importer; ``__main__`` where none can tell."""
        answers = (importer.whichmodule(obj, name) for importer in self._importers)
        return next((answer for answer in answers if answer != "__main__"), "__main__")

    def __repr__(self) -> str:
        return f"OrderedImporter({', '.join(map(repr, self._importers))})"


def _own_name(obj: Any) -> str:
    """Give the name under which an object would be pickled as a global."""
    if not isinstance(obj, (type, ModuleType)) and not hasattr(obj, "__qualname__"):
        reduced = _reduced(obj)
        if isinstance(reduced, str):
            return reduced
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    if name is None:
        raise ObjNotFoundError(f"{obj!r} has no name")
    return str(name)


def _reduced(obj: Any) -> Any:
    try:
        return obj.__reduce__()
    except Exception:  # noqa: BLE001 -- any object's own code runs here, and may raise anything
        return None


def _is_bare_folder(module: Any) -> bool:
    return (
        bool(getattr(module, "__torch_package__", False))
        and hasattr(module, "__path__")
        and getattr(module, "__file__", None) is None
    )


def _environment(module_name: str) -> str:
    return mangle_prefix(module_name) or "the current Python environment"


def _importer(module_name: str) -> str:
    prefix = mangle_prefix(module_name)
    return f"the importer {prefix}" if prefix else "sys_importer"
