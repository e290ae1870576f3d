"""The dotted name that a workspace file has as a module."""

from __future__ import annotations

from collections.abc import Sequence

from hermpkg_build.loading.forms import is_module_name


def module_name(path: str, source_roots: Sequence[str]) -> str | None:
    """The module that the file at a workspace path is, counted from the longest source root above it.

    ``__init__.py`` is its folder's package. None where no module can have that name.
    """
    root = _root_of(path, source_roots)
    if root is None or not path.endswith(".py"):
        return None
    inner = path[len(root) + 1 if root else 0 : -len(".py")]
    if "." in inner:
        return None
    name = inner.replace("/", ".")
    if name == "__init__" or name.endswith(".__init__"):
        name = name[: -len("__init__")].removesuffix(".")
    return name if is_module_name(name) else None


def module_name_problem(path: str, source_roots: Sequence[str]) -> tuple[str, str]:
    """Why a file is no module, and what to do; for a path that `module_name` says None of."""
    root = _root_of(path, source_roots)
    if root is None:
        roots = ", ".join(repr(root) for root in source_roots)
        return (
            f"{path} lies under no source root",
            f"add its folder to source-roots, which is [{roots}], in pyproject.toml",
        )
    inner = path[len(root) + 1 if root else 0 :].removesuffix(".py")
    if inner == "__init__":
        return (
            f"{path} is the __init__.py of a source root, which no import can name",
            "leave it out, or move the source root one folder up",
        )
    part = next(part for part in inner.split("/") if not is_module_name(part) or "." in part)
    why = "is a keyword of Python" if part.isidentifier() else "is no identifier"
    return (
        f"{path} cannot be imported: {part!r} {why}",
        "rename the file or folder, or leave it out: glob(..., exclude = [...])",
    )


def _root_of(path: str, source_roots: Sequence[str]) -> str | None:
    """The longest of the source roots that `path` lies under."""
    above = [root for root in source_roots if not root or path.startswith(root + "/")]
    return max(above, key=len, default=None)
