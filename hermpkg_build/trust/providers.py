"""Which installed distributions provide a module, by what they say of themselves; nothing is imported."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from hermpkg_build.core.module_names import top_of


@cache
def providers_of(module: str) -> Mapping[str, str]:
    """Return the versions of the distributions that provide `module`, by their names.

    Where several share its top-level name, as in namespace packages, those with files of the module count.
    """
    from importlib import metadata

    names = sorted({*_by_top().get(top_of(module), ())})
    if len(names) > 1:
        folder = module.replace(".", "/")
        own = [name for name in names if _has_files(name, folder)]
        names = own or names
    return {name: metadata.version(name) for name in names}


@cache
def _by_top() -> Mapping[str, list[str]]:
    from importlib import metadata

    return metadata.packages_distributions()


def _has_files(distribution: str, folder: str) -> bool:
    from importlib import metadata

    files = metadata.files(distribution) or ()
    return any(str(file).startswith((f"{folder}/", f"{folder}.")) for file in files)
