"""Dotted names of modules, and the record of an artifact that each has its source in."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterator
from typing import NewType

ModuleName = NewType("ModuleName", str)
"""The plain dotted name of a module or package, such as ``pkg.mod``; neither a mangled name nor a path.

Each part can be the name of a file. It need not be an identifier: importlib imports ``my-pkg.1st``, too.
"""

_LONGEST_NAME = 4096
_MOST_PARTS = 255
"""All parents of a name together take the square of its length."""

_PART = r"[^\s./\\\0]+(?: +[^\s./\\\0]+)*"
_NAME = re.compile(rf"{_PART}(?:\.{_PART})*")
_RECORD = re.compile(rf"({_PART}(?:/{_PART})*?)(/__init__)?\.py")


def is_module_name(text: str) -> bool:
    """Whether `text` can be the dotted name of a module.

    >>> [is_module_name(text) for text in ("pkg.mod", "my-pkg.1st", "a b.c", "pkg..mod", "pkg/mod", "")]
    [True, True, True, False, False, False]
    """
    if len(text) > _LONGEST_NAME or text.count(".") >= _MOST_PARTS:
        return False
    return _NAME.fullmatch(text) is not None


def is_dotted_identifier(text: str) -> bool:
    """Whether `text` can stand in an import statement: identifiers with dots between them, none a keyword.

    >>> [is_dotted_identifier(text) for text in ("pkg.mod", "my-pkg.mod", "pkg.class")]
    [True, False, False]
    """
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in text.split("."))


def top_of(name: str) -> ModuleName:
    """Return the first part of `name`: the top-level module that it is, or that it lies in."""
    return ModuleName(name.partition(".")[0])


def is_within(name: str, module: str) -> bool:
    """Whether `name` is `module`, or lies in it.

    >>> is_within("a.b", "a"), is_within("a", "a"), is_within("ab", "a")
    (True, True, False)
    """
    return name == module or name.startswith(f"{module}.")


def parent_of(name: str) -> ModuleName:
    """Return the package that `name` lies in, "" for a top-level module."""
    return ModuleName(name.rpartition(".")[0])


def parents_of(name: str) -> Iterator[ModuleName]:
    """Return the packages that `name` lies in, the nearest first.

    >>> list(parents_of("a.b.c"))
    ['a.b', 'a']
    """
    parent = parent_of(name)
    while parent:
        yield parent
        parent = parent_of(parent)


def package_of_private_part(name: str) -> ModuleName | None:
    """Return the package of the standard library that `name` is a private part of, None for any other module.

    Versions of Python have other parts: ``pathlib._local`` is one in 3.13 alone.

    >>> [package_of_private_part(name) for name in ("pathlib._local", "pathlib", "_io", "numpy._core")]
    ['pathlib', None, None, None]
    """
    package, _, part = name.rpartition(".")
    is_private = part.startswith("_") and not part.startswith("__")
    return ModuleName(package) if is_private and top_of(package) in sys.stdlib_module_names else None


def package_of_init(name: str) -> ModuleName | None:
    """Return the package `a` for the name ``a.__init__``, None for any other name.

    Python imports ``a.__init__`` as a plain module, for which it runs the source of `a` once more. That is
    what ``from .__init__ import x`` does.

    >>> package_of_init("a.b.__init__"), package_of_init("a.b")
    ('a.b', None)
    """
    return parent_of(name) if name.endswith(".__init__") else None


def record_of_module(name: str, is_package: bool) -> str:
    """Return the record of a module's source, which is also its path below a folder of ``sys.path``.

    >>> record_of_module("a.b", False), record_of_module("a.b", True)
    ('a/b.py', 'a/b/__init__.py')
    """
    path = name.replace(".", "/")
    return f"{path}/__init__.py" if is_package else f"{path}.py"


def module_of_record(record: str) -> tuple[ModuleName, bool] | None:
    """Return the module whose source a record holds, and whether it is a package; None for another record.

    This is the inverse of `record_of_module`, except that ``a.__init__`` has the record of the package ``a``.

    >>> module_of_record("a/b.py"), module_of_record("a/b/__init__.py"), module_of_record("a/b.txt")
    (('a.b', False), ('a.b', True), None)
    """
    match = _RECORD.fullmatch(record) if record.endswith(".py") else None
    return (ModuleName(match[1].replace("/", ".")), match[2] is not None) if match else None


def folder_of_module(name: str, is_package: bool) -> str:
    """Return the folder of a module's source, for a package its own; "" for the top."""
    return (name if is_package else parent_of(name)).replace(".", "/")
