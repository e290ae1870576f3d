"""Random modules, and random calls that export some of them."""

from __future__ import annotations

import importlib

import torch
from hypothesis import strategies as st

from hermpkg_build.dataclass import dataclass

PACKAGES = ("pack", "pack.sub", "lib")
NAMES = (
    *("alpha", "beta", "pack", "pack.one", "pack.two", "pack.sub", "pack.sub.deep"),
    *("space.inner", "space.other", "lib", "lib.core", "lib.extra"),
)
"""Modules import only what comes after them here, so that none is in a circle."""

MISSING = "absent_library"
OBJECTS = ("instance", "class", "function", "inner", "bound", "bare", "script")
STDLIB = ("json", "collections.abc", "xml.dom.minidom", "email.mime.text")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Call:
    """One call of an exporter."""

    method: str
    arguments: tuple[object, ...]
    keywords: tuple[tuple[str, object], ...] = ()

    def __repr__(self) -> str:
        given = [*map(repr, self.arguments), *(f"{name}={value!r}" for name, value in self.keywords)]
        return f"exporter.{self.method}({', '.join(given)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """An object of a pickle: something of a module, made when it is saved."""

    module: str
    what: str

    def make(self) -> object:
        if self.what == "script":
            return {"script": _scripted(), "beside": Ref(module=self.module, what="instance").make()}
        module = importlib.import_module(self.module)
        return {
            "instance": lambda: module.Thing(self.module),
            "class": lambda: module.Thing,
            "function": lambda: module.call,
            "inner": module.Thing.Inner,
            "bound": lambda: module.Thing(1).say,
            "bare": lambda: [1, "text", {"a": (None, 2.5)}],
        }[self.what]()


def _scripted() -> object:
    linear = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(linear.weight, 2.0)
    torch.nn.init.constant_(linear.bias, 0.5)
    return torch.jit.script(linear)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Export:
    """Sources by module, and the calls that export some of them: rules first, as torch.package needs it."""

    sources: dict[str, str]
    rules: tuple[Call, ...]
    saves: tuple[Call, ...]

    def __repr__(self) -> str:
        files = "\n".join(f"--- {name}\n{source}" for name, source in self.sources.items())
        return f"\n{files}\n--- calls\n" + "\n".join(map(repr, (*self.rules, *self.saves)))


def source_of(name: str, statements: list[str]) -> str:
    return "\n".join(
        (
            f"VALUE = {name!r}",
            "_hidden = 1",
            *statements,
            "class Thing:",
            "    def __init__(self, word=None):",
            "        self.word = word",
            "    def say(self):",
            "        return VALUE",
            "    class Inner:",
            "        pass",
            "def call():",
            "    return VALUE",
            "",
        )
    )


def statements(draw, name: str, number: int) -> list[str]:
    """One import of the module `name`, in one of the ways to write it."""
    later = NAMES[NAMES.index(name) + 1 :]
    kinds = ["stdlib", "missing", "none"]
    if later:
        kinds += ["import", "as", "value", "star", "submodule", "lazy", "typing", "dunder", "guarded", "lost"]
        kinds += ["relative", "dunder_from", "many"]
    kind = draw(st.sampled_from(kinds))
    x = f"x{number}"
    if kind == "none":
        return []
    if kind == "stdlib":
        return [f"import {draw(st.sampled_from(STDLIB))} as {x}", "from os import path"]
    if kind == "missing":
        return ["try:", f"    import {MISSING} as {x}", "except ImportError:", f"    {x} = 'missing'"]
    target = draw(st.sampled_from(later))
    parent, _, child = target.rpartition(".")
    texts = {
        "import": [f"import {target}"],
        "as": [f"import {target} as {x}"],
        "value": [f"from {target} import VALUE as {x}"],
        "star": [f"from {target} import *"],
        "submodule": [f"from {parent} import {child} as {x}"] if parent else [f"import {target}"],
        "lazy": [f"def lazy{number}():", f"    import {target}", f"    return {target}.VALUE"],
        "typing": ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:", f"    import {target} as {x}"],
        "dunder": [f"{x} = __import__({target!r})"],
        "dunder_from": [f"{x} = __import__({target!r}, fromlist=['VALUE']).VALUE"],
        "guarded": [
            "try:",
            f"    from {target} import call as {x}",
            "except ImportError:",
            f"    {x} = None",
        ],
        "lost": [
            "try:",
            f"    from {target} import nothing as {x}",
            "except ImportError:",
            f"    {x} = None",
        ],
        "many": [f"from {target} import VALUE as {x}, Thing as T{number}, _hidden as h{number}"],
        "relative": relative(name, target, x),
    }
    return texts[kind]


def relative(name: str, target: str, x: str) -> list[str]:
    """A relative import of `target` where it has a package in common with `name`, else an absolute one."""
    package = name if name in PACKAGES else name.rpartition(".")[0]
    level = 1
    while package and not target.startswith(f"{package}."):
        package, level = package.rpartition(".")[0], level + 1
    if not package:
        return [f"from {target} import VALUE as {x}"]
    rest = target[len(package) + 1 :]
    parent, _, child = rest.rpartition(".")
    return [f"from {'.' * level}{parent} import {child} as {x}"]


patterns = st.sampled_from(
    [
        *NAMES,
        *("**", "*", "pack.**", "pack.*", "pack.sub.**", "space.**", "lib.**", "lib.*", "*.one", "*eta"),
        *("**.deep", "p*k.**", "al*", "**.VALUE", "pack"),
    ]
)
several = st.one_of(patterns, st.lists(patterns, min_size=1, max_size=3))


@st.composite
def rules(draw) -> tuple[Call, ...]:
    calls = []
    for _ in range(draw(st.integers(0, 4))):
        method = draw(st.sampled_from(["intern", "intern", "intern", "extern", "mock", "deny"]))
        keywords: list[tuple[str, object]] = []
        if draw(st.integers(0, 3)) == 0:
            keywords.append(("exclude", draw(several)))
        # An extern rule has a library that is not there, too: code finds it where the package lands.
        if method in ("intern", "mock") and draw(st.integers(0, 7)) == 0:
            keywords.append(("allow_empty", False))
        calls.append(Call(method=method, arguments=(draw(several),), keywords=tuple(keywords)))
    if draw(st.booleans()):
        calls.append(Call(method=draw(st.sampled_from(["intern", "extern"])), arguments=("**",)))
    return tuple(calls)


@st.composite
def saves(draw) -> tuple[Call, ...]:
    calls = []
    names = st.sampled_from(NAMES)
    for number in range(draw(st.integers(1, 4))):
        method = draw(
            st.sampled_from(
                [
                    "save_module",
                    "save_pickle",
                    "save_pickle",
                    "save_source_string",
                    "add_dependency",
                    "save_text",
                    "save_binary",
                ]
            )
        )
        dependencies = (("dependencies", False),) if draw(st.integers(0, 4)) == 0 else ()
        if method in ("save_module", "add_dependency"):
            calls.append(Call(method=method, arguments=(draw(names),), keywords=dependencies))
        elif method == "save_pickle":
            what = draw(st.sampled_from(OBJECTS))
            ref = Ref(module=draw(names), what=what)
            package = draw(st.sampled_from(["model", "pack", "data.more"]))
            calls.append(
                Call(method=method, arguments=(package, f"{number}.pkl", ref), keywords=dependencies)
            )
        elif method in ("save_text", "save_binary"):
            folder = draw(st.sampled_from(["model", "lib"]))
            text = draw(st.sampled_from(["text\n", "\r\n\u00e9", ""]))
            value = text if method == "save_text" else text.encode("utf-16")
            calls.append(Call(method=method, arguments=(folder, f"{number}.txt", value)))
        else:
            name = draw(st.sampled_from([*NAMES, "written", "pack.written", "new.folder.written"]))
            is_package = draw(st.booleans()) if name not in NAMES else name in PACKAGES
            target = (
                draw(st.sampled_from(NAMES[NAMES.index(name) + 1 :] or ["json"]))
                if name in NAMES
                else draw(names)
            )
            text = draw(
                st.sampled_from(
                    [
                        f"import {target}\n",
                        f"from {target} import VALUE as x\n",
                        f"from {target} import *\n",
                        "y = 1\n",
                    ]
                )
            )
            source = text + "VALUE = 'written'\nclass Thing:\n    pass\n"
            keywords = ((("is_package", True),) if is_package else ()) + dependencies
            calls.append(Call(method=method, arguments=(name, source), keywords=keywords))
    return in_an_order_for_torch(calls)


def in_an_order_for_torch(calls: list[Call]) -> tuple[Call, ...]:
    """Sources before what needs them, and first what is saved alone: torch's exporter takes nothing back."""
    kinds = ("save_module", "save_source_string")
    sources = {call.arguments[0]: call for call in calls if call.method in kinds}
    dependencies = {call.arguments[0]: call for call in calls if call.method == "add_dependency"}
    kinds = (*kinds, "add_dependency")
    others = [*dependencies.values(), *(call for call in calls if call.method not in kinds)]
    first = [call for call in (*sources.values(), *others) if call.keywords]
    return (*first, *(call for call in (*sources.values(), *others) if call not in first))


@st.composite
def exports(draw) -> Export:
    sources = {}
    for name in NAMES:
        lines: list[str] = []
        for number in range(draw(st.integers(0, 2))):
            lines += statements(draw, name, number)
        sources[name] = source_of(name, lines)
    return Export(sources=sources, rules=draw(rules()), saves=draw(saves()))
