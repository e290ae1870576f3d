"""What the names and expressions of a source stand for: modules and functions, by absolute dotted name.

Everything that may be meant counts, whatever the order of the statements: who reads a source to find what it
can do must not be led astray by a second binding of a name.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hermpkg_build.core.module_names import top_of
from hermpkg_build.scanning.known_names import MACHINE_MODULES

_MOST_ORIGINS = 64
_MOST_WORK = 300_000
"""So often the names of one source are looked up in one another; in real ones it is some thousand times."""

_DEEPEST = 40
_BUILTINS = frozenset(dir(builtins)) | {"__builtins__", "execfile", "reload"}

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Origins:
    """What names stand for in the module `name`, whose tree is `tree`; `is_package` for relative imports.

    `given` are modules that are known without an import. `has_walrus` is False where no expression of the
    source binds a name.
    """

    def __init__(
        self,
        tree: ast.Module,
        name: str,
        *,
        is_package: bool,
        given: Iterable[str] = (),
        has_walrus: bool = True,
    ) -> None:
        self._package = name.split(".") if is_package else name.split(".")[:-1]
        self._bound: dict[str, list[str]] = {module: [module] for module in given}
        self._aliases: dict[str, list[ast.expr]] = {}
        self._open: set[str] = set()
        self._known: dict[str, tuple[str, ...]] = {}
        self._classes: set[str] = set()
        self._stars: list[str] = []
        self._work = 0
        for statement in _statements(tree):
            self._collect(statement)
        self._stored = _names_defined(tree) if self._stars else frozenset[str]()
        if has_walrus:
            for node in ast.walk(tree):
                if isinstance(node, ast.NamedExpr):
                    self._alias(node.target, node.value)

    def exports(self) -> Mapping[str, tuple[str, ...]]:
        """What other modules find under the names of this one, as far as they are imports or aliases.

        The modules that all names are taken from are under `STAR`.
        """
        names = {*self._bound, *self._aliases}
        found = {name: self._of_global(name) for name in sorted(names)}
        if self._stars:
            found[STAR] = tuple(self._stars)
        return {name: origins for name, origins in found.items() if origins}

    def of(self, node: ast.expr, scopes: Iterable[frozenset[str]] = (), depth: int = 0) -> tuple[str, ...]:
        """The absolute names that an expression may stand for, () where it may be anything.

        `scopes` are the parameters of the functions around it, which hide other names.
        """
        if depth > _DEEPEST:
            return ()
        if isinstance(node, ast.Name):
            hidden = any(node.id in scope for scope in scopes)
            return () if hidden else self._of_global(node.id)
        if isinstance(node, ast.Attribute):
            return _members(self.of(node.value, scopes, depth + 1), node.attr)
        if isinstance(node, ast.NamedExpr):
            return self.of(node.value, scopes, depth + 1)
        if isinstance(node, (ast.IfExp, ast.BoolOp)):
            parts = [node.body, node.orelse] if isinstance(node, ast.IfExp) else node.values
            return _merged([self.of(part, scopes, depth + 1) for part in parts])
        if isinstance(node, ast.Call):
            return self._of_call(node, scopes, depth)
        if isinstance(node, ast.Subscript):
            return self._of_item(node, scopes, depth)
        return ()

    def written(self, node: ast.expr) -> str:
        """The dotted name as it is written, with ``?`` for what is no name; "" for what has no attribute."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        parts.append(node.id if isinstance(node, ast.Name) else "?")
        return ".".join(reversed(parts))

    def _of_global(self, name: str) -> tuple[str, ...]:
        if name in self._open:
            return ()
        if not self._open and name in self._known:
            return self._known[name]
        self._open.add(name)
        try:
            found = list(self._bound.get(name, ()))
            for alias in self._aliases.get(name, ()):
                self._work += 1
                if self._work > _MOST_WORK:
                    raise ValueError("too many of its names stand for one another")
                found += self.of(alias)
        finally:
            self._open.discard(name)
        if name == "__builtins__":
            found.append("builtins")
        elif name in _BUILTINS:
            found.append(f"builtins.{name}")
        if self._stars and name not in self._stored and (not found or name in _BUILTINS):
            found += [f"{module}.{name}" for module in self._stars]
        origins = _first(found)
        if not self._open:
            self._known[name] = origins
        return origins

    def is_own_class(self, name: str) -> bool:
        """Whether a name stands for a class of this module and nothing else."""
        return name in self._classes and name not in self._bound and name not in self._aliases

    def _of_call(self, node: ast.Call, scopes: Iterable[frozenset[str]], depth: int) -> tuple[str, ...]:
        functions = self.of(node.func, scopes, depth + 1)
        arguments = [text_of(argument) for argument in node.args]
        found: list[tuple[str, ...]] = []
        for function in functions:
            if function in IMPORTERS and arguments and arguments[0]:
                module = arguments[0]
                whole = function.endswith("import_module") or len(node.args) > 3 or bool(node.keywords)
                found.append((module if whole else module.partition(".")[0],))
            elif function == "builtins.getattr" and len(arguments) > 1 and arguments[1]:
                found.append(_members(self.of(node.args[0], scopes, depth + 1), arguments[1]))
            elif function == "builtins.vars" and node.args:
                found.append(_members(self.of(node.args[0], scopes, depth + 1), "__dict__"))
            elif function in ("sys.modules.get", "sys.modules.__getitem__") and arguments and arguments[0]:
                found.append((arguments[0],))
        return _merged(found)

    def _of_item(self, node: ast.Subscript, scopes: Iterable[frozenset[str]], depth: int) -> tuple[str, ...]:
        key = text_of(node.slice)
        if not key:
            return ()
        if isinstance(node.value, ast.Call):
            function = self.of(node.value.func, scopes, depth + 1)
            if not {"builtins.globals", "builtins.locals", "builtins.vars"}.isdisjoint(function):
                return _merged([self._of_global(key), self._items_of(node.value, key, scopes, depth)])
        return self._items_of(node.value, key, scopes, depth)

    def _items_of(
        self, node: ast.expr, key: str, scopes: Iterable[frozenset[str]], depth: int
    ) -> tuple[str, ...]:
        found: list[tuple[str, ...]] = []
        for origin in self.of(node, scopes, depth + 1):
            if origin == "sys.modules":
                found.append((key,))
            elif origin == "builtins" or origin.endswith(".__dict__"):
                # __builtins__ is a dict in imported modules.
                found.append((f"{origin.removesuffix('.__dict__')}.{key}",))
        return _merged(found)

    def _collect(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for each in node.names:
                top = each.name.partition(".")[0]
                self._bind(each.asname or top, each.name if each.asname else top)
        elif isinstance(node, ast.ImportFrom):
            self._collect_from(node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._alias(target, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._alias(node.target, node.value)
        elif isinstance(node, ast.ClassDef):
            self._classes.add(node.name)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if item.optional_vars is not None:
                    self._alias(item.optional_vars, item.context_expr)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            for element in node.iter.elts if isinstance(node.iter, (ast.Tuple, ast.List, ast.Set)) else ():
                self._alias(node.target, element)

    def _collect_from(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:
            base = self._package[: max(len(self._package) - node.level + 1, 0)]
            module = ".".join([*base, *([module] if module else [])])
        for each in node.names:
            if each.name != "*":
                self._bind(each.asname or each.name, f"{module}.{each.name}")
                continue
            self._stars.append(module)

    def _bind(self, name: str, origin: str) -> None:
        origins = self._bound.setdefault(name, [])
        if origin not in origins:
            origins.append(origin)

    def _alias(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._aliases.setdefault(target.id, []).append(value)
        elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
            for each, part in zip(target.elts, value.elts, strict=False):
                self._alias(each, part)


STAR = "*"
IMPORTERS = frozenset({"builtins.__import__", "importlib.import_module", "importlib.__import__"})


def text_of(node: ast.expr) -> str:
    """The text of a constant, also one put together of constants; "" for any other expression."""
    return "".join(_texts(node, 0))


def _texts(node: ast.expr, depth: int) -> Iterator[str]:
    parts = _parts(node) if depth < _DEEPEST else None
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
        yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")
    elif parts is not None:
        texts = ["".join(_texts(part, depth + 1)) for part in parts]
        if all(texts):
            yield from texts


def _parts(node: ast.expr) -> list[ast.expr] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [node.left, node.right]
    if isinstance(node, ast.JoinedStr):
        return node.values
    if isinstance(node, ast.FormattedValue):
        return [node.value]
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if is_method and node.func.attr == "join" and len(node.args) == 1:  # type: ignore[attr-defined]
        separator, (argument,) = node.func.value, node.args  # type: ignore[attr-defined]
        empty = isinstance(separator, ast.Constant) and separator.value in ("", b"")
        if empty and isinstance(argument, (ast.List, ast.Tuple)):
            return argument.elts
    return None


def origins_in(exports: Mapping[str, Sequence[str]], name: str) -> Sequence[str]:
    """What `name` stands for in a module with these exports."""
    return exports.get(name) or [f"{module}.{name}" for module in exports.get(STAR, ())]


def _names_defined(tree: ast.Module) -> frozenset[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and type(node.ctx) is ast.Store}
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(names | {node.name for node in ast.walk(tree) if isinstance(node, defined)})


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """All statements, however deep."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                stack += inner
        if isinstance(node, ast.stmt):
            yield node


def _members(origins: Iterable[str], name: str) -> tuple[str, ...]:
    found = []
    for origin in origins:
        if name == "__self__" and origin.startswith("builtins."):
            found.append("builtins")
        else:
            found.append(f"{origin}.{name}")
    return tuple(found)


def _merged(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return _first(origin for part in parts for origin in part)


def _first(origins: Iterable[str]) -> tuple[str, ...]:
    """The different names among `origins`; of very many, those from which most can be reached."""
    found = list(dict.fromkeys(origins))
    if len(found) > _MOST_ORIGINS:
        found.sort(key=lambda each: (each not in MACHINE_MODULES, top_of(each) not in MACHINE_MODULES))
    return tuple(found[:_MOST_ORIGINS])
