"""find_first_use_of_broken_modules: the imports that led to the broken modules of a failed export."""

from __future__ import annotations

from hermpkg_build.exporter.errors import PackagingError


def find_first_use_of_broken_modules(exc: PackagingError) -> dict[str, list[str]]:
    """Map each broken module to the path of imports that led to it first.

    It begins with a pickle, where one led to the module, and ends with the module itself:
    ``{"m.n": ["<model.model.pkl>", "a.b", "m.n"]}``.

    >>> from hermpkg_build import PackageExporter
    >>> exporter = PackageExporter("model.pt")
    >>> exporter.save_source_string("app", "import numpy")
    >>> try:
    ...     exporter.close()
    ... except PackagingError as error:
    ...     print(find_first_use_of_broken_modules(error))
    {'numpy': ['app', 'numpy']}
    """
    if not isinstance(exc, PackagingError):
        raise TypeError(f"expected a PackagingError, not {type(exc).__name__}")
    uses: dict[str, list[str]] = {}
    for broken in exc.broken:
        path = [name for name in broken.path if name not in exc.dependency_graph.roots or name[:1] == "<"]
        uses.setdefault(broken.module, path)
    return uses
