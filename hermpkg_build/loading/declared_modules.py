"""Finds the dotted name that a workspace file has as a module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from hermpkg_build.core.label import Label
from hermpkg_build.core.module_names import is_dotted_identifier
from hermpkg_build.core.target import DeclaredModule, PythonModules
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.collected_errors import raise_all


def module_targets(
    target: PythonModules,
    source_roots: tuple[str, ...],
    error_in: Callable[[PythonModules, Label, str, str], HermpkgError],
    is_environment: Callable[[str], bool] = lambda _folder: False,
) -> tuple[DeclaredModule, ...]:
    """The modules of a `python_modules` target, in the order of its srcs.

    Raises the one error, or GroupedError with all, that `error_in` makes for a file which cannot be a module,
    of its label, the problem and the next step; one for all files below a folder that is to be left out.
    `is_environment` tells whether a folder is a virtual environment.
    """
    modules: list[DeclaredModule] = []
    errors: list[HermpkgError] = []
    below: dict[str, list[Label]] = {}
    for src in target.srcs:
        name = module_name(src.path, source_roots)
        if name is not None:
            modules.append(DeclaredModule(label=src, module=name, path=src.path, owner=target.label))
        elif folder := _folder_to_leave_out(src, source_roots, is_environment):
            below.setdefault(folder, []).append(src)
        else:
            errors.append(error_in(target, src, *_module_name_problem(src.path, source_roots)))
    for folder, srcs in below.items():
        problem, next_step = _module_name_problem(srcs[0].path, source_roots)
        if is_environment(folder) or len(srcs) > 1:
            pattern = f"{folder[len(target.label.package) :].lstrip('/')}/**"
            next_step = (
                f'leave them out: glob(..., exclude = ["{pattern}"]), or name {folder} in .bazelignore'
            )
            why = "a virtual environment" if is_environment(folder) else problem.rpartition(": ")[2]
            problem = f"{len(srcs):,} files below {folder} cannot be imported: {why}"
        errors.append(error_in(target, srcs[0], problem, next_step))
    raise_all(errors, f"in the files of {target.label}")
    return tuple(modules)


def _folder_to_leave_out(
    src: Label, source_roots: tuple[str, ...], is_environment: Callable[[str], bool]
) -> str:
    """Return the outermost folder below the package of `src` in which nothing can be imported.

    That is a virtual environment, or a folder whose name no import can have; "" where the file is at fault.
    """
    parts, rooted = src.path.split("/"), _root_of(src.path, source_roots) is not None
    depth = src.package.count("/") + 1 if src.package else 0
    for end in range(depth + 1, len(parts)):
        folder = "/".join(parts[:end])
        if is_environment(folder) or (rooted and _package_of(folder, source_roots) is None):
            return folder
    return ""


def module_name(path: str, source_roots: tuple[str, ...]) -> str | None:
    """Return the module at a workspace path, counted from the longest source root above it.

    ``__init__.py`` is its folder's package. None where no module can have that name.
    """
    folder, _, file = path.rpartition("/")
    package = _package_of(folder, source_roots)
    stem = file.removesuffix(".py")
    if package is None or stem == file:
        return None
    if stem == "__init__":
        return package or None
    name = f"{package}.{stem}" if package else stem
    return name if "." not in stem and is_dotted_identifier(stem) else None


@lru_cache(maxsize=4096)
def _package_of(folder: str, source_roots: tuple[str, ...]) -> str | None:
    """Return the dotted name of a folder, "" for a source root; None where files in it cannot be imported."""
    root = _root_of(folder + "/", source_roots)
    if root is None:
        return None
    inner = folder[len(root) :].lstrip("/")
    if "." in inner or (inner and not is_dotted_identifier(inner.replace("/", "."))):
        return None
    return inner.replace("/", ".")


def _module_name_problem(path: str, source_roots: Sequence[str]) -> tuple[str, str]:
    """Say why a file cannot be a module, and what to do; for a path that `module_name` gives None for."""
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
    part = next(part for part in inner.split("/") if not is_dotted_identifier(part) or "." in part)
    why = "is a keyword of Python" if part.isidentifier() else "is not an identifier"
    return (
        f"{path} cannot be imported: {part!r} {why}",
        "rename the file or folder, or leave it out: glob(..., exclude = [...])",
    )


def _root_of(path: str, source_roots: Sequence[str]) -> str | None:
    """Return the longest of the source roots that `path` lies under."""
    above = [root for root in source_roots if not root or path.startswith(root + "/")]
    return max(above, key=len, default=None)
