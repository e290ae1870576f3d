"""The lexer finds what a plain visitor over the interpreter's own syntax tree finds, in every source."""

from __future__ import annotations

import ast
import io
import os
import random
import re
import site
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.core.import_facts import ImportContext, ImportForm
from hermpkg_build.source.imports import analyse_source

EVERYTHING = "HERMPKG_TEST_ALL_SOURCES"
"""Set to 1: compare every source of the environment. Set to folders (os.pathsep): every source in them."""

FUNCTION, TRY, TYPING, CONDITIONAL = (
    ImportContext.FUNCTION,
    ImportContext.TRY,
    ImportContext.TYPE_CHECKING,
    ImportContext.CONDITIONAL,
)
CATCHES = {"ImportError", "ModuleNotFoundError", "SyntaxError", "Exception", "BaseException"}
MEMBERS = {
    "builtins": {"__import__": ImportForm.DUNDER_IMPORT},
    "importlib": {"__import__": ImportForm.DUNDER_IMPORT, "import_module": ImportForm.IMPORT_MODULE},
}


class Reference(ast.NodeVisitor):
    """The specification as a visitor: what stands where, by the syntax tree alone."""

    def __init__(self, data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = compile(data, "<source>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        self.lines = decoded_lines(data)
        self.flags = ImportContext.TOP_LEVEL
        self.in_class = False
        self.in_formatted = False
        self.exports: list[str] | None = None
        self.exports_computed = False
        self.names_of_flag = {"TYPE_CHECKING"}
        self.importers = {"__import__": ImportForm.DUNDER_IMPORT}
        for module, members in MEMBERS.items():
            self.importers.update({f"{module}.{name}": form for name, form in members.items()})
        self.module_names: dict[str, str] = {}
        self.learn(tree)
        self.imports: list[tuple] = []
        self.dynamic: list[tuple] = []
        self.formatted: list[tuple] = []
        """Calls within f-strings, of which older interpreters do not know the place."""
        self.reads: set[tuple] = set()
        self.visit(tree)

    def learn(self, tree: ast.AST) -> None:
        imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        for node in sorted(imports, key=self.place):
            for alias in node.names:
                if isinstance(node, ast.Import):
                    top = alias.name.partition(".")[0]
                    self.module_names[alias.asname or top] = alias.name if alias.asname else top
                else:
                    parts = [node.module, alias.name] if node.module else [alias.name]
                    self.module_names[alias.asname or alias.name] = "." * node.level + ".".join(parts)
        for node in imports:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    for name, form in MEMBERS.get(alias.name, {}).items():
                        self.importers[f"{alias.asname or alias.name}.{name}"] = form
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    form = MEMBERS.get(node.module or "", {}).get(alias.name)
                    if form is not None and node.level == 0:
                        self.importers[alias.asname or alias.name] = form
                    if alias.name == "TYPE_CHECKING" and alias.asname:
                        self.names_of_flag.add(alias.asname)

    def place(self, node: ast.AST) -> tuple[int, int]:
        line = self.lines[node.lineno - 1].encode("utf-8", "surrogateescape")
        return node.lineno, len(line[: node.col_offset].decode("utf-8", "surrogateescape")) + 1

    def under(self, flags: ImportContext, nodes: Sequence[ast.AST] | ast.AST | None, **state: bool) -> None:
        before = self.__dict__.copy()
        self.flags = self.flags | flags
        for name, value in state.items():
            setattr(self, name, value)
        for node in nodes if isinstance(nodes, list) else [nodes] if nodes else []:
            self.visit(node)
        self.flags, self.in_class, self.in_formatted = (
            before["flags"],
            before["in_class"],
            before["in_formatted"],
        )

    # Blocks.

    def visit_FunctionDef(self, node) -> None:
        for field, value in ast.iter_fields(node):
            if field != "body":
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        self.visit(child)
        self.under(FUNCTION, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node) -> None:
        self.visit(node.args)
        self.under(FUNCTION, node.body)

    def visit_ClassDef(self, node) -> None:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt):
                self.visit(child)
        self.under(ImportContext.TOP_LEVEL, node.body, in_class=True)

    def visit_If(self, node) -> None:
        self.visit(node.test)
        value = self.value_of_flag(node.test)
        self.under({None: CONDITIONAL, True: ImportContext(0), False: TYPING}[value], node.body)
        self.under({None: CONDITIONAL, True: TYPING, False: ImportContext(0)}[value], node.orelse)

    def visit_For(self, node) -> None:
        for child in [getattr(node, name, None) for name in ("target", "iter", "test")]:
            if child:
                self.visit(child)
        self.under(CONDITIONAL, node.body + node.orelse)

    visit_AsyncFor = visit_While = visit_For

    def visit_With(self, node) -> None:
        for item in node.items:
            self.visit(item)
        guarded = any(self.suppresses(item.context_expr) for item in node.items)
        self.under(TRY if guarded else ImportContext(0), node.body)

    visit_AsyncWith = visit_With

    def visit_Match(self, node) -> None:
        self.visit(node.subject)
        for case in node.cases:
            self.under(CONDITIONAL, [n for n in (case.pattern, case.guard) if n] + case.body)

    def visit_Try(self, node) -> None:
        guarded = any(self.catches(handler.type) for handler in node.handlers)
        self.under(TRY if guarded else ImportContext(0), node.body)
        for handler in node.handlers:
            self.under(CONDITIONAL, ([handler.type] if handler.type else []) + handler.body)
        self.under(CONDITIONAL, node.orelse)
        self.under(ImportContext(0), node.finalbody)

    visit_TryStar = visit_Try

    def value_of_flag(self, test: ast.expr) -> bool | None:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            value = self.value_of_flag(test.operand)
            return None if value is None else not value
        name = dotted(test)
        known = name in self.names_of_flag or name.endswith(".TYPE_CHECKING")
        return False if known else None

    def catches(self, node: ast.expr | None) -> bool:
        if node is None:
            return True
        nodes = node.elts if isinstance(node, ast.Tuple) else [node]
        return any(dotted(n).rpartition(".")[2] in CATCHES for n in nodes)

    def suppresses(self, node: ast.expr) -> bool:
        return (
            isinstance(node, ast.Call)
            and dotted(node.func).rpartition(".")[2] == "suppress"
            and any(dotted(n).rpartition(".")[2] in CATCHES for n in node.args)
        )

    # Imports.

    def visit_Import(self, node) -> None:
        for alias in node.names:
            self.imports.append((alias.name, 0, (), ImportForm.IMPORT, self.flags, *self.place(node)))

    def visit_ImportFrom(self, node) -> None:
        names = tuple(alias.name for alias in node.names)
        form = ImportForm.FROM
        self.imports.append((node.module or "", node.level, names, form, self.flags, *self.place(node)))

    def visit_JoinedStr(self, node) -> None:
        self.under(ImportContext(0), list(ast.iter_child_nodes(node)), in_formatted=True)

    def visit_Call(self, node) -> None:
        form = self.importers.get(dotted(node.func))
        if form is not None:
            found = read_call(node, form)
            if self.in_formatted:
                self.formatted.append((form, found, self.flags))
            elif found:
                self.imports.append((*found, form, self.flags, *self.place(node)))
            else:
                text = " ".join((source_of(self.lines, node)).split())[:80]
                self.dynamic.append((text, self.flags, *self.place(node)))
        self.generic_visit(node)

    def visit_Name(self, node) -> None:
        if node.id in ("__file__", "__path__") and not self.in_formatted:
            self.reads.add((node.id, *self.place(node)))

    def visit_Attribute(self, node) -> None:
        first, _, rest = dotted(node.value).partition(".")
        in_parentheses = self.place(node) != self.place(node.value)
        if node.attr in ("__file__", "__path__") and not self.in_formatted and not in_parentheses:
            module = self.module_names.get(first)
            if module:
                absolute = [] if module.startswith(".") else [module, *rest.split(".")] if rest else [module]
                self.reads.add((".".join([*absolute, node.attr]), *self.place(node)))
        self.generic_visit(node)

    # __all__.

    def visit_Assign(self, node) -> None:
        self.follow_exports(node, node.targets[0])
        self.generic_visit(node)

    def visit_AnnAssign(self, node) -> None:
        self.follow_exports(node, node.target)
        self.generic_visit(node)

    visit_AugAssign = visit_AnnAssign

    def visit_Expr(self, node) -> None:
        self.follow_exports(node, node.value)
        self.generic_visit(node)

    def follow_exports(self, node, first: ast.expr) -> None:
        if self.flags & (FUNCTION | TYPING) or self.in_class:
            return
        leaf = first
        while not isinstance(leaf, ast.Name):
            child = next(iter(ast.iter_child_nodes(leaf)), None)
            if not isinstance(child, ast.expr):
                return
            leaf = child
        at_start = (leaf.lineno, leaf.col_offset) == (node.lineno, node.col_offset)
        if leaf.id != "__all__" or not at_start:
            return
        if isinstance(node, ast.AnnAssign) and node.value is None:
            return
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and first is leaf:
            single = not isinstance(node, ast.Assign) or len(node.targets) == 1
            names = texts(node.value) if single else None
            if names is not None and (not self.flags or self.exports is None):
                self.exports, self.exports_computed = names, False
            elif names is None:
                self.exports, self.exports_computed = [], True
            else:
                self.exports = self.exports + names
            return
        names = None
        if isinstance(node, ast.AugAssign) and first is leaf and isinstance(node.op, ast.Add):
            names = texts(node.value)
        elif isinstance(node, ast.Expr) and isinstance(first, ast.Call):
            names = added_by(first)
        if names is None or self.exports is None:
            self.exports, self.exports_computed = [], True
        else:
            self.exports = self.exports + names


def added_by(call: ast.Call) -> list[str] | None:
    if len(call.args) != 1 or call.keywords:
        return None
    if dotted(call.func) == "__all__.append":
        one = text(call.args[0])
        return None if one is None else [one]
    return texts(call.args[0]) if dotted(call.func) == "__all__.extend" else None


def decoded_lines(data: bytes) -> list[str]:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data.replace(b"\r", b"\n")).readline)
    decoded = data.decode(encoding, "surrogateescape").removeprefix("\ufeff")
    return decoded.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def source_of(lines: list[str], node: ast.expr) -> str:
    first, last = node.lineno - 1, node.end_lineno - 1
    picked = [line.encode("utf-8", "surrogateescape") for line in lines[first : last + 1]]
    picked[-1] = picked[-1][: node.end_col_offset]
    picked[0] = picked[0][node.col_offset :]
    return b"\n".join(picked).decode("utf-8", "replace")


def dotted(node: ast.AST) -> str:
    """The dotted name of an expression that is written as one: without parentheses in it."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and node.value.col_offset == node.col_offset:
        prefix = dotted(node.value)
        return f"{prefix}.{node.attr}" if prefix else ""
    return ""


def text(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and all(isinstance(v, ast.Constant) for v in node.values):
        return "".join(value.value for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [text(node.left), text(node.right)]
        return None if None in sides else "".join(sides)
    return None


def texts(node: ast.expr) -> list[str] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = texts(node.left), texts(node.right)
        return None if left is None or right is None else left + right
    if isinstance(node, (ast.List, ast.Tuple)):
        values = [text(element) for element in node.elts]
        return None if None in values else values
    return None


def read_call(node: ast.Call, form: ImportForm) -> tuple[str, int, tuple[str, ...]] | None:
    dunder = form is ImportForm.DUNDER_IMPORT
    parameters = ["name", "globals", "locals", "fromlist", "level"] if dunder else ["name", "package"]
    if len(node.args) > len(parameters) or any(isinstance(a, ast.Starred) for a in node.args):
        return None
    bound = dict(zip(parameters, node.args, strict=False))
    for keyword in node.keywords:
        if keyword.arg not in parameters or keyword.arg in bound:
            return None
        bound[keyword.arg] = keyword.value
    name = text(bound.get("name"))
    if name is None:
        return None
    if dunder:
        level = 0
        if "level" in bound:
            if not (isinstance(bound["level"], ast.Constant) and type(bound["level"].value) is int):
                return None
            level = bound["level"].value
        names = texts(bound["fromlist"]) if "fromlist" in bound else []
        return (name, level, tuple(names or ())) if name or level else None
    level = len(name) - len(name.lstrip("."))
    anchor = text(bound["package"]) if "package" in bound else None
    own = isinstance(bound.get("package"), ast.Name) and bound["package"].id in ("__package__", "__name__")
    if not name or (level and not anchor and not own):
        return None
    return name.lstrip("."), level, (anchor,) if anchor else ()


def difference(data: bytes) -> str:
    """What analyse_source and the reference do not agree on; "" where they agree or the source is invalid."""
    facts = analyse_source(data)
    try:
        reference = Reference(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    if facts.syntax_problem:
        return f"a problem with a valid source: {facts.syntax_problem}"
    expected = sorted(reference.imports, key=lambda row: row[5:])
    found = [(i.module, i.level, i.names, i.form, i.context, i.line, i.column) for i in facts.imports]
    dynamic = sorted(reference.dynamic, key=lambda row: row[2:])
    found_dynamic = [(d.text, d.context, d.line, d.column) for d in facts.dynamic]
    for what in reference.formatted:
        remove_call(what, found, found_dynamic, set(expected), set(dynamic))
    if found != expected:
        return f"imports differ: {only(found, expected)}"
    if found_dynamic != dynamic:
        return f"dynamic imports differ: {only(found_dynamic, dynamic)}"
    exports = None if reference.exports is None or reference.exports_computed else reference.exports
    if facts.exports != (None if exports is None else tuple(dict.fromkeys(exports))):
        return f"__all__ differs: {facts.exports} and {exports}"
    missing = reference.reads - {(use.name, use.line, use.column) for use in facts.uses}
    return f"uses missing: {missing}" if missing else ""


def remove_call(call, imports: list, dynamic: list, expected: set, expected_dynamic: set) -> None:
    """Take one call within an f-string out of what was found; its place is not compared."""
    form, found, flags = call
    for row in imports:
        if found and row[:5] == (*found, form, flags) and row not in expected:
            imports.remove(row)
            return
    for row in dynamic:
        if not found and row[1] == flags and row not in expected_dynamic:
            dynamic.remove(row)
            return
    raise AssertionError(f"a call within an f-string was not found: {call}")


def only(found: list, expected: list) -> str:
    return (
        f"found {[r for r in found if r not in expected]}, expected {[r for r in expected if r not in found]}"
    )


def environment_sources() -> list[str]:
    folders = [sysconfig.get_path("stdlib"), *site.getsitepackages()]
    return sources_in(folders)


def sources_in(folders: Sequence[str]) -> list[str]:
    return sorted({str(path) for folder in folders for path in Path(folder).rglob("*.py")})


def mismatches(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        try:
            data = Path(path).read_bytes()
        except OSError:
            continue
        problem = difference(data)
        if problem:
            yield f"{path}: {problem}"


# The tests.


@pytest.mark.parametrize("size", [200, pytest.param(6_000, marks=pytest.mark.thorough)])
def test_every_source_of_the_environment(size: int) -> None:
    wanted = os.environ.get(EVERYTHING, "")
    if wanted and wanted != "1":
        paths = sources_in(wanted.split(os.pathsep))
    else:
        paths = environment_sources()
        if not wanted:
            paths = sample(paths, size)
    assert paths
    assert list(mismatches(paths)) == []


def sample(paths: Sequence[str], size: int, limit: int = 200_000) -> list[str]:
    """Always the same sources out of `paths`: those made to be odd, and others spread over all of them."""
    odd = [path for path in paths if any(mark in path for mark in ODD) and os.path.getsize(path) < limit]
    others = sorted(set(paths) - set(odd))
    random.Random(20).shuffle(others)
    return odd + [path for path in others[:size] if os.path.getsize(path) < limit]


ODD = (
    "lib2to3/tests/data",
    "/test/bad_",
    "/test/badsyntax",
    "/test/encoded_modules",
    "/test/test_coding",
    "/test/test_fstring",
    "/test/test_grammar",
    "/test/test_import/",
    "/test/test_patma",
    "/test/test_source_encoding",
    "/test/test_string_literals",
    "/test/test_tokenize",
    "/test/test_unicode_identifiers",
    "/test/test_unparse",
    "/test/tokenize_tests",
)

MODULES = st.sampled_from(["os", "a.b", "a . b", "ａ", "é", "import_", "x.\\\n  y", "importlib"])
NAMES = st.sampled_from(["b", "b as c", "import_module", "import_module as im", "TYPE_CHECKING as TC", "ﬁ"])
STRINGS = st.sampled_from(
    [
        "'import a'",
        '"""\nimport a\nfrom b import c\n"""',
        "'''\n# it's\nimport a'''",
        "'a\\\nimport b'",
        "r'\\\\'",
        "r'\\''x'",
        "b'import a'",
        '"#"',
        '\'"""\'',
        "f'{x}'",
        "f\"{d['import a']}\"",
        "f'''{\nx!r:>{\nwidth}}\nimport a'''",
        "f'{{import a}}'",
        "f'{(lambda: 1)}'",
        "rf'\\{x}'",
        "'' ''",
        '""""""',
        "u'\\N{BULLET}'",
        "f'\\N{BULLET}{x}'",
    ]
)
CALLS = st.sampled_from(
    [
        "__import__('x.y')",
        "__import__(name='x', level=1, fromlist=('a', 'b'))",
        "__import__(x)",
        "__import__(*x)",
        "il.import_module('.a', __package__)",
        "importlib.import_module('.a' '.b', package=\"p\" + 'q')",
        "importlib . import_module(('a'))",
        "im(f'a{{}}')",
        "im(f'{a}')",
        "im('a', b)",
        "x.__import__('a')",
        "(lambda: __import__('a'))",
        "(lambda a=__import__('b'), *, c: __import__('a'))",
        "[__import__('a') for x in y if __import__('b')]",
        "{lambda: im('a'): im('b')}",
        "__file__",
        "f(__file__=1)",
        "x.__path__",
        "a.__file__",
        "f(b.c.__path__)",
        "d . __file__",
    ]
)
EXPRESSIONS = st.one_of(
    STRINGS,
    CALLS,
    st.tuples(STRINGS, CALLS).map(lambda p: f"({p[0]},\n{p[1]}\n  # import z\n)"),
    st.tuples(CALLS, STRINGS).map(lambda p: f"[{p[0]}\nif {p[1]}\nelse 0\nfor x in y\nif z]"),
    st.tuples(CALLS, CALLS).map(lambda p: f"{p[0]} \\\n  if {p[1]} \\\n else 1"),
)
EXPORTS = st.sampled_from(
    [
        "__all__ = ['a', 'b' 'c']",
        "__all__ = 'a', 'b'",
        "__all__ = ('a')",
        "__all__: list[str] = ['x'] + (['y'])",
        "__all__: list",
        "__all__ += ['d',]",
        "__all__ += x",
        "__all__.extend(('e',))",
        "__all__.append('f')",
        "__all__.remove('a')",
        "__all__ = x.__all__ + ['a']",
        "__all__ = y = ['a']",
        "x.__all__ = ['a']",
        "y = __all__ = ['z']",
    ]
)
SIMPLE = st.one_of(
    MODULES.map("import {}".format),
    st.tuples(MODULES, MODULES).map(lambda p: f"import {p[0]} as m, {p[1]}"),
    st.just("import importlib as il"),
    st.tuples(st.sampled_from(["", ".", "..", "...", ". .. "]), MODULES, NAMES).map(
        lambda p: f"from {p[0]}{p[1]} import {p[2]}"
    ),
    st.tuples(NAMES, NAMES).map(lambda p: f"from .import({p[0]}, # import z\n\n{p[1]},)"),
    st.tuples(MODULES, NAMES).map(lambda p: f"from {p[0]} \\\n import {p[1]}"),
    EXPRESSIONS,
    EXPRESSIONS.map("x = {}".format),
    EXPRESSIONS.map("print(1, {})".format),
    EXPORTS,
    st.sampled_from(["pass", "match = 5", "case[1]: int = 3", "match[x]", "type = 1", "import\\\n os"]),
)
TESTS = st.one_of(
    st.sampled_from(
        [
            "TYPE_CHECKING",
            "not TYPE_CHECKING",
            "t.TYPE_CHECKING",
            "TC",
            "(not (TC))",
            "not not TC",
            "x and TC",
        ]
    ),
    EXPRESSIONS,
)
CAUGHT = st.sampled_from(
    [
        "",
        " ImportError",
        " KeyError as e",
        "(KeyError, x.ImportError)",
        " (Exception) as e",
        " ((A, ImportError), B)",
    ]
)
ITEMS = st.sampled_from(
    [
        "suppress(ImportError)",
        "(c.suppress(A, ImportError) as x, y)",
        "x as y",
        "suppress(A), b",
        "x(suppress(A))",
    ]
)


@st.composite
def blocks(draw, depth: int = 3) -> list[str]:
    """Some statements as logical lines, which can hold newlines of their own."""
    return [line for _ in range(draw(st.integers(1, 3))) for line in draw(statements(depth))]


@st.composite
def statements(draw, depth: int) -> list[str]:
    lines = draw(
        st.sampled_from([[], [], [], ["# import a\n"], ["\n"], ["\f\n"], ["   # '''\n"], ["  \t\n"]])
    )
    kind = draw(st.sampled_from(KINDS)) if depth else "line"
    if kind == "line":
        parts = "; ".join(draw(st.lists(SIMPLE, min_size=1, max_size=3)))
        return [*lines, parts + draw(st.sampled_from(["", ";", "  # import q; import r"])) + "\n"]
    for header in draw(HEADERS[kind]):
        if draw(st.integers(0, 4)) == 0:
            lines = [*lines, f"{header} {'; '.join(draw(st.lists(SIMPLE, min_size=1, max_size=2)))}\n"]
        else:
            blank = draw(st.sampled_from([" ", "  ", "    ", "\t"]))
            lines = [*lines, f"{header}\n", *(blank + line for line in draw(blocks(depth - 1)))]
    return lines


HEADERS = {
    "class": st.just(["class A(__import__('a').B):"]),
    "def": EXPRESSIONS.map(lambda e: [f"def f(a={e}\n, b: int = 1\n) -> x:"]),
    "async": st.just(["async def f():"]),
    "if": st.tuples(TESTS, TESTS, st.booleans(), st.booleans()).map(
        lambda p: [f"if {p[0]}:", *([f"elif {p[1]}:"] if p[2] else []), *(["else :"] if p[3] else [])]
    ),
    "for": st.tuples(EXPRESSIONS, st.booleans()).map(
        lambda p: [f"for x in {p[0]}:", *(["else:"] if p[1] else [])]
    ),
    "while": EXPRESSIONS.map(lambda e: [f"while {e}:"]),
    "try": st.tuples(CAUGHT, CAUGHT, st.booleans(), st.booleans()).map(
        lambda p: [
            "try:",
            *([f"except{p[0]}:"] if p[0] else []),
            f"except{p[1]}:",
            *(["else:"] if p[2] else []),
            *(["finally:"] if p[3] else []),
        ]
    ),
    "with": ITEMS.map(lambda i: [f"with {i}:"]),
}
KINDS = ["line", "line", *HEADERS, "line"]


@given(
    blocks(),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"# coding: utf-8\n"]),
)
@settings(max_examples=150, deadline=None)
def test_made_up_sources(body: list[str], newline: str, head: bytes) -> None:
    source = head + "".join(body).replace("\n", newline).encode()
    assert difference(source) == ""


SNIPPETS = (
    "\n",
    ";",
    "\\\n",
    "  # import x\n",
    "(",
    ")",
    "'",
    '"',
    "'''",
    '"""',
    "f'",
    "f'{",
    "}",
    "lambda: ",
    " if x else ",
    "import x",
    "\nimport x\n",
    "; from . import x",
    "\n    import x\n",
    "\nif x: ",
    "\ntry:\n import y\nexcept ImportError: ",
    "__import__('x')",
    "\t",
    "\f",
    ":",
    "else:\n",
    "[",
    "]",
    ",",
    "#",
)


def mutant(source: str, chance: random.Random) -> str:
    """`source` with a few tokens or lines deleted, doubled, moved, or other text put between them."""
    for _ in range(chance.randint(1, 3)):
        pieces = re.findall(r"\w+|[^\S\n]+|\n|.", source) or [""]
        at = chance.randrange(len(pieces))
        match chance.randrange(5):
            case 0:
                del pieces[at]
            case 1:
                pieces[at] = chance.choice(pieces)
            case 2:
                pieces.insert(at, chance.choice(pieces))
            case _:
                pieces.insert(at, chance.choice(SNIPPETS))
        source = "".join(pieces)
    return source


def mutants(paths: Sequence[str], *, seed: int, count: int) -> Iterator[str]:
    """Sources made from real ones, by a generator of fixed seed; made of some statements of each."""
    chance = random.Random(seed)
    for _ in range(count):
        try:
            source = Path(chance.choice(paths)).read_text(encoding="utf-8")
        except ValueError:
            continue
        lines = source.splitlines(keepends=True)
        starts = [i for i, line in enumerate(lines) if line[:1].isalpha() or line[:1] == "@"]
        if starts:
            start = chance.choice(starts)
            yield mutant("".join(lines[start : start + chance.randint(1, 60)]), chance)


def test_mutants_of_real_sources() -> None:
    compared = 0
    for source in mutants(sample(environment_sources(), 200), seed=7, count=4_000):
        problem = difference(source.encode())
        assert problem == "", source
        compared += parses(source.encode())
    assert compared > 300


def parses(source: bytes) -> bool:
    try:
        Reference(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


@given(st.one_of(st.binary(), st.lists(st.sampled_from(SNIPPETS)).map("".join).map(str.encode)))
@settings(max_examples=500, deadline=None)
def test_nothing_raises(data: bytes) -> None:
    assert difference(data) == ""
