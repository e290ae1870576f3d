"""Goes on in the interpreter that ``--python`` names, which has the modules and runs the factories."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NoReturn

from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.lent_modules import command_in, lent_folders
from hermpkg_build.errors import CommandLineError, LocalEnvironmentError

_LEAST = (3, 10)

TO_LOAD = {"packaging": "packaging"}
"""The modules that reading artifacts needs, with the names of their distributions."""

TO_BUILD = {**TO_LOAD, "starlark": "starlark-pyo3"}
"""Those that every build needs."""

_PURE = ("packaging", "typing_extensions", "tomli", "urllib3")
_COMPILED = ("starlark", "grpc", "google", "zstandard")
"""The libraries that hermpkg needs, and those that these need."""

_SECONDS = 60.0

_PROBE = """
import sys, sysconfig
print("hermpkg asks")
print("%d.%d" % sys.version_info[:2])
print(sysconfig.get_config_var("EXT_SUFFIX"))
print(sys.executable)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interpreter:
    """What an interpreter says of itself; `suffix` is that of extension modules that it loads."""

    executable: str
    version: tuple[int, ...]
    suffix: str


def go_on_in(chosen: str, needed: Mapping[str, str] = TO_BUILD) -> None:
    """Start this command again in the interpreter `chosen`, a path or a name, unless it runs there already.

    Nothing may have been printed yet. The interpreter need not have hermpkg installed: it is lent this one,
    and the libraries that it needs, as far as they can be loaded there. Of these, `needed` have to be there,
    `TO_BUILD` or `TO_LOAD`. Raises CommandLineError where there is no such interpreter or it is too old,
    LocalEnvironmentError where a library must be installed in it.
    """
    if lent_folders() is not None:
        _check_libraries(needed)
        return
    path = _path_of(chosen)
    if path == os.path.abspath(sys.executable):
        return
    found = _ask(path, chosen)
    if found.executable != sys.executable:
        _start_again(found)


def _path_of(chosen: str) -> str:
    """Return the absolute path of an interpreter: of one by its name, and of the one in an environment."""
    import shutil

    if os.path.isdir(chosen):
        tried = [os.path.join(chosen, "bin", name) for name in ("python", "python3")]
    elif os.sep in chosen:
        tried = [chosen]
    else:
        tried = [path for name in (chosen, f"python{chosen}") if (path := shutil.which(name))]
    for path in tried:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise CommandLineError(
        f"there is no interpreter {chosen!r}",
        facts=[("looked for", ", ".join(map(os.path.abspath, tried)) or "a program of that name in PATH")],
        next_step="give --python the path of a Python, the folder of its environment, or a name such as "
        "python3.12",
    )


def _ask(path: str, chosen: str) -> _Interpreter:
    try:
        told = subprocess.run(
            [path, "-I", "-c", _PROBE],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
        said = (told.stdout or told.stderr).decode(errors="replace").strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        said = [str(error)]
    if len(said) != 4 or said[0] != "hermpkg asks":
        raise CommandLineError(
            f"{chosen} is no Python of version {'.'.join(map(str, _LEAST))} or later",
            facts=[("program", path), ("it said", said[-1] if said else "nothing")],
        )
    version = tuple(map(int, said[1].split(".")))
    if version < _LEAST:
        raise CommandLineError(
            f"{chosen} is Python {said[1]}, and hermpkg needs {'.'.join(map(str, _LEAST))} or later",
            facts=[("program", path)],
        )
    return _Interpreter(executable=said[3], version=version, suffix=said[2])


def _start_again(found: _Interpreter) -> NoReturn:
    import hermpkg_build

    folders = {"hermpkg_build": os.path.dirname(os.path.dirname(os.path.abspath(hermpkg_build.__file__)))}
    same = found.suffix == sysconfig.get_config_var("EXT_SUFFIX")
    for name in (*_PURE, *(_COMPILED if same else ())):
        spec = find_spec(name)
        places = [*(spec.submodule_search_locations or ())] if spec else []
        place = places[0] if places else spec.origin if spec else None
        if place:
            folders[name] = os.path.dirname(os.path.abspath(place))
    words = sys.argv[1:]
    # Where -C led already, a relative folder would lead further.
    end = words.index("--") if "--" in words else len(words)
    words[end:end] = [f"--directory={os.getcwd()}"]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    command = command_in(found.executable, folders)
    os.execv(command[0], [*command, *words])  # noqa: S606 - the arguments are those of this process


def _check_libraries(modules: Mapping[str, str]) -> None:
    needed = {**modules, **({} if sys.version_info >= (3, 11) else {"tomli": "tomli"})}
    missing = [distribution for module, distribution in needed.items() if find_spec(module) is None]
    if missing:
        raise LocalEnvironmentError(
            f"{sys.executable} has not all that hermpkg needs, and it cannot be lent to another Python",
            facts=[("missing", ", ".join(missing)), ("Python", sys.version.split()[0])],
            next_step=f"install it there: {sys.executable} -m pip install {' '.join(missing)}",
        )
