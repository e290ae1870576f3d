"""Mangled names: a prefix tells the modules of one importer from those of all others.

Its form, ``<torch_package_N>``, is that of torch.package, because torch itself looks for it (in
TorchScript's qualified names and in Dynamo).

>>> demangle("<torch_package_0>.models.resnet"), mangle_prefix("<torch_package_0>.models.resnet")
('models.resnet', '<torch_package_0>')
"""

from __future__ import annotations

import itertools
import re
import sys
from types import ModuleType

_PREFIX = re.compile(r"<torch_package_\d+>")
_own_numbers = itertools.count()


def new_prefix() -> str:
    """Make a prefix that no other importer of this process has or will have, ours or torch's.

    Where torch is loaded, its counter gives the number. Where it is not, it may be loaded later
    and would count from 0: our own numbers then have a leading zero, which torch never writes
    and always recognises.
    """
    torch_mangling = sys.modules.get("torch.package._mangling")
    mangler = getattr(torch_mangling, "PackageMangler", None)
    if mangler is None:
        return f"<torch_package_0{next(_own_numbers)}>"
    prefix: str = mangler().parent_name()
    return prefix


def is_mangled(name: str) -> bool:
    """Tell whether `name` begins with the prefix of any importer."""
    return _PREFIX.match(name) is not None


def mangle_prefix(name: str) -> str:
    """Give the prefix of a mangled name, "" for a plain one."""
    match = _PREFIX.match(name)
    return match[0] if match else ""


def demangle(name: str) -> str:
    """Give `name` without its prefix, whichever importer's that is; "" for a prefix alone."""
    match = _PREFIX.match(name)
    return name[match.end() + 1 :] if match else name


def is_from_package(obj: object) -> bool:
    """Tell whether `obj` is a packaged module, or an object whose type is defined in one.

    An object whose type an extern module defines is not, even where packaged code made it.

    >>> from hermpkg_build import PackageExporter, PackageImporter
    >>> with PackageExporter("model.pt") as exporter:
    ...     exporter.save_source_string("app", "class Model: pass")
    >>> with PackageImporter("model.pt") as importer:
    ...     app = importer.import_module("app")
    >>> is_from_package(app), is_from_package(app.Model()), is_from_package("text")
    (True, True, False)
    """
    if isinstance(obj, ModuleType):
        return is_mangled(obj.__name__)
    return is_mangled(type(obj).__module__)
