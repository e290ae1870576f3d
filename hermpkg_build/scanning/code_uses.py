"""Finds the places in a syntax tree that can do something: the capability of each, by name and line."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from hermpkg_build.core.module_names import top_of
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.scanning.known_names import MACHINE_MODULES, Capability, capability_within, known_tops
from hermpkg_build.scanning.name_origins import IMPORTERS, Function, Origins, text_of
from hermpkg_build.scanning.telling_uses import (
    HARMLESS_BUILTINS,
    IMPORT_TABLES,
    INTERNALS,
    JUDGED_BY_CALL,
    LOOKING,
    ON_MODULES,
    OPENERS,
    PLAIN_NODES,
    TELLING,
    TYPE_TESTS,
)

MOST_USES = 5_000
"""So many uses of one source are told, the dangerous ones before others."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CodeUse:
    """One place of a source that can do something.

    `name` is that of what is used, ``os.system``. `line` and `column` count from 1, the column in characters.
    `function` is the one around it, ``Model.forward``, "" at the top. `at_import` is whether it runs when the
    module is imported, as far as the source shows.
    """

    line: int
    column: int
    capability: Capability
    name: str
    function: str = ""
    at_import: bool = False


class UseReader(ast.NodeVisitor):
    """Walks a tree, and knows the functions around each node."""

    def __init__(self, origins: Origins, source: bytes, packed: Collection[str]) -> None:
        self._origins = origins
        self._lines = source.split(b"\n")
        self._packed = packed
        self._uses: dict[tuple[int, int, Capability, str], CodeUse] = {}
        self._references: dict[str, CodeUse] = {}
        self._names: list[str] = []
        self._scopes: list[frozenset[str]] = []
        self._depth = 0
        self._class_bodies = 0
        self._called: dict[str, set[str]] = {}
        self._known: dict[int, tuple[str, ...]] = {}
        self._visitors: dict[type[ast.AST], Callable[[Any], None]] = {}

    def result(self) -> tuple[tuple[CodeUse, ...], tuple[CodeUse, ...]]:
        """The uses, and the references into packed modules, in the order of the source."""
        running = self._running_at_import()

        def judged(uses: Iterable[CodeUse]) -> tuple[CodeUse, ...]:
            return tuple(
                sorted(
                    replace(use, at_import=True) if _segments(use.function) & running else use for use in uses
                )
            )

        worst_first = sorted(self._uses.values(), key=lambda use: not use.capability.is_dangerous)
        return judged(worst_first[:MOST_USES]), judged(self._references.values())

    def _running_at_import(self) -> set[str]:
        """The functions and classes that statements at the top call, directly or through one another."""
        found: set[str] = set()
        names = set(self._called.get("", ()))
        while names:
            name = names.pop()
            if name not in found:
                found.add(name)
                names |= self._called.get(name, set())
        return found

    def visit(self, node: ast.AST) -> None:
        """Read a node with all in it."""
        kind = type(node)
        visitor = self._visitors.get(kind)
        if visitor is None:
            found: Callable[[Any], None] = getattr(self, f"visit_{kind.__name__}", self.generic_visit)
            visitor = self._visitors[kind] = found
        visitor(node)

    def generic_visit(self, node: ast.AST) -> None:
        """Read what lies in a node, in order."""
        for value in node.__dict__.values():
            if isinstance(value, list):
                for each in value:
                    if isinstance(each, ast.AST):
                        self.visit(each)
            elif isinstance(value, ast.AST) and type(value) not in PLAIN_NODES:
                self.visit(value)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Read what is evaluated around a function, then its body."""
        for each in node.decorator_list:
            self.visit(each)
            self._calls_name(each)
        for value in [*node.args.defaults, *node.args.kw_defaults, *_annotations(node)]:
            if value is not None:
                self.visit(value)
        self._function(node, node.name, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Read it as any other function."""
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Read a lambda."""
        for each in [*node.args.defaults, *node.args.kw_defaults]:
            if each is not None:
                self.visit(each)
        self._function(node, "<lambda>", [node.body])

    def _function(self, node: Function, name: str, body: Sequence[ast.AST]) -> None:
        arguments = node.args
        names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        names += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        self._scopes.append(frozenset([each.arg for each in names]))
        self._names.append(name)
        self._depth += 1
        class_bodies, self._class_bodies = self._class_bodies, 0
        for statement in body:
            self.visit(statement)
        self._class_bodies = class_bodies
        self._depth -= 1
        self._names.pop()
        self._scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Read a class, whose body runs where it stands."""
        for each in [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]:
            self.visit(each)
            self._calls_name(each)
        self._names.append(node.name)
        self._class_bodies += 1
        for statement in node.body:
            self.visit(statement)
        self._class_bodies -= 1
        self._names.pop()

    def visit_If(self, node: ast.If) -> None:
        """Read an ``if``; what stands below ``__name__ == "__main__"`` does not run on import."""
        guarded = isinstance(node.test, ast.Compare) and "__main__" in map(text_of, node.test.comparators)
        self.visit(node.test)
        if guarded:
            self._depth += 1
            self._names.append("<main>")
        for each in node.body:
            self.visit(each)
        if guarded:
            self._names.pop()
            self._depth -= 1
        for each in node.orelse:
            self.visit(each)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Read ``from os import system``."""
        for each in node.names:
            for origin in self._origins.of(ast.Name(each.asname or each.name), ()):
                if not node.level and origin == f"{node.module}.{each.name}" and origin not in JUDGED_BY_CALL:
                    self._mention(node, origin)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Read an assignment; one of a module to a plain name is followed, not told."""
        for target in node.targets:
            self._assigned(target)
        plain = all(isinstance(target, (ast.Name, ast.Tuple, ast.List)) for target in node.targets)
        self._value(node.value, keeps=plain and not self._class_bodies)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Read ``sys.path += ...``."""
        self._assigned(node.target)
        self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        """Read ``del sys.modules["x"]``."""
        for target in node.targets:
            self._assigned(target)

    def _assigned(self, target: ast.expr) -> None:
        inner = target.value if isinstance(target, (ast.Subscript, ast.Attribute)) else target
        for origin in {*self._of(target), *self._of(inner)}:
            if origin in IMPORT_TABLES:
                self._add(target, Capability.IMPORTS, origin)
            elif inner is not target and isinstance(target, ast.Attribute) and origin in MACHINE_MODULES:
                self._add(target, Capability.INTERNALS, f"{origin}.{target.attr}")
            elif inner is not target and origin == "os.environ":
                self._add(target, Capability.ENVIRONMENT, origin)
            elif inner is not target and origin in ("builtins", "builtins.__dict__", "builtins.globals"):
                self._add(target, Capability.INTERNALS, origin)
        if not isinstance(target, ast.Name):
            for child in ast.iter_child_nodes(target):
                if child is inner and {*self._of(inner)} & (IMPORT_TABLES | MACHINE_MODULES):
                    continue
                self.visit(child)

    def _value(self, node: ast.expr, *, keeps: bool) -> None:
        """Read a value; where it `keeps` within reach, being a module is no use of it."""
        if keeps and isinstance(node, ast.Name):
            return
        self.visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        """Read a name that stands alone."""
        for origin in self._of(node):
            if origin in MACHINE_MODULES or origin in ("builtins.getattr", *IMPORTERS):
                self._add(node, Capability.COMPUTED, origin)
            else:
                self._mention(node, origin)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Read ``os.system``."""
        found = False
        for origin in self._of(node):
            found = self._mention(node, origin) or found
        if not found:
            found = self._by_its_own_name(node)
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            base = base.value
        if not isinstance(base, ast.Name):
            self.visit(base)
        elif not found and base.id in ("__builtins__", "__loader__"):
            self._add(node, Capability.INTERNALS, self._origins.written(node))

    def _by_its_own_name(self, node: ast.Attribute) -> bool:
        if (capability := INTERNALS.get(node.attr)) is not None:
            own = isinstance(node.value, ast.Name) and self._origins.is_own_class(node.value.id)
            if not (own and node.attr == "__subclasses__"):
                self._add(node, capability, node.attr)
            return True
        written = self._origins.written(node)
        if self._of(node):
            return False
        capability = capability_within(f"?.{written.partition('.')[2]}") or TELLING.get(node.attr)
        if capability is not None:
            self._add(node, capability, written)
        return capability is not None

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """Read ``sys.modules["os"]``, which stands for the module."""
        of_value = self._of(node.value)
        found = [self._mention(node, origin) for origin in self._of(node)]
        if not any(found) and isinstance(node.ctx, ast.Load):
            if "sys.modules" in of_value or "sys.path" in of_value:
                self.visit(node.slice)
                return
            if any(origin.endswith(".__dict__") for origin in of_value) and not text_of(node.slice):
                self._add(node, Capability.COMPUTED, of_value[0])
        if not self._of(node):
            self.visit(node.value)
        self.visit(node.slice)

    def visit_For(self, node: ast.For | ast.comprehension) -> None:
        """Read a loop; one over ``sys.path`` changes nothing."""
        if IMPORT_TABLES.isdisjoint(self._of(node.iter)):
            self.visit(node.iter)
        for name, value in ast.iter_fields(node):
            if name != "iter":
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, ast.AST):
                        self.visit(each)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        """Read it as any other loop."""
        self.visit_For(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """Read a comparison; asking what is in ``sys.modules`` changes nothing."""
        for each in [node.left, *node.comparators]:
            if IMPORT_TABLES.isdisjoint(self._of(each)):
                self.visit(each)

    def visit_Call(self, node: ast.Call) -> None:
        """Read a call, whose arguments can tell what it does."""
        self._calls_name(node.func)
        functions = self._of(node.func)
        told = [self._called_with(node, function) for function in functions]
        if not any(told):
            opens = isinstance(node.func, ast.Attribute) and node.func.attr == "open" and not functions
            if opens and any(_is_writing_mode(text_of(each)) for each in node.args[:2]):
                self._add(node, Capability.WRITES, self._origins.written(node.func))
            self.visit(node.func)
        skipped = node.args[:1] if any(told) and set(functions) & ON_MODULES else []
        if TYPE_TESTS & {*functions}:
            skipped = [each for each in node.args[1:] if not _calls_within(each)]
        for each in [*node.args, *(keyword.value for keyword in node.keywords)]:
            if each not in skipped:
                self.visit(each)

    def _called_with(self, node: ast.Call, function: str) -> bool:
        """Tell what a call of `function` does by its arguments; whether nothing else need be told of it."""
        if function in IMPORTERS:
            if not (node.args and text_of(node.args[0])):
                self._add(node, Capability.COMPUTED_IMPORT, function)
            return True
        if function in ("builtins.getattr", "builtins.hasattr", "builtins.vars"):
            return self._gets_attribute(node, function)
        if function in ("builtins.setattr", "builtins.delattr") and node.args:
            for origin in {*self._of(node.args[0])} & MACHINE_MODULES:
                self._add(node, Capability.INTERNALS, origin)
            return True
        if function in OPENERS:
            mode = _argument(node, 1, "mode")
            text = text_of(mode) if mode is not None else "r"
            writes = not text or _is_writing_mode(text)
            self._add(node, Capability.WRITES if writes else Capability.READS, function)
            return True
        if function in ("torch.load", "numpy.load"):
            of_torch = function == "torch.load"
            flag = _argument(node, None if of_torch else 2, "weights_only" if of_torch else "allow_pickle")
            value = flag.value if isinstance(flag, ast.Constant) else None
            harmless = value is True if function == "torch.load" else (flag is None or value is False)
            self._add(node, Capability.READS if harmless else Capability.UNPICKLES, function)
            return True
        if function in LOOKING:
            return True
        if function == "operator.attrgetter":
            for argument in node.args:
                if (capability := capability_within(f"?.{text_of(argument)}")) is not None:
                    self._add(node, capability, text_of(argument))
        return function in ("builtins.globals", "builtins.locals") and not node.args

    def _gets_attribute(self, node: ast.Call, function: str) -> bool:
        if not node.args:
            return False
        modules = self._of(node.args[0])
        machine = {*modules} & MACHINE_MODULES
        name = text_of(node.args[1]) if len(node.args) > 1 else ""
        if function == "builtins.hasattr":
            return bool(machine)
        for origin in self._of(node):
            self._mention(node, origin)
        if name in INTERNALS:
            self._add(node, INTERNALS[name], name)
        if not name:
            for origin in {*modules}:
                if origin in MACHINE_MODULES or self._is_library(origin):
                    self._add(node, Capability.COMPUTED, origin)
        return function == "builtins.getattr" or bool(machine)

    def _is_library(self, origin: str) -> bool:
        """Whether a name is that of a module of a library, any of whose attributes may be another module."""
        return origin.islower() and not origin.startswith("builtins.") and top_of(origin) not in self._packed

    def _of(self, node: ast.expr) -> tuple[str, ...]:
        known = self._known.get(id(node))
        if known is None:
            known = self._known[id(node)] = self._origins.of(node, self._scopes)
        return known

    def _mention(self, node: ast.AST, origin: str) -> bool:
        """Tell of a use of the function or class `origin`; whether something is known of it."""
        if origin in HARMLESS_BUILTINS:
            return True
        parent, _, name = origin.rpartition(".")
        if name in ("__dict__", "__getattribute__") and parent in MACHINE_MODULES:
            self._add(node, Capability.COMPUTED, origin)
            return True
        if name.startswith("__") and name.endswith("__") and parent not in ("", "builtins", "importlib"):
            return False
        capability = capability_within(origin)
        if capability is not None and not (origin in OPENERS and capability is Capability.READS):
            self._add(node, capability, origin)
            return True
        top = origin.partition(".")[0]
        if top in self._packed and origin not in self._references:
            self._references[origin] = self._use(node, Capability.COMPUTED, origin)
        return top in known_tops() and origin.rpartition(".")[0] in MACHINE_MODULES

    def _add(self, node: ast.AST, capability: Capability, name: str) -> None:
        use = self._use(node, capability, name)
        self._uses.setdefault((use.line, use.column, capability, name), use)

    def _use(self, node: ast.AST, capability: Capability, name: str) -> CodeUse:
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        text = self._lines[line - 1] if line <= len(self._lines) else b""
        column = offset if text.isascii() else len(text[:offset].decode("utf-8", "replace"))
        function = ".".join(self._names)
        at_import = not self._depth
        return CodeUse(
            line=line,
            column=column + 1,
            capability=capability,
            name=name,
            function=function,
            at_import=at_import,
        )

    def _calls_name(self, node: ast.expr) -> None:
        if isinstance(node, ast.Name):
            caller = self._names[0] if self._depth and self._names else ""
            self._called.setdefault(caller, set()).add(node.id)


def _calls_within(node: ast.expr) -> bool:
    return any(isinstance(each, (ast.Call, ast.Await)) for each in ast.walk(node))


def _annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr | None]:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    more = [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    found = [each.annotation for each in (*named, *more)]
    return [*found, node.returns]


def _segments(function: str) -> set[str]:
    return {function.partition(".")[0]} if function else set()


def _argument(node: ast.Call, place: int | None, name: str) -> ast.expr | None:
    for keyword in node.keywords:
        if keyword.arg == name:
            return keyword.value
        if keyword.arg is None:
            return keyword.value
    return node.args[place] if place is not None and len(node.args) > place else None


def _is_writing_mode(text: str) -> bool:
    return len(text) <= 4 and bool(set(text) & set("wax+")) and not set(text) - set("rwaxbt+U")
