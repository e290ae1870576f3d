"""Where the broken modules of a failed export were first met."""

from __future__ import annotations

from hermpkg_build.exporter.errors import PackagingError


def find_first_use_of_broken_modules(exc: PackagingError) -> dict[str, list[str]]:
    """For each broken module the modules, and the pickle if it began with one, that led to it first.

    The path ends with the broken module itself: ``{"m.n": ["<model.model.pkl>", "a.b", "m.n"]}``.
    """
    if not isinstance(exc, PackagingError):
        raise TypeError(f"expected a PackagingError, not {type(exc).__name__}")
    uses: dict[str, list[str]] = {}
    for broken in exc.broken:
        path = [name for name in broken.path if name not in exc.dependency_graph.roots or name[:1] == "<"]
        uses.setdefault(broken.module, path)
    return uses
