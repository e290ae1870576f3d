"""Import facts of one module's source: every import, where it stands, and what its code ties to its place."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence

from hermpkg_build.core.facts import (
    DynamicImport,
    Import,
    ImportContext,
    ImportFacts,
    ImportForm,
    SourceUse,
    SyntaxProblem,
)

ANALYSER_VERSION = "1"

_FUNCTION, _TRY, _TYPING, _CONDITIONAL = 1, 2, 4, 8
_TRIES = (ast.Try, getattr(ast, "TryStar", ast.Try))
_CATCHES = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_USES = {
    ("pkgutil", "get_data"): "pkgutil.get_data",
    ("inspect", "getsource"): "inspect.getsource",
    ("inspect", "getsourcelines"): "inspect.getsource",
}


def check_syntax(data: bytes) -> SyntaxProblem | None:
    """The first syntax error of a source by the running interpreter's parser, None where it parses."""
    try:
        _parse(data)
    except SyntaxError as error:
        return SyntaxProblem(error.msg, error.lineno or 0, error.offset or 0, (error.text or "").strip())
    except (ValueError, RecursionError, MemoryError) as error:
        return SyntaxProblem(str(error) or type(error).__name__, 0, 0, "")
    return None


def analyse_source(data: bytes) -> ImportFacts:
    """The import facts of a module's source; a pure function of its bytes that never raises."""
    problem = check_syntax(data)
    if problem:
        return ImportFacts(syntax_problem=problem)
    visitor = _Visitor(data)
    visitor.statements(_parse(data).body, 0)
    return visitor.facts()


def _parse(data: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = compile(data, "<source>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


class _Visitor:
    def __init__(self, data: bytes) -> None:
        import io
        import tokenize

        try:
            encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        except SyntaxError:
            encoding = "latin-1"
        text = data.decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")
        self._lines = text.removeprefix("\ufeff").split("\n")
        self._imports: list[Import] = []
        self._dynamic: list[DynamicImport] = []
        self._uses: list[SourceUse] = []
        self._exports: list[str] | None = None
        self._computed = False
        self._callees = {
            "__import__": 0,
            "builtins.__import__": 0,
            "importlib.__import__": 0,
            "importlib.import_module": 1,
        }
        self._calls: list[tuple[ast.Call, int]] = []
        self._attributes: list[ast.Attribute] = []
        self._modules: dict[str, str] = {"pkgutil": "pkgutil", "inspect": "inspect"}
        self._typing = {"TYPE_CHECKING"}

    def facts(self) -> ImportFacts:
        for call, flags in self._calls:
            self._call(call, flags)
        for node in self._attributes:
            if isinstance(node.value, ast.Name):
                use = _USES.get((self._modules.get(node.value.id, ""), node.attr))
                if use:
                    self._uses.append(SourceUse(use, node.lineno, self._column(node)))
        return ImportFacts(
            imports=tuple(sorted(self._imports, key=lambda i: (i.line, i.column))),
            dynamic=tuple(sorted(self._dynamic, key=lambda i: (i.line, i.column))),
            exports=None if self._exports is None or self._computed else tuple(dict.fromkeys(self._exports)),
            uses=tuple(sorted(self._uses, key=lambda u: (u.line, u.column, u.name))),
        )

    def _column(self, node: ast.AST) -> int:
        line = self._lines[node.lineno - 1]  # type: ignore[attr-defined]
        return len(line.encode()[: node.col_offset].decode("utf-8", "replace")) + 1  # type: ignore[attr-defined]

    def statements(self, body: Sequence[ast.stmt], flags: int, *, exports: bool = True) -> None:
        for statement in body:
            self._statement(statement, flags, exports)

    def _statement(self, node: ast.stmt, flags: int, exports: bool) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(node, flags)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for child in ast.iter_child_nodes(node):
                if not isinstance(child, ast.stmt):
                    self._expressions(child, flags)
            self.statements(node.body, flags | _FUNCTION, exports=False)
        elif isinstance(node, ast.ClassDef):
            for child in ast.iter_child_nodes(node):
                if not isinstance(child, ast.stmt):
                    self._expressions(child, flags)
            self.statements(node.body, flags, exports=False)
        elif isinstance(node, ast.If):
            self._expressions(node.test, flags)
            body, after = self._branches(node.test)
            self.statements(node.body, flags | body, exports=exports)
            self.statements(node.orelse, flags | after, exports=exports)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            for child in ast.iter_child_nodes(node):
                if not isinstance(child, ast.stmt):
                    self._expressions(child, flags)
            self.statements(node.body, flags | _CONDITIONAL, exports=exports)
            self.statements(node.orelse, flags | _CONDITIONAL, exports=exports)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self._expressions(item, flags)
            inner = flags | (_TRY if any(_suppresses(i.context_expr) for i in node.items) else 0)
            self.statements(node.body, inner, exports=exports)
        elif isinstance(node, ast.Match):
            self._expressions(node.subject, flags)
            for case in node.cases:
                self._expressions(case.pattern, flags | _CONDITIONAL)
                if case.guard:
                    self._expressions(case.guard, flags | _CONDITIONAL)
                self.statements(case.body, flags | _CONDITIONAL, exports=exports)
        elif isinstance(node, _TRIES):
            caught = any(_catches(h.type) for h in node.handlers)
            self.statements(node.body, flags | (_TRY if caught else 0), exports=exports)
            for handler in node.handlers:
                if handler.type:
                    self._expressions(handler.type, flags | _CONDITIONAL)
                self.statements(handler.body, flags | _CONDITIONAL, exports=exports)
            self.statements(node.orelse, flags | _CONDITIONAL, exports=exports)
            self.statements(node.finalbody, flags, exports=exports)
        else:
            if exports and not flags & _TYPING:
                self._exports_of(node, flags)
            self._expressions(node, flags)

    def _branches(self, test: ast.expr) -> tuple[int, int]:
        negated = False
        while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test, negated = test.operand, not negated
        name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
        if isinstance(test, ast.Attribute) and not _dotted(test):
            name = ""
        if name == "TYPE_CHECKING" or (isinstance(test, ast.Name) and name in self._typing):
            return (0, _TYPING) if negated else (_TYPING, 0)
        return _CONDITIONAL, _CONDITIONAL

    def _import(self, node: ast.Import | ast.ImportFrom, flags: int) -> None:
        line, column, context = node.lineno, self._column(node), ImportContext(flags)
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._imports.append(Import(alias.name, 0, (), ImportForm.IMPORT, context, line, column))
                if alias.name == "importlib.resources" or alias.name.startswith("importlib.resources."):
                    self._uses.append(SourceUse("importlib.resources", line, column))
                if alias.name == "importlib":
                    for function in ("__import__", "import_module"):
                        self._callees[f"{alias.asname or alias.name}.{function}"] = (
                            function == "import_module"
                        )
                if alias.name == "builtins":
                    self._callees[f"{alias.asname or alias.name}.__import__"] = 0
                if alias.name in ("pkgutil", "inspect"):
                    self._modules[alias.asname or alias.name] = alias.name
            return
        names = tuple(alias.name for alias in node.names)
        module = node.module or ""
        self._imports.append(Import(module, node.level, names, ImportForm.FROM, context, line, column))
        for alias in node.names:
            if node.level == 0 and module == "importlib" and alias.name in ("__import__", "import_module"):
                self._callees[alias.asname or alias.name] = alias.name == "import_module"
            if node.level == 0 and module == "builtins" and alias.name == "__import__":
                self._callees[alias.asname or alias.name] = 0
            if node.level == 0 and (module, alias.name) in _USES:
                self._uses.append(SourceUse(_USES[module, alias.name], line, column))
            if alias.name == "TYPE_CHECKING" and alias.asname:
                self._typing.add(alias.asname)
        if node.level == 0 and (
            module == "importlib.resources"
            or module.startswith("importlib.resources.")
            or (module == "importlib" and "resources" in names)
        ):
            self._uses.append(SourceUse("importlib.resources", line, column))

    def _expressions(self, node: ast.AST, flags: int) -> None:
        if isinstance(node, ast.Call):
            self._calls.append((node, flags))
        elif isinstance(node, ast.Name) and node.id in ("__file__", "__path__"):
            self._uses.append(SourceUse(node.id, node.lineno, self._column(node)))
        elif isinstance(node, ast.Attribute):
            self._attributes.append(node)
        if isinstance(node, ast.Lambda):
            self._expressions(node.args, flags)
            self._expressions(node.body, flags | _FUNCTION)
            return
        for child in ast.iter_child_nodes(node):
            self._expressions(child, flags)

    def _call(self, node: ast.Call, flags: int) -> None:
        form = self._callees.get(_dotted(node.func))
        if form is None:
            return
        line, column, context = node.lineno, self._column(node), ImportContext(flags)
        found = _import_module(node) if form else _dunder_import(node)
        if found:
            module, level, names = found
            kind = ImportForm.IMPORT_MODULE if form else ImportForm.DUNDER_IMPORT
            self._imports.append(Import(module, level, names, kind, context, line, column))
            return
        text = " ".join((ast.get_source_segment("\n".join(self._lines), node) or "").split())
        self._dynamic.append(DynamicImport(text[:80], context, line, column))

    def _exports_of(self, node: ast.stmt, flags: int) -> None:
        first = next(iter(_leftmost(node)), None)
        if not (isinstance(first, ast.Name) and first.id == "__all__"):
            return
        if (first.lineno, first.col_offset) != (node.lineno, node.col_offset):
            return
        if isinstance(node, ast.AnnAssign) and node.value is None:
            return
        if isinstance(node, ast.Assign):
            added = _texts(node.value) if node.targets == [first] else None
            if added is not None and not flags:
                self._exports, self._computed = added, False
                return
            fresh = added is not None and self._exports is None
        else:
            fresh = isinstance(node, ast.AnnAssign) and node.target is first
            added = None
            if isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.target is first:
                added = _texts(node.value)  # type: ignore[arg-type]
                if isinstance(node, ast.AugAssign) and not isinstance(node.op, ast.Add):
                    added = None
                if isinstance(node, ast.AnnAssign) and added is not None and not flags:
                    self._exports, self._computed = added, False
                    return
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                added = _extension(node.value, first)
        if added is None or (self._exports is None and not fresh):
            self._computed = True
            self._exports = self._exports or []
        else:
            self._exports = [*(self._exports or []), *added]


def _leftmost(node: ast.AST) -> Iterator[ast.AST]:
    while True:
        child: ast.AST
        if isinstance(node, ast.Assign):
            child = node.targets[0]
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            child = node.target
        elif isinstance(node, (ast.Expr, ast.Attribute, ast.Subscript)):
            child = node.value
        elif isinstance(node, ast.Call):
            child = node.func
        elif isinstance(node, ast.Tuple) and node.elts:
            child = node.elts[0]
        else:
            yield node
            return
        node = child


def _extension(call: ast.Call, name: ast.Name) -> list[str] | None:
    function = call.func
    if not (isinstance(function, ast.Attribute) and function.value is name):
        return None
    if len(call.args) != 1 or call.keywords:
        return None
    if function.attr == "append":
        text = _text(call.args[0])
        return None if text is None else [text]
    return _texts(call.args[0]) if function.attr == "extend" else None


def _texts(node: ast.expr) -> list[str] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _texts(node.left), _texts(node.right)
        return None if left is None or right is None else left + right
    if not isinstance(node, (ast.List, ast.Tuple)):
        return None
    texts = [_text(element) for element in node.elts]
    return None if None in texts else texts  # type: ignore[return-value]


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = [_text(value) for value in node.values]
        return None if None in parts else "".join(parts)  # type: ignore[arg-type]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None or right is None else left + right
    return None


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        prefix = _dotted(node.value)
        return f"{prefix}.{node.attr}" if prefix else ""
    return ""


def _catches(node: ast.expr | None) -> bool:
    if node is None:
        return True
    if isinstance(node, ast.Tuple):
        return any(_catches(element) for element in node.elts if not isinstance(element, ast.Tuple))
    return _dotted(node).rpartition(".")[2] in _CATCHES


def _suppresses(node: ast.expr) -> bool:
    if not (isinstance(node, ast.Call) and _dotted(node.func).rpartition(".")[2] == "suppress"):
        return False
    return any(_dotted(a).rpartition(".")[2] in _CATCHES for a in node.args)


def _arguments(node: ast.Call, parameters: Sequence[str]) -> dict[str, ast.expr] | None:
    if len(node.args) > len(parameters) or any(isinstance(a, ast.Starred) for a in node.args):
        return None
    bound = dict(zip(parameters, node.args, strict=False))
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg not in parameters or keyword.arg in bound:
            return None
        bound[keyword.arg] = keyword.value
    return bound


def _dunder_import(node: ast.Call) -> tuple[str, int, tuple[str, ...]] | None:
    bound = _arguments(node, ("name", "globals", "locals", "fromlist", "level"))
    if not bound or "name" not in bound:
        return None
    name, level = _text(bound["name"]), 0
    if "level" in bound:
        constant = bound["level"]
        if not (isinstance(constant, ast.Constant) and type(constant.value) is int):
            return None
        level = constant.value
    names = _texts(bound["fromlist"]) if "fromlist" in bound else []
    if name is None or (not name and not level):
        return None
    return name, level, tuple(names or ())


def _import_module(node: ast.Call) -> tuple[str, int, tuple[str, ...]] | None:
    bound = _arguments(node, ("name", "package"))
    if not bound or "name" not in bound:
        return None
    name = _text(bound["name"])
    if not name:
        return None
    module = name.lstrip(".")
    level = len(name) - len(module)
    anchor: str | None = None
    if "package" in bound:
        value = bound["package"]
        anchor = _text(value)
        if isinstance(value, ast.Name) and value.id in ("__package__", "__name__"):
            anchor = value.id
    if level and not anchor:
        return None
    return module, level, (anchor,) if anchor else ()
