"""Views of host modules: packaged code sees importlib, pickle and others with some attributes replaced.

A view has a few functions that know packaged names; all other attributes are read from the host's
module. Only imports in packaged code give views, so that host code never gets one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType, new_class
from typing import Any

Overrides = Mapping[str, Any]
"""Attributes that packaged code sees in place of a host module's."""

# Of these, code gets a view only where its source has a word, and then an expression, that needs one.
_USES = {
    "sys": (
        re.compile(rb"modules"),
        re.compile(
            rb"\bsys\s*\.\s*modules\b|\bfrom\s+sys\s+import\b(?:[^\n(]*|\s*\([^)]*)\bmodules\b"
            rb"|\bsys\s+as\s+(\w+)\b(?s:.*)\b\1\s*\.\s*modules\b"
        ),
    ),
    "torch": (
        re.compile(rb"torch"),
        re.compile(
            rb"\btorch\s*\.\s*(?:library|classes|ops\b(?!\s*\.\s*(?:aten|prims?|quantized)\b))"
            rb"|\btorch\s+as\s+(\w+)\b(?s:.*)\b\1\s*\.\s*(?:library|classes|ops)\b"
            rb"|\bfrom\s+torch\s+import\b(?:[^\n(]*|\s*\([^)]*)\b(?:library|classes|ops|utils|export)\b"
            rb"|\b(?:functional_datapipe|serialized_type_name)\b"
        ),
    ),
}


class _TypeOfViews(type):
    """The type of `ModuleView`, which stands for that of modules where code gets at it, as by ``type(sys)``.

    Classes that it is a base of have that of modules instead. Views are made by `ModuleView.of` alone.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        if not any(isinstance(base, _TypeOfViews) for base in bases):
            return super().__new__(cls, name, bases, namespace, **options)
        others = tuple(ModuleType if isinstance(base, _TypeOfViews) else base for base in bases)
        return new_class(name, others, options, lambda made: made.update(namespace))

    def __call__(cls, *arguments: Any, **options: Any) -> ModuleType:
        return ModuleType(*arguments, **options)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, ModuleType)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, ModuleType)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is ModuleType

    def __hash__(cls) -> int:
        return hash(ModuleType)


class ModuleView(ModuleType, metaclass=_TypeOfViews):
    """A host module with some attributes replaced; all others are read from the host when asked for.

    Its ``__dict__`` also holds a copy of the host's, for tools that look there, except modules that have
    views themselves, for which these tools then ask as for an attribute. Assignments go to the host, as
    they would without the view, except those to replaced attributes: host code would get from them
    what belongs to the package.
    """

    @classmethod
    def of(cls, host: ModuleType, overrides: Overrides, views: HostViews) -> ModuleView:
        """Make a view of `host`."""
        view = ModuleType.__new__(cls)
        ModuleType.__init__(view, host.__name__)
        namespace = object.__getattribute__(view, "__dict__")
        # A copy, because another thread may import a submodule of the host's meanwhile.
        names = dict(vars(host))
        namespace.update({name: value for name, value in names.items() if not views.can_view(value)})
        namespace.update(overrides)
        namespace["__view__"] = (host, overrides, views, {})
        return view

    def __getattribute__(self, name: str) -> Any:
        if name in ("__dict__", "__class__"):
            return object.__getattribute__(self, name)
        host, overrides, views, assigned = object.__getattribute__(self, "__dict__")["__view__"]
        if name in overrides:
            return assigned[name] if name in assigned else overrides[name]
        value = getattr(host, name)
        return views.view_of(value) if isinstance(value, ModuleType) else value

    def __setattr__(self, name: str, value: object) -> None:
        namespace = object.__getattribute__(self, "__dict__")
        host, overrides, views, assigned = namespace["__view__"]
        if name in overrides:
            assigned[name] = value
        else:
            setattr(host, name, views.host_of(value))
        namespace[name] = value

    def __delattr__(self, name: str) -> None:
        namespace = object.__getattribute__(self, "__dict__")
        host, overrides, _, assigned = namespace["__view__"]
        if name not in overrides:
            delattr(host, name)
            namespace.pop(name, None)
        elif name in assigned:
            namespace[name] = overrides[name]
            del assigned[name]
        else:
            raise AttributeError(f"{name!r} of {host.__name__!r} cannot be deleted by packaged code")

    def __dir__(self) -> list[str]:
        host, overrides, _, _ = object.__getattribute__(self, "__dict__")["__view__"]
        return sorted({*dir(host), *overrides})


class HostViews:
    """The views of one package, each made when first asked for.

    `overrides` has, by the name of each host module, the function that makes the attributes to replace.
    """

    def __init__(self, overrides: Mapping[str, Callable[[ModuleType], Overrides]]) -> None:
        self._overrides = overrides
        self._views: dict[str, ModuleView] = {}
        self._users: dict[str, set[str]] = {name: set() for name in _USES}

    def view_of(self, module: ModuleType, importing: Mapping[str, Any] | None = None) -> ModuleType:
        """Give `module`, or the view of it that the code with the globals `importing` gets."""
        if not self.can_view(module):
            return module
        name = module.__name__
        if name in _USES and (importing or {}).get("__name__") not in self._users[name]:
            return module
        view = self._views.get(name)
        if view is None:
            made = ModuleView.of(module, self._overrides[name](module), self)
            # Two threads that make one get the same, because a view keeps what is assigned to it.
            view = self._views.setdefault(name, made)
        return view

    def can_view(self, value: object) -> bool:
        """Tell whether `value` is a module that packaged code can get a view of."""
        if not isinstance(value, ModuleType):
            return False
        name = getattr(value, "__name__", "")
        if name not in self._overrides:
            return False
        parent, _, leaf = name.rpartition(".")
        # A module may be an attribute of its parent alone, as torch.ops is before torch 2.5.
        return value is (sys.modules.get(name) or vars(sys.modules.get(parent, sys)).get(leaf))

    def host_of(self, value: Any) -> Any:
        """Give the module behind a view, or any other value as it is."""
        if type(value) is not ModuleView:
            return value
        return object.__getattribute__(value, "__dict__")["__view__"][0]

    def note_source(self, mangled_name: str, source: bytes) -> None:
        """Note whether the source of a module uses `sys` or `torch` in a way that needs a view.

        A view costs time at each lookup, and compilers such as Dynamo have to understand it, so code that
        only reads ``sys.version_info`` keeps the real module.
        """
        for name, (word, use) in _USES.items():
            if word.search(source) and use.search(source):
                self._users[name].add(mangled_name)
