"""Proposes the functions of a project that make a model, by their sources: nothing runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from hermpkg_build.core.spelling import did_you_mean
from hermpkg_build.dataclass import dataclass
from hermpkg_build.generate.project.sources import ProjectSources
from hermpkg_build.loading.declared_modules import module_name

_MODULE_BASES = frozenset({"Module", "LightningModule", "PreTrainedModel", "ScriptModule", "Sequential"})
_NAMES = re.compile(
    r"^(?:build|make|create|get|load|init|construct|define)_?(?:\w*_)?"
    r"(?:model|net|network|detector|classifier|regressor|predictor|segmenter|policy)s?$"
    r"|^model_fn$|^(?:pre)?trained(?:_\w*)?$"
)
_RESULTS = re.compile(r"(?:^|_)(?:model|net|network)$")
"""Variables that hold a model."""
_REGISTRIES = re.compile(r"(?:^|_)(?:MODEL|NET|NETWORK|DETECTOR|CLASSIFIER|BACKBONE|ARCHITECTURE)S?(?:_|$)")
_BY_REGISTRY = frozenset({"build", "create", "get", "make", "get_model"})
_EXAMPLES = re.compile(
    r"^(?:make_|get_|build_)?(?:example|sample|dummy)(?:_(?:inputs?|args|arguments|batch))?$"
)

_HUB = "hubconf"
"""The module whose public functions make models for `torch.hub.load`."""
_LOADERS = re.compile(r"^(?:load_)?from_\w+$")
_NO_MODELS = re.compile(r"(?:Tokenizer(?:Fast)?|Processor|Extractor|Config|Dataset)$")
"""Classes whose methods such as ``from_pretrained`` give what goes with a model."""

_SHOWN = 3
_CLASS = 3
_LAYER = 4
"""How likely what makes a layer makes the model: less than all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A function or class that may make a model; `needed` are its parameters without a default."""

    factory: str
    file: str
    line: int
    reason: str
    rank: int
    needed: tuple[str, ...] = ()


def candidates(sources: ProjectSources, source_roots: tuple[str, ...]) -> list[Candidate]:
    """The functions that seem to return a model, the most likely first; then classes of models.

    Functions that need no argument come before those that do: they can be run as they are.
    """
    classes, parts = _model_classes(sources), _called_in_classes(sources)
    found, makers = [], _functions_that_make(sources, classes)
    for path in sources.code:
        module, tree = module_name(path, source_roots), sources.tree(path)
        if module is None or tree is None:
            continue
        for node in tree.body:
            reason, rank = _reason(node, classes, parts, makers)
            if not reason and module == _HUB and isinstance(node, ast.FunctionDef) and node.name[0] != "_":
                reason, rank = "is what torch.hub calls", 0
            if reason and isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.append(
                    Candidate(
                        factory=f"{module}:{node.name}",
                        file=path,
                        line=node.lineno,
                        reason=reason,
                        rank=rank,
                        needed=_needed(node),
                    )
                )
    return sorted(found, key=_likelihood)


def _likelihood(each: Candidate) -> tuple[object, ...]:
    """What candidates are sorted by."""
    return max(each.rank, _CLASS - 1), bool(each.needed), each.rank, len(each.needed), each.file, each.line


def parameters_of(tree: ast.Module | None, name: str) -> tuple[str, ...]:
    """The parameters without a default of the function or class `name` of a module, as far as that tells."""
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name and not node.decorator_list:
            return _needed(node)
    return ()


def meant_instead_of(tree: ast.Module | None, name: str) -> str:
    """The function or class of a module that is spelled most like `name`, which the module does not bind.

    "" where it may bind that, or where none is much like it.
    """
    if tree is None:
        return ""
    for node in ast.walk(tree):
        mentioned = getattr(node, "asname", None) or getattr(node, "name", getattr(node, "id", None))
        if mentioned in (name, "*"):
            return ""
    known = [each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.ClassDef)]
    return did_you_mean(name, known)


def example_of(tree: ast.Module | None) -> str:
    """The function of a module that gives an example of the model's arguments; "" for none."""
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.FunctionDef) and _EXAMPLES.search(node.name) and not _needed(node):
            return node.name
    return ""


def _model_classes(sources: ProjectSources) -> frozenset[str]:
    """The names of the classes that are modules of torch, by their bases."""
    bases: dict[str, set[str]] = {}
    for path in sources.code:
        tree = sources.tree(path)
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, set()).update(map(_last_name, node.bases))
    known = set(_MODULE_BASES)
    while new := {name for name, parents in bases.items() if name not in known and parents & known}:
        known |= new
    return frozenset(known)


def _functions_that_make(sources: ProjectSources, classes: frozenset[str]) -> frozenset[str]:
    """The names of the functions that seem to return a model, also by others of them."""
    functions = [
        node
        for path in sources.code
        for node in getattr(sources.tree(path), "body", ())
        if isinstance(node, ast.FunctionDef)
    ]
    known: frozenset[str] = frozenset()
    while new := {f.name for f in functions if _reason_of_function(f, classes, known)[0]} - known:
        known |= new
    return known


def _called_in_classes(sources: ProjectSources) -> frozenset[str]:
    """The names that the code of classes calls: those of layers, of which models are made."""
    return frozenset(
        _last_name(call.func)
        for path in sources.code
        for node in ast.walk(sources.tree(path) or ast.Module([], []))
        if isinstance(node, ast.ClassDef)
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
    )


def _reason(
    node: ast.stmt, classes: frozenset[str], parts: frozenset[str], makers: frozenset[str]
) -> tuple[str, int]:
    """Why a statement may define what makes a model, and how likely that is, 0 the most; "" for no reason.

    What classes call makes a layer rather than a model.
    """
    if isinstance(node, ast.ClassDef):
        base = next((name for name in map(_last_name, node.bases) if name in classes), "")
        return (f"is a {base}", _LAYER if node.name in parts else _CLASS) if base else ("", 0)
    reason, rank = _reason_of_function(node, classes, makers)
    return reason, _LAYER if getattr(node, "name", "") in parts else rank


def _reason_of_function(node: ast.stmt, classes: frozenset[str], makers: frozenset[str]) -> tuple[str, int]:
    if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
        return "", 0
    annotated = _last_name(node.returns) if node.returns is not None else ""
    if annotated in classes:
        return f"returns {annotated}, by its annotation", 0
    returned = [*_returned(node)]
    if models := [*dict.fromkeys(name for name in returned if name in classes)]:
        return f"returns a {', a '.join(models[:_SHOWN])}", 1 if models[0] in _MODULE_BASES else 0
    made = next((name for name in returned if name in makers or "." in name or _NAMES.search(name)), "")
    if made and made != node.name:
        return f"returns what {made} gives", 2
    if _NAMES.search(node.name):
        return "is called so", 2
    variable = next((name for name in _names_returned(node) if _RESULTS.search(name)), "")
    return (f"returns {variable}", 2) if variable else ("", 0)


def _returned(function: ast.FunctionDef) -> Iterator[str]:
    """The names of the classes, and of what else makes objects, of which a function returns one by a call."""
    made: dict[str, str] = {}
    for node in _own_statements(function.body):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made.update({t.id: _maker(node.value) for t in node.targets if isinstance(t, ast.Name)})
    for node in _own_statements(function.body):
        if isinstance(node, ast.Return) and node.value is not None:
            # Several models can be returned by their names.
            several = node.value.values if isinstance(node.value, ast.Dict) else [node.value]
            yield from (_made_by(value, made) for value in several)


def _made_by(value: ast.expr, made: Mapping[str, str]) -> str:
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        # model.eval(), Net().to("cpu"): what a method of it returns is mostly itself.
        maker = _maker(value)
        if maker[:1].isupper() or _NAMES.search(maker):
            break
        value = value.func.value
    if isinstance(value, ast.Call):
        return _maker(value)
    return made.get(value.id, "") if isinstance(value, ast.Name) else ""


def _names_returned(function: ast.FunctionDef) -> Iterator[str]:
    for node in _own_statements(function.body):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Name):
            yield node.value.id


def _maker(call: ast.Call) -> str:
    """What a call makes an object by: a class or a function, or what loads one: ``Class.method``.

    Or ``MODELS.build`` of a registry.
    """
    name = _last_name(call.func)
    owner = _last_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    is_loader = owner[:1].isupper() and _LOADERS.search(name) and not _NO_MODELS.search(owner)
    is_registry = name in _BY_REGISTRY and _REGISTRIES.search(owner)
    return f"{owner}.{name}" if is_loader or is_registry else name


def _own_statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a function, those of its blocks included, those of inner functions not."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for part in ("body", "orelse", "finalbody"):
                yield from _own_statements(getattr(node, part, ()))
            for handler in getattr(node, "handlers", ()):
                yield from _own_statements(handler.body)


def _needed(node: ast.FunctionDef | ast.ClassDef) -> tuple[str, ...]:
    function = node if isinstance(node, ast.FunctionDef) else _init_of(node)
    if function is None:
        return ()
    given = function.args
    positional = [*given.posonlyargs, *given.args][1 if isinstance(node, ast.ClassDef) else 0 :]
    needed = (
        positional[: len(positional) - len(given.defaults)] if len(given.defaults) < len(positional) else []
    )
    needed += [
        each for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None
    ]
    return tuple(each.arg for each in needed)


def _init_of(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)


def _last_name(node: ast.expr | None) -> str:
    """The last part of a dotted name: ``Module`` of ``torch.nn.Module``; "" for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.rpartition(".")[2]
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    return node.id if isinstance(node, ast.Name) else ""
