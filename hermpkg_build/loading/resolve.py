"""Checks BUILD and .bzl files without evaluating them: names, Starlark's grammar, Bazel's dialect."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from hermpkg_build.core.folders import NAME_THEM_APART
from hermpkg_build.core.spelling import question
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import LoadingError
from hermpkg_build.loading.depth_first import depth_first
from hermpkg_build.loading.grammar import grammar_problems, parameters
from hermpkg_build.loading.starlark_source import StarlarkSource

# What both kinds of file may use of the interpreter's own globals; all of it exists in Bazel too.
_CONSTANTS = frozenset(("None", "True", "False"))
_FUNCTIONS = frozenset(
    (
        *("abs", "all", "any", "bool", "dict", "dir", "enumerate", "fail", "float", "getattr", "hasattr"),
        *("int", "len", "list", "max", "min", "print", "range", "repr", "reversed", "sorted", "str", "tuple"),
        *("type", "zip"),
    )
)
_UNIVERSE = _CONSTANTS | _FUNCTIONS
BUILD_GLOBALS = _UNIVERSE | {"exports_files", "glob", "package", "package_name"}
BZL_GLOBALS = _UNIVERSE | {"json", "native", "struct"}

_BAZEL_GLOBALS = frozenset(
    (
        *("Label", "alias", "aspect", "attr", "config_setting", "depset", "existing_rule", "existing_rules"),
        *("filegroup", "genrule", "licenses", "package_group", "provider", "py_binary", "py_library"),
        *("py_test", "repository_name", "repository_rule", "rule", "sh_binary", "sh_library", "sh_test"),
        *("subpackages", "test_suite", "toolchain"),
    )
)
"""What people may know from Bazel, and look for here."""

_BAZEL_ONLY = (
    "Bazel has it, and hermpkg's own engine has not: leave it out of a file that both read, or"
    f" {NAME_THEM_APART}"
)
_BUILD_ONLY = "it is built in only in BUILD files; in a .bzl file, inside a function, write native.{}"
_NO_SELECT = "hermpkg has no configurations to select from: write the value itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A load statement: the label as written, and the symbols as (local, loaded) names."""

    label: str
    symbols: tuple[tuple[str, str], ...]
    call: ast.Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a file loads, the names it defines for others, and what is wrong with it.

    `exports` is None where the file does not parse.
    """

    loads: tuple[Load, ...]
    exports: frozenset[str] | None
    errors: tuple[LoadingError, ...]


def resolve(source: StarlarkSource, *, is_build: bool) -> Resolved:
    """Check `source` against the dialect of BUILD files, or that of .bzl files."""
    resolver = _Resolver(source, is_build=is_build)
    resolver.run()
    loaded = {local for load in resolver.loads for local, _ in load.symbols}
    exports = {name for name in resolver.globals if name not in loaded and not name.startswith("_")}
    errors = sorted(resolver.errors, key=lambda error: error.location or source.location(source.tree))
    return Resolved(loads=tuple(resolver.loads), exports=frozenset(exports), errors=tuple(errors))


_Scope: TypeAlias = frozenset[str]
"""The names of the functions, lambdas and comprehensions around a place; not those of the file."""


class _Resolver:
    def __init__(self, source: StarlarkSource, *, is_build: bool) -> None:
        self.source = source
        self.is_build = is_build
        self.builtins = BUILD_GLOBALS if is_build else BZL_GLOBALS
        self.loads: list[Load] = []
        self.globals: dict[str, ast.AST] = {}
        self.errors: list[LoadingError] = []
        self._calls: dict[str, list[tuple[str, ast.Call]]] = {}
        self._function = ""
        self._unknown: set[str] = set()

    def run(self) -> None:
        body = self.source.tree.body
        for statement in body:
            self._bind_globals(statement)
        self._check_load_order(body)
        for statement in body:
            if isinstance(statement, ast.If | ast.For):
                self._top_level_control(statement)
            if _load_call(statement) is None:
                self._visit(statement, frozenset())
        self._check_recursion()

    def _error(self, node: ast.AST, summary: str, next_step: str = "") -> None:
        self.errors.append(self.source.error(node, summary, next_step=next_step))

    # Names of the file's top level.

    def _bind_globals(self, statement: ast.stmt) -> None:
        call = _load_call(statement)
        if call is not None:
            self._read_load(call)
        elif isinstance(statement, ast.FunctionDef):
            self._bind(statement.name, statement)
        else:
            for target in _assigned([statement]):
                self._bind(target.id, target)

    def _bind(self, name: str, node: ast.AST) -> None:
        first = self.globals.setdefault(name, node)
        if first is not node:
            place = self.source.location(first)
            self._error(
                node,
                f"cannot reassign the global {name!r}",
                f"it is defined at {place}: use another name",
            )

    def _read_load(self, call: ast.Call) -> None:
        arguments = [*call.args, *call.keywords]
        values = [node.value if isinstance(node, ast.keyword) else node for node in arguments]
        texts = [text for text in map(_string, values) if text is not None]
        fault = "takes string literals only" if not call.args or len(texts) < len(values) else ""
        if not fault and len(texts) == 1:
            fault = "names no symbol"
        if fault:
            self._error(call, f"load() {fault}", 'write load("//pkg:file.bzl", "symbol")')
            return
        names: list[tuple[str, str]] = []
        for node, value, loaded in zip(arguments[1:], values[1:], texts[1:], strict=True):
            local = node.arg if isinstance(node, ast.keyword) and node.arg else loaded
            if loaded.startswith("_"):
                self._error(value, f"{loaded!r} is private to its file and cannot be loaded")
            self._bind(local, value)
            names.append((local, loaded))
        self.loads.append(Load(label=texts[0], symbols=tuple(names), call=call))

    def _check_load_order(self, body: list[ast.stmt]) -> None:
        if self.is_build:
            return
        seen_other = False
        for statement in body:
            if _load_call(statement) is None:
                seen_other = seen_other or not _is_docstring(statement)
            elif seen_other:
                self._error(
                    statement, "load() comes after another statement", "move it to the top of the file"
                )

    def _top_level_control(self, statement: ast.If | ast.For) -> None:
        word = "an if" if isinstance(statement, ast.If) else "a for"
        place = "a function of a .bzl file" if self.is_build else "a function"
        instead = "an if expression" if isinstance(statement, ast.If) else "a list comprehension"
        self._error(
            statement, f"{word} statement at the top level", f"write {instead}, or move it into {place}"
        )

    # Everything else, from the outside in.

    def _visit(self, node: ast.AST, scope: _Scope) -> None:
        for place, summary, next_step in grammar_problems(node):
            self._error(place, summary, next_step)
        if isinstance(node, ast.Name):
            self._check_name(node, scope)
        elif isinstance(node, ast.FunctionDef | ast.Lambda):
            self._visit_function(node, scope)
            return
        elif isinstance(node, ast.ListComp | ast.DictComp):
            self._visit_comprehension(node, scope)
            return
        elif isinstance(node, ast.Call):
            self._check_call(node, scope)
        for child in ast.iter_child_nodes(node):
            self._visit(child, scope)

    def _visit_function(self, node: ast.FunctionDef | ast.Lambda, scope: _Scope) -> None:
        if self.is_build:
            self._error(node, "a function in a BUILD file", "move it to a .bzl file and load() it")
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self._visit(default, scope)
        names = {parameter.arg for parameter in parameters(node.args)}
        if isinstance(node, ast.Lambda):
            self._visit(node.body, scope | names)
            return
        names.update(name.id for name in _assigned(node.body))
        names.update(child.name for child in ast.walk(node) if isinstance(child, ast.FunctionDef))
        if not self._function:
            names.discard(node.name)
        outer, self._function = self._function, self._function or node.name
        for statement in node.body:
            self._visit(statement, scope | names)
        self._function = outer

    def _visit_comprehension(self, node: ast.ListComp | ast.DictComp, scope: _Scope) -> None:
        inner = scope
        for index, part in enumerate(node.generators):
            # As in Python the first iterable is read outside of the comprehension.
            self._visit(part.iter, inner if index else scope)
            inner |= {name.id for name in _targets(part.target)}
            self._visit(part.target, inner)
            for condition in part.ifs:
                self._visit(condition, inner)
        for child in [node.elt] if isinstance(node, ast.ListComp) else [node.key, node.value]:
            self._visit(child, inner)

    def _check_name(self, node: ast.Name, scope: _Scope) -> None:
        name = node.id
        if any(name in known for known in (self.globals, self.builtins, scope, self._unknown)):
            return
        self._unknown.add(name)
        if name == "load":
            self._error(node, "load() inside another statement", "write it as a statement of its own")
        elif name == "select":
            self._error(node, "select() is not supported", _NO_SELECT)
        elif not self.is_build and name in BUILD_GLOBALS:
            self._error(node, f"name {name!r} is not defined", _BUILD_ONLY.format(name))
        else:
            self._error(node, f"name {name!r} is not defined", self._where_it_is(name, scope))

    def _where_it_is(self, name: str, scope: _Scope) -> str:
        from hermpkg_build.loading.rules import DEFS_LABEL, DEFS_SYMBOLS

        if name in DEFS_SYMBOLS:
            return f'add: load("{DEFS_LABEL}", "{name}")'
        if name in _BAZEL_GLOBALS:
            return _BAZEL_ONLY
        return question(name, {*self.globals, *self.builtins, *DEFS_SYMBOLS, *scope})

    def _check_call(self, node: ast.Call, scope: _Scope) -> None:
        if self.is_build:
            stars = [a for a in node.args if isinstance(a, ast.Starred)]
            for starred in [*stars, *(k for k in node.keywords if k.arg is None)]:
                self._error(starred, "*args or **kwargs in a call in a BUILD file", "write the arguments out")
        if self._function and isinstance(node.func, ast.Name):
            name = node.func.id
            if name in self.globals and name not in scope:
                self._calls.setdefault(self._function, []).append((name, node))

    def _check_recursion(self) -> None:
        """Refuse top-level functions that can reach themselves by calling each other by name."""

        def report(way: Sequence[str]) -> None:
            for name, call in self._calls[way[-2]]:
                if name == way[-1]:
                    chain = " calls ".join(way)
                    self._error(call, f"recursion: {chain}", "Starlark has no recursion: use a for loop")

        def called(name: str) -> Iterable[str]:
            return dict.fromkeys(callee for callee, _ in self._calls.get(name, ()))

        list(depth_first(self._calls, called, report))


def _load_call(statement: ast.stmt) -> ast.Call | None:
    """Return the call of `load` that a statement is; None for any other statement."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="load")) as call):
            return call
    return None


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and _string(statement.value) is not None


def _string(node: ast.AST) -> str | None:
    """Return the value of a string literal; None for any other expression."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _targets(node: ast.AST) -> list[ast.Name]:
    """List the names that an assignment to `node` binds."""
    if isinstance(node, ast.Name):
        return [node]
    if isinstance(node, ast.Tuple | ast.List):
        return [name for element in node.elts for name in _targets(element)]
    return _targets(node.value) if isinstance(node, ast.Starred) else []


def _assigned(statements: Iterable[ast.stmt]) -> list[ast.Name]:
    """List the names that statements bind, in nested blocks too, but not in nested functions."""
    names: list[ast.Name] = []
    for statement in statements:
        if isinstance(statement, ast.Assign):
            names += [name for target in statement.targets for name in _targets(target)]
        elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
            names += _targets(statement.target)
        elif isinstance(statement, ast.For):
            names += _targets(statement.target) + _assigned([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.If):
            names += _assigned([*statement.body, *statement.orelse])
    return names
