"""Mangled names: a prefix tells the modules of one importer from those of all others.

Its form, ``<torch_package_N>``, is that of torch.package, because torch itself looks for it (in
TorchScript's qualified names and in Dynamo).

>>> demangle("<torch_package_0>.models.resnet"), mangle_prefix("<torch_package_0>.models.resnet")
('models.resnet', '<torch_package_0>')
"""

from __future__ import annotations

import itertools
import re
from types import ModuleType

from hermpkg_build.archive.layout import resource_record_name

_PREFIX = re.compile(r"<torch_package_\d+>")
_OF_CONTENT = re.compile(r"<torch_package_0(\d{15})\d*>")
_openings: dict[int, itertools.count[int]] = {}


def new_prefix(number: int) -> str:
    """Make a prefix that no other importer of this process has or will have, ours or torch's.

    The `number`, which is below 2^48, is that of an artifact's content: in other processes, too, no other
    artifact has such a prefix, so that a name in a pickle leads to its own artifact or to none. A leading
    zero tells it from the numbers of torch.
    """
    count = next(_openings.setdefault(number, itertools.count()))
    return f"<torch_package_0{number:015d}{count or ''}>"


def is_of_another_process(prefix: str) -> bool:
    """Tell whether another process made a prefix, for an artifact that was never open here."""
    match = _OF_CONTENT.match(prefix)
    return match is not None and int(match[1]) not in _openings


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


def resource_record(package: str | ModuleType, resource: str) -> str:
    """Give the record of a resource; `package` is a plain or mangled name, or a packaged module."""
    name = demangle(package if isinstance(package, str) else package.__name__)
    if not name:
        raise ValueError("the package of a resource needs a name")
    return resource_record_name(name, resource)
