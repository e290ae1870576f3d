"""Reads the files that weights come in: safetensors, or what torch.save wrote, for their tensors alone."""

from __future__ import annotations

import io
import pickle
import re
from typing import Any

from hermpkg_build.errors import ActionError, Location

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Other:
    """Stands for an object in a checkpoint that is no part of any tensor; its code is not run."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take whatever the object was made of."""

    def __new__(cls, *_: Any, **__: Any) -> Other:  # noqa: PYI034 -- typing.Self is not in Python 3.10
        """Take whatever the object was made of."""
        return super().__new__(cls)

    def __call__(self, *_: Any, **__: Any) -> Other:
        """Stand for what it would make, too."""
        return self

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def extend(self, _: Any) -> None:
        """Take parts of a list."""

    append = add = update = extend


def read_checkpoint(path: str, shown: str) -> Any:
    """What the file at `path` holds, mapped so that its tensors are in memory once.

    Objects other than tensors, numbers, texts and their containers are `Other`. `shown` is the path for
    messages. Raises ActionError.
    """
    return _read_safetensors(path, shown) if _is_safetensors(path) else _read_torch(path, shown)


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
            return torch.load(
                path, map_location="cpu", weights_only=False, mmap=mapped, pickle_module=tensors
            )
        except Exception:  # noqa: BLE001 -- what torch said first says more
            raise _unreadable(shown, error) from error
    except Exception as error:
        raise _unreadable(shown, error) from error


class _TensorsOnly:
    """A module like pickle that runs what torch allows in files of weights, and makes `Other` of the rest."""

    __name__ = "pickle"

    def __init__(self) -> None:
        from torch import _weights_only_unpickler as torch_unpickler

        allowed: dict[str, Any] = torch_unpickler._get_allowed_globals()

        class Unpickler(pickle.Unpickler):
            def find_class(self, module: str, name: str) -> Any:
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
            else "check that it is complete: its size, and whether it was downloaded whole"
        ),
    )
