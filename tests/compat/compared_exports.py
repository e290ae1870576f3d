"""What torch's exporter and importer make of an export, what ours do, and where they disagree."""

from __future__ import annotations

import io
import linecache
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch.package
from torch.package import package_exporter
from torch.package.package_exporter import _ModuleProviderAction

import hermpkg_build
from hermpkg_build.dataclass import dataclass
from tests.compat.asked_packages import answers_of, differing_answers, differing_importers, listen, pack_again
from tests.compat.random_exports import NAMES, PACKAGES, Export, Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What an export came to: the bytes of a package, or the kind of an error with what it names."""

    package: bytes = b""
    error: str = ""
    reasons: tuple[tuple[str, str], ...] = ()
    text: str = ""
    answers: tuple[tuple[str, list[str]], ...] = ()


ROOMS = ("space",)
"""Folders without a file: packages that torch's exporter cannot intern."""


class Reference(torch.package.PackageExporter):
    """torch's exporter with what differs by intent: see docs/how-to/migrate-from-torch-package.md."""

    def _get_dependencies(self, src, module_name, is_package):
        src = re.sub(r"if TYPE_CHECKING:\n    .*", "", src)
        found = super()._get_dependencies(src, module_name, is_package)
        # The statement names all packages above the module, so that rules are asked for these, too.
        named = re.findall(r"^ *import ([\w.]+)|__import__\('([\w.]+)'\)", src, re.MULTILINE)
        above = {
            one.rpartition(".")[0] for pair in named for one in pair if one.rpartition(".")[0] in PACKAGES
        }
        # __import__('space.inner') names the folder, too, where the statement does not.
        tops = {
            name.partition(".")[0] for name in re.findall(r"__import__\('([\w.]+)'\)", src) if "." in name
        }
        tops -= set(re.findall(r"(?:import|from) (\w+)(?: |$)", src, re.MULTILINE))
        found = [name for name in found if name not in ROOMS and (name not in tops or self._action_for(name))]
        return [*found, *sorted(name for name in above if self._action_for(name))]

    def _action_for(self, name):
        first = next((info for group, info in self.patterns.items() if group.matches(name)), None)
        return first.action.name if first else ""

    def add_dependency(self, module_name, dependencies=True):
        super().add_dependency(module_name, dependencies)
        action = self.dependency_graph.nodes[module_name].get("action")
        if action and action.name in ("MOCK", "EXTERN"):
            self._add_packages(module_name, "MOCK")

    def _intern_module(self, module_name, dependencies):
        if module_name in ROOMS:
            self.dependency_graph.add_node(module_name, action=_ModuleProviderAction.SKIP, provided=True)
            return
        super()._intern_module(module_name, dependencies)
        if dependencies:
            self._add_packages(module_name, "INTERN")

    def save_source_string(self, module_name, src, is_package=False, dependencies=True):
        super().save_source_string(module_name, src, is_package, dependencies)
        if dependencies:
            self._add_packages(module_name, "INTERN")

    def _add_packages(self, name, action):
        """Packages are packed, or mocked, with what is in them."""
        package = name.rpartition(".")[0]
        if self._action_for(package) == action and package in (*PACKAGES, *ROOMS):
            self.add_dependency(package)


def make(exporting: types.ModuleType, exporter_type, export: Export) -> Made:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package_exporter._gate_torchscript_serialization = False
        try:
            with exporter_type(stream) as exporter:
                told = listen(exporter)
                for call in (*export.rules, *export.saves):
                    given = [one.make() if isinstance(one, Ref) else one for one in call.arguments]
                    getattr(exporter, call.method)(*given, **dict(call.keywords))
        except exporting.PackagingError as error:
            return Made(
                error="PackagingError", reasons=tuple(sorted(_reasons(error).items())), text=str(error)
            )
        except Exception as error:
            return Made(error=type(error).__name__, text=str(error))
    return Made(package=stream.getvalue(), answers=tuple(answers_of(exporter, told).items()))


def _reasons(error) -> dict[str, str]:
    if hasattr(error, "reasons"):
        return {name: reason.name for name, reason in error.reasons.items()}
    nodes = error.dependency_graph.nodes
    return {name: found["error"].name for name, found in nodes.items() if found.get("error") is not None}


def modules_in(importer) -> list[str]:
    found = []

    def walk(folder, names):
        for name, child in folder.children.items():
            if child.is_dir:
                walk(child, [*names, name])
            elif name == "__init__.py":
                found.append(".".join(names))
            elif name.endswith(".py"):
                found.append(".".join([*names, name[:-3]]))

    walk(importer.file_structure(), [])
    return sorted(found)


def contents(importing: types.ModuleType, package: bytes, export: Export) -> dict[str, object]:
    """What each module and each pickle of a package is, as plain data by which importers are compared."""

    def opened():
        # One for each: torch's keeps modules that failed, half made.
        return importing.PackageImporter(io.BytesIO(package))

    try:
        names = modules_in(opened())
    except ImportError as error:
        return {"": f"! {error}"}
    result: dict[str, object] = {}
    for name in names:
        if name != "_mock" and not name.startswith("."):  # as the sources of TorchScript
            result[name] = attempt(opened().import_module, name, seen_as=namespace)
    for call in export.saves:
        if call.method == "save_pickle":
            folder, resource, _ = call.arguments
            result[f"{folder}/{resource}"] = attempt(opened().load_pickle, folder, resource)
        elif call.method in ("save_text", "save_binary"):
            folder, resource, _ = call.arguments
            result[f"{folder}/{resource}"] = attempt(
                getattr(opened(), call.method.replace("save", "load")), folder, resource
            )
    return result


def attempt(
    do: Callable[..., object], *arguments: object, seen_as: Callable[[Any], object] | None = None
) -> object:
    try:
        return (seen_as or plain)(do(*arguments))
    except Exception as error:
        return f"! {type(error).__name__}"


def namespace(module: types.ModuleType) -> dict[str, object]:
    result = {}
    for name, value in vars(module).items():
        if name.startswith("__") and name != "__name__":
            continue
        if name in ("MockedObject", "_mock"):
            continue
        result[name] = plain(value)
        if name.startswith("lazy"):
            result[f"{name}()"] = attempt(value)
    return result


def plain(value: object) -> object:
    if type(value).__name__ == "MockedObject":
        return "mock"
    if isinstance(value, torch.jit.ScriptModule):
        return ["script", value.code, value(torch.ones(1)).tolist()]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, types.ModuleType):
        return f"module {demangled(value.__name__)}"
    if isinstance(value, str):
        return demangled(value)
    if value is None or isinstance(value, (int, float, list, tuple, dict)):
        return value
    if isinstance(value, types.MethodType):
        return ["method", plain(value.__self__), value.__name__]
    if isinstance(value, (type, types.FunctionType)):
        text = f"{type(value).__name__} {demangled(value.__module__)}.{value.__qualname__}"
        return [text, attempt(value)] if value.__name__ == "call" else text
    kind = type(value)
    state = getattr(value, "__dict__", {})
    return [
        f"{demangled(kind.__module__)}.{kind.__qualname__}",
        {k: plain(v) for k, v in sorted(state.items())},
    ]


def demangled(text: str) -> str:
    return re.sub(r"<torch_package_\d+>\.", "", text)


def forget() -> None:
    for name in list(sys.modules):
        if name.split(".")[0] in {other.split(".")[0] for other in NAMES}:
            del sys.modules[name]


def write_sources(export: Export, root: Path) -> None:
    for name, source in export.sources.items():
        path = root / (name.replace(".", "/") + ("/__init__.py" if name in PACKAGES else ".py"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    sys.path_importer_cache.clear()
    linecache.clearcache()


def related(one: str, other: str) -> bool:
    """Whether one name is the other's, or one of its packages': one import needs both."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def disagreements(export: Export) -> Iterator[str]:
    """Tell where torch's packages and ours differ in what they are refused for, hold, and do."""
    forget()
    stock = make(torch.package, Reference, export)
    forget()
    ours = make(hermpkg_build, hermpkg_build.PackageExporter, export)
    if stock.error == "AssertionError":
        return  # torch's exporter saved a module that it had refused before, and older ones do not say so.
    saved = {
        call.arguments[0] for call in export.saves if call.method in ("save_module", "save_source_string")
    }
    # What was refused before it was saved stays refused there.
    reasons = [(name, why) for name, why in stock.reasons if name not in saved]
    if stock.error and not (stock.reasons and not reasons):
        if ours.error != stock.error:
            yield f"error {stock.error} {sorted({why for _, why in reasons})} -> {ours.error or 'none'}"
            return
        for name, why in reasons:
            if not any(related(name, other) and why == other_why for other, other_why in ours.reasons):
                yield f"reason {why} -> none: {name}"
        for name, why in ours.reasons:
            if not any(related(name, other) and why == other_why for other, other_why in reasons):
                yield f"reason none -> {why}: {name}"
        return
    if ours.error == "EmptyMatchError" and saved:
        return  # torch's exporter asked rules for a module before that was saved.
    if ours.error:
        yield f"error none -> {ours.error} {sorted({why for _, why in ours.reasons})}"
        return
    if stock.error:
        return
    held = {}
    for exporter, made in (("stock", stock), ("ours", ours)):
        for importer, importing in (("stock", torch.package), ("ours", hermpkg_build)):
            forget()
            held[exporter, importer] = contents(importing, made.package, export)
    yield from differences(held)
    yield from differing_answers(dict(stock.answers), dict(ours.answers))
    for exporter, made in (("stock", stock), ("ours", ours)):
        if "" not in held[exporter, "stock"]:
            yield from (f"{exporter}, {told}" for told in differing_importers(made.package, export, forget))
    forget()
    package = pack_again(hermpkg_build, ours.package, export)
    if isinstance(package, str):
        forget()
        if not isinstance(pack_again(torch.package, ours.package, export), str):
            yield f"packed again: {package}"
        return
    for importing in (torch.package, hermpkg_build):
        forget()
        for name, value in contents(importing, package, export).items():
            if name.endswith(".pkl") and value != held["ours", "ours"][name]:
                yield f"packed again, by {importing.__name__}: {name} {held['ours', 'ours'][name]} -> {value}"


def differences(held) -> Iterator[str]:
    expected = held["stock", "ours" if "" in held["stock", "stock"] else "stock"]
    for (exporter, importer), found in held.items():
        if "" in found:
            if "marked external" not in found[""]:
                yield f"{exporter} by {importer} cannot be opened: {found['']}"
            continue
        for name, value in expected.items():
            if value == "! NotImplementedError" or (value == {"__name__": name} and name not in found):
                continue  # A star takes nothing of a mocked module; such a package stands for what is in it.
            if "/" in name and value == "! ModuleNotFoundError":
                continue  # torch's imports the package of a text, and covers less by an extern package.
            other = found.get(name, "lacks it")
            if other != value:
                yield f"{exporter} by {importer}: {kind(value)} -> {kind(other)}: {name} {value} -> {other}"
    for name in held["ours", "ours"].keys() - expected.keys():
        yield f"ours has more: {name}"


def kind(value) -> str:
    return value if isinstance(value, str) else "content"
