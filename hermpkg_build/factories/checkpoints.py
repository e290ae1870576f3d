"""Reads the files that weights come in: safetensors, or what torch.save wrote, for their tensors alone."""

from __future__ import annotations

import io
import os
import pickle
import re
from collections.abc import Iterator
from typing import Any

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.texts import first_of
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.lfs_pointers import is_lfs_pointer
from hermpkg_build.errors import ActionError, Location
from hermpkg_build.printable import pasteable

_INDEX = ".index.json"
_ENDINGS = ((f".safetensors{_INDEX}",), (".safetensors",), (_INDEX,), (".bin", ".pt", ".pth", ".ckpt"))
_SHOWN = 8
_SETS = {"set": set, "frozenset": frozenset}
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Other(dict[Any, Any]):
    """Stands for an object in a checkpoint that is no part of any tensor; its code is not run.

    It holds the attributes and items of the object, as far as these are told by name.
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take whatever the object was made of."""

    def __new__(cls, *_: Any, **__: Any) -> Other:  # noqa: PYI034 -- typing.Self is not in Python 3.10
        """Take whatever the object was made of."""
        return super().__new__(cls)

    def __call__(self, *_: Any, **__: Any) -> Other:
        """Stand for what it would make, too."""
        return self

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.update(part)

    def __hash__(self) -> int:  # type: ignore[override] # It may have been the key of a dictionary.
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def extend(self, _: Any) -> None:
        """Take parts of a list."""

    def append(self, _: Any) -> None:
        """Take an element of a list."""

    def add(self, _: Any) -> None:
        """Take an element of a set."""


def read_checkpoint(path: str, shown: str, *, has_shards: bool = False) -> Any:
    """What the file at `path` holds, mapped so that its tensors are in memory once.

    Objects other than tensors, numbers, texts and their containers are `Other`, modules of torch that were
    saved whole are their state dicts. With `has_shards` the file may be an index of files that hold the
    tensors, ``model.safetensors.index.json``, or a folder with an index or one such file. `shown` is the
    path for messages. Raises ActionError.
    """
    if has_shards and os.path.isdir(path):
        name = _file_in(path, shown)
        path, shown = os.path.join(path, name), os.path.join(shown, name)
    _refuse_pointer(path, shown)
    if path.endswith(_INDEX):
        return _read_shards(path, shown, has_shards)
    return _read_safetensors(path, shown) if _is_safetensors(path) else _read_torch(path, shown)


def _refuse_pointer(path: str, shown: str) -> None:
    """Raise ActionError where Git LFS has the content of the file, and this a text that names it."""
    if os.path.isfile(path) and is_lfs_pointer(path, os.path.getsize(path)):
        raise ActionError(
            "the weights file is a pointer of Git LFS, and its content was not fetched",
            location=Location(shown),
            next_step=pasteable("git", "lfs", "pull", "--include", shown),
        )


def _file_in(folder: str, shown: str) -> str:
    """The index in a folder, else the one file of tensors, those of safetensors first."""
    names = sorted(os.listdir(folder))
    for endings in _ENDINGS:
        found = [name for name in names if name.endswith(endings)]
        if len(found) == 1:
            return found[0]
        if found:
            raise ActionError(
                "the folder of weights holds several files",
                location=Location(shown),
                facts=[("files", "\n".join(first_of(found, _SHOWN)))],
                next_step="name one of them",
            )
    raise ActionError(
        "the folder holds no weights",
        location=Location(shown),
        next_step="name a .safetensors file, an index of them, or what torch.save wrote",
    )


def _read_shards(path: str, shown: str, has_shards: bool) -> dict[str, Any]:
    """The tensors of all files that an index names."""
    if not has_shards:
        raise ActionError(
            "an index of shards names other files, which a target would not know of",
            location=Location(shown),
            next_step=_joining(shown),
        )
    try:
        places: Any = loads(read_limited(path))
        places = places["weight_map"]
        wrong = [name for name in places.values() if os.path.basename(name) != name or not name.isprintable()]
        if wrong:
            raise ValueError(f"{wrong[0]!r} does not lie beside it")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(shown, error) from error
    state: dict[str, Any] = {}
    for name in sorted({*places.values()}):
        beside = os.path.join(os.path.dirname(shown), name)
        part = read_checkpoint(os.path.join(os.path.dirname(path), name), beside)
        if not isinstance(part, dict):
            raise _unreadable(shown, ValueError(f"{name!r} holds no tensors by name"))
        state.update(part)
    missing = sorted(places.keys() - state.keys())
    if missing:
        raise ActionError(
            "files of an index lack tensors that it names",
            location=Location(shown),
            facts=[("missing", "\n".join(first_of(missing, _SHOWN)))],
            next_step="check that all of them belong to one model",
        )
    return state


def _joining(index: str) -> str:
    """The next step where one file is needed: a program that makes it of those that an index names."""
    is_safetensors = index.endswith(f".safetensors{_INDEX}")
    load, save, end = (
        ("load_file(path)", "save_file", "safetensors")
        if is_safetensors
        else ("torch.load(path, weights_only=True)", "torch.save", "pt")
    )
    joined = os.path.join(os.path.dirname(index), f"model.{end}")
    return (
        "join them, and give the file that this makes:"
        "\n    import json, os"
        f"\n    {'from safetensors.torch import load_file, save_file' if is_safetensors else 'import torch'}"
        f"\n    index, state = {index!r}, {{}}"
        '\n    for name in sorted({*json.load(open(index))["weight_map"].values()}):'
        "\n        path = os.path.join(os.path.dirname(index), name)"
        f"\n        state.update({load})"
        f"\n    {save}(state, {joined!r})"
    )


def _is_safetensors(path: str) -> bool:
    """Whether a file has the name, or begins as one does: with the length of a JSON object."""
    if path.endswith(".safetensors"):
        return True
    try:
        with open(path, "rb") as file:
            start = file.read(9)
            size = file.seek(0, io.SEEK_END)
    except OSError:
        return False
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= size


def _read_safetensors(path: str, shown: str) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise _not_installed("safetensors", "safetensors torch", shown, error) from error
    try:
        return load_file(path)
    except Exception as error:
        raise _unreadable(shown, error) from error


def _read_torch(path: str, shown: str) -> Any:
    try:
        import torch
    except ImportError as error:
        raise _not_installed("torch.save", "torch", shown, error) from error
    import zipfile

    try:
        # Only the ZIP format can be mapped; torch writes it since 1.6.
        mapped = zipfile.is_zipfile(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        try:
            tensors: Any = _TensorsOnly()
            loaded = torch.load(
                path, map_location="cpu", weights_only=False, mmap=mapped, pickle_module=tensors
            )
            return _with_state_dicts(loaded, set())
        except Exception:  # noqa: BLE001 -- what torch said first says more
            raise _unreadable(shown, error) from error
    except Exception as error:
        raise _unreadable(shown, error) from error


def _with_state_dicts(value: Any, above: set[int]) -> Any:
    """The same with the state dicts of modules in place of these."""
    if not isinstance(value, dict) or id(value) in above:
        return value
    if "_parameters" in value and "_modules" in value:
        return dict(_tensors_of(value, "", set()))
    inside = above | {id(value)}
    made = {name: _with_state_dicts(part, inside) for name, part in value.items()}
    if isinstance(value, Other):
        value.update(made)
        return value
    return made


def _tensors_of(module: Any, prefix: str, above: set[int]) -> Iterator[tuple[str, Any]]:
    """The state dict of a module that is known by its attributes."""
    if not isinstance(module, dict) or id(module) in above:
        return
    passing = module.get("_non_persistent_buffers_set") or ()
    for name, value in {**module.get("_parameters", {}), **module.get("_buffers", {})}.items():
        if value is not None and name not in passing:
            yield prefix + name, value
    for name, part in module.get("_modules", {}).items():
        yield from _tensors_of(part, f"{prefix}{name}.", above | {id(module)})


class _TensorsOnly:
    """A module like pickle that runs what torch allows in files of weights, and makes `Other` of the rest."""

    __name__ = "pickle"

    def __init__(self) -> None:
        from torch import _weights_only_unpickler as torch_unpickler

        allowed: dict[str, Any] = torch_unpickler._get_allowed_globals()

        # The one in C makes a table as long as the largest number that a pickle gives an object.
        class Unpickler(pickle._Unpickler):
            def find_class(self, module: str, name: str) -> Any:
                if module in ("builtins", "__builtin__") and name in _SETS:
                    return _SETS[name]
                return allowed.get(f"{module}.{name}", Other)

        self.Unpickler = Unpickler

    def load(self, file: Any, **options: Any) -> Any:
        """Load one pickle of a file."""
        return self.Unpickler(file, **options).load()


def _not_installed(what: str, distributions: str, shown: str, error: ImportError) -> ActionError:
    return ActionError(
        f"weights of {what} need {distributions.replace(' ', ' and ')}",
        location=Location(shown),
        facts=[("reason", str(error))],
        next_step=f"pip install {distributions}",
    )


def _unreadable(shown: str, error: Exception) -> ActionError:
    text = _ESCAPES.sub("", f"{type(error).__name__}: {error}").splitlines()
    weights_only = any("weights_only" in line or "Weights only" in line for line in text)
    return ActionError(
        "the weights file holds more than tensors" if weights_only else "the weights file cannot be read",
        location=Location(shown),
        facts=[("reason", "\n".join(text[:4]))],
        next_step=(
            "write it with torch.save(model.state_dict(), path)"
            if weights_only
            else "there is no such file: name the one with the weights, or write it first"
            if isinstance(error, FileNotFoundError)
            else "check that it is complete: its size, and whether it was downloaded whole"
        ),
    )
