"""Finds the dotted name that a workspace file has as a module."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Sequence
from functools import lru_cache

from hermpkg_build.core.label import Label, LabelsInPackage
from hermpkg_build.core.module_names import folder_of_module, is_dotted_identifier, parent_of
from hermpkg_build.core.target import DeclaredModules, PythonModules
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.collected_errors import raise_all


def module_targets(
    target: PythonModules,
    source_roots: tuple[str, ...],
    error_in: Callable[[PythonModules, Label, str, str], HermpkgError],
    is_environment: Callable[[str], bool] = lambda _folder: False,
) -> DeclaredModules:
    """The modules of a `python_modules` target, in the order of its srcs.

    Raises the one error, or GroupedError with all, that `error_in` makes for a file which cannot be a module,
    of its label, the problem and the next step; one for all files below a folder that is to be left out.
    `is_environment` tells whether a folder is a virtual environment.
    """
    labels = target.srcs
    places = _places_of(labels)
    packages = {folder: _package_of(folder, source_roots) for folder in {place[0] for place in places}}
    names = [_name_in(packages[folder], file) for folder, _, file in places]
    if None in names:
        wrong = [label for label, name in zip(labels, names, strict=True) if name is None]
        raise_all(
            _errors(target, wrong, source_roots, error_in, is_environment), f"in the files of {target.label}"
        )
    return declared_modules(target.label, labels, [name for name in names if name is not None])


def declared_modules(owner: Label, labels: Sequence[Label], names: Sequence[str]) -> DeclaredModules:
    """Return the files `labels` as the modules `names` of the target `owner`."""
    places = zip(_places_of(labels), names, strict=True)
    # One of each folder, for those of a folder have the same parent.
    some = {(folder, slash, file == "__init__.py"): name for (folder, slash, file), name in places}
    parents = set()
    for (folder, slash, is_package), name in some.items():
        inner = folder_of_module(name, is_package)
        parents.add((parent_of(name), (folder + slash).removesuffix(inner + slash if inner else "")))
    return DeclaredModules(owner=owner, labels=labels, names=tuple(names), parents=frozenset(parents))


def _places_of(labels: Sequence[Label]) -> list[tuple[str, str, str]]:
    """Split the paths of files at the last slash."""
    if isinstance(labels, LabelsInPackage):
        above = f"{labels.package}/" if labels.package else ""
        return [(above + name).rpartition("/") for name in labels.names]
    return [label.path.rpartition("/") for label in labels]


def _errors(
    target: PythonModules,
    wrong: Sequence[Label],
    source_roots: tuple[str, ...],
    error_in: Callable[[PythonModules, Label, str, str], HermpkgError],
    is_environment: Callable[[str], bool],
) -> list[HermpkgError]:
    """Say what is wrong with files that cannot be modules."""
    errors: list[HermpkgError] = []
    below: dict[str, list[Label]] = {}
    for src in wrong:
        if folder := _folder_to_leave_out(src, source_roots, is_environment):
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
    return errors


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
    return _name_in(_package_of(folder, source_roots), file)


def _name_in(package: str | None, file: str) -> str | None:
    """Return the module in a file of the folder of a `package`, as `module_name` does."""
    if package is None or not file.endswith(".py"):
        return None
    stem = file[:-3]
    if stem == "__init__":
        return package or None
    if not stem.isidentifier() or keyword.iskeyword(stem):
        return None
    return f"{package}.{stem}" if package else stem


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
