"""What a module is, where it comes from, and what becomes of it in an artifact."""

from __future__ import annotations

import enum


class Origin(str, enum.Enum):
    """Where a module comes from."""

    WORKSPACE = "workspace"
    ENVIRONMENT = "environment"
    STDLIB = "stdlib"
    GENERATED = "generated"
    """Source text given in a target (`sources`) or to save_source_string."""
    MISSING = "missing"

    __str__ = str.__str__


class ModuleKind(str, enum.Enum):
    """The form that a module has on disk."""

    SOURCE = "source"
    PACKAGE = "package"
    """A folder with an ``__init__.py``."""
    NAMESPACE = "namespace"
    """A folder without one (PEP 420)."""
    EXTENSION = "extension"
    BYTECODE = "bytecode"
    """A ``.pyc`` without its source."""
    BUILTIN = "builtin"
    """Built into or frozen in the interpreter, without a source file."""
    MISSING = "missing"

    __str__ = str.__str__


class Policy(str, enum.Enum):
    """What a build does with a module: pack it, expect it of the machine, put a stub there, refuse it."""

    INTERN = "intern"
    EXTERN = "extern"
    MOCK = "mock"
    DENY = "deny"

    __str__ = str.__str__
