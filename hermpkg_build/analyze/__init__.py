"""Tools that find what a package needs: before its export, and after one that failed."""

from __future__ import annotations

from hermpkg_build.analyze.broken_modules import find_first_use_of_broken_modules
from hermpkg_build.analyze.tracing import trace_dependencies
from hermpkg_build.runtime.mangling import is_from_package

__all__ = ["find_first_use_of_broken_modules", "is_from_package", "trace_dependencies"]
