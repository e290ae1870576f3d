"""Finds, before a BUILD or .bzl file runs, the operation that would take too much memory all at once.

The interpreter is asked for its memory every few thousand steps, which is too late for one step that makes
gigabytes. What is computed of constants is computed here first, as sizes: each is no more than what the value
would take, so that nothing is refused that would have fitted.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hermpkg_build.core.texts import size_text
from hermpkg_build.loading.starlark_source import StarlarkSource

_ELEMENT = 8
"""The bytes of an element of a list, at least."""

_BELOW = (ast.FunctionDef, ast.For, ast.If)
_COPIES = frozenset({"list", "tuple", "sorted", "reversed", "set", "enumerate"})


@dataclass(frozen=True, slots=True)
class _Sequence:
    """A text, list, tuple or range: how many elements it has at least, and the bytes it takes at least."""

    count: int
    bytes: int


_Value = int | _Sequence | None
"""A whole number, the size of a sequence, or what is not known."""


def check_sizes(source: StarlarkSource, most: int) -> None:
    """Raise LoadingError at the first operation on constants that makes more than `most` bytes."""
    _Sizes(source, most).block(source.tree.body)


class _Sizes:
    """Walks statements in their order; `known` are names with one value from here on."""

    def __init__(self, source: StarlarkSource, most: int, known: Mapping[str, _Value] | None = None) -> None:
        self._source = source
        self._most = most
        self._known: dict[str, _Value] = dict(known or {})

    def block(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            if isinstance(statement, _BELOW):
                self._block_below(statement)
                continue
            values = [
                self._of(node) for node in ast.iter_child_nodes(statement) if isinstance(node, ast.expr)
            ]
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                self._known[statement.targets[0].id] = values[-1]
            else:
                for name in _assigned([statement]):
                    self._known[name] = None

    def _block_below(self, statement: ast.stmt) -> None:
        """Walk a function, loop or branch: of what it assigns, nothing is known in it or after it."""
        hidden = dict.fromkeys(_assigned([statement]))
        if isinstance(statement, ast.FunctionDef):
            self._known[statement.name] = None
        else:
            self._known.update(hidden)
        below = _Sizes(self._source, self._most, {**self._known, **hidden})
        below.expressions(statement)
        for name in ("body", "orelse"):
            below.block(getattr(statement, name, []))

    def _of(self, node: ast.expr) -> _Value:
        """Return what is known of an expression, after all below it was looked at."""
        make = _MAKERS.get(type(node))
        if make is not None:
            return make(self, node)
        self.expressions(node)
        return None

    def expressions(self, node: ast.AST) -> None:
        """Look at all expressions directly below `node`."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._of(child)
            elif isinstance(child, (ast.comprehension, ast.arguments)):
                self.expressions(child)

    def _scope(self, node: ast.expr) -> _Value:
        """Look at a comprehension or lambda, in which its own names are not known."""
        own = dict.fromkeys(_assigned([node]))
        _Sizes(self._source, self._most, {**self._known, **own}).expressions(node)
        return None

    def _constant(self, node: ast.Constant) -> _Value:
        if isinstance(node.value, bool):
            return None
        if isinstance(node.value, int):
            return node.value
        return _Sequence(len(node.value), len(node.value)) if isinstance(node.value, str) else None

    def _name(self, node: ast.Name) -> _Value:
        return self._known.get(node.id)

    def _list(self, node: ast.List | ast.Tuple) -> _Value:
        # An element may be there many times, and is kept once.
        values = [self._of(element) for element in node.elts]
        return _Sequence(len(values), _ELEMENT * len(values))

    def _operation(self, node: ast.BinOp) -> _Value:
        return self._binary(node, node.op, self._of(node.left), self._of(node.right))

    def _binary(self, node: ast.AST, operator: ast.operator, left: _Value, right: _Value) -> _Value:
        if isinstance(left, int) and isinstance(right, int):
            return _ARITHMETIC[type(operator)](left, right) if type(operator) in _ARITHMETIC else None
        if isinstance(operator, ast.Mult):
            number, sequence = (left, right) if isinstance(left, int) else (right, left)
            if isinstance(number, int) and isinstance(sequence, _Sequence):
                times = max(number, 0)
                return self._checked(node, _Sequence(sequence.count * times, sequence.bytes * times))
        if isinstance(operator, ast.Add):
            # What is not known has no less than nothing.
            sizes = [each for each in (left, right) if isinstance(each, _Sequence)]
            if sizes:
                count, size = sum(each.count for each in sizes), sum(each.bytes for each in sizes)
                return self._checked(node, _Sequence(count, size))
        return None

    def _call(self, node: ast.Call) -> _Value:
        values = [self._of(each) for each in node.args]
        for keyword in node.keywords:
            self._of(keyword.value)
        if isinstance(node.func, ast.Attribute):
            self._of(node.func.value)
            return None
        name = node.func.id if isinstance(node.func, ast.Name) and node.func.id not in self._known else ""
        if name == "range" and not node.keywords and all(isinstance(each, int) for each in values):
            return _range([each for each in values if isinstance(each, int)])
        if name in _COPIES and values and isinstance(values[0], _Sequence):
            count = values[0].count
            return self._checked(node, _Sequence(count, _ELEMENT * count))
        return None

    def _checked(self, node: ast.AST, size: _Sequence) -> _Sequence:
        if size.bytes <= self._most:
            return size
        raise self._source.error(
            node,
            "the values of the file take too much memory",
            facts=[("this one", f"{size_text(size.bytes)} at least"), ("at most", size_text(self._most))],
            next_step="make shorter texts and lists",
        )


def _range(numbers: list[int]) -> _Value:
    """Return the size of a range, which takes no memory for its elements."""
    if not 1 <= len(numbers) <= 3 or (len(numbers) == 3 and not numbers[2]):
        return None
    found = range(*numbers)
    return _Sequence((max(0, found.stop - found.start) // abs(found.step)) if found.step > 0 else 0, 0)


def _assigned(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Give the names that get a value in `nodes` or whatever is below them."""
    for below in nodes:
        for node in ast.walk(below):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.FunctionDef):
                yield node.name
            elif isinstance(node, ast.arg):
                yield node.arg


_ARITHMETIC: Mapping[type[ast.operator], Callable[[int, int], int | None]] = {
    ast.Add: int.__add__,
    ast.Sub: int.__sub__,
    ast.Mult: lambda left, right: left * right if left.bit_length() + right.bit_length() < 128 else None,
    ast.FloorDiv: lambda left, right: left // right if right else None,
}

_MAKERS: Mapping[type[ast.expr], Callable[..., _Value]] = {
    ast.Constant: _Sizes._constant,
    ast.Name: _Sizes._name,
    ast.List: _Sizes._list,
    ast.Tuple: _Sizes._list,
    ast.BinOp: _Sizes._operation,
    ast.Call: _Sizes._call,
    ast.ListComp: _Sizes._scope,
    ast.DictComp: _Sizes._scope,
    ast.Lambda: _Sizes._scope,
}
