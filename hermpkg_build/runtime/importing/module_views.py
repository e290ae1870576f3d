"""Package-bound views of host modules: what packaged code gets for importlib, pkgutil and their like.

A view is the host's module with a few functions replaced by ones that know packaged names; all
other attributes are the host's, live. Only packaged code's own imports give views, so host code
never meets one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

Overrides = Mapping[str, Any]
"""Attributes that packaged code sees in place of a host module's."""

# Host modules that code gets a view of only where its source has a word, and then a use, of what changes.
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


class ModuleView(ModuleType):
    """A host module seen with some attributes of its own; everything else is read from the host, live.

    Its namespace also holds a copy of the host's, for tools that look into ``__dict__``, save for
    the modules that have views themselves: those tools then ask for the attribute.
    Assignments go to the host, as they would without the view, save those in the place of what is
    bound to the package: host code that got these would import the package's modules.
    """

    def __init__(self, host: ModuleType, overrides: Overrides, views: HostViews) -> None:
        super().__init__(host.__name__)
        namespace = object.__getattribute__(self, "__dict__")
        # Of a copy, because another thread may import a submodule of the host's just now.
        names = dict(vars(host))
        namespace.update({name: value for name, value in names.items() if not views.can_view(value)})
        namespace.update(overrides)
        namespace["__view__"] = (host, overrides, views, {})

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
    """The views of one package, each made when first asked for; `overrides` makes what they replace."""

    def __init__(self, overrides: Mapping[str, Callable[[ModuleType], Overrides]]) -> None:
        self._overrides = overrides
        self._views: dict[str, ModuleView] = {}
        self._users: dict[str, set[str]] = {name: set() for name in _USES}

    def view_of(self, module: ModuleType, importing: Mapping[str, Any] | None = None) -> ModuleType:
        """`module`, or the view of it that the code with the globals `importing` gets."""
        if not self.can_view(module):
            return module
        name = module.__name__
        if name in _USES and (importing or {}).get("__name__") not in self._users[name]:
            return module
        view = self._views.get(name)
        if view is None:
            made = ModuleView(module, self._overrides[name](module), self)
            # Of two threads that make one, both get the first's: a view keeps what is assigned to it.
            view = self._views.setdefault(name, made)
        return view

    def can_view(self, value: object) -> bool:
        """Whether `value` is a module that packaged code can get a view of."""
        if not isinstance(value, ModuleType):
            return False
        name = getattr(value, "__name__", "")
        return name in self._overrides and value is sys.modules.get(name)

    def host_of(self, value: Any) -> Any:
        """The module behind a view; any other value is its own."""
        if type(value) is not ModuleView:
            return value
        return object.__getattribute__(value, "__dict__")["__view__"][0]

    def note_source(self, mangled_name: str, source: bytes) -> None:
        """Remember which of `sys` and `torch` a module's code uses in such a way that it needs a view.

        A view costs time at each lookup and is one more thing for a compiler such as Dynamo to
        understand, so code that only reads ``sys.version_info`` keeps the real module.
        """
        for name, (word, use) in _USES.items():
            if word.search(source) and use.search(source):
                self._users[name].add(mangled_name)
