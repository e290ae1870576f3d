"""Says what to change in code that runs as a script or in a notebook, and fails where a factory is called."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType

from hermpkg_build.core.sourceless import advice_on_sourceless
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.git_submodules import step_for_submodule
from hermpkg_build.disk.standard_library import standard_library
from hermpkg_build.printable import pasteable

_ABSENT_IN_MAIN = re.compile(
    r"Can't get attribute '(?P<name>\w+)' on <module '__main__'"
    r"|module '__main__' has no attribute '(?P<name_in_3_14>\w+)'"
)
_POINTER_READ = re.compile(r"invalid load key, 'v'|Unsupported operand 118\b|header too large")
"""What torch and safetensors say of a text that begins with ``version``."""
_NO_GPU = re.compile(
    r"not compiled with CUDA|CUDA is not available|no NVIDIA driver|No CUDA GPUs"
    r"|torch\.cuda\.is_available\(\) is False"
)
"""What torch says where code asks for a GPU of a machine that has none."""
_COMPILED = (".c", ".cc", ".cpp", ".cxx", ".cu", ".pyx", ".rs")
_NOT_IN_PACKAGE = re.compile(r"cannot import name '(\w+)' from")
_BUILDS = {
    "meson.build": r"extension_module\(\s*'{}'",
    "CMakeLists.txt": r"(?:add_library|add_module)\(\s*{}\b",
    "Cargo.toml": r"""name\s*=\s*"{}\"""",
    "setup.py": r"""ext_modules[\s\S]*["'](?:[\w.]+\.)?{0}["']|["'](?:[\w.]+\.)?{0}["'][\s\S]*ext_modules""",
    "pyproject.toml": r"""module-name\s*=\s*["'](?:[\w.]+\.)?{}["']""",
}
"""Files of tools that compile, and the way in which each names a module that it makes."""
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*\b")


def remedy(errors: Iterable[BaseException]) -> str:
    """The next step for an exception with its causes; "" where nothing is known of it."""
    return next((step for step in map(_remedy, errors) if step), "")


def step_for_standard_name(error: BaseException) -> str:
    """The next step where code of the project has the name of a module of Python's own; else ""."""
    name, file = "", None
    if isinstance(error, ImportError):
        name, file = error.name or "", error.path
    elif isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        name, file = error.obj.__name__, getattr(error.obj, "__file__", None)
    top, dot, _ = name.partition(".")
    is_below = isinstance(error, ModuleNotFoundError) and bool(dot)
    is_other = isinstance(file, str) and not file.startswith(standard_library())
    if top not in sys.stdlib_module_names or not (is_below or is_other):
        return ""
    return (
        f"give your {top} another name: Python has a module {top} of its own, which it and libraries import"
    )


def step_for_absent_file(errors: Iterable[BaseException], root: str) -> str:
    """The next step where a file was opened that is not there, in the project at `root`; else ""."""
    for error in errors:
        path = error.filename if isinstance(error, FileNotFoundError) else None
        if isinstance(path, str):
            absolute = os.path.join(root, path)
            short = os.path.relpath(absolute, root)
            if not os.path.lexists(absolute) and not short.startswith(os.pardir):
                if lacking := step_for_submodule(root, short.replace(os.sep, "/")):
                    return lacking
                tracked = os.path.isfile(f"{absolute}.dvc")
                how = f", as by\n    {pasteable('dvc', 'pull', short)}" if tracked else ""
                return f"{short} is not there: make or fetch it first{how}"
    return ""


def step_for_compiled(errors: Iterable[BaseException], is_own: Callable[[str], bool]) -> str:
    """The next step where a package whose file `is_own` lacks a module that is compiled; else "".

    Its source lies beside the package, a file above names it as what is to be compiled, or it is in the
    package as that is installed.
    """
    for error in errors:
        name = _lacking(error)
        package, _, module = name.rpartition(".")
        file = getattr(sys.modules.get(package), "__file__", None)
        if isinstance(file, str) and is_own(file):
            inside = os.path.join(*name.split("."))
            sources = [os.path.join(os.path.dirname(file), module + ending) for ending in _COMPILED]
            built = [os.path.join(place, inside + end) for place in sys.path for end in EXTENSION_SUFFIXES]
            if any(map(os.path.isfile, (*sources, *built))) or _is_built_above(file, module, is_own):
                return f"{name} is compiled: {advice_on_sourceless(name)}"
    return ""


def _lacking(error: BaseException) -> str:
    """The module that an import did not find; "" for none."""
    if isinstance(error, ModuleNotFoundError):
        return error.name or ""
    asked = _NOT_IN_PACKAGE.match(str(error)) if isinstance(error, ImportError) else None
    return f"{error.name}.{asked[1]}" if asked and isinstance(error, ImportError) else ""


def _is_built_above(file: str, module: str, is_own: Callable[[str], bool]) -> bool:
    """Whether a tool in a folder above the file is told to compile the module."""
    folder = os.path.dirname(file)
    while is_own(folder):
        for name, names_it in _BUILDS.items():
            path = os.path.join(folder, name)
            with suppress(OSError):
                text = read_limited(path).decode(errors="replace")
                if re.search(names_it.format(re.escape(module)), text):
                    return True
        folder = os.path.dirname(folder)
    return False


def remedy_of_environment(text: str, seen: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """The next step where a message names one of the `variables` that the factory has not `seen`; else ""."""
    named = (name for name in _VARIABLE.findall(text) if name in variables and name not in seen)
    name = next(named, "")
    if not name:
        return ""
    return (
        f"builds show a factory no variables of your shell, such as {name}: set it in its module,"
        f' for everyone who builds:\n    os.environ["{name}"] = "..."'
    )


def _remedy(error: BaseException) -> str:
    if step := step_for_standard_name(error):
        return step
    if isinstance(error, SystemExit):
        return (
            "the script is imported, to call a function of it, and has no command line then: put what it does"
            ' only when it is run, such as parsing arguments, below\n    if __name__ == "__main__":'
        )
    if _POINTER_READ.search(str(error)):
        return (
            "where the file is kept by Git LFS, it is a pointer to its content until that is fetched:"
            "\n    git lfs pull"
        )
    if _NO_GPU.search(str(error)):
        return (
            "make the model on the CPU, without .cuda() and with\n"
            '    torch.load(..., map_location="cpu")\n'
            "who loads the artifact says where its tensors go:\n"
            '    importer.load_pickle("model", "model.pkl", map_location="cuda")'
        )
    if isinstance(error, NameError) and error.name == "get_ipython":
        return (
            "such lines of an exported notebook run in a notebook alone: take them out, or pack in a cell:"
            '\n    hermpkg_build.pack(model, "model.pt")'
        )
    if isinstance(error, AttributeError) and (absent := _ABSENT_IN_MAIN.search(str(error))):
        name = absent[absent.lastgroup or 0]
        return (
            f"the file was written by a script, where {name} was a class of __main__: import {name} and what"
            " else of the script is in the file, and put all of it there before the file is read:"
            f"\n    import __main__\n    __main__.{name} = {name}"
        )
    return ""
