"""What exporters and importers answer when they are asked about a package, as plain data, and compared."""

from __future__ import annotations

import io
import re
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch.package

import hermpkg_build
from tests.compat.random_exports import NAMES, PACKAGES, Export

PATTERNS = ("**", "**/*.py", "pack/**", "**/one.py", "model/*", ["lib/**", "model/**"])
KINDS = ("intern", "extern", "mock")


def listen(exporter: Any) -> dict[str, set[str]]:
    """Register a hook of each kind, and one that is removed again; give the names of which these are told."""
    told: dict[str, set[str]] = {kind: set() for kind in KINDS}

    def removed(_exporter: Any, _module: str) -> None:
        raise AssertionError("a hook that was removed is called")

    for kind in KINDS:
        register = getattr(exporter, f"register_{kind}_hook")
        register(removed).remove()

        def hook(given: Any, module: str, kind: str = kind) -> None:
            assert given is exporter
            told[kind].add(module)

        register(hook)
    return told


def answers_of(exporter: Any, told: dict[str, set[str]]) -> dict[str, list[str]]:
    """What a closed exporter says of the modules of the workspace, and what its hooks were told."""
    found = {f"{kind}ed": _known(getattr(exporter, f"{kind}ed_modules")()) for kind in KINDS}
    found["denied"] = _known(exporter.denied_modules())
    found |= {f"hook of {kind}": _known(names) for kind, names in told.items()}
    return found | {f"needs {name}": sorted(exporter.get_rdeps(name)) for name in NAMES}


def differing_answers(stock: Mapping[str, list[str]], ours: Mapping[str, list[str]]) -> Iterator[str]:
    """Tell where two exporters answer differently.

    Ours knows that modules need their packages, too, and that an extern package has all that is in it.
    """
    for question, answer in stock.items():
        asked, expected, other = question.removeprefix("needs "), answer, ours[question]
        if asked != question and not _is_in(asked, ours["externed"]):
            other = [name for name in other if name in answer or asked not in PACKAGES]
            expected = [name for name in answer if name != asked]
        elif asked != question:
            continue
        elif question in ("externed", "hook of extern"):
            expected = [name for name in answer if name in other or not _is_in(name, other)]
            reached = [name for kind in KINDS for name in stock[f"{kind}ed"]]
            other = [
                name for name in other if name in answer or not any(_is_in(one, [name]) for one in reached)
            ]
        if expected != other:
            yield f"answer to {question}: {expected} -> {other}"


def _is_in(module: str, packages: list[str]) -> bool:
    return any(module.startswith(f"{package}.") for package in packages)


def differing_importers(package: bytes, export: Export, forget: Callable[[], None]) -> Iterator[str]:
    """Tell where torch's importer and ours say different things of one package."""
    for ask in (files_in, resources_in, objects_in):
        forget()
        stock = ask(torch.package, package, export)
        forget()
        ours = ask(hermpkg_build, package, export)
        for question, answer in stock.items():
            if "! ModuleNotFoundError" in (answer if isinstance(answer, tuple) else (answer,)):
                continue  # torch's imports the package of a text, and covers less by an extern package.
            if answer != ours[question]:
                yield f"{question}: {answer} -> {ours[question]}"


def _known(names: Any) -> list[str]:
    return sorted({*names} & {*NAMES, "space"})


def files_in(importing: types.ModuleType, package: bytes, _export: Export) -> dict[str, object]:
    """The files of a package as an importer prints them."""
    importer = importing.PackageImporter(io.BytesIO(package))
    found: dict[str, object] = {}
    for include in PATTERNS:
        for exclude in ((), "**/*.pkl", ["pack/**"]):
            tree = importer.file_structure(include=include, exclude=exclude)
            found[f"file_structure({include!r}, {exclude!r})"] = str(tree)
    found["has_file"] = [
        importer.file_structure().has_file(name) for name in ("model", "pack/one.py", "pack")
    ]
    found["python_version"] = importer.python_version()
    return found


def resources_in(importing: types.ModuleType, package: bytes, export: Export) -> dict[str, object]:
    """What `importlib.resources` and an importer read of the texts and bytes of a package."""
    importer = importing.PackageImporter(io.BytesIO(package))
    found: dict[str, object] = {}
    for call in export.saves:
        if call.method not in ("save_text", "save_binary"):
            continue
        folder, name, _ = call.arguments
        found[f"binary {folder}/{name}"] = _attempt(importer.load_binary, folder, name)
        found[f"text {folder}/{name}"] = _attempt(importer.load_text, folder, name)
        reader = _attempt(importer.get_resource_reader, folder)
        if hasattr(reader, "is_resource"):
            found[f"resource {folder}/{name}"] = (
                _attempt(lambda reader=reader, name=name: reader.open_resource(name).read()),
                _attempt(reader.is_resource, name),
                _attempt(reader.is_resource, "nothing"),
                sorted(one for one in reader.contents() if one != "__pycache__"),
            )
    return found


def objects_in(importing: types.ModuleType, package: bytes, export: Export) -> dict[str, object]:
    """What is said of the objects of pickles: by the function that tells packaged ones, and by importers."""
    importer = importing.PackageImporter(io.BytesIO(package))
    other = importing.PackageImporter(io.BytesIO(package))
    ordered = importing.OrderedImporter(importer, importing.sys_importer)
    found: dict[str, object] = {}
    for call in export.saves:
        if call.method != "save_pickle":
            continue
        folder, name, _ = call.arguments
        obj = _attempt(importer.load_pickle, folder, name)
        twin = _attempt(other.load_pickle, folder, name)
        kind = obj if isinstance(obj, (type, types.FunctionType)) else type(obj)
        if kind.__module__ in ("builtins", "types"):
            found[f"{folder}/{name}"] = _attempt(importing.is_from_package, obj)
            continue
        found[f"{folder}/{name}"] = {
            "packaged": _attempt(importing.is_from_package, obj),
            "its type": _attempt(importing.is_from_package, kind),
            "another's": kind is not (twin if isinstance(twin, (type, types.FunctionType)) else type(twin)),
            "name": _plain(_attempt(importer.get_name, kind)),
            "name by several": _plain(_attempt(ordered.get_name, kind)),
            "module": _plain(_attempt(importer.whichmodule, kind, getattr(kind, "__qualname__", ""))),
            "host": _attempt(importing.sys_importer.get_name, kind),
        }
    return found


def pack_again(exporting: types.ModuleType, package: bytes, export: Export) -> bytes | str:
    """Pack the objects of a package once more, from what an importer loads."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importer = exporting.PackageImporter(io.BytesIO(package))
            with exporting.PackageExporter(stream, (importer, exporting.sys_importer)) as exporter:
                exporter.intern("**")
                for call in export.saves:
                    if call.method == "save_pickle":
                        folder, name, _ = call.arguments
                        exporter.save_pickle(folder, name, importer.load_pickle(folder, name))
        except Exception as error:
            return f"! {type(error).__name__}: {error}"
    return stream.getvalue()


def _attempt(do: Callable[..., object], *arguments: object) -> Any:
    try:
        return do(*arguments)
    except Exception as error:
        return f"! {type(error).__name__}"


def _plain(value: object) -> object:
    return re.sub(r"<torch_package_\d+>", "<package>", str(value))
