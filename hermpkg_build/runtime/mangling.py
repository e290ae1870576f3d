"""Mangled names: the prefix that tells the modules of one importer from those of all others.

The form ``<torch_package_N>`` is torch.package's own, because torch itself looks for it (in
TorchScript's qualified names and in Dynamo).
"""

from __future__ import annotations

import itertools
import re
import sys
from types import ModuleType

_PREFIX = re.compile(r"<torch_package_\d+>")
_own_numbers = itertools.count()


def new_prefix() -> str:
    """A prefix that no importer of this process has or will have, torch's among them.

    Where torch is loaded its counter gives the number. Where it is not, it may be loaded later
    and would count from 0: our own numbers then carry a leading zero, which torch never writes
    and always recognises.
    """
    torch_mangling = sys.modules.get("torch.package._mangling")
    mangler = getattr(torch_mangling, "PackageMangler", None)
    if mangler is None:
        return f"<torch_package_0{next(_own_numbers)}>"
    prefix: str = mangler().parent_name()
    return prefix


def is_mangled(name: str) -> bool:
    """Whether `name` begins with some importer's prefix."""
    return _PREFIX.match(name) is not None


def mangle_prefix(name: str) -> str:
    """The prefix of a mangled name, "" for a plain one."""
    match = _PREFIX.match(name)
    return match[0] if match else ""


def demangle(name: str) -> str:
    """`name` without its prefix, whichever importer's it is; a lone prefix gives ""."""
    match = _PREFIX.match(name)
    return name[match.end() + 1 :] if match else name


def is_from_package(obj: object) -> bool:
    """Whether `obj` is a packaged module, or an object whose type is defined in one.

    Objects of extern modules are not, although packaged code may have made them.
    """
    if isinstance(obj, ModuleType):
        return is_mangled(obj.__name__)
    return is_mangled(type(obj).__module__)
