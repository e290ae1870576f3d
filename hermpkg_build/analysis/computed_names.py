"""Reads calls that import by computed names: which names their constant parts leave possible."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from hermpkg_build.core.module_names import parent_of
from hermpkg_build.core.parsed_texts import parse_expression
from hermpkg_build.dataclass import dataclass

_FIELD = re.compile(r"\{[^{}]*\}")
"""A field that str.format replaces."""
_CONVERSION = re.compile(r"%(?:\(\w*\))?[-#0 +]*\d*(?:\.\d+)?\w")
"""A field that the operator % replaces."""

_Parts = Sequence["str | None"]
"""A text in pieces; None stands for one that is computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedNames:
    """The names that a call can import: those in `package`, or below, that `pattern` matches as a whole."""

    package: str
    pattern: re.Pattern[str]


def names_of_call(call: str, module: str, package: str) -> ComputedNames | None:
    """The names that a call in `module` of `package` imports; None where its text does not show a package.

    >>> names_of_call('import_module(f"lib.parts.{name}")', "lib", "lib").package
    'lib.parts'
    """
    try:
        expression = parse_expression(call)
    except (SyntaxError, ValueError):
        return None  # It was too long to be noted whole.
    if not isinstance(expression, ast.Call) or not expression.args:
        return None
    known = {"__name__": module, "__package__": package}
    first, *rest = _parts(expression.args[0], known)
    if first is None:
        return None
    if first.startswith("."):
        anchors = [*expression.args[1:], *(k.value for k in expression.keywords if k.arg == "package")]
        anchor = _parts(anchors[0], known) if anchors else [None]
        level = len(first) - len(first.lstrip("."))
        above = anchor[0].split(".") if len(anchor) == 1 and anchor[0] else []
        if level > len(above):
            return None
        first = ".".join([*above[: len(above) - level + 1], first[level:]])
    if "." not in first:
        return None
    pattern = re.compile("".join(r"[\w.]+" if part is None else re.escape(part) for part in (first, *rest)))
    return ComputedNames(package=parent_of(first), pattern=pattern)


def _parts(node: ast.expr, known: dict[str, str]) -> _Parts:
    """The pieces of the text that an expression makes; `known` are the values of names."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Name(id=name) if known.get(name):
            return [known[name]]
        case ast.JoinedStr(values=values):
            return _joined([_parts(value, known) for value in values])
        case ast.FormattedValue(value=ast.Name() as name, conversion=-1, format_spec=None):
            return _parts(name, known)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([_parts(left, known), _parts(right, known)])
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()):
            return _with_gaps(_CONVERSION.split(text))
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return _with_gaps(_FIELD.split(text))
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(text)), attr="join"),
            args=[ast.List(elts=elements) | ast.Tuple(elts=elements)],
        ):
            pieces = [_parts(element, known) for element in elements]
            return _joined([part for piece in pieces for part in ([text], piece)][1:])
    return [None]


def _joined(pieces: Sequence[_Parts]) -> _Parts:
    """Pieces in a row, with neighbouring texts made one."""
    joined: list[str | None] = []
    for part in (part for piece in pieces for part in piece):
        if joined and part is not None and joined[-1] is not None:
            joined[-1] += part
        else:
            joined.append(part)
    return joined or [None]


def _with_gaps(texts: Sequence[str]) -> _Parts:
    return [part for text in texts for part in (None, text)][1:]
