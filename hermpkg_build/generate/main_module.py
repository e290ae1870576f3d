"""Makes a module of what is defined in ``__main__``: a script, a notebook, an interactive session.

The module has the definitions that are asked for and what these refer to: imports, other definitions, and
variables whose value can be written down. Nothing is run again.
"""

from __future__ import annotations

import ast
import linecache
import os
import re
import symtable
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import ActionError, Location
from hermpkg_build.generate.literals import Unwritable, imported_as, written
from hermpkg_build.generate.source_match import is_source_of

MAIN = "__main__"
_CELL = re.compile(r"ipykernel_\d+|<(?:i?python|stdin)-(?:input)?-?")
_BLOCKS = (ast.If, ast.Try, ast.With, ast.For, ast.While)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class _Binding:
    """One statement that gives names to something, in a text; `place` orders them as they were run."""

    node: ast.stmt
    names: frozenset[str]
    file: str
    text: str
    place: tuple[int, int]

    @property
    def lines(self) -> range:
        """The numbers of the lines of the statement, those of decorators included."""
        first = min([self.node.lineno, *(d.lineno for d in getattr(self.node, "decorator_list", ()))])
        return range(first, (self.node.end_lineno or first) + 1)

    @property
    def source(self) -> str:
        """The statement as it is written, with its decorators, from the first column."""
        lines = self.text.splitlines(keepends=True)[self.lines.start - 1 : self.lines.stop - 1]
        indent = len(lines[0]) - len(lines[0].lstrip())
        if not indent:
            return "".join(lines).rstrip("\n")
        # What stands in a block cannot be moved line by line: a text in it may span several.
        return ast.unparse(self.node)


@dataclass(slots=True)
class MainModule:
    """What a new module takes over from ``__main__``: `name` is that of the new one.

    `wanted` are the names at the top of ``__main__`` that pickles ask for.
    """

    name: str
    namespace: Mapping[str, Any]
    texts: Sequence[tuple[str, str]]
    wanted: set[str] = field(default_factory=set)

    @classmethod
    def here(cls) -> MainModule:
        """The ``__main__`` of this process."""
        main = sys.modules[MAIN]
        file = getattr(main, "__file__", None)
        return cls(name=_name_for(file), namespace=vars(main), texts=[*_texts_of(file, vars(main))])

    def source(self) -> str:
        """The source of the new module.

        Raises ActionError where a definition needs a value that cannot be written down, or where the source
        of a definition is not known any more.
        """
        return _Writer(self).source()


def _place(binding: _Binding) -> Location:
    """Where a definition stands; that of a cell is told by the number that the notebook shows."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    number = getattr(getattr(shell, "compile", None), "_filename_map", {}).get(binding.file)
    return Location(binding.file if number is None else f"cell In[{number}]", binding.node.lineno)


def _name_for(file: str | None) -> str:
    """A name that no module of the script's own folder has."""
    stem = re.sub(r"\W", "_", os.path.splitext(os.path.basename(file))[0]) if file else "notebook"
    return f"{stem}_main" if not stem[:1].isdigit() else f"script_{stem}_main"


def _texts_of(file: str | None, namespace: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts of ``__main__`` with the names of their files, in the order in which they were run.

    Its own file comes first, then others that were run in it, as ``%run`` of a notebook does.
    """
    local = [value for value in [*namespace.values()] if getattr(value, "__module__", None) == MAIN]
    codes = [getattr(value, "__code__", None) or _code_of_class(value) for value in local]
    run = sorted({code.co_filename for code in codes if isinstance(code, CodeType)} - {file})
    for path in [*([file] if file is not None else []), *run]:
        if os.path.isfile(path) and not path.endswith(".pyc"):
            with open(path, "rb") as source:
                data = source.read()
            yield path, _decoded(data)
    for name, entry in list(linecache.cache.items()):
        if len(entry) == 4 and entry[1] is None and _CELL.search(name):
            yield name, "".join(entry[2])


def _decoded(data: bytes) -> str:
    """The text of a source file in the encoding that it declares."""
    import io
    import tokenize

    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding)


class _Writer:
    """Collects the parts of the new module, each with the names that it needs."""

    def __init__(self, module: MainModule) -> None:
        self._module = module
        self._namespace = module.namespace
        self._bindings = [*_bindings(module.texts)]
        self._parts: dict[str, tuple[tuple[int, int], str]] = {}
        """What to write for a name, and where."""
        self._needs: dict[str, frozenset[str]] = {}
        """The names that must be there before a part runs."""
        self._imports: set[str] = set()
        self._last: list[str] = []

    def source(self) -> str:
        queue = [(name, "") for name in sorted(self._module.wanted)]
        for name, user in queue:
            if name not in self._parts and name in self._namespace and not _is_special(name):
                queue += [(other, name) for other in sorted(self._take(name, user))]
        future = _future_line(self._module.texts)
        head = "\n".join([*([future] if future else []), *sorted(self._imports)])
        body = [text for _, text in self._in_order() if text]
        return "\n\n".join([*([head] if head else []), *body, *self._last]) + "\n"

    def _take(self, name: str, user: str) -> Iterable[str]:
        """Write down what a name stands for; return the names that this needs in turn."""
        value = self._namespace[name]
        binding = self._binding_of(name, value)
        outside = imported_as(name, value, MAIN)
        if outside is not None:
            self._imports.add(outside)
            self._parts[name] = (0, 0), ""
            return ()
        if binding is not None and (isinstance(binding.node, _DEFINITIONS) or _is_made_again(value)):
            return self._copy(name, binding)
        return self._write(name, user, value, binding)

    def _write(self, name: str, user: str, value: object, binding: _Binding | None) -> Iterable[str]:
        """Give a variable the value that it has now."""
        try:
            if self._local_name(value) == name:
                raise Unwritable(f"the source of {name}")
            expression = written(value, self._local_name)
        except Unwritable as error:
            raise self._unwritable(name, user, value, binding, error) from None
        self._imports.update(expression.imports)
        text = f"{name} = {expression.text}"
        if binding is None or not expression.names or not _is_empty_at_first(binding.node):
            self._parts[name] = (binding.place if binding is not None else (0, 0)), text
            self._needs[name] = frozenset(expression.names)
            return expression.names
        # Definitions may enter themselves in it when they are made: a table of classes.
        self._last.append(text)
        return {*expression.names, *self._copy(name, binding)}

    def _copy(self, name: str, binding: _Binding) -> Iterable[str]:
        source = binding.source
        if not is_source_of(self._namespace[name], binding.text, binding.file, binding.lines):
            raise ActionError(
                f"{name}, as it runs here, is not what its source says now",
                location=_place(binding),
                next_step="run it again, and do not change it before it has packed the model",
            )
        for other in binding.names:
            self._parts[other] = binding.place, ""
        self._parts[name] = binding.place, source
        self._needs[name] = frozenset(_names_at_once(binding.node)) - {name}
        return _free_names(source, binding.file) - binding.names

    def _binding_of(self, name: str, value: object) -> _Binding | None:
        """The statement that has given a name its value: the definition at its line, else the last one."""
        found = [binding for binding in self._bindings if name in binding.names]
        code = getattr(value, "__code__", None) or _code_of_class(value)
        if code is not None:
            inside = [b for b in found if b.file == code.co_filename and code.co_firstlineno in b.lines]
            found = inside or found
        return found[-1] if found else None

    def _local_name(self, value: Any) -> str | None:
        """The name in ``__main__`` of a class or function that is defined there."""
        name = getattr(value, "__qualname__", "")
        if getattr(value, "__module__", None) == MAIN and self._namespace.get(name.partition(".")[0]):
            return str(name)
        return None

    def _unwritable(
        self, name: str, user: str, value: object, binding: _Binding | None, error: Unwritable
    ) -> ActionError:
        where = _place(binding) if binding is not None else None
        kind = type(value).__qualname__
        if name in self._module.wanted:
            return ActionError(
                f"the source of {name}, which is defined in {MAIN}, cannot be found",
                location=where,
                next_step="define it in a module of its own and import it",
            )
        return ActionError(
            f"{user or 'the model'} needs the value of {name}, a {kind}, which cannot be written down",
            location=where,
            facts=[("value", str(error))] if str(error) else [],
            next_step=(
                f"give {name} to {user or 'it'} as an argument or an attribute, so that it is saved with the"
                f" model, or define {user or 'it'} and {name} in a module of their own"
            ),
        )

    def _in_order(self) -> list[tuple[tuple[int, int], str]]:
        """The parts as they were written, but each behind those that it needs to run."""
        ordered: list[tuple[tuple[int, int], str]] = []
        done: set[str] = set()

        def put(name: str) -> None:
            if name in done or name not in self._parts:
                return
            done.add(name)
            for other in sorted(self._needs.get(name, ())):
                put(other)
            ordered.append(self._parts[name])

        for name in sorted(self._parts, key=lambda name: (self._parts[name][0], name)):
            put(name)
        return ordered


def _bindings(texts: Sequence[tuple[str, str]]) -> Iterator[_Binding]:
    for number, (file, text) in enumerate(texts):
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        for node in _statements(tree.body):
            names = frozenset(_bound_names(node))
            if names:
                yield _Binding(node=node, names=names, file=file, text=text, place=(number + 1, node.lineno))


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements at the top of a module, those in its blocks included."""
    for node in body:
        yield node
        if isinstance(node, _BLOCKS):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, ()))
            for handler in getattr(node, "handlers", ()):
                yield from _statements(handler.body)


def _bound_names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, _DEFINITIONS):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
    elif type(node).__name__ == "TypeAlias":
        yield node.name.id  # type: ignore[attr-defined]


def _is_empty_at_first(node: ast.stmt) -> bool:
    """Whether a statement makes a container with nothing in it: ``TABLE = {}``, ``defaultdict(list)``."""
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    if isinstance(value, ast.Call):
        return not value.keywords and all(isinstance(each, ast.Name) for each in value.args)
    return (isinstance(value, ast.Dict) and not value.keys) or (
        isinstance(value, ast.List) and not value.elts
    )


def _is_special(name: str) -> bool:
    """Whether every module has a value of its own for the name: ``__name__``, ``__file__``."""
    return name.startswith("__") and name.endswith("__")


def _code_of_class(value: object) -> Any:
    """The code of some function that is written in the body of a class."""
    if not isinstance(value, type):
        return None
    for part in vars(value).values():
        function = getattr(part, "__func__", None) or getattr(part, "fget", None) or part
        if not isinstance(function, FunctionType) or function.__module__ != MAIN:
            continue
        # What decorators add is made in a text of their own.
        is_written = function.__code__.co_filename != "<string>"
        if function.__qualname__.startswith(f"{value.__qualname__}.") and is_written:
            return function.__code__
    return None


def _is_made_again(value: object) -> bool:
    """Whether running the statement again makes the same: a named tuple, an alias of types, a lambda."""
    module = type(value).__module__
    is_local = getattr(value, "__module__", None) == MAIN and isinstance(value, (type, FunctionType))
    return is_local or module == "typing" or type(value).__name__ in ("GenericAlias", "UnionType")


def _free_names(source: str, file: str) -> set[str]:
    """The global names that a statement refers to, wherever in it."""
    found: set[str] = set()

    def collect(table: symtable.SymbolTable) -> None:
        top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (top or symbol.is_global()):
                found.add(symbol.get_name())
        for child in table.get_children():
            collect(child)

    collect(symtable.symtable(source, file, "exec"))
    return found | _names_in_texts(ast.parse(source))


def _names_in_texts(tree: ast.AST) -> set[str]:
    """The names in annotations that are written as texts."""
    found: set[str] = set()
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is None:
                continue
            for part in ast.walk(annotation):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found.update(re.findall(r"(?<![\w.])[A-Za-z_]\w*", part.value))
    return found


def _names_at_once(node: ast.AST) -> set[str]:
    """The names that a statement refers to when it runs, not when its functions are called."""
    found: set[str] = set()
    queue: list[ast.AST] = [node]
    for each in queue:
        if isinstance(each, ast.Name):
            found.add(each.id)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            queue += [part for part in ast.iter_child_nodes(each) if isinstance(part, ast.arguments)]
            queue += [*getattr(each, "decorator_list", ()), *filter(None, [getattr(each, "returns", None)])]
        else:
            queue += ast.iter_child_nodes(each)
    return found


def _future_line(texts: Sequence[tuple[str, str]]) -> str:
    """The ``from __future__`` line that the texts have between them."""
    names: set[str] = set()
    for _, text in texts:
        for match in re.finditer(r"^from __future__ import ([\w, ]+)", text, re.MULTILINE):
            names.update(name.strip() for name in match[1].split(","))
    return f"from __future__ import {', '.join(sorted(names))}" if names else ""


def module_of(main: MainModule) -> ModuleType:
    """A stand-in for the new module in this process, with what ``__main__`` has."""
    module = ModuleType(main.name)
    vars(module).update({k: v for k, v in main.namespace.items() if not k.startswith("__")})
    return module
