"""Finds what Python's grammar has and Starlark's does not."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

Problem: TypeAlias = tuple[ast.AST, str, str]
"""Where, what, and the next step."""

_NOT_STARLARK: Mapping[type[ast.AST], str] = {
    ast.AnnAssign: "type annotations",
    ast.Assert: "assert statements; call fail()",
    ast.AsyncFor: "async statements",
    ast.AsyncFunctionDef: "async functions",
    ast.AsyncWith: "async statements",
    ast.Await: "await expressions",
    ast.ClassDef: "classes; use struct()",
    ast.Delete: "del statements",
    ast.GeneratorExp: "generator expressions; write a list comprehension",
    ast.Global: "global statements",
    ast.Import: "import statements; use load()",
    ast.ImportFrom: "import statements; use load()",
    ast.JoinedStr: "f-strings; use format()",
    ast.Match: "match statements",
    ast.NamedExpr: "assignment expressions",
    ast.Nonlocal: "nonlocal statements",
    ast.Raise: "exceptions; call fail()",
    ast.Set: "set literals",
    ast.SetComp: "set comprehensions",
    ast.Try: "exceptions",
    ast.While: "while loops; use a for loop over range()",
    ast.With: "with statements",
    ast.Yield: "generators",
    ast.YieldFrom: "generators",
}
_NOT_STARLARK_OPERATORS: Mapping[type[ast.AST], str] = {
    ast.Is: "operator is; use ==",
    ast.IsNot: "operator is not; use !=",
    ast.MatMult: "operator @",
    ast.Pow: "operator **",
}


def grammar_problems(node: ast.AST) -> Iterator[Problem]:
    """Give what is not Starlark in `node` itself, not in the nodes inside it."""
    text = _NOT_STARLARK.get(type(node))
    if text is not None:
        yield node, f"Starlark has no {text}", ""
    elif isinstance(node, ast.FunctionDef):
        yield from _function_problems(node)
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        yield from _operator_problems(node, [node.op])
    elif isinstance(node, ast.Compare):
        if len(node.ops) > 1:
            yield node, "Starlark has no chained comparisons", "join two comparisons with and"
        yield from _operator_problems(node, node.ops)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bytes | complex | type(...)):
        yield node, f"Starlark has no {type(node.value).__name__} literals", ""
    elif isinstance(node, ast.For) and node.orelse:
        yield node.orelse[0], "Starlark has no else of a for loop", ""
    elif isinstance(node, ast.Dict) and None in node.keys:
        yield node, "Starlark has no ** in dictionaries", "join two dictionaries with |"
    elif isinstance(node, ast.Starred) and isinstance(node.ctx, ast.Store):
        yield node, "Starlark has no starred assignment", ""


def _operator_problems(node: ast.AST, operators: Sequence[ast.AST]) -> Iterator[Problem]:
    for operator in operators:
        if type(operator) in _NOT_STARLARK_OPERATORS:
            yield node, f"Starlark has no {_NOT_STARLARK_OPERATORS[type(operator)]}", ""


def _function_problems(node: ast.FunctionDef) -> Iterator[Problem]:
    for decorator in node.decorator_list:
        yield decorator, "Starlark has no decorators", ""
    if node.args.posonlyargs:
        yield node, "Starlark has no positional-only parameters", ""
    for annotation in (*(each.annotation for each in parameters(node.args)), node.returns):
        if annotation is not None:
            yield annotation, "Starlark has no type annotations", ""


def parameters(arguments: ast.arguments) -> list[ast.arg]:
    """List the parameters of a function, ``*args`` and ``**kwargs`` last."""
    plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [*plain, *(rest for rest in (arguments.vararg, arguments.kwarg) if rest is not None)]
