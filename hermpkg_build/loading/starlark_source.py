"""BUILD and .bzl files as text and syntax tree, with the places that errors point at."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Sequence

from hermpkg_build.core.syntax_trees import TooDeepError, parse_module
from hermpkg_build.errors import LoadingError, Location

MAX_NESTING = 200
"""How deep expressions may nest. The interpreter has no limit of its own and dies of a stack overflow."""

MOST_SIGNS = 500_000
"""Brackets, commas, operators and line ends of a file: its syntax tree takes up to 2 KB for each."""

_SIGNS = "()[]{},.:;=+-*/%<>|&^~\n"

_TAB_WIDTH = 4
_SHOWN_WIDTH = 100
_CLIP = "…"
"""Stands for what is left out of a line that is too long to show."""


class StarlarkSource:
    """A file that parses.

    Starlark's grammar is a subset of Python's, so Python's parser gives the tree; `resolve` refuses what
    Python accepts and Starlark does not. `path` is relative to the workspace root.
    """

    def __init__(self, path: str, text: str, tree: ast.Module) -> None:
        self.path = path
        self.text = text
        self.tree = tree
        self._lines = text.split("\n")
        self._calls: dict[int, list[ast.Call]] = {}

    @classmethod
    def parse(cls, path: str, data: bytes) -> StarlarkSource:
        """Read the bytes of a file: UTF-8 with any line ends. Raises LoadingError."""
        text = _decode(path, data)
        _check_size(path, text)
        try:
            tree, caught = parse_module(text, path)
        except TooDeepError:
            raise LoadingError("an expression is nested too deeply", location=Location(path)) from None
        except SyntaxError as error:
            raise _syntax_error(path, text, error) from None
        source = cls(path, _with_spaces(path, text) if "\t" in text else text, tree)
        for warning in caught:
            # Python warns of "\d"; Starlark has no such escape and Bazel refuses it.
            if "invalid escape sequence" in str(warning.message):
                raise source.error(
                    Location(path, warning.lineno),
                    f"invalid escape sequence '{_escape_in(str(warning.message))}'",
                    next_step='write the backslash twice, or a raw string: r"..."',
                )
        source._read_calls()
        return source

    def location(self, node: ast.AST) -> Location:
        """Return where `node` begins."""
        line, column = _begin(node)
        return Location(self.path, line, self._column(line, column))

    def snippet(self, node: ast.AST) -> str:
        """Return the first line of `node`, underlined."""
        line, column = _begin(node)
        end_line, end_column = getattr(node, "end_lineno", line), getattr(node, "end_col_offset", column)
        begin = self._column(line, column)
        end = self._column(line, end_column) if end_line == line else len(self._lines[line - 1].rstrip()) + 1
        return self._underlined(line, begin, end)

    def error(
        self,
        place: ast.AST | Location,
        summary: str,
        *,
        width: int = 1,
        next_step: str = "",
        facts: Facts = (),
    ) -> LoadingError:
        """Return an error that points at a node, or at `width` characters from a place in this file on."""
        if isinstance(place, ast.AST):
            location, snippet = self.location(place), self.snippet(place)
        else:
            location = place
            snippet = self._underlined(place.line, place.column, place.column + width)
        return LoadingError(summary, location=location, snippet=snippet, facts=facts, next_step=next_step)

    def calls_at(self, line: int, function: str) -> list[ast.Call]:
        """List the calls of `function` that begin on `line`.

        Where there are none these are all calls on that line, from the outside in: a load statement or an
        assignment may have given the function another name.
        """
        calls = self._calls.get(line, [])
        return [call for call in calls if _function_name(call) == function] or calls

    def call_from(self, location: Location) -> ast.Call | None:
        """Return the call that begins exactly at `location`."""
        return next((c for c in self._calls.get(location.line, []) if self.location(c) == location), None)

    def _column(self, line: int, offset: int) -> int:
        """Return the column, from 1 in characters, of a byte offset into a line, as `ast` gives it."""
        text = self._lines[line - 1]
        if text.isascii():
            return offset + 1
        return len(text.encode()[:offset].decode(errors="replace")) + 1

    def _underlined(self, line: int, begin: int, end: int) -> str:
        if not 0 < line <= len(self._lines):
            return ""
        return underlined(self._lines[line - 1], line, begin, end)

    def _read_calls(self) -> None:
        """Note where calls are, from the outside in. Raises LoadingError where nesting is too deep."""
        level: list[ast.AST] = [self.tree]
        for _ in range(MAX_NESTING):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
            if not level:
                return
            for node in level:
                if isinstance(node, ast.Call):
                    self._calls.setdefault(node.lineno, []).append(node)
        node = next(n for n in level if hasattr(n, "lineno"))
        raise self.error(node, f"an expression is nested more than {MAX_NESTING} deep")


Facts = Sequence[tuple[str, str]]


def underlined(text: str, line: int, begin: int, end: int) -> str:
    """Return line number `line` with `text`, and carets below the columns from `begin` to before `end`.

    Without a column (0) there is no second line.

    >>> print(underlined("model(nmae = 1)", 3, 7, 11))
    3 | model(nmae = 1)
      |       ^^^^
    """
    shown = text.rstrip().expandtabs(_TAB_WIDTH)
    gutter = str(line)
    if not begin:
        return f"{gutter} | {_clipped(shown, 0)}"
    indent = len(text[: begin - 1].expandtabs(_TAB_WIDTH))
    width = len(text[: max(end, begin + 1) - 1].expandtabs(_TAB_WIDTH)) - indent
    start = max(0, min(indent - _SHOWN_WIDTH // 3, len(shown) - _SHOWN_WIDTH))
    clipped = _clipped(shown, start)
    indent += len(_CLIP) - start if start else 0
    carets = "^" * max(1, min(width, len(clipped) - indent))
    return f"{gutter} | {clipped}\n{'':<{len(gutter)}} | {'':<{indent}}{carets}"


def _clipped(text: str, start: int) -> str:
    """Return as much of a long line from `start` as is shown, with a mark where something is left out."""
    end = start + _SHOWN_WIDTH
    return (_CLIP if start else "") + text[start:end] + (_CLIP if end < len(text) else "")


def find_argument(
    call: ast.Call, name: str, path: Iterable[int | str] = (), positional: Sequence[str] = ()
) -> ast.AST:
    """Return the node in `call` that gives the part `path` of the argument `name`, or the nearest there is.

    `path` goes into lists by index and into dictionaries by key; `positional` are the names of arguments
    that may be given without them.
    """
    given: dict[str, ast.expr] = dict(zip(positional, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    if name not in given:
        return call.func
    node: ast.AST = given[name]
    for step in path:
        inner = _step(node, step)
        if inner is None:
            break
        node = inner
    return node


def find_keyword(call: ast.Call, name: str) -> ast.AST:
    """Return the node in `call` that is the argument `name` with its name, or the function's."""
    return next((keyword for keyword in call.keywords if keyword.arg == name), call.func)


def find_string(root: ast.AST, values: Iterable[str]) -> ast.AST | None:
    """Return the first string literal under `root` that is one of `values`."""
    wanted = set(values)
    for node in ast.walk(root):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in wanted:
            return node
    return None


def _step(node: ast.AST, step: int | str) -> ast.AST | None:
    if isinstance(node, ast.List | ast.Tuple) and isinstance(step, int) and step < len(node.elts):
        return node.elts[step]
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == step:
                return value
    return None


def _begin(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _function_name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _escape_in(warning: str) -> str:
    """The escape sequence of which a warning of Python's parser tells, in the words of any version."""
    return warning[warning.index("\\") :][:2]


def _decode(path: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LoadingError(
            f"not UTF-8 text: byte 0x{data[error.start]:02x}",
            location=Location(path, line),
            next_step="save the file as UTF-8",
        ) from None
    text = re.sub(r"\r\n?", "\n", text)
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        column = nul - text.rfind("\n", 0, nul)
        raise LoadingError("a NUL byte in the text", location=Location(path, line, column))
    return text


def _check_size(path: str, text: str) -> None:
    if len(text) <= MOST_SIGNS:
        return
    count = sum(map(text.count, _SIGNS))
    if count > MOST_SIGNS:
        raise LoadingError(
            "the file is too large",
            location=Location(path),
            facts=[("brackets, commas, operators and lines", f"{count:,}"), ("at most", f"{MOST_SIGNS:,}")],
            next_step="make packages of its parts, or targets in a loop",
        )


def _with_spaces(path: str, text: str) -> str:
    """Put a space for each tab outside of strings and comments, which the interpreter takes nowhere.

    Raises LoadingError where a tab indents a statement: Starlark has no width for it.
    """
    lines = text.split("\n")
    kept: dict[int, list[tuple[int, int]]] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        (line, begin), (end_line, end) = token.start, token.end
        if token.type == tokenize.INDENT and "\t" in token.string:
            column = token.string.index("\t") + 1
            raise LoadingError(
                "a tab indents a statement",
                location=Location(path, line, column),
                snippet=underlined(lines[line - 1], line, column, column + 1),
                next_step="indent with spaces",
            )
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            for number in range(line, end_line + 1):
                first = begin if number == line else 0
                last = end if number == end_line else len(lines[number - 1])
                kept.setdefault(number, []).append((first, last))
    for number, content in enumerate(lines, 1):
        if "\t" in content:
            parts, at = [], 0
            for first, last in kept.get(number, []):
                parts += [content[at:first].replace("\t", " "), content[first:last]]
                at = last
            lines[number - 1] = "".join([*parts, content[at:].replace("\t", " ")])
    return "\n".join(lines)


def _syntax_error(path: str, text: str, error: SyntaxError) -> LoadingError:
    lines = text.split("\n")
    line = min(error.lineno or 0, len(lines))
    column = max(error.offset or 0, 0) if line else 0
    snippet = ""
    if line:
        end = error.end_offset or 0 if error.end_lineno == line else column + 1
        snippet = underlined(lines[line - 1], line, column, end)
    summary = f"syntax error: {error.msg}"
    return LoadingError(summary, location=Location(path, line, column), snippet=snippet)
