"""Functions of the operating system that others take the place of, as code of a factory gets them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

_readlink = os.readlink
_KERNELS_LINK = re.compile(r"/proc/(?:self|thread-self|\d+)(?:/task/\d+)?/(?:cwd|root|fd/\d+)|/dev/fd/\d+")


def path_of_open(descriptor: object) -> str:
    """Return the path of an open file or folder; "" where that is not known."""
    try:
        return _readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


def without_kernels_link(path: str) -> str:
    """Return an absolute path without a link at its start that the kernel makes: it leads elsewhere later.

    That is ``/proc/self/cwd``, say, the current folder of a process.
    """
    while found := _KERNELS_LINK.match(path):
        link, rest = found[0], path[found.end() :]
        try:
            target = _readlink(link)
        except OSError:
            return path
        if rest[:1] not in ("", "/") or not target.startswith("/"):
            return path
        path = target.rstrip("/") + rest or "/"
    return path


def let_system_module_have(*names: str) -> None:
    """Let code that imports the module below `os` get the functions of `os` with these names.

    It gets a module of its own: the import system, which holds the other one, has to look at all sources.
    """
    real = sys.modules[os.name]
    seen = ModuleType(real.__name__)
    vars(seen).update(vars(real), **{name: getattr(os, name) for name in names})
    sys.modules[os.name] = seen


def as_of_system(function: Callable[..., Any], noting: Callable[..., Any]) -> Callable[..., Any]:
    """`noting`, which takes the place of a `function` of `os`, with what is known of that."""
    noting.__module__ = os.__name__
    for supporting in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks):
        if function in supporting:
            supporting.add(noting)
    return noting
